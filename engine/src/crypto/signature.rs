//! A 65-byte recoverable signature that every contract accepts.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use serde::{Deserialize, Serialize};

use super::prefixed_digest;
use crate::types::fixed_bytes;

/// r ‖ s ‖ v with low s and v 27 or 28.
///
/// The bytes of a peer are any bytes: only [`Signature::recover`] says whether they are a
/// signature, and whose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(#[serde(with = "fixed_bytes")] pub [u8; 65]);

impl Signature {
    /// First word.
    #[must_use]
    pub fn r(&self) -> B256 {
        B256::from_slice(&self.0[..32])
    }

    /// Second word.
    #[must_use]
    pub fn s(&self) -> B256 {
        B256::from_slice(&self.0[32..64])
    }

    /// Recovery byte, 27 or 28.
    #[must_use]
    pub const fn v(&self) -> u8 {
        self.0[64]
    }

    /// The address that signed `hash` (with the Ethereum message prefix).
    ///
    /// # Errors
    /// Refuses what a contract could refuse or what has a second form: v other than 27 and 28
    /// (gap S7), high s, and points that recover to nobody.
    pub fn recover(&self, hash: B256) -> Result<Address, SignatureError> {
        let recovery = self.v().checked_sub(27).ok_or(SignatureError::RecoveryByte(self.v()))?;
        if recovery > 1 {
            return Err(SignatureError::RecoveryByte(self.v()));
        }
        let id = RecoveryId::try_from(i32::from(recovery))
            .map_err(|_| SignatureError::RecoveryByte(self.v()))?;
        let signature = RecoverableSignature::from_compact(&self.0[..64], id)
            .map_err(|_| SignatureError::Malformed)?;
        let mut standard = signature.to_standard();
        standard.normalize_s();
        if standard.serialize_compact()[32..] != self.0[32..64] {
            return Err(SignatureError::HighS);
        }
        let key = signature
            .recover_ecdsa(Message::from_digest(prefixed_digest(hash).0))
            .map_err(|_| SignatureError::Malformed)?;
        let hash = keccak256(&key.serialize_uncompressed()[1..]);
        Ok(Address::from_slice(&hash[12..]))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", alloy_primitives::hex::encode_prefixed(&self.0[..4]))
    }
}

/// Why bytes are not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// `ecrecover` accepts 27 and 28 only.
    #[error("recovery byte is {0}, must be 27 or 28")]
    RecoveryByte(u8),
    /// The twin with high s is another valid form of the same signature.
    #[error("s is in the upper half of the curve order")]
    HighS,
    /// r or s out of range, or no public key recovers.
    #[error("r or s is out of range")]
    Malformed,
}
