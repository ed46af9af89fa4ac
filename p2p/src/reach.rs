//! Whom this node dials at the word of others.
//!
//! Anybody may sign a record that names the router, a database or the metadata service next to us, or
//! a victim far away, and a table or a question about nodes brings such addresses to every node. So
//! all dials, whoever asks for them, pass one gate. It stands behind the resolution of names, for a
//! name can lead anywhere, too.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportError, TransportEvent},
    },
    multiaddr::Protocol,
};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Dials to places that strangers named, in a row: a start among many new peers, each with a few
/// addresses.
const STRANGERS_AT_ONCE: u32 = 128;
/// Time in which one more such dial is earned. What an attacker can make us send to a victim stays
/// far below what it could send itself.
const STRANGERS_PACE: Duration = Duration::from_millis(125);

/// The part of the world that an address belongs to. Between parts that are not global nobody can
/// tell what is meant: every home has its own 192.168.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Realm {
    /// Everybody's.
    Global,
    /// This machine.
    Loopback,
    /// 10.0.0.0/8
    Private10,
    /// 172.16.0.0/12
    Private172,
    /// 192.168.0.0/16
    Private192,
    /// 100.64.0.0/10, between a provider and its customers.
    Shared,
    /// fc00::/7
    UniqueLocal,
    /// Documentation and benchmarks: nobody's on the world's network, and so test networks have them.
    Bench,
    /// No node is there: groups, what is reserved, and the link, where 169.254.169.254 hands out the
    /// secrets of a rented machine.
    Nowhere,
}

/// Where this node lives and whom its operator has named: what the gate goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The operator lets everybody name places that are not global.
    pub(crate) is_private_dialled: bool,
    /// Beside the global one.
    pub(crate) realms: HashSet<Realm>,
    /// Where the operator said that peers are.
    pub(crate) pinned: HashMap<PeerId, Vec<Multiaddr>>,
    /// Peers whose number is bounded by what they have at stake.
    pub(crate) partners: HashSet<PeerId>,
}

/// What the gate says of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Trusted,
    /// To be counted.
    Stranger,
    Refused,
}

impl Realm {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] => Self::Private10,
            [172, 16..=31, ..] => Self::Private172,
            [192, 168, ..] => Self::Private192,
            [100, 64..=127, ..] => Self::Shared,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18 | 19, ..] => {
                Self::Bench
            }
            // This network, the link, protocol assignments, groups and what is reserved, the
            // broadcast address with it.
            [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [224..=255, ..] => Self::Nowhere,
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfc00..=0xfdff, ..] => Self::UniqueLocal,
            // Translators: the IPv4 address inside is where it leads.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Self::of_v4(inside(high, low)),
            [0x2002, high, low, ..] => Self::of_v4(inside(high, low)),
            [0x2001, 0xdb8, ..] | [0x2001, 2, 0, ..] | [0x3fff, 0..=0xfff, ..] => Self::Bench,
            // Protocol assignments (Teredo among them), though in global space.
            [0x2001, 0..=0x1ff, ..] => Self::Nowhere,
            [0x2000..=0x3fff, ..] => Self::Global,
            _ => Self::Nowhere,
        }
    }
}

fn inside(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// Where a node lives that announces these addresses. One that is reached globally has no business
/// in the networks behind it, whichever of its other interfaces are there.
pub(crate) fn realms_of<'a>(announced: impl Iterator<Item = &'a Multiaddr>) -> HashSet<Realm> {
    let (mut v4, mut v6) = (HashSet::new(), HashSet::new());
    for address in announced {
        match address.iter().next() {
            Some(Protocol::Ip4(ip)) => v4.extend([Realm::of(ip.into())]),
            Some(Protocol::Ip6(ip)) => v6.extend([Realm::of(ip.into())]),
            // Names are for the world.
            Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => {
                v4.insert(Realm::Global);
                v6.insert(Realm::Global);
            }
            _ => {}
        }
    }
    let own = [v4, v6].into_iter().filter(|family| !family.contains(&Realm::Global)).flatten();
    own.filter(|realm| *realm != Realm::Nowhere).collect()
}

