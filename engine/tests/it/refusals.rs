//! Refusals that pass: the two sides of a ledger see the chain at different times, and what one of
//! them refuses now it agrees to later.

use std::time::Duration;

use engine::chain::{Block, BlockRef, ChainEvent, ChainFact, ChannelLog};
use engine::effect::Update;
use engine::input::Request;
use engine::ledger::RefusalReason;
use engine::testing::{Party, World};
use engine::types::{Asset, BlockNumber, ChannelId, ObjectiveId};

const ALICE: Party = Party(0);
const IRENE: Party = Party(1);
const BOB: Party = Party(2);

/// Irene leads a ledger with alice and one with bob, and carries a channel from alice to bob.
fn relay() -> (World, ChannelId, ChannelId) {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    world.open_ledger(IRENE, ALICE, 100, 100);
    let ledger = world.open_ledger(IRENE, BOB, 100, 100);
    let channel = world.open_payment(&[ALICE, IRENE, BOB], 60);
    world.pay(ALICE, channel, 25);
    world.run_until_quiet();
    (world, ledger, channel)
}

/// Bob alone hears that everything since the first block is gone: a reorganisation deeper than the
/// confirmations.
fn lose_deposits(world: &mut World) {
    let first = *world.engine(BOB).cursor().recent.first().unwrap();
    world.tell(BOB, ChainEvent::Reorg { ancestor: first, blocks: Vec::new() });
    world.run_for(Duration::from_secs(1));
}

/// Bob alone hears of the deposits of a ledger again.
fn find_deposits(world: &mut World, ledger: ChannelId) {
    let head = *world.engine(BOB).cursor().recent.last().unwrap();
    let number = BlockNumber(head.number.0 + 1);
    let block = BlockRef { number, hash: [9; 32].into(), timestamp: head.timestamp };
    let fact = ChainFact::Deposited { asset: Asset::NATIVE, holdings: 200_u64.into() };
    let logs = vec![ChannelLog { channel: ledger, fact }];
    world.tell(BOB, ChainEvent::Block(Block { block, logs, debts: vec![] }));
}

fn refusals(world: &mut World, ledger: ChannelId) -> Vec<RefusalReason> {
    let updates = world.take_updates(IRENE).into_iter();
    let reasons = updates.filter_map(|update| match update {
        Update::NotAgreed { ledger: over, reason, .. } if over == ledger => Some(reason),
        _ => None,
    });
    reasons.collect()
}

fn assert_closed_without_the_chain(world: &World, channel: ChannelId) {
    for party in [ALICE, IRENE, BOB] {
        assert!(world.payment(party, channel).is_none(), "{}", world.describe());
    }
    let calls = world.chain().successes();
    assert_eq!(calls.len(), 4, "four deposits and nothing else: {calls:?}");
}

/// The leader sees the deposits, the follower does not yet. It was asked once, and then with the next
/// block of a chain that does not move.
#[test]
fn a_guarantee_that_the_follower_keeps_for_now_is_asked_for_again_without_a_block() {
    for restarts in [false, true] {
        let (mut world, ledger, channel) = relay();
        lose_deposits(&mut world);
        let head = world.chain().head();
        world.start(ALICE, Request::ClosePayment { channel });
        world.run_for(Duration::from_secs(3));
        assert_eq!(refusals(&mut world, ledger), [RefusalReason::NotUsable]);
        assert!(world.payment(IRENE, channel).is_some());
        if restarts {
            world.crash(IRENE);
            world.restart(IRENE);
        }
        find_deposits(&mut world, ledger);
        world.run_for(Duration::from_secs(20));
        assert_eq!(world.chain().head(), head, "the chain has not moved");
        assert_closed_without_the_chain(&world, channel);
        assert!(world.has_completed(IRENE, ObjectiveId::VirtualDefund(channel)));
    }
}

/// Each time that the follower is asked costs a turn, of which there are few: what it refuses for long
/// is asked seldom, and still asked once it sees what it lacked.
#[test]
fn who_refuses_for_hours_is_asked_seldom_and_agrees_in_the_end() {
    let (mut world, ledger, channel) = relay();
    lose_deposits(&mut world);
    world.start(ALICE, Request::ClosePayment { channel });
    world.run_for(Duration::from_secs(20 * 3_600));
    let asked = refusals(&mut world, ledger).len();
    assert!((8..24).contains(&asked), "asked {asked} times");
    find_deposits(&mut world, ledger);
    world.run_for(Duration::from_secs(2 * 3_600 + 60));
    assert_closed_without_the_chain(&world, channel);
}

/// An addition is refused, and so is what puts an end to it. Nobody asked again, and the channel that
/// never opened was never done with.
#[test]
fn an_opening_that_is_refused_leaves_nothing_behind() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    world.open_ledger(IRENE, ALICE, 100, 100);
    let ledger = world.open_ledger(IRENE, BOB, 100, 100);
    world.run_until_quiet();
    // Irene has proposed by the time at which bob hears of the reorganisation.
    let channel = world.begin_payment(&[ALICE, IRENE, BOB], 60);
    let is_proposed = |world: &World| world.ledger(IRENE, ledger).unwrap().has_pending(channel);
    world.run_until(is_proposed);
    lose_deposits(&mut world);
    assert!(world.ledger(IRENE, ledger).unwrap().has_loose_ends(), "{}", world.describe());
    find_deposits(&mut world, ledger);
    world.run_for(Duration::from_secs(60));
    for party in [ALICE, IRENE, BOB] {
        assert!(world.payment(party, channel).is_none(), "{}", world.describe());
    }
    assert!(!world.ledger(IRENE, ledger).unwrap().has_loose_ends());
    let again = world.open_payment(&[ALICE, IRENE, BOB], 60);
    world.close_payment(BOB, again);
}
