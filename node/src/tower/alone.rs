//! A tower without a node: network and chain, no engine and no channels of its own.

use std::thread::JoinHandle;

use chain::{Chain, ChainHandle, Event as ChainMessage, History, Order};
use engine::chain::{ChainCall, ChainEvent};
use engine::crypto::{LocalSigner, Signer};
use engine::effect::Offence;
use engine::state::Deployment;
use engine::types::{Address, CallId, ChannelId, MessageId};
use engine::wire::{self, Envelope, Message};
use p2p::{Event, FrameToken, P2p, P2pHandle};
use store::{FjallStore, Identity};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::inquiry;
use super::service::{Count, Frame, INBOX, Job, Outlet, Service, Start};
use super::{FOLDER, TowerSettings};
use crate::config::check_ports;
use crate::engine_thread::weight;
use crate::intake::on_pool;
use crate::journal::StoreJournal;
use crate::node::{NodeError, NodeSettings, STAGE_LIMIT, StopReason, submit};
use crate::vital::Vitals;

/// Frames whose answers may be on their way. Beyond it the oldest is acknowledged: it is most likely
/// of a stranger who asks and never listens.
const MAX_HELD: usize = 4_096;

/// A running tower without a node.
pub struct TowerNode {
    address: Address,
    p2p: P2pHandle,
    chain: ChainHandle,
    jobs: mpsc::Sender<Job>,
    /// Stops what brings jobs in.
    intake: CancellationToken,
    /// Stops the network.
    network: CancellationToken,
    tasks: TaskTracker,
    thread: JoinHandle<()>,
    reason: watch::Receiver<Option<StopReason>>,
}

impl TowerNode {
    /// Opens the records, joins the network and follows the chain.
    ///
    /// The folder's store is opened as well, for the journal of transactions: so a node and a tower
    /// never run on one folder, that is under one name, at the same time.
    ///
    /// # Errors
    /// When any of it is impossible; nothing is left running then.
    pub async fn start(settings: NodeSettings, tower: TowerSettings) -> Result<Self, NodeError> {
        check_ports(&settings.p2p.listen)?;
        let signer = LocalSigner::new(settings.channel_key.0)?;
        let address = signer.address();
        let store = FjallStore::open(settings.data_dir.join("store"), &settings.store)?;
        let claim = store.claim(Identity { address, deployment: settings.deployment })?;
        let journal = Box::new(StoreJournal(store.transactions()));

        let (intake, network) = (CancellationToken::new(), CancellationToken::new());
        let stop_on_error = [intake.clone().drop_guard(), network.clone().drop_guard()];
        let (p2p, events, swarm) =
            P2p::start(settings.p2p.clone(), settings.channel_key.0, network.clone()).await?;
        let tasks = TaskTracker::new();
        let vitals = Vitals::new(tasks.clone(), intake.clone());
        vitals.watch("the network", swarm);
        let (calls, submissions) = mpsc::unbounded_channel();
        let (ask, questions) = mpsc::unbounded_channel();
        let wire = Wire { p2p: p2p.clone(), calls, questions: ask, next: 0, held: Vec::new() };
        let folder = settings.data_dir.join(FOLDER);
        let start = Start {
            folder: &folder,
            deployment: settings.deployment,
            settings: tower,
            key: &settings.channel_key.0,
            signer,
        };
        let service = Service::open(start, wire)?;

        let cursor = service.cursor();
        let (chain, chain_events) = Chain::start(
            settings.chain.clone(),
            cursor.last().copied(),
            cursor,
            History::Needed,
            journal,
            intake.clone(),
            &tasks,
        )
        .await?;
        // The contracts are there, unless nobody answers for the chain: then the next start notes it.
        if chain.status().chain.last_error.is_none() {
            claim.note()?;
            service.note_identity()?;
        }
        let (jobs, inbox) = mpsc::channel(INBOX);
        let (done, ended) = oneshot::channel();
        let thread = service.spawn(inbox, done)?;
        vitals.spawn("the watchtower", watch_thread(ended, vitals.clone()));
        let stop = || intake.clone();
        let intake_task = listen(events, jobs.clone(), p2p.clone(), settings.deployment, stop());
        vitals.spawn("the intake of the network", intake_task);
        let follow = follow(chain_events, jobs.clone(), vitals.clone(), stop());
        vitals.spawn("the intake of the chain", follow);
        vitals.spawn("the way to the chain", submit(submissions, chain.clone(), stop()));
        let inquiry = inquiry::run(questions, chain.clone(), jobs.clone(), stop());
        vitals.spawn("the watchtower's questions to the chain", inquiry);
        tasks.close();
        let reason = vitals.reason();
        for guard in stop_on_error {
            guard.disarm();
        }
        info!(%address, folder = %folder.display(), "watchtower started");
        Ok(Self { address, p2p, chain, jobs, intake, network, tasks, thread, reason })
    }

