//! Turns the engine's calls into transactions and sees them through.
//!
//! One task owns the account: it alone hands out nonces, and it writes down what it is about to
//! send before it sends it. A call that is offered again continues where its record ends.

pub(crate) mod fees;
mod follow;
mod nonce;
mod offer;
mod queue;
pub(crate) mod request;
pub(crate) mod send;
pub(crate) mod settle;
mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use engine::chain::{ChainCall, Receipt, Urgency};
use engine::types::{BlockNumber, CallId};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use crate::config::ChainConfig;
use crate::error::ChainError;
use crate::event::Event;
use crate::handle::Order;
use crate::journal::{self, Journal, JournalError, Record, Settled};
use crate::metrics::Metrics;
use crate::panel::Panel;
use crate::refusal::Refusal;
use crate::rpc::Header;
use crate::status::{CallStatus, ChainStatus};
use fees::{Market, Policy, Run, Schedule};
use nonce::Nonces;
use queue::Pressure;
use send::market;

/// Settled calls whose records are kept: the engine may offer one again after a crash between
/// our record and its commit, and a deep reorganisation may take its transaction back.
const SETTLED_KEPT: usize = 256;

/// The task that sends.
pub(crate) struct Submitter {
    config: ChainConfig,
    signer: PrivateKeySigner,
    journal: Arc<dyn Journal>,
    inbox: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<Event>,
    connection: watch::Receiver<Option<Panel>>,
    chain: watch::Receiver<ChainStatus>,
    status: watch::Sender<CallStatus>,
    /// Height from which the watcher is to read again, because something was not told.
    doubts: watch::Sender<Option<u64>>,
    metrics: Arc<Metrics>,
    calls: BTreeMap<CallId, Entry>,
    /// Those that have ended, in that order.
    settled: Vec<CallId>,
    nonces: Nonces,
    /// When the newest attempt of each nonce left, in this process.
    sent: BTreeMap<u64, Instant>,
    /// How often the newest attempt of each nonce was refused since somebody had it.
    refused: BTreeMap<u64, u32>,
    /// How often in a row each nonce of ours was seen used by a transaction that nobody shows.
    missed: BTreeMap<u64, u32>,
    /// Transactions of the account that were seen mined: a settled call above is not settled, and
    /// holds up everything behind it.
    proven: u64,
    /// Reorganisations of the watcher after which settled calls were checked.
    reorgs: u64,
    /// What the chain asks per gas, as of a block.
    priced: Option<(B256, Market)>,
    /// Coin of the account, as of this round.
    coin: Option<U256>,
    /// Why the first waiting call waits.
    problem: Option<String>,
}

/// The other ends of the submitter's channels.
pub(crate) struct Wiring {
    pub(crate) inbox: mpsc::UnboundedReceiver<Order>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) connection: watch::Receiver<Option<Panel>>,
    pub(crate) chain: watch::Receiver<ChainStatus>,
    pub(crate) status: watch::Sender<CallStatus>,
    pub(crate) doubts: watch::Sender<Option<u64>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A call and how far it is.
#[derive(Debug, Default)]
struct Entry {
    /// Unknown after a restart until the engine offers the call again.
    call: Option<ChainCall>,
    record: Record,
    /// Chain time when this process first knew of the call.
    seen: Option<u64>,
    /// All approvals are mined.
    approved: bool,
    /// It gave its nonce up in this round, and must not take it back before others could.
    stands_back: bool,
    /// The engine was told how it ended.
    announced: bool,
}

/// The chain as one round of work sees it.
#[derive(Clone, Copy, Debug)]
struct View {
    head: Header,
    /// Transactions of the account that are mined.
    mined: u64,
    market: Market,
}

impl Entry {
    const fn is_settled(&self) -> bool {
        self.record.settled.is_some()
    }

    fn is_sent(&self) -> bool {
        self.record.call_tx().is_some()
    }

    /// After a restart nothing is pressing until the engine has offered the call again, which
    /// it does at once.
    fn urgency(&self) -> Urgency {
        self.call.as_ref().map(ChainCall::urgency).unwrap_or_default()
    }

    fn run(&self) -> Option<Run> {
        Some(Run { seen: self.seen?, deadline: self.urgency().deadline? })
    }
}

