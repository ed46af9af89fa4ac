//! From the network to the engine's inbox: decodes and checks peers' messages on a worker pool, so
//! that the engine thread neither parses hostile bytes nor recovers signatures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::effect::Offence;
use engine::input::Input;
use engine::types::{Address, MessageId};
use engine::wire::{self, Envelope};
use p2p::{Event, P2pHandle};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::engine_thread::{Job, weight};
use crate::partners::Located;
use crate::tower::TowerHandle;

/// What has come in since the start.
#[derive(Debug, Default)]
pub struct IntakeMetrics {
    /// Frames handed to the engine.
    pub frames: AtomicU64,
    /// Messages handed to the engine.
    pub messages: AtomicU64,
    /// Messages dropped because they are not messages of this protocol, or carry no signatures.
    pub malformed: AtomicU64,
}

/// What the network tells, and where it goes as far as it is not for the engine.
pub(crate) struct Network {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) located: mpsc::Sender<Located>,
}

/// Forwards network events until the network or the engine ends, or the node shuts down.
pub(crate) async fn run(
    mut network: Network,
    inbox: mpsc::Sender<Job>,
    p2p: P2pHandle,
    tower: Option<TowerHandle>,
    metrics: Arc<IntakeMetrics>,
    shutdown: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = network.events.recv() => event,
        };
        let Some(event) = event else { return };
        let job = match event {
            Event::Frame { from, token, messages } => {
                let (p2p, inbox, metrics) = (p2p.clone(), inbox.clone(), Arc::clone(&metrics));
                let tower = tower.clone();
                // A peer has one frame under way, so its messages stay in order.
                on_pool(move || {
                    let envelopes = open(from, &messages, &p2p, &metrics);
                    // A tower passes on what is not for it, once what is for it is durable.
                    let rest = match tower {
                        Some(tower) => tower.offer(from, token, envelopes),
                        None => Some((token, envelopes)),
                    };
                    if let Some((token, envelopes)) = rest {
                        let _ = inbox.blocking_send(Job::Frame(token, envelopes));
                    }
                });
                continue;
            }
            // Refusals, which carry no signature, and one word for each channel that we have paid over.
            Event::Answered { by, answers } => {
                let envelopes = open(by, &answers, &p2p, &metrics);
                Job::Input(Box::new(Input::Answered(envelopes)))
            }
            Event::Delivered { to, up_to } => {
                Job::Input(Box::new(Input::Delivered(to, MessageId(up_to))))
            }
            Event::Refused { to, up_to, reason } => {
                // An honest peer of this version refuses no frame. Asking again would get the
                // same answer, and whatever depends on it is given up at its deadline.
                warn!(peer = %to, up_to, reason, "peer refuses our messages; they are dropped");
                Job::Input(Box::new(Input::Delivered(to, MessageId(up_to))))
            }
            // It is a stranger, and nothing that this node has at stake depends on it.
            Event::Expired { to, up_to } => {
                info!(peer = %to, up_to, "nobody came for our messages; they are dropped");
                Job::Input(Box::new(Input::Delivered(to, MessageId(up_to))))
            }
            Event::Located { peer, record } => {
                // Beyond the bound it is told again, and nothing but an address is missed.
                let _ = network.located.try_send((peer, record));
                continue;
            }
            Event::PeerUp(peer) => {
                info!(%peer, "peer connected");
                continue;
            }
            Event::PeerDown(peer) => {
                info!(%peer, "peer disconnected");
                continue;
            }
        };
        if inbox.send(job).await.is_err() {
            return;
        }
    }
}

/// Runs work on the pool. A bug that a message meets there costs the message, which is not
/// acknowledged, and not the node: the pool would end the process.
pub(crate) fn on_pool(work: impl FnOnce() + Send + 'static) {
    rayon::spawn(move || {
        // The panic is logged where it happens.
        let _ = catch_unwind(AssertUnwindSafe(work));
    });
}

/// Opens what opens; the rest is dropped, counted and held against the peer.
fn open(
    from: Address,
    messages: &[impl AsRef<[u8]> + Sync],
    p2p: &P2pHandle,
    metrics: &IntakeMetrics,
) -> Vec<Envelope> {
    let opened: Vec<_> =
        messages.par_iter().map(|message| wire::open(from, message.as_ref())).collect();
    let mut envelopes = Vec::with_capacity(opened.len());
    for result in opened {
        match result {
            Ok(envelope) => envelopes.push(envelope),
            Err(reason) => {
                warn!(peer = %from, %reason, "message of a peer is dropped");
                metrics.malformed.fetch_add(1, Ordering::Relaxed);
                let _ = p2p.report(from, weight(Offence::BadSignature));
            }
        }
    }
    metrics.frames.fetch_add(1, Ordering::Relaxed);
    metrics.messages.fetch_add(envelopes.len() as u64, Ordering::Relaxed);
    envelopes
}
