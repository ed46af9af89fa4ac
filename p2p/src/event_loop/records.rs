//! Address records: our own out, those of others checked, stored and used.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, identify,
    kad::{self, store::RecordStore},
    multiaddr::Protocol,
};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{EventLoop, Lookup};
use crate::{
    behaviour::{MAX_RECORDS, QUERY_TIMEOUT},
    command::Resolved,
    discovery::{
        KAD_PROTOCOL,
        record::{self, AddressRecord, RecordError},
    },
    event::Event,
    limits::{BAD_RECORD, REQUEST},
};

/// Expired records are swept out this often; reading checks them anyway.
const SWEEP: Duration = Duration::from_secs(60);

impl EventLoop {
    /// Answers from what is known, or asks the table.
    pub(super) fn resolve(&mut self, peer: Address, reply: oneshot::Sender<Option<Resolved>>) {
        match self.resolved(&peer) {
            Some(resolved) => drop(reply.send(Some(resolved))),
            // Just started: the answer is only as far away as the first contact.
            None if self.has_empty_table() && !self.config.boot_peers.is_empty() => {
                self.parked.push((Instant::now() + QUERY_TIMEOUT, peer, reply));
            }
            None => self.look_up(peer, Some(reply)),
        }
    }

    /// Asks for those who came too early, once there is somebody to ask.
    pub(super) fn resume_parked(&mut self, now: Instant) {
        let has_table = !self.has_empty_table();
        for (until, peer, reply) in std::mem::take(&mut self.parked) {
            if has_table || until <= now {
                self.look_up(peer, Some(reply));
            } else {
                self.parked.push((until, peer, reply));
            }
        }
    }

    fn has_empty_table(&mut self) -> bool {
        self.swarm.behaviour_mut().kad.kbuckets().all(|bucket| bucket.is_empty())
    }

    /// Asks the table for the record of a peer; one lookup serves everybody who waits.
    pub(super) fn look_up(
        &mut self,
        address: Address,
        reply: Option<oneshot::Sender<Option<Resolved>>>,
    ) {
        let running = self.lookups.values_mut().find(|lookup| lookup.address == address);
        if let Some(lookup) = running {
            lookup.waiting.extend(reply);
            return;
        }
        debug!(peer = %address, "looking up the address record");
        let query = self.swarm.behaviour_mut().kad.get_record(record::key_of(address));
        self.lookups.insert(query, Lookup { address, waiting: reply.into_iter().collect() });
    }

