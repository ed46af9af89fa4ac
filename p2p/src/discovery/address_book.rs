//! Where peers have been, said to be, or are configured to be.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use alloy_primitives::Address;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use super::record::{self, AddressRecord, MAX_ADDRESSES, NotDialable, is_dialable};
use crate::{admission::host::Host, identity::address_of};

/// Peers remembered; strangers make room for newer strangers.
const MAX_PEERS: usize = 4096;
/// Addresses that an operator gave for one peer.
const MAX_PINNED: usize = 16;

/// Addresses by peer.
///
/// None of them is trusted: a connection to a wrong one fails in the handshake, because it
/// proves the peer id, and all that is lost is a dial.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    peers: HashMap<Address, Entry>,
    /// Peers in use, which no flood of strangers may push out.
    held: HashSet<Address>,
}

#[derive(Debug)]
struct Entry {
    peer_id: PeerId,
    /// Configured or added by hand; never forgotten.
    pinned: Vec<Multiaddr>,
    /// What the peer said of itself over a connection.
    claimed: Vec<Multiaddr>,
    /// Where the last dial succeeded.
    reached: Option<Multiaddr>,
    /// Where it came from last.
    seen: Option<Host>,
    record: Option<AddressRecord>,
    touched: Instant,
}

impl AddressBook {
    /// Remembers a full address for good; `None` if it does not end in the id of a named peer.
    pub(crate) fn pin(&mut self, full: &Multiaddr, now: Instant) -> Option<(Address, PeerId)> {
        let (address, peer_id, location) = split(full)?;
        let entry = self.entry(address, peer_id, now);
        if !entry.pinned.contains(&location) && entry.pinned.len() < MAX_PINNED {
            entry.pinned.push(location);
        }
        Some((address, peer_id))
    }

    /// Protects what is known of a peer, now or later, until it is released.
    pub(crate) fn hold(&mut self, peer: Address) {
        self.held.insert(peer);
    }

    pub(crate) fn release(&mut self, peer: &Address) {
        self.held.remove(peer);
    }

    /// Replaces what a connected peer claimed before.
    pub(crate) fn claim(
        &mut self,
        address: Address,
        peer_id: PeerId,
        claimed: &[Multiaddr],
        now: Instant,
    ) {
        let without_id = claimed.iter().map(|full| without_peer(full, &peer_id));
        let usable = without_id.filter(is_dialable).take(MAX_ADDRESSES).collect();
        self.entry(address, peer_id, now).claimed = usable;
    }

    /// Remembers where a dial succeeded.
    pub(crate) fn reach(
        &mut self,
        address: Address,
        peer_id: PeerId,
        reached: &Multiaddr,
        now: Instant,
    ) {
        self.entry(address, peer_id, now).reached = Some(without_peer(reached, &peer_id));
    }

    /// Remembers who is behind an address, and where it came from.
    pub(crate) fn meet(
        &mut self,
        address: Address,
        peer_id: PeerId,
        from: Option<Host>,
        now: Instant,
    ) {
        self.entry(address, peer_id, now).seen = from;
    }

    /// Takes a record if it is newer than the one known; false otherwise.
    pub(crate) fn learn(&mut self, record: AddressRecord, now: Instant) -> bool {
        let entry = self.entry(record.address(), record.peer_id(), now);
        let newer =
            entry.record.as_ref().is_none_or(|known| known.timestamp() < record.timestamp());
        if newer {
            entry.record = Some(record);
        }
        newer
    }

    /// The newest record of a peer.
    pub(crate) fn record(&self, address: &Address) -> Option<&AddressRecord> {
        self.peers.get(address)?.record.as_ref()
    }

    pub(crate) fn peer_id(&self, address: &Address) -> Option<PeerId> {
        self.peers.get(address).map(|entry| entry.peer_id)
    }

    /// Where to dial a peer, likeliest first; empty if nothing is known.
    pub(crate) fn locations(&self, address: &Address) -> Vec<Multiaddr> {
        let Some(entry) = self.peers.get(address) else { return Vec::new() };
        let recorded = entry.record.iter().flat_map(AddressRecord::addresses);
        let all = entry.reached.iter().chain(&entry.claimed).chain(recorded).chain(&entry.pinned);
        let mut locations = Vec::new();
        for location in all {
            if !locations.contains(location) {
                locations.push(location.clone());
            }
        }
        locations
    }

    /// At which hosts a peer has been, or says to be.
    pub(crate) fn hosts(&self, address: &Address) -> Vec<Host> {
        let seen = self.peers.get(address).and_then(|entry| entry.seen);
        seen.into_iter().chain(self.locations(address).iter().filter_map(Host::of)).collect()
    }

    /// Every place that the operator named.
    pub(crate) fn pins(&self) -> HashMap<PeerId, Vec<Multiaddr>> {
        let pinned = self.peers.values().filter(|entry| !entry.pinned.is_empty());
        pinned.map(|entry| (entry.peer_id, entry.pinned.clone())).collect()
    }

    /// Whether the operator named a place of the peer.
    pub(crate) fn is_pinned(&self, address: &Address) -> bool {
        self.peers.get(address).is_some_and(|entry| !entry.pinned.is_empty())
    }

