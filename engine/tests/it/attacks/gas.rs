//! What costs more than it brings at one moment is taken at another. Nothing runs against a payout,
//! and a voucher has until its challenge ends.

use std::time::Duration;

use engine::chain::GasReport;
use engine::effect::Update;
use engine::testing::{ContractCall, Party, World, fixtures};
use engine::types::{ChannelId, ObjectiveId};

use super::stage::{LONG, assert_out};

const ALICE: Party = Party(0);
const BOB: Party = Party(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A gas price at bob's node, in wei; his account has enough of everything.
fn price(world: &mut World, price: u64) {
    let balance = Some(u64::MAX.into());
    world.report_gas(BOB, GasReport { balance, price: price.into() });
}

/// Alice leaves with the newest state, and her node is gone before anything is paid out.
fn alice_leaves(world: &mut World, ledger: ChannelId) {
    let newest = world.ledger(ALICE, ledger).unwrap().clone();
    world.crash(ALICE);
    let challenge = newest.challenge(&fixtures::key("alice")).unwrap();
    world.call(world.address(ALICE), ContractCall::Challenge(challenge));
}

fn left_behind(world: &mut World) -> usize {
    let updates = world.take_updates(BOB);
    updates.iter().filter(|update| matches!(update, Update::LeftBehind { .. })).count()
}

/// Gas costs four times as much when the challenge runs out. Bob says what is left behind, has
/// nothing more to wait for, keeps the ledger in his books, and takes his money when gas is cheap.
///
/// Issue point: 3.7, a payout.
#[test]
fn a_payout_that_is_too_dear_for_days_is_made_later() {
    let mut world = World::calm(&["alice", "bob"]);
    world.leave_unfinished();
    let id = world.open_ledger(ALICE, BOB, 600_000, 400_000);
    world.run_until_quiet();
    price(&mut world, 1);
    alice_leaves(&mut world, id);
    world.run_until_quiet();
    let end = world.chain().status(id).unwrap().finalizes_at;
    world.run_until_chain_time(end - 600);
    price(&mut world, 4);
    world.run_for(HOUR);
    assert!(world.chain().is_finalized(id));
    for _ in 0..3 {
        assert!(world.has_completed(BOB, ObjectiveId::Exit(id)), "nobody waits for it");
        assert!(world.ledger(BOB, id).is_some(), "and it is not forgotten");
        // Also over a restart.
        world.crash(BOB);
        world.restart(BOB);
        price(&mut world, 4);
        world.run_for(24 * HOUR);
    }
    assert_eq!(left_behind(&mut world), 1, "said once");
    assert_eq!(world.chain().held(engine::types::Asset::NATIVE, id), 1_000_000_u64.into());
    price(&mut world, 1);
    world.run_for(HOUR);
    assert_out(&world, BOB, 0);
}

/// A voucher is too dear to redeem when the ledger is challenged, and worth it before the channel
/// can end without it.
///
/// Issue point: 3.7, a voucher.
#[test]
fn a_voucher_that_is_too_dear_for_hours_is_redeemed_later() {
    for hours in [1, 12, 30] {
        let mut world = World::calm(&["alice", "bob"]);
        world.leave_unfinished();
        let id = world.open_ledger(ALICE, BOB, 600_000, 0);
        let channel = world.open_payment(&[ALICE, BOB], 500_000);
        world.pay(ALICE, channel, 450_000);
        world.run_until_quiet();
        price(&mut world, 4);
        alice_leaves(&mut world, id);
        world.run_for(hours * HOUR);
        assert!(world.payment(BOB, channel).is_some() && world.ledger(BOB, id).is_some());
        price(&mut world, 1);
        world.run_for(LONG);
        assert_out(&world, BOB, 450_000);
    }
}

/// Alice challenges the payment channel herself, with the opening: now the challenge runs against
/// bob, and the price falls in time.
///
/// Issue point: 3.7, a voucher that something runs against.
#[test]
fn a_voucher_is_redeemed_as_soon_as_it_is_worth_it() {
    let mut world = World::calm(&["alice", "bob"]);
    world.leave_unfinished();
    let id = world.open_ledger(ALICE, BOB, 600_000, 0);
    let channel = world.open_payment(&[ALICE, BOB], 500_000);
    let opened = world.payment(ALICE, channel).unwrap().clone();
    world.pay(ALICE, channel, 450_000);
    world.run_until_quiet();
    price(&mut world, 4);
    alice_leaves(&mut world, id);
    let opening = opened.challenge(None, &fixtures::key("alice")).unwrap();
    world.call(world.address(ALICE), ContractCall::Challenge(opening));
    world.run_for(20 * HOUR);
    price(&mut world, 1);
    world.run_for(LONG);
    assert_out(&world, BOB, 450_000);
}
