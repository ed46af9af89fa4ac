//! Closing ledgers: by either side, at once, and when one side is gone.

use std::time::Duration;

use engine::chain::ChainCall;
use engine::error::RequestError;
use engine::input::Request;
use engine::testing::{ChainRules, Party, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};

const PURSE: u64 = fixtures::PURSE;

fn open() -> (World, Party, Party, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    (world, alice, bob, id)
}

fn assert_closed(world: &World, id: ChannelId, alice: u64, bob: u64) {
    for (party, expected) in [(Party(0), alice), (Party(1), bob)] {
        assert_eq!(world.purse(party, Asset::NATIVE), expected.into(), "{}", world.describe());
        assert!(world.has_completed(party, ObjectiveId::DirectDefund(id)));
        assert!(world.ledger(party, id).is_none() && world.archived(party, id).is_some());
    }
    assert!(world.chain().held(Asset::NATIVE, id).is_zero());
}

fn withdrawals(world: &World) -> Vec<Party> {
    let calls = world.chain().successes().into_iter();
    let withdrawals =
        calls.filter(|(_, call)| matches!(call, ChainCall::ConcludeAndTransfer { .. }));
    withdrawals
        .map(|(sender, _)| world.parties().find(|party| world.address(*party) == sender).unwrap())
        .collect()
}

#[test]
fn either_side_closes() {
    for closer in [Party(0), Party(1)] {
        let (mut world, alice, _, id) = open();
        world.close_ledger(closer, id);
        assert_closed(&world, id, PURSE, PURSE);
        assert_eq!(withdrawals(&world), [alice], "participant 0 withdraws, once");
    }
}

#[test]
fn both_sides_close_at_once() {
    for first in 0..2 {
        let (mut world, _, _, id) = open();
        world.start(Party(first), Request::CloseLedger { ledger: id });
        world.start(Party(1 - first), Request::CloseLedger { ledger: id });
        world.run_until_quiet();
        assert_closed(&world, id, PURSE, PURSE);
    }
}

#[test]
fn a_used_ledger_pays_out_its_balances() {
    for (first, closer) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut world, _, _, id) = open();
        let (payer, payee) = (Party(first), Party(1 - first));
        let channel = world.open_payment(&[payer, payee], 30);
        world.pay(payer, channel, 12);
        world.close_payment(Party(closer), channel);
        world.close_ledger(Party(closer), id);
        let (alice, bob) =
            if first == 0 { (PURSE - 12, PURSE + 12) } else { (PURSE + 12, PURSE - 12) };
        assert_closed(&world, id, alice, bob);
    }
}

#[test]
fn a_ledger_with_running_channels_stays_open() {
    let (mut world, alice, bob, id) = open();
    let channel = world.open_payment(&[alice, bob], 30);
    world.run_until_quiet();
    for party in [alice, bob] {
        let refused = world.request(party, Request::CloseLedger { ledger: id });
        assert_eq!(refused, Err(RequestError::GuaranteesRunning { ledger: id, count: 1 }));
    }
    world.close_payment(alice, channel);
    world.close_ledger(alice, id);
    assert_closed(&world, id, PURSE, PURSE);
}

/// The follower closes while the leader proposes a channel: one of the two waits for the other.
#[test]
fn closing_and_opening_a_channel_at_once_ends_in_one_of_both() {
    for steps in 0..8 {
        let (mut world, alice, bob, id) = open();
        let channel = world.begin_payment(&[alice, bob], 30);
        for _ in 0..steps {
            world.step();
        }
        let asked = world.request(bob, Request::CloseLedger { ledger: id });
        world.run_until_quiet();
        world.run_for(Duration::from_secs(1_000));
        world.run_until_quiet();
        if world.has_open_payment(alice, channel) {
            world.close_payment(alice, channel);
        }
        if world.ledger(alice, id).is_some() {
            assert!(asked.is_err() || world.has_declined(bob, ObjectiveId::DirectDefund(id)));
            world.close_ledger(bob, id);
        }
        assert_closed(&world, id, PURSE, PURSE);
    }
}

/// Participant 0 has signed and is gone: participant 1 withdraws itself (gap S17).
#[test]
fn the_follower_withdraws_when_the_leader_does_not() {
    let (mut world, alice, bob, id) = open();
    world.start(bob, Request::CloseLedger { ledger: id });
    world.run_until(|world| {
        world.ledger(bob, id).is_some_and(|ledger| ledger.withdrawal_call().is_some())
    });
    world.crash(alice);
    world.run_until(|world| world.ledger(bob, id).is_none());
    assert_eq!(world.purse(bob, Asset::NATIVE), PURSE.into());
    world.restart(alice);
    world.run_until_quiet();
    assert_closed(&world, id, PURSE, PURSE);
}

#[test]
fn a_withdrawal_that_fails_is_made_again() {
    let (mut world, alice, _, id) = open();
    world.set_chain_rules(ChainRules { failures: 100, ..ChainRules::CALM });
    world.start(alice, Request::CloseLedger { ledger: id });
    world.run_until(|world| world.chain().reverts().len() >= 2);
    world.set_chain_rules(ChainRules::CALM);
    world.run_until_quiet();
    assert_closed(&world, id, PURSE, PURSE);
}

#[test]
fn a_silent_peer_is_reported_and_the_close_still_ends_well() {
    let (mut world, alice, bob, id) = open();
    world.partition(&[bob]);
    world.start(alice, Request::CloseLedger { ledger: id });
    world.run_until(|world| world.has_declined(alice, ObjectiveId::DirectDefund(id)));
    // Asked again, it waits again.
    world.start(alice, Request::CloseLedger { ledger: id });
    let refused = world.request(alice, Request::CloseLedger { ledger: id });
    assert_eq!(refused, Err(RequestError::AlreadyClosing(id)));
    world.heal();
    world.run_until_quiet();
    assert_closed(&world, id, PURSE, PURSE);
}

#[test]
fn the_same_nodes_open_another_ledger_afterwards() {
    let (mut world, alice, bob, id) = open();
    world.close_ledger(alice, id);
    let next = world.open_ledger(bob, alice, 5, 5);
    world.run_until_quiet();
    assert_ne!(id, next);
    world.close_ledger(alice, next);
    assert_closed(&world, next, PURSE, PURSE);
}