impl Reach {
    /// Judges an address that is resolved, with the peer that is looked for there at its end.
    fn judge(&self, address: &Multiaddr) -> Verdict {
        let mut location = address.clone();
        let peer = match location.pop() {
            Some(Protocol::P2p(peer)) => Some(peer),
            _ => {
                location = address.clone();
                None
            }
        };
        let pinned = peer.and_then(|peer| self.pinned.get(&peer));
        if pinned.is_some_and(|pinned| pinned.iter().any(|pinned| leads_to(pinned, &location))) {
            return Verdict::Trusted;
        }
        let realm = match location.iter().next() {
            Some(Protocol::Ip4(ip)) => Realm::of(ip.into()),
            Some(Protocol::Ip6(ip)) => Realm::of(ip.into()),
            _ => Realm::Nowhere,
        };
        match realm {
            Realm::Nowhere => Verdict::Refused,
            Realm::Global => self.counted(peer),
            _ if self.is_private_dialled || self.realms.contains(&realm) => self.counted(peer),
            _ => Verdict::Refused,
        }
    }

    fn counted(&self, peer: Option<PeerId>) -> Verdict {
        let is_partner = peer.is_some_and(|peer| self.partners.contains(&peer));
        if is_partner { Verdict::Trusted } else { Verdict::Stranger }
    }
}

/// Whether what the operator named is this place, or a name that may have led to it.
fn leads_to(pinned: &Multiaddr, location: &Multiaddr) -> bool {
    let (mut named, mut found) = (pinned.iter(), location.iter());
    let is_same_host = match (named.next(), found.next()) {
        (Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)), Some(_)) => true,
        // Its records name whole addresses.
        (Some(Protocol::Dnsaddr(_)), Some(_)) => return true,
        (named, found) => named == found,
    };
    is_same_host && named.eq(found)
}

