//! The JSON-RPC server for programs on this machine: HTTP and WebSocket on one loopback port, and on a
//! socket file in the node's folder for its owner.
//!
//! ```text
//!   program ──> door ──> hall ──> guard ──> jsonrpsee ──> methods ──> NodeHandle ──> engine
//!                       places  host, origin,  limits    parse, ask,       │
//!                                  token                   convert      updates ──> subscriptions
//! ```
//!
//! Methods are thin: they read named parameters, ask the node and convert the answer. No input of
//! a caller can stop the node (gap R1): whatever is wrong becomes a refusal with a stable code.

pub mod accounts;
mod answered;
mod convert;
mod door;
mod error;
mod fields;
mod guard;
mod hall;
mod methods;
mod subscriptions;
mod token;
pub mod types;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, Methods, PingConfig, RegisterMethodError, RpcModule, Server, ServerConfig,
    ServerHandle, stop_channel,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use answered::AnsweredLayer;
use door::{Door, Listener};
use guard::Rules;
use hall::Hall;

pub use error::{
    ARCHIVE, CHAIN, INTERRUPTED, INVALID_PARAMS, NOTHING_OWED, OUTCOME_UNKNOWN, PEER_NOT_FOUND,
    PEER_UNREACHABLE, Refusal, RefusalData, SEND_REFUSED, STOPPING, TIMED_OUT, TOWER_REFUSED,
};

pub use token::Token;

pub(crate) use door::connect;

use crate::config::RpcSection;
use crate::handle::NodeHandle;
use crate::vital::panicked;

/// How long calls in progress may take when the server stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What methods work with.
pub(crate) struct Api {
    pub(crate) node: NodeHandle,
    /// Challenge duration of channels whose request names none.
    pub(crate) challenge_duration: u32,
    pub(crate) started: Instant,
    /// Cancelled to stop the whole node, by the method `nitro_stop`.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the server stops, so that nobody waits any longer.
    pub(crate) closing: CancellationToken,
    /// Calls that may wait for something at the same time.
    pub(crate) waiting: Arc<Semaphore>,
}

/// What the server is told beside its settings.
#[derive(Clone, Debug)]
pub struct RpcOptions {
    /// What callers must show.
    pub token: Token,
    /// Where the socket file for the owner is made, when there shall be one. Nobody else may use its
    /// folder.
    pub socket: Option<PathBuf>,
    /// Challenge duration of channels whose request names none.
    pub challenge_duration: u32,
    /// Cancelled when a caller asks the node to stop.
    pub stop: CancellationToken,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address is taken or not ours.
    #[error("rpc.listen {address}: cannot listen there")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The socket file cannot be made.
    #[error("the socket {}", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Two methods of one name.
    #[error("rpc: methods")]
    Method(#[from] RegisterMethodError),
}

/// A running server.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    socket: Option<PathBuf>,
    server: ServerHandle,
    doors: JoinSet<()>,
    closing: CancellationToken,
}

impl RpcServer {
    /// Listens and serves `node`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        settings: &RpcSection,
        options: RpcOptions,
        node: NodeHandle,
    ) -> Result<Self, RpcError> {
        let closing = CancellationToken::new();
        let listen = |source| RpcError::Listen { address: settings.listen, source };
        let tcp = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;
        let rules = Rules::Strict {
            token: options.token,
            allowed_origins: settings.allowed_origins.clone(),
        };
        let mut listeners = vec![(Listener::Tcp(tcp), rules)];
        if let Some(path) = &options.socket {
            let unix = Listener::unix(path)
                .map_err(|source| RpcError::Socket { path: path.clone(), source })?;
            listeners.push((unix, Rules::Trusting));
        }
        let (stop, server) = stop_channel();
        let mut doors = JoinSet::new();
        for (listener, rules) in listeners {
            // Each door has places of its own: programs cannot shut the owner out.
            let api = Api {
                node: node.clone(),
                challenge_duration: options.challenge_duration,
                started: Instant::now(),
                stop: options.stop.clone(),
                closing: closing.clone(),
                waiting: Arc::new(Semaphore::new(max_waiting(settings.max_connections))),
            };
            let door = Door {
                listener,
                rules: Arc::new(rules),
                hall: Hall::new(settings.max_connections),
                service: Server::builder()
                    .set_config(limits(settings))
                    .set_rpc_middleware(RpcServiceBuilder::new().layer(AnsweredLayer))
                    .to_service_builder(),
                methods: methods(api)?,
            };
            doors.spawn(door.serve(stop.clone()));
        }
        Ok(Self { address, socket: options.socket, server, doors, closing })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when nobody is let in any more, although nobody has stopped the server.
    pub async fn ended(&mut self) -> String {
        match self.doors.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                panicked("the RPC server", &*error.into_panic())
            }
            _ => "the RPC server has ended".to_owned(),
        }
    }

    /// Takes no more calls, and gives those in progress a moment.
    pub async fn shutdown(self) {
        self.closing.cancel();
        if self.server.stop().is_ok()
            && tokio::time::timeout(STOP_LIMIT, self.server.stopped()).await.is_err()
        {
            tracing::warn!(limit = ?STOP_LIMIT, "calls in progress are cut off");
        }
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn methods(api: Api) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(api);
    methods::register(&mut module)?;
    subscriptions::register(&mut module)?;
    Ok(module.into())
}

fn limits(settings: &RpcSection) -> ServerConfig {
    ServerConfig::builder()
        .max_connections(settings.max_connections)
        .max_request_body_size(settings.max_request_bytes)
        .max_response_body_size(settings.max_response_bytes)
        .max_subscriptions_per_connection(settings.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(settings.max_batch))
        .set_message_buffer_capacity(settings.max_queue)
        .enable_ws_ping(PingConfig::new())
        .build()
}

/// Half of the connections: whoever waits leaves the others to those who only ask.
fn max_waiting(connections: u32) -> usize {
    usize::try_from(connections.div_ceil(2)).unwrap_or(Semaphore::MAX_PERMITS)
}

/// Descriptors that the connections of all doors take at most.
pub(crate) fn descriptors(settings: &RpcSection) -> u64 {
    const DOORS: u64 = 2;
    let lobby = u64::try_from(hall::LOBBY).unwrap_or(u64::MAX);
    DOORS.saturating_mul(lobby.saturating_add(settings.max_connections.into()))
}
