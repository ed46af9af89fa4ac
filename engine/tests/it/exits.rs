//! Enforcing channels on chain: the paths that every exit is made of.

use std::time::Duration;

use engine::chain::{ChainCall, Urgency};
use engine::effect::Update;
use engine::error::RequestError;
use engine::input::Request;
use engine::ledger::{Ledger, LedgerPhase};
use engine::objectives::ExitReason;
use engine::payment::PaymentChannel;
use engine::policy::{Policy, StaleAnswer};
use engine::query::{LedgerView, PaymentView};
use engine::step::ArchivedChannel;
use engine::testing::{ContractCall, Party, Setup, World, fixtures};
use engine::types::{Amount, Asset, ChannelId, ObjectiveId};

const PURSE: u64 = fixtures::PURSE;
/// Longer than the challenge duration and the node's patience.
const LONG: Duration = Duration::from_secs(3 * 86_400);

fn purses(world: &World) -> Vec<u64> {
    let purse = |party| world.purse(party, Asset::NATIVE).to_u256().to::<u64>();
    world.parties().map(purse).collect()
}

fn calls(world: &World) -> Vec<(Party, &'static str)> {
    let name = |call: &ChainCall| match call {
        ChainCall::Deposit { .. } => "deposit",
        ChainCall::ConcludeAndTransfer { .. } => "concludeAndTransferAllAssets",
        ChainCall::Challenge { .. } => "challengeAll",
        ChainCall::Checkpoint { .. } => "checkpoint",
        ChainCall::Conclude { .. } => "conclude",
        ChainCall::Settle { .. } => "settle",
        ChainCall::Claim { .. } => "claim",
        ChainCall::ClaimTo { .. } => "claim to",
        ChainCall::Transfer { .. } => "transfer",
    };
    let party = |sender| world.parties().find(|party| world.address(*party) == sender).unwrap();
    let successes = world.chain().successes();
    let disputes = successes.iter().filter(|(_, call)| !matches!(call, ChainCall::Deposit { .. }));
    disputes.map(|(sender, call)| (party(*sender), name(call))).collect()
}

fn assert_gone(world: &World, id: ChannelId, parties: &[Party]) {
    for party in parties {
        let live = world.ledger(*party, id).is_some() || world.payment(*party, id).is_some();
        assert!(!live && world.archived(*party, id).is_some(), "{}", world.describe());
        assert!(world.chain().held(Asset::NATIVE, id).is_zero());
    }
}

#[test]
fn a_direct_exit_takes_two_transactions() {
    for exiting in [Party(0), Party(1)] {
        let mut world = World::calm(&["alice", "bob"]);
        let ledger = world.open_ledger(Party(0), Party(1), 60, 40);
        world.silence(Party(1 - exiting.0));
        world.start(exiting, Request::ExitLedger { ledger });
        let phase = world.ledger(exiting, ledger).unwrap().phase;
        assert_eq!(phase, LedgerPhase::Exiting(ExitReason::Requested));
        world.run_for(LONG);
        assert_eq!(purses(&world), [PURSE, PURSE], "{}", world.describe());
        assert_eq!(calls(&world), [(exiting, "challengeAll"), (exiting, "settle")]);
        assert!(world.has_completed(exiting, ObjectiveId::Exit(ledger)));
        assert_gone(&world, ledger, &[Party(0), Party(1)]);
    }
}

/// Alice has paid bob 12 units through irene: the three, the two ledgers and the payment channel.
fn paid_line() -> (World, [Party; 3], [ChannelId; 3]) {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let [alice, irene, bob] = path;
    let left = world.open_ledger(alice, irene, 60, 40);
    let right = world.open_ledger(irene, bob, 60, 40);
    let channel = world.open_payment(&path, 30);
    world.pay(alice, channel, 12);
    world.run_until_quiet();
    (world, path, [left, right, channel])
}

