//! The frame protocol: many messages per request, one request in flight per peer, and a
//! response that leaves only when the receiver has committed.
//!
//! ```text
//! request   version(1) count(varint) { length(varint) bytes }*count        end of stream
//! response  version(1) status(1) reason(1) [ answers ]                      end of stream
//! answers   version(1) count(varint) { length(varint) bytes }*count         as in a request
//! ```
//!
//! A frame that is committed may be answered on the spot. Answers are kept by nobody, so they are for
//! what costs nobody anything when it is lost.
//!
//! Varints are unsigned LEB128 in their shortest form. A message of 110 bytes costs one byte
//! of framing. There is one encoding for every frame, and anything else is refused.

pub(crate) mod codec;
pub(crate) mod delivery;

/// The largest frame, header included.
///
/// About 2300 vouchers: many times what a core verifies during a round trip, so a larger one
/// would raise the latency of its messages and not the rate. It is also the initial window of
/// a yamux stream, so that a frame never waits for a window update.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// The largest answers to a frame, header included: half of a frame, since an answer is shorter
/// than what it answers.
pub const MAX_ANSWERS_BYTES: usize = MAX_FRAME_BYTES / 2;

/// The most messages in a frame.
///
/// Bounds the table of slices that a frame of tiny messages makes the receiver allocate.
pub const MAX_FRAME_MESSAGES: usize = 4096;

/// The largest message that fits in a frame of its own: version, count and length take five.
pub const MAX_MESSAGE_BYTES: usize = MAX_FRAME_BYTES - 5;

/// The name under which frames are negotiated.
pub const FRAME_PROTOCOL: &str = "/nitro/frames/1";
