//! What gas costs: no channel is opened that could not be enforced, nothing is enforced that is not
//! worth it.

use std::time::Duration;

use engine::chain::{ChainCall, GasReport};
use engine::effect::{Response, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::objectives::{DeclineReason, ExitReason, ObjectiveStatus};
use engine::payment::PaymentPhase;
use engine::policy::{Policy, gas};
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::{Amount, Asset, ObjectiveId};

/// What must be there for a new ledger: as much again as enforcing it takes.
const LEDGER: u64 = 2 * (gas::LEDGER + gas::SETTLE);

/// As much for a payment channel.
const PAYMENT: u64 = 2 * gas::PAYMENT;

const LONG: Duration = Duration::from_secs(5 * 86_400);

fn report(balance: u64, price: u64) -> GasReport {
    GasReport { balance: Some(balance.into()), price: price.into() }
}

fn challenges(world: &World) -> usize {
    let successes = world.chain().successes();
    successes.iter().filter(|(_, call)| matches!(call, ChainCall::Challenge { .. })).count()
}

#[test]
fn without_a_reserve_no_channel_is_opened_and_nothing_changes() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.report_gas(alice, report(LEDGER - 1, 1));
    let request = world.ledger_request(bob, 60, 40);
    let (needed, available) = (Amount::from(LEDGER), Amount::from(LEDGER - 1));
    assert_eq!(
        world.request(alice, request.clone()),
        Err(RequestError::GasReserve { needed, available })
    );
    assert_eq!(world.counters(alice).ledgers, 0);
    world.report_gas(alice, report(LEDGER + 60, 1));
    let Ok(Response::Started(objective)) = world.request(alice, request) else { panic!() };
    world.run_until_quiet();
    assert!(world.has_completed(alice, objective));
    assert_eq!(world.counters(alice).reserve, needed);
    // One payment channel more is not covered, whoever opens it.
    let request = world.payment_request(&[alice, bob], 10);
    let needed = Amount::from(LEDGER + PAYMENT);
    let available = Amount::from(LEDGER + 60);
    assert_eq!(world.request(alice, request), Err(RequestError::GasReserve { needed, available }));
    let id = world.begin_payment(&[bob, alice], 10);
    world.run_until_quiet();
    let status = world.status(bob, ObjectiveId::VirtualFund(id));
    let declined =
        ObjectiveStatus::Declined { by: world.address(alice), reason: DeclineReason::GasReserve };
    assert_eq!(status, Some(declined), "{}", world.describe());
}

/// Whatever peers ask for, a quarter of the coin is left for what the owner asks for.
#[test]
fn peers_do_not_use_up_the_reserve_of_the_owner() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    world.run_until_quiet();
    // Enough for the ledger and four payment channels.
    world.report_gas(alice, report(LEDGER + 4 * PAYMENT, 1));
    let declined = (0..6)
        .filter(|_| {
            let id = world.begin_payment(&[bob, alice], 10);
            world.run_until_quiet();
            let status = world.status(bob, ObjectiveId::VirtualFund(id));
            matches!(
                status,
                Some(ObjectiveStatus::Declined { reason: DeclineReason::GasReserve, .. })
            )
        })
        .count();
    assert_eq!(declined, 4, "two are taken");
    for _ in 0..2 {
        let id = world.begin_payment(&[alice, bob], 10);
        world.run_until_quiet();
        assert!(world.has_open_payment(alice, id));
    }
    let request = world.payment_request(&[alice, bob], 10);
    assert!(matches!(world.request(alice, request), Err(RequestError::GasReserve { .. })));
}

#[test]
fn a_peer_without_a_reserve_declines_a_ledger() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.report_gas(bob, report(1, 1));
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    let reason = DeclineReason::GasReserve;
    let declined = ObjectiveStatus::Declined { by: world.address(bob), reason };
    assert_eq!(world.status(alice, ObjectiveId::DirectFund(id)), Some(declined));
    assert_eq!(world.purse(alice, Asset::NATIVE), fixtures::PURSE.into());
}

