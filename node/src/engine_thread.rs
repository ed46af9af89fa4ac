//! The engine's own thread: takes what waits, runs one turn, answers.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::chain::GasReport;
use engine::crypto::LocalSigner;
use engine::driver::Driver;
use engine::effect::{Offence, Response, Update};
use engine::error::RequestError;
use engine::input::{Input, Request};
use engine::ports::{self, StoreError};
use engine::types::{Address, CallId, FrameToken, MessageId, RequestId, Timestamp};
use engine::wire::Envelope;
use p2p::P2pHandle;
use store::FjallStore;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::{debug, warn};

use crate::credits::Credits;
use crate::handle::CallError;
use crate::herald::Herald;
use crate::vital::panicked;

/// Inputs that may wait for the engine. Senders wait beyond it, which holds peers, chain and
/// clients back alike.
pub(crate) const INBOX: usize = 8_192;

/// Inputs handled in one turn: enough to spread the cost of one synced commit, few enough that
/// the store's journal does not stall on one batch.
const TURN: usize = 512;

/// How long one turn goes on taking inputs. What comes behind an expensive one waits for its commit
/// and for the answers of the turn, but not for everything that was asked before it.
const TURN_TIME: Duration = Duration::from_millis(50);

/// Updates kept for a slow listener before it misses some.
pub(crate) const UPDATES: usize = 16_384;

/// What waits for the engine.
#[derive(Debug)]
pub(crate) enum Job {
    /// A call of the application, with where the answer goes.
    Request(Box<Request>, oneshot::Sender<Result<Response, CallError>>),
    /// A peer's frame with recovered signers.
    Frame(p2p::FrameToken, Vec<Envelope>),
    /// Anything else.
    Input(Box<Input>),
    /// What the chain account has and what gas costs. Not an input: nothing follows from it, so
    /// nothing is committed.
    Gas(GasReport),
    /// Finish the turn and end.
    Stop,
}

/// The engine with the ports of the real world.
pub(crate) type NodeDriver = Driver<FjallStore, PeerTransport, ChainQueue, Desk>;

/// What the engine's thread leaves behind.
pub(crate) struct Ended {
    /// Why it could not go on, when nobody had asked it to end.
    pub(crate) outcome: Result<(), String>,
    /// Still open: the reason must be known before anybody notices that jobs are taken no longer.
    inbox: mpsc::Receiver<Job>,
}

impl Ended {
    /// Tells everybody whose request was not begun that nothing has changed.
    pub(crate) fn turn_away(mut self) {
        self.inbox.close();
        while let Ok(job) = self.inbox.try_recv() {
            if let Job::Request(_, answer) = job {
                let _ = answer.send(Err(CallError::Stopped));
            }
        }
    }
}

/// Runs turns until it is told to stop or a commit fails.
///
/// A failed commit, like a panic, ends the thread; the node takes that as fatal.
pub(crate) fn spawn(
    mut driver: NodeDriver,
    mut inbox: mpsc::Receiver<Job>,
    deadline: watch::Sender<Option<Timestamp>>,
    done: oneshot::Sender<Ended>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        let run = || run(&mut driver, &mut inbox, &deadline);
        let outcome = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(outcome) => outcome.map_err(|reason| reason.to_string()),
            Err(panic) => Err(panicked("the engine", &*panic)),
        };
        // The store closes before anybody hears that the engine has ended, and whoever waits for an
        // answer that will not come hears that it will not.
        drop(driver);
        let _ = done.send(Ended { outcome, inbox });
    })
}

fn run(
    driver: &mut NodeDriver,
    inbox: &mut mpsc::Receiver<Job>,
    deadline: &watch::Sender<Option<Timestamp>>,
) -> Result<(), StoreError> {
    let mut jobs = Vec::with_capacity(TURN);
    let mut running = true;
    while running {
        deadline.send_if_modified(|known| {
            let next = driver.engine().next_deadline();
            std::mem::replace(known, next) != next
        });
        if inbox.blocking_recv_many(&mut jobs, TURN) == 0 {
            break;
        }
        let mut inputs = Vec::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            match job {
                Job::Request(request, answer) => {
                    let id = driver.application_mut().expect(answer);
                    inputs.push(Input::Request(id, *request));
                }
                Job::Frame(token, envelopes) => {
                    let token = driver.transport_mut().hold(token);
                    inputs.push(Input::Frame { token, envelopes });
                }
                Job::Input(input) => inputs.push(*input),
                Job::Gas(report) => driver.report_gas(report),
                Job::Stop => running = false,
            }
        }
        let mut inputs = VecDeque::from(inputs);
        while !inputs.is_empty() {
            driver.turn(crate::clock::now(), timed(&mut inputs, TURN_TIME))?;
        }
    }
    Ok(())
}

/// Inputs until the time is over; at least one.
fn timed<T>(inputs: &mut VecDeque<T>, time: Duration) -> impl Iterator<Item = T> + '_ {
    let mut end: Option<Instant> = None;
    std::iter::from_fn(move || match end {
        Some(end) if Instant::now() >= end => None,
        _ => {
            end.get_or_insert_with(|| Instant::now() + time);
            inputs.pop_front()
        }
    })
}

