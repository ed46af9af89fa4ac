//! Money held hostage: a peer keeps its own signature to itself and shows the state on chain, so
//! that the node cannot enforce what it holds. Whatever is shown is learned, whatever this node has
//! signed is remembered until it cannot matter any more, and everyone leaves with what is theirs.

use engine::chain::{Challenge, Reclaim};
use engine::input::Request;
use engine::ledger::{Ledger, Side};
use engine::objectives::DeclineReason;
use engine::payment::{PaymentChannel, PaymentPhase};
use engine::testing::adversaries::Puppet;
use engine::testing::{ContractCall, Party, World};
use engine::types::{Amount, Asset, ChannelId};
use engine::vouchers::Voucher;
use engine::wire::Message;

use super::relay::Relay;
use super::stage::{
    DURATION, LONG, Proposal, VICTIM, assert_out, begin, challenge, checkpoint, join, leave,
    refused, signed,
};

/// Shows the funded state of a ledger that the victim has signed and the cheat has not said to
/// have signed.
fn show_postfund(world: &mut World, mallory: &Puppet, id: ChannelId) {
    let record = world.ledger(VICTIM, id).unwrap().clone();
    let victims = record.signatures[record.me.index()].expect("signed and deposited");
    assert_eq!(record.signatures[record.me.other().index()], None, "mallory has kept hers back");
    let candidate = signed(&record, &record.agreed, victims, mallory);
    world.call(mallory.address(), checkpoint(&record.fixed, Vec::new(), candidate));
    world.run_until_quiet();
    assert_eq!(world.chain().refusals(mallory.address()), [""; 0]);
}

/// The leader takes the follower's deposit hostage, for a wei of its own.
///
/// Issue point: 3.3, at the opening.
#[test]
fn a_leader_that_shows_the_opening_it_kept_back_locks_nothing() {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let fixed = mallory.ledger_part(&mut world, VICTIM);
    let (leader, follower) = (Amount::from(1_u64), Amount::from(100_u64));
    let asset = Asset::NATIVE;
    let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
    let seal = mallory.seal(ledger.prefund_hash());
    let open = Message::OpenLedger { fixed, asset, leader, follower, seal };
    mallory.say(&mut world, VICTIM, &open);
    mallory.deposit(&mut world, ledger.id, Amount::ZERO, leader);
    show_postfund(&mut world, &mallory, ledger.id);
    leave(&mut world, VICTIM);
    assert_out(&world, VICTIM, 0);
}

