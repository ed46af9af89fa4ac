//! What the node hears from the chain.

use engine::chain::{ChainEvent, Receipt};
use engine::types::CallId;

/// A message of the chain service. None may be dropped: the service waits while the inbox of
/// the node is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next confirmed block, or a reorganisation.
    Chain(ChainEvent),
    /// A call has its final answer. May come again after a restart. Watcher and submitter look
    /// at the chain on their own: this may come before or after the block with the call's logs.
    Settled(CallId, Receipt),
    /// The service cannot go on; the node must stop and say why.
    Fatal(String),
}
