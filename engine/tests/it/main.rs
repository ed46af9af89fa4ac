//! Integration tests of the channel machine: nodes in a simulated world, and golden vectors.

#![allow(clippy::unwrap_used, reason = "a test that meets nothing has failed")]

mod adversaries;
mod attacks;
mod closing;
mod crashes;
mod debts;
mod dispute_seeds;
mod disputes;
mod exits;
mod funding;
mod gaps;
mod ledger;
mod openings;
mod payments;
mod random_worlds;
mod refusals;
mod reorgs;
mod requests;
mod reserve;
mod seeds;
mod sendings;
mod support;
mod towers;
mod transcripts;
mod vectors;
mod virtual_channels;
mod vouchers;
mod wire;
