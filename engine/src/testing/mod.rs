//! Fakes of every port and a simulated world over them, for the tests of every crate.
//!
//! Overflow here is a mistake of a test and panics, which is what a test wants; the lint against
//! plain arithmetic guards the engine itself.

#![allow(clippy::arithmetic_side_effects, reason = "a fake that overflows fails its test")]

pub mod adversaries;
mod chain;
mod contract;
pub mod fixtures;
mod network;
mod properties;
mod random;
pub mod random_world;
mod safe_exit;
mod store;
mod world;

pub use chain::{
    Adjudicator, AssetReclaim, ChainRules, ChannelStatus, ContractCall, FakeChain, Orphans,
    reclaim_text, support_text,
};
pub use contract::store_contract;
pub use network::{Arrival, Incoming, Network, Weather};
pub use random::Random;
pub use store::{MemStore, Power};
pub use world::{Climate, Crash, Party, RecordingSigner, Setup, World};
