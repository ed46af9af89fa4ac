//! Connections whose key is known.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    task::{Context, Poll},
};

use alloy_primitives::Address;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use super::host::Host;
use crate::{config::P2pConfig, identity::address_of};

/// Turns away connections beyond the limits.
///
/// The library's own limits count those who may pass them, too, and keep a row for every key that was
/// ever seen; here partners, and peers that the operator has
/// named, take nothing from strangers, nor strangers from them.
pub(crate) struct Admission {
    limits: Limits,
    chosen: HashSet<PeerId>,
    partners: HashSet<Address>,
    dialing: HashSet<ConnectionId>,
    guests: HashMap<ConnectionId, Guest>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    all: usize,
    incoming: usize,
    per_host: usize,
    per_block: usize,
    per_peer: usize,
    dialing: usize,
}

pub(crate) struct Guest {
    peer: PeerId,
    address: Option<Address>,
    /// Where it came from; none for those that were dialled.
    host: Option<Host>,
    is_incoming: bool,
}

/// Which limit a connection met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Crowded {
    #[error("all connections are taken (setting max_connections)")]
    All,
    #[error("strangers have all connections that they may take (setting max_connections)")]
    Incoming,
    #[error("the host has all connections that it may take (setting max_connections_per_host)")]
    Host,
    #[error(
        "the neighbourhood has all connections that it may take (setting max_connections_per_host)"
    )]
    Block,
    #[error("the peer has all connections that it may take (setting max_connections_per_peer)")]
    Peer,
    #[error("too many dials at once (setting max_pending_connections)")]
    Dials,
}

impl Admission {
    pub(crate) fn new(config: &P2pConfig) -> Self {
        let size = |setting: u32| usize::try_from(setting).unwrap_or(usize::MAX);
        let all = size(config.max_connections);
        let per_host = size(config.max_connections_per_host);
        let limits = Limits {
            all,
            // A quarter stays for connections of our own choice: strangers cannot cut us off.
            incoming: all.div_ceil(4).saturating_mul(3),
            per_host,
            per_block: per_host.saturating_mul(2),
            per_peer: size(config.max_connections_per_peer),
            dialing: size(config.max_pending_connections),
        };
        Self {
            limits,
            chosen: HashSet::new(),
            partners: HashSet::new(),
            dialing: HashSet::new(),
            guests: HashMap::new(),
        }
    }

    /// Named by the operator: always finds room.
    pub(crate) fn welcome(&mut self, peer: PeerId) {
        self.chosen.insert(peer);
    }

    /// Exactly these partners always find room from now on; returns who did before.
    pub(crate) fn welcome_partners(&mut self, partners: HashSet<Address>) -> HashSet<Address> {
        std::mem::replace(&mut self.partners, partners)
    }

    pub(crate) fn partners(&self) -> &HashSet<Address> {
        &self.partners
    }

    pub(crate) fn is_partner(&self, peer: &Address) -> bool {
        self.partners.contains(peer)
    }

    fn is_welcome(&self, peer: &PeerId, address: Option<&Address>) -> bool {
        self.chosen.contains(peer) || address.is_some_and(|address| self.is_partner(address))
    }

    /// Connections of strangers.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = &Guest> {
        self.guests.values().filter(|guest| !self.is_welcome(&guest.peer, guest.address.as_ref()))
    }

    fn check(&self, peer: &PeerId) -> Result<(), Crowded> {
        let with_peer = self.guests.values().filter(|guest| guest.peer == *peer).count();
        within(with_peer, self.limits.per_peer, Crowded::Peer)?;
        if self.is_welcome(peer, address_of(peer).as_ref()) {
            return Ok(());
        }
        within(self.strangers().count(), self.limits.all, Crowded::All)
    }

    fn check_incoming(&self, peer: &PeerId, from: &Multiaddr) -> Result<(), Crowded> {
        self.check(peer)?;
        if self.is_welcome(peer, address_of(peer).as_ref()) {
            return Ok(());
        }
        let incoming = || self.strangers().filter(|guest| guest.is_incoming);
        within(incoming().count(), self.limits.incoming, Crowded::Incoming)?;
        let Some(host) = Host::of(from) else { return Ok(()) };
        let hosts = || incoming().filter_map(|guest| guest.host);
        let from_host = hosts().filter(|other| *other == host).count();
        within(from_host, self.limits.per_host, Crowded::Host)?;
        let from_block = hosts().filter(|other| other.block() == host.block()).count();
        within(from_block, self.limits.per_block, Crowded::Block)
    }
}

const fn within(count: usize, limit: usize, crowded: Crowded) -> Result<(), Crowded> {
    if count < limit { Ok(()) } else { Err(crowded) }
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_incoming(&peer, from).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !peer.is_some_and(|peer| self.is_welcome(&peer, address_of(&peer).as_ref())) {
            within(self.dialing.len(), self.limits.dialing, Crowded::Dials)
                .map_err(ConnectionDenied::new)?;
            self.dialing.insert(connection);
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.dialing.remove(&connection);
        self.check(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(up) => {
                let is_incoming = up.endpoint.is_listener();
                let host =
                    is_incoming.then(|| Host::of(up.endpoint.get_remote_address())).flatten();
                let (peer, address) = (up.peer_id, address_of(&up.peer_id));
                self.guests.insert(up.connection_id, Guest { peer, address, host, is_incoming });
            }
            FromSwarm::ConnectionClosed(down) => {
                self.guests.remove(&down.connection_id);
            }
            FromSwarm::DialFailure(failure) => {
                self.dialing.remove(&failure.connection_id);
            }
            // Nothing else changes who is here.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
