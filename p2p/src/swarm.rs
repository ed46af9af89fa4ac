//! Transports and the swarm.

use std::{collections::HashSet, sync::Arc, time::Duration};

use libp2p::{
    PeerId, Swarm, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade,
    },
    dns, noise, quic, swarm, tcp, yamux,
};
use tokio::sync::watch;

use crate::{
    admission::{
        handshakes::{self, Handshakes},
        host::Host,
    },
    behaviour::Behaviour,
    config::P2pConfig,
    error::P2pError,
    identity::Identity,
    limits,
    metrics::Metrics,
    reach::{Gate, Reach},
};

/// Resolving a name and a handshake on a bad line take a few seconds.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Inbound streams of a connection whose protocol is not agreed yet.
const MAX_NEGOTIATING: usize = 32;
/// Bytes that a QUIC peer may send ahead of the reader: two whole frames per stream.
const QUIC_STREAM_WINDOW: u32 = 512 * 1024;
/// Bytes that a QUIC peer may send ahead of the reader over all its streams.
const QUIC_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Builds the swarm; `familiar` says at which hosts partners have been, and `reach` whom to dial.
pub(crate) fn build(
    config: &P2pConfig,
    identity: &Identity,
    familiar: watch::Receiver<HashSet<Host>>,
    reach: watch::Receiver<Reach>,
    metrics: &Arc<Metrics>,
) -> Result<Swarm<Behaviour>, P2pError> {
    let places = usize::try_from(config.max_pending_connections).unwrap_or(usize::MAX);
    let transport = transport(identity, reach, Arc::clone(metrics))?;
    let transport = Handshakes::new(transport, places, familiar, Arc::clone(metrics)).boxed();
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.idle_timeout())
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        // A frame leaves together with the name of its protocol. Waiting for the peer to
        // agree to the name first would make each message take three trips instead of one.
        .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy);
    Ok(Swarm::new(transport, Behaviour::new(config, identity), identity.peer_id, settings))
}

/// TCP and QUIC, each under a name or an address.
fn transport(
    identity: &Identity,
    reach: watch::Receiver<Reach>,
    metrics: Arc<Metrics>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, P2pError> {
    let failed = |error: &dyn std::error::Error| P2pError::Transport(error.to_string());
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(limits::MAX_STREAMS);
    let noise = noise::Config::new(&identity.keypair).map_err(|error| failed(&error))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise)
        .multiplex(muxer)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));

    let mut settings = quic::Config::new(&identity.keypair);
    settings.handshake_timeout = DIAL_TIMEOUT.max(handshakes::TIMEOUT);
    settings.max_concurrent_stream_limit = limits::MAX_STREAMS as u32;
    settings.max_stream_data = QUIC_STREAM_WINDOW;
    settings.max_connection_data = QUIC_CONNECTION_WINDOW;
    let quic = quic::tokio::Transport::new(settings)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));

    let either = tcp.or_transport(quic).map(|either, _| either.into_inner());
    let gate = Gate::new(either.boxed(), reach, metrics);
    let named = dns::tokio::Transport::system(gate).map_err(|error| failed(&error))?;
    Ok(TransportTimeout::with_outgoing_timeout(named, DIAL_TIMEOUT).boxed())
}