impl Submitter {
    /// Reads the journal, so that it can be refused before anything runs.
    pub(crate) fn new(
        config: ChainConfig,
        signer: PrivateKeySigner,
        journal: Arc<dyn Journal>,
        wiring: Wiring,
    ) -> Result<Self, ChainError> {
        let mut calls = BTreeMap::new();
        let mut settled = Vec::new();
        for (id, bytes) in journal.load()? {
            let record = journal::decode(id, &bytes)?;
            if record.settled.is_some() {
                settled.push(id);
            }
            calls.insert(id, Entry { record, ..Entry::default() });
        }
        let Wiring { inbox, events, connection, chain, status, doubts, metrics } = wiring;
        Ok(Self {
            config,
            signer,
            journal,
            inbox,
            events,
            connection,
            chain,
            status,
            doubts,
            metrics,
            calls,
            settled,
            nonces: Nonces::default(),
            sent: BTreeMap::new(),
            refused: BTreeMap::new(),
            missed: BTreeMap::new(),
            proven: 0,
            reorgs: 0,
            priced: None,
            coin: None,
            problem: None,
        })
    }

    /// Runs until the journal fails, which stops the node.
    pub(crate) async fn run(mut self) {
        let Err(error) = self.serve().await;
        warn!(%error, "the chain service stops");
        // A closed inbox means that the node is stopping anyway.
        let _ = self.events.send(Event::Fatal(error.to_string())).await;
    }

    async fn serve(&mut self) -> Result<Infallible, ChainError> {
        loop {
            self.work().await?;
            self.publish();
            self.wait().await?;
        }
    }

    /// One round, when there is a connection. A round that the endpoint interrupts is taken up
    /// by the next one.
    async fn work(&mut self) -> Result<(), ChainError> {
        let before = self.problem.take();
        let rpc = self.connection.borrow_and_update().clone();
        let Some(panel) = rpc else {
            if self.open().next().is_some() {
                self.problem = Some(ChainError::Down.to_string());
            }
            return Ok(());
        };
        match self.round(&panel).await {
            Ok(()) => {}
            Err(error @ ChainError::Journal(_)) => return Err(error),
            Err(error) => self.report(error.to_string()),
        }
        if let Some(problem) = self.problem.as_ref().filter(|now| before.as_ref() != Some(*now)) {
            warn!(account = %self.account(), %problem, "a chain call waits");
        }
        Ok(())
    }

    async fn round(&mut self, panel: &Panel) -> Result<(), ChainError> {
        let reorgs = self.chain.borrow_and_update().reorgs;
        if self.reorgs != reorgs {
            self.reopen(panel).await?;
            self.reorgs = reorgs;
        }
        let is_unproven = |entry: &Entry| entry.record.nonces().any(|nonce| nonce >= self.proven);
        if self.open().next().is_none() && !self.calls.values().any(is_unproven) {
            return Ok(());
        }
        // The nonce first: a nonce that is used here is used at the head that is asked next.
        let mined = panel.leader.mined_nonce(self.account()).await?;
        let view = self.view(panel, mined).await?;
        self.nonces.settle(mined);
        self.sent = self.sent.split_off(&mined);
        self.refused = self.refused.split_off(&mined);
        self.reopen_unmined(panel, &view).await?;
        self.proven = mined;
        self.heed_others(panel, &view).await?;
        for id in self.in_flight() {
            let followed = self.follow(panel, &view, id).await;
            self.go_on(followed)?;
        }
        for (id, urgency) in queue::order(view.head.block.timestamp, self.unsent()) {
            if !queue::has_room(self.unmined(mined), urgency) && !self.has_started(id) {
                continue;
            }
            match self.advance(panel, &view, id).await {
                Err(ChainError::Reverted { reason, .. }) => {
                    self.settle(id, Settled::Reverted(reason)).await?;
                }
                advanced => self.go_on(advanced)?,
            }
        }
        let filled = self.fill(panel, &view).await;
        self.go_on(filled)?;
        self.calls.values_mut().for_each(|entry| entry.stands_back = false);
        Ok(())
    }

    /// What is refused to one call must not stop the others, unless they would be refused too.
    fn go_on(&mut self, done: Result<(), ChainError>) -> Result<(), ChainError> {
        match done {
            Err(error @ ChainError::Refused { kind, .. }) if kind != Refusal::Busy => {
                self.report(error.to_string());
                Ok(())
            }
            done => done,
        }
    }

    /// What the round goes by. Calls that are new start their run here.
    async fn view(&mut self, panel: &Panel, mined: u64) -> Result<View, ChainError> {
        self.coin = None;
        let head = panel.leader.newest().await?;
        let market = match self.priced {
            Some((block, market)) if block == head.block.hash => market,
            Some(_) | None => market(&panel.leader, head).await?,
        };
        self.priced = Some((head.block.hash, market));
        for entry in self.calls.values_mut().filter(|entry| !entry.is_settled()) {
            entry.seen.get_or_insert(head.block.timestamp);
        }
        Ok(View { head, mined, market })
    }

