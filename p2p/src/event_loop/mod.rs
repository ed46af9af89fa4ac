//! One task owns the swarm and everything that is known of peers.
//!
//! It only routes: frames are encoded and decoded on the tasks of their connections, and
//! nothing here waits for the node or for a disk.

mod frames;
mod links;
mod records;
mod shutdown;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    kad,
    multiaddr::Protocol,
    request_response::{InboundRequestId, OutboundRequestId, ResponseChannel},
    swarm::SwarmEvent,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admission::host::Host,
    backoff::Backoff,
    behaviour::{Behaviour, BehaviourEvent},
    command::{Command, PeerInfo, Resolved},
    config::P2pConfig,
    discovery::{
        address_book::AddressBook, publisher::Publisher, record::AddressRecord, search::Searches,
    },
    error::{DialFailure, P2pError},
    event::Event,
    identity::Identity,
    limits::Offenders,
    messages::{
        codec::Response,
        delivery::{Attempt, Delivery},
    },
    metrics::Metrics,
    outbox::Outbox,
    reach::Reach,
    swarm,
};

/// How often deadlines are looked at. They are all far longer, and a look is cheap.
const TICK: Duration = Duration::from_millis(50);
/// Commands handled before frames are made of them: bounds the time away from the swarm.
const COMMANDS_AT_ONCE: usize = 1024;
/// A listener that says nothing for this long is taken as failed.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    config: P2pConfig,
    identity: Identity,
    shutdown: CancellationToken,
    commands: mpsc::UnboundedReceiver<Command>,
    events: Outbox,
    metrics: Arc<Metrics>,
    listeners: HashMap<ListenerId, Listener>,

    peers: HashMap<Address, Peer>,
    links: HashMap<PeerId, Link>,
    /// Own frames on their way.
    outbound: HashMap<OutboundRequestId, (Address, Attempt)>,
    /// Frames that the node has not settled.
    inbound: HashMap<u64, Inbound>,
    next_token: u64,
    /// Responses handed to the swarm and not flushed yet.
    leaving: HashSet<InboundRequestId>,
    /// Peers with something new to send.
    dirty: Vec<Address>,

    book: AddressBook,
    /// Tells the transport at which hosts partners have been.
    familiar: watch::Sender<HashSet<Host>>,
    /// Tells the transport whom to dial.
    reach: watch::Sender<Reach>,
    searches: Searches,
    lookups: HashMap<kad::QueryId, Lookup>,
    /// Questions that wait for the first contact, until their time is up.
    parked: Vec<(Instant, Address, oneshot::Sender<Option<Resolved>>)>,
    dialers: HashMap<Address, Vec<oneshot::Sender<Result<Address, DialFailure>>>>,
    offenders: Offenders,
    publisher: Publisher,
    publication: Option<kad::QueryId>,
    own_record: Option<AddressRecord>,
    /// When expired records are swept out next.
    sweep_at: Instant,
}

struct Listener {
    configured: Multiaddr,
    is_bound: bool,
}

/// A peer that is connected or has something waiting.
struct Peer {
    delivery: Delivery,
    /// The frame of this peer that the node has not settled.
    inbound: Option<u64>,
}

/// The connections with one peer.
struct Link {
    address: Address,
    /// Where the first of them leads, if that is a host and not a name.
    host: Option<Host>,
    since: Instant,
}

struct Inbound {
    from: Address,
    request: InboundRequestId,
    channel: ResponseChannel<Response>,
}

struct Lookup {
    address: Address,
    waiting: Vec<oneshot::Sender<Option<Resolved>>>,
}

