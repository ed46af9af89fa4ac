//! What the node hears.

use alloy_primitives::{Address, bytes::Bytes};

/// Names one received frame until the node has settled it.
///
/// It is neither `Clone` nor `Copy`: settling a frame twice cannot be written. The peer's next
/// frame is turned away until this one is settled, so every token must be given back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the peer waits until the frame is acknowledged or rejected"]
pub struct FrameToken(pub(crate) u64);

/// Something that happened on the network.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer sent messages. They are exactly what the authenticated peer `from` said, in the
    /// order in which it said them; they may have been received before.
    Frame {
        /// The sender: the owner of the key at the far end of the connection.
        from: Address,
        /// To be given to `ack` or `reject`.
        token: FrameToken,
        /// Never empty. The slices share one buffer, so keeping one keeps the whole frame.
        messages: Vec<Bytes>,
    },
    /// What the peer answers to a frame of ours. The answers came with the word that it is
    /// committed, which follows; they come once or never.
    Answered {
        /// The owner of the key at the far end of the connection.
        by: Address,
        /// Never empty. The slices share one buffer.
        answers: Vec<Bytes>,
    },
    /// The peer has committed every message with an id of at most `up_to` that it did not
    /// refuse.
    Delivered {
        /// The receiver.
        to: Address,
        /// The last message that is safe to forget.
        up_to: u64,
    },
    /// The peer will never take the messages after the last delivered or refused one up to
    /// `up_to`; they have been dropped.
    Refused {
        /// The receiver.
        to: Address,
        /// The last message that was refused.
        up_to: u64,
        /// What the peer gave as the reason.
        reason: u8,
    },
    /// The peer, who is neither a partner nor named by the operator, has not come for long; the
    /// messages up to `up_to` have been dropped. The last of them may have arrived.
    Expired {
        /// The receiver.
        to: Address,
        /// The last message that was dropped.
        up_to: u64,
    },
    /// The newest address record that a partner has signed, to be put away and given back after a
    /// restart; see [`P2pHandle::remember`](crate::P2pHandle::remember).
    Located {
        /// The partner.
        peer: Address,
        /// The record, of at most
        /// [`MAX_RECORD_BYTES`](crate::discovery::record::MAX_RECORD_BYTES).
        record: Bytes,
    },
    /// The first connection with a peer is up.
    PeerUp(Address),
    /// The last connection with a peer is gone.
    PeerDown(Address),
}
