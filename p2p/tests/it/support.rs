//! Nodes to talk to, and a client that speaks the protocols but keeps no rule.

use std::{future::Future, iter, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    kad, noise,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use p2p::{Address, Bytes, Event, FrameToken, Metrics, P2p, P2pConfig, P2pHandle};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Far beyond what any step takes; reaching it is a failure.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until something that sends no event holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    })
    .await;
}

pub(crate) fn config(listen: &str) -> P2pConfig {
    P2pConfig {
        listen: vec![listen.parse().unwrap()],
        retry_base_ms: 20,
        search_base_ms: 50,
        search_max_ms: 500,
        ..P2pConfig::default()
    }
}

pub(crate) struct TestNode {
    pub(crate) handle: P2pHandle,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) shutdown: CancellationToken,
}

pub(crate) struct Frame {
    pub(crate) from: Address,
    pub(crate) token: FrameToken,
    pub(crate) messages: Vec<Bytes>,
}

impl TestNode {
    pub(crate) async fn start(key: u8, config: P2pConfig) -> Self {
        let shutdown = CancellationToken::new();
        let started = P2p::start(config, [key; 32], shutdown.clone());
        let (handle, events, task) = within("a start", started).await.unwrap();
        Self { handle, events, task, shutdown }
    }

    pub(crate) async fn tcp(key: u8) -> Self {
        Self::start(key, config(TCP)).await
    }

    pub(crate) async fn with_boot(key: u8, boot: &Self) -> Self {
        let boot_peers = vec![boot.full_address().await];
        Self::start(key, P2pConfig { boot_peers, ..config(TCP) }).await
    }

    pub(crate) fn address(&self) -> Address {
        self.handle.address()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.handle.metrics()
    }

    pub(crate) async fn full_address(&self) -> Multiaddr {
        self.handle.listen_addresses().await.unwrap().remove(0)
    }

    pub(crate) async fn meet(&self, other: &Self) {
        self.handle.add_peer(other.full_address().await).unwrap();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        within("the end of the task", self.task).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Event {
        within("an event", self.events.recv()).await.expect("the event loop runs")
    }

    /// The next event that is not about connections.
    pub(crate) async fn next_word(&mut self) -> Event {
        loop {
            match self.next().await {
                Event::PeerUp(_) | Event::PeerDown(_) => {}
                event => return event,
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        match self.next_word().await {
            Event::Frame { from, token, messages } => Frame { from, token, messages },
            other => panic!("expected a frame, heard {other:?}"),
        }
    }

    pub(crate) async fn delivered(&mut self) -> (Address, u64) {
        match self.next_word().await {
            Event::Delivered { to, up_to } => (to, up_to),
            other => panic!("expected a delivery, heard {other:?}"),
        }
    }

    pub(crate) async fn answered(&mut self) -> (Address, Vec<p2p::Bytes>) {
        match self.next_word().await {
            Event::Answered { by, answers } => (by, answers),
            other => panic!("expected answers, heard {other:?}"),
        }
    }

    pub(crate) async fn peer_up(&mut self, peer: Address) {
        while self.next().await != Event::PeerUp(peer) {}
    }

    pub(crate) async fn peer_down(&mut self, peer: Address) {
        while self.next().await != Event::PeerDown(peer) {}
    }
}

/// Requests and responses are whatever bytes the test wants.
#[derive(Clone, Default)]
pub(crate) struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn read_response<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(protocol, io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        // A node that has heard enough stops reading, and then writing fails; what it answers
        // is what counts.
        let _ = io.write_all(&bytes).await;
        Ok(())
    }

    async fn write_response<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write_request(protocol, io, bytes).await
    }
}

#[derive(NetworkBehaviour)]
pub(crate) struct Raw {
    pub(crate) frames: request_response::Behaviour<RawCodec>,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) identify: identify::Behaviour,
}

pub(crate) fn raw_client(keypair: Keypair) -> Swarm<Raw> {
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| {
            let id = key.public().to_peer_id();
            let mut kad = kad::Behaviour::with_config(
                id,
                kad::store::MemoryStore::new(id),
                kad::Config::new(StreamProtocol::new(p2p::discovery::KAD_PROTOCOL)),
            );
            kad.set_mode(Some(kad::Mode::Server));
            let identify = identify::Config::new("raw".to_owned(), key.public());
            let protocol = StreamProtocol::new(p2p::messages::FRAME_PROTOCOL);
            let frames = request_response::Behaviour::with_codec(
                RawCodec,
                iter::once((protocol, ProtocolSupport::Full)),
                request_response::Config::default(),
            );
            Raw { frames, kad, identify: identify::Behaviour::new(identify) }
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(LIMIT))
        .build()
}

/// A key as libp2p wants it.
pub(crate) fn keypair(byte: u8) -> Keypair {
    let secret = libp2p::identity::secp256k1::SecretKey::try_from_bytes([byte; 32]).unwrap();
    libp2p::identity::secp256k1::Keypair::from(secret).into()
}

pub(crate) fn address_of(keypair: &Keypair) -> Address {
    p2p::address_of(&keypair.public().to_peer_id()).unwrap()
}

/// Polls the client until an event of interest.
pub(crate) async fn drive<T>(
    what: &str,
    client: &mut Swarm<Raw>,
    mut pick: impl FnMut(SwarmEvent<RawEvent>) -> Option<T>,
) -> T {
    within(what, async {
        loop {
            if let Some(value) = pick(client.select_next_some().await) {
                return value;
            }
        }
    })
    .await
}

pub(crate) async fn connect(client: &mut Swarm<Raw>, node: &TestNode) -> PeerId {
    client.dial(node.full_address().await).unwrap();
    drive("a connection", client, |event| match event {
        SwarmEvent::ConnectionEstablished { peer_id, .. } => Some(peer_id),
        _ => None,
    })
    .await
}

/// Sends bytes as a frame and returns the answer, or nothing if there was none.
pub(crate) async fn request(
    client: &mut Swarm<Raw>,
    node: PeerId,
    bytes: Vec<u8>,
) -> Option<Vec<u8>> {
    client.behaviour_mut().frames.send_request(&node, bytes);
    next_response(client).await
}

pub(crate) async fn next_response(client: &mut Swarm<Raw>) -> Option<Vec<u8>> {
    use request_response::{Event::*, Message::Response};
    drive("an answer", client, |event| match event {
        SwarmEvent::Behaviour(RawEvent::Frames(Message {
            message: Response { response, .. },
            ..
        })) => Some(Some(response)),
        SwarmEvent::Behaviour(RawEvent::Frames(OutboundFailure { .. })) => Some(None),
        _ => None,
    })
    .await
}
