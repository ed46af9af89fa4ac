//! Real swarms on local sockets.

mod delivery;
mod discovery;
mod hostile;
mod lifecycle;
mod support;