    /// What the account has, asked for once in a round.
    async fn balance(&mut self, panel: &Panel) -> Result<U256, ChainError> {
        if let Some(balance) = self.coin {
            return Ok(balance);
        }
        let balance = panel.leader.balance(self.account()).await?;
        self.coin = Some(balance);
        Ok(balance)
    }

    /// What runs out, and which nonces stand in its way.
    fn pressure(&self) -> Pressure {
        let runs = self.open().filter_map(|(_, entry)| {
            // What has no nonce yet waits for all the others.
            let last = if entry.is_sent() { entry.record.nonces().max() } else { None };
            Some((last.unwrap_or(u64::MAX), entry.run()?))
        });
        Pressure::new(runs)
    }

    /// What may be offered now for a nonce.
    fn schedule(&self, view: &View, nonce: u64) -> Schedule {
        let policy = Policy { ordinary: self.config.fees, deadlines: self.config.deadlines };
        let run = self.pressure().on(nonce);
        Schedule::new(policy, view.market, run, view.head.block.timestamp)
    }

    /// Waits for a reason to look again: a call, other connections, a new block, or that time has
    /// passed, which makes some transactions due for a higher fee.
    async fn wait(&mut self) -> Result<(), ChainError> {
        let until = Instant::now() + self.config.poll_interval;
        let seen = |chain: &ChainStatus| (chain.head, chain.reorgs);
        let before = seen(&self.chain.borrow_and_update());
        loop {
            tokio::select! {
                biased;
                Some(order) = self.inbox.recv() => return self.take_all(order).await,
                Ok(()) = self.connection.changed() => return Ok(()),
                Ok(()) = self.chain.changed() => {
                    if seen(&self.chain.borrow_and_update()) != before {
                        return Ok(());
                    }
                }
                () = sleep_until(until.into()) => return Ok(()),
            }
        }
    }

    /// Takes everything that waits, so that one round serves it all.
    async fn take_all(&mut self, order: Order) -> Result<(), ChainError> {
        self.obey(order).await?;
        while let Ok(order) = self.inbox.try_recv() {
            self.obey(order).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), ChainError> {
        match order {
            Order::Submit(id, call) => {
                self.take(id, *call).await;
                Ok(())
            }
            Order::Withdraw(id) => self.withdraw(id).await,
        }
    }

    /// Ends a call of which nothing is sent. One that has so much as an approval goes on: what was
    /// sent once may be mined whatever is said here.
    async fn withdraw(&mut self, id: CallId) -> Result<(), ChainError> {
        let unsent = |entry: &Entry| !entry.is_settled() && entry.record.txs.is_empty();
        if !self.calls.get(&id).is_some_and(unsent) {
            debug!(call = id.0, "a chain call is not wanted any more, and goes on");
            return Ok(());
        }
        self.settle(id, Settled::Withdrawn).await
    }

    async fn take(&mut self, id: CallId, call: ChainCall) {
        let entry = self.calls.entry(id).or_default();
        debug!(call = id.0, channels = ?call.channels(), "chain call offered");
        if entry.is_settled() {
            // The engine has not committed the answer that it was given before.
            self.announce(id).await;
        } else {
            entry.call = Some(call);
        }
    }

    fn account(&self) -> Address {
        self.signer.address()
    }

    /// Calls without a final answer.
    fn open(&self) -> impl Iterator<Item = (CallId, &Entry)> {
        self.calls.iter().filter(|(_, entry)| !entry.is_settled()).map(|(id, entry)| (*id, entry))
    }

    /// Calls with a transaction to look after, lowest nonce first.
    fn in_flight(&self) -> Vec<CallId> {
        let mut ids: Vec<(u64, CallId)> = self
            .open()
            .filter_map(|(id, entry)| entry.record.nonces().min().map(|nonce| (nonce, id)))
            .collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Transactions that wait to be mined.
    fn unmined(&self, mined: u64) -> usize {
        self.nonces_in_use().range(mined..).count()
    }

    /// Calls that need their own transaction.
    fn unsent(&self) -> Vec<(CallId, Urgency)> {
        let unsent = self.open().filter(|(_, entry)| !entry.is_sent() && !entry.stands_back);
        unsent.map(|(id, entry)| (id, entry.urgency())).collect()
    }

    /// True when the call holds a place already, with an approval.
    fn has_started(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|entry| !entry.record.txs.is_empty())
    }

    /// Every nonce of a record. Those of settled calls count too: a reorganisation may have
    /// freed them on chain, and they are sent again.
    fn nonces_in_use(&self) -> BTreeSet<u64> {
        self.calls.values().flat_map(|entry| entry.record.nonces()).collect()
    }

    /// Remembers the first problem of a round.
    fn report(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn publish(&self) {
        let in_flight = self.open().filter(|(_, entry)| entry.is_sent()).count();
        let waiting = self.open().count().saturating_sub(in_flight);
        let now = CallStatus { waiting, in_flight, problem: self.problem.clone() };
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            *status = now;
            changed
        });
    }

