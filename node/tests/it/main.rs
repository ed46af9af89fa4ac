//! Real nodes on a real chain.

#[path = "../support/mod.rs"]
mod support;

mod chain_down;
mod closing;
mod config;
mod hostile_peer;
mod keys;
mod many;
mod offline;
mod payments;
mod reorg;
mod restart;
mod shutdown;
mod tokens;
