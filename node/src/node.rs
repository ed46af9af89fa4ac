//! Starts a node and stops it in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chain::{Chain, ChainConfig, ChainHandle, Event as ChainMessage, History};
use engine::crypto::{LocalSigner, Signer};
use engine::effect::Response;
use engine::input::{Input, Request};
use engine::payment::{PaymentPhase, Role};
use engine::policy::Policy;
use engine::state::Deployment;
use engine::types::Timestamp;
use futures::stream::{self, StreamExt};
use p2p::{P2p, P2pConfig};
use store::{FjallStore, Identity, PartnerTable};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::{PortTaken, check_ports};
use crate::credits::Credits;
use crate::engine_thread::{self, ChainQueue, Desk, Ended, INBOX, Job, PeerTransport, UPDATES};
use crate::handle::NodeHandle;
use crate::intake::{self, IntakeMetrics};
use crate::journal::StoreJournal;
use crate::partners;
use crate::tower::{self, Beside, TowerError, TowerHandle, TowerSettings};
use crate::vital::Vitals;

/// How long each stage of a stop may take before the next one begins.
pub(crate) const STAGE_LIMIT: Duration = Duration::from_secs(5);

/// Everything a node is told at start.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Where the store lives.
    pub data_dir: PathBuf,
    /// How the store is kept.
    pub store: store::Config,
    /// The contracts that the node signs for.
    pub deployment: Deployment,
    /// What the node agrees to.
    pub policy: Policy,
    /// The network.
    pub p2p: P2pConfig,
    /// The chain, with the key of the account that pays.
    pub chain: ChainConfig,
    /// The channel key: the node's name, on the network and in every channel.
    pub channel_key: ChannelKey,
    /// Where what the adjudicator pays to the channel account is sent on.
    pub payout_address: Option<engine::types::Address>,
    /// Guards channels of others beside its own, when set.
    pub tower: Option<TowerSettings>,
}

/// Secret of the channel key. Never printed.
#[derive(Clone)]
pub struct ChannelKey(pub [u8; 32]);