    /// The tower's name.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The network.
    #[must_use]
    pub const fn p2p(&self) -> &P2pHandle {
        &self.p2p
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &ChainHandle {
        &self.chain
    }

    /// How much is guarded; none when the tower has ended.
    pub async fn count(&self) -> Option<Count> {
        let (reply, count) = oneshot::channel();
        self.jobs.send(Job::Count(reply)).await.ok()?;
        count.await.ok()
    }

    /// Resolves when the tower cannot go on by itself; call [`TowerNode::shutdown`] then.
    pub async fn stopped(&mut self) -> StopReason {
        match self.reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StopReason::Asked),
            Err(_) => StopReason::Fatal("the tower's tasks have ended".to_owned()),
        }
    }

    /// Stops in order: intake, the turn under way, the network.
    pub async fn shutdown(self) {
        let Self { jobs, intake, network, tasks, thread, .. } = self;
        info!("stopping: finishing the last turn");
        intake.cancel();
        let _ = jobs.send(Job::Stop).await;
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        if let Ok(Ok(false)) = tokio::time::timeout(STAGE_LIMIT, joined).await {
            warn!("the tower's thread had panicked");
        }
        network.cancel();
        if tokio::time::timeout(STAGE_LIMIT, tasks.wait()).await.is_err() {
            warn!(limit = ?STAGE_LIMIT, "tasks have not ended in time");
        }
        info!("stopped");
    }
}

/// Network to tower. What is for an engine finds none here, and is dropped.
async fn listen(
    mut events: mpsc::Receiver<Event>,
    jobs: mpsc::Sender<Job>,
    p2p: P2pHandle,
    deployment: Deployment,
    stop: CancellationToken,
) {
    while let Some(Some(event)) = stop.run_until_cancelled(events.recv()).await {
        match event {
            Event::Frame { from, token, messages } => {
                let (jobs, p2p) = (jobs.clone(), p2p.clone());
                // A peer has one frame under way, so its messages stay in order.
                on_pool(move || {
                    let envelopes = open(from, &messages, &p2p);
                    match Frame::split(from, token, envelopes, &deployment) {
                        Ok(frame) => {
                            let _ = jobs.blocking_send(Job::Frame(frame));
                        }
                        Err((token, _)) => {
                            let _ = p2p.ack(token);
                        }
                    }
                });
            }
            Event::Delivered { to, up_to }
            | Event::Refused { to, up_to, .. }
            | Event::Expired { to, up_to } => {
                if jobs.send(Job::Delivered(to, MessageId(up_to))).await.is_err() {
                    return;
                }
            }
            // A tower asks nobody for anything, and has no partners.
            Event::Answered { .. } | Event::Located { .. } => {}
            Event::PeerUp(peer) => debug!(%peer, "peer connected"),
            Event::PeerDown(peer) => debug!(%peer, "peer disconnected"),
        }
    }
}

