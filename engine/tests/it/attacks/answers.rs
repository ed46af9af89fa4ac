//! Answers that come twice, that are changed afterwards, and that never come. What a node has
//! answered stands, and nobody's silence keeps anything of it locked for ever.

use std::time::Duration;

use engine::input::Request;
use engine::ledger::{Change, Guarantee, Ledger, LedgerPhase, Side};
use engine::objectives::DeclineReason;
use engine::payment::PaymentChannel;
use engine::testing::World;
use engine::testing::adversaries::Puppet;
use engine::types::{Amount, ObjectiveId, TurnNumber};
use engine::wire::{Evidence, Message};

use super::stage::{LONG, Proposal, VICTIM, assert_out, begin, join, leave};

fn mallory_leads() -> (World, Puppet, Ledger) {
    let mut world = World::calm(&["bob"]);
    // Mallory's part is never done.
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, VICTIM, 100, 100);
    (world, mallory, ledger)
}

/// What was answered: how many refusals, and how many countersignatures.
fn answers(mallory: &mut Puppet) -> (usize, usize) {
    let heard = mallory.heard();
    let refusals = heard.iter().filter(|said| matches!(said, Message::Refuse { .. }));
    let agreements = heard.iter().filter(|said| matches!(said, Message::Countersign { .. }));
    (refusals.count(), agreements.count())
}

fn addition(world: &World, mallory: &Puppet, ledger: &Ledger, channel: &PaymentChannel) -> Message {
    let known = world.payment(VICTIM, channel.id);
    let signatures = known.map(|known| known.prefund.iter().copied().flatten().collect());
    let evidence =
        Evidence::new(channel.prefund_hash(), signatures.unwrap_or_default(), Vec::new());
    mallory.proposal(ledger, Puppet::addition(channel, Side::Leader), evidence)
}

/// A proposal is refused, for bob does not know the channel yet, and comes once more when he does.
/// The leader has dropped it: to sign it now would leave the two with different states for ever.
///
/// Issue point: 3.13, a refused proposal that arrives twice.
#[test]
fn a_refused_proposal_is_never_countersigned() {
    for restarts in [false, true] {
        let (mut world, mut mallory, mut ledger) = mallory_leads();
        let channel = mallory.payment(&mut world, &[VICTIM], 10);
        let early = addition(&world, &mallory, &ledger, &channel);
        mallory.say(&mut world, VICTIM, &early);
        assert_eq!(answers(&mut mallory), (1, 0));
        if restarts {
            world.crash(VICTIM);
            world.restart(VICTIM);
        }
        mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
        let late = addition(&world, &mallory, &ledger, &channel);
        for _ in 0..3 {
            mallory.say(&mut world, VICTIM, &late);
        }
        assert_eq!(answers(&mut mallory), (0, 0), "one proposal gets one answer");
        // Under a turn of its own it is agreed to.
        let change = Puppet::addition(&channel, Side::Leader);
        let turn = TurnNumber(ledger.agreed.turn.0 + 2);
        let next = ledger.agreed.apply(&change, turn).unwrap();
        let hash = ledger.state_hash(&next, false);
        let signatures = world.payment(VICTIM, channel.id).unwrap().prefund.clone();
        let signatures = signatures.into_iter().flatten().collect();
        let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
        let again = mallory.raw_proposal(&ledger, turn, change, hash, evidence);
        mallory.say(&mut world, VICTIM, &again);
        assert_eq!(answers(&mut mallory), (0, 1));
        ledger.agreed = next;
        assert_eq!(world.ledger(VICTIM, ledger.id).unwrap().agreed, ledger.agreed);
        leave(&mut world, VICTIM);
        assert_out(&world, VICTIM, 0);
    }
}

/// A refused turn is not lower than it looks: what lies below it is refused with it.
///
/// Issue point: 3.13, its siblings.
#[test]
fn a_refusal_covers_every_turn_up_to_it() {
    let (mut world, mut mallory, ledger) = mallory_leads();
    let unknown = engine::types::ChannelId([8; 32].into());
    let guarantee = Guarantee { amount: 5_u64.into(), left: Side::Leader };
    let change = Change::Add { target: unknown, guarantee, left_deposit: 5_u64.into() };
    let turn = TurnNumber(9);
    let hash = ledger.state_hash(&ledger.agreed.apply(&change, turn).unwrap(), false);
    let early = mallory.raw_proposal(&ledger, turn, change, hash, Evidence::default());
    mallory.say(&mut world, VICTIM, &early);
    assert_eq!(answers(&mut mallory), (1, 0));
    let channel = mallory.payment(&mut world, &[VICTIM], 10);
    mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
    let below = addition(&world, &mallory, &ledger, &channel);
    mallory.say(&mut world, VICTIM, &below);
    assert_eq!(answers(&mut mallory).1, 0);
}