#[test]
fn an_exit_over_a_silent_relay_takes_two_transactions_and_a_redemption() {
    let (mut world, path, [left, right, _]) = paid_line();
    let [alice, irene, bob] = path;
    world.crash(irene);
    world.start(bob, Request::ExitLedger { ledger: right });
    // The challenges run out after a day; nobody is impatient before two.
    world.run_for(Duration::from_secs(30 * 3_600));
    // The payment channel is final for everyone; Alice's ledger waits for the relay's own word.
    let expected = [(bob, "challengeAll"), (bob, "settle")];
    assert_eq!(calls(&world), expected, "{}", world.describe());
    assert_eq!(purses(&world)[bob.0], PURSE + 12);
    assert_gone(&world, right, &[bob]);
    assert!(world.ledger(alice, left).is_some());
    world.run_for(LONG);
    assert_eq!(purses(&world), [PURSE - 12, PURSE, PURSE + 12], "{}", world.describe());
    world.restart(irene);
    world.run_for(LONG);
    assert_eq!(purses(&world), [PURSE - 12, PURSE, PURSE + 12], "{}", world.describe());
    for ledger in [left, right] {
        assert_gone(&world, ledger, &[irene]);
    }
}

#[test]
fn a_channel_exit_leaves_the_ledgers_of_peers_that_answer() {
    let (mut world, path, [left, right, channel]) = paid_line();
    let [alice, irene, bob] = path;
    world.start(bob, Request::ExitPayment { channel });
    world.run_for(LONG);
    assert_eq!(calls(&world), [(bob, "challengeAll")], "{}", world.describe());
    for (party, ledger, mine) in
        [(alice, left, 48), (irene, left, 52), (irene, right, 48), (bob, right, 52)]
    {
        assert_eq!(world.balance(party, ledger), u64::into(mine), "{}", world.describe());
        assert!(world.ledger(party, ledger).unwrap().is_usable());
    }
    assert_gone(&world, channel, &path);
}

#[test]
fn exits_that_make_no_sense_are_refused_and_change_nothing() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let ledger = world.open_ledger(alice, bob, 60, 40);
    let unknown = ChannelId::default();
    assert_eq!(
        world.request(alice, Request::ExitLedger { ledger: unknown }),
        Err(RequestError::UnknownLedger(unknown))
    );
    assert_eq!(
        world.request(alice, Request::ExitPayment { channel: ledger }),
        Err(RequestError::UnknownPayment(ledger))
    );
    world.start(alice, Request::ExitLedger { ledger });
    assert_eq!(
        world.request(alice, Request::ExitLedger { ledger }),
        Err(RequestError::AlreadyExiting(ledger))
    );
    assert_eq!(
        world.request(alice, Request::CloseLedger { ledger }),
        Err(RequestError::AlreadyExiting(ledger))
    );
    world.run_for(LONG);
    assert_eq!(
        world.request(alice, Request::ExitLedger { ledger }),
        Err(RequestError::AlreadyClosed(ledger))
    );
    assert_eq!(calls(&world).len(), 2);
}

/// Alice and Bob with 60 and 40, of which Alice has paid 12 since; and the ledger as it was before.
fn used_ledger(names: World) -> (World, ChannelId, Ledger) {
    let mut world = names;
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    let old = world.ledger(alice, id).unwrap().clone();
    let channel = world.open_payment(&[alice, bob], 30);
    world.pay(alice, channel, 12);
    world.close_payment(alice, channel);
    world.run_until_quiet();
    (world, id, old)
}

/// The cheat's own node is off: it would defend the newest state.
fn show_old(world: &mut World, cheat: Party, name: &str, old: &Ledger) {
    world.crash(cheat);
    let challenge = old.challenge(&fixtures::key(name)).unwrap();
    world.call(world.address(cheat), ContractCall::Challenge(challenge));
}

#[test]
fn a_stale_challenge_is_answered_by_a_newer_one_and_ends_the_ledger() {
    for (cheat, name) in [(Party(0), "alice"), (Party(1), "bob")] {
        let (mut world, id, old) = used_ledger(World::calm(&["alice", "bob"]));
        let honest = Party(1 - cheat.0);
        show_old(&mut world, cheat, name, &old);
        world.run_for(LONG);
        assert_eq!(calls(&world), [(honest, "challengeAll"), (honest, "settle")]);
        assert_eq!(purses(&world), [PURSE - 12, PURSE + 12], "{}", world.describe());
        assert_gone(&world, id, &[honest]);
        world.leave_unfinished();
    }
}

