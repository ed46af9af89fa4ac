//! Disputes on a real chain: each position that a node can be left in, and what everybody has in
//! the end, to the last unit. The chain's clock is moved, never waited for.

mod cheater;
#[path = "../../../../chain/tests/it/support/proxy.rs"]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod proxy;
mod scene;

mod answers;
mod closing;
mod exits;
mod faults;
mod opening;
mod relays;
mod tricks;
mod weather;