/// Both have signed the final state, mallory does not withdraw, and bob's owner leaves. The frames
/// that led there come again, and declines of whatever may be declined.
///
/// Issue point: 3.13, a repeated close or a decline takes a ledger out of its exit.
#[test]
fn an_exit_is_ended_by_nothing_but_its_payout() {
    let (mut world, mallory, ledger) = mallory_leads();
    world.start(VICTIM, Request::CloseLedger { ledger: ledger.id });
    let turn = TurnNumber(2);
    let seal = mallory.seal(ledger.final_state(turn).hash(ledger.id));
    let close = Message::CloseLedger { ledger: ledger.id, turn, seal };
    let soon = Duration::from_millis(20);
    world.inject(mallory.address(), VICTIM, &close);
    world.run_for(soon);
    world.start(VICTIM, Request::ExitLedger { ledger: ledger.id });
    let reason = DeclineReason::Cancelled;
    let decline = |objective| Message::Decline { objective, reason };
    let later = TurnNumber(7);
    let seal = mallory.seal(ledger.final_state(later).hash(ledger.id));
    for message in [
        close.clone(),
        Message::CloseLedger { ledger: ledger.id, turn: later, seal },
        decline(ObjectiveId::DirectFund(ledger.id)),
        decline(ObjectiveId::DirectDefund(ledger.id)),
        decline(ObjectiveId::Exit(ledger.id)),
        close,
    ] {
        world.inject(mallory.address(), VICTIM, &message);
        world.run_for(soon);
        let phase = world.ledger(VICTIM, ledger.id).unwrap().phase;
        assert!(matches!(phase, LedgerPhase::Exiting(_)), "{phase:?}");
    }
    world.run_for(LONG);
    assert!(world.has_completed(VICTIM, ObjectiveId::Exit(ledger.id)));
    assert_out(&world, VICTIM, 0);
}

/// The same while a ledger opens: bob has deposited, and his owner leaves.
///
/// Issue point: 3.13, a decline of the opening.
#[test]
fn a_decline_of_the_opening_ends_no_exit() {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let request = Request::OpenLedger {
        peer: mallory.address(),
        asset: engine::types::Asset::NATIVE,
        mine: 100_u64.into(),
        theirs: Amount::ZERO,
        challenge_duration: 3_600,
        random: world.nonce(),
    };
    let id = world.start(VICTIM, request).channel();
    let seal = mallory.seal(world.ledger(VICTIM, id).unwrap().prefund_hash());
    mallory.say(&mut world, VICTIM, &Message::LedgerPrefund { ledger: id, seal });
    assert_eq!(world.chain().held(engine::types::Asset::NATIVE, id), 100_u64.into());
    world.start(VICTIM, Request::ExitLedger { ledger: id });
    let (objective, reason) = (ObjectiveId::DirectFund(id), DeclineReason::Cancelled);
    for _ in 0..2 {
        mallory.say(&mut world, VICTIM, &Message::Decline { objective, reason });
        let phase = world.ledger(VICTIM, id).map(|ledger| ledger.phase);
        assert!(phase.is_none_or(|phase| matches!(phase, LedgerPhase::Exiting(_))), "{phase:?}");
    }
    world.run_for(LONG);
    assert!(world.has_completed(VICTIM, ObjectiveId::Exit(id)));
    assert_out(&world, VICTIM, 0);
}

/// The follower takes the proposal and never answers it.
///
/// Issue point: 3.13, a follower that acknowledges and never answers.
#[test]
fn a_proposal_that_is_never_answered_locks_nothing_for_ever() {
    let mut s = Proposal::new();
    s.world.run_for(LONG);
    assert_out(&s.world, VICTIM, 0);
}

