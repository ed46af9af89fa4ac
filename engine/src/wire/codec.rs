//! Bytes of a message: a version byte, then bincode. The only place in this crate that names
//! bincode, which is frozen upstream.

use bincode::config::{self, Configuration};
use serde::{Deserialize, Serialize};

use super::Message;
use crate::crypto::SignatureError;

/// First byte of every message.
const VERSION: u8 = 1;

/// Largest message. The largest honest one hands a ledger to a watchtower: about 140 bytes for
/// each guarantee, which makes 28 KiB for as many as the default policy allows. All others stay
/// below 4 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Most bytes of all answers in one acknowledgement: more than a thousand refusals.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why bytes of a peer are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("message of {0} bytes is too long")]
    TooLong(usize),
    /// Another version of the protocol, or no bytes at all.
    #[error("message does not start with version byte {VERSION}")]
    Version,
    /// Not the encoding of any message, or not the only one.
    #[error("message does not decode")]
    Malformed,
    /// A signature that no contract would accept.
    #[error("signature: {0}")]
    Signature(#[from] SignatureError),
}

/// Encodes a message.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(message, &mut bytes, config::standard())
        .expect("a message has no value that bincode cannot encode");
    bytes
}

/// Decodes the one canonical encoding of a message, in memory bounded by its length.
pub(super) fn decode(bytes: &[u8]) -> Result<Message, WireError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(WireError::TooLong(bytes.len()));
    }
    let Some((&VERSION, body)) = bytes.split_first() else {
        return Err(WireError::Version);
    };
    let message = decode_body::<Message>(body).ok_or(WireError::Malformed)?;
    // Bincode takes longer forms of small numbers as well; one meaning has one encoding here.
    if encode(&message) == bytes { Ok(message) } else { Err(WireError::Malformed) }
}

fn decode_body<T: Serialize + for<'de> Deserialize<'de>>(body: &[u8]) -> Option<T> {
    const LIMITED: Configuration<
        config::LittleEndian,
        config::Varint,
        config::Limit<MAX_MESSAGE_BYTES>,
    > = config::standard().with_limit::<MAX_MESSAGE_BYTES>();
    let (value, used) = bincode::serde::decode_from_slice(body, LIMITED).ok()?;
    (used == body.len()).then_some(value)
}
