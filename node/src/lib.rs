//! A Nitro node: wires the engine to the store, the network and the chain, and serves it.
//!
//! ```text
//!   RPC ──> NodeHandle ──┐                       ┌──> Desk ──> answers, updates
//!   p2p ──> intake ──────┼──> inbox ──> engine ──┼──> PeerTransport ──> p2p
//!   chain ───────────────┤              thread   └──> ChainQueue ──> chain
//!   deadlines ───────────┘
//! ```
//!
//! Deliberately absent: rules of channels (`engine`), bytes on disk (`store`), frames (`p2p`) and
//! transactions (`chain`).

// What cannot be written must not end a node, nor make a payment that was made look failed: answers
// go through `cli::output`, everything else is logged.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod amount;
pub mod cli;
mod clock;
pub mod config;
mod credits;
pub mod data_dir;
mod descriptors;
mod engine_thread;
mod handle;
mod herald;
mod intake;
mod journal;
pub mod keys;
pub mod logging;
mod moment;
mod node;
mod orders;
mod partners;
mod payouts;
mod report;
pub mod rpc;
pub mod tower;
mod vital;

pub use credits::Uncredited;
pub use descriptors::TooFewDescriptors;
pub use handle::{CallError, NodeHandle, Payment, WaitError};
pub use intake::IntakeMetrics;
pub use node::{ChannelKey, Node, NodeError, NodeSettings, StopReason};
pub use report::report;