    /// Peers given by hand.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = Address> + '_ {
        self.peers.iter().filter(|(_, entry)| !entry.pinned.is_empty()).map(|(peer, _)| *peer)
    }

    fn entry(&mut self, address: Address, peer_id: PeerId, now: Instant) -> &mut Entry {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&address) {
            self.forget_oldest();
        }
        let entry = self.peers.entry(address).or_insert_with(|| Entry {
            peer_id,
            pinned: Vec::new(),
            claimed: Vec::new(),
            reached: None,
            seen: None,
            record: None,
            touched: now,
        });
        entry.touched = now;
        entry
    }

    fn forget_oldest(&mut self) {
        let strangers = self
            .peers
            .iter()
            .filter(|(peer, entry)| entry.pinned.is_empty() && !self.held.contains(*peer));
        if let Some((oldest, _)) = strangers.min_by_key(|(_, entry)| entry.touched) {
            let oldest = *oldest;
            self.peers.remove(&oldest);
        }
    }
}

/// Takes a full multiaddr apart into the peer's two names and the rest.
pub(crate) fn split(full: &Multiaddr) -> Option<(Address, PeerId, Multiaddr)> {
    let mut location = full.clone();
    let Some(Protocol::P2p(peer_id)) = location.pop() else { return None };
    Some((address_of(&peer_id)?, peer_id, location))
}

/// Whether the operator may name a place. A `/dnsaddr` stands for whole addresses, which are judged
/// when it is resolved.
pub(crate) fn check_location(location: &Multiaddr) -> Result<(), NotDialable> {
    match location.iter().next() {
        Some(Protocol::Dnsaddr(_)) => Ok(()),
        _ => record::check(location),
    }
}

/// Without the peer's id at the end, if it is there.
pub(crate) fn without_peer(full: &Multiaddr, peer_id: &PeerId) -> Multiaddr {
    let mut location = full.clone();
    match location.pop() {
        Some(Protocol::P2p(named)) if named == *peer_id => location,
        _ => full.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secp256k1::SecretKey;

    use super::*;
    use crate::identity::Identity;

    fn peer(byte: u8) -> Identity {
        Identity::new([byte; 32]).unwrap()
    }

    fn location(port: u16) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn record(byte: u8, port: u16, timestamp: u64) -> AddressRecord {
        let secret = SecretKey::from_secret_bytes([byte; 32]).unwrap();
        AddressRecord::sign(&secret, [location(port)], timestamp).unwrap()
    }

    #[test]
    fn the_newest_record_wins_in_any_order() {
        let (mut book, now) = (AddressBook::default(), Instant::now());
        let address = peer(1).address;
        assert!(book.learn(record(1, 2, 200), now));
        assert!(!book.learn(record(1, 1, 100), now));
        assert!(!book.learn(record(1, 3, 200), now));
        assert_eq!(book.locations(&address), [location(2)]);
        assert!(book.learn(record(1, 4, 300), now));
        assert_eq!(book.locations(&address), [location(4)]);
        assert_eq!(book.peer_id(&address), Some(peer(1).peer_id));
    }

    #[test]
    fn a_peer_cannot_grow_its_entry_nor_claim_unusable_places() {
        let (mut book, now, id) = (AddressBook::default(), Instant::now(), peer(1));
        for start in [1, 1000] {
            let claims: Vec<_> = (start..start + 500).map(location).collect();
            book.claim(id.address, id.peer_id, &claims, now);
        }
        assert_eq!(book.locations(&id.address).len(), MAX_ADDRESSES);
        book.claim(id.address, id.peer_id, &["/ip4/0.0.0.0/tcp/1".parse().unwrap()], now);
        assert!(book.locations(&id.address).is_empty());
    }

    #[test]
    fn pins_only_full_addresses_of_named_peers() {
        let (mut book, now, id) = (AddressBook::default(), Instant::now(), peer(1));
        assert!(book.pin(&location(1), now).is_none());
        assert!(book.pin(&location(1).with(Protocol::P2p(PeerId::random())), now).is_none());
        let full = location(1).with(Protocol::P2p(id.peer_id));
        assert_eq!(book.pin(&full, now), Some((id.address, id.peer_id)));
        assert_eq!(book.locations(&id.address), [location(1)]);
    }

    #[test]
    fn strangers_make_room_for_strangers_but_never_push_out_those_in_use() {
        let (mut book, now, id) = (AddressBook::default(), Instant::now(), peer(1));
        book.pin(&location(1).with(Protocol::P2p(id.peer_id)), now);
        let (held, passed) = (peer(2), peer(3));
        book.hold(held.address);
        book.meet(held.address, held.peer_id, None, now);
        book.meet(passed.address, passed.peer_id, None, now);
        for index in 0..=MAX_PEERS as u64 {
            let stranger = Address::from_word(alloy_primitives::U256::from(index + 1).into());
            book.entry(stranger, id.peer_id, now + Duration::from_nanos(index));
        }
        assert_eq!(book.peers.len(), MAX_PEERS);
        assert!(!book.locations(&id.address).is_empty());
        assert_eq!(book.peer_id(&held.address), Some(held.peer_id));
        assert_eq!(book.peer_id(&passed.address), None);
    }
}
