//! A ledger that peers have filled with dust. To leave it takes as many calls as there is dust to
//! carry, and no more: nothing is enumerated, and no call is larger than a transaction may be.

use std::time::Duration;

use engine::chain::ChainCall;
use engine::input::Request;
use engine::testing::{Party, World};
use engine::types::ChannelId;

use super::stage::{assert_out, refused};

const ALICE: Party = Party(0);
const BOB: Party = Party(1);

/// As many as policy allows.
const CHANNELS: usize = 200;

/// Payments that bob makes over some of them.
const PAID: usize = 4;

/// A ledger with 200 payment channels of a unit each to alice, some of which are paid.
fn heavy() -> (World, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let id = world.open_ledger(ALICE, BOB, 100, 1_000);
    world.run_until_quiet();
    let channels: Vec<_> = (0..CHANNELS).map(|_| world.begin_payment(&[BOB, ALICE], 1)).collect();
    world.run_until_quiet();
    assert_eq!(world.ledger(ALICE, id).unwrap().agreed.guarantees.len(), CHANNELS);
    for channel in &channels[..PAID] {
        world.pay(BOB, *channel, 1);
    }
    world.run_until_quiet();
    (world, id)
}

fn count(world: &World, kind: impl Fn(&ChainCall) -> bool) -> usize {
    let sender = world.address(ALICE);
    let successes = world.chain().successes();
    successes.into_iter().filter(|(by, call)| *by == sender && kind(call)).count()
}

/// Alice leaves while bob is away.
///
/// Issue point: 2.1 and 2.2.
#[test]
fn a_ledger_full_of_dust_is_left_in_few_calls() {
    let (mut world, id) = heavy();
    // As many as fit into the 128 KiB of a transaction.
    world.chain_mut().cap_reclaims(75);
    let settlements = leave(&mut world, id);
    assert!((2..=4).contains(&settlements), "{settlements} settlements");
}

/// The same where a transaction may be much smaller than her node counts on: it finds out once, not
/// with every call.
///
/// Issue point: 2.1, halved on refusal.
#[test]
fn settlements_that_are_refused_as_too_large_are_halved_until_they_fit() {
    let (mut world, id) = heavy();
    world.chain_mut().cap_reclaims(20);
    // 74 and 37 are too many, 18 are not.
    let settlements = leave(&mut world, id);
    assert!((8..=13).contains(&settlements), "{settlements} settlements");
}

/// Leaves while bob is away; how many settlements that took.
fn leave(world: &mut World, id: ChannelId) -> usize {
    world.leave_unfinished();
    world.crash(BOB);
    let steps = world.steps();
    world.start(ALICE, Request::ExitLedger { ledger: id });
    world.run_for(Duration::from_secs(2 * 86_400));
    assert_out(world, ALICE, i64::try_from(PAID).unwrap());
    let challenges = count(world, |call| matches!(call, ChainCall::Challenge { .. }));
    assert!(challenges <= CHANNELS / 10, "{challenges} challenges");
    assert_eq!(refused(world, ALICE), 0);
    // The world goes from block to block, whatever there is in the ledger.
    let steps = world.steps() - steps;
    assert!(steps < 1_000, "{steps} steps");
    // The last ones are bob's to make, should they bring her nothing.
    count(world, |call| matches!(call, ChainCall::Settle { .. }))
}
