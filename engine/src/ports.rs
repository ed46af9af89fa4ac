//! What the engine needs of the world. Implemented by `store`, `p2p`, `chain` and `node`, and by
//! the fakes of [`crate::testing`].

use crate::chain::ChainCall;
use crate::effect::{Offence, Response, Update};
use crate::error::RequestError;
use crate::step::{Batch, Write};
use crate::types::{Address, CallId, ChannelId, FrameToken, MessageId, RequestId};

/// A store failed. There is no going on: what was promised may not be durable.
#[derive(Debug, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps a store's own error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Rows on disk.
pub trait Store {
    /// All live rows, each as the write that made it; archived rows are left out.
    ///
    /// # Errors
    /// When a row cannot be read: half a state is worse than none (gap L20).
    fn load(&mut self) -> Result<Vec<Write>, StoreError>;

    /// Makes a batch durable, all of it or nothing. When it returns, a power loss changes nothing.
    ///
    /// # Errors
    /// When durability is not certain.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// True when a channel of this id was closed and archived.
    ///
    /// # Errors
    /// When the archive cannot be read.
    fn is_archived(&self, channel: ChannelId) -> Result<bool, StoreError>;
}

/// The way to peers.
pub trait Transport {
    /// Takes a message for delivery, in the order of ids per peer, until it is delivered. May be
    /// called again for the same id after a restart.
    fn send(&mut self, to: Address, id: MessageId, message: Vec<u8>);

    /// Stops delivering what waits for a peer up to a message, unless it is on its way.
    fn forget(&mut self, to: Address, up_to: MessageId);

    /// Tells a peer that its frame is committed here. The answers go with the acknowledgement, or
    /// are lost with it.
    fn acknowledge(&mut self, token: FrameToken, answers: Vec<Vec<u8>>);

    /// Tells of a peer's misbehaviour.
    fn report(&mut self, peer: Address, offence: Offence);
}

/// The way to the chain.
pub trait Chain {
    /// Takes a call until it is settled. May be called again for the same id after a restart.
    fn submit(&mut self, id: CallId, call: ChainCall);

    /// Asks for a submitted call back. One for which no transaction was ever made settles as
    /// [`Withdrawn`](crate::chain::Receipt::Withdrawn); any other takes its course. Nothing is durable
    /// when this returns, so it is called again after a restart.
    fn withdraw(&mut self, id: CallId);
}

/// The program that uses the node.
pub trait Application {
    /// Answers a request.
    fn reply(&mut self, id: RequestId, response: Result<Response, RequestError>);

    /// Tells of a change. Must not block.
    fn notify(&mut self, update: Update);
}
