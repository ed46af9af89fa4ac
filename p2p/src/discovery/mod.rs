//! From an address to a connection.
//!
//! ```text
//!  wanted ──> known addresses? ── dial ──> connected
//!    ^              │ none, or nobody there
//!    │              v
//!  rest <── look up the address record in the Kademlia table ── found ──> dial ──> connected
//! ```
//!
//! An address is the hash of a key, so no peer id follows from it: the signed
//! [address record](record) closes that gap.

pub(crate) mod address_book;
pub(crate) mod publisher;
pub mod record;
pub(crate) mod search;

/// The name of the address table; its records differ from those of other networks.
pub const KAD_PROTOCOL: &str = "/nitro/kad/1";
