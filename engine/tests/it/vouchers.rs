//! The rules of vouchers, as the reference's own scenario has them.

use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::testing::{Party, World, fixtures};
use engine::types::{Amount, B256, ChannelId, U256};
use engine::vouchers::{Voucher, VoucherError, credit, next_total};
use proptest::prelude::*;

use crate::vectors::loader::{amount, list, text, vector};

pub(crate) const CHECKS: &[fn()] = &[the_scenario_of_the_reference_has_the_same_results];

/// The reference registers channels by hand; here opening one does. Its two steps about that
/// have their counterpart in asking for the same channel again.
#[test]
fn the_scenario_of_the_reference_has_the_same_results() {
    let vector = vector("voucher.manager.scenario");
    let capacity = amount(vector.input("startingBalance"));
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 2_000, 0);
    let open = world.payment_request(&[alice, bob], 1_000);
    let mut channel = ChannelId(B256::repeat_byte(1));
    let mut vouchers: Vec<Voucher> = Vec::new();
    let steps = list(vector.input("steps"));
    for (step, expected) in steps.iter().zip(list(vector.expected("results"))) {
        let pay = Request::CreateVoucher { channel, amount: 20_u64.into() };
        let receive = |voucher: Voucher| Request::ReceiveVoucher {
            voucher,
            signer: voucher.signature.recover(voucher.hash()).unwrap(),
        };
        let (payer, payee) = (fixtures::key("alice"), bob);
        let answer = match text(step) {
            "pay on unregistered channel" => world.request(alice, pay),
            "register" => {
                channel = world.start(alice, open.clone()).channel();
                world.run_until_quiet();
                assert_eq!(world.payment(alice, channel).unwrap().capacity, capacity);
                assert_eq!(text(expected), "ok paid 0 remaining 1000");
                assert_eq!(world.paid(alice, channel), Amount::ZERO);
                continue;
            }
            "pay 20" => {
                let answer = world.request(alice, pay);
                if let Ok(Response::Voucher { voucher, .. }) = &answer {
                    vouchers.push(*voucher);
                }
                let total = world.paid(alice, channel);
                let left = capacity.checked_sub(total).unwrap();
                assert_eq!(format!("paid {total} remaining {left}"), text(expected));
                continue;
            }
            "receive v1" | "receive v1 again" => world.request(payee, receive(vouchers[0])),
            "receive v2(40)" => world.request(payee, receive(vouchers[1])),
            "register again" => world.request(alice, open.clone()),
            "pay as non-payer" => world.request(bob, pay),
            "receive for unknown channel" => {
                let unknown = Voucher::sign(ChannelId::default(), 1_u64.into(), &payer);
                world.request(payee, receive(unknown))
            }
            "receive 2000" => {
                let above = Voucher::sign(channel, 2_000_u64.into(), &payer);
                world.request(payee, receive(above))
            }
            "receive amount changed after signing" => {
                let changed = Voucher { total: 60_u64.into(), ..vouchers[1] };
                world.request(payee, receive(changed))
            }
            other => panic!("unknown step {other}"),
        };
        let found = match answer {
            Ok(Response::Voucher { total, delta, .. }) => format!("total {total} delta {delta}"),
            Ok(other) => panic!("{step}: {other:?}"),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(found, text(expected), "{step}");
    }
    world.run_until_quiet();
}

#[test]
fn a_refused_voucher_says_why() {
    let left = Amount::from(3_u64);
    let capacity = Amount::from(10_u64);
    let short = VoucherError::InsufficientFunds { left, capacity };
    assert_eq!(next_total(7_u64.into(), 4_u64.into(), capacity), Err(short));
    assert_eq!(next_total(7_u64.into(), Amount::from(U256::MAX), capacity), Err(short));
    assert_eq!(next_total(7_u64.into(), Amount::ZERO, capacity), Err(VoucherError::Zero));
    assert_eq!(credit(7_u64.into(), 11_u64.into(), capacity), Err(short));
    assert_eq!(RequestError::from(short), RequestError::Voucher(short));
}

proptest! {
    /// Whatever comes in whatever order, the payee has the best voucher and no more.
    #[test]
    fn the_best_voucher_counts(totals in prop::collection::vec(0_u64..200, 0..40)) {
        let capacity = Amount::from(100_u64);
        let mut best = Amount::ZERO;
        for total in &totals {
            if let Ok(delta) = credit(best, (*total).into(), capacity) {
                best = best.checked_add(delta).unwrap();
            }
        }
        let most = totals.into_iter().filter(|total| *total <= 100).max().unwrap_or(0);
        prop_assert_eq!(best, most.into());
    }

    #[test]
    fn payments_add_up_to_the_capacity(amounts in prop::collection::vec(0_u64..60, 0..40)) {
        let (mut paid, mut sum) = (Amount::ZERO, 0);
        for amount in amounts {
            match next_total(paid, amount.into(), 100_u64.into()) {
                Ok(total) => {
                    sum += amount;
                    paid = total;
                }
                Err(_) => prop_assert!(amount == 0 || sum + amount > 100),
            }
            prop_assert_eq!(paid, sum.into());
        }
    }
}
