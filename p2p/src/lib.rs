//! Moves frames between Ethereum addresses over one libp2p swarm.
//!
//! A node's channel key is also its libp2p identity, so the peer at the far end of an
//! encrypted connection *is* an Ethereum address: nothing in a frame names its sender, and
//! nothing in a frame could lie about it.
//!
//! ```text
//!   node                         event loop (one task)                       peer
//!    │ send(peer, id, bytes)       │                                           │
//!    ├────────────────────────────>│ queue per peer ── one frame in flight ───>│
//!    │                             │                                           │ its node commits,
//!    │ Delivered { to, up_to }     │                                           │ then ack(token)
//!    │<────────────────────────────┤<───────────────── response ───────────────┤
//!    │                             │
//!    │ Frame { from, token, .. }   │<───────────────── request ────────────────┤
//!    │<────────────────────────────┤                                           │
//!    │ ack(token) after its commit │                                           │
//!    ├────────────────────────────>│───────────────── response ───────────────>│
//! ```
//!
//! Delivery is at least once and in order per peer: a message leaves the queue only when the
//! peer says that it is committed. After a restart the caller offers its outbox again.
//! An address that is not connected is searched for: known addresses first, then the signed
//! [address record](discovery::record) that its owner keeps in a Kademlia table.
//!
//! Names cost nothing, so whoever has nothing at stake competes: for room by the host that it comes
//! from, for dials, and for the time that messages wait. Partners in channels, of whom the caller
//! tells, do not.
//!
//! Deliberately absent: any knowledge of channels or of message contents, persistence (the
//! caller owns the outbox and what is known of partners), gossip, relays and hole punching.

mod admission;
mod backoff;
mod behaviour;
mod command;
mod config;
pub mod discovery;
mod error;
mod event;
mod event_loop;
mod handle;
mod identity;
mod limits;
pub mod messages;
mod metrics;
mod outbox;
mod reach;
mod service;
mod swarm;

pub use alloy_primitives::{Address, bytes::Bytes};
pub use command::{PeerInfo, Resolved};
pub use config::P2pConfig;
pub use error::{DialFailure, P2pError, ResolveError, SendError, Stopped};
pub use event::{Event, FrameToken};
pub use handle::P2pHandle;
pub use identity::{address_of, peer_id_of};
pub use libp2p::{Multiaddr, PeerId};
pub use metrics::{Counter, Metrics};
pub use service::P2p;
