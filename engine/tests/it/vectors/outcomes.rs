//! Amounts per asset, exits and their encoding, payouts and reclaims.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use engine::outcome::{
    Allocation, AllocationKind, Outcome, SingleAssetExit, reclaim_effects, transfer_effects,
};
use engine::types::{Amount, Asset, ChannelId};
use serde_json::Value;

use super::loader::{
    address, allocations, amount, destination, family, hex, list, number, outcome, state, text,
    vector, word,
};

pub(super) const CHECKS: &[fn()] = &[
    funds_add_up,
    funds_afford_what_they_hold,
    exits_encode_as_the_contracts_do,
    guarantees_carry_left_and_right,
    exits_have_their_totals,
    exits_have_their_totals_per_destination,
    deposits_wait_for_earlier_allocations,
    funding_affords_allocations_in_order,
    a_reclaim_undoes_a_diversion,
    transfers_pay_from_holdings,
    reclaims_move_the_balances_of_the_target,
];

/// Amounts per asset, zeros left out. The engine has no such map: its channels hold one asset.
type Funds = BTreeMap<String, Amount>;

fn funds(vector: &'static super::loader::Vector, name: &str) -> Funds {
    let entries = vector.input("funds")[name].as_object().unwrap().iter();
    let entries = entries.map(|(asset, value)| (asset.clone(), amount(value)));
    entries.filter(|(_, amount)| !amount.is_zero()).collect()
}

fn sum(many: &[Funds]) -> Funds {
    let mut total = Funds::new();
    for (asset, amount) in many.iter().flatten() {
        let entry = total.entry(asset.clone()).or_default();
        *entry = entry.checked_add(*amount).unwrap();
    }
    total
}

fn affords(funds: &Funds, price: &Funds) -> bool {
    price.iter().all(|(asset, amount)| {
        funds.get(asset).is_some_and(|held| held.checked_sub(*amount).is_some())
    })
}

#[test]
fn funds_add_up() {
    let vector = vector("funds.sum");
    let sums = list(vector.input("sums"));
    let totals = list(vector.expected("equalTo"));
    assert_eq!(sums.len(), totals.len());
    for (parts, total) in sums.iter().zip(totals) {
        let parts: Vec<_> = list(parts).iter().map(|name| funds(vector, text(name))).collect();
        assert_eq!(sum(&parts), funds(vector, text(total)), "{total}");
    }
    for name in vector.input("funds").as_object().unwrap().keys() {
        for nothing in ["zeros", "blank"] {
            let parts = [funds(vector, name), funds(vector, nothing)];
            assert_eq!(sum(&parts), parts[0], "{name} and {nothing}");
        }
    }
}

#[test]
fn funds_afford_what_they_hold() {
    let can_afford = vector("funds.canAfford");
    for (list_name, expected) in [("canAfford", true), ("cannotAfford", false)] {
        for pair in list(can_afford.input(list_name)) {
            let [have, price] = [&pair[0], &pair[1]].map(|name| funds(can_afford, text(name)));
            assert_eq!(affords(&have, &price), expected, "{list_name} {pair}");
        }
    }
    let equal = vector("funds.equal");
    for (list_name, expected) in [("equal", true), ("unequal", false)] {
        for pair in list(equal.input(list_name)) {
            let [one, other] = [&pair[0], &pair[1]].map(|name| funds(equal, text(name)));
            let found = affords(&one, &other) && affords(&other, &one);
            assert_eq!(found, expected, "{list_name} {pair}");
        }
    }
}

#[test]
fn exits_encode_as_the_contracts_do() {
    let encode = vector("exit.encode");
    let exit = outcome(encode.input("exit"));
    assert_eq!(exit.encode(), hex(encode.expected("encoded")));

    let hash = vector("exit.hash");
    assert_eq!(exit.encode(), hex(hash.input("encoded")));
    assert_eq!(exit.hash(), word(hash.expected("keccak256")));
    assert_eq!(keccak256(hex(hash.input("encoded"))), exit.hash());
}

#[test]
fn guarantees_carry_left_and_right() {
    for (name, expected) in
        [("guaranteeMetadata.encode", "encoded"), ("ts.guarantee.roundtrip", "encodedDerived")]
    {
        let vector = vector(name);
        let [left, right] = ["left", "right"].map(|side| destination(vector.input(side)));
        let guarantee = Allocation::guarantee(ChannelId::default(), 6_u64.into(), left, right);
        assert_eq!(guarantee.metadata.0, hex(vector.expected(expected)), "{name}");
        // The way back: a reclaim finds the two sides in the metadata.
        let ledger = [
            Allocation::simple(left, 2_u64.into()),
            Allocation::simple(right, 3_u64.into()),
            guarantee,
        ];
        let target = [1_u64, 5].map(|amount| Allocation::simple(left, amount.into()));
        let after = reclaim_effects(&ledger, &target, 2).unwrap();
        let expected = [(left, 3_u64), (right, 8)];
        assert_eq!(
            after,
            expected.map(|(side, sum)| Allocation::simple(side, sum.into())),
            "{name}"
        );
    }
}

