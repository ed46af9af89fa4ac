//! Real nodes on a real chain.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod bad_input;
mod browser;
mod chain_down;
mod cli;
mod cli_exit;
mod closing;
mod config;
mod disputes;
mod docs;
mod hostile_peer;
mod keys;
mod many;
mod misfortune;
mod offline;
mod payments;
mod readme;
mod reorg;
mod restart;
mod rpc;
mod rpc_exit;
mod served;
mod shutdown;
mod tokens;
mod tower;
