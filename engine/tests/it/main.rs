//! Integration tests of the channel machine: nodes in a simulated world, and golden vectors.

#![allow(clippy::unwrap_used, reason = "a test that meets nothing has failed")]

mod closing;
mod crashes;
mod funding;
mod payments;
mod seeds;
mod support;
mod vectors;
mod virtual_channels;
