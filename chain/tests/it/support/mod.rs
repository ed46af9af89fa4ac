//! A local chain with the contracts, a chain service on it, and ways to disturb both.

mod journal;
mod parties;
mod proxy;
mod service;

pub(crate) use chain::testing::{ACCOUNTS, Anvil, Meddler, Meddling};
pub(crate) use journal::MemoryJournal;
pub(crate) use parties::{challenge, channel, conclusion, deposit, key, settlement};
pub(crate) use proxy::Proxy;
pub(crate) use service::{Service, World, within};
