//! The Rust twins of the contracts against the compiled contracts: the same random input goes to
//! both, and both must answer the same, down to the revert text.
//!
//! The bytecode is that of `chain/abi`, which is what `nitro deploy` puts on a chain. It runs in an
//! interpreter inside of the test, without a node, a network or a clock. Every test is one seed
//! and counts how often it met acceptance and how often refusal: a generator that hits only one
//! of the two proves nothing.

#![allow(clippy::unwrap_used, reason = "a test that meets nothing has failed")]

mod calldata;
mod calls;
mod decode;
mod encode;
mod evm;
mod gas;
mod generate;
mod hashes;
mod observer;
mod payouts;
mod sequences;
mod support;
mod tally;
