//! Channel ids and state hashes.

use alloy_primitives::keccak256;

use super::loader::{hex, state, vector, word};

pub(super) const CHECKS: &[fn()] = &[channels_have_their_ids, states_have_their_hashes];

#[test]
fn channels_have_their_ids() {
    let id = vector("state.channelId");
    let (fixed, _) = state(id.input("state"));
    assert_eq!(fixed.channel_id().0, word(id.expected("channelId")));

    let preimage = vector("state.channelId.preimage");
    let (fixed, _) = state(preimage.input("state"));
    assert_eq!(fixed.channel_id().0, keccak256(hex(preimage.expected("abiEncoded"))));
}

#[test]
fn states_have_their_hashes() {
    let hash = vector("state.hash");
    let (fixed, variable) = state(hash.input("state"));
    assert_eq!(variable.hash(fixed.channel_id()), word(hash.expected("stateHash")));

    let preimage = vector("state.hash.preimage");
    let (fixed, variable) = state(preimage.input("state"));
    let encoded = hex(preimage.expected("abiEncoded"));
    assert_eq!(variable.hash(fixed.channel_id()), keccak256(encoded));
}
