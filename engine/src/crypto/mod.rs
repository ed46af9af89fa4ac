//! Hashes and signatures exactly as the contracts check them (protocol.md section 2).

mod signature;
mod signer;

use alloy_primitives::B256;
/// The hash function of everything that is signed or stored on chain.
pub use alloy_primitives::keccak256;

pub use signature::{Signature, SignatureError};
pub use signer::{InvalidSecretKey, LocalSigner, Signer};

/// What is signed in place of a 32-byte hash: the hash with the Ethereum message prefix, hashed.
#[must_use]
pub fn prefixed_digest(hash: B256) -> B256 {
    const PREFIX: &[u8; 28] = b"\x19Ethereum Signed Message:\n32";
    let mut message = [0; 60];
    message[..28].copy_from_slice(PREFIX);
    message[28..].copy_from_slice(hash.as_slice());
    keccak256(message)
}
