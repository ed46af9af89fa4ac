//! Encryption of what a tower holds, at rest.

use alloy::primitives::keccak256;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

/// Makes the key of the records another one than the channel key, which signs.
const PURPOSE: &[u8] = b"nitro tower records, version 1";

/// First byte of everything sealed.
const VERSION: u8 = 1;

/// 24 random bytes never repeat, however often a record is replaced.
const NONCE_BYTES: usize = 24;

/// Seals and opens rows with a key that follows from the tower's channel key, which its keystore
/// keeps under the passphrase: the files alone tell nothing but channel ids and sizes.
pub(super) struct Sealer(XChaCha20Poly1305);

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Changed, moved to another row, or sealed with another key.
    #[error("was changed, or sealed with another key")]
    Forged,
    /// The operating system has no randomness.
    #[error("the system gives no random numbers")]
    Random,
}

impl Sealer {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let preimage = Zeroizing::new([PURPOSE, secret].concat());
        let key = Zeroizing::new(keccak256(preimage.as_slice()).0);
        Self(XChaCha20Poly1305::new((&*key).into()))
    }

    /// Seals a row. `place` names it, so that rows cannot be exchanged.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.try_fill_bytes(&mut nonce).map_err(|_| SealError::Random)?;
        let payload = Payload { msg: plain, aad: place };
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload);
        // The cipher refuses only what does not fit into memory.
        let sealed = sealed.map_err(|_| SealError::Forged)?;
        Ok([&[VERSION], &nonce[..], &sealed].concat())
    }

    /// Opens a row.
    pub(super) fn open(&self, place: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some((&VERSION, rest)) = row.split_first() else { return Err(SealError::Forged) };
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Forged)?;
        let payload = Payload { msg: sealed, aad: place };
        let plain = self.0.decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| SealError::Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let sealer = Sealer::new(&[7; 32]);
        let row = sealer.seal(b"place", b"secret").unwrap();
        assert_eq!(sealer.open(b"place", &row).unwrap().as_slice(), b"secret");
        assert_eq!(sealer.open(b"other", &row), Err(SealError::Forged));
        assert_eq!(Sealer::new(&[8; 32]).open(b"place", &row), Err(SealError::Forged));
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(b"place", &changed), Err(SealError::Forged), "byte {at}");
            assert_eq!(sealer.open(b"place", &row[..at]), Err(SealError::Forged), "{at} bytes");
        }
    }

    #[test]
    fn the_same_twice_looks_different() {
        let sealer = Sealer::new(&[7; 32]);
        let [one, two] = [(); 2].map(|()| sealer.seal(b"place", b"secret").unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), two.len());
    }
}
