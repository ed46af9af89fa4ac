//! Messages between peers.
//!
//! A message says as little as possible: states follow from what both sides already know, so a
//! peer cannot even express a wrong turn, outcome or final flag (gaps S2, S3, S4). Signatures
//! travel with the hash they sign; [`open`] recovers their signers on a worker pool, and the engine
//! only compares the hash with the one it computes itself.

mod codec;
mod message;
mod verify;

pub use codec::{MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, WireError, encode};
pub use message::{Evidence, Message, Seal};
pub use verify::{Envelope, open};
