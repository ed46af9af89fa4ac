//! The protocols that one swarm speaks. Gossip and relaying would be further fields.

use std::{iter, num::NonZeroUsize, time::Duration};

use libp2p::{
    StreamProtocol, allow_block_list, identify, kad, ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use crate::{
    admission::connections::Admission,
    config::P2pConfig,
    discovery::{KAD_PROTOCOL, record},
    identity::Identity,
    limits,
    messages::{FRAME_PROTOCOL, codec::FrameCodec},
};

/// Told to others by identify; says which family of protocols this is.
const PROTOCOL_VERSION: &str = "nitro/1";
/// Addresses of other nodes kept for them, a few hundred bytes each.
pub(crate) const MAX_RECORDS: usize = 4096;
/// Beyond our own deadline of a frame, so that a late answer still counts.
const LATE_ANSWER: Duration = Duration::from_secs(5);
/// A lookup among thousands of nodes takes a few round trips; dead ones must not hold it.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(20);
/// A record is a few hundred bytes and an answer names at most twenty peers.
const MAX_KAD_PACKET: usize = 16 * 1024;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First, so that nothing else learns of a connection that it turns away.
    pub(crate) admission: Admission,
    pub(crate) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) frames: request_response::Behaviour<FrameCodec>,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
}

impl Behaviour {
    pub(crate) fn new(config: &P2pConfig, identity: &Identity) -> Self {
        Self {
            admission: Admission::new(config),
            blocked: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(
                identify::Config::new(PROTOCOL_VERSION.to_owned(), identity.keypair.public())
                    .with_agent_version(concat!("nitro/", env!("CARGO_PKG_VERSION")).to_owned())
                    .with_push_listen_addr_updates(true)
                    // The address book keeps what identify learns, and knows how to forget it.
                    .with_cache_size(0),
            ),
            ping: ping::Behaviour::default(),
            frames: request_response::Behaviour::with_codec(
                FrameCodec,
                iter::once((StreamProtocol::new(FRAME_PROTOCOL), ProtocolSupport::Full)),
                request_response::Config::default()
                    .with_request_timeout(config.response_timeout() + LATE_ANSWER)
                    .with_max_concurrent_streams(limits::MAX_FRAME_STREAMS),
            ),
            kad: kademlia(identity),
        }
    }
}

fn kademlia(identity: &Identity) -> kad::Behaviour<kad::store::MemoryStore> {
    let store = kad::store::MemoryStore::with_config(
        identity.peer_id,
        kad::store::MemoryStoreConfig {
            max_records: MAX_RECORDS,
            max_value_bytes: record::MAX_RECORD_BYTES + 1,
            // Nobody provides anything here.
            max_providers_per_key: 0,
            max_provided_keys: 0,
        },
    );
    let mut config = kad::Config::new(StreamProtocol::new(KAD_PROTOCOL));
    config
        .set_query_timeout(QUERY_TIMEOUT)
        .set_max_packet_size(MAX_KAD_PACKET)
        // Nothing is stored before the event loop has checked it.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(Some(record::MAX_AGE))
        // Owners publish their own record, freshly signed; records of others are not passed
        // on, which is what makes "only the owner may put it" a rule that can be checked.
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        // Several answers per lookup: one liar does not decide it.
        .disjoint_query_paths(true)
        .set_parallelism(NonZeroUsize::new(3).expect("three is not zero"));
    let mut kad = kad::Behaviour::with_config(identity.peer_id, store, config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}