impl EventLoop {
    pub(crate) fn new(
        config: P2pConfig,
        identity: Identity,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Event>,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Result<Self, P2pError> {
        let now = Instant::now();
        let seed = u64::from_be_bytes(identity.address[..8].try_into().expect("eight bytes"));
        let longest = Duration::from_millis(config.search_max_ms);
        let base = Duration::from_millis(config.search_base_ms);
        let search = Backoff::new(base, longest, seed);
        let (familiar, familiar_hosts) = watch::channel(HashSet::new());
        let (reach, dialled) = watch::channel(Reach::default());
        let swarm = swarm::build(&config, &identity, familiar_hosts, dialled, &metrics)?;
        let publisher = Publisher::new(search.clone(), config.republish());
        let mut event_loop = Self {
            swarm,
            config,
            identity,
            shutdown,
            commands,
            events: Outbox::new(events),
            metrics,
            listeners: HashMap::new(),
            peers: HashMap::new(),
            links: HashMap::new(),
            outbound: HashMap::new(),
            inbound: HashMap::new(),
            next_token: 0,
            leaving: HashSet::new(),
            dirty: Vec::new(),
            book: AddressBook::default(),
            familiar,
            reach,
            searches: Searches::new(search),
            lookups: HashMap::new(),
            parked: Vec::new(),
            dialers: HashMap::new(),
            offenders: Offenders::default(),
            publisher,
            publication: None,
            own_record: None,
            sweep_at: now,
        };
        event_loop.check_external()?;
        event_loop.pin_configured(now)?;
        event_loop.tell_reach();
        Ok(event_loop)
    }

    /// Binds every configured address, so that a wrong setting is an error at start.
    pub(crate) async fn listen(&mut self) -> Result<(), P2pError> {
        let refused = |address: &Multiaddr, reason: String| P2pError::Listen {
            address: address.clone(),
            reason,
        };
        for address in self.config.listen.clone() {
            let id = self
                .swarm
                .listen_on(address.clone())
                .map_err(|error| refused(&address, error.to_string()))?;
            self.listeners.insert(id, Listener { configured: address, is_bound: false });
        }
        for address in self.config.external_addresses.clone() {
            self.swarm.add_external_address(address);
        }
        let deadline = tokio::time::Instant::now() + LISTEN_TIMEOUT;
        while let Some(waiting) = self.listeners.values().find(|listener| !listener.is_bound) {
            let waiting = waiting.configured.clone();
            let event = tokio::time::timeout_at(deadline, self.swarm.select_next_some())
                .await
                .map_err(|_| refused(&waiting, "no answer from the system".to_owned()))?;
            if let SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } = &event
                && let Some(listener) = self.listeners.get(listener_id)
            {
                return Err(refused(&listener.configured, error.to_string()));
            }
            self.handle_swarm_event(event);
        }
        Ok(())
    }

    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
        info!(address = %self.identity.address, peer_id = %self.identity.peer_id, "network up");
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                count = self.commands.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    batch.drain(..).for_each(|command| self.handle_command(command));
                    self.flush_dirty();
                }
                () = self.events.flush_one(), if self.events.is_waiting() => {}
                _ = tick.tick() => {
                    if self.events.is_closed() {
                        break;
                    }
                    self.handle_tick();
                }
                event = self.swarm.select_next_some() => self.handle_swarm_event(event),
            }
        }
        self.stop().await;
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Send(peer, id, message) => self.enqueue(peer, [(id, message)]),
            Command::SendAll(peer, messages) => self.enqueue(peer, messages),
            Command::Forget(peer, up_to) => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.delivery.forget(up_to);
                    self.drop_search_without_need(&peer);
                    self.forget_idle(&peer);
                }
            }
            Command::Settle(token, response) => self.settle(token, response),
            Command::Report(peer, weight) => self.report(peer, weight),
            Command::SetPartners(partners) => self.set_partners(partners),
            Command::Remember(peer, record) => self.remember(peer, &record),
            Command::AddPeer(address) => self.add_peer(&address),
            Command::Dial(address, reply) => self.dial(address, reply),
            Command::Resolve(peer, reply) => self.resolve(peer, reply),
            // A caller that has gone needs no answer.
            Command::Peers(reply) => drop(reply.send(self.peer_infos())),
            Command::ListenAddresses(reply) => drop(reply.send(self.listen_addresses())),
        }
    }

    fn handle_tick(&mut self) {
        let now = Instant::now();
        self.retry_frames(now);
        self.expire_messages(now);
        self.search(now);
        if !self.parked.is_empty() {
            self.resume_parked(now);
        }
        self.release_offenders(now);
        self.evict_strangers(now);
        if self.publisher.handle_tick(now) {
            self.publish(now);
        }
        if self.sweep_at <= now {
            self.sweep_records(now);
        }
    }

    fn handle_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Frames(event)) => self.handle_frames(event),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => self.handle_kad(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.handle_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.handle_ping(&event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.handle_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.handle_disconnected(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.handle_dial_error(peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.handle_incoming_error(&error);
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.handle_listening(listener_id, &address);
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                info!(%address, "no longer listening");
                self.handle_moved();
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                warn!(?addresses, ?reason, "listener closed");
                self.handle_moved();
            }
            // The rest is told a second time by an event above, or is no news to a node.
            _ => {}
        }
    }

    fn handle_listening(&mut self, listener: ListenerId, address: &Multiaddr) {
        info!(%address, "listening");
        if let Some(listener) = self.listeners.get_mut(&listener) {
            listener.is_bound = true;
        }
        self.handle_moved();
    }

    /// Own addresses have changed.
    fn handle_moved(&mut self) {
        self.publisher.handle_change(Instant::now());
        self.tell_reach();
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        let own_id = Protocol::P2p(self.identity.peer_id);
        self.swarm.listeners().map(|address| address.clone().with(own_id.clone())).collect()
    }

    fn peer_infos(&self) -> Vec<PeerInfo> {
        let pinned = self.book.pinned().filter(|peer| !self.peers.contains_key(peer));
        let mut infos: Vec<_> =
            self.peers.keys().copied().chain(pinned).map(|peer| self.peer_info(peer)).collect();
        infos.sort_by_key(|info| info.address);
        infos
    }

    fn peer_info(&self, address: Address) -> PeerInfo {
        let peer_id = self.book.peer_id(&address);
        let delivery = self.peers.get(&address).map(|peer| &peer.delivery);
        let now = Instant::now();
        PeerInfo {
            address,
            peer_id,
            connected: peer_id.is_some_and(|id| self.links.contains_key(&id)),
            addresses: self.book.locations(&address),
            queued: delivery.map_or(0, Delivery::queued),
            in_flight: delivery.map_or(0, Delivery::in_flight),
            offences: peer_id.map_or(0, |id| self.offenders.points(&id, now)),
            blocked: peer_id.is_some_and(|id| self.offenders.is_blocked(&id)),
            boot: self.searches.is_kept(&address),
        }
    }
}
