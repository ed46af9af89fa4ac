//! The one thing that holds a secret.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, PublicKey, SecretKey};

use super::{Signature, prefixed_digest};

/// Signs for the node's channel key. Same hash, same signature: a restart repeats itself.
pub trait Signer: Send {
    /// The address of the key, which is the node's name.
    fn address(&self) -> Address;

    /// Signs a 32-byte hash with the Ethereum message prefix.
    fn sign(&self, hash: B256) -> Signature;
}

/// A channel key in memory.
pub struct LocalSigner {
    key: SecretKey,
    address: Address,
}

impl LocalSigner {
    /// Takes the 32 bytes of a secp256k1 key.
    ///
    /// # Errors
    /// When the bytes are zero or not below the curve order.
    pub fn new(key: [u8; 32]) -> Result<Self, InvalidSecretKey> {
        let key = SecretKey::from_secret_bytes(key).map_err(|_| InvalidSecretKey)?;
        let public = PublicKey::from_secret_key(&key).serialize_uncompressed();
        let address = Address::from_slice(&keccak256(&public[1..])[12..]);
        Ok(Self { key, address })
    }
}

impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, hash: B256) -> Signature {
        let message = Message::from_digest(prefixed_digest(hash).0);
        let signature = RecoverableSignature::sign_ecdsa_recoverable(message, &self.key);
        let (recovery, compact) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&compact);
        bytes[64] = if recovery.to_u8() & 1 == 0 { 27 } else { 28 };
        Signature(bytes)
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The bytes are no secp256k1 secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret key is zero or not below the curve order")]
pub struct InvalidSecretKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_keys_outside_the_curve_order() {
        assert_eq!(LocalSigner::new([0; 32]).unwrap_err(), InvalidSecretKey);
        assert_eq!(LocalSigner::new([0xff; 32]).unwrap_err(), InvalidSecretKey);
    }

    #[test]
    fn shows_its_address_and_no_secret() {
        let signer = LocalSigner::new([0x5e; 32]).unwrap();
        let shown = format!("{signer:?}");
        assert!(shown.contains(&format!("{:?}", signer.address())), "{shown}");
        assert!(!shown.contains("5e5e5e"), "{shown}");
    }
}
