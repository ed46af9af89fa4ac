//! Opening ledgers: both deposits, one deposit, strangers, failures, and giving up.

use std::time::Duration;

use engine::chain::ChainCall;
use engine::effect::{Response, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::ledger::LedgerPhase;
use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::policy::Policy;
use engine::testing::{ChainRules, Crash, Party, Setup, World, fixtures};
use engine::types::{Address, Amount, Asset, ChannelId, ObjectiveId};

const PURSE: u64 = fixtures::PURSE;

fn two() -> (World, Party, Party) {
    let world = World::calm(&["alice", "bob"]);
    (world, Party(0), Party(1))
}

fn purse(world: &World, party: Party) -> Amount {
    world.purse(party, Asset::NATIVE)
}

fn assert_declined(world: &World, party: Party, id: ObjectiveId, why: DeclineReason) {
    let status = world.status(party, id);
    let reason = match status {
        Some(ObjectiveStatus::Declined { reason, .. }) => Some(reason),
        _ => None,
    };
    assert_eq!(reason, Some(why), "{party:?}: {status:?}");
}

#[test]
fn both_sides_deposit_and_have_the_same_ledger() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    for party in [alice, bob] {
        assert!(world.has_completed(party, ObjectiveId::DirectFund(id)));
        assert!(world.has_open_ledger(party, id));
        assert!(world.ledger(party, id).unwrap().is_usable());
    }
    assert_eq!(world.chain().held(Asset::NATIVE, id), 100_u64.into());
    assert_eq!(purse(&world, alice), (PURSE - 60).into());
    assert_eq!(purse(&world, bob), (PURSE - 40).into());
    assert_eq!((world.balance(alice, id), world.balance(bob, id)), (60_u64.into(), 40_u64.into()));
}

#[test]
fn the_first_allocation_is_deposited_first() {
    let (mut world, alice, bob) = two();
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    let deposits = world.chain().successes();
    let call = |expected_held: u64, amount: u64| ChainCall::Deposit {
        channel: id,
        asset: Asset::NATIVE,
        expected_held: expected_held.into(),
        amount: amount.into(),
    };
    let (first, second) = (world.address(alice), world.address(bob));
    assert_eq!(deposits, [(first, call(0, 60)), (second, call(60, 40))]);
}

#[test]
fn one_side_may_deposit_everything() {
    for (mine, theirs) in [(100, 0), (0, 100)] {
        let (mut world, alice, bob) = two();
        let id = world.open_ledger(alice, bob, mine, theirs);
        world.run_until_quiet();
        assert_eq!(world.chain().successes().len(), 1);
        assert_eq!(world.balance(alice, id), mine.into());
        assert_eq!(world.balance(bob, id), theirs.into());
    }
}

#[test]
fn a_token_ledger_stands_beside_one_of_the_native_coin() {
    let (mut world, alice, bob) = two();
    world.open_ledger(alice, bob, 60, 40);
    let Request::OpenLedger { peer, mine, theirs, challenge_duration, random, .. } =
        world.ledger_request(alice, 7, 5)
    else {
        panic!("a request for a ledger");
    };
    let asset = fixtures::TOKEN;
    let request = Request::OpenLedger { peer, asset, mine, theirs, challenge_duration, random };
    let id = world.start(bob, request).channel();
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    assert_eq!(world.chain().held(asset, id), 12_u64.into());
    assert_eq!(world.purse(bob, asset), (PURSE - 7).into());
}

#[test]
fn two_nodes_share_one_ledger_per_asset() {
    let (mut world, alice, bob) = two();
    let ledger = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    for (party, other) in [(alice, bob), (bob, alice)] {
        let request = world.ledger_request(other, 1, 1);
        let peer = world.address(other);
        let refused = world.request(party, request);
        assert_eq!(refused, Err(RequestError::LedgerExists { peer, ledger }));
    }
}

/// Both ask for a ledger at the same time, whatever is on its way by then: each refused the other's,
/// and neither had one.
#[test]
fn of_crossing_requests_for_one_ledger_exactly_one_is_carried_out() {
    let calm = (0..30).map(|steps| (None, steps));
    let rough = (0..40).map(|seed| (Some(seed), seed % 30));
    for (seed, steps) in calm.chain(rough) {
        for names in [["alice", "bob"], ["bob", "alice"]] {
            for (mine, theirs) in [(60, 40), (0, 40), (60, 0)] {
                let mut world =
                    seed.map_or_else(|| World::calm(&names), |seed| World::rough(seed, &names));
                cross(&mut world, steps, mine, theirs);
            }
        }
    }
}

