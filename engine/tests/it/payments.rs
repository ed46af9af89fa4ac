//! Vouchers between two nodes.

use engine::crypto::Signer as _;
use engine::effect::{Offence, Response, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::testing::{Party, World, fixtures};
use engine::types::{Amount, Asset, ChannelId, ObjectiveId};
use engine::vouchers::{Voucher, VoucherError};
use engine::wire::Message;

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
    let paid = world.request(alice, pay(id, 30));
    assert_eq!(paid, Ok(Response::Paid { total: 30_u64.into(), remaining: 70_u64.into() }));
    let [(_, Message::Voucher { voucher, payments, .. })] =
        &world.outbox(alice, world.address(bob))[..]
    else {
        panic!("one message");
    };
    assert_eq!((voucher.total, &payments[..]), (30_u64.into(), &[30_u64.into()][..]));
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
    let (total, remaining) = (30_u64.into(), 70_u64.into());
    let paid = world.request(alice, pay_to(30, 30));
    assert_eq!(paid, Ok(Response::Paid { total, remaining }));
    let again = world.request(alice, pay_to(30, 30));
    let before = Ok(Response::PaidBefore { total, remaining });
    assert_eq!(again, before);
    assert_eq!(world.outbox(alice, world.address(bob)).len(), 1);
    world.run_until_quiet();
    world.take_updates(alice);
    // Whoever asks again learns again what is credited.
    assert_eq!(world.request(alice, pay_to(30, 30)), before);
    world.run_until_quiet();
    assert_eq!(credits(&mut world, alice, id), [30_u64.into()]);
    for (amount, total) in [(30, 59), (30, 61), (20, 20), (1, u64::MAX)] {
        let refused = world.request(alice, pay_to(amount, total));
        assert!(matches!(refused, Err(RequestError::UnexpectedTotal { .. })), "{refused:?}");
    }
    assert_eq!(world.request(bob, pay_to(30, 30)), Err(RequestError::NotPayer(id)));
    assert!(matches!(world.request(alice, pay_to(70, 100)), Ok(Response::Paid { .. })));
    world.run_until_quiet();
}

fn credits(world: &mut World, payer: Party, id: ChannelId) -> Vec<Amount> {
    let updates = world.take_updates(payer).into_iter();
    let totals = updates.filter_map(|update| match update {
        Update::Credited { channel, total } if channel == id => Some(total),
        _ => None,
    });
    totals.collect()
}

fn received(world: &mut World, payee: Party, id: ChannelId) -> Vec<(u64, u64)> {
    let updates = world.take_updates(payee).into_iter();
    let number = |amount: Amount| amount.to_string().parse().unwrap();
    let payments = updates.filter_map(|update| match update {
        Update::Received { channel, total, delta } if channel == id => {
            Some((number(total), number(delta)))
        }
        _ => None,
    });
    payments.collect()
}

/// A voucher is cumulative: the payments of a turn over one channel need one signature.
#[test]
fn payments_of_a_turn_are_one_voucher_and_each_is_told() {
    let (mut world, alice, bob, first) = open(50);
    let second = world.open_payment(&[alice, bob], 50);
    world.run_until_quiet();
    world.take_updates(bob);
    let to = |channel, amount: u64, total: u64| Request::PayTo {
        channel,
        amount: amount.into(),
        total: total.into(),
    };
    let requests = vec![
        pay(first, 7),
        pay(second, 1),
        pay(first, 100),
        to(first, 3, 10),
        to(first, 3, 10),
        pay(second, 2),
        pay(first, 0),
        pay(first, 5),
    ];
    let mut answers = world.try_requests(alice, requests).into_iter().map(Option::unwrap);
    let mut next = || answers.next().unwrap();
    let paid =
        |total: u64, left: u64| Ok(Response::Paid { total: total.into(), remaining: left.into() });
    assert_eq!([next(), next()], [paid(7, 43), paid(1, 49)]);
    assert!(matches!(next(), Err(RequestError::Voucher(VoucherError::InsufficientFunds { .. }))));
    assert_eq!(next(), paid(10, 40));
    let (total, remaining) = (10_u64.into(), 40_u64.into());
    assert_eq!(next(), Ok(Response::PaidBefore { total, remaining }));
    assert_eq!(next(), paid(3, 47));
    assert_eq!(next(), Err(RequestError::Voucher(VoucherError::Zero)));
    assert_eq!(next(), paid(15, 35));
    assert_eq!(world.outbox(alice, world.address(bob)).len(), 2, "one voucher for each channel");
    // A doubled frame tells nobody of a payment twice.
    let again = world.outbox(alice, world.address(bob));
    world.run_until_quiet();
    for (_, message) in again {
        world.inject(world.address(alice), bob, &message);
    }
    world.run_until_quiet();
    let told = received(&mut world, bob, first);
    assert_eq!(told, [(7, 7), (10, 3), (15, 5)]);
    assert_eq!((world.paid(bob, first), world.paid(bob, second)), (15_u64.into(), 3_u64.into()));
}

/// What is asked for between payments happens between them.
#[test]
fn a_close_between_payments_lets_no_later_one_through() {
    let (mut world, alice, bob, id) = open(50);
    let requests = vec![pay(id, 7), Request::ClosePayment { channel: id }, pay(id, 5)];
    let answers = world.try_requests(alice, requests);
    assert!(matches!(answers[0], Some(Ok(Response::Paid { .. }))));
    assert!(matches!(answers[1], Some(Ok(Response::Started(_)))));
    assert_eq!(answers[2], Some(Err(RequestError::NotOpen(id))));
    world.run_until_quiet();
    assert!(world.has_completed(bob, ObjectiveId::VirtualDefund(id)));
    assert_eq!(world.purse(alice, Asset::NATIVE), (fixtures::PURSE - 100).into());
}

