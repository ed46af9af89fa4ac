//! The vectors of the reference system, one check per family, and a proof that none is forgotten.

#![allow(clippy::unwrap_used, reason = "a vector of another shape has to fail its test")]

mod contracts;
mod keys;
mod ledgers;
pub(crate) mod loader;
mod outcomes;
mod signatures;
mod states;
mod transcripts;
mod vouchers;

use std::collections::BTreeSet;

/// Vectors that say nothing about these modules, each group with its reason.
const NOT_OURS: &[(&str, &[&str])] = &[
    (
        "JSON wire of the reference; our frames are binary and versioned",
        &[
            "consensus.guarantee.json",
            "consensus.add.json",
            "message.json",
            "message.empty.json",
            "proposal.objectiveId.zero",
            "voucher.json",
            "sigs.keyOrder.json",
            "funds.json",
            "json.leniency",
        ],
    ),
    (
        "JSON storage of the reference; our records are binary and versioned",
        &["channel.storageJson", "consensus.ledgerOutcome.json", "consensus.consensusChannel.json"],
    ),
    ("DHT record of the reference; peers are found in another way", &["dht.record"]),
    (
        "RPC of the reference and of its client",
        &["rpc.createLedgerChannel.json", "ts.rpc.get_ledger_channel"],
    ),
    (
        "rules of a contract, checked where the contracts are tested",
        &["ts.bitfield", "ts.virtualPaymentApp.rules"],
    ),
];

/// A vector counts as covered only when a check has read it: all checks run here once more, and
/// what they read and what is not ours must add up to the whole file.
#[test]
fn every_vector_is_accounted_for() {
    let checks = [
        contracts::CHECKS,
        keys::CHECKS,
        ledgers::CHECKS,
        outcomes::CHECKS,
        signatures::CHECKS,
        states::CHECKS,
        transcripts::CHECKS,
        vouchers::CHECKS,
        crate::ledger::CHECKS,
        crate::vouchers::CHECKS,
    ];
    checks.concat().into_iter().for_each(|check| check());

    let read = loader::names_read();
    let mut accounted = read.clone();
    for (reason, names) in NOT_OURS {
        for name in *names {
            assert!(!read.contains(name), "{name} is read by a check and listed as: {reason}");
            assert!(accounted.insert(name), "{name} is listed twice");
        }
    }
    let all: BTreeSet<&str> = loader::all_names().collect();
    assert_eq!(all.len(), 118, "the file holds 118 vectors with distinct names");
    let forgotten: Vec<_> = all.difference(&accounted).collect();
    assert!(forgotten.is_empty(), "nobody checks {forgotten:?}");
    let unknown: Vec<_> = accounted.difference(&all).collect();
    assert!(unknown.is_empty(), "the file has no {unknown:?}");
}