#[test]
fn what_is_too_dear_under_an_exit_is_left_and_said_and_taken_when_gas_is_cheap() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let purse = fixtures::PURSE;
    let id = world.open_ledger(alice, bob, 500_000, 400_000);
    let channel = world.open_payment(&[alice, bob], 150_000);
    world.run_until_quiet();
    world.crash(bob);
    // At a wei per gas, 150 000 are less than the payment channel costs.
    world.report_gas(alice, report(u64::MAX, 1));
    world.take_updates(alice);
    world.start(alice, Request::ExitLedger { ledger: id });
    world.run_for(LONG);
    assert_eq!(world.purse(alice, Asset::NATIVE), (purse - 150_000).into());
    let left = Update::LeftBehind { channel: id, holdings: 150_000_u64.into() };
    assert!(world.take_updates(alice).contains(&left), "{}", world.describe());
    assert_eq!(world.counters(alice).objectives, 0, "nothing is waited for");
    // Nothing runs out: it is taken once it is worth it.
    world.report_gas(alice, report(u64::MAX, 0));
    world.run_for(LONG);
    assert_eq!(world.purse(alice, Asset::NATIVE), purse.into());
    assert!(world.archived(alice, channel).is_some() && world.archived(alice, id).is_some());
    world.leave_unfinished();
}

#[test]
fn a_silent_peer_is_not_pursued_for_less_than_it_costs() {
    for (price, pursued) in [(0, true), (1, false)] {
        let mut world = World::calm(&["alice", "bob"]);
        let (alice, bob) = (Party(0), Party(1));
        let id = world.open_ledger(alice, bob, 60, 40);
        world.run_until_quiet();
        world.report_gas(alice, report(u64::MAX, price));
        world.crash(bob);
        world.start(alice, Request::CloseLedger { ledger: id });
        world.take_updates(alice);
        world.run_for(LONG);
        assert_eq!(challenges(&world), usize::from(pursued));
        let left = Update::LeftBehind { channel: id, holdings: 60_u64.into() };
        assert_eq!(world.take_updates(alice).contains(&left), !pursued);
        world.leave_unfinished();
    }
}

/// The owner's word counts more than the price.
#[test]
fn what_the_user_asks_for_is_enforced_whatever_it_costs() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 60, 40);
    let channel = world.open_payment(&[bob, alice], 20);
    world.pay(bob, channel, 5);
    world.run_until_quiet();
    world.report_gas(alice, report(u64::MAX, 1_000));
    world.start(alice, Request::ExitPayment { channel });
    let phase = world.payment(alice, channel).unwrap().phase;
    assert_eq!(phase, PaymentPhase::Exiting(ExitReason::Requested));
    world.run_for(LONG);
    assert_eq!(challenges(&world), 1);
    assert_eq!(world.balance(alice, id), 65_u64.into(), "{}", world.describe());
    world.crash(bob);
    world.start(alice, Request::ExitLedger { ledger: id });
    world.run_for(LONG);
    let expected = Amount::from(fixtures::PURSE + 5);
    assert_eq!(world.purse(alice, Asset::NATIVE), expected, "{}", world.describe());
    world.leave_unfinished();
}

