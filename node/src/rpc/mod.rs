//! The JSON-RPC server for programs on this machine: HTTP and WebSocket on one loopback port.
//!
//! ```text
//!   program ──> guard ──> jsonrpsee ──> methods ──> NodeHandle ──> engine
//!            host, origin,  limits     parse, ask,       │
//!               token                    convert      updates ──> subscriptions
//! ```
//!
//! Methods are thin: they read named parameters, ask the node and convert the answer. No input of
//! a caller can stop the node (gap R1): whatever is wrong becomes a refusal with a stable code.

mod convert;
mod error;
mod fields;
mod guard;
mod methods;
mod subscriptions;
pub mod types;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, RegisterMethodError, RpcModule, Server, ServerConfig,
    ServerHandle,
};
use tokio_util::sync::CancellationToken;

pub use error::{
    ARCHIVE, CHAIN, INTERRUPTED, INVALID_PARAMS, OUTCOME_UNKNOWN, PEER_NOT_FOUND, PEER_UNREACHABLE,
    Refusal, RefusalData, STOPPING, TIMED_OUT, TOWER_REFUSED,
};

use crate::config::RpcSection;
use crate::handle::NodeHandle;

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
}

/// What the server is told beside its settings.
#[derive(Clone)]
pub struct RpcOptions {
    /// What callers must show.
    pub token: String,
    /// Challenge duration of channels whose request names none.
    pub challenge_duration: u32,
    /// Cancelled when a caller asks the node to stop.
    pub stop: CancellationToken,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address is taken or not ours.
    #[error("rpc.listen {address}: {error}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// Two methods of one name.
    #[error("rpc: {0}")]
    Method(#[from] RegisterMethodError),
}

/// A running server.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    server: ServerHandle,
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
        let api = Api {
            node,
            challenge_duration: options.challenge_duration,
            started: Instant::now(),
            stop: options.stop,
            closing: closing.clone(),
        };
        let mut module = RpcModule::new(api);
        methods::register(&mut module)?;
        subscriptions::register(&mut module)?;

        let guard = guard::GuardLayer::new(options.token, settings.allowed_origins.clone());
        let config = ServerConfig::builder()
            .max_connections(settings.max_connections)
            .max_request_body_size(settings.max_request_bytes)
            .max_response_body_size(settings.max_response_bytes)
            .max_subscriptions_per_connection(settings.max_subscriptions)
            .set_batch_request_config(BatchRequestConfig::Limit(settings.max_batch))
            .set_message_buffer_capacity(settings.max_queue)
            .enable_ws_ping(PingConfig::new())
            .build();
        let listen = |error| RpcError::Listen { address: settings.listen, error };
        let server = Server::builder()
            .set_config(config)
            .set_http_middleware(tower::ServiceBuilder::new().layer(guard))
            .build(settings.listen)
            .await
            .map_err(listen)?;
        let address = server.local_addr().map_err(listen)?;
        Ok(Self { address, server: server.start(module), closing })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more calls, and gives those in progress a moment.
    pub async fn shutdown(self) {
        self.closing.cancel();
        if self.server.stop().is_ok()
            && tokio::time::timeout(STOP_LIMIT, self.server.stopped()).await.is_err()
        {
            tracing::warn!(limit = ?STOP_LIMIT, "calls in progress are cut off");
        }
    }
}