/// The follower does the same to the leader, for nothing.
///
/// Issue point: 3.3, at the opening.
#[test]
fn a_follower_that_shows_the_opening_it_kept_back_locks_nothing() {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let request = Request::OpenLedger {
        peer: mallory.address(),
        asset: Asset::NATIVE,
        mine: 100_u64.into(),
        theirs: Amount::ZERO,
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(VICTIM, request).channel();
    let seal = mallory.seal(world.ledger(VICTIM, id).unwrap().prefund_hash());
    mallory.say(&mut world, VICTIM, &Message::LedgerPrefund { ledger: id, seal });
    show_postfund(&mut world, &mallory, id);
    leave(&mut world, VICTIM);
    assert_out(&world, VICTIM, 0);
}

/// The follower countersigns, says nothing, and shows it.
///
/// Issue point: 3.3, at a proposal.
#[test]
fn a_countersigned_proposal_that_was_kept_back_is_learned_from_the_chain() {
    let mut s = Proposal::new();
    s.call(checkpoint(&s.ledger.fixed, Vec::new(), s.supported()));
    let record = s.world.ledger(VICTIM, s.ledger.id).unwrap();
    assert_eq!((record.agreed.turn, record.pending.len()), (s.pending.turn, 0));
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
    assert_eq!(refused(&s.world, VICTIM), 0);
}

/// The follower says no, so that alice might forget what she would have locked, and shows it, either
/// way. The payment channel is remembered as long as anybody can show that it is guaranteed.
///
/// Issue point: 3.3, a refused addition.
#[test]
fn a_refused_addition_that_is_shown_burns_nothing() {
    for challenges in [false, true] {
        let mut s = Proposal::new();
        s.refuse();
        let (fixed, shown) = (s.ledger.fixed.clone(), s.supported());
        if challenges {
            s.call(challenge(&fixed, shown, s.mallory.key()));
        } else {
            s.call(checkpoint(&fixed, Vec::new(), shown));
        }
        leave(&mut s.world, VICTIM);
        assert_out(&s.world, VICTIM, 0);
    }
}

/// The same long after: a refusal binds the follower to nothing until a higher turn is agreed.
///
/// Issue point: 3.3, a refused addition.
#[test]
fn a_refused_addition_that_is_shown_weeks_later_burns_nothing() {
    let mut s = Proposal::new();
    s.refuse();
    s.world.run_for(3 * LONG);
    assert!(s.world.ledger(VICTIM, s.ledger.id).is_some(), "{}", s.world.describe());
    let (fixed, shown) = (s.ledger.fixed.clone(), s.supported());
    s.call(challenge(&fixed, shown, s.mallory.key()));
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
}

/// Two additions are out, one refused and one not answered. Showing the first makes it the agreed
/// one; the second has alice's signature all the same, and is shown once she might have forgotten it.
///
/// Issue point: 3.3, everything signed is kept until a higher turn is agreed.
#[test]
fn an_addition_that_another_shown_state_overtook_burns_nothing() {
    let mut s = Proposal::new();
    s.refuse();
    let second = begin(&mut s.world, &s.mallory, 40);
    s.mallory.listen(&mut s.world);
    let channel = s.world.payment(VICTIM, second).unwrap().clone();
    s.mallory.say(&mut s.world, VICTIM, &join(&channel, &s.mallory));
    let pending = s.world.ledger(VICTIM, s.ledger.id).unwrap().pending.clone();
    let next = pending.iter().fold(s.ledger.agreed.clone(), |balances, pending| {
        balances.apply(&pending.change, pending.turn).unwrap()
    });
    assert!(next.guarantees.contains_key(&second), "{pending:?}");
    let newer = signed(&s.ledger, &next, pending.last().unwrap().signature, &s.mallory);
    s.call(checkpoint(&s.ledger.fixed, Vec::new(), s.supported()));
    let record = s.world.ledger(VICTIM, s.ledger.id).unwrap();
    assert_eq!(record.agreed.turn, s.pending.turn);
    // Longer than she waits for an opening, and not as long as she bears with mallory.
    s.world.run_for(LONG / 20);
    s.call(challenge(&s.ledger.fixed.clone(), newer, s.mallory.key()));
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
}

/// A removal is refused, an addition is proposed on what still holds the guarantee, and the removal is
/// shown: the guarantee is gone, and comes back when the addition is shown as well.
///
/// Issue point: 3.3, everything signed is kept until a higher turn is agreed. Found by a random world.
#[test]
fn a_guarantee_that_a_shown_removal_took_away_may_come_back() {
    let mut s = Proposal::new();
    let answer = s.countersignature();
    s.mallory.say(&mut s.world, VICTIM, &answer);
    let ledger = s.world.ledger(VICTIM, s.ledger.id).unwrap().clone();
    assert!(ledger.agreed.guarantees.contains_key(&s.channel.id));
    let (objective, reason) =
        (engine::types::ObjectiveId::VirtualFund(s.channel.id), DeclineReason::Cancelled);
    s.mallory.say(&mut s.world, VICTIM, &Message::Decline { objective, reason });
    let removal = s.world.ledger(VICTIM, s.ledger.id).unwrap().pending[0].clone();
    let (turn, reason) = (removal.turn, engine::ledger::RefusalReason::NotExpected);
    let refuse = Message::Refuse { ledger: s.ledger.id, turn, reason };
    s.world.inject(s.mallory.address(), VICTIM, &refuse);
    s.world.run_for(std::time::Duration::from_millis(50));
    let second = begin(&mut s.world, &s.mallory, 10);
    let channel = s.world.payment(VICTIM, second).unwrap().clone();
    s.world.inject(s.mallory.address(), VICTIM, &join(&channel, &s.mallory));
    s.world.run_for(std::time::Duration::from_millis(50));
    let record = s.world.ledger(VICTIM, s.ledger.id).unwrap();
    let addition = record.pending.iter().find(|one| one.change.target() == Some(second)).unwrap();
    let both = record.agreed.apply(&addition.change, addition.turn).unwrap();
    assert_eq!(both.guarantees.len(), 2);
    let both = signed(&s.ledger, &both, addition.signature, &s.mallory);
    let none = record.agreed.apply(&removal.change, removal.turn).unwrap();
    let none = signed(&s.ledger, &none, removal.signature, &s.mallory);
    s.call(checkpoint(&s.ledger.fixed, Vec::new(), none));
    assert!(s.world.ledger(VICTIM, s.ledger.id).unwrap().agreed.guarantees.is_empty());
    s.world.run_for(LONG / 20);
    s.call(challenge(&s.ledger.fixed.clone(), both, s.mallory.key()));
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
}

/// And with the payment channel brought to its end, and its guarantee reclaimed, before alice
/// settles: she follows what was reclaimed.
///
/// Issue point: 3.3, a reclaim on top.
#[test]
fn a_reclaim_of_a_refused_addition_locks_nothing() {
    let mut s = Proposal::new();
    s.refuse();
    let opening: Challenge = s.channel.challenge(None, s.mallory.key()).unwrap();
    let state = opening.candidate.state.clone();
    s.call(ContractCall::Challenge(opening));
    let shown = s.supported();
    s.call(challenge(&s.ledger.fixed.clone(), shown.clone(), s.mallory.key()));
    let end = s.world.chain().status(s.ledger.id).unwrap().finalizes_at;
    s.world.run_until_chain_time(end);
    assert!(s.world.chain().is_finalized(s.channel.id));
    let (target_state, target_outcome) = (state.hash(s.channel.id), state.outcome);
    let reclaim = ContractCall::Reclaim {
        channel: s.ledger.id,
        state_hash: shown.state.hash(s.ledger.id),
        outcome: shown.state.outcome,
        reclaim: Reclaim { index: 2, target_state, target_outcome },
    };
    s.world.front_run(s.mallory.address(), reclaim);
    leave(&mut s.world, VICTIM);
    assert_eq!(s.world.chain().refusals(s.mallory.address()), [""; 0]);
    assert_out(&s.world, VICTIM, 0);
}

/// The payee shows a redemption of one unit. Payer and relay hold the opening only, which the chain
/// no longer takes: they go on with what it showed them.
///
/// Issue point: 3.3, a payee's checkpoint.
#[test]
fn a_payees_checkpoint_of_one_unit_locks_neither_relay_nor_payer() {
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
        capacity: 60_u64.into(),
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
    trudy.say(&mut world, alice, &Message::PaymentPostfund { channel: id, seal });
    assert!(world.has_open_payment(alice, id) && world.has_open_payment(irene, id));
    let record = world.payment(alice, id).unwrap().clone();
    world.pay(alice, id, 1);
    trudy.listen(&mut world);
    show_voucher(&mut world, &trudy, &record, 1);
    for party in [alice, irene] {
        leave(&mut world, party);
    }
    assert_out(&world, alice, -1);
    assert_out(&world, irene, 0);
}

/// Shows that the payee has that much, which needs everyone's signature on the opening.
fn show_voucher(world: &mut World, payee: &Puppet, channel: &PaymentChannel, total: u64) {
    let payer = world.parties().find(|party| world.address(*party) == channel.payer());
    let key = payer.map_or("mallory", |_| "alice");
    let voucher = Voucher::sign(channel.id, total.into(), &engine::testing::fixtures::key(key));
    let me = u8::try_from(channel.fixed.participants.len() - 1).unwrap();
    let hers = PaymentChannel { me, ..channel.clone() };
    let (proof, candidate) = hers.enforceable(Some(&voucher), payee.key()).unwrap();
    world.call(payee.address(), checkpoint(&channel.fixed, proof, candidate));
    world.run_until_quiet();
    assert_eq!(world.chain().refusals(payee.address()), [""; 0]);
}

/// Trudy shows what she has, be it the opening or a voucher of everything, after keeping back the
/// signature that irene needs to challenge. Irene leaves on the left first, alone: she does not
/// settle without what she pays on the right.
///
/// Issue point: 3.3, a relay that cannot challenge.
#[test]
fn a_relay_that_lacks_a_signature_gets_on_the_left_what_it_pays_on_the_right() {
    for voucher in [false, true] {
        let mut s = Relay::new();
        if voucher {
            show_voucher(&mut s.world, &s.payee, &s.channel, 60);
        } else {
            let opening = s.channel.challenge(None, s.payee.key()).unwrap().candidate;
            let call = checkpoint(&s.channel.fixed, Vec::new(), opening);
            s.world.call(s.payee.address(), call);
            s.world.run_until_quiet();
        }
        let exit = Request::ExitLedger { ledger: s.left.id };
        let _ = s.world.request(VICTIM, exit);
        s.world.run_until_quiet();
        if !voucher {
            s.redeem(60);
        }
        s.world.run_for(LONG);
        let phase = s.world.payment(VICTIM, s.channel.id).map(|channel| channel.phase);
        assert!(phase.is_none_or(|phase| matches!(phase, PaymentPhase::Exiting(_))));
        s.assert_irene_breaks_even();
    }
}
