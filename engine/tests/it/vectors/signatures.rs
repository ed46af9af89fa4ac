//! Signatures on states and on challenges, and what is refused although the reference takes it.

use alloy_primitives::B256;
use engine::crypto::{Signature, SignatureError, Signer, prefixed_digest};
use engine::state::challenge_hash;
use engine::types::U256;
use serde_json::Value;

use super::loader::{Vector, address, hex, list, number, signature, state, text, vector, word};

pub(super) const CHECKS: &[fn()] = &[
    states_are_signed,
    signers_are_recovered,
    a_signed_state_names_its_signer,
    the_digest_has_the_message_prefix,
    a_signature_has_three_parts,
    second_forms_of_a_signature_are_refused,
    a_challenge_is_signed_beside_the_state,
];

fn hash_of(value: &Value) -> B256 {
    let (fixed, variable) = state(value);
    variable.hash(fixed.channel_id())
}

#[test]
fn states_are_signed() {
    let alice = vector("state.sign");
    let signed = alice.signer().sign(hash_of(alice.input("state")));
    assert_eq!(signed.r(), word(alice.expected("r")));
    assert_eq!(signed.s(), word(alice.expected("s")));
    assert_eq!(u64::from(signed.v()), number(alice.expected("v")));

    let bob = vector("state.sign.bob");
    let signed = bob.signer().sign(hash_of(bob.input("state")));
    assert_eq!(signed, signature(bob.expected("signature")));
    assert_eq!(signed.recover(hash_of(bob.input("state"))), Ok(bob.signer().address()));
}

#[test]
fn signers_are_recovered() {
    let vector = vector("state.recoverSigner");
    let found = signature(vector.input("signature")).recover(hash_of(vector.input("state")));
    assert_eq!(found, Ok(address(vector.expected("signer"))));

    let ts = super::loader::vector("ts.recoverSigner");
    let hash = word(ts.input("messageHash"));
    let expected = signature(ts.expected("signatureDerived"));
    assert_eq!(ts.signer().sign(hash), expected);
    assert_eq!(expected.recover(hash), Ok(address(ts.expected("signer"))));
}

#[test]
fn a_signed_state_names_its_signer() {
    let vector = vector("signedState.json");
    let signed: Value = serde_json::from_str(text(vector.expected("json"))).unwrap();
    assert_eq!(state(&signed["State"]), state(vector.input("state")));
    let (fixed, variable) = state(&signed["State"]);
    for index in list(vector.input("sigsBy")).iter().map(number) {
        let found = signature(&signed["Sigs"][index.to_string()]);
        let found = found.recover(variable.hash(fixed.channel_id()));
        assert_eq!(found, Ok(fixed.participants[index as usize]), "participant {index}");
    }
}

#[test]
fn the_digest_has_the_message_prefix() {
    let vector = vector("state.sign.digest");
    let found = prefixed_digest(word(vector.input("stateHash")));
    assert_eq!(found, word(vector.expected("digest")));
}

#[test]
fn a_signature_has_three_parts() {
    let vector = vector("signature.json.parts");
    let found = signature(vector.expected("json"));
    assert_eq!(found.r(), word(vector.input("r")));
    assert_eq!(found.s(), word(vector.input("s")));
    assert_eq!(u64::from(found.v()), number(vector.input("v")));
}

/// The reference takes v = 0 and high s. Contracts take no v = 0, and a signature with two valid
/// forms is two records of one promise: both are refused here.
#[test]
fn second_forms_of_a_signature_are_refused() {
    let of = vector("state.sign");
    let hash = hash_of(of.input("state"));
    let signed = of.signer().sign(hash);
    let vector = vector("signature.recover.variants");
    assert_eq!(text(vector.input("of")), of.name);
    let theirs = list(vector.expected("results"));
    for (variant, theirs) in list(vector.input("variants")).iter().zip(theirs) {
        let (form, ours) = variant_of(signed, text(variant));
        let expected = ours.map(|()| of.signer().address());
        assert_eq!(form.recover(hash), expected, "{variant}, by the reference: {theirs}");
        // Stricter only: nothing is taken that the reference refuses.
        assert!(expected.is_err() || theirs == "signer", "{variant}");
    }
}

fn variant_of(signed: Signature, variant: &str) -> (Signature, Result<(), SignatureError>) {
    let with_v = |v: u8| {
        let mut form = signed;
        form.0[64] = v;
        form
    };
    match variant {
        "v=27" => (with_v(27), Ok(())),
        "v=0" => (with_v(0), Err(SignatureError::RecoveryByte(0))),
        "v=31" => (with_v(31), Err(SignatureError::RecoveryByte(31))),
        "high-s with flipped v" => (high_s_twin(signed), Err(SignatureError::HighS)),
        // A signature has 65 bytes by its type: the empty one is all zeros.
        "empty signature" => (Signature([0; 65]), Err(SignatureError::RecoveryByte(0))),
        other => panic!("unknown variant {other}"),
    }
}

fn high_s_twin(signed: Signature) -> Signature {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let order = U256::from_str_radix(order, 16).unwrap();
    let high = order - U256::from_be_bytes(signed.s().0);
    let mut twin = signed;
    twin.0[32..64].copy_from_slice(&high.to_be_bytes::<32>());
    twin.0[64] = if signed.v() == 27 { 28 } else { 27 };
    twin
}

#[test]
fn a_challenge_is_signed_beside_the_state() {
    let vector: &Vector = vector("challenge.message");
    let hash = challenge_hash(word(vector.input("stateHash")));
    assert_eq!(hash, word(vector.expected("hash")));
    assert_eq!(vector.signer().sign(hash).0.to_vec(), hex(vector.expected("signature")));
}
