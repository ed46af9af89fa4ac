//! What an operator may choose, and why the defaults are what they are.

use std::time::Duration;

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

/// The port of the reference implementation, so that firewalls need no new rule.
const DEFAULT_PORT: u16 = 3005;
/// A connection costs at most a few hundred KiB idle and about 2 MiB under attack, which
/// keeps the worst case of the default within a small machine's memory.
const DEFAULT_MAX_CONNECTIONS: u32 = 256;
/// A household or an office behind one address, and an eighth of what there is for strangers. A block
/// of neighbouring hosts has twice as many.
const DEFAULT_MAX_CONNECTIONS_PER_HOST: u32 = 32;
/// Two peers that dial each other at once have two; a third covers a reconnect in progress.
const DEFAULT_MAX_CONNECTIONS_PER_PEER: u32 = 3;
/// Handshakes in progress. Each is a few KiB for at most five seconds; with this many, a flood of fifty
/// a second leaves everybody's handshake all of its time.
const DEFAULT_MAX_PENDING: u32 = 256;
/// Longer than any honest commit, short enough to notice a stuck peer within one payment.
const DEFAULT_RESPONSE_TIMEOUT_MS: u64 = 15_000;
/// A first retry that a person does not notice.
const DEFAULT_RETRY_BASE_MS: u64 = 100;
/// A peer that is back is used again within seconds.
const DEFAULT_RETRY_MAX_MS: u64 = 10_000;
/// A search costs other nodes work, so it starts slower than a resend.
const DEFAULT_SEARCH_BASE_MS: u64 = 1_000;
/// An absent peer is asked for once a minute.
const DEFAULT_SEARCH_MAX_MS: u64 = 60_000;
/// Half as long again as a node waits for such peers itself, by default: this bound is for others
/// who send, and for names without number.
const DEFAULT_STRANGER_PATIENCE_SECS: u64 = 3 * 24 * 3_600;
/// Well below the life of an address record, so that two lost publications do no harm.
const DEFAULT_REPUBLISH_SECS: u64 = 3_600;
/// Peers behind a router cannot be dialled again, so their connections are kept long.
const DEFAULT_IDLE_TIMEOUT_SECS: u64 = 3_600;

/// Settings of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Where to listen; port 0 lets the system choose. Empty means outgoing only.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node when they differ from those listened on: a host,
    /// and `/tcp/<port>` or `/udp/<port>/quic-v1`. This node's own `/p2p/<peer id>` may follow.
    pub external_addresses: Vec<Multiaddr>,
    /// First contacts, each with a trailing `/p2p/<peer id>`; retried for ever.
    pub boot_peers: Vec<Multiaddr>,
    /// Addresses of peers known in advance, each with a trailing `/p2p/<peer id>`; dialled
    /// only when there is something to send.
    pub peers: Vec<Multiaddr>,
    /// Dial addresses that are not public also when others name them: loopback, private networks
    /// and those of a provider. A node whose own addresses are all of one such kind, in a home or on
    /// a test bench, dials that kind anyway.
    pub dial_private: bool,
    /// Connections held in all, partners in channels and boot peers not counted: they always find
    /// room.
    pub max_connections: u32,
    /// Connections that strangers at one host may make; twice as many may come from one block of
    /// hosts (IPv4 /24, IPv6 /48). An IPv6 /64 is one host.
    pub max_connections_per_host: u32,
    /// Connections held with one peer.
    pub max_connections_per_peer: u32,
    /// Handshakes in progress, for each direction. An incoming one beyond it ends the oldest from
    /// the most crowded place.
    pub max_pending_connections: u32,
    /// How long a peer may take to commit and acknowledge a frame before it is sent again.
    pub response_timeout_ms: u64,
    /// First wait before a frame is sent again.
    pub retry_base_ms: u64,
    /// Longest wait before a frame is sent again.
    pub retry_max_ms: u64,
    /// First wait before a peer that could not be reached is searched for again.
    pub search_base_ms: u64,
    /// Longest wait before a peer that could not be reached is searched for again.
    pub search_max_ms: u64,
    /// How long messages wait for a peer that is neither a partner in a channel nor named by the
    /// operator, before they are dropped.
    pub stranger_patience_secs: u64,
    /// How often the own address record is published again.
    pub republish_secs: u64,
    /// How long a connection without any traffic is kept.
    pub idle_timeout_secs: u64,
}

impl Default for P2pConfig {
    fn default() -> Self {
        let any = Multiaddr::from(std::net::Ipv4Addr::UNSPECIFIED);
        let tcp = any.clone().with(libp2p::multiaddr::Protocol::Tcp(DEFAULT_PORT));
        let quic = any
            .with(libp2p::multiaddr::Protocol::Udp(DEFAULT_PORT))
            .with(libp2p::multiaddr::Protocol::QuicV1);
        Self {
            listen: vec![tcp, quic],
            external_addresses: Vec::new(),
            boot_peers: Vec::new(),
            peers: Vec::new(),
            dial_private: false,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_connections_per_host: DEFAULT_MAX_CONNECTIONS_PER_HOST,
            max_connections_per_peer: DEFAULT_MAX_CONNECTIONS_PER_PEER,
            max_pending_connections: DEFAULT_MAX_PENDING,
            response_timeout_ms: DEFAULT_RESPONSE_TIMEOUT_MS,
            retry_base_ms: DEFAULT_RETRY_BASE_MS,
            retry_max_ms: DEFAULT_RETRY_MAX_MS,
            search_base_ms: DEFAULT_SEARCH_BASE_MS,
            search_max_ms: DEFAULT_SEARCH_MAX_MS,
            stranger_patience_secs: DEFAULT_STRANGER_PATIENCE_SECS,
            republish_secs: DEFAULT_REPUBLISH_SECS,
            idle_timeout_secs: DEFAULT_IDLE_TIMEOUT_SECS,
        }
    }
}

impl P2pConfig {
    pub(crate) const fn response_timeout(&self) -> Duration {
        Duration::from_millis(self.response_timeout_ms)
    }

    pub(crate) const fn stranger_patience(&self) -> Duration {
        Duration::from_secs(self.stranger_patience_secs)
    }

    pub(crate) const fn republish(&self) -> Duration {
        Duration::from_secs(self.republish_secs)
    }

    pub(crate) const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_secs)
    }
}
