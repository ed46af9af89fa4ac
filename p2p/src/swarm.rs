//! Transports and the swarm.

use std::time::Duration;

use libp2p::{Swarm, SwarmBuilder, core::upgrade, noise, tcp, yamux};

use crate::{behaviour::Behaviour, config::P2pConfig, error::P2pError, identity::Identity, limits};

/// A handshake on a bad line takes a few seconds; a slower one only holds a slot.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Inbound streams of a connection whose protocol is not agreed yet.
const MAX_NEGOTIATING: usize = 32;
/// Bytes that a QUIC peer may send ahead of the reader: two whole frames per stream.
const QUIC_STREAM_WINDOW: u32 = 512 * 1024;
/// Bytes that a QUIC peer may send ahead of the reader over all its streams.
const QUIC_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

pub(crate) fn build(config: &P2pConfig, identity: &Identity) -> Result<Swarm<Behaviour>, P2pError> {
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(limits::MAX_STREAMS);
    let behaviour = Behaviour::new(config, identity);
    let swarm = SwarmBuilder::with_existing_identity(identity.keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, || muxer)
        .map_err(|error| P2pError::Transport(error.to_string()))?
        .with_quic_config(|mut quic| {
            quic.handshake_timeout = HANDSHAKE_TIMEOUT;
            quic.max_concurrent_stream_limit = limits::MAX_STREAMS as u32;
            quic.max_stream_data = QUIC_STREAM_WINDOW;
            quic.max_connection_data = QUIC_CONNECTION_WINDOW;
            quic
        })
        .with_dns()
        .map_err(|error| P2pError::Transport(error.to_string()))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| P2pError::Transport(error.to_string()))?
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(config.idle_timeout())
                .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
                // A frame leaves together with the name of its protocol. Waiting for the peer to
                // agree to the name first would make each message take three trips instead of one.
                .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy)
        })
        .with_connection_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Ok(swarm)
}
