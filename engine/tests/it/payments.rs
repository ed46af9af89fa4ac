//! Vouchers between two nodes.

use engine::effect::{Response, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::testing::{Party, World, fixtures};
use engine::types::{Amount, Asset, ChannelId, ObjectiveId};
use engine::vouchers::{Voucher, VoucherError};

fn open(capacity: u64) -> (World, Party, Party, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    let id = world.open_payment(&[alice, bob], capacity);
    world.run_until_quiet();
    (world, alice, bob, id)
}

fn pay(channel: ChannelId, amount: u64) -> Request {
    Request::Pay { channel, amount: amount.into() }
}

#[test]
fn a_payment_is_one_message_and_adds_up() {
    let (mut world, alice, bob, id) = open(100);
    world.take_updates(bob);
    for amount in [1, 2, 3] {
        world.pay(alice, id, amount);
        assert_eq!(world.outbox(alice, world.address(bob)).len(), 1);
        world.run_until_quiet();
    }
    let received: Vec<(Amount, Amount)> = world
        .take_updates(bob)
        .into_iter()
        .filter_map(|update| match update {
            Update::Received { channel, total, delta } if channel == id => Some((total, delta)),
            _ => None,
        })
        .collect();
    assert_eq!(
        received,
        [(1_u64.into(), 1_u64.into()), (3_u64.into(), 2_u64.into()), (6_u64.into(), 3_u64.into())]
    );
}

#[test]
fn the_answer_says_what_is_left() {
    let (mut world, alice, bob, id) = open(100);
    let Ok(Response::Paid { voucher, remaining, payee, .. }) = world.request(alice, pay(id, 30))
    else {
        panic!("the payment is made");
    };
    assert_eq!((voucher.total, remaining), (30_u64.into(), 70_u64.into()));
    assert_eq!(payee, world.address(bob));
    assert_eq!(voucher.signature.recover(voucher.hash()), Ok(world.address(alice)));
    world.run_until_quiet();
}

#[test]
fn a_payment_that_names_its_total_is_made_once() {
    let (mut world, alice, bob, id) = open(100);
    let pay_to = |amount: u64, total: u64| Request::PayTo {
        channel: id,
        amount: amount.into(),
        total: total.into(),
    };
    let Ok(Response::Paid { voucher, message, .. }) = world.request(alice, pay_to(30, 30)) else {
        panic!("the payment is made");
    };
    let again = world.request(alice, pay_to(30, 30));
    let remaining = 70_u64.into();
    let payee = world.address(bob);
    let before = |waiting| Ok(Response::PaidBefore { voucher, remaining, payee, waiting });
    assert_eq!(again, before(Some(message)));
    world.run_until_quiet();
    assert_eq!(world.request(alice, pay_to(30, 30)), before(None));
    for (amount, total) in [(30, 59), (30, 61), (20, 20), (1, u64::MAX)] {
        let refused = world.request(alice, pay_to(amount, total));
        assert!(matches!(refused, Err(RequestError::UnexpectedTotal { .. })), "{refused:?}");
    }
    assert_eq!(world.request(bob, pay_to(30, 30)), Err(RequestError::NotPayer(id)));
    assert!(matches!(world.request(alice, pay_to(70, 100)), Ok(Response::Paid { .. })));
    world.run_until_quiet();
}

#[test]
fn no_more_than_the_capacity_is_paid() {
    let (mut world, alice, bob, id) = open(100);
    world.pay(alice, id, 99);
    let error = VoucherError::InsufficientFunds { left: 1_u64.into(), capacity: 100_u64.into() };
    assert_eq!(world.request(alice, pay(id, 2)), Err(RequestError::Voucher(error)));
    world.pay(alice, id, 1);
    let zero = world.request(alice, pay(id, 0));
    assert_eq!(zero, Err(RequestError::Voucher(VoucherError::Zero)));
    world.run_until_quiet();
    assert_eq!(world.paid(bob, id), 100_u64.into());
}

#[test]
fn vouchers_go_out_of_band_as_well() {
    let (mut world, alice, bob, id) = open(100);
    let create = Request::CreateVoucher { channel: id, amount: 40_u64.into() };
    let Ok(Response::Voucher { voucher, .. }) = world.request(alice, create) else {
        panic!("a voucher is made");
    };
    world.run_until_quiet();
    assert_eq!(world.paid(bob, id), Amount::ZERO, "nothing was sent");
    let signer = world.address(alice);
    let receive = Request::ReceiveVoucher { voucher, signer };
    let (total, delta) = (40_u64.into(), 40_u64.into());
    let taken = world.request(bob, receive.clone());
    assert_eq!(taken, Ok(Response::Voucher { total, delta, voucher }));
    // The same voucher again is worth nothing more.
    let again = world.request(bob, receive);
    assert_eq!(again, Ok(Response::Voucher { total, delta: Amount::ZERO, voucher }));
}

#[test]
fn a_voucher_of_another_signer_is_refused() {
    let (mut world, alice, bob, id) = open(100);
    let voucher = Voucher::sign(id, 10_u64.into(), &fixtures::key("mallory"));
    let signer = voucher.signature.recover(voucher.hash()).unwrap();
    let refused = world.request(bob, Request::ReceiveVoucher { voucher, signer });
    assert_eq!(refused, Err(RequestError::Voucher(VoucherError::WrongSigner)));
    let refused = world.request(alice, Request::ReceiveVoucher { voucher, signer });
    assert_eq!(refused, Err(RequestError::NotPayee(id)));
}

/// The payer may see the last signature first and pay at once.
#[test]
fn a_voucher_that_overtakes_the_last_signature_counts() {
    let mut counted = 0;
    for seed in 0..60 {
        let mut world = World::rough(seed, &["alice", "irene", "bob"]);
        let (alice, irene, bob) = (Party(0), Party(1), Party(2));
        world.open_ledger(alice, irene, 100, 100);
        world.open_ledger(irene, bob, 100, 100);
        let id = world.begin_payment(&[alice, irene, bob], 50);
        world.run_until(|world| world.has_open_payment(alice, id));
        world.pay(alice, id, 7);
        counted += u32::from(!world.has_open_payment(bob, id));
        world.run_until_quiet();
        assert_eq!(world.paid(bob, id), 7_u64.into(), "seed {seed}");
    }
    assert!(counted > 0, "no seed lets the payer be first");
}

/// The payer stops to pay when the channel begins to close (gap C5), so what is paid by then is
/// what the payee gets.
#[test]
fn payments_up_to_the_close_are_settled() {
    let (mut world, alice, bob, id) = open(100);
    world.pay(alice, id, 10);
    world.start(bob, Request::ClosePayment { channel: id });
    world.pay(alice, id, 20);
    world.run_until_quiet();
    assert!(world.has_completed(bob, ObjectiveId::VirtualDefund(id)));
    assert_eq!(world.request(alice, pay(id, 1)), Err(RequestError::UnknownPayment(id)));
    let ledger = world.counters(alice).ledgers;
    assert_eq!(ledger, 1);
    let id = world.engine(alice).address();
    assert_eq!(id, world.address(alice));
    assert_eq!(world.purse(alice, Asset::NATIVE), (fixtures::PURSE - 100).into());
}

#[test]
fn a_thousand_payments_in_a_row_need_few_frames() {
    let (mut world, alice, bob, id) = open(100);
    for _ in 0..100 {
        world.pay(alice, id, 1);
    }
    let turns = world.turns(bob);
    world.run_until_quiet();
    assert_eq!(world.paid(bob, id), 100_u64.into());
    assert!(world.turns(bob) - turns <= 3, "frames carry whatever waits");
}
