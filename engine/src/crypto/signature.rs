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
        let recovery =
            self.v().checked_sub(27).ok_or_else(|| SignatureError::RecoveryByte(self.v()))?;
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

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, uint};
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{LocalSigner, Signer};

    const ORDER: U256 =
        uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

    const HALF_ORDER: U256 =
        uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

    fn any_word() -> impl Strategy<Value = B256> {
        any::<[u8; 32]>().prop_map(B256::from)
    }

    fn any_signer() -> impl Strategy<Value = LocalSigner> {
        any::<[u8; 32]>().prop_filter_map("no secret key", |key| LocalSigner::new(key).ok())
    }

    /// Any bytes, more often with a good recovery byte than chance would have it.
    fn any_signature() -> impl Strategy<Value = Signature> {
        (any_word(), any_word(), prop_oneof![Just(27), Just(28), any::<u8>()])
            .prop_map(|(r, s, v)| signature(r, s, v))
    }

    fn signature(r: B256, s: B256, v: u8) -> Signature {
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(r.as_slice());
        bytes[32..64].copy_from_slice(s.as_slice());
        bytes[64] = v;
        Signature(bytes)
    }

    fn high_s_twin(of: Signature) -> Signature {
        let high = ORDER.checked_sub(of.s().into()).unwrap();
        signature(of.r(), high.into(), if of.v() == 27 { 28 } else { 27 })
    }

    proptest! {
        #[test]
        fn recovers_who_signed(signer in any_signer(), hash in any_word()) {
            let signed = signer.sign(hash);
            prop_assert_eq!(signed.recover(hash), Ok(signer.address()));
            prop_assert_eq!(signer.sign(hash), signed);
        }

        #[test]
        fn signs_with_low_s_and_v_27_or_28(signer in any_signer(), hash in any_word()) {
            let signed = signer.sign(hash);
            prop_assert!(U256::from_be_bytes(signed.s().0) <= HALF_ORDER);
            prop_assert!(matches!(signed.v(), 27 | 28));
        }

        #[test]
        fn another_hash_has_another_signer(signer in any_signer(), hash in any_word()) {
            let other = keccak256(hash);
            prop_assert_ne!(signer.sign(hash).recover(other), Ok(signer.address()));
        }

        #[test]
        fn refuses_the_high_s_twin(signer in any_signer(), hash in any_word()) {
            let twin = high_s_twin(signer.sign(hash));
            prop_assert_eq!(twin.recover(hash), Err(SignatureError::HighS));
        }

        #[test]
        fn refuses_every_other_recovery_byte(signer in any_signer(), hash in any_word(), v: u8) {
            prop_assume!(!matches!(v, 27 | 28));
            let signed = signer.sign(hash);
            let other = signature(signed.r(), signed.s(), v);
            prop_assert_eq!(other.recover(hash), Err(SignatureError::RecoveryByte(v)));
        }

        #[test]
        fn any_bytes_recover_or_are_refused(bytes in any_signature(), hash in any_word()) {
            if bytes.recover(hash).is_ok() {
                prop_assert!(U256::from_be_bytes(bytes.s().0) <= HALF_ORDER);
                prop_assert!(matches!(bytes.v(), 27 | 28));
            }
        }
    }

    #[test]
    fn refuses_numbers_out_of_range() {
        let one = B256::from(U256::ONE);
        let order = B256::from(ORDER);
        for (r, s) in [(B256::ZERO, one), (one, B256::ZERO), (order, one), (one, order)] {
            let found = signature(r, s, 27).recover(B256::ZERO);
            assert_eq!(found, Err(SignatureError::Malformed), "r {r}, s {s}");
        }
    }

    #[test]
    fn is_one_byte_string_of_65_bytes() {
        let config = bincode::config::standard();
        let signed = Signature([7; 65]);
        let encoded = bincode::serde::encode_to_vec(signed, config).unwrap();
        assert_eq!(encoded, [&[65][..], &[7; 65]].concat());
        let decode =
            |bytes: &[u8]| bincode::serde::decode_from_slice::<Signature, _>(bytes, config);
        assert_eq!(decode(&encoded).unwrap().0, signed);
        for length in [0, 64, 66] {
            let other = [&[length][..], &vec![7; usize::from(length)]].concat();
            assert!(decode(&other).is_err(), "{length} bytes");
        }
    }
}