#[test]
fn a_stale_challenge_is_answered_by_a_checkpoint_where_the_owner_wants_the_ledger_to_live() {
    let policy = Policy { stale_answer: StaleAnswer::Checkpoint, ..fixtures::policy() };
    let world = Setup::new(1).node("alice", policy.clone()).node("bob", policy).build();
    let (mut world, id, old) = used_ledger(world);
    let (alice, bob) = (Party(0), Party(1));
    show_old(&mut world, bob, "bob", &old);
    world.run_for(LONG);
    assert_eq!(calls(&world), [(alice, "checkpoint")], "{}", world.describe());
    assert!(world.ledger(alice, id).unwrap().is_usable());
    world.restart(bob);
    world.run_until_quiet();
    let channel = world.open_payment(&[alice, bob], 10);
    world.close_payment(alice, channel);
    // What has been shown once cannot be undercut again.
    show_old(&mut world, bob, "bob", &old);
    world.run_for(LONG);
    assert_eq!(calls(&world), [(alice, "checkpoint")]);
    world.leave_unfinished();
}

#[test]
fn a_relay_concludes_what_everyone_signed_before_the_payer_takes_it_back() {
    let (mut world, path, [left, right, channel]) = paid_line();
    let [alice, irene, bob] = path;
    let opened = world.payment(alice, channel).unwrap().clone();
    world.start(alice, Request::ClosePayment { channel });
    world
        .run_until(|world| world.payment(irene, channel).is_some_and(PaymentChannel::is_finalized));
    world.crash(alice);
    let challenge = opened.challenge(None, &fixtures::key("alice")).unwrap();
    world.call(world.address(alice), ContractCall::Challenge(challenge));
    world.run_for(LONG);
    assert_eq!(world.balance(bob, right), 52_u64.into(), "{}", world.describe());
    assert_eq!(world.balance(irene, right), 48_u64.into(), "{}", world.describe());
    // Her ledger with Alice, who is gone, ended on chain with what she is owed.
    world.run_for(LONG);
    assert_gone(&world, left, &[irene]);
    assert_eq!(purses(&world)[..2], [PURSE - 12, PURSE - 60 + 12], "{}", world.describe());
    assert!(calls(&world).contains(&(irene, "conclude")), "{:?}", calls(&world));
    world.leave_unfinished();
}

#[test]
fn a_ledger_that_somebody_concluded_without_paying_is_settled() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    world.start(alice, Request::CloseLedger { ledger: id });
    world.run_until(|world| {
        world.ledger(bob, id).is_some_and(|ledger| ledger.withdrawal_call().is_some())
    });
    let call = world.ledger(bob, id).unwrap().withdrawal_call();
    let Some(ChainCall::ConcludeAndTransfer { fixed, state, signatures }) = call else { panic!() };
    let urgency = Urgency::default();
    let sender = world.address(bob);
    world.front_run(sender, ChainCall::Conclude { fixed, state, signatures, urgency });
    world.run_for(LONG);
    assert_eq!(purses(&world), [PURSE, PURSE], "{}", world.describe());
    assert_gone(&world, id, &[alice, bob]);
}

#[test]
fn a_payout_in_an_unusual_order_locks_nobody_out() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    // Equal balances: the log of a payout does not tell who was paid.
    let id = world.open_ledger(alice, bob, 50, 50);
    world.run_until_quiet();
    let ledger = world.ledger(alice, id).unwrap().clone();
    world.crash(bob);
    world.start(alice, Request::ExitLedger { ledger: id });
    world.run_until(|world| {
        let head = world.chain().head().timestamp;
        world.ledger(alice, id).unwrap().status().is_finalized(head)
    });
    let supported = ledger.supported().unwrap();
    world.front_run(
        world.address(bob),
        ContractCall::Transfer {
            asset_index: 0,
            channel: id,
            state_hash: supported.state.hash(id),
            outcome: supported.state.outcome,
            indices: vec![1],
        },
    );
    world.run_for(LONG);
    assert_eq!(purses(&world), [PURSE, PURSE], "{}", world.describe());
    assert_gone(&world, id, &[alice]);
    world.leave_unfinished();
}

/// The leader of a ledger that ran on chain asked to give the guarantee back, in vain, which had
/// the ledger looked at, which had the payment channel looked at, which asked again, for ever.
#[test]
fn a_final_state_that_comes_while_the_leader_exits_ends_the_channel_once() {
    let (mut world, path, [left, right, channel]) = paid_line();
    let [alice, irene, bob] = path;
    world.crash(bob);
    world.start(alice, Request::ClosePayment { channel });
    world.run_for(Duration::from_secs(60));
    world.start(irene, Request::ExitLedger { ledger: right });
    // Bob signs before he hears of the challenge.
    world.restart(bob);
    world.run_for(LONG);
    assert_gone(&world, right, &[irene, bob]);
    assert_gone(&world, channel, &path);
    assert_eq!(world.balance(alice, left), 48_u64.into(), "{}", world.describe());
    assert_eq!(world.balance(irene, left), 52_u64.into(), "{}", world.describe());
    assert_eq!(purses(&world)[bob.0], PURSE + 12, "{}", world.describe());
}