    pub(super) fn handle_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { source, record: Some(record), .. },
            } => self.handle_put(source, record),
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => match result {
                kad::QueryResult::GetRecord(result) => {
                    self.handle_lookup(id, result, step.last);
                }
                kad::QueryResult::PutRecord(result) if self.publication == Some(id) => {
                    self.publication = None;
                    self.handle_publication(&result);
                }
                // Walks of the table and handovers of the own record need no follow-up.
                _ => {}
            },
            // Provider records are never stored, and the routing table looks after itself.
            _ => {}
        }
    }

    /// Learns where a peer listens and, if it keeps a table, hands it our record.
    pub(super) fn handle_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(address) = self.links.get(&peer_id).map(|link| link.address) else { return };
        self.charge(peer_id, REQUEST);
        let now = Instant::now();
        self.book.claim(address, peer_id, &info.listen_addrs, now);
        if !info.protocols.contains(&StreamProtocol::new(KAD_PROTOCOL)) {
            return;
        }
        let was_empty = self.has_empty_table();
        self.route(peer_id, self.book.locations(&address));
        if was_empty {
            self.searches.hurry_all();
        }
        self.resume_parked(now);
        match &self.own_record {
            Some(own) => {
                let record = kad_record(own, self.identity.peer_id);
                let kad = &mut self.swarm.behaviour_mut().kad;
                kad.put_record_to(record, std::iter::once(peer_id), kad::Quorum::One);
            }
            None => self.publisher.handle_change(now),
        }
    }

    /// Signs the own record afresh and publishes it.
    pub(super) fn publish(&mut self, now: Instant) {
        // Newer than the last one even if the clock was set back: an older one is not taken.
        let last = self.own_record.as_ref().map_or(0, AddressRecord::timestamp);
        let timestamp = unix_ms().max(last + 1);
        let Some(own) = AddressRecord::sign(&self.identity.secret, self.announced(), timestamp)
        else {
            return;
        };
        let record = kad_record(&own, self.identity.peer_id);
        self.own_record = Some(own);
        self.tell_partners(&record);
        self.make_room(&record.key);
        match self.swarm.behaviour_mut().kad.put_record(record, kad::Quorum::One) {
            Ok(query) => self.publication = Some(query),
            Err(error) => {
                debug!(%error, "own record not stored");
                self.publisher.handle_failure(now);
            }
        }
    }

    /// Tells partners what is new at once: without a first contact they would have nobody to ask.
    fn tell_partners(&mut self, record: &kad::Record) {
        let partners = self.swarm.behaviour().admission.partners().iter();
        let connected: Vec<PeerId> = partners
            .filter_map(|peer| self.book.peer_id(peer))
            .filter(|peer_id| self.links.contains_key(peer_id))
            .collect();
        if !connected.is_empty() {
            let kad = &mut self.swarm.behaviour_mut().kad;
            kad.put_record_to(record.clone(), connected.into_iter(), kad::Quorum::One);
        }
    }

    /// The node gives back what it was told in an earlier life.
    pub(super) fn remember(&mut self, peer: Address, record: &[u8]) {
        match AddressRecord::decode_kept(peer, record) {
            Ok(record) => {
                if self.book.learn(record, Instant::now()) {
                    self.searches.handle_found(&peer);
                    self.tell_familiar();
                }
            }
            Err(error) => warn!(%peer, %error, "kept address record is unusable"),
        }
    }

    /// Takes a record if it is newer than the one known, and lets the node put it away if it is a
    /// partner's.
    fn learn(&mut self, record: AddressRecord, now: Instant) -> bool {
        let owner = record.address();
        let newer = self.book.learn(record, now);
        if newer && self.is_partner(&owner) {
            self.tell_located(&owner);
            self.tell_familiar();
        }
        newer
    }

    /// Lets the node put away where a partner is, if that is known.
    pub(super) fn tell_located(&mut self, peer: &Address) {
        if let Some(record) = self.book.record(peer) {
            let record = record.encode().into();
            self.events.push(Event::Located { peer: *peer, record });
        }
    }

    pub(super) fn sweep_records(&mut self, now: Instant) {
        self.sweep_at = now + SWEEP;
        self.swarm.behaviour_mut().kad.store_mut().retain(|_, record| !record.is_expired(now));
    }

    /// Somebody wants us to keep a record.
    ///
    /// Only the owner may: a record is then as hard to plant as a key is to steal, old records
    /// cannot be brought back by others, and one connection fills one slot of the table.
    fn handle_put(&mut self, source: PeerId, record: kad::Record) {
        self.charge(source, REQUEST);
        let checked = record::owner_of(&record.key)
            .and_then(|owner| AddressRecord::decode(owner, &record.value, unix_ms()));
        match checked {
            Ok(checked) if checked.peer_id() == source => self.store(checked, record),
            Ok(_) => self.refuse_record(source, "not put by its owner"),
            // A clock that is wrong is no offence.
            Err(RecordError::Timestamp(_)) => self.metrics.records_refused.increment(),
            Err(error) => self.refuse_record(source, error),
        }
    }

    fn store(&mut self, checked: AddressRecord, record: kad::Record) {
        let (owner, now, now_ms) = (checked.address(), Instant::now(), unix_ms());
        let store = self.swarm.behaviour_mut().kad.store_mut();
        let is_newer = store
            .get(&record.key)
            .and_then(|known| AddressRecord::decode(owner, &known.value, now_ms).ok())
            .is_none_or(|known| known.timestamp() < checked.timestamp());
        if !is_newer {
            return;
        }
        let expires = Some(now + checked.remaining(now_ms));
        let publisher = Some(checked.peer_id());
        self.learn(checked, now);
        self.make_room(&record.key);
        let store = self.swarm.behaviour_mut().kad.store_mut();
        if store.put(kad::Record { expires, publisher, ..record }).is_ok() {
            debug!(peer = %owner, "address record stored");
            self.metrics.records_accepted.increment();
        }
    }

    /// In a full table, lets the record that is farthest from us make room for a nearer one.
    ///
    /// The nearest nodes are those that are asked, so this keeps what others will look for
    /// here, and someone with many keys has to find ones that lie near every victim.
    fn make_room(&mut self, key: &kad::RecordKey) {
        let own_key = record::key_of(self.identity.address);
        let here = kad::KBucketKey::from(self.identity.peer_id);
        let distance = |key: &kad::RecordKey| here.distance(&kad::KBucketKey::new(key.clone()));
        let store = self.swarm.behaviour_mut().kad.store_mut();
        if store.get(key).is_some() || store.records().count() < MAX_RECORDS {
            return;
        }
        let strangers =
            store.records().map(|record| record.key.clone()).filter(|known| *known != own_key);
        if let Some(farthest) = strangers.max_by_key(distance)
            && (*key == own_key || distance(key) < distance(&farthest))
        {
            store.remove(&farthest);
        }
    }

    fn refuse_record(&mut self, source: PeerId, reason: impl std::fmt::Display) {
        debug!(%source, %reason, "address record refused");
        self.metrics.records_refused.increment();
        self.offend(source, BAD_RECORD);
    }

    fn handle_lookup(&mut self, id: kad::QueryId, result: kad::GetRecordResult, is_last: bool) {
        let Some(address) = self.lookups.get(&id).map(|lookup| lookup.address) else { return };
        let now = Instant::now();
        if let Ok(kad::GetRecordOk::FoundRecord(found)) = result {
            self.handle_found(address, &found, now);
        }
        if is_last && let Some(lookup) = self.lookups.remove(&id) {
            self.searches.handle_looked_up(&address, now);
            let resolved = self.resolved(&address);
            for reply in lookup.waiting {
                // A caller that has gone needs no answer.
                drop(reply.send(resolved.clone()));
            }
        }
        self.search_promptly(now);
    }

    fn handle_found(&mut self, address: Address, found: &kad::PeerRecord, now: Instant) {
        match AddressRecord::decode(address, &found.record.value, unix_ms()) {
            Ok(checked) => {
                if self.learn(checked, now) {
                    self.metrics.records_accepted.increment();
                    self.searches.handle_found(&address);
                    self.answer_lookups(&address);
                }
            }
            Err(error) => {
                debug!(peer = %address, %error, "found record refused");
                self.metrics.records_refused.increment();
                if let Some(liar) = found.peer
                    && !matches!(error, RecordError::Timestamp(_))
                {
                    self.offend(liar, BAD_RECORD);
                }
            }
        }
    }

    /// Tells those who wait as soon as there is something to tell.
    fn answer_lookups(&mut self, address: &Address) {
        let Some(resolved) = self.resolved(address) else { return };
        for lookup in self.lookups.values_mut().filter(|lookup| lookup.address == *address) {
            for reply in lookup.waiting.drain(..) {
                drop(reply.send(Some(resolved.clone())));
            }
        }
    }

    fn resolved(&self, address: &Address) -> Option<Resolved> {
        let addresses = self.book.locations(address);
        let peer_id = self.book.peer_id(address).filter(|_| !addresses.is_empty())?;
        Some(Resolved { peer_id, addresses })
    }

    fn handle_publication(&mut self, result: &kad::PutRecordResult) {
        let now = Instant::now();
        match result {
            Ok(_) => {
                info!("own address record published");
                self.metrics.records_published.increment();
                self.publisher.handle_success(now);
            }
            Err(error) => {
                debug!(%error, "nobody took the own address record");
                self.publisher.handle_failure(now);
            }
        }
    }

    /// Makes the routing table hold exactly what the book knows, which is bounded: it would
    /// otherwise keep every address that a peer ever made up.
    fn route(&mut self, peer_id: PeerId, locations: Vec<Multiaddr>) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        let mut full = Vec::with_capacity(locations.len());
        for location in locations {
            kad.add_address(&peer_id, location.clone());
            full.push(location.with(Protocol::P2p(peer_id)));
        }
        let stale: Vec<Multiaddr> = kad
            .kbucket(peer_id)
            .into_iter()
            .flat_map(|bucket| {
                bucket
                    .iter()
                    .filter(|entry| *entry.node.key.preimage() == peer_id)
                    .flat_map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            })
            .filter(|known| !full.contains(known))
            .collect();
        for location in stale {
            kad.remove_address(&peer_id, &location);
        }
    }

    /// What the record says: configured addresses first, and loopback only when there is
    /// nothing else, which is the case in a test or a demo on one machine.
    pub(super) fn announced(&self) -> Vec<Multiaddr> {
        let listening: Vec<_> = self.swarm.listeners().cloned().collect();
        let (local, public): (Vec<_>, Vec<_>) = listening.into_iter().partition(is_loopback);
        let configured = self.config.external_addresses.iter().cloned();
        let announced: Vec<_> = configured.chain(public).collect();
        if announced.is_empty() { local } else { announced }
    }
}

fn kad_record(own: &AddressRecord, publisher: PeerId) -> kad::Record {
    kad::Record {
        key: record::key_of(own.address()),
        value: own.encode(),
        publisher: Some(publisher),
        expires: Some(Instant::now() + record::MAX_AGE),
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Milliseconds since 1970; a clock before that is as wrong as any other.
fn unix_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
