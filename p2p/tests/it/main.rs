//! Real swarms on local sockets.

#![expect(clippy::unwrap_used, reason = "a test may end at what must not happen")]

mod delivery;
mod discovery;
mod flood;
mod hostile;
mod lifecycle;
mod partners;
mod reach;
mod support;
