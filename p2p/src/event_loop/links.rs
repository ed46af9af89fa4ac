//! Connections: made, lost, searched for, turned away.

use std::{
    collections::{HashSet, hash_map::Entry},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    multiaddr::Protocol,
    ping,
    swarm::{
        ConnectionId, DialError, ListenError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{EventLoop, Link, frames::peer_entry};
use crate::{
    admission::host::{Host, most_crowding},
    discovery::{
        address_book::{check_location, without_peer},
        record,
        search::Action,
    },
    error::{DialFailure, P2pError},
    event::Event,
    identity::address_of,
    reach::{Reach, realms_of},
};

/// Searches up to which each takes its next step at once.
const PROMPT_SEARCHES: usize = 256;
/// Time for a stranger to say what it wants before it may have to make room.
const STRANGER_TURN: Duration = Duration::from_secs(10);

impl EventLoop {
    /// Takes the operator's own addresses as others can use them; one that nobody could use would be
    /// left out of every record without a word.
    pub(super) fn check_external(&mut self) -> Result<(), P2pError> {
        let refused = |address: &Multiaddr, reason: String| P2pError::Address {
            address: address.clone(),
            setting: "external_addresses",
            reason,
        };
        for address in &mut self.config.external_addresses {
            let location = without_peer(address, &self.identity.peer_id);
            if matches!(location.iter().last(), Some(Protocol::P2p(_))) {
                return Err(refused(address, "it ends in the peer id of another node".to_owned()));
            }
            record::check(&location).map_err(|reason| refused(address, reason.to_string()))?;
            *address = location;
        }
        match self.config.external_addresses.get(record::MAX_ADDRESSES) {
            Some(extra) => {
                let most = record::MAX_ADDRESSES;
                Err(refused(extra, format!("no more than {most} addresses can be announced")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn pin_configured(&mut self, now: Instant) -> Result<(), P2pError> {
        for full in self.config.boot_peers.clone() {
            let (address, peer_id) = self.pin("boot_peers", full, now)?;
            // One list of first contacts may serve a whole network, these nodes included.
            if address == self.identity.address {
                continue;
            }
            self.searches.keep(address);
            self.swarm.behaviour_mut().admission.welcome(peer_id);
        }
        for full in self.config.peers.clone() {
            let (_, peer_id) = self.pin("peers", full, now)?;
            self.swarm.behaviour_mut().admission.welcome(peer_id);
        }
        Ok(())
    }

    fn pin(
        &mut self,
        setting: &'static str,
        full: Multiaddr,
        now: Instant,
    ) -> Result<(Address, PeerId), P2pError> {
        let Some((address, peer_id)) = self.book.pin(&full, now) else {
            return Err(P2pError::PeerAddress(full));
        };
        match check_location(&without_peer(&full, &peer_id)) {
            Ok(()) => Ok((address, peer_id)),
            Err(reason) => {
                Err(P2pError::Address { address: full, setting, reason: reason.to_string() })
            }
        }
    }

    /// The node says with whom it has channels.
    pub(super) fn set_partners(&mut self, partners: HashSet<Address>) {
        let before = self.swarm.behaviour_mut().admission.welcome_partners(partners.clone());
        for former in before.difference(&partners) {
            if !self.peers.contains_key(former) {
                self.book.release(former);
            }
            self.drop_search_without_need(former);
        }
        for peer in partners.difference(&before) {
            self.book.hold(*peer);
            self.tell_located(peer);
            self.searches.watch(*peer);
            if self.is_connected(peer) {
                self.searches.handle_connected(peer);
            }
        }
        self.tell_familiar();
    }

    pub(super) fn is_partner(&self, peer: &Address) -> bool {
        self.swarm.behaviour().admission.is_partner(peer)
    }

    /// Tells the transport where partners are, so that their handshakes find room and their
    /// addresses are dialled.
    pub(super) fn tell_familiar(&self) {
        let partners = self.swarm.behaviour().admission.partners();
        let hosts = partners.iter().flat_map(|peer| self.book.hosts(peer)).collect();
        self.familiar.send_replace(hosts);
        self.tell_reach();
    }

    /// Tells the transport whom to dial: where we live, and whom the operator named.
    pub(super) fn tell_reach(&self) {
        let partners = self.swarm.behaviour().admission.partners().iter();
        let reach = Reach {
            is_private_dialled: self.config.dial_private,
            realms: realms_of(self.announced().iter()),
            pinned: self.book.pins(),
            partners: partners.filter_map(|peer| self.book.peer_id(peer)).collect(),
        };
        self.reach.send_replace(reach);
    }

    pub(super) fn add_peer(&mut self, full: &Multiaddr) {
        let Some((peer, peer_id)) = self.book.pin(full, Instant::now()) else { return };
        self.swarm.behaviour_mut().admission.welcome(peer_id);
        self.tell_reach();
        if self.has_waiting(&peer) {
            self.searches.hurry(peer);
        }
    }

    pub(super) fn dial(
        &mut self,
        full: Multiaddr,
        reply: oneshot::Sender<Result<Address, DialFailure>>,
    ) {
        let now = Instant::now();
        let Some((peer, peer_id)) = self.book.pin(&full, now) else {
            // A caller that has gone needs no answer.
            drop(reply.send(Err(DialFailure::PeerAddress(full))));
            return;
        };
        self.swarm.behaviour_mut().admission.welcome(peer_id);
        self.tell_reach();
        if self.is_connected(&peer) {
            drop(reply.send(Ok(peer)));
            return;
        }
        self.dialers.entry(peer).or_default().push(reply);
        self.searches.hurry(peer);
        self.search(now);
    }

    pub(super) fn is_connected(&self, peer: &Address) -> bool {
        self.book.peer_id(peer).is_some_and(|id| self.links.contains_key(&id))
    }

    /// Carries out what the searches ask for.
    pub(super) fn search(&mut self, now: Instant) {
        let book = &self.book;
        let actions = self.searches.handle_tick(now, |peer| !book.locations(peer).is_empty());
        for action in actions {
            match action {
                Action::Dial(peer) => self.dial_known(peer, now),
                Action::LookUp(peer) => self.look_up(peer, None),
                Action::Unreachable(peer) => self.handle_unreachable(peer),
            }
        }
    }

    /// Goes on with the searches before the next tick, unless there are so many that looking through
    /// them after each event would take all of the time: names cost nothing.
    pub(super) fn search_promptly(&mut self, now: Instant) {
        if self.searches.len() <= PROMPT_SEARCHES {
            self.search(now);
        }
    }

    fn dial_known(&mut self, peer: Address, now: Instant) {
        let Some(peer_id) = self.book.peer_id(&peer) else { return };
        if self.links.contains_key(&peer_id) {
            self.searches.handle_connected(&peer);
            return;
        }
        let options = DialOpts::peer_id(peer_id)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(self.book.locations(&peer))
            .build();
        match self.swarm.dial(options) {
            // Kademlia is dialling the same peer; the outcome of its dial is ours as well.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                debug!(%peer, %error, "cannot dial");
                self.searches.handle_dial_failed(&peer, now);
            }
        }
    }

    fn handle_unreachable(&mut self, peer: Address) {
        self.metrics.searches_failed.increment();
        if self.searches.is_kept(&peer) {
            warn!(%peer, addresses = ?self.book.locations(&peer),
                "first contact unreachable, trying again (setting boot_peers)");
        } else if !self.is_chosen(&peer) && self.searches.give_up(&peer) {
            debug!(%peer, "stranger not found, looking for it no longer");
        } else if self.is_chosen(&peer) {
            info!(%peer, "peer not found, trying again");
        } else {
            // Strangers who make us answer and go must not fill the operator's log.
            debug!(%peer, "stranger not found, trying again");
        }
        for reply in self.dialers.remove(&peer).unwrap_or_default() {
            let error = "no answer at any known address".to_owned();
            drop(reply.send(Err(DialFailure::Unreachable(error))));
        }
        self.drop_search_without_need(&peer);
    }

    pub(super) fn handle_connected(
        &mut self,
        peer_id: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let Some(address) = address_of(&peer_id) else {
            // Nobody could be paid or held to account under such a key.
            debug!(%peer_id, "peer without an Ethereum address");
            self.metrics.peers_nameless.increment();
            self.swarm.close_connection(connection);
            return;
        };
        let now = Instant::now();
        self.book.hold(address);
        match endpoint {
            ConnectedPoint::Dialer { address: location, .. } => {
                self.book.reach(address, peer_id, location, now);
            }
            ConnectedPoint::Listener { send_back_addr, .. } => {
                self.book.meet(address, peer_id, Host::of(send_back_addr), now);
            }
        }
        if self.is_partner(&address) {
            self.tell_familiar();
        }
        let Entry::Vacant(link) = self.links.entry(peer_id) else { return };
        let host = Host::of(endpoint.get_remote_address());
        link.insert(Link { address, host, since: now });
        peer_entry(&mut self.peers, &self.config, address);
        if self.is_familiar(&address) {
            info!(peer = %address, is_dialer = endpoint.is_dialer(), "peer up");
        } else {
            // Strangers come and go as they like, and must not fill the operator's log.
            debug!(peer = %address, is_dialer = endpoint.is_dialer(), "stranger up");
        }
        self.events.push(Event::PeerUp(address));
        self.searches.handle_connected(&address);
        for reply in self.dialers.remove(&address).unwrap_or_default() {
            drop(reply.send(Ok(address)));
        }
        self.flush(address, now);
    }

    pub(super) fn handle_disconnected(&mut self, peer_id: &PeerId) {
        let Some(link) = self.links.remove(peer_id) else { return };
        let now = Instant::now();
        if self.is_familiar(&link.address) {
            info!(peer = %link.address, "peer down");
        } else {
            debug!(peer = %link.address, "stranger down");
        }
        self.events.push(Event::PeerDown(link.address));
        if self.has_waiting(&link.address) {
            self.searches.want(link.address);
        }
        self.searches.handle_disconnected(&link.address, now - link.since, now);
        self.drop_search_without_need(&link.address);
        self.forget_idle(&link.address);
    }

    pub(super) fn handle_dial_error(&mut self, peer_id: Option<PeerId>, error: &DialError) {
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        self.metrics.dials_failed.increment();
        let Some(peer) = peer_id.and_then(|id| address_of(&id)) else { return };
        debug!(%peer, %error, "dial failed");
        let now = Instant::now();
        self.searches.handle_dial_failed(&peer, now);
        self.search_promptly(now);
    }

    pub(super) fn handle_incoming_error(&mut self, error: &ListenError) {
        debug!(%error, "incoming connection failed");
        if matches!(error, ListenError::Denied { .. }) {
            self.metrics.connections_denied.increment();
        }
    }

    /// A connection without answers is as good as none, and blocks the making of a new one.
    pub(super) fn handle_ping(&mut self, event: &ping::Event) {
        if let Err(error) = &event.result
            && !matches!(error, ping::Failure::Unsupported)
        {
            debug!(peer = %event.peer, %error, "no answer to a ping");
            self.swarm.close_connection(event.connection);
        }
    }

    /// The node's judgement of a peer.
    pub(super) fn report(&mut self, peer: Address, weight: u32) {
        if let Some(peer_id) = self.book.peer_id(&peer) {
            self.offend(peer_id, weight);
        }
    }

    pub(super) fn offend(&mut self, peer_id: PeerId, weight: u32) {
        self.metrics.offences.increment();
        self.charge(peer_id, weight);
    }

    /// Counts points without calling it an offence: what is harmless once is not when it never
    /// stops.
    pub(super) fn charge(&mut self, peer_id: PeerId, weight: u32) {
        if self.offenders.report(peer_id, weight, Instant::now()) {
            info!(peer = ?address_of(&peer_id), "peer blocked for its offences");
            self.metrics.peers_blocked.increment();
            self.swarm.behaviour_mut().blocked.block_peer(peer_id);
        }
    }

    pub(super) fn release_offenders(&mut self, now: Instant) {
        for peer_id in self.offenders.handle_tick(now) {
            info!(peer = ?address_of(&peer_id), "peer no longer blocked");
            self.swarm.behaviour_mut().blocked.unblock_peer(peer_id);
        }
    }

    /// Makes room when strangers take most of it. In the most crowded place, who has been connected
    /// longest has had its turn.
    pub(super) fn evict_strangers(&mut self, now: Instant) {
        let room = self.config.max_connections / 4 * 3;
        let admission = &self.swarm.behaviour().admission;
        if admission.strangers().count() < room.max(1) as usize {
            return;
        }
        let strangers = self.links.iter().filter(|(_, link)| {
            let is_heard = self.peers.get(&link.address).is_some_and(|peer| peer.inbound.is_some());
            let had_its_turn = now.saturating_duration_since(link.since) > STRANGER_TURN;
            had_its_turn && !is_heard && !self.is_familiar(&link.address)
        });
        let guests = strangers.map(|(peer_id, link)| (*peer_id, link.host, link.since));
        if let Some(leaving) = most_crowding(guests, None) {
            debug!(peer_id = %leaving, "idle stranger makes room");
            self.metrics.connections_evicted.increment();
            // Already closing is as good.
            let _ = self.swarm.disconnect_peer_id(leaving);
        }
    }

    /// Whether a peer is a partner, or named by the operator.
    pub(super) fn is_chosen(&self, peer: &Address) -> bool {
        self.is_partner(peer) || self.book.is_pinned(peer)
    }

    /// Whether we deal with a peer: it was chosen, or is written to.
    fn is_familiar(&self, peer: &Address) -> bool {
        self.is_chosen(peer) || self.has_waiting(peer)
    }

    /// Forgets a peer that is gone and owes nothing.
    pub(super) fn forget_idle(&mut self, address: &Address) {
        let is_idle = self
            .peers
            .get(address)
            .is_some_and(|peer| peer.delivery.is_empty() && peer.inbound.is_none());
        if is_idle && !self.is_connected(address) {
            self.peers.remove(address);
            if !self.is_partner(address) {
                self.book.release(address);
            }
        }
    }

    pub(super) fn drop_search_without_need(&mut self, peer: &Address) {
        let is_needed = self.has_waiting(peer) || self.dialers.contains_key(peer);
        if is_needed {
            return;
        }
        if self.is_partner(peer) {
            self.searches.watch(*peer);
        } else {
            self.searches.forget(peer);
        }
    }
}
