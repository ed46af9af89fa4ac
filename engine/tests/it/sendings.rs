//! What the owner has sent from the node's own accounts: once for each key, never out of what open
//! channels need, and remembered with how it ended.

use std::time::Duration;

use engine::chain::{Account, ChainCall, GasReport};
use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::policy::gas;
use engine::sending::{Keep, Order, Sending, SendingEnd};
use engine::testing::{Party, World, fixtures};
use engine::types::{Address, Amount, Asset, B256};

const ALICE: Party = Party(0);
const SOMEBODY: Address = Address::repeat_byte(0x66);
/// What must be there for one ledger.
const LEDGER: u64 = 2 * (gas::LEDGER + gas::SETTLE);
const COIN: u64 = LEDGER + 1_000;

fn key(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// Some coin of the chain account, of which a ledger with bob needs most.
fn order(byte: u8, amount: Option<u64>) -> Order {
    Order {
        key: key(byte),
        from: Account::Chain,
        asset: Asset::NATIVE,
        to: SOMEBODY,
        amount: amount.map(Amount::from),
        balance: COIN.into(),
        coin: COIN.into(),
        fee: 100_u64.into(),
        keep: Keep::Reserve,
    }
}

fn with_ledger() -> World {
    let mut world = World::calm(&["alice", "bob"]);
    world.open_ledger(ALICE, Party(1), 100, 100);
    world.run_until_quiet();
    world.report_gas(ALICE, GasReport { balance: Some(COIN.into()), price: 1_u64.into() });
    world
}

fn send(world: &mut World, order: Order) -> Result<Sending, RequestError> {
    match world.request(ALICE, Request::Send(Box::new(order)))? {
        Response::Sending(_, sending) => Ok(*sending),
        other => panic!("{other:?}"),
    }
}

fn transfers(world: &World) -> usize {
    let sent = world.chain().successes().into_iter();
    sent.filter(|(_, call)| matches!(call, ChainCall::Transfer { .. })).count()
}

fn end(world: &mut World, byte: u8) -> Option<SendingEnd> {
    match world.request(ALICE, Request::GetSending(key(byte))) {
        Ok(Response::Sending(_, sending)) => sending.end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_key_sends_once_before_and_after_a_crash_and_after_the_end() {
    let mut world = with_ledger();
    let first = send(&mut world, order(1, Some(500))).unwrap();
    assert_eq!(send(&mut world, order(1, Some(500))).unwrap(), first);
    world.crash(ALICE);
    world.restart(ALICE);
    world.report_gas(ALICE, GasReport { balance: Some(COIN.into()), price: 1_u64.into() });
    assert_eq!(send(&mut world, order(1, Some(500))).unwrap(), first);
    world.run_until_quiet();
    assert!(matches!(end(&mut world, 1), Some(SendingEnd::Done { .. })));
    assert!(send(&mut world, order(1, Some(500))).unwrap().end.is_some());
    world.run_until_quiet();
    assert_eq!(transfers(&world), 1);
    let other = Err(RequestError::KeyUsed(key(1)));
    assert_eq!(send(&mut world, order(1, Some(501))), other);
    assert_eq!(send(&mut world, Order { from: Account::Channel, ..order(1, Some(500)) }), other);
}

#[test]
fn what_open_channels_need_is_not_sent_unless_that_is_insisted_on() {
    let mut world = with_ledger();
    // Beside the reserve and the fee.
    let free = 900_u64;
    let refused = RequestError::CannotSend {
        asset: Asset::NATIVE,
        balance: COIN.into(),
        kept: (LEDGER + 100).into(),
        available: free.into(),
    };
    assert_eq!(send(&mut world, order(1, Some(free + 1))), Err(refused));
    let insisting = Order { keep: Keep::Nothing, ..order(2, Some(free + 1)) };
    send(&mut world, insisting).unwrap();
    // What is on its way is not there for another.
    let all = send(&mut world, order(3, None));
    assert!(
        matches!(all, Err(RequestError::CannotSend { available: Amount::ZERO, .. })),
        "{all:?}"
    );
    world.run_until_quiet();
    let Ok(Sending { call: ChainCall::Transfer { amount, .. }, .. }) =
        send(&mut world, order(4, None))
    else {
        panic!()
    };
    assert_eq!(amount, free.into(), "all that can be spared");
    world.run_until_quiet();
    assert_eq!(transfers(&world), 2);
}

#[test]
fn tokens_need_coin_for_the_fee_and_the_account_must_have_them() {
    let mut world = with_ledger();
    let token = Order { asset: fixtures::TOKEN, balance: 50_u64.into(), ..order(1, Some(60)) };
    let refused = send(&mut world, token.clone());
    let available = Amount::from(50_u64);
    assert!(
        matches!(refused, Err(RequestError::CannotSend { available: found, .. }) if found == available)
    );
    let (coin, fee) = (99_u64.into(), 100_u64.into());
    let poor = Order { coin, amount: None, ..token };
    let refused = send(&mut world, poor);
    assert!(
        matches!(refused, Err(RequestError::NoCoinForFee { coin: has, fee: needs, kept })
            if (has, needs) == (coin, fee) && kept > fee),
        "the reserve of the ledger is kept, too: {refused:?}"
    );
    assert_eq!(
        send(&mut world, order(2, Some(0))),
        Err(RequestError::ZeroAmount { field: "amount" })
    );
}

#[test]
fn nothing_is_sent_to_where_it_is_lost() {
    let mut world = with_ledger();
    let deployment = fixtures::DEPLOYMENT;
    for address in
        [Address::ZERO, deployment.adjudicator, deployment.consensus_app, deployment.payment_app]
    {
        let order = Order { to: address, ..order(1, Some(1)) };
        assert_eq!(send(&mut world, order), Err(RequestError::NoPayee { address }));
    }
    let (asset, to) = (fixtures::TOKEN, fixtures::TOKEN.0);
    let itself = Order { asset, to, balance: 5_u64.into(), ..order(1, Some(1)) };
    assert_eq!(send(&mut world, itself), Err(RequestError::NoPayee { address: to }));
}

#[test]
fn what_the_contract_refuses_is_remembered_as_refused() {
    let mut world = with_ledger();
    let claim = Request::Claim { key: key(1), asset: Asset::NATIVE, to: None };
    let Ok(Response::Sending(..)) = world.request(ALICE, claim.clone()) else { panic!() };
    world.run_until_quiet();
    let reason = "nothing to claim".to_owned();
    assert_eq!(end(&mut world, 1), Some(SendingEnd::Refused { reason }));
    let Ok(Response::Sending(_, again)) = world.request(ALICE, claim) else { panic!() };
    assert!(again.end.is_some(), "it is not claimed again");
    let taken = world.request(ALICE, Request::TakeBack(key(9)));
    assert_eq!(taken, Err(RequestError::UnknownSending(key(9))));
}

/// By hand, also when it is not worth it; and never beside the node's own claim.
#[test]
fn a_debt_is_claimed_by_hand_for_somebody_else() {
    let mut world = with_ledger();
    let ledger = world.ledger_ids(ALICE)[0];
    let alice = world.address(ALICE);
    world.chain_mut().block_payee(alice);
    world.request(ALICE, Request::CloseLedger { ledger }).unwrap();
    world.run_until_quiet();
    let claim = |byte| Request::Claim { key: key(byte), asset: Asset::NATIVE, to: Some(SOMEBODY) };
    world.request(ALICE, claim(1)).unwrap();
    let second = world.request(ALICE, claim(2));
    assert_eq!(second, Err(RequestError::ClaimRunning { asset: Asset::NATIVE }));
    world.run_for(Duration::from_secs(600));
    assert!(matches!(end(&mut world, 1), Some(SendingEnd::Done { .. })), "{}", world.describe());
    let Ok(Response::Debts(debts)) = world.request(ALICE, Request::ListDebts) else { panic!() };
    assert_eq!(debts, []);
    assert_eq!(world.chain().purse(SOMEBODY, Asset::NATIVE), 100_u64.into());
}

/// A reserve that is on its way to somebody else is none, and pays no deposit.
#[test]
fn coin_that_is_being_sent_keeps_no_channel() {
    let mut world = World::calm(&["alice", "bob", "carol"]);
    world.leave_unfinished();
    world.open_ledger(ALICE, Party(1), 100, 100);
    world.run_until_quiet();
    let balance = Amount::from(2 * LEDGER + 1_000);
    world.report_gas(ALICE, GasReport { balance: Some(balance), price: 1_u64.into() });
    let open = |world: &mut World| Request::OpenLedger {
        peer: world.address(Party(2)),
        asset: Asset::NATIVE,
        mine: 100_u64.into(),
        theirs: 100_u64.into(),
        challenge_duration: 3_600,
        random: world.nonce(),
    };
    send(&mut world, Order { balance, coin: balance, ..order(1, Some(LEDGER)) }).unwrap();
    let request = open(&mut world);
    let refused = world.request(ALICE, request);
    assert!(matches!(refused, Err(RequestError::GasReserve { .. })), "{refused:?}");
    world.run_until_quiet();
    // What is left is told by the chain from now on.
    world.report_gas(ALICE, GasReport { balance: Some(balance), price: 1_u64.into() });
    let request = open(&mut world);
    assert!(world.request(ALICE, request).is_ok());
}

/// Many small transfers of a token ate the reserve by their fees, and a token's agreed deposit was sent.
#[test]
fn tokens_leave_the_reserve_and_agreed_deposits_alone() {
    let mut world = World::calm(&["alice", "bob", "carol"]);
    world.leave_unfinished();
    world.open_ledger(ALICE, Party(1), 100, 100);
    world.run_until_quiet();
    let coin = Amount::from(2 * LEDGER + 250);
    world.report_gas(ALICE, GasReport { balance: Some(coin), price: 1_u64.into() });
    let request = Request::OpenLedger {
        peer: world.address(Party(2)),
        asset: fixtures::TOKEN,
        mine: 100_u64.into(),
        theirs: 0_u64.into(),
        challenge_duration: 3_600,
        random: world.nonce(),
    };
    world.request(ALICE, request).unwrap();
    let token = |byte, amount| Order {
        asset: fixtures::TOKEN,
        balance: 150_u64.into(),
        coin,
        ..order(byte, amount)
    };
    let refused = send(&mut world, token(1, Some(51)));
    assert!(
        matches!(refused, Err(RequestError::CannotSend { available, .. }) if available == 50_u64.into()),
        "{refused:?}"
    );
    // Two fees of a hundred are there beside the reserve, and no third one.
    send(&mut world, token(1, Some(1))).unwrap();
    send(&mut world, token(2, Some(1))).unwrap();
    let refused = send(&mut world, token(3, Some(1)));
    assert!(matches!(refused, Err(RequestError::NoCoinForFee { .. })), "{refused:?}");
}

#[test]
fn nothing_is_sent_before_it_is_known_what_channels_need() {
    let mut world = with_ledger();
    world.crash(ALICE);
    world.restart(ALICE);
    assert_eq!(send(&mut world, order(1, Some(1))), Err(RequestError::ReserveUnknown));
    assert!(send(&mut world, Order { keep: Keep::Nothing, ..order(1, Some(1)) }).is_ok());
    world.run_until_quiet();
}

#[test]
fn what_is_owed_is_claimed_by_one_transaction_at_a_time() {
    let mut world = with_ledger();
    world.leave_unfinished();
    let claim = |byte, to| Request::Claim { key: key(byte), asset: Asset::NATIVE, to };
    assert!(world.request(ALICE, claim(1, None)).is_ok());
    let running = Err(RequestError::ClaimRunning { asset: Asset::NATIVE });
    assert_eq!(world.request(ALICE, claim(2, None)), running);
    assert_eq!(world.request(ALICE, claim(3, Some(SOMEBODY))), running);
    let lost = Request::Claim { key: key(4), asset: fixtures::TOKEN, to: Some(fixtures::TOKEN.0) };
    assert!(matches!(world.request(ALICE, lost), Err(RequestError::NoPayee { .. })));
}
