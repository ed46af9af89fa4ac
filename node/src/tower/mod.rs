//! The watchtower: answers stale challenges for channels whose owners are away.
//!
//! ```text
//!   client's engine ── Guard ──> tower: checks, seals, commits ── Guarded (receipt) ──> client
//!                                  │
//!   chain: ChallengeRegistered ──> │ newer state held? ── checkpoint ──> chain
//! ```
//!
//! `book` decides, `rows` keeps, `seal` encrypts, `service` is the thread that brings them
//! together. A tower runs within a node (`beside`) or without one (`alone`). What it is trusted
//! with, and what not, is in `docs/towers.md`.

mod alone;
mod beside;
mod book;
mod inquiry;
mod rows;
mod seal;
mod service;
mod settings;
#[cfg(test)]
mod tests;

pub use alone::TowerNode;
pub(crate) use beside::{Beside, TowerHandle};
pub use rows::{RecordError, TowerError};
pub use seal::SealError;
pub use service::Count;
pub use settings::TowerSettings;

/// Folder of the records within the folder of the node.
pub(crate) const FOLDER: &str = "tower";
