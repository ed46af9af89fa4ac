//! Payment channels that end long after their ledgers: whoever is owed something waits for the end,
//! however much longer than its patience that takes.

use std::time::Duration;

use engine::input::Request;
use engine::testing::{Climate, ContractCall, Party, Setup, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};
use engine::vouchers::Voucher;

use super::stage::{assert_out, checkpoint, refused};

const ALICE: Party = Party(0);
const DAY: u64 = 86_400;

/// Seconds that every challenge runs here: ten times as long as a node is patient.
const DURATION: u64 = 10 * DAY;

fn days(count: u64) -> Duration {
    Duration::from_secs(count * DAY)
}

fn world(names: &[&str]) -> World {
    let mut world = Setup::new(0).climate(Climate::CALM).nodes(names).build();
    // Cheats' nodes are off.
    world.leave_unfinished();
    world
}

fn ledger(world: &mut World, [leader, follower]: [Party; 2]) -> ChannelId {
    let request = Request::OpenLedger {
        peer: world.address(follower),
        asset: Asset::NATIVE,
        mine: 100_u64.into(),
        theirs: 0_u64.into(),
        challenge_duration: DURATION.try_into().unwrap(),
        random: world.nonce(),
    };
    let id = world.start(leader, request).channel();
    world.run_until(|world| {
        [leader, follower].iter().all(|party| world.has_open_ledger(*party, id))
    });
    id
}

fn payment(world: &mut World, path: &[Party]) -> ChannelId {
    let addresses: Vec<_> = path.iter().map(|party| world.address(*party)).collect();
    let request = Request::OpenPayment {
        payee: *addresses.last().unwrap(),
        relays: addresses[1..addresses.len() - 1].to_vec(),
        asset: Asset::NATIVE,
        capacity: 100_u64.into(),
        challenge_duration: DURATION.try_into().unwrap(),
        random: world.nonce(),
    };
    let id = world.start(path[0], request).channel();
    world.run_until(|world| path.iter().all(|party| world.has_open_payment(*party, id)));
    id
}

/// Alice leaves with her newest state of the ledger, and shows the opening of the payment channel
/// only when the ledger is about to be final. Bob, who was away and comes back in between, redeems:
/// that ends ten days after his ledger has.
///
/// Issue point: 3.6, a payee.
#[test]
fn a_payee_waits_for_a_channel_that_ends_long_after_its_ledger() {
    for away in [0, 9] {
        let mut world = world(&["alice", "bob"]);
        let bob = Party(1);
        let id = ledger(&mut world, [ALICE, bob]);
        let channel = payment(&mut world, &[ALICE, bob]);
        let opened = world.payment(ALICE, channel).unwrap().clone();
        world.pay(ALICE, channel, 60);
        world.run_until_quiet();
        let newest = world.ledger(ALICE, id).unwrap().clone();
        for party in [ALICE, bob] {
            world.crash(party);
        }
        let alice = fixtures::key("alice");
        let left = newest.challenge(&alice).unwrap();
        world.call(world.address(ALICE), ContractCall::Challenge(left));
        world.run_for(days(away));
        let opening = opened.challenge(None, &alice).unwrap();
        world.call(world.address(ALICE), ContractCall::Challenge(opening));
        world.mine();
        world.restart(bob);
        let end = world.chain().status(id).unwrap().finalizes_at;
        world.run_until_chain_time(end + DAY / 2);
        assert!(world.chain().is_finalized(id));
        assert_eq!(world.chain().is_finalized(channel), away == 0);
        world.run_for(days(11));
        assert_out(&world, bob, 60);
        assert!(world.has_completed(bob, ObjectiveId::Exit(id)));
        assert_eq!(refused(&world, bob), 0);
    }
}

/// Bob clears the challenge of the payment channel by a checkpoint when it is about to run out, so
/// that it ends long after irene's ledgers have. She challenges once more, with what he has shown,
/// and waits on both sides.
///
/// Issue point: 3.6, a relay.
#[test]
fn a_relay_waits_for_a_channel_that_ends_long_after_its_ledgers() {
    let mut world = world(&["alice", "irene", "bob"]);
    let (irene, bob) = (Party(1), Party(2));
    let left = ledger(&mut world, [ALICE, irene]);
    let right = ledger(&mut world, [irene, bob]);
    let channel = payment(&mut world, &[ALICE, irene, bob]);
    world.pay(ALICE, channel, 60);
    world.run_until_quiet();
    let record = world.payment(bob, channel).unwrap().clone();
    world.crash(bob);
    world.crash(ALICE);
    for id in [left, right] {
        world.start(irene, Request::ExitLedger { ledger: id });
    }
    world.run_for(days(9));
    let (voucher, bobs) =
        (Voucher::sign(channel, 60_u64.into(), &fixtures::key("alice")), fixtures::key("bob"));
    let (proof, candidate) = record.enforceable(Some(&voucher), &bobs).unwrap();
    world.call(world.address(bob), checkpoint(&record.fixed, proof, candidate));
    world.run_for(days(9));
    assert!([left, right].iter().all(|id| world.chain().is_finalized(*id)));
    assert!(!world.chain().is_finalized(channel));
    for id in [left, right] {
        assert!(world.ledger(irene, id).is_some(), "neither is settled without it");
    }
    world.run_for(days(21));
    assert_out(&world, irene, 0);
}
