//! The end: say what was promised, close, and be done within a bound.

use std::time::Duration;

use futures::StreamExt;
use libp2p::PeerId;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::EventLoop;

/// For acknowledgements that the node gave before it stopped.
const FLUSH_LIMIT: Duration = Duration::from_millis(1500);
/// Between the last response and the end of the connections. A peer that reads both at once
/// notices the end first and drops the response unread; it would send the frame again, but to
/// a node that is gone.
const LINGER: Duration = Duration::from_millis(100);
/// For telling every peer that the connection ends.
const CLOSE_LIMIT: Duration = Duration::from_millis(1000);

impl EventLoop {
    pub(super) async fn stop(&mut self) {
        // Commands given before the end are carried out; later ones fail at the caller.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.handle_command(command);
        }
        for id in std::mem::take(&mut self.listeners).into_keys() {
            self.swarm.remove_listener(id);
        }
        self.flush_responses().await;
        self.linger().await;
        self.close_connections().await;
        info!("network down");
    }

    async fn flush_responses(&mut self) {
        let deadline = Instant::now() + FLUSH_LIMIT;
        while !self.leaving.is_empty() {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(event) => self.handle_swarm_event(event),
                Err(_) => {
                    // The peers will send those frames again; nothing is lost.
                    warn!(responses = self.leaving.len(), "responses not flushed at shutdown");
                    return;
                }
            }
        }
    }

    async fn linger(&mut self) {
        let deadline = Instant::now() + LINGER;
        while !self.links.is_empty() {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(event) => self.handle_swarm_event(event),
                Err(_) => return,
            }
        }
    }

    async fn close_connections(&mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // Already closing is as good.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let deadline = Instant::now() + CLOSE_LIMIT;
        while self.swarm.connected_peers().next().is_some() {
            if timeout_at(deadline, self.swarm.select_next_some()).await.is_err() {
                warn!("connections not closed in time at shutdown");
                return;
            }
        }
    }
}
