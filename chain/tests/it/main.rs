//! The chain service against a real local chain (anvil).
//!
//! Nothing waits for a time: every test awaits the event that must come, with a limit.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod accounts;
mod calls;
mod crowd;
mod deployment;
mod endpoint;
mod legacy;
mod refusals;
mod reorg;
mod restart;
mod rollup;
mod several;
mod stuck;
mod support;
mod too_large;
mod unreliable;
mod weather;
