//! What the node's end of the network asks the event loop for, and what it is told in return.

use std::collections::HashSet;

use alloy_primitives::{Address, bytes::Bytes};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use crate::{error::DialFailure, event::FrameToken, messages::codec::Response};

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer's name.
    pub address: Address,
    /// Its libp2p name, once it is known: it does not follow from the address.
    pub peer_id: Option<PeerId>,
    /// Whether a connection is up.
    pub connected: bool,
    /// Where it would be dialled.
    pub addresses: Vec<Multiaddr>,
    /// Messages that it has not committed yet.
    pub queued: usize,
    /// How many of those are in the frame on its way.
    pub in_flight: usize,
    /// Points for recent offences; a peer is blocked at a hundred.
    pub offences: u32,
    /// Whether it is blocked at present.
    pub blocked: bool,
    /// Whether it is a first contact, whose connection is always kept up.
    pub boot: bool,
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The peer to be found there.
    pub peer_id: PeerId,
    /// Where it can be dialled.
    pub addresses: Vec<Multiaddr>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Send(Address, u64, Bytes),
    SendAll(Address, Vec<(u64, Bytes)>),
    Forget(Address, u64),
    Settle(FrameToken, Response),
    Report(Address, u32),
    SetPartners(HashSet<Address>),
    Remember(Address, Bytes),
    AddPeer(Multiaddr),
    Dial(Multiaddr, oneshot::Sender<Result<Address, DialFailure>>),
    Resolve(Address, oneshot::Sender<Option<Resolved>>),
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    ListenAddresses(oneshot::Sender<Vec<Multiaddr>>),
}
