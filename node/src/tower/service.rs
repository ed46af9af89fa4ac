//! The tower's own thread: takes what waits, decides, commits once, and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::JoinHandle;

use engine::chain::{ChainCall, ChainEvent, Receipt};
use engine::crypto::{LocalSigner, Signer};
use engine::guard::{Guard, GuardReceipt, TowerRefusal};
use engine::state::Deployment;
use engine::types::{Address, CallId, ChannelId, MessageId};
use engine::wire::{self, Envelope, Message};
use p2p::FrameToken;
use store::Identity;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::book::{Book, Due, Fact};
use super::rows::{Change, Rows, TowerError};
use super::seal::Sealer;
use super::settings::TowerSettings;
use crate::vital::panicked;

/// Jobs that may wait for the tower. Senders wait beyond it, which holds clients back.
pub(super) const INBOX: usize = 1_024;

/// Jobs handled with one synced commit.
const TURN: usize = 256;

/// What waits for the tower.
pub(crate) enum Job<T = FrameToken> {
    /// A frame that holds something for the tower.
    Frame(Frame<T>),
    /// The chain has moved.
    Chain(ChainEvent),
    /// A call of the tower has ended.
    Settled(CallId, Receipt),
    /// What the adjudicator says about a channel: turn, and when a challenge becomes final.
    Told(ChannelId, Fact),
    /// A client has committed our messages up to this one.
    Delivered(Address, MessageId),
    /// How much is guarded.
    Count(oneshot::Sender<Count>),
    /// Finish and end.
    Stop,
}

/// How much a tower guards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Clients.
    pub clients: usize,
    /// Channels.
    pub channels: usize,
}

/// A client's frame, opened.
pub(crate) struct Frame<T = FrameToken> {
    pub(super) from: Address,
    pub(super) token: T,
    pub(super) notices: Vec<Notice>,
    /// What is not for the tower.
    pub(super) rest: Vec<Envelope>,
}

/// What a client says, checked.
pub(super) enum Notice {
    Hello(Deployment),
    Guard { guard: Box<Guard>, bytes: u32, verdict: Result<(), TowerRefusal> },
    Unguard(ChannelId),
}

impl<T> Frame<T> {
    /// Takes out what is for the tower, and checks it: signatures are recovered here, on the
    /// caller's thread, which is one of the worker pool. Gives the envelopes back when nothing is.
    pub(crate) fn split(
        from: Address,
        token: T,
        envelopes: Vec<Envelope>,
        deployment: &Deployment,
    ) -> Result<Self, (T, Vec<Envelope>)> {
        if !envelopes.iter().any(|envelope| envelope.message.is_for_tower()) {
            return Err((token, envelopes));
        }
        let (mut notices, mut rest) = (Vec::new(), Vec::new());
        for envelope in envelopes {
            match envelope.message {
                Message::TowerHello { deployment } => notices.push(Notice::Hello(deployment)),
                Message::Guard { guard } => {
                    let verdict = guard.check(deployment, from);
                    let message = Message::Guard { guard };
                    let bytes = u32::try_from(wire::encode(&message).len()).unwrap_or(u32::MAX);
                    let Message::Guard { guard } = message else { continue };
                    notices.push(Notice::Guard { guard, bytes, verdict });
                }
                Message::Unguard { channel } => notices.push(Notice::Unguard(channel)),
                message => rest.push(Envelope { from, message }),
            }
        }
        Ok(Self { from, token, notices, rest })
    }
}

/// What leaves the tower, after the commit.
pub(super) trait Outlet: Send {
    /// Names a frame until it is acknowledged.
    type Token: Send;

    /// Answers a frame and acknowledges it, in an order in which no answer can be lost: a client
    /// that is acknowledged never asks again.
    fn release(
        &mut self,
        to: Address,
        token: Self::Token,
        answers: Vec<Message>,
        rest: Vec<Envelope>,
    );

    /// Passes the chain's events on, once the tower can no longer miss them.
    fn pass_on(&mut self, event: ChainEvent);

    /// Puts a call on chain.
    fn submit(&mut self, id: CallId, call: ChainCall);

    /// Asks the adjudicator about a channel.
    fn inquire(&mut self, channel: ChannelId);

    /// A client has committed our messages up to this one.
    fn delivered(&mut self, to: Address, up_to: MessageId);
}