impl std::fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelKey(secret)")
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The channel key is no key.
    #[error("channel key")]
    Key(#[from] engine::crypto::InvalidSecretKey),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The store's rows cannot be read.
    #[error(transparent)]
    Restore(#[from] engine::ports::StoreError),
    /// Somebody else listens where the node is to.
    #[error(transparent)]
    Port(#[from] PortTaken),
    /// The network does not start.
    #[error("network")]
    Network(#[from] p2p::P2pError),
    /// The chain service refuses.
    #[error("chain")]
    Chain(#[from] chain::ChainError),
    /// The watchtower's records do not open.
    #[error(transparent)]
    Tower(#[from] TowerError),
    /// What arrives would be sent on for ever.
    #[error(
        "setting chain.payout_address: {0} is this node's own channel account, where payouts arrive \
         anyway; name another one, or leave it out"
    )]
    PayoutToItself(engine::types::Address),
    /// No thread for the engine.
    #[error("a thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// Why a running node stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it.
    Asked,
    /// It cannot go on; the text says why.
    Fatal(String),
}

/// A running node.
pub struct Node {
    handle: NodeHandle,
    /// Stops what brings inputs in.
    intake: CancellationToken,
    /// Stops the network.
    network: CancellationToken,
    tasks: TaskTracker,
    engine: std::thread::JoinHandle<()>,
    tower: Option<std::thread::JoinHandle<()>>,
    reason: watch::Receiver<Option<StopReason>>,
}

impl Node {
    /// Opens the store, joins the network, restores the engine and follows the chain.
    ///
    /// # Errors
    /// When any of it is impossible; nothing is left running then. A chain endpoint or boot peer
    /// that is down is no reason: both are tried again.
    pub async fn start(settings: NodeSettings) -> Result<Self, NodeError> {
        check_ports(&settings.p2p.listen)?;
        let signer = LocalSigner::new(settings.channel_key.0)?;
        let address = signer.address();
        if settings.payout_address == Some(address) {
            return Err(NodeError::PayoutToItself(address));
        }
        let path = settings.data_dir.join("store");
        let store = FjallStore::open(&path, &settings.store)?;
        let claim = store.claim(Identity { address, deployment: settings.deployment })?;
        let (archive, transactions) = (store.archive(), store.transactions());
        let addresses = store.partners();

        let (intake, network) = (CancellationToken::new(), CancellationToken::new());
        let stop_on_error = [intake.clone().drop_guard(), network.clone().drop_guard()];
        let (p2p, events, swarm) =
            P2p::start(settings.p2p.clone(), settings.channel_key.0, network.clone()).await?;
        let tasks = TaskTracker::new();
        let vitals = Vitals::new(tasks.clone(), intake.clone());
        vitals.watch("the network", swarm);

        let (updates, _) = broadcast::channel(UPDATES);
        let (calls, submissions) = mpsc::unbounded_channel();
        let (inbox, jobs) = mpsc::channel(INBOX);
        let tower = match settings.tower.clone() {
            Some(tower) => Some(Beside::open(
                &settings.data_dir.join(tower::FOLDER),
                settings.deployment,
                tower,
                (&settings.channel_key, LocalSigner::new(settings.channel_key.0)?),
                inbox.clone(),
                calls.clone(),
            )?),
            None => None,
        };
        let credits = Credits::default();
        let desk = Desk::new(updates.clone(), credits.clone());
        let transport = PeerTransport::new(p2p.clone());
        let driver =
            engine_thread::restore(&settings, signer, store, transport, ChainQueue(calls), desk)?;

        let cursor = driver.engine().cursor().recent.clone();
        // A watchtower guards what others have opened.
        let is_needed = driver.engine().follows_channels() || tower.is_some();
        let history = if is_needed { History::Needed } else { History::Irrelevant };
        let journal = Box::new(StoreJournal(transactions));
        let channel_key = Some(chain::AccountKey::new(settings.channel_key.0));
        let chain_config = ChainConfig { channel_key, ..settings.chain.clone() };
        let (chain, chain_events) = Chain::start(
            chain_config,
            cursor.last().copied(),
            cursor,
            history,
            journal,
            intake.clone(),
            &tasks,
        )
        .await?;

        // The contracts are there, unless nobody answers for the chain: then the next start notes it.
        if chain.status().chain.last_error.is_none() {
            claim.note()?;
            if let Some(tower) = &tower {
                tower.note_identity()?;
            }
        }
        let (deadline, deadlines) = watch::channel(None);
        let (done, engine_done) = oneshot::channel();
        let engine = engine_thread::spawn(driver, jobs, deadline, done)?;
        vitals.spawn("the engine", watch_engine(engine_done, vitals.clone()));
        let (tower, tower_thread) = match tower {
            Some(tower) => {
                let (done, ended) = oneshot::channel();
                let (handle, thread) = tower.spawn(chain.clone(), &vitals, intake.clone(), done)?;
                vitals.spawn("the watchtower", watch_tower(ended, vitals.clone()));
                (Some(handle), Some(thread))
            }
            None => (None, None),
        };

        let handle = NodeHandle {
            inbox,
            updates,
            credits,
            address,
            deployment: settings.deployment,
            policy: Arc::new(settings.policy),
            p2p,
            chain,
            archive,
            tower,
            intake: Arc::new(IntakeMetrics::default()),
            stop: intake.clone(),
        };
        let heard =
            intake::Network { events, located: follow_partners(&vitals, &handle, addresses) };
        wire(&vitals, &handle, heard, chain_events, submissions, deadlines);
        tasks.spawn(ask_payees(handle.clone()));
        if let Some(to) = settings.payout_address {
            let payouts = crate::payouts::run(handle.clone(), to);
            vitals.spawn("the way of payouts", payouts);
        }
        tasks.close();
        // From here on the node stops what it has started.
        for guard in stop_on_error {
            guard.disarm();
        }
        info!(%address, store = %path.display(), "node started");
        let reason = vitals.reason();
        Ok(Self { handle, intake, network, tasks, engine, tower: tower_thread, reason })
    }

    /// The application's end.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Resolves when the node cannot go on by itself; call [`Node::shutdown`] then.
    pub async fn stopped(&mut self) -> StopReason {
        match self.reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StopReason::Asked),
            Err(_) => StopReason::Fatal("the node's tasks have ended".to_owned()),
        }
    }

    /// Stops in order: intake, the turn under way, the network, the store. Each stage has a limit
    /// of a few seconds; what is not acknowledged by then is sent again after the restart.
    /// The store can be opened again once every handle is dropped, too: they read history from it.
    pub async fn shutdown(self) {
        let Self { handle, intake, network, tasks, engine, tower, reason: _ } = self;
        info!("stopping: no more inputs");
        intake.cancel();
        if let Some((tower, thread)) = handle.tower.as_ref().zip(tower) {
            info!("stopping: finishing the watchtower's last turn");
            let _ = stage("watchtower inbox", tower.stop()).await;
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
            if let Some(Ok(false)) = stage("watchtower", joined).await {
                warn!("the watchtower's thread had panicked");
            }
        }
        info!("stopping: finishing the last turn");
        let _ = stage("engine inbox", handle.inbox.send(Job::Stop)).await;
        let joined = tokio::task::spawn_blocking(move || engine.join().is_ok());
        if let Some(Ok(false)) = stage("engine", joined).await {
            warn!("the engine thread had panicked");
        }
        info!("stopping: closing the network");
        network.cancel();
        stage("network and tasks", tasks.wait()).await;
        info!("stopped");
    }
}

async fn stage<T>(name: &str, work: impl Future<Output = T>) -> Option<T> {
    let result = tokio::time::timeout(STAGE_LIMIT, work).await.ok();
    if result.is_none() {
        warn!(stage = name, limit = ?STAGE_LIMIT, "not finished in time; going on");
    }
    result
}

/// Engine and network to the store's addresses of partners; the network's side of it is returned.
fn follow_partners(
    vitals: &Vitals,
    handle: &NodeHandle,
    addresses: PartnerTable,
) -> mpsc::Sender<partners::Located> {
    let (located, records) = mpsc::channel(partners::RECORDS);
    vitals.spawn("the addresses of partners", partners::run(handle.clone(), addresses, records));
    located
}

/// Payees that are asked in one turn, when a node starts.
const ASKED_AT_ONCE: usize = 256;

/// Has each payee say what it counts as paid: a node that runs from an older copy of its folder learns
/// what it has signed before it signs the same totals once more, for which the payee has nothing to say.
async fn ask_payees(handle: NodeHandle) {
    let Ok(Response::Payments(payments)) =
        handle.request(Request::ListPayments { ledger: None }).await
    else {
        return;
    };
    let asked = payments.into_iter().filter(|view| {
        let is_paying = view.role == Role::Payer && view.phase == Some(PaymentPhase::Open);
        is_paying && !view.paid.is_zero()
    });
    // Many at once, so that they share turns and their commits.
    let ask = |(channel, total)| handle.request(Request::PayTo { channel, amount: total, total });
    let mut answers = stream::iter(asked.map(|view| (view.id, view.paid)))
        .map(ask)
        .buffer_unordered(ASKED_AT_ONCE);
    // Refused where the owner has paid more in the meantime, which asks as well.
    while answers.next().await.is_some() {}
}

/// Connects the services with the engine; the one place to read who talks to whom.
fn wire(
    vitals: &Vitals,
    handle: &NodeHandle,
    network: intake::Network,
    chain_events: mpsc::Receiver<ChainMessage>,
    submissions: mpsc::UnboundedReceiver<chain::Order>,
    deadlines: watch::Receiver<Option<Timestamp>>,
) {
    let (inbox, stop) = (handle.inbox.clone(), handle.stop.clone());
    let intake = intake::run(
        network,
        inbox.clone(),
        handle.p2p.clone(),
        handle.tower.clone(),
        Arc::clone(&handle.intake),
        stop.clone(),
    );
    vitals.spawn("the intake of the network", intake);
    let tower = handle.tower.clone();
    let chain = follow_chain(chain_events, inbox.clone(), tower, vitals.clone(), stop.clone());
    vitals.spawn("the intake of the chain", chain);
    let submissions = submit(submissions, handle.chain.clone(), stop.clone());
    vitals.spawn("the way to the chain", submissions);
    let gas = report_gas(handle.chain.watch_gas(), inbox.clone(), stop.clone());
    vitals.spawn("the report on gas", gas);
    vitals.spawn("the clock", ring(deadlines, inbox, stop));
}

/// Chain service to engine.
async fn follow_chain(
    mut events: mpsc::Receiver<ChainMessage>,
    inbox: mpsc::Sender<Job>,
    tower: Option<TowerHandle>,
    vitals: Vitals,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        let input = match (event, &tower) {
            // The tower passes it on, once it can no longer miss it.
            (Some(ChainMessage::Chain(event)), Some(tower)) => {
                tower.read(event).await;
                continue;
            }
            (Some(ChainMessage::Settled(call, receipt)), Some(tower))
                if TowerHandle::owns(call) =>
            {
                tower.settled(call, receipt).await;
                continue;
            }
            (Some(ChainMessage::Chain(event)), None) => Input::Chain(event),
            (Some(ChainMessage::Settled(call, receipt)), _) => Input::Settled(call, receipt),
            (Some(ChainMessage::Fatal(why)), _) => {
                return vitals.end(StopReason::Fatal(format!("chain: {why}")));
            }
            (None, _) => return,
        };
        if inbox.send(Job::Input(Box::new(input))).await.is_err() {
            return;
        }
    }
}