/// It takes the request for a payment channel and never joins: nothing is locked at all.
///
/// Issue point: 3.13, its siblings.
#[test]
fn an_opening_that_nobody_joins_locks_nothing() {
    let mut world = World::calm(&["alice"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 0);
    let id = begin(&mut world, &mallory, 90);
    world.run_for(LONG);
    assert_eq!(world.counters(VICTIM).objectives, 0);
    assert!(world.payment(VICTIM, id).is_none());
    assert_eq!(world.balance(VICTIM, ledger.id), 100_u64.into());
    leave(&mut world, VICTIM);
    assert_out(&world, VICTIM, 0);
}

/// The payer locks what it asked for and is never heard of again. Bob has signed that it is funded, so
/// he cannot take it for given up; he bears with mallory for a while, and leaves by himself.
///
/// Issue point: 3.13, its siblings.
#[test]
fn a_payer_that_vanishes_in_the_opening_locks_nothing_for_ever() {
    let (mut world, mut mallory, ledger) = mallory_leads();
    let channel = mallory.payment(&mut world, &[VICTIM], 10);
    mallory.say(&mut world, VICTIM, &mallory.open_message(&channel));
    let proposal = addition(&world, &mallory, &ledger, &channel);
    mallory.say(&mut world, VICTIM, &proposal);
    assert!(world.payment(VICTIM, channel.id).unwrap().postfund_signed());
    world.run_for(LONG);
    assert_out(&world, VICTIM, 0);
}

/// The relay gives an opening up, takes back what was locked, and asks meanwhile for a final state
/// that nobody will sign: there is nothing left to close.
///
/// Issue point: 3.13, its siblings.
#[test]
fn a_final_state_of_what_was_taken_back_is_not_waited_for() {
    let mut world = World::calm(&["alice"]);
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut trudy = Puppet::new(&mut world, "trudy");
    let ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 0);
    let request = Request::OpenPayment {
        payee: trudy.address(),
        relays: vec![mallory.address()],
        asset: engine::types::Asset::NATIVE,
        capacity: 90_u64.into(),
        challenge_duration: 3_600,
        random: world.nonce(),
    };
    let id = world.start(VICTIM, request).channel();
    mallory.listen(&mut world);
    for puppet in [&mut mallory, &mut trudy] {
        let channel = world.payment(VICTIM, id).unwrap().clone();
        puppet.say(&mut world, VICTIM, &join(&channel, puppet));
    }
    let agree = |world: &World, mallory: &Puppet| {
        let pending = world.ledger(VICTIM, ledger.id).unwrap().pending.last().unwrap().clone();
        let seal = mallory.seal(pending.hash);
        Message::Countersign { ledger: ledger.id, turn: pending.turn, seal }
    };
    let agreed = agree(&world, &mallory);
    mallory.say(&mut world, VICTIM, &agreed);
    let channel = world.payment(VICTIM, id).unwrap().clone();
    assert!(channel.postfund_signed());
    let seal = mallory.seal(channel.postfund_hash());
    mallory.say(&mut world, VICTIM, &Message::PaymentPostfund { channel: id, seal });
    let (objective, reason) = (ObjectiveId::VirtualFund(id), DeclineReason::Cancelled);
    mallory.say(&mut world, VICTIM, &Message::Decline { objective, reason });
    let agreed = agree(&world, &mallory);
    mallory.say(&mut world, VICTIM, &Message::RequestFinal { channel: id });
    mallory.say(&mut world, VICTIM, &agreed);
    assert!(world.payment(VICTIM, id).is_none(), "{}", world.describe());
    assert_eq!(world.counters(VICTIM).objectives, 0);
    leave(&mut world, VICTIM);
    assert_out(&world, VICTIM, 0);
}

/// It agrees to the guarantee, and never answers when it is to be given back.
///
/// Issue point: 3.13, its siblings.
#[test]
fn a_closing_that_is_never_answered_locks_nothing_for_ever() {
    for opens in [false, true] {
        let mut s = Proposal::new();
        let answer = s.countersignature();
        s.mallory.say(&mut s.world, VICTIM, &answer);
        if opens {
            let seal = s.mallory.seal(s.channel.postfund_hash());
            let channel = s.channel.id;
            let postfund = Message::PaymentPostfund { channel, seal };
            s.mallory.say(&mut s.world, VICTIM, &postfund);
            assert!(s.world.has_open_payment(VICTIM, channel));
            s.world.start(VICTIM, Request::ClosePayment { channel });
        }
        s.world.run_for(2 * LONG);
        assert_out(&s.world, VICTIM, 0);
    }
}

/// It never signs the end of a ledger without anything in it.
///
/// Issue point: 3.13, its siblings.
#[test]
fn a_close_that_is_never_answered_ends_in_an_exit() {
    let (mut world, _, ledger) = mallory_leads();
    world.start(VICTIM, Request::CloseLedger { ledger: ledger.id });
    world.run_for(LONG);
    assert_out(&world, VICTIM, 0);
}