/// What a tower is started with.
pub(super) struct Start<'a> {
    pub(super) folder: &'a Path,
    pub(super) deployment: Deployment,
    pub(super) settings: TowerSettings,
    pub(super) key: &'a [u8; 32],
    pub(super) signer: LocalSigner,
}

/// The tower.
pub(super) struct Service<O> {
    book: Book,
    rows: Rows,
    identity: Identity,
    signer: LocalSigner,
    outlet: O,
}

/// What happens after the commit.
enum Act<T> {
    Release(Frame<T>, Vec<Message>),
    PassOn(ChainEvent),
    Inquire(ChannelId),
    Answer(Due),
}

impl<O: Outlet + 'static> Service<O> {
    /// Opens the records, and offers calls again that were on their way.
    pub(super) fn open(start: Start<'_>, outlet: O) -> Result<Self, TowerError> {
        let Start { folder, deployment, settings, key, signer } = start;
        let identity = Identity { address: signer.address(), deployment };
        let rows = Rows::open(folder, Sealer::new(key), &identity)?;
        let found = rows.load()?;
        for channel in &found.damaged {
            error!(
                %channel,
                "the watchtower's record of this channel is damaged; it is guarded again once its \
                 owner hands over a newer state"
            );
        }
        let calls = found.calls.clone();
        let book = Book::new(deployment, settings, found);
        let mut service = Self { book, rows, identity, signer, outlet };
        for (call, channel, finalizes_at) in calls {
            service.answer(Due { call, channel, finalizes_at });
        }
        // Whatever was missed while the tower was away.
        let channels: Vec<ChannelId> = service.book.channels().collect();
        channels.into_iter().for_each(|channel| service.outlet.inquire(channel));
        let Count { clients, channels } = service.count();
        info!(clients, channels, folder = %folder.display(), "watchtower serves");
        Ok(service)
    }

    /// Notes about which contracts the records are, unless that stands there already.
    pub(super) fn note_identity(&self) -> Result<(), TowerError> {
        self.rows.note_identity(&self.identity)
    }

    /// Reads the chain from wherever it is told next: the engine's cursor stands for the tower, too,
    /// and what it missed before is asked.
    pub(super) fn follow_another_cursor(&mut self) {
        self.book.forget_blocks();
    }

    /// Where the chain was read to.
    pub(super) fn cursor(&self) -> Vec<engine::chain::BlockRef> {
        self.book.recent()
    }

    #[cfg(test)]
    pub(super) const fn rows(&self) -> &Rows {
        &self.rows
    }

    #[cfg(test)]
    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    fn count(&self) -> Count {
        Count { clients: self.book.clients(), channels: self.book.channels().count() }
    }

    /// Runs until it is told to stop or a commit fails: what a receipt promises must be on disk.
    pub(super) fn spawn(
        mut self,
        mut inbox: mpsc::Receiver<Job<O::Token>>,
        done: oneshot::Sender<Result<(), String>>,
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("tower".to_owned()).spawn(move || {
            let outcome = match catch_unwind(AssertUnwindSafe(|| self.run(&mut inbox))) {
                Ok(outcome) => outcome.map_err(|reason| reason.to_string()),
                Err(panic) => Err(panicked("the watchtower", &*panic)),
            };
            drop(self);
            let _ = done.send(outcome);
        })
    }

    fn run(&mut self, inbox: &mut mpsc::Receiver<Job<O::Token>>) -> Result<(), TowerError> {
        let mut jobs = Vec::with_capacity(TURN);
        while inbox.blocking_recv_many(&mut jobs, TURN) > 0 {
            if !self.turn(jobs.drain(..))? {
                break;
            }
        }
        Ok(())
    }

    /// Handles jobs with one commit; false when it was told to stop.
    pub(super) fn turn(
        &mut self,
        jobs: impl Iterator<Item = Job<O::Token>>,
    ) -> Result<bool, TowerError> {
        let (mut changes, mut acts, mut running) = (Vec::new(), Vec::new(), true);
        for job in jobs {
            match job {
                Job::Frame(frame) => self.hear(frame, &mut changes, &mut acts),
                Job::Chain(event) => {
                    let due = self.book.read(&event, &mut changes);
                    acts.extend(due.into_iter().map(Act::Answer));
                    acts.push(Act::PassOn(event));
                }
                Job::Settled(call, receipt) => self.settle(call, &receipt, &mut changes, &mut acts),
                Job::Told(channel, fact) => {
                    acts.extend(self.book.told(channel, fact, &mut changes).map(Act::Answer));
                }
                Job::Delivered(to, up_to) => self.outlet.delivered(to, up_to),
                Job::Count(reply) => {
                    let _ = reply.send(self.count());
                }
                Job::Stop => running = false,
            }
        }
        self.rows.commit(&changes)?;
        for act in acts {
            match act {
                Act::Release(Frame { from, token, rest, .. }, answers) => {
                    self.outlet.release(from, token, answers, rest);
                }
                Act::PassOn(event) => self.outlet.pass_on(event),
                Act::Inquire(channel) => self.outlet.inquire(channel),
                Act::Answer(due) => self.answer(due),
            }
        }
        Ok(running)
    }

    fn hear(
        &mut self,
        mut frame: Frame<O::Token>,
        changes: &mut Vec<Change>,
        acts: &mut Vec<Act<O::Token>>,
    ) {
        let (from, mut answers) = (frame.from, Vec::new());
        for notice in std::mem::take(&mut frame.notices) {
            match notice {
                Notice::Hello(deployment) => answers.push(self.greet(from, deployment)),
                Notice::Unguard(channel) => self.book.release(from, channel, changes),
                Notice::Guard { guard, bytes, verdict } => {
                    let (channel, state) = (guard.channel(), guard.state_hash());
                    let taken = verdict.and_then(|()| self.book.take(from, guard, bytes, changes));
                    answers.push(match taken {
                        Ok(taken) => {
                            if taken.is_new {
                                acts.push(Act::Inquire(channel));
                            } else if let Some(due) = self.book.react(channel, changes) {
                                acts.push(Act::Answer(due));
                            }
                            let at = crate::clock::now();
                            let receipt = GuardReceipt::sign(
                                self.book.deployment(),
                                from,
                                channel,
                                taken.rank,
                                state,
                                at,
                                &self.signer,
                            );
                            let signer = self.signer.address();
                            Message::Guarded { receipt: Box::new(receipt), signer }
                        }
                        Err(reason) => {
                            info!(client = %from, %channel, %reason, "watchtower refuses a guard");
                            Message::GuardRefused { channel: Some(channel), reason }
                        }
                    });
                }
            }
        }
        acts.push(Act::Release(frame, answers));
    }

    fn greet(&self, client: Address, deployment: Deployment) -> Message {
        let ours = self.book.deployment();
        let refuse = |reason| Message::GuardRefused { channel: None, reason };
        if deployment != *ours {
            return refuse(TowerRefusal::WrongDeployment(*ours));
        }
        if !self.book.settings().lists(client) {
            return refuse(TowerRefusal::NotListed);
        }
        Message::TowerTerms { terms: self.book.settings().terms() }
    }

    fn settle(
        &mut self,
        call: CallId,
        receipt: &Receipt,
        changes: &mut Vec<Change>,
        acts: &mut Vec<Act<O::Token>>,
    ) {
        match receipt {
            Receipt::Succeeded { block } => {
                info!(call = call.0, block = block.0, "watchtower has answered a challenge");
            }
            Receipt::Reverted { reason } => {
                warn!(call = call.0, reason, "the watchtower's answer was not taken");
            }
            Receipt::TooLarge { needed, cap } => {
                warn!(call = call.0, needed, cap, "the watchtower's answer needs too much gas");
            }
            // A tower takes nothing back, and makes no transfers.
            Receipt::Withdrawn | Receipt::Unknown { .. } => {}
        }
        acts.extend(self.book.settle(call, receipt, changes).map(Act::Inquire));
    }

    /// Shows the adjudicator what is held. The one moment at which a guard is decrypted.
    fn answer(&mut self, due: Due) {
        let Due { call, channel, finalizes_at } = due;
        let Some(row) = self.book.row(channel) else { return };
        match self.rows.guard(channel, row) {
            Ok(guard) => {
                warn!(%channel, finalizes_at, turn = row.rank.turn.0, "a stale challenge is answered");
                self.outlet.submit(call, guard.checkpoint(finalizes_at));
            }
            Err(reason) => error!(
                %channel,
                finalizes_at,
                %reason,
                "a stale challenge runs and the watchtower cannot answer it: its record is \
                 damaged; tell its owner at once"
            ),
        }
    }
}
