//! A tower within a node: it shares the network, the chain and the outbox with the engine.
//!
//! ```text
//!   intake ──> tower ──> engine ──> acknowledgement
//!   chain  ──>   │  ──>    │
//!                └── answers go through the engine's outbox
//! ```
//!
//! Frames and blocks pass the tower first. An acknowledgement leaves after both commits, because the
//! engine gives it; and the chain cursor, which is the engine's, never runs ahead of the tower.

use std::path::Path;
use std::thread::JoinHandle;

use chain::{ChainHandle, Order};
use engine::chain::{ChainCall, ChainEvent, Receipt};
use engine::crypto::LocalSigner;
use engine::input::Input;
use engine::state::Deployment;
use engine::types::{Address, CallId, ChannelId, MessageId};
use engine::wire::{Envelope, Message};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::book::FIRST_CALL;
use super::rows::TowerError;
use super::service::{Count, Frame, INBOX, Job, Outlet, Service, Start};
use super::{TowerSettings, inquiry};
use crate::engine_thread::Job as EngineJob;
use crate::node::ChannelKey;
use crate::vital::Vitals;

/// The way to a tower that runs within a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TowerHandle {
    jobs: mpsc::Sender<Job>,
    deployment: Deployment,
}

impl TowerHandle {
    /// Hands a frame to the tower, which passes on what is not for it; gives the frame back when
    /// nothing is. Blocks while the tower is busy: not for an async task.
    pub(crate) fn offer(
        &self,
        from: Address,
        token: p2p::FrameToken,
        envelopes: Vec<Envelope>,
    ) -> Option<(p2p::FrameToken, Vec<Envelope>)> {
        match Frame::split(from, token, envelopes, &self.deployment) {
            Ok(frame) => {
                // A tower that has ended ends the node; the client sends the frame again.
                let _ = self.jobs.blocking_send(Job::Frame(frame));
                None
            }
            Err(unchanged) => Some(unchanged),
        }
    }

    /// Takes an event of the chain, to be passed on to the engine.
    pub(crate) async fn read(&self, event: ChainEvent) {
        let _ = self.jobs.send(Job::Chain(event)).await;
    }

    /// True when a call is the tower's, and not the engine's.
    pub(crate) const fn owns(call: CallId) -> bool {
        call.0 >= FIRST_CALL
    }

    /// Takes the end of a call of the tower.
    pub(crate) async fn settled(&self, call: CallId, receipt: Receipt) {
        let _ = self.jobs.send(Job::Settled(call, receipt)).await;
    }

    /// How much is guarded; none when the tower has ended.
    pub(crate) async fn count(&self) -> Option<Count> {
        let (reply, count) = oneshot::channel();
        self.jobs.send(Job::Count(reply)).await.ok()?;
        count.await.ok()
    }

    /// Lets the tower finish and end.
    pub(crate) async fn stop(&self) {
        let _ = self.jobs.send(Job::Stop).await;
    }
}

/// A tower that is opened and does not run yet.
pub(crate) struct Beside {
    service: Service<Outbox>,
    deployment: Deployment,
    questions: mpsc::UnboundedReceiver<ChannelId>,
}

impl Beside {
    /// Opens the tower's folder.
    pub(crate) fn open(
        folder: &Path,
        deployment: Deployment,
        settings: TowerSettings,
        (key, signer): (&ChannelKey, LocalSigner),
        inbox: mpsc::Sender<EngineJob>,
        calls: mpsc::UnboundedSender<Order>,
    ) -> Result<Self, TowerError> {
        let (ask, questions) = mpsc::unbounded_channel();
        let start = Start { folder, deployment, settings, key: &key.0, signer };
        let outbox = Outbox { inbox, calls, questions: ask };
        let mut service = Service::open(start, outbox)?;
        service.follow_another_cursor();
        Ok(Self { service, deployment, questions })
    }

    /// Notes about which contracts the records are.
    pub(crate) fn note_identity(&self) -> Result<(), TowerError> {
        self.service.note_identity()
    }

    /// Runs the tower on a thread of its own.
    pub(crate) fn spawn(
        self,
        chain: ChainHandle,
        vitals: &Vitals,
        stop: CancellationToken,
        done: oneshot::Sender<Result<(), String>>,
    ) -> std::io::Result<(TowerHandle, JoinHandle<()>)> {
        let (jobs, inbox) = mpsc::channel(INBOX);
        let thread = self.service.spawn(inbox, done)?;
        let inquiry = inquiry::run(self.questions, chain, jobs.clone(), stop);
        vitals.spawn("the watchtower's questions to the chain", inquiry);
        Ok((TowerHandle { jobs, deployment: self.deployment }, thread))
    }
}

struct Outbox {
    inbox: mpsc::Sender<EngineJob>,
    calls: mpsc::UnboundedSender<Order>,
    questions: mpsc::UnboundedSender<ChannelId>,
}

impl Outbox {
    fn pass(&self, job: EngineJob) {
        // Without an engine the node is stopping, and whatever is lost is told again.
        let _ = self.inbox.blocking_send(job);
    }
}

impl Outlet for Outbox {
    type Token = p2p::FrameToken;

    /// The answers are rows of the engine's outbox before the frame is acknowledged, because the
    /// engine takes its jobs in order.
    fn release(
        &mut self,
        to: Address,
        token: p2p::FrameToken,
        answers: Vec<Message>,
        rest: Vec<Envelope>,
    ) {
        for answer in answers {
            self.pass(EngineJob::Input(Box::new(Input::Answer(to, Box::new(answer)))));
        }
        self.pass(EngineJob::Frame(token, rest));
    }

    fn pass_on(&mut self, event: ChainEvent) {
        self.pass(EngineJob::Input(Box::new(Input::Chain(event))));
    }

    fn submit(&mut self, id: CallId, call: ChainCall) {
        let _ = self.calls.send(Order::Submit(id, Box::new(call)));
    }

    fn inquire(&mut self, channel: ChannelId) {
        let _ = self.questions.send(channel);
    }

    /// The engine's outbox sees to it.
    fn delivered(&mut self, _: Address, _: MessageId) {}
}