/// What the node says of a closed ledger, beside what the chain has paid.
fn assert_told_what_was_paid(world: &mut World, id: ChannelId, party: Party, peer: Party) {
    let Some(ArchivedChannel::Ledger(ledger)) = world.archived(party, id) else {
        panic!("{}", world.describe())
    };
    let view = LedgerView::new(&ledger, false);
    let paid = [party, peer].map(|party| world.chain().paid(id, world.address(party)));
    assert_eq!([view.mine, view.theirs], paid, "{party:?}: {}", world.describe());
    assert_eq!((view.locked, view.guarantees.len(), view.phase), (Amount::ZERO, 0, None));
    let updates = world.take_updates(party);
    let told = |update: &Update| matches!(update, Update::Ledger(told) if **told == view);
    assert!(updates.iter().any(told), "the application hears the same");
}

/// A closed ledger showed the balances that were agreed before the exit, and guarantees that were long
/// paid out.
#[test]
fn a_closed_ledger_tells_what_was_paid() {
    let (alice, bob) = (Party(0), Party(1));
    for (payer, payee) in [(alice, bob), (bob, alice)] {
        for paid in [0, 12, 30] {
            let mut world = World::calm(&["alice", "bob"]);
            let ledger = world.open_ledger(alice, bob, 60, 40);
            let channel = world.open_payment(&[payer, payee], 30);
            if paid > 0 {
                world.pay(payer, channel, paid);
            }
            world.run_until_quiet();
            world.start(payee, Request::ExitLedger { ledger });
            world.run_for(LONG);
            assert_eq!(world.purse(payee, Asset::NATIVE), (PURSE + paid).into());
            for (party, peer) in [(alice, bob), (bob, alice)] {
                assert_told_what_was_paid(&mut world, ledger, party, peer);
                let archived = world.archived(party, channel);
                let Some(ArchivedChannel::Payment(payment, total)) = archived else { panic!() };
                let view = PaymentView::new(&payment, total.as_ref(), false);
                assert_eq!(view.paid, paid.into(), "{party:?}");
            }
            let Some(ArchivedChannel::Ledger(closed)) = world.archived(payee, ledger) else {
                panic!()
            };
            let reason = LedgerView::new(&closed, false).exit_reason;
            assert_eq!(reason, Some(ExitReason::Requested));
        }
    }
}

/// A relay's two ledgers are settled at different times, by others.
#[test]
fn a_relay_is_told_what_its_ledgers_have_paid() {
    let (mut world, path, [left, right, _]) = paid_line();
    let [alice, irene, bob] = path;
    world.start(bob, Request::ExitLedger { ledger: right });
    world.start(alice, Request::ExitLedger { ledger: left });
    world.run_for(LONG);
    assert_eq!(purses(&world), [PURSE - 12, PURSE, PURSE + 12], "{}", world.describe());
    for (ledger, party, peer) in [(left, alice, irene), (right, irene, bob), (right, bob, irene)] {
        assert_told_what_was_paid(&mut world, ledger, party, peer);
    }
}

/// Neither does a ledger that never opened tell of money that nobody has put in.
#[test]
fn a_ledger_that_ends_without_an_exit_tells_what_was_paid() {
    for steps in 0..14 {
        let mut world = World::calm(&["alice", "bob"]);
        let (alice, bob) = (Party(0), Party(1));
        let ledger = world.begin_ledger(alice, bob, 60, 40);
        (0..steps).for_each(|_| world.step());
        let objective = ObjectiveId::DirectFund(ledger);
        if world.request(alice, Request::Cancel { objective }).is_err() {
            world.run_until_quiet();
            world.close_ledger(alice, ledger);
        }
        world.run_until_quiet();
        for (party, peer) in [(alice, bob), (bob, alice)] {
            if world.archived(party, ledger).is_some() {
                assert_told_what_was_paid(&mut world, ledger, party, peer);
            }
        }
    }
}
