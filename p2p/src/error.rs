//! Errors at the edge of the crate.

use libp2p::Multiaddr;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// The channel key is not a valid secp256k1 secret.
    #[error("the channel key is not a valid secp256k1 secret key")]
    SecretKey,
    /// A transport could not be set up.
    #[error("transport: {0}")]
    Transport(String),
    /// A configured listen address cannot be used.
    #[error("cannot listen on {address} (setting listen): {reason}")]
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// A configured address that nobody could use.
    #[error("{address} cannot be used (setting {setting}): {reason}")]
    Address {
        /// The address as configured.
        address: Multiaddr,
        /// Where it is configured.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A configured peer address names no peer, or one without an Ethereum address.
    #[error("{0} does not end in /p2p/<peer id of a secp256k1 key> (settings boot_peers, peers)")]
    PeerAddress(Multiaddr),
}

/// The event loop has ended; nothing more will be sent or heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network has stopped")]
pub struct Stopped;

/// Why a message was not taken for sending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No frame can carry it, so no retry would help.
    #[error("a message of {0} bytes fits in no frame")]
    Size(usize),
    /// The receiver is this node itself.
    #[error("a node does not send to itself")]
    Own,
    /// The event loop has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a peer could not be connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    /// The address does not end in the peer id of a secp256k1 key.
    #[error("{0} does not end in /p2p/<peer id of a secp256k1 key>")]
    PeerAddress(Multiaddr),
    /// No transport of this node leads there.
    #[error("{address} cannot be dialled: {reason}")]
    Address {
        /// The address as given.
        address: Multiaddr,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered there, or somebody else did.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The event loop has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why no address of a peer is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No valid record was found.
    #[error("no valid address record found")]
    NotFound,
    /// The event loop has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