/// Builds the driver: reads the store and offers the outbox again.
pub(crate) fn restore(
    settings: &crate::node::NodeSettings,
    signer: LocalSigner,
    store: FjallStore,
    transport: PeerTransport,
    chain: ChainQueue,
    desk: Desk,
) -> Result<NodeDriver, StoreError> {
    let policy = settings.policy.clone();
    Driver::start(settings.deployment, policy, Box::new(signer), store, transport, chain, desk)
}

/// The way to peers, with the frames that wait for their acknowledgement.
pub(crate) struct PeerTransport {
    p2p: P2pHandle,
    frames: HashMap<FrameToken, p2p::FrameToken>,
    next: u64,
}

impl PeerTransport {
    pub(crate) fn new(p2p: P2pHandle) -> Self {
        Self { p2p, frames: HashMap::new(), next: 0 }
    }

    fn hold(&mut self, frame: p2p::FrameToken) -> FrameToken {
        let token = FrameToken(self.next);
        self.next = self.next.wrapping_add(1);
        self.frames.insert(token, frame);
        token
    }
}

impl ports::Transport for PeerTransport {
    fn send(&mut self, to: Address, id: MessageId, message: Vec<u8>) {
        if let Err(reason) = self.p2p.send(to, id.0, message) {
            debug!(%to, %reason, "message stays in the outbox");
        }
    }

    fn forget(&mut self, to: Address, up_to: MessageId) {
        if self.p2p.forget(to, up_to.0).is_err() {
            debug!(%to, "messages not forgotten: the network has stopped");
        }
    }

    fn acknowledge(&mut self, token: FrameToken, answers: Vec<Vec<u8>>) {
        let answers = answers.into_iter().map(Into::into).collect();
        if let Some(frame) = self.frames.remove(&token)
            && self.p2p.answer(frame, answers).is_err()
        {
            debug!("frame not acknowledged: the network has stopped");
        }
    }

    fn report(&mut self, peer: Address, offence: Offence) {
        warn!(%peer, ?offence, "peer misbehaved; its message is dropped");
        let _ = self.p2p.report(peer, weight(offence));
    }
}

/// Points that an offence costs; a hundred block a peer for a while.
pub(crate) const fn weight(offence: Offence) -> u32 {
    match offence {
        // May come from an old state of affairs at an honest peer.
        Offence::NotAllowed | Offence::BadVoucher => 2,
        // No honest node signs what it does not mean.
        Offence::BadSignature | Offence::Equivocation => 20,
    }
}

/// Calls on their way to the chain service, which starts after the engine knows its cursor.
pub(crate) struct ChainQueue(pub(crate) mpsc::UnboundedSender<chain::Order>);

impl ports::Chain for ChainQueue {
    fn submit(&mut self, id: CallId, call: engine::chain::ChainCall) {
        if self.0.send(chain::Order::Submit(id, Box::new(call))).is_err() {
            debug!(call = id.0, "call stays in the outbox: the chain service has stopped");
        }
    }

    fn withdraw(&mut self, id: CallId) {
        if self.0.send(chain::Order::Withdraw(id)).is_err() {
            debug!(
                call = id.0,
                "call is asked back at the next start: the chain service has stopped"
            );
        }
    }
}

/// Where answers and updates are handed out.
pub(crate) struct Desk {
    waiting: HashMap<RequestId, oneshot::Sender<Result<Response, CallError>>>,
    next: u64,
    updates: broadcast::Sender<Update>,
    credits: Credits,
    herald: Herald,
}

impl Desk {
    pub(crate) fn new(updates: broadcast::Sender<Update>, credits: Credits) -> Self {
        Self { waiting: HashMap::new(), next: 0, updates, credits, herald: Herald::default() }
    }

    fn expect(&mut self, answer: oneshot::Sender<Result<Response, CallError>>) -> RequestId {
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(id, answer);
        id
    }
}

impl ports::Application for Desk {
    fn reply(&mut self, id: RequestId, response: Result<Response, RequestError>) {
        if let Some(answer) = self.waiting.remove(&id) {
            // Whoever asked may have left.
            let _ = answer.send(response.map_err(CallError::Refused));
        }
    }

    fn notify(&mut self, update: Update) {
        self.herald.tell(&update);
        self.credits.hear(&update);
        // Nobody listening is fine, and a slow listener never holds the engine up (gap T3).
        let _ = self.updates.send(update);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_takes_one_input_and_no_more_once_its_time_is_over() {
        let mut inputs = VecDeque::from([1, 2, 3]);
        assert_eq!(timed(&mut inputs, Duration::ZERO).collect::<Vec<_>>(), [1]);
        assert_eq!(timed(&mut inputs, Duration::from_secs(60)).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(timed(&mut inputs, Duration::ZERO).count(), 0);
    }
}
