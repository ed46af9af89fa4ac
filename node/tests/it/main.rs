//! Real nodes on a real chain.

#[path = "../support/mod.rs"]
mod support;

mod config;
mod keys;
mod many;
mod payments;
mod shutdown;
mod tokens;
