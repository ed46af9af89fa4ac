//! Peer ids and Ethereum addresses are two names of one key.

use alloy_primitives::{Address, keccak256};
use libp2p::{PeerId, identity::Keypair};
use secp256k1::{PublicKey, SecretKey};

use crate::error::P2pError;

/// How every peer id of a secp256k1 key begins: an identity multihash of 37 bytes that holds
/// the protobuf of a public key of type 2 and 33 bytes.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x25, 0x08, 0x02, 0x12, 0x21];

/// The channel key in the two forms that the network needs.
pub(crate) struct Identity {
    pub(crate) keypair: Keypair,
    pub(crate) secret: SecretKey,
    pub(crate) peer_id: PeerId,
    pub(crate) address: Address,
}

impl Identity {
    pub(crate) fn new(secret_key: [u8; 32]) -> Result<Self, P2pError> {
        let secret = SecretKey::from_secret_bytes(secret_key).map_err(|_| P2pError::SecretKey)?;
        let keypair: Keypair = libp2p::identity::secp256k1::SecretKey::try_from_bytes(secret_key)
            .map(libp2p::identity::secp256k1::Keypair::from)
            .map_err(|_| P2pError::SecretKey)?
            .into();
        let peer_id = keypair.public().to_peer_id();
        let address = address_of_key(&PublicKey::from_secret_key(&secret));
        Ok(Self { keypair, secret, peer_id, address })
    }
}

/// The Ethereum address of a peer, if its id holds a secp256k1 key.
///
/// Only the one canonical form is accepted, so that no key has two peer ids.
pub fn address_of(peer: &PeerId) -> Option<Address> {
    public_key_of(peer).map(|key| address_of_key(&key))
}

/// The peer id of a compressed secp256k1 public key.
pub fn peer_id_of(public_key: &[u8; 33]) -> Option<PeerId> {
    PublicKey::from_slice(public_key).ok()?;
    let mut bytes = [0; PEER_ID_PREFIX.len() + 33];
    bytes[..PEER_ID_PREFIX.len()].copy_from_slice(&PEER_ID_PREFIX);
    bytes[PEER_ID_PREFIX.len()..].copy_from_slice(public_key);
    PeerId::from_bytes(&bytes).ok()
}

pub(crate) fn address_of_key(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

fn public_key_of(peer: &PeerId) -> Option<PublicKey> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PEER_ID_PREFIX)?;
    // 65 bytes would parse as an uncompressed key, a second name for the same address.
    (key.len() == 33).then(|| PublicKey::from_slice(key).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;

    /// The first account of the well-known development mnemonic.
    fn known() -> Identity {
        let secret = b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        Identity::new(secret.0).unwrap()
    }

    #[test]
    fn the_peer_id_gives_the_ethereum_address_of_the_key() {
        let identity = known();
        assert_eq!(identity.address, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(address_of(&identity.peer_id), Some(identity.address));
        assert_eq!(
            peer_id_of(&PublicKey::from_secret_key(&identity.secret).serialize()),
            Some(identity.peer_id)
        );
    }

    #[test]
    fn a_peer_id_of_another_kind_of_key_has_no_address() {
        let ed25519 = Keypair::generate_ed25519().public().to_peer_id();
        assert_eq!(address_of(&ed25519), None);
        assert_eq!(address_of(&PeerId::random()), None);
    }

    #[test]
    fn refuses_a_peer_id_whose_key_is_not_on_the_curve() {
        let mut key = [0xff; 33];
        key[0] = 2;
        assert_eq!(peer_id_of(&key), None);
    }

    #[test]
    fn refuses_a_zero_secret() {
        assert!(matches!(Identity::new([0; 32]), Err(P2pError::SecretKey)));
    }
}
