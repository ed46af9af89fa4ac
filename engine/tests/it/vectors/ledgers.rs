//! Every ledger state that the reference signed in the two scenarios.
//!
//! Their guarantees have allocation type 1, which no contract can reclaim; ours have type 2. The
//! states are built with the reference's type, so that all the rest is compared.

use engine::crypto::Signer;
use engine::outcome::{Allocation, AllocationKind};
use engine::types::ChannelId;

use super::loader::{
    Vector, address, amount, destination, family, number, signature, signer_of, state, word,
};

pub(super) const CHECKS: &[fn()] =
    &[ledger_states_have_their_hashes_and_signatures, added_guarantees_are_in_the_outcome];

fn ledger_vectors() -> Vec<&'static Vector> {
    let vectors = [family("scenario1.ledger."), family("scenario2.ledger.")].concat();
    assert_eq!(vectors.len(), 32);
    vectors
}

#[test]
fn ledger_states_have_their_hashes_and_signatures() {
    for vector in ledger_vectors() {
        let (fixed, variable) = state(vector.input("resultingState"));
        assert_eq!(fixed.channel_id().0, word(&vector.input("proposal")["LedgerID"]));
        assert_eq!(variable.turn.0, number(vector.input("turnNum")), "{}", vector.name);
        let hash = variable.hash(fixed.channel_id());
        assert_eq!(hash, word(vector.expected("stateHash")), "{}", vector.name);

        let signer = address(vector.expected("signer"));
        let seat = if vector.name.ends_with(".leader") { 0 } else { 1 };
        assert_eq!(fixed.index_of(signer), Some(seat), "{}", vector.name);
        let signature = signature(vector.expected("signature"));
        assert_eq!(signature.recover(hash), Ok(signer), "{}", vector.name);
        assert_eq!(signer_of(signer).sign(hash), signature, "{}", vector.name);
    }
}

#[test]
fn added_guarantees_are_in_the_outcome() {
    let mut added = 0;
    for vector in ledger_vectors() {
        let guarantee = &vector.input("proposal")["ToAdd"]["Guarantee"];
        if guarantee["Amount"].is_null() {
            continue;
        }
        let ours = Allocation::guarantee(
            ChannelId(word(&guarantee["Target"])),
            amount(&guarantee["Amount"]),
            destination(&guarantee["Left"]),
            destination(&guarantee["Right"]),
        );
        let theirs = Allocation { kind: AllocationKind(1), ..ours };
        let (_, variable) = state(vector.input("resultingState"));
        assert!(variable.outcome.0[0].allocations.contains(&theirs), "{}", vector.name);
        added += 1;
    }
    assert_eq!(added, 16);
}