fn cross(world: &mut World, steps: u64, mine: u64, theirs: u64) {
    let parties = [Party(0), Party(1)];
    let [first, second] = parties;
    let one = world.begin_ledger(first, second, mine, theirs);
    (0..steps).for_each(|_| world.step());
    let request = world.ledger_request(first, 30, 20);
    let other = match world.request(second, request) {
        Ok(Response::Started(objective)) => Some(objective.channel()),
        // It has heard of the first by now.
        Err(RequestError::LedgerExists { ledger, .. }) if ledger == one => None,
        answer => panic!("{answer:?}"),
    };
    world.run_until_quiet();
    let open = |id: ChannelId| parties.iter().all(|party| world.has_open_ledger(*party, id));
    let winner = match other {
        Some(other) if world.address(second) < world.address(first) => other,
        _ => one,
    };
    assert!(open(winner), "{}", world.describe());
    for party in parties {
        let counters = world.counters(party);
        assert_eq!((counters.ledgers, counters.objectives), (1, 0), "{}", world.describe());
    }
    // Who asked for the other one is told which there is.
    let (loser, given_up) = if winner == one { (second, other) } else { (first, Some(one)) };
    if let Some(given_up) = given_up {
        let reason = DeclineReason::LedgerOpening(winner);
        assert_declined(world, loser, ObjectiveId::DirectFund(given_up), reason);
        assert!(reason.to_string().contains(&winner.to_string()));
    }
}

/// A stranger's wei is counted: the deposit comes to that much less, and is not refused.
#[test]
fn a_strangers_deposit_is_a_gift_and_changes_nothing_else() {
    let (mut world, alice, bob) = two();
    let stranger = Address::repeat_byte(0x57);
    world.chain_mut().endow(stranger, Asset::NATIVE, 10_u64.into());
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.chain().waiting() > 0);
    let front_run = ChainCall::Deposit {
        channel: id,
        asset: Asset::NATIVE,
        expected_held: Amount::ZERO,
        amount: 1_u64.into(),
    };
    world.front_run(stranger, front_run);
    world.run_until_quiet();
    assert_eq!(world.chain().reverts(), []);
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    assert_eq!(purse(&world, alice), (PURSE - 59).into());
    world.close_ledger(alice, id);
    assert_eq!(purse(&world, alice), (PURSE + 1).into());
    assert_eq!(purse(&world, bob), PURSE.into());
}

#[test]
fn a_stranger_who_deposits_more_than_all_opens_the_ledger() {
    let (mut world, alice, bob) = two();
    let stranger = Address::repeat_byte(0x57);
    world.chain_mut().endow(stranger, Asset::NATIVE, 1_000_u64.into());
    let id = world.begin_ledger(alice, bob, 60, 40);
    let gift = ChainCall::Deposit {
        channel: id,
        asset: Asset::NATIVE,
        expected_held: Amount::ZERO,
        amount: 1_000_u64.into(),
    };
    world.front_run(stranger, gift);
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    world.close_ledger(bob, id);
    assert_eq!(purse(&world, alice), (PURSE + 60).into());
    assert_eq!(purse(&world, bob), (PURSE + 40).into());
}

#[test]
fn a_reverted_deposit_is_made_again_once_the_chain_has_moved() {
    let (mut world, alice, bob) = two();
    world.set_chain_rules(ChainRules { failures: 100, ..ChainRules::CALM });
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.chain().reverts().len() >= 3);
    world.set_chain_rules(ChainRules::CALM);
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    assert_eq!(world.chain().held(Asset::NATIVE, id), 100_u64.into());
}

