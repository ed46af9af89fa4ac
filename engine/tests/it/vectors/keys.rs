//! Keys, addresses and destinations. Peer ids and public keys are the transport's.

use engine::crypto::{LocalSigner, Signer};
use engine::types::{Address, Destination};

use super::loader::{address, family, list, signer, state, text, vector, word};

pub(super) const CHECKS: &[fn()] = &[
    keys_have_their_addresses,
    development_accounts_have_their_addresses,
    actors_have_their_destinations,
    a_stranger_is_no_participant,
    destinations_print_in_lower_case,
    accounts_are_told_from_channels,
    accounts_become_destinations,
    destinations_of_accounts_become_addresses,
    destinations_of_channels_have_no_address,
];

#[test]
fn keys_have_their_addresses() {
    for prefix in ["actor.", "key.testState."] {
        for vector in family(prefix) {
            let expected = address(vector.expected("address"));
            assert_eq!(vector.signer().address(), expected, "{}", vector.name);
        }
    }
    for prefix in ["key.other.", "ts.forceMoveKey."] {
        for vector in family(prefix) {
            let expected = address(vector.expected("addressDerived"));
            assert_eq!(vector.signer().address(), expected, "{}", vector.name);
        }
    }
}

#[test]
fn development_accounts_have_their_addresses() {
    let vector = vector("ts.devAccounts");
    let keys = list(vector.input("privateKeys")).iter().map(signer);
    let found: Vec<Address> = keys.map(|key: LocalSigner| key.address()).collect();
    let expected: Vec<Address> = list(vector.expected("addresses")).iter().map(address).collect();
    assert_eq!(found, expected);
}

#[test]
fn actors_have_their_destinations() {
    for vector in family("actor.") {
        let found = Destination::from(vector.signer().address());
        assert_eq!(found.0, word(vector.expected("destination")), "{}", vector.name);
    }
}

#[test]
fn a_stranger_is_no_participant() {
    let (fixed, _) = state(vector("state.channelId").input("state"));
    let stranger = address(vector("address.nonParticipant").input("address"));
    assert_eq!(fixed.index_of(stranger), None);
    assert_eq!(fixed.index_of(fixed.participants[1]), Some(1));
}

#[test]
fn destinations_print_in_lower_case() {
    let vector = vector("destination.text");
    let destination = Destination(word(vector.input("destinationBytes")));
    assert_eq!(destination.to_string(), text(vector.expected("text")));
    assert_eq!(text(vector.expected("text")).parse(), Ok(destination));
}

#[test]
fn accounts_are_told_from_channels() {
    for vector in family("destination.isExternal.") {
        let found = Destination(word(vector.input("destination"))).is_external();
        assert_eq!(found, *vector.expected("isExternal"), "{}", vector.name);
    }
    for vector in family("ts.isExternalDestination.") {
        // The text "0x0" of the first one is no destination: too short to be parsed.
        let parsed = text(vector.input("bytes32")).parse::<Destination>();
        let found = parsed.is_ok_and(|destination| destination.is_external());
        assert_eq!(found, *vector.expected("isExternal"), "{}", vector.name);
    }
}

#[test]
fn accounts_become_destinations() {
    for vector in family("destination.fromAddress.") {
        let found = Destination::from(address(vector.input("address")));
        assert_eq!(found.0, word(vector.expected("destination")), "{}", vector.name);
    }
}

#[test]
fn destinations_of_accounts_become_addresses() {
    let ours = family("destination.toAddress.").into_iter().map(|vector| (vector, "destination"));
    let theirs =
        family("ts.convertBytes32ToAddress.").into_iter().map(|vector| (vector, "bytes32"));
    for (vector, input) in ours.chain(theirs) {
        if vector.name.contains(".error.") {
            continue;
        }
        let found = Destination(word(vector.input(input))).to_address();
        assert_eq!(found, Some(address(vector.expected("address"))), "{}", vector.name);
    }
}

#[test]
fn destinations_of_channels_have_no_address() {
    for vector in family("destination.toAddress.error.") {
        let found = Destination(word(vector.input("destination"))).to_address();
        assert_eq!(found, None, "{}", vector.name);
    }
}