/// The list of payments is the payer's word: whatever it says, what is told adds up to the voucher.
#[test]
fn a_payer_that_lies_about_its_payments_pays_what_it_has_signed() {
    let (mut world, alice, bob, id) = open(100);
    world.pay(alice, id, 10);
    world.run_until_quiet();
    world.take_updates(bob);
    let signer = fixtures::key("alice");
    let huge = Amount::from(u64::MAX);
    let all = Amount::from(alloy_primitives::U256::MAX);
    for (total, payments, told) in [
        (15_u64, vec![], &[(15, 5)][..]),
        // One that is partly credited before, and two that are new.
        (20, vec![4_u64.into(), 2_u64.into(), 2_u64.into()], &[(16, 1), (18, 2), (20, 2)]),
        (30, vec![2_u64.into()], &[(28, 8), (30, 2)]),
        (40, vec![huge, 1_u64.into()], &[(40, 10)]),
        (50, vec![all, all, 1_u64.into()], &[(50, 10)]),
        (60, vec![Amount::ZERO; 2_000], &[(60, 10)]),
    ] {
        let voucher = Voucher::sign(id, total.into(), &signer);
        let said = Message::Voucher { voucher, payments, signer: signer.address() };
        world.inject(signer.address(), bob, &said);
        world.run_until_quiet();
        assert_eq!(received(&mut world, bob, id), told, "{total}");
        assert_eq!(world.paid(bob, id), total.into());
    }
}

#[test]
fn the_payer_hears_what_is_credited() {
    let (mut world, alice, _, id) = open(100);
    world.take_updates(alice);
    world.pay(alice, id, 7);
    world.run_until_quiet();
    assert_eq!(credits(&mut world, alice, id), [7_u64.into()]);
    // One word for a frame, however many vouchers it carries.
    for _ in 0..30 {
        world.pay(alice, id, 1);
    }
    world.run_until_quiet();
    let said = credits(&mut world, alice, id);
    assert_eq!(said.last(), Some(&37_u64.into()));
    assert!(said.len() <= 3, "{said:?}");
}

/// A payment was told as delivered although the payee credited nothing: an older copy of the
/// payer's folder signs totals that the payee has had before.
#[test]
fn an_old_copy_of_the_payer_learns_what_it_has_signed() {
    let (mut world, alice, bob, id) = open(100);
    world.pay(alice, id, 10);
    world.run_until_quiet();
    let old = world.store(alice).snapshot();
    world.pay(alice, id, 30);
    world.run_until_quiet();
    world.restore(alice, old);
    world.run_until_quiet();
    world.take_updates(alice);

    world.pay(alice, id, 5);
    world.run_until_quiet();
    let updates = world.take_updates(alice);
    let (remembered, total) = (15_u64.into(), 40_u64.into());
    let surpassed = Update::Surpassed { channel: id, remembered, total, proven: true };
    assert!(updates.contains(&surpassed), "{updates:?}");
    assert!(!updates.iter().any(|update| matches!(update, Update::Credited { .. })));
    assert_eq!(world.paid(bob, id), total, "nothing was credited");
    assert_eq!(world.paid(alice, id), total);

    world.pay(alice, id, 5);
    world.run_until_quiet();
    assert_eq!(world.paid(bob, id), 45_u64.into());
    assert!(world.has_open_payment(bob, id) && world.has_open_payment(alice, id));
}

/// A payee may say what it likes: nothing is paid by it, and nothing believed but one's own hand.
#[test]
fn a_payee_that_claims_more_than_was_signed_gets_nothing() {
    let (mut world, alice, bob, id) = open(100);
    world.pay(alice, id, 10);
    world.run_until_quiet();
    let mallory = fixtures::key("mallory");
    let foreign = Voucher::sign(id, 60_u64.into(), &mallory).signature;
    for proof in [None, Some(foreign)] {
        world.take_updates(alice);
        let signer = proof.map_or_else(Default::default, |it| {
            it.recover(Voucher { channel: id, total: 60_u64.into(), signature: it }.hash()).unwrap()
        });
        let lie = Message::Credited { channel: id, total: 60_u64.into(), proof, signer };
        world.inject(world.address(bob), alice, &lie);
        world.run_until_quiet();
        let (remembered, total) = (10_u64.into(), 60_u64.into());
        let surpassed = Update::Surpassed { channel: id, remembered, total, proven: false };
        assert!(world.take_updates(alice).contains(&surpassed));
        assert_eq!(world.paid(alice, id), remembered);
    }
    // Nobody but the payee is heard, and the payee only about its channels.
    let lie = Message::Credited {
        channel: id,
        total: 5_u64.into(),
        proof: None,
        signer: Default::default(),
    };
    world.take_updates(alice);
    world.inject(mallory.address(), alice, &lie);
    world.inject(world.address(alice), bob, &lie);
    world.run_until_quiet();
    assert!(credits(&mut world, alice, id).is_empty());
    // Two of bob's claims had no signature at all, or somebody's.
    let (bobs, theirs) = (world.address(bob), mallory.address());
    let offences = [bobs, bobs, theirs].map(|by| (by, Offence::NotAllowed));
    assert_eq!(world.take_offences(alice), offences);
    let offence = (world.address(alice), Offence::NotAllowed);
    assert_eq!(world.take_offences(bob), [offence]);
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
        assert_eq!(credits(&mut world, alice, id).last(), Some(&7_u64.into()), "seed {seed}");
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