/// A deposit was weighed against the reserve as it was before it: the account could pay it and then
/// enforce nothing, or could not pay it at all, and the opening waited for coin.
#[test]
fn a_deposit_that_leaves_too_little_coin_is_refused_at_once() {
    let mut world = World::calm(&["alice", "bob", "irene"]);
    let (alice, bob, irene) = (Party(0), Party(1), Party(2));
    world.report_gas(alice, report(LEDGER + 99, 1));
    let request = world.ledger_request(bob, 100, 40);
    let refused = world.request(alice, request.clone()).unwrap_err();
    let (deposit, missing) = (Amount::from(100_u64), Amount::from(1_u64));
    let kept = Amount::from(LEDGER);
    assert_eq!(refused, RequestError::DepositAboveCoin { deposit, missing, kept });
    let text = refused.to_string();
    assert!(text.starts_with("amount: ") && text.contains("send 1 wei"), "{text}");
    assert_eq!(world.counters(alice).ledgers, 0, "nothing changes");
    // What is promised already cannot be promised again, though it is not paid yet.
    world.report_gas(alice, report(2 * LEDGER + 150, 1));
    world.start(alice, request);
    let request = world.ledger_request(irene, 51, 0);
    let (deposit, kept) = (Amount::from(51_u64), Amount::from(2 * LEDGER + 100));
    assert_eq!(
        world.request(alice, request),
        Err(RequestError::DepositAboveCoin { deposit, missing, kept })
    );
    world.run_until_quiet();
    // A token is no coin of this account.
    let Request::OpenLedger { peer, mine, theirs, challenge_duration, random, .. } =
        world.ledger_request(irene, 400, 0)
    else {
        panic!("a request for a ledger");
    };
    let asset = fixtures::TOKEN;
    let token = Request::OpenLedger { peer, asset, mine, theirs, challenge_duration, random };
    world.start(alice, token);
    world.run_until_quiet();
}

/// A relay agreed to deposit what it did not have, and the one who had asked waited for it.
#[test]
fn a_peer_declines_a_deposit_that_it_cannot_pay() {
    // As much again as it must keep: a third more is left to the owner.
    let room = LEDGER.div_ceil(3);
    for (coin, theirs, declined) in [
        (LEDGER + room + 40, 40, None),
        (LEDGER + room + 40, 41, Some(DeclineReason::DepositAboveCoin)),
        (LEDGER + room + 40, u64::MAX, Some(DeclineReason::DepositAboveCoin)),
        (LEDGER, 40, Some(DeclineReason::GasReserve)),
    ] {
        let deposits = [(Asset::NATIVE, u64::MAX.into())].into();
        let policy = Policy { max_peer_deposit: deposits, ..fixtures::policy() };
        let mut world = Setup::new(1).nodes(&["alice"]).node("bob", policy).build();
        let (alice, bob) = (Party(0), Party(1));
        world.report_gas(bob, report(coin, 1));
        let id = world.begin_ledger(alice, bob, 60, theirs);
        world.run_until_quiet();
        let by = world.address(bob);
        let expected = declined
            .map_or(ObjectiveStatus::Completed, |reason| ObjectiveStatus::Declined { by, reason });
        assert_eq!(world.status(alice, ObjectiveId::DirectFund(id)), Some(expected));
        assert_eq!(world.counters(alice).ledgers, usize::from(declined.is_none()));
    }
}

/// Whoever asks for a deposit and makes none of his own ties up nothing that the owner wants to use.
#[test]
fn what_peers_ask_for_and_do_not_pay_for_keeps_the_owner_from_nothing() {
    let deposits = [(Asset::NATIVE, u64::MAX.into())].into();
    let policy = Policy { max_peer_deposit: deposits, ..fixtures::policy() };
    let setup = Setup::new(1).nodes(&["alice"]).node("bob", policy).nodes(&["irene"]);
    let mut world = setup.build();
    let (alice, bob, irene) = (Party(0), Party(1), Party(2));
    // Just what bob may promise beside the owner's third.
    let theirs = 1_000;
    let coin = LEDGER + LEDGER.div_ceil(3) + theirs;
    world.report_gas(bob, report(coin, 1));
    let id = world.begin_ledger(alice, bob, 60, theirs);
    world.run_until(|world| world.ledger(bob, id).is_some());
    world.crash(alice);
    let request = world.ledger_request(irene, coin - LEDGER, 0);
    world.request(bob, request).expect("nothing of it is spent");
    world.leave_unfinished();
}
