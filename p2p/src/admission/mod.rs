//! Who gets in when many want to.
//!
//! Keys cost nothing and a connection costs a stranger next to nothing, so what is counted is where
//! somebody comes from: [hosts and blocks of hosts](host) are dear. Whoever crowds most gives way
//! first, and partners in channels, to whom money is bound, do not compete with strangers at all.
//!
//! ```text
//! socket ──> handshakes ──────────────> connections ──────────────> peers
//!            no key is known yet:       the key is known:
//!            the oldest of the most     strangers share, partners
//!            crowded host gives way     always find room
//! ```

pub(crate) mod connections;
pub(crate) mod handshakes;
pub(crate) mod host;
