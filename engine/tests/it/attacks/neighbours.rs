//! What neighbours can do together, or one of them with patience, when each of the other attacks is
//! answered: keep signatures from one side, collect signed turns, lean on a deposit that is gone.

use std::time::Duration;

use engine::chain::GasReport;
use engine::crypto::{Signature, Signer as _};
use engine::effect::Update;
use engine::input::Request;
use engine::ledger::{Balances, Change, Pending, RefusalReason, Side};
use engine::objectives::DeclineReason;
use engine::payment::PaymentChannel;
use engine::state::FixedPart;
use engine::testing::adversaries::{Overspender, Puppet};
use engine::testing::{ContractCall, Orphans, Party, Setup, World, fixtures};
use engine::types::{Amount, Asset, ObjectiveId};
use engine::vouchers::Voucher;
use engine::wire::{Evidence, Message, Seal};

use super::stage::{DURATION, LONG, VICTIM, checkpoint, join, leave, signed};

const ALICE: Party = Party(0);
const BOB: Party = Party(1);

fn purses(world: &World, parties: &[Party]) -> Vec<i128> {
    parties
        .iter()
        .map(|party| {
            let purse: u64 = world.purse(*party, Asset::NATIVE).to_u256().to::<u64>();
            i128::from(purse) - i128::from(fixtures::PURSE)
        })
        .collect()
}

