//! How a node's records become bytes on disk, and one turn one atomic, synced batch.
//!
//! ```text
//!  engine thread ── Store::commit(batch) ──┐                     ┌─> database/  rows, tally
//!                                          ├─> one batch, synced ┤
//!  chain task ───── TransactionTable::put ─┤                     └─> commits    witness
//!  network task ─── PartnerTable::put ─────┘
//!  RPC tasks ────── ArchiveReader ── reads beside commits
//!  start-up ─────── FjallStore::open ── lock, a copy: format, rollback, sums; then Store::load
//! ```
//!
//! # Rows
//!
//! One keyspace per kind of row. Every record begins with a version byte; the rest is bincode, or
//! the bytes themselves where they are encoded already. Numbers in keys are big-endian.
//!
//! | keyspace | key | record |
//! | --- | --- | --- |
//! | `ledgers` | channel id (32) | `Ledger` |
//! | `payments` | channel id (32) | `PaymentChannel` |
//! | `paid` | channel id (32) | `Paid` |
//! | `objectives` | kind (1), channel id (32) | `Objective` |
//! | `messages` | peer (20), message id (8) | bytes |
//! | `calls` | call id (8) | `ChainCall` |
//! | `meta` | `next_call` | `CallId` |
//! | `meta` | `cursor` | `ChainCursor` |
//! | `meta` | `format` | number of the format, 4 bytes and no version byte |
//! | `meta` | `identity` | `Identity`: whose records these are |
//! | `meta` | `tally` | number of the newest commit, sums over all rows |
//! | `transactions` | call id (8) | bytes of the chain submitter |
//! | `archived_channels` | channel id (32) | `ArchivedChannel` |
//! | `archived_objectives` | kind (1), channel id (32) | `Objective` |
//! | `towers` | watchtower (20) | `Tower` |
//! | `guards` | watchtower (20), channel id (32) | `Guarding` |
//! | `buried` | channel id (32) | `Buried` |
//! | `answers` | channel id (32) | `Answer` |
//! | `waiting` | peer (20) | `Timestamp` |
//! | `partners` | peer (20) | address record of the network |
//!
//! # Lost data
//!
//! Signing on top of an older state can cost money, so a store that may have lost something does
//! not open. The database itself refuses flipped bytes; after other damage it cuts its journal
//! without a word. Two things are checked beside it:
//!
//! - Each batch has a number. A small file, the *witness*, tells the number of the newest batch; a
//!   database behind it is rolled back. The witness is written after each batch and synced every
//!   256 batches or by the first one after a second (both can be set).
//! - Each batch carries sums over all rows that there are after it. Rows that are lost, or came
//!   back, while the newest batch is there do not add up.
//!
//! What this finds: a journal cut at any place, also between two batches, and lost or exchanged
//! table files, as long as the witness is not lost with it; after a power loss or a crash of the
//! operating system, a cut that goes back further than the last sync of the witness. What it does
//! not find: an exchange of the whole folder, witness included, for an older copy (put the witness
//! elsewhere for that, see [`Config::witness`]), a forger, and changed values of archived rows
//! (their keys are checked).
//!
//! The database cuts a damaged journal while it opens, before anything can be compared. So a copy of it
//! is opened first (journals are copied, table files get a second name), and the folder itself is
//! touched only when the copy is whole. A loss that is accepted ([`Rollback::Accept`]) is preceded by
//! another copy, `before-rollback-1` and so on, which stays.
//!
//! Deliberately absent: what rows mean, caching (the engine holds the working set), threads of its
//! own, and retries: every error ends the node.

mod archive;
mod codec;
mod config;
mod db;
mod error;
mod identity;
mod keys;
mod metrics;
mod migrate;
mod partners;
mod shared;
mod store;
mod tally;
mod transactions;
mod trial;
mod turn;
mod witness;

pub use archive::ArchiveReader;
pub use config::{Config, Rollback};
pub use error::StoreError;
pub use identity::Identity;
pub use metrics::Metrics;
pub use partners::PartnerTable;
pub use store::{Claim, FjallStore};
pub use transactions::TransactionTable;
