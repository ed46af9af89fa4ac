//! The channel machine of a Nitro node: pure, synchronous, deterministic.
//!
//! ```text
//!  request ─┐
//!  frame   ─┤            ┌──────────── Driver::turn ────────────┐
//!  chain   ─┼─ Input ──> │ Engine::handle   decide, then apply  │ ──> Effect: send, submit,
//!  deadline─┤            │ Store::commit    one synced batch    │      acknowledge, reply,
//!  settled ─┘            │ dispatch         only now effects    │      notify, report
//!                        └──────────────────────────────────────┘
//! ```
//!
//! `types`, `crypto`, `outcome` and `state` are the words of the protocol; `ledger`, `payment` and
//! `vouchers` hold the evidence of a channel; `objectives` crank protocols over it; `handlers` take
//! inputs apart; `draft` collects what one input changes; `apply` is the only mutator.
//!
//! Deliberately absent: clocks, randomness, files, sockets and threads (they come in as arguments
//! or through [`ports`]), and everything about JSON, HTTP and configuration.

#![warn(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub mod abi;
pub mod answers;
mod apply;
pub mod chain;
pub mod crypto;
pub mod debts;
mod draft;
pub mod driver;
pub mod effect;
pub mod engine;
pub mod error;
pub mod guard;
mod handlers;
pub mod input;
pub mod ledger;
pub mod objectives;
pub mod outcome;
pub mod payment;
pub mod policy;
pub mod ports;
pub mod query;
mod quotas;
pub mod sending;
pub mod state;
pub mod step;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
pub mod vouchers;
pub mod wire;