/// Engine or tower to chain service, which starts after they know their cursor. A call that does not
/// get through is a row on disk and is offered again after the restart.
pub(crate) async fn submit(
    mut submissions: mpsc::UnboundedReceiver<chain::Order>,
    chain: ChainHandle,
    stop: CancellationToken,
) {
    while let Some(Some(order)) = stop.run_until_cancelled(submissions.recv()).await {
        if chain.order(order).is_err() {
            return;
        }
    }
}

/// Tells the engine what the chain account has and what gas costs. Before the first report the
/// engine asks for no reserve.
async fn report_gas(
    mut reports: watch::Receiver<Option<chain::GasReport>>,
    inbox: mpsc::Sender<Job>,
    stop: CancellationToken,
) {
    let mut told = None;
    loop {
        let report = (*reports.borrow_and_update()).map(engine::chain::GasReport::from);
        if let Some(report) = report.filter(|report| told != Some(*report)) {
            if inbox.send(Job::Gas(report)).await.is_err() {
                return;
            }
            told = Some(report);
        }
        match stop.run_until_cancelled(reports.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Wakes the engine when something is due.
async fn ring(
    mut deadlines: watch::Receiver<Option<Timestamp>>,
    inbox: mpsc::Sender<Job>,
    stop: CancellationToken,
) {
    loop {
        let due = *deadlines.borrow_and_update();
        let wait =
            due.map(|due| Duration::from_millis(due.0.saturating_sub(crate::clock::now().0)));
        let sleep = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = deadlines.changed() => changed,
            () = sleep => {
                if inbox.send(Job::Input(Box::new(Input::Deadline))).await.is_err() {
                    return;
                }
                // The turn that handles it tells the next one.
                deadlines.changed().await
            }
        };
        if changed.is_err() {
            return;
        }
    }
}

/// The engine thread ends on a failed commit or a broken invariant: then so does the node.
async fn watch_engine(done: oneshot::Receiver<Ended>, vitals: Vitals) {
    let Ok(ended) = done.await else { return };
    vitals.end(match &ended.outcome {
        Ok(()) => StopReason::Asked,
        Err(why) => StopReason::Fatal(why.clone()),
    });
    ended.turn_away();
}

/// A tower that cannot write must not go on: a receipt would promise what is not there.
async fn watch_tower(ended: oneshot::Receiver<Result<(), String>>, vitals: Vitals) {
    // A tower that was told to end belongs to a node that stops.
    if let Ok(Err(why)) = ended.await {
        vitals.end(StopReason::Fatal(why));
    }
}