/// A token that refused was asked in every block until the time-out, and the user was told that it
/// was not finished in time.
#[test]
fn a_deposit_that_is_refused_again_and_again_ends_the_opening() {
    for (mine, theirs) in [(60, 40), (0, 40)] {
        let (mut world, alice, bob) = two();
        world.set_chain_rules(ChainRules { failures: 100, ..ChainRules::CALM });
        let id = world.begin_ledger(alice, bob, mine, theirs);
        let depositor = if mine == 0 { bob } else { alice };
        let opening = ObjectiveId::DirectFund(id);
        world.run_until(|world| world.has_declined(depositor, opening));
        assert_declined(&world, depositor, opening, DeclineReason::DepositRefused);
        let told = |update: &Update| matches!(update, Update::Refused { channel, reason } if *channel == id && !reason.is_empty());
        assert!(world.take_updates(depositor).iter().any(told), "the reason reaches the user");
        world.set_chain_rules(ChainRules::CALM);
        world.run_until_quiet();
        assert!(world.ledger(alice, id).is_none() && world.ledger(bob, id).is_none());
        assert_eq!(purse(&world, alice), PURSE.into());
        assert_eq!(purse(&world, bob), PURSE.into());
    }
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let (mut world, alice, bob) = two();
    world.partition(&[bob]);
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.has_declined(alice, ObjectiveId::DirectFund(id)));
    assert_declined(&world, alice, ObjectiveId::DirectFund(id), DeclineReason::TimedOut);
    assert!(world.ledger(alice, id).is_none() && world.archived(alice, id).is_some());
    world.heal();
    world.run_until_quiet();
    assert_eq!(world.counters(bob).ledgers, 0, "{}", world.describe());
    assert_eq!(world.chain().successes(), []);
    // The two can still have a ledger.
    world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
}

#[test]
fn a_peer_that_goes_after_its_first_signature_costs_nothing() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.ledger(bob, id).is_some());
    // Bob's signature is on its way; then he is gone until after the deadline.
    world.run_until(|world| world.ledger(alice, id).is_some_and(|l| l.prefund[1].is_some()));
    world.partition(&[bob]);
    world.run_until(|world| world.chain().held(Asset::NATIVE, id) == 100_u64.into());
    world.run_until(|world| world.has_declined(alice, ObjectiveId::DirectFund(id)));
    world.heal();
    world.run_until_quiet();
    assert_eq!((purse(&world, alice), purse(&world, bob)), (PURSE.into(), PURSE.into()));
}

#[test]
fn what_was_deposited_goes_back_when_the_other_never_deposits() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.ledger(alice, id).is_some_and(|l| l.prefund[1].is_some()));
    world.crash(bob);
    world.run_until(|world| world.has_declined(alice, ObjectiveId::DirectFund(id)));
    assert_eq!(purse(&world, alice), (PURSE - 60).into(), "the deposit is on chain");
    assert_eq!(world.ledger(alice, id).unwrap().phase, LedgerPhase::Closing);
    world.restart(bob);
    world.run_until_quiet();
    assert!(world.has_completed(alice, ObjectiveId::DirectDefund(id)));
    assert_eq!((purse(&world, alice), purse(&world, bob)), (PURSE.into(), PURSE.into()));
    let left = world.counters(alice).ledgers + world.counters(bob).ledgers;
    assert_eq!(left, 0, "{}", world.describe());
}

#[test]
fn a_half_funded_ledger_is_cancelled_and_paid_back() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.ledger(bob, id).is_some_and(|l| !l.status().holdings.is_zero()));
    let objective = ObjectiveId::DirectFund(id);
    world.request(alice, Request::Cancel { objective }).unwrap();
    world.run_until_quiet();
    assert_declined(&world, alice, objective, DeclineReason::Cancelled);
    assert_declined(&world, bob, objective, DeclineReason::Cancelled);
    assert_eq!((purse(&world, alice), purse(&world, bob)), (PURSE.into(), PURSE.into()));
    let left = world.counters(alice).ledgers + world.counters(bob).ledgers;
    assert_eq!(left, 0, "{}", world.describe());
}