    /// Makes the record of a call durable. Everything that leaves relies on it.
    async fn save(&self, id: CallId) -> Result<(), ChainError> {
        let Some(entry) = self.calls.get(&id) else { return Ok(()) };
        let bytes = journal::encode(id, &entry.record)?;
        self.on_disk(move |journal| journal.put(id, &bytes)).await
    }

    /// The journal blocks on its disk, which must not stop other tasks.
    async fn on_disk(
        &self,
        write: impl FnOnce(&dyn Journal) -> Result<(), JournalError> + Send + 'static,
    ) -> Result<(), ChainError> {
        let journal = Arc::clone(&self.journal);
        match tokio::task::spawn_blocking(move || write(journal.as_ref())).await {
            Ok(written) => Ok(written?),
            Err(error) => Err(JournalError::Store(Box::new(error)).into()),
        }
    }

    /// Ends a call.
    async fn settle(&mut self, id: CallId, settled: Settled) -> Result<(), ChainError> {
        match &settled {
            Settled::Succeeded(block) => {
                info!(call = id.0, block, "chain call succeeded");
                self.metrics.calls_succeeded.increment();
            }
            Settled::Reverted(reason) => {
                warn!(call = id.0, reason, "a contract refused a chain call");
                self.metrics.calls_reverted.increment();
            }
            Settled::TooLarge(needed, cap) => {
                warn!(call = id.0, needed, cap, "no transaction can hold a chain call");
                self.metrics.calls_too_large.increment();
            }
            Settled::Withdrawn => info!(call = id.0, "a chain call is taken back unsent"),
            Settled::Unknown(reason) => warn!(call = id.0, reason, "a transfer is lost"),
        }
        let Some(entry) = self.calls.get_mut(&id) else { return Ok(()) };
        entry.record.settled = Some(settled);
        entry.call = None;
        let announced = entry.announced;
        self.settled.retain(|known| *known != id);
        self.settled.push(id);
        self.save(id).await?;
        if !announced {
            self.announce(id).await;
        }
        self.prune().await
    }

    async fn announce(&mut self, id: CallId) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let receipt = match &entry.record.settled {
            Some(Settled::Succeeded(block)) => Receipt::Succeeded { block: BlockNumber(*block) },
            Some(Settled::Reverted(reason)) => Receipt::Reverted { reason: reason.clone() },
            Some(Settled::TooLarge(needed, cap)) => {
                Receipt::TooLarge { needed: *needed, cap: *cap }
            }
            Some(Settled::Withdrawn) => Receipt::Withdrawn,
            Some(Settled::Unknown(reason)) => Receipt::Unknown { reason: reason.clone() },
            None => return,
        };
        entry.announced = true;
        // A closed inbox means that the node is stopping; the call is offered again.
        let _ = self.events.send(Event::Settled(id, receipt)).await;
    }

    /// Forgets the oldest settled calls.
    async fn prune(&mut self) -> Result<(), ChainError> {
        self.settled.retain(|id| self.calls.get(id).is_some_and(Entry::is_settled));
        for id in forgettable(self.settled.clone()) {
            self.calls.remove(&id);
            self.on_disk(move |journal| journal.remove(id)).await?;
        }
        Ok(())
    }
}

/// The settled calls that need not be kept, given all of them in the order in which they have ended: one
/// that waited for long is not forgotten before the engine knows that it has ended, or it would be
/// offered and sent again. Of each half of the ids the last to end are kept: a watchtower beside the
/// engine counts in the upper one, and must not push out what the engine may still ask about.
fn forgettable(settled: Vec<CallId>) -> Vec<CallId> {
    const UPPER_HALF: CallId = CallId(1 << 63);
    let (engine, others): (Vec<_>, Vec<_>) = settled.into_iter().partition(|id| *id < UPPER_HALF);
    let oldest = |half: Vec<CallId>| {
        let excess = half.len().saturating_sub(SETTLED_KEPT);
        half.into_iter().take(excess)
    };
    oldest(engine).chain(oldest(others)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_both_halves_are_kept() {
        let kept = SETTLED_KEPT as u64;
        let half = |first: u64, count: u64| (first..first + count).map(CallId);
        assert_eq!(forgettable(half(0, kept).chain(half(1 << 63, kept)).collect()), []);
        let found = forgettable(half(5, kept + 2).chain(half(1 << 63, kept + 1)).collect());
        assert_eq!(found, [CallId(5), CallId(6), CallId(1 << 63)]);
    }
}