/// What `of` says for each asset of an exit.
fn per_asset(
    exit: &Outcome,
    of: impl Fn(&SingleAssetExit) -> Option<Amount>,
) -> BTreeMap<Asset, Amount> {
    exit.0.iter().map(|exit| (exit.asset, of(exit).unwrap())).collect()
}

fn expected_per_asset(value: &Value) -> BTreeMap<Asset, Amount> {
    let entries = value.as_object().unwrap().iter();
    entries.map(|(asset, value)| (Asset(address(&asset.as_str().into())), amount(value))).collect()
}

#[test]
fn exits_have_their_totals() {
    let allocated = vector("exit.totalAllocated");
    let found = per_asset(&outcome(allocated.input("exit")), SingleAssetExit::total);
    assert_eq!(found, expected_per_asset(allocated.expectation()));

    let channel = vector("channel.total");
    let (_, variable) = state(channel.input("state"));
    let found = per_asset(&variable.outcome, SingleAssetExit::total);
    assert_eq!(found, expected_per_asset(channel.expectation()));
}

#[test]
fn exits_have_their_totals_per_destination() {
    let vector = vector("exit.totalAllocatedFor");
    let exit = outcome(vector.input("exit"));
    for (payee, expected) in list(vector.input("for")).iter().zip(list(vector.expectation())) {
        let found = per_asset(&exit, |exit| exit.total_for(destination(payee)));
        assert_eq!(found, expected_per_asset(expected), "{payee}");
    }
}

#[test]
fn deposits_wait_for_earlier_allocations() {
    let vector = vector("exit.depositSafetyThreshold");
    let exit = outcome(vector.input("exit"));
    for (payee, expected) in list(vector.input("for")).iter().zip(list(vector.expectation())) {
        let found = per_asset(&exit, |exit| exit.deposit_safety_threshold(destination(payee)));
        assert_eq!(found, expected_per_asset(expected), "{payee}");
    }
}

/// The reference asks whether an allocation is covered; here it is what a payout of it alone pays.
#[test]
fn funding_affords_allocations_in_order() {
    let vector = vector("allocations.affords");
    let allocations = allocations(vector.input("allocations"));
    let cases = list(vector.input("cases"));
    assert_eq!(cases.len(), list(vector.expectation()).len());
    for (case, expected) in cases.iter().zip(list(vector.expectation())) {
        // An allocation that is not in the list has no index in it.
        let index = case.get("index").map_or(allocations.len() as u64, number);
        let paid = transfer_effects(amount(&case["funding"]), &allocations, &[index]).unwrap();
        let found = paid.exits.iter().any(|exit| *exit == allocations[index as usize]);
        assert_eq!(found, *expected, "{case}");
    }
}

/// Diverting funds to a guarantee is the ledger's; a reclaim of the same balances restores what
/// was before it.
#[test]
fn a_reclaim_undoes_a_diversion() {
    for vector in family("exit.divertToGuarantee.") {
        let [left, right] = ["left", "right"].map(|side| destination(vector.input(side)));
        let [to_left, to_right] = ["leftFunds", "rightFunds"].map(|side| {
            vector.input(side).as_object().unwrap().values().next().map_or(Amount::ZERO, amount)
        });
        let target = ChannelId(word(vector.input("target")));
        let total = to_left.checked_add(to_right).unwrap();
        let guarantee = Allocation {
            kind: AllocationKind(1),
            ..Allocation::guarantee(target, total, left, right)
        };

        let expected = list(vector.expected("allocations"));
        let mut diverted = allocations(&expected[..2].into());
        assert_eq!(text(&expected[2]["metadata"]), "left32||right32", "{}", vector.name);
        assert_eq!(amount(&expected[2]["amount"]), guarantee.amount, "{}", vector.name);
        assert_eq!(destination(&expected[2]["destination"]), guarantee.destination);
        diverted.push(guarantee);

        let balances = [Allocation::simple(left, to_left), Allocation::simple(right, to_right)];
        let restored = reclaim_effects(&diverted, &balances, 2).unwrap();
        assert_eq!(restored, allocations(vector.input("allocations")), "{}", vector.name);
    }
}

#[test]
fn transfers_pay_from_holdings() {
    let vector = vector("transfer.effects");
    let holdings = amount(vector.input("initialHoldings"));
    let before = allocations(vector.input("allocations"));
    let indices: Vec<u64> = list(vector.input("indices")).iter().map(number).collect();
    let effects = transfer_effects(holdings, &before, &indices).unwrap();
    assert_eq!(effects.remaining, allocations(vector.expected("newAllocations")));
    assert_eq!(effects.exits, allocations(vector.expected("exitAllocations")));
    assert_eq!(effects.paid, 2_u64.into());
    assert!(effects.exhausted);
}

#[test]
fn reclaims_move_the_balances_of_the_target() {
    let vector = vector("reclaim.effects");
    let after = reclaim_effects(
        &allocations(vector.input("sourceAllocations")),
        &allocations(vector.input("targetAllocations")),
        number(vector.input("indexOfTargetInSource")).try_into().unwrap(),
    );
    assert_eq!(after, Ok(allocations(vector.expected("newSourceAllocations"))));
}
