//! Disputes on a real chain: each position that a node can be left in, and what everybody has in
//! the end, to the last unit. The chain's clock is moved, never waited for.

mod cheater;
#[path = "../../../../chain/tests/it/support/proxy.rs"]
mod proxy;
mod scene;

mod answers;
mod closing;
mod exits;
mod faults;
mod opening;
mod relays;