/// Dials to strangers that may be made now.
#[derive(Debug)]
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    const fn full(now: Instant) -> Self {
        Self { left: STRANGERS_AT_ONCE, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.since).as_millis();
        let earned = waited / STRANGERS_PACE.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(STRANGERS_AT_ONCE);
            self.since = now;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

type Connection = (PeerId, StreamMuxerBox);

/// A transport that dials only where it should.
pub(crate) struct Gate {
    inner: Boxed<Connection>,
    reach: watch::Receiver<Reach>,
    strangers: Allowance,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub(crate) fn new(
        inner: Boxed<Connection>,
        reach: watch::Receiver<Reach>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { inner, reach, strangers: Allowance::full(Instant::now()), metrics }
    }

    fn check(&mut self, address: &Multiaddr) -> io::Result<()> {
        let verdict = self.reach.borrow().judge(address);
        let refusal = match verdict {
            Verdict::Trusted => return Ok(()),
            Verdict::Stranger if self.strangers.take(Instant::now()) => return Ok(()),
            Verdict::Stranger => "too many dials at the word of strangers",
            Verdict::Refused => "not a public address (setting dial_private)",
        };
        self.metrics.dials_refused.increment();
        Err(io::Error::other(refusal))
    }
}

impl Transport for Gate {
    type Output = Connection;
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<Connection> as Transport>::ListenerUpgrade;
    type Dial = <Boxed<Connection> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        mut options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.check(&address).map_err(TransportError::Other)?;
        // Nothing here needs to come from the port that is listened on, and no dial at all would
        // succeed while that port is in use, or was a moment ago, at another address of the machine.
        if address.iter().any(|part| matches!(part, Protocol::Tcp(_))) {
            options.port_use = PortUse::New;
        }
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(ip: &str) -> Realm {
        Realm::of(ip.parse().unwrap())
    }

    fn addresses(list: &[&str]) -> Vec<Multiaddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    fn lives_at(list: &[&str]) -> HashSet<Realm> {
        realms_of(addresses(list).iter())
    }

    #[test]
    fn every_address_belongs_somewhere_however_it_is_written() {
        for (ip, expected) in [
            ("8.8.8.8", Realm::Global),
            ("127.0.0.1", Realm::Loopback),
            ("127.255.1.2", Realm::Loopback),
            ("10.1.2.3", Realm::Private10),
            ("172.15.0.1", Realm::Global),
            ("172.16.0.1", Realm::Private172),
            ("172.32.0.1", Realm::Global),
            ("192.168.0.1", Realm::Private192),
            ("100.64.0.1", Realm::Shared),
            ("100.128.0.1", Realm::Global),
            ("0.0.0.0", Realm::Nowhere),
            ("169.254.169.254", Realm::Nowhere),
            ("224.0.0.1", Realm::Nowhere),
            ("255.255.255.255", Realm::Nowhere),
            ("192.0.2.1", Realm::Bench),
            ("192.0.0.1", Realm::Nowhere),
            ("198.18.0.1", Realm::Bench),
            ("198.20.0.1", Realm::Global),
            ("2a00::1", Realm::Global),
            ("::1", Realm::Loopback),
            ("::", Realm::Nowhere),
            ("fd00::1", Realm::UniqueLocal),
            ("fe80::1", Realm::Nowhere),
            ("ff02::1", Realm::Nowhere),
            ("2001:db8::1", Realm::Bench),
            ("2001::1", Realm::Nowhere),
            ("::ffff:127.0.0.1", Realm::Loopback),
            ("::127.0.0.1", Realm::Nowhere),
            ("64:ff9b::10.0.0.1", Realm::Private10),
            ("64:ff9b::8.8.8.8", Realm::Global),
            ("64:ff9b:1::1", Realm::Nowhere),
            ("2002:7f00:1::", Realm::Loopback),
        ] {
            assert_eq!(realm(ip), expected, "{ip}");
        }
    }

    #[test]
    fn a_node_lives_where_it_announces_itself_unless_the_world_reaches_it() {
        let home = ["/ip4/192.168.1.5/tcp/1", "/ip6/2a00::1/tcp/1"];
        assert_eq!(lives_at(&home), [Realm::Private192].into());
        let rented = ["/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.5/tcp/1"];
        assert_eq!(lives_at(&rented), [].into());
        assert_eq!(lives_at(&["/dns4/node.example/tcp/1", "/ip4/10.0.0.5/tcp/1"]), [].into());
        let test = ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"];
        assert_eq!(lives_at(&test), [Realm::Loopback].into());
        assert_eq!(lives_at(&["/ip4/169.254.1.1/tcp/1"]), [].into());
    }

    #[test]
    fn a_name_of_the_operator_leads_where_it_leads_and_nowhere_else() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let pinned = addresses(&["/dns4/relay.lan/tcp/3005", "/ip4/192.168.1.7/tcp/1"]);
        let reach = Reach { pinned: [(peer, pinned)].into(), ..Reach::default() };
        let judge = |location: &str, peer: PeerId| {
            let location: Multiaddr = location.parse().unwrap();
            reach.judge(&location.with(Protocol::P2p(peer)))
        };
        assert_eq!(judge("/ip4/192.168.1.7/tcp/1", peer), Verdict::Trusted);
        assert_eq!(judge("/ip4/10.0.0.9/tcp/3005", peer), Verdict::Trusted);
        assert_eq!(judge("/ip4/10.0.0.9/tcp/22", peer), Verdict::Refused);
        assert_eq!(judge("/ip4/192.168.1.7/tcp/1", other), Verdict::Refused);
        assert_eq!(judge("/ip4/10.0.0.9/tcp/3005", other), Verdict::Refused);
        assert_eq!(judge("/ip4/8.8.8.8/tcp/22", other), Verdict::Stranger);
    }

    #[test]
    fn dials_to_strangers_are_earned_over_time_and_partners_are_none() {
        let now = Instant::now();
        let mut allowance = Allowance::full(now);
        let made = (0..1_000).filter(|_| allowance.take(now)).count();
        assert_eq!(made, STRANGERS_AT_ONCE as usize);
        assert!(allowance.take(now + STRANGERS_PACE));
        assert!(!allowance.take(now + STRANGERS_PACE));
        let later = now + Duration::from_secs(3_600);
        assert_eq!((0..1_000).filter(|_| allowance.take(later)).count(), made);

        let partner = PeerId::random();
        let reach = Reach { partners: [partner].into(), ..Reach::default() };
        let judge = |location: &str| {
            let location: Multiaddr = location.parse().unwrap();
            reach.judge(&location.with(Protocol::P2p(partner)))
        };
        assert_eq!(judge("/ip4/8.8.8.8/tcp/1"), Verdict::Trusted);
        // What it has at stake makes nobody's database its business.
        assert_eq!(judge("/ip4/127.0.0.1/tcp/5432"), Verdict::Refused);
    }
}