/// A relay between two honest nodes says to the payee that it gives up, to the payer that all is
/// well, and pockets what is paid.
#[test]
fn a_relay_that_tells_payer_and_payee_different_things_keeps_nothing() {
    let mut world = World::calm(&["alice", "bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let left = mallory.follow_ledger(&mut world, ALICE, 100, 0);
    let mut right = mallory.lead_ledger(&mut world, BOB, 100, 0);
    let request = Request::OpenPayment {
        payee: world.address(BOB),
        relays: vec![mallory.address()],
        asset: Asset::NATIVE,
        capacity: 60_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(ALICE, request).channel();
    mallory.listen(&mut world);
    let channel = world.payment(ALICE, id).unwrap().clone();
    for party in [ALICE, BOB] {
        mallory.say(&mut world, party, &join(&channel, &mallory));
    }
    // The left hop.
    let pending = world.ledger(ALICE, left.id).unwrap().pending[0].clone();
    let seal = mallory.seal(pending.hash);
    let agree = Message::Countersign { ledger: left.id, turn: pending.turn, seal };
    mallory.say(&mut world, ALICE, &agree);
    // The right hop.
    let record = world.payment(BOB, id).unwrap();
    let signatures: Vec<_> = record.prefund.iter().copied().flatten().collect();
    assert_eq!(signatures.len(), 3);
    let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
    let change = Puppet::addition(&channel, Side::Leader);
    mallory.say(&mut world, BOB, &mallory.proposal(&right, change, evidence));
    right.agreed = right.agreed.apply(&change, right.agreed.turn.next().unwrap()).unwrap();
    assert!(world.payment(BOB, id).unwrap().postfund_signed());
    // To bob: no. To alice: yes.
    let objective = ObjectiveId::VirtualFund(id);
    let no = Message::Decline { objective, reason: DeclineReason::TimedOut };
    mallory.say(&mut world, BOB, &no);
    let seal = mallory.seal(channel.postfund_hash());
    mallory.say(&mut world, ALICE, &Message::PaymentPostfund { channel: id, seal });
    assert!(world.has_open_payment(ALICE, id));
    world.take_offences(BOB);
    world.pay(ALICE, id, 50);
    world.run_until_quiet();
    // Alice's own user closes the channel; or mallory asks for it.
    mallory.say(&mut world, ALICE, &Message::RequestFinal { channel: id });
    world.run_until_quiet();
    // Everything goes back to mallory on the right.
    let change = Change::Remove { target: id, left_amount: 60_u64.into() };
    mallory.heard();
    mallory.say(&mut world, BOB, &mallory.proposal(&right, change, Evidence::default()));
    // And now the final state is completed on the left.
    let paid = Amount::from(50_u64);
    let payer = Seal::sign(channel.final_hash(paid), &fixtures::key("alice"));
    let seal = mallory.seal(channel.final_hash(paid));
    mallory.say(&mut world, ALICE, &Message::Finalize { channel: id, paid, payer, seal });
    for pending in world.ledger(ALICE, left.id).unwrap().pending.clone() {
        let seal = mallory.seal(pending.hash);
        let agree = Message::Countersign { ledger: left.id, turn: pending.turn, seal };
        mallory.say(&mut world, ALICE, &agree);
    }
    for party in [ALICE, BOB] {
        leave(&mut world, party);
    }
    let gains = purses(&world, &[ALICE, BOB]);
    assert!(gains == [-50, 50] || gains == [0, 0], "{gains:?}");
}

/// As above, with a payee that leads the ledger: it has signed by itself that the guarantee goes back
/// when it was told no. It was told of the payment all the same, and signed the final state once its
/// removal was refused, which mallory could still countersign or show (seed 508 of the simulation).
#[test]
fn a_payee_that_has_signed_the_guarantee_back_is_told_of_no_payment_and_signs_no_end() {
    for refused in [false, true] {
        let mut world = World::calm(&["alice", "bob"]);
        world.leave_unfinished();
        world.expect_offences();
        let mut mallory = Puppet::new(&mut world, "mallory");
        let left = mallory.follow_ledger(&mut world, ALICE, 100, 0);
        let right = mallory.follow_ledger(&mut world, BOB, 0, 100);
        let request = Request::OpenPayment {
            payee: world.address(BOB),
            relays: vec![mallory.address()],
            asset: Asset::NATIVE,
            capacity: 60_u64.into(),
            challenge_duration: DURATION,
            random: world.nonce(),
        };
        let id = world.start(ALICE, request).channel();
        mallory.listen(&mut world);
        let channel = world.payment(ALICE, id).unwrap().clone();
        for party in [ALICE, BOB] {
            mallory.say(&mut world, party, &join(&channel, &mallory));
        }
        for (party, ledger) in [(ALICE, left.id), (BOB, right.id)] {
            let pending = world.ledger(party, ledger).unwrap().pending[0].clone();
            let seal = mallory.seal(pending.hash);
            let agree = Message::Countersign { ledger, turn: pending.turn, seal };
            mallory.say(&mut world, party, &agree);
        }
        // To bob: no, who proposes to give the guarantee back. To alice: yes.
        let objective = ObjectiveId::VirtualFund(id);
        let no = Message::Decline { objective, reason: DeclineReason::TimedOut };
        mallory.say(&mut world, BOB, &no);
        let removal = world.ledger(BOB, right.id).unwrap().pending[0].clone();
        if refused {
            let reason = RefusalReason::NotExpected;
            let no = Message::Refuse { ledger: right.id, turn: removal.turn, reason };
            mallory.say(&mut world, BOB, &no);
            // Bob asks to agree that nothing changes, so that nobody can agree to the removal.
            let pending = world.ledger(BOB, right.id).unwrap().pending.clone();
            assert!(pending.iter().all(|pending| pending.change == Change::Keep), "{pending:?}");
        }
        let seal = mallory.seal(channel.postfund_hash());
        for party in [ALICE, BOB] {
            let yes = Message::PaymentPostfund { channel: id, seal };
            mallory.say(&mut world, party, &yes);
        }
        world.pay(ALICE, id, 50);
        world.run_until_quiet();
        world.take_updates(BOB);
        mallory.say(&mut world, ALICE, &Message::RequestFinal { channel: id });
        world.run_until_quiet();
        let is_told = |world: &mut World| {
            let updates = world.take_updates(BOB);
            updates.iter().any(|update| matches!(update, Update::Received { .. }))
        };
        assert!(!is_told(&mut world), "refused: {refused}");
        let signed = world.payment(BOB, id).and_then(|channel| channel.final_state.clone());
        let signed = signed.is_some_and(|state| state.signatures[2].is_some());
        assert!(!signed, "refused: {refused}");
        // What bob has signed is agreed to after all.
        let seal = mallory.seal(removal.hash);
        let agree = Message::Countersign { ledger: right.id, turn: removal.turn, seal };
        mallory.say(&mut world, BOB, &agree);
        world.run_until_quiet();
        assert!(!is_told(&mut world), "refused: {refused}");
        for party in [ALICE, BOB] {
            leave(&mut world, party);
        }
        let gains = purses(&world, &[ALICE, BOB]);
        assert!(gains == [-50, 50] || gains == [0, 0], "{gains:?}");
    }
}

/// Collects signed turns: mallory asks for payment channels to alice, who leads, and refuses.
struct Collector {
    world: World,
    mallory: Puppet,
    ledger: engine::ledger::Ledger,
    signed: Vec<(Balances, Signature)>,
}

impl Collector {
    fn new(rounds: usize) -> Self {
        let mut world = World::calm(&["alice"]);
        world.leave_unfinished();
        let mut mallory = Puppet::new(&mut world, "mallory");
        let ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 10);
        let mut signed = Vec::new();
        for _ in 0..rounds {
            let channel = mallory.payment(&mut world, &[VICTIM], 10);
            mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
            for _ in 0..2 {
                let record = world.ledger(VICTIM, ledger.id).unwrap();
                let Some(pending) = record.pending.first().cloned() else { break };
                let next = record.agreed.apply(&pending.change, pending.turn).unwrap();
                signed.push((next, pending.signature));
                let (turn, reason) = (pending.turn, RefusalReason::NotExpected);
                let refuse = Message::Refuse { ledger: ledger.id, turn, reason };
                mallory.say(&mut world, VICTIM, &refuse);
            }
        }
        Self { world, mallory, ledger, signed }
    }
}

/// Each refused turn clears a challenge.
#[test]
fn refused_turns_prolong_an_exit_no_more_than_a_few_times() {
    let mut s = Collector::new(10);
    s.world.start(VICTIM, Request::ExitLedger { ledger: s.ledger.id });
    s.world.run_until_quiet();
    let mut rounds = 0;
    for (balances, signature) in s.signed.clone() {
        let Some(status) = s.world.chain().status(s.ledger.id) else { break };
        if status.finalizes_at == 0 {
            s.world.run_for(Duration::from_secs(60));
        }
        let end = s.world.chain().status(s.ledger.id).unwrap().finalizes_at;
        if end == 0 {
            break;
        }
        s.world.run_until_chain_time(end - 400);
        let candidate = signed(&s.ledger, &balances, signature, &s.mallory);
        let call = checkpoint(&s.ledger.fixed, Vec::new(), candidate);
        s.world.call(s.mallory.address(), call);
        s.world.run_for(Duration::from_secs(30));
        rounds += 1;
    }
    s.world.run_for(LONG);
    assert!(rounds <= 6, "{rounds} challenge durations instead of one");
}

/// And each leaves a row for good.
#[test]
fn refused_additions_do_not_pile_up() {
    let mut counts = Vec::new();
    for rounds in [0, 10, 100] {
        let mut s = Collector::new(rounds);
        s.world.run_for(Duration::from_secs(30 * 86_400));
        let ledger = s.world.ledger(VICTIM, s.ledger.id).unwrap();
        counts.push((
            rounds,
            s.world.rows(VICTIM),
            s.world.counters(VICTIM).payments,
            ledger.withdrawn.len(),
        ));
    }
    assert!(counts[2].1 < counts[0].1 + 50);
}

fn received(world: &mut World, party: Party) -> Amount {
    let updates = world.take_updates(party);
    let deltas = updates.into_iter().filter_map(|update| match update {
        Update::Received { delta, .. } => Some(delta),
        _ => None,
    });
    Amount::checked_sum(deltas).unwrap()
}

/// The payer's deposit is gone.
#[test]
fn nothing_is_received_over_a_ledger_whose_deposit_is_gone() {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    for _ in 0..5 {
        world.mine();
    }
    let mark = world.chain().head().number;
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.lead_ledger(&mut world, VICTIM, 100, 0);
    let channel = mallory.pay_into(&mut world, VICTIM, &mut ledger, 50);
    let depth = world.chain().head().number.0 - mark.0;
    world.reorg(usize::try_from(depth).unwrap(), Orphans::Dropped);
    world.run_for(Duration::from_secs(600));
    let known = world.ledger(VICTIM, ledger.id).unwrap();
    assert_eq!(known.status().holdings, Amount::ZERO, "bob knows that nothing is there");
    world.take_updates(VICTIM);
    let voucher = Overspender(&mallory).voucher(&channel, 50_u64.into());
    mallory.say(&mut world, VICTIM, &voucher);
    let received = received(&mut world, VICTIM);
    leave(&mut world, VICTIM);
    assert_eq!(received, Amount::ZERO);
}

/// Gas is dear while the challenge runs.
#[test]
fn nothing_is_received_that_is_too_dear_to_redeem() {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.lead_ledger(&mut world, VICTIM, 100, 0);
    let mut channel = mallory.pay_into(&mut world, VICTIM, &mut ledger, 50);
    let record = world.payment(VICTIM, channel.id).unwrap();
    (channel.prefund, channel.postfund) = (record.prefund.clone(), record.postfund.clone());
    world.report_gas(VICTIM, GasReport { balance: Some(u64::MAX.into()), price: 1_u64.into() });
    let challenge = channel.challenge(None, mallory.key()).unwrap();
    world.call(mallory.address(), ContractCall::Challenge(challenge));
    world.run_until_quiet();
    world.take_updates(VICTIM);
    let voucher = Overspender(&mallory).voucher(&channel, 50_u64.into());
    mallory.say(&mut world, VICTIM, &voucher);
    let received = received(&mut world, VICTIM);
    world.run_for(LONG);
    world.report_gas(VICTIM, GasReport::default());
    leave(&mut world, VICTIM);
    let gains = purses(&world, &[VICTIM]);
    assert!(received.is_zero() || gains == [50]);
}

/// No word of a lie: the relay only keeps its signatures from the payee.
#[test]
fn a_relay_that_keeps_its_signatures_from_the_payee_keeps_nothing() {
    let mut world = World::calm(&["alice", "bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let left = mallory.follow_ledger(&mut world, ALICE, 100, 0);
    let right = mallory.lead_ledger(&mut world, BOB, 100, 0);
    let request = Request::OpenPayment {
        payee: world.address(BOB),
        relays: vec![mallory.address()],
        asset: Asset::NATIVE,
        capacity: 60_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(ALICE, request).channel();
    mallory.listen(&mut world);
    let channel = world.payment(ALICE, id).unwrap().clone();
    for party in [ALICE, BOB] {
        mallory.say(&mut world, party, &join(&channel, &mallory));
    }
    let countersign = |world: &mut World, mallory: &mut Puppet| {
        for pending in world.ledger(ALICE, left.id).unwrap().pending.clone() {
            let seal = mallory.seal(pending.hash);
            let agree = Message::Countersign { ledger: left.id, turn: pending.turn, seal };
            mallory.say(world, ALICE, &agree);
        }
    };
    countersign(&mut world, &mut mallory);
    let record = world.payment(BOB, id).unwrap();
    let signatures: Vec<_> = record.prefund.iter().copied().flatten().collect();
    let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
    let change = Puppet::addition(&channel, Side::Leader);
    mallory.say(&mut world, BOB, &mallory.proposal(&right, change, evidence));
    assert!(world.payment(BOB, id).unwrap().postfund_signed());
    let seal = mallory.seal(channel.postfund_hash());
    mallory.say(&mut world, ALICE, &Message::PaymentPostfund { channel: id, seal });
    assert!(world.has_open_payment(ALICE, id));
    world.pay(ALICE, id, 50);
    world.run_until_quiet();
    mallory.say(&mut world, ALICE, &Message::RequestFinal { channel: id });
    let paid = Amount::from(50_u64);
    let payer = Seal::sign(channel.final_hash(paid), &fixtures::key("alice"));
    let seal = mallory.seal(channel.final_hash(paid));
    mallory.say(&mut world, ALICE, &Message::Finalize { channel: id, paid, payer, seal });
    countersign(&mut world, &mut mallory);
    world.run_for(LONG);
    for party in [ALICE, BOB] {
        leave(&mut world, party);
    }
    let gains = purses(&world, &[ALICE, BOB]);
    assert!(gains == [-50, 50] || gains == [0, 0], "{gains:?}");
}

/// The left deposit is taken back while the channel opens; irene promises that all is funded.
#[test]
fn a_relay_does_not_vouch_for_a_deposit_that_is_gone() {
    let mut world = World::calm(&["irene"]);
    world.leave_unfinished();
    let mut payer = Puppet::new(&mut world, "mallory");
    let mut payee = Puppet::new(&mut world, "trudy");
    let right = payee.follow_ledger(&mut world, VICTIM, 100, 0);
    for _ in 0..20 {
        world.mine();
    }
    let mark = world.chain().head().number;
    let left = payer.lead_ledger(&mut world, VICTIM, 100, 0);
    let fixed = FixedPart {
        participants: vec![payer.address(), world.address(VICTIM), payee.address()],
        nonce: fixtures::DEPLOYMENT.nonce(world.nonce()),
        app: fixtures::DEPLOYMENT.payment_app,
        challenge_duration: DURATION,
    };
    let mut channel = PaymentChannel::new(fixed, Asset::NATIVE, 60_u64.into(), 0);
    payer.say(&mut world, VICTIM, &payer.open_message(&channel));
    channel.prefund = world.payment(VICTIM, channel.id).unwrap().prefund.clone();
    payee.say(&mut world, VICTIM, &join(&channel, &payee));
    channel.prefund = world.payment(VICTIM, channel.id).unwrap().prefund.clone();
    let signatures = channel.prefund.iter().copied().flatten().collect();
    let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
    let change = Puppet::addition(&channel, Side::Leader);
    payer.say(&mut world, VICTIM, &payer.proposal(&left, change, evidence));
    // Mallory's deposit is gone, and irene hears of it.
    let depth = world.chain().head().number.0 - mark.0;
    world.reorg(usize::try_from(depth).unwrap(), Orphans::Dropped);
    world.run_for(Duration::from_secs(20));
    let record = world.ledger(VICTIM, left.id).unwrap();
    assert_eq!(record.status().holdings, Amount::ZERO, "irene knows");
    assert!(!record.is_usable());
    assert!(!world.payment(VICTIM, channel.id).unwrap().postfund_signed());
    // Only now does trudy agree on the right.
    let Pending { turn, hash, .. } = world.ledger(VICTIM, right.id).unwrap().pending[0];
    let agree = Message::Countersign { ledger: right.id, turn, seal: payee.seal(hash) };
    payee.say(&mut world, VICTIM, &agree);
    let irenes = world.payment(VICTIM, channel.id).unwrap().clone();
    if irenes.postfund_signed() {
        channel.postfund = irenes.postfund.clone();
        for (index, puppet) in [(0, &payer), (2, &payee)] {
            channel.postfund[index] = Some(puppet.seal(channel.postfund_hash()).signature);
        }
        let voucher = Voucher::sign(channel.id, 60_u64.into(), payer.key());
        let hers = PaymentChannel { me: 2, ..channel.clone() };
        let challenge = hers.challenge(Some(&voucher), payee.key()).unwrap();
        world.call(payee.address(), ContractCall::Challenge(challenge));
    }
    leave(&mut world, VICTIM);
    let gains = purses(&world, &[VICTIM]);
    assert_eq!(gains, [0]);
}

/// Alice leaves, and mallory countersigns what alice has proposed before, one by one, each
/// shortly before the challenge ends. Mallory sends no transaction at all.
#[test]
fn countersignatures_that_come_during_an_exit_prolong_nothing() {
    let mut world = World::calm(&["alice"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 10);
    for _ in 0..5 {
        let channel = mallory.payment(&mut world, &[VICTIM], 2);
        mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
    }
    let pending = world.ledger(VICTIM, ledger.id).unwrap().pending.clone();
    assert_eq!(pending.len(), 5);
    world.start(VICTIM, Request::ExitLedger { ledger: ledger.id });
    world.run_for(Duration::from_secs(600));
    let mut rounds = 0;
    for Pending { turn, hash, .. } in pending {
        let end = world.chain().status(ledger.id).unwrap().finalizes_at;
        world.run_until_chain_time(end - 700);
        let agree = Message::Countersign { ledger: ledger.id, turn, seal: mallory.seal(hash) };
        world.inject(mallory.address(), VICTIM, &agree);
        world.run_for(Duration::from_secs(60));
        let now = world.chain().status(ledger.id).unwrap().finalizes_at;
        rounds += usize::from(now > end);
    }
    assert!(rounds <= 1, "{rounds} more challenges by words alone");
}

/// Irene repeats every signature that trudy has put beside hers.
#[test]
fn nothing_that_a_payee_puts_beside_a_redemption_is_repeated() {
    let mut world = World::calm(&["alice", "irene"]);
    world.leave_unfinished();
    let (alice, irene) = (Party(0), Party(1));
    let mut trudy = Puppet::new(&mut world, "trudy");
    world.open_ledger(alice, irene, 100, 0);
    let right = trudy.follow_ledger(&mut world, irene, 100, 0);
    let request = Request::OpenPayment {
        payee: trudy.address(),
        relays: vec![world.address(irene)],
        asset: Asset::NATIVE,
        capacity: 10_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(alice, request).channel();
    trudy.listen(&mut world);
    let channel = world.payment(alice, id).unwrap().clone();
    for party in [alice, irene] {
        trudy.say(&mut world, party, &join(&channel, &trudy));
    }
    let pending = world.ledger(irene, right.id).unwrap().pending[0].clone();
    let seal = trudy.seal(pending.hash);
    let agree = Message::Countersign { ledger: right.id, turn: pending.turn, seal };
    trudy.say(&mut world, irene, &agree);
    let seal = trudy.seal(channel.postfund_hash());
    for party in [alice, irene] {
        trudy.say(&mut world, party, &Message::PaymentPostfund { channel: id, seal });
    }
    let record = world.payment(alice, id).unwrap().clone();
    world.pay(alice, id, 1);
    trudy.listen(&mut world);
    let voucher = Voucher::sign(id, 1_u64.into(), &fixtures::key("alice"));
    let hers = PaymentChannel { me: 2, ..record };
    let (proof, mut candidate) = hers.enforceable(Some(&voucher), trudy.key()).unwrap();
    let hash = candidate.state.hash(id);
    for number in 0..40 {
        candidate.signatures.push(fixtures::key(&format!("junk {number}")).sign(hash));
    }
    world.call(trudy.address(), checkpoint(&hers.fixed, proof, candidate));
    world.run_until_quiet();
    leave(&mut world, irene);
    let irenes = world.address(irene);
    let most = world
        .chain()
        .successes()
        .iter()
        .filter(|(by, _)| *by == irenes)
        .filter_map(|(_, call)| match call {
            engine::chain::ChainCall::Challenge { challenges, .. } => {
                challenges.iter().map(|one| one.candidate.signatures.len()).max()
            }
            _ => None,
        })
        .max();
    assert!(most <= Some(3));
}

/// Strangers who deposit one wei of a hundred leave ledgers that never end, and each takes
/// from the gas reserve for good.
#[test]
fn one_wei_of_a_stranger_takes_no_share_of_the_reserve() {
    let mut world =
        Setup::new(1).node("bob", fixtures::policy()).node("alice", fixtures::policy()).build();
    world.leave_unfinished();
    let report = GasReport { balance: Some(6_000_000_u64.into()), price: 1_u64.into() };
    for number in 0..14 {
        let mut stranger = Puppet::new(&mut world, &format!("stranger {number}"));
        let part = stranger.ledger_part(&mut world, Party(0));
        let random = u32::try_from(part.nonce & u64::from(u32::MAX)).unwrap();
        let nonce = fixtures::DEPLOYMENT.ledger_nonce(random, false);
        let fixed = FixedPart { nonce, ..part };
        let (leader, follower) = (Amount::from(100_u64), Amount::ZERO);
        let asset = Asset::NATIVE;
        let ledger =
            engine::ledger::Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
        let seal = stranger.seal(ledger.prefund_hash());
        let open = Message::OpenLedger { fixed, asset, leader, follower, seal };
        stranger.say(&mut world, Party(0), &open);
        stranger.deposit(&mut world, ledger.id, Amount::ZERO, 1_u64.into());
    }
    world.report_gas(Party(0), report);
    world.run_for(Duration::from_secs(120 * 86_400));
    let counters = world.counters(Party(0));
    assert_eq!((counters.ledgers, counters.reserve), (0, Amount::ZERO));
    let id = world.begin_ledger(Party(1), Party(0), 10, 0);
    world.run_for(Duration::from_secs(60));
    let status = world.status(Party(1), ObjectiveId::DirectFund(id));
    assert!(!format!("{status:?}").contains("GasReserve"));
}

/// Found by a random world. A reorganisation takes the deposits back, the
/// conclusion is mined before they are mined again, and both nodes have forgotten the ledger.
#[test]
fn deposits_that_come_back_into_a_concluded_ledger_are_paid_out() {
    let mut world = World::calm(&["alice", "bob"]);
    for _ in 0..10 {
        world.mine();
    }
    let mark = world.chain().head().number;
    let id = world.open_ledger(ALICE, BOB, 60, 40);
    world.start(BOB, Request::CloseLedger { ledger: id });
    world.run_until(|world| world.chain().waiting() > 0);
    let depth = world.chain().head().number.0 - mark.0;
    world.reorg(usize::try_from(depth).unwrap(), Orphans::HeldBack(30));
    for _ in 0..60 {
        world.mine();
    }
    world.run_for(LONG);
    let gains = purses(&world, &[ALICE, BOB]);
    assert_eq!(gains, [0, 0]);
}

/// Mallory asks for one channel after the other and answers none of the proposals: few are signed
/// before the first is agreed, and the others go on as answers come.
#[test]
fn proposals_that_nobody_answers_are_few() {
    let mut world = World::calm(&["alice"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 100);
    for _ in 0..40 {
        let channel = mallory.payment(&mut world, &[VICTIM], 1);
        mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
    }
    let pending = |world: &World| world.ledger(VICTIM, ledger.id).unwrap().pending.clone();
    assert_eq!(pending(&world).len(), 16);
    while let Some(oldest) = pending(&world).first().cloned() {
        let seal = mallory.seal(oldest.hash);
        let agree = Message::Countersign { ledger: ledger.id, turn: oldest.turn, seal };
        mallory.say(&mut world, VICTIM, &agree);
    }
    ledger = world.ledger(VICTIM, ledger.id).unwrap().clone();
    assert_eq!(ledger.agreed.guarantees.len(), 40);
}
