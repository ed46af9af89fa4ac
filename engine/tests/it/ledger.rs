//! The arithmetic of a ledger, and its two sides without a node around them.

use std::collections::BTreeMap;

use engine::crypto::Signer;
use engine::ledger::{Balances, Change, ChangeError, Guarantee, Ledger, ProposalError, Side};
use engine::state::FixedPart;
use engine::testing::fixtures;
use engine::types::{Amount, Asset, ChannelId, TurnNumber, U256};
use proptest::prelude::*;
use serde_json::Value;

use crate::vectors::loader::{amount, list, number, vector, word};

pub(crate) const CHECKS: &[fn()] = &[additions_apply, removals_apply];

fn side(value: &Value) -> Side {
    if value == "alice" { Side::Leader } else { Side::Follower }
}

fn balances(inputs: [&Value; 4]) -> Balances {
    let [turn, leader, follower, guarantees] = inputs;
    let guarantees = list(guarantees).iter().map(|guarantee| {
        let left = side(&guarantee["left"]);
        (
            ChannelId(word(&guarantee["target"])),
            Guarantee { amount: amount(&guarantee["amount"]), left },
        )
    });
    Balances {
        turn: TurnNumber(number(turn)),
        leader: amount(&list(leader)[1]),
        follower: amount(&list(follower)[1]),
        guarantees: guarantees.collect(),
    }
}

#[test]
fn additions_apply() {
    let vector = vector("consensus.apply.add");
    let before =
        balances(["turnNum", "leader", "follower", "guarantees"].map(|key| vector.input(key)));
    let add = vector.input("add");
    let change = |amount: Amount, left_deposit| Change::Add {
        target: ChannelId(word(&add["target"])),
        guarantee: Guarantee { amount, left: side(&add["left"]) },
        left_deposit,
    };
    let turn = TurnNumber(number(vector.expected("turnNum")));
    let added = change(amount(&add["amount"]), amount(&add["leftDeposit"]));
    let after = before.apply(&added, turn).unwrap();
    assert_eq!(after.turn, turn);
    assert_eq!(after.leader, amount(vector.expected("leader")));
    assert_eq!(after.follower, amount(vector.expected("follower")));
    assert_eq!(after.guarantees.len(), list(vector.expected("guarantees")).len());
    let text = |error: ChangeError| error.to_string();
    let repeated = after.apply(&added, turn).unwrap_err();
    assert_eq!(text(repeated), *vector.expected("repeatError"));
    let too_much = change(201_u64.into(), 201_u64.into());
    let error = before.apply(&too_much, turn).unwrap_err();
    assert_eq!(text(error), *vector.expected("amount201Error"));
}

#[test]
fn removals_apply() {
    let vector = vector("consensus.apply.remove");
    let before =
        balances(["turnNum", "leader", "follower", "guarantees"].map(|key| vector.input(key)));
    let remove = vector.input("remove");
    let target = ChannelId(word(&remove["target"]));
    let removed = Change::Remove { target, left_amount: amount(&remove["leftAmount"]) };
    let turn = TurnNumber(number(vector.expected("turnNum")));
    let after = before.apply(&removed, turn).unwrap();
    assert_eq!(after.leader, amount(vector.expected("leader")));
    assert_eq!(after.follower, amount(vector.expected("follower")));
    assert_eq!(after.guarantees.len(), list(vector.expected("guarantees")).len());
    let error = after.apply(&removed, turn).unwrap_err();
    assert_eq!(error.to_string(), *vector.expected("repeatError"));
    let too_much = Change::Remove { target, left_amount: 10_u64.into() };
    let error = before.apply(&too_much, turn).unwrap_err();
    assert_eq!(error.to_string(), *vector.expected("leftAmount10Error"));
}

fn target(index: u8) -> ChannelId {
    ChannelId(alloy_primitives::B256::repeat_byte(index))
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Leader), Just(Side::Follower)]
}

fn any_change() -> impl Strategy<Value = Change> {
    let numbers = || prop_oneof![0_u64..120, Just(u64::MAX)];
    prop_oneof![
        (0_u8..6, numbers(), any_side(), numbers()).prop_map(|(index, amount, left, deposit)| {
            Change::Add {
                target: target(index),
                guarantee: Guarantee { amount: amount.into(), left },
                left_deposit: deposit.into(),
            }
        }),
        (0_u8..6, numbers()).prop_map(|(index, left)| Change::Remove {
            target: target(index),
            left_amount: left.into(),
        }),
    ]
}

proptest! {
    #[test]
    fn no_change_makes_or_loses_money(changes in prop::collection::vec(any_change(), 0..30)) {
        let mut balances = Balances {
            turn: TurnNumber(1),
            leader: 100_u64.into(),
            follower: 100_u64.into(),
            guarantees: BTreeMap::new(),
        };
        for change in changes {
            let turn = balances.turn.next().unwrap();
            let before = balances.clone();
            match balances.apply(&change, turn) {
                Ok(next) => balances = next,
                Err(_) => prop_assert_eq!(&balances, &before),
            }
            prop_assert_eq!(balances.total(), Some(200_u64.into()));
        }
    }
}

#[test]
fn a_sum_above_256_bits_is_refused() {
    let guarantee = Guarantee { amount: Amount::from(U256::MAX), left: Side::Leader };
    let balances = Balances {
        turn: TurnNumber(1),
        leader: 1_u64.into(),
        follower: Amount::ZERO,
        guarantees: [(target(1), guarantee)].into(),
    };
    assert_eq!(balances.total(), None);
    let back = Change::Remove { target: target(1), left_amount: Amount::from(U256::MAX) };
    assert_eq!(balances.apply(&back, TurnNumber(2)), Err(ChangeError::Overflow));
}

/// A ledger that is opening, which no side may change.
#[test]
fn only_the_leader_of_an_open_ledger_proposes() {
    let keys = ["alice", "bob"].map(fixtures::key);
    let fixed = FixedPart {
        participants: keys.iter().map(Signer::address).collect(),
        nonce: 1,
        app: fixtures::DEPLOYMENT.consensus_app,
        challenge_duration: fixtures::CHALLENGE_DURATION,
    };
    let change = Change::Remove { target: target(1), left_amount: Amount::ZERO };
    for (me, expected) in
        [(Side::Leader, ProposalError::NotUsable), (Side::Follower, ProposalError::NotLeader)]
    {
        let mut ledger = Ledger::new(fixed.clone(), Asset::NATIVE, me, 5_u64.into(), 5_u64.into());
        let before = ledger.clone();
        assert_eq!(ledger.propose(change, &keys[me.index()]).unwrap_err(), expected);
        assert_eq!(ledger, before);
        assert!(!ledger.is_usable());
    }
}

#[test]
fn deposits_follow_the_order_of_allocations() {
    let fixed = FixedPart {
        participants: ["alice", "bob"].map(|name| fixtures::key(name).address()).to_vec(),
        nonce: 1,
        app: fixtures::DEPLOYMENT.consensus_app,
        challenge_duration: fixtures::CHALLENGE_DURATION,
    };
    let ledger = Ledger::new(fixed, Asset::NATIVE, Side::Leader, 60_u64.into(), 40_u64.into());
    assert_eq!(ledger.deposit_target(Side::Leader), Some((Amount::ZERO, 60_u64.into())));
    assert_eq!(ledger.deposit_target(Side::Follower), Some((60_u64.into(), 100_u64.into())));
}
