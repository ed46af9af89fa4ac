//! Starts the network.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::P2pConfig, error::P2pError, event::Event, event_loop::EventLoop, handle::P2pHandle,
    identity::Identity, limits::EVENT_QUEUE, metrics::Metrics,
};

/// Starts the network.
#[derive(Debug)]
pub struct P2p;

impl P2p {
    /// Listens, and runs the event loop as a task until `shutdown` is cancelled.
    ///
    /// When this returns, every configured address is bound and listed, though a wildcard may
    /// not show all its interfaces yet. The task ends within [`P2p::SHUTDOWN_LIMIT`] of the
    /// cancellation, and acknowledgements given before it still leave; a peer that misses one
    /// sends the frame again. Dropping the event
    /// receiver or every handle ends the task too: nobody could settle frames.
    pub async fn start(
        config: P2pConfig,
        secret_key: [u8; 32],
        shutdown: CancellationToken,
    ) -> Result<(P2pHandle, mpsc::Receiver<Event>, JoinHandle<()>), P2pError> {
        let identity = Identity::new(secret_key)?;
        let metrics = Arc::new(Metrics::default());
        // Unbounded, because sending must neither block nor fail: the sum of what is queued is
        // the caller's outbox, which the caller bounds.
        let (command_sender, commands) = mpsc::unbounded_channel();
        let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
        let handle = P2pHandle::new(command_sender, Arc::clone(&metrics), &identity);
        let mut event_loop =
            EventLoop::new(config, identity, commands, event_sender, metrics, shutdown)?;
        event_loop.listen().await?;
        Ok((handle, events, tokio::spawn(Box::pin(event_loop.run()))))
    }

    /// The longest that the event loop takes to end.
    pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);
}