fn open(from: Address, messages: &[impl AsRef<[u8]>], p2p: &P2pHandle) -> Vec<Envelope> {
    let mut envelopes = Vec::with_capacity(messages.len());
    for message in messages {
        match wire::open(from, message.as_ref()) {
            Ok(envelope) => envelopes.push(envelope),
            Err(reason) => {
                warn!(peer = %from, %reason, "message of a peer is dropped");
                let _ = p2p.report(from, weight(Offence::BadSignature));
            }
        }
    }
    envelopes
}

/// Chain to tower.
async fn follow(
    mut events: mpsc::Receiver<ChainMessage>,
    jobs: mpsc::Sender<Job>,
    vitals: Vitals,
    stop: CancellationToken,
) {
    while let Some(Some(event)) = stop.run_until_cancelled(events.recv()).await {
        let job = match event {
            ChainMessage::Chain(event) => Job::Chain(event),
            ChainMessage::Settled(call, receipt) => Job::Settled(call, receipt),
            ChainMessage::Fatal(why) => {
                return vitals.end(StopReason::Fatal(format!("chain: {why}")));
            }
        };
        if jobs.send(job).await.is_err() {
            return;
        }
    }
}

/// A tower that cannot write must not go on: a receipt would promise what is not there.
async fn watch_thread(ended: oneshot::Receiver<Result<(), String>>, vitals: Vitals) {
    match ended.await {
        Ok(Ok(())) => vitals.end(StopReason::Asked),
        Ok(Err(why)) => vitals.end(StopReason::Fatal(why)),
        // The task that watches this one says that the thread is gone.
        Err(_) => {}
    }
}

/// Straight to the network. There is no outbox on disk: a frame is acknowledged once its answers are
/// delivered, so that a client whose answer was lost in a crash sends the frame again. A client has
/// one frame under way, which bounds what can wait here.
struct Wire {
    p2p: P2pHandle,
    calls: mpsc::UnboundedSender<Order>,
    questions: mpsc::UnboundedSender<ChannelId>,
    /// Id of the next message, to whomever: names are without number, and each needs only ids that
    /// grow.
    next: u64,
    /// Frames whose answers are on their way, with the last of these.
    held: Vec<(Address, MessageId, FrameToken)>,
}

impl Wire {
    fn acknowledge(&self, token: FrameToken) {
        if self.p2p.ack(token).is_err() {
            debug!("frame not acknowledged: the network has stopped");
        }
    }
}

impl Outlet for Wire {
    type Token = p2p::FrameToken;

    fn release(&mut self, to: Address, token: FrameToken, answers: Vec<Message>, _: Vec<Envelope>) {
        let mut last = None;
        for answer in answers {
            let id = self.next;
            self.next = id.saturating_add(1);
            if self.p2p.send(to, id, wire::encode(&answer)).is_ok() {
                last = Some(MessageId(id));
            }
        }
        match last {
            Some(last) => {
                if self.held.len() >= MAX_HELD {
                    let (.., oldest) = self.held.remove(0);
                    self.acknowledge(oldest);
                }
                self.held.push((to, last, token));
            }
            None => self.acknowledge(token),
        }
    }

    fn pass_on(&mut self, _: ChainEvent) {}

    fn submit(&mut self, id: CallId, call: ChainCall) {
        let _ = self.calls.send(Order::Submit(id, Box::new(call)));
    }

    fn inquire(&mut self, channel: ChannelId) {
        let _ = self.questions.send(channel);
    }

    fn delivered(&mut self, to: Address, up_to: MessageId) {
        let done =
            |(held, last, _): &mut (Address, MessageId, FrameToken)| *held == to && *last <= up_to;
        let tokens: Vec<FrameToken> =
            self.held.extract_if(.., done).map(|(_, _, token)| token).collect();
        tokens.into_iter().for_each(|token| self.acknowledge(token));
    }
}
