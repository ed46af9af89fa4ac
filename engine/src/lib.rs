//! The channel machine of a Nitro node: pure, synchronous, deterministic.

#![warn(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub mod abi;
pub mod chain;
pub mod crypto;
pub mod outcome;
pub mod state;
pub mod types;
