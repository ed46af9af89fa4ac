//! Starts the two tasks of the service and connects them.

use std::sync::Arc;

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use engine::chain::BlockRef;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::ChainConfig;
use crate::endpoint::{Endpoint, verify};
use crate::error::ChainError;
use crate::event::Event;
use crate::handle::ChainHandle;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::rpc::Rpc;
use crate::status::{CallStatus, ChainStatus};
use crate::submitter::{Submitter, Wiring};
use crate::watcher::{Cursor, Watcher};

/// Events on their way to the node. Enough that a backfill does not wait for every commit.
const EVENTS: usize = 256;

/// The chain service.
#[derive(Debug)]
pub struct Chain;

impl Chain {
    /// Starts the service. It continues after `cursor`, the last block that the engine has
    /// applied; `recent` are applied blocks before it, for finding the common ancestor after a
    /// reorganisation. The tasks run on `tracker` until `cancel`.
    ///
    /// An endpoint that is down is no error: it is tried again and again, and reported.
    ///
    /// # Errors
    /// When the endpoint, the key or the journal cannot be used, when the endpoint serves
    /// another chain, or when a configured contract does not exist.
    pub async fn start(
        config: ChainConfig,
        cursor: Option<BlockRef>,
        recent: Vec<BlockRef>,
        journal: Box<dyn Journal>,
        cancel: CancellationToken,
        tracker: &TaskTracker,
    ) -> Result<(ChainHandle, mpsc::Receiver<Event>), ChainError> {
        let endpoint = Endpoint::parse(&config.endpoint)?;
        let signer = PrivateKeySigner::from_bytes(&B256::from(*config.key.bytes()))
            .map_err(|_| ChainError::Key)?;
        let account = signer.address();
        let metrics = Arc::new(Metrics::default());
        let (events, node) = mpsc::channel(EVENTS);
        // Without a bound of its own: every call is a row of the engine's outbox, which is
        // offered once, and a row that found no room here would wait for the next start.
        let (calls, inbox) = mpsc::unbounded_channel();
        let (connection, connected) = watch::channel(None);
        let delivered = ChainStatus { delivered: cursor, ..ChainStatus::default() };
        let (chain, chain_seen) = watch::channel(delivered);
        let (call_status, calls_seen) = watch::channel(CallStatus::default());

        let submitter = Submitter::new(
            config.clone(),
            signer,
            Arc::from(journal),
            Wiring {
                inbox,
                events: events.clone(),
                connection: connected.clone(),
                chain: chain_seen.clone(),
                status: call_status,
                metrics: Arc::clone(&metrics),
            },
        )?;
        let watcher = Watcher {
            endpoint: endpoint.clone(),
            cursor: Cursor::new(
                cursor,
                recent,
                config.confirmations,
                config.start_block,
                config.max_range,
            ),
            events,
            status: chain,
            connection,
            metrics: Arc::clone(&metrics),
            seen: None,
            config,
        };
        let first = watcher.first_connection().await?;
        let handle = ChainHandle {
            account,
            adjudicator: watcher.config.deployment.adjudicator,
            calls,
            connection: connected,
            chain: chain_seen,
            call_status: calls_seen,
            metrics,
        };
        info!(endpoint = endpoint.shown(), %account, "chain service starts");
        let stop = cancel.clone();
        tracker.spawn(async move { stop.run_until_cancelled(Box::pin(watcher.run(first))).await });
        tracker.spawn(async move { cancel.run_until_cancelled(Box::pin(submitter.run())).await });
        Ok((handle, node))
    }
}

impl Watcher {
    /// Tries the endpoint once, so that wrong settings are refused at start and not later.
    async fn first_connection(&self) -> Result<Option<Rpc>, ChainError> {
        match self.connect().await {
            Ok(rpc) => Ok(Some(rpc)),
            Err(error) if error.is_retryable() => {
                warn!(endpoint = self.endpoint.shown(), %error, "chain endpoint is not usable yet");
                self.status.send_modify(|status| status.set_down(error.to_string()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A connection to our chain.
    pub(crate) async fn connect(&self) -> Result<Rpc, ChainError> {
        let rpc = self.endpoint.connect().await?;
        verify(&rpc, &self.config.deployment, self.config.start_block).await?;
        Ok(rpc)
    }
}