/// At every moment of the opening, by either side: nothing is lost and nothing is left.
#[test]
fn an_opening_can_be_cancelled_at_any_moment() {
    for (party, steps) in (0..2).flat_map(|party| (0..14).map(move |steps| (Party(party), steps))) {
        let (mut world, alice, bob) = two();
        let id = world.begin_ledger(alice, bob, 60, 40);
        for _ in 0..steps {
            world.step();
        }
        let objective = ObjectiveId::DirectFund(id);
        let cancelled = world.request(party, Request::Cancel { objective }).is_ok();
        world.run_until_quiet();
        if world.ledger(alice, id).is_some() {
            assert!(!cancelled, "{party:?} after {steps} steps\n{}", world.describe());
            world.close_ledger(bob, id);
        }
        let purses = (purse(&world, alice), purse(&world, bob));
        assert_eq!(purses, (PURSE.into(), PURSE.into()), "{party:?} after {steps} steps");
        let left = world.counters(alice).ledgers + world.counters(bob).ledgers;
        assert_eq!(left, 0, "{}", world.describe());
    }
}

#[test]
fn a_deposit_that_policy_does_not_allow_is_declined() {
    let mut world = Setup::new(1).nodes(&["alice"]).node("bob", Policy::default()).build();
    let (alice, bob) = (Party(0), Party(1));
    let id = world.begin_ledger(alice, bob, 60, 1);
    world.run_until_quiet();
    assert_declined(&world, alice, ObjectiveId::DirectFund(id), DeclineReason::Deposit);
    assert_eq!(world.chain().successes(), []);
    // Without a deposit of his own he takes part.
    world.open_ledger(alice, bob, 60, 0);
    world.run_until_quiet();
}

#[test]
fn a_node_takes_so_many_half_open_ledgers_of_others() {
    let policy = Policy { max_opening_ledgers: 2, ..fixtures::policy() };
    let names = ["alice", "irene", "ivan"];
    let mut world = Setup::new(1).node("bob", policy).nodes(&names).build();
    world.set_chain_rules(ChainRules { max_wait: 0, block_time: 100_000, ..ChainRules::CALM });
    let ids: Vec<ChannelId> =
        (1..4).map(|index| world.begin_ledger(Party(index), Party(0), 5, 5)).collect();
    world.run_for(Duration::from_secs(1));
    let declined: Vec<bool> = (1..4)
        .zip(&ids)
        .map(|(index, id)| world.has_declined(Party(index), ObjectiveId::DirectFund(*id)))
        .collect();
    assert_eq!(declined, [false, false, true]);
    world.set_chain_rules(ChainRules::CALM);
    world.run_until_quiet();
    assert_eq!(world.counters(Party(0)).ledgers, 2);
}

/// A deposit that waited for coin was made as soon as coin came, whatever had been cancelled
/// meanwhile, and the cancelled opening hung until then.
#[test]
fn a_deposit_that_waits_for_coin_is_taken_back_with_its_opening() {
    let rich = PURSE + 1;
    for (mine, theirs, canceller) in [(rich, 40, 0), (rich, 0, 0), (60, rich, 0), (60, rich, 1)] {
        let restarts = [false, true];
        for (poor, restart) in restarts.map(|restart| (usize::from(mine != rich), restart)) {
            let policy = Policy {
                max_peer_deposit: [(Asset::NATIVE, rich.into())].into(),
                ..fixtures::policy()
            };
            let mut world = Setup::new(1).node("alice", policy.clone()).node("bob", policy).build();
            let (alice, bob) = (Party(0), Party(1));
            let id = world.begin_ledger(alice, bob, mine, theirs);
            let waits = Party(poor);
            world.run_until(|world| world.counters(waits).calls == 1);
            world.run_for(Duration::from_secs(30));
            let objective = ObjectiveId::DirectFund(id);
            if restart {
                // Nothing of the turn that asks for the deposit back leaves.
                world.crash_at(waits, world.turns(waits), Crash::AfterCommit);
            }
            let cancelled = world.try_request(Party(canceller), Request::Cancel { objective });
            assert!(cancelled.is_none_or(|answer| answer.is_ok()));
            world.run_until_quiet();
            let left = world.counters(alice).ledgers + world.counters(bob).ledgers;
            assert_eq!(left, 0, "{}", world.describe());
            let address = world.address(waits);
            world.chain_mut().endow(address, Asset::NATIVE, rich.into());
            world.run_for(Duration::from_secs(3_600));
            assert_eq!(world.chain().held(Asset::NATIVE, id), Amount::ZERO, "{}", world.describe());
            let purses = [alice, bob].map(|party| purse(&world, party));
            let sum: u64 = 2 * PURSE + rich;
            assert_eq!(Amount::checked_sum(purses), Some(sum.into()));
        }
    }
}
