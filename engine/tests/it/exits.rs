//! Enforcing channels on chain: the paths that every exit is made of.

use std::time::Duration;

use engine::chain::ChainCall;
use engine::error::RequestError;
use engine::input::Request;
use engine::ledger::LedgerPhase;
use engine::objectives::ExitReason;
use engine::testing::{Party, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};

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

#[test]
fn an_exit_over_a_silent_relay_takes_two_transactions_and_a_redemption() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let [alice, irene, bob] = path;
    let left = world.open_ledger(alice, irene, 60, 40);
    let right = world.open_ledger(irene, bob, 60, 40);
    let channel = world.open_payment(&path, 30);
    world.pay(alice, channel, 12);
    world.run_until_quiet();
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
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let [alice, irene, bob] = path;
    let left = world.open_ledger(alice, irene, 60, 40);
    let right = world.open_ledger(irene, bob, 60, 40);
    let channel = world.open_payment(&path, 30);
    world.pay(alice, channel, 12);
    world.run_until_quiet();
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
