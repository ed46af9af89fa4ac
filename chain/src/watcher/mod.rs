//! Follows the chain and delivers confirmed blocks, each once and in order.
//!
//! Blocks are read by number and checked by hash. New-head announcements only wake the watcher
//! up: what it delivers never depends on them, so a lost one costs time and nothing else
//! (gaps C2 of threats.md, C7, C10 of known-gaps.md).

mod blocks;
mod cursor;
mod decode;
mod range;
mod reorg;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use alloy::primitives::{Address, B256, U256};
use engine::chain::{Block, BlockRef, ChainEvent};
use engine::types::{Amount, BlockNumber};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

pub(crate) use cursor::Cursor;
pub use cursor::History;

use crate::config::ChainConfig;
use crate::error::ChainError;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::panel::{Answer, Panel};
use crate::quorum::{Decision, Vote};
use crate::refusal::Refusal;
use crate::rollup::{self, Oracle};
use crate::roster::{Pace, Roster, Seat};
use crate::rpc::{Header, Rpc};
use crate::scout::Report;
use crate::status::{CallStatus, ChainStatus, EndpointStatus, GasReport, Link};
use crate::submitter::fees::Market;
use crate::submitter::send::{DATA_FEE_PATIENCE, market};
use cursor::Plan;
use reorg::AncestorSearch;

/// How long the account's coin and the tip are taken to be the same while the account is not used, in
/// poll intervals: two minutes by default.
const GAS_MEMORY: u32 = 30;

/// Time between two readings because of logs that were left out.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// Blocks to read that are worth telling of, and how often.
const LONG_WAY: u64 = 1_000;
const PROGRESS: Duration = Duration::from_secs(5);

/// Blocks of which every endpoint has the logs.
const OLD: u64 = 128;

/// The account, and what of the price of gas is not in each header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    at: Instant,
    balance: U256,
    /// What the block's producer gets, in wei per gas.
    tip: u128,
    /// What a rollup charges for data, in wei per gas.
    data_fee: u128,
}

/// A long way to the newest block.
pub(crate) struct Way {
    since: Instant,
    from: u64,
    told: Instant,
}

/// The task that follows the chain.
pub(crate) struct Watcher {
    pub(crate) config: ChainConfig,
    /// Pays for transactions; its coins are reported with each head.
    pub(crate) account: Address,
    /// One per endpoint, in the order of the settings.
    pub(crate) scouts: Vec<Watched>,
    pub(crate) roster: Roster,
    /// A scout has something new.
    pub(crate) news: Arc<Notify>,
    pub(crate) cursor: Cursor,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) status: watch::Sender<ChainStatus>,
    /// The connections, for whoever else needs one; `None` while there is none.
    pub(crate) connection: watch::Sender<Option<Panel>>,
    pub(crate) gas: watch::Sender<Option<GasReport>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Head and height up to which everything is delivered.
    pub(crate) seen: Option<(B256, u64)>,
    /// Height from which something was not told, as the submitter has found.
    pub(crate) doubted: watch::Receiver<Option<u64>>,
    /// When blocks were read again for that reason.
    pub(crate) read_again: Option<Instant>,
    /// Where there is much to read.
    pub(crate) way: Option<Way>,
    /// Since when too few endpoints confirm what one says.
    pub(crate) awaiting: Option<Instant>,
    /// What the submitter does: it uses the account.
    pub(crate) calls: watch::Receiver<CallStatus>,
    /// What was found when the account was asked for last.
    pub(crate) account_seen: Option<Account>,
}

/// An endpoint and what its scout says.
pub(crate) struct Watched {
    /// The endpoint without what may be an access key.
    pub(crate) shown: String,
    pub(crate) report: watch::Receiver<Report>,
}

/// What one look at the chain goes by.
struct View {
    panel: Panel,
    /// Position of the panel's leader.
    seat: usize,
    head: Header,
    /// Up to here enough endpoints have blocks, if enough answer.
    height: Option<u64>,
    pace: Pace,
}

impl Watcher {
    /// Runs until a mismatch that only the operator can resolve.
    pub(crate) async fn run(mut self) {
        let Err(error) = self.watch().await;
        self.connection.send_replace(None);
        self.status.send_modify(|status| status.set_down(error.to_string()));
        warn!(%error, "the chain service stops");
        // A closed inbox means that the node is stopping anyway.
        let _ = self.events.send(Event::Fatal(error.to_string())).await;
    }

    async fn watch(&mut self) -> Result<Infallible, ChainError> {
        loop {
            match self.view()? {
                None => {
                    self.connection.send_if_modified(|connection| connection.take().is_some());
                    self.set_down();
                }
                Some(view) => {
                    self.publish_panel(&view);
                    match view.pace {
                        Pace::Go => self.look(view).await?,
                        Pace::Wait => self.set_down(),
                    }
                }
            }
            self.publish_endpoints();
            tokio::select! {
                () = self.news.notified() => {}
                () = sleep(self.config.poll_interval) => {}
            }
        }
    }

    /// The endpoints to work with, if any can be used now.
    fn view(&self) -> Result<Option<View>, ChainError> {
        let reports: Vec<Report> =
            self.scouts.iter().map(|scout| scout.report.borrow().clone()).collect();
        if let Some(error) = hopeless(&reports) {
            return Err(ChainError::Hopeless(error));
        }
        let seats: Vec<Seat> = reports
            .iter()
            .map(|report| Seat {
                head: report.live_head().map(|head| head.block.number.0),
                since: report.since,
                answers: report.answers,
            })
            .collect();
        let Some(lead) = self.roster.choose(&seats, Instant::now()) else { return Ok(None) };
        let rpc = |seat: usize| reports.get(seat).and_then(|report| report.rpc.clone());
        let head = reports.get(lead.seat).and_then(Report::live_head);
        let (Some(leader), Some(head)) = (rpc(lead.seat), head) else { return Ok(None) };
        let others = lead.answering.iter().filter(|seat| **seat != lead.seat);
        let witnesses: Vec<Rpc> = others.filter_map(|seat| rpc(*seat)).collect();
        let missing = lead.answering.len().saturating_sub(witnesses.len() + 1);
        let panel = Panel { leader, witnesses, missing, least: self.config.quorum };
        Ok(Some(View { panel, seat: lead.seat, head, height: lead.height, pace: lead.pace }))
    }

    /// One look at the chain, and what follows for the endpoint that was asked.
    async fn look(&mut self, view: View) -> Result<(), ChainError> {
        match self.follow(&view).await {
            Ok(()) => {
                self.roster.clear(view.seat);
                self.awaiting = None;
                self.status.send_if_modified(|status| {
                    let changed = !status.link.is_up();
                    status.set_up();
                    changed
                });
            }
            Err(ChainError::Moved) => {
                debug!("the chain changed while it was read; reading again");
                self.metrics.ranges_repeated.increment();
            }
            Err(
                error @ (ChainError::Awaited { .. }
                | ChainError::Behind { .. }
                | ChainError::Lags { .. }),
            ) => self.wait_for_others(view.seat, &error),
            Err(error) if error.is_retryable() => {
                if error.is_contradiction() {
                    view.panel.forget();
                }
                if error.is_contradiction() || self.roster.has_failed(view.seat) {
                    self.pass_over(view.seat, &error);
                } else {
                    debug!(%error, "a look at the chain has failed");
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.report_gas(&view).await;
        Ok(())
    }

    /// Nobody is to blame yet, since nodes lag; but a chain that stands still for the engine is an
    /// alarm.
    fn wait_for_others(&mut self, seat: usize, error: &ChainError) {
        debug!(%error, "waiting for chain endpoints that lag");
        let since = *self.awaiting.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.config.stall_after {
            self.awaiting = None;
            self.pass_over(seat, error);
            return;
        }
        self.status.send_if_modified(|status| {
            let error = Some(error.to_string());
            let changed = status.last_error != error;
            status.last_error = error;
            changed
        });
    }

    /// The endpoint has erred: the next one is asked, or this one again after a while.
    fn pass_over(&mut self, seat: usize, error: &ChainError) {
        let wait = self.roster.suspend(seat, Instant::now());
        let endpoint = self.scouts.get(seat).map_or("", |scout| scout.shown.as_str());
        warn!(endpoint, %error, ?wait, "chain endpoint is not usable");
        self.metrics.endpoint_failures.increment();
        let alarm = error.is_contradiction();
        self.status.send_modify(|status| {
            status.last_error = Some(error.to_string());
            if alarm {
                status.alarm = Some(error.to_string());
            }
        });
    }

    /// No endpoint can be read from.
    fn set_down(&self) {
        let errors = self.scouts.iter().map(|scout| scout.report.borrow().error.clone());
        let error = errors.flatten().next().map(|error| error.to_string());
        self.status.send_if_modified(|status| {
            let error = error.or_else(|| status.last_error.clone());
            let changed = status.link.is_up() || status.last_error != error;
            if status.link.is_up() {
                status.link = Link::Down { since: SystemTime::now() };
            }
            status.last_error = error;
            changed
        });
    }

    fn publish_panel(&mut self, view: &View) {
        let changed = self.connection.send_if_modified(|connection| {
            let changed = !connection.as_ref().is_some_and(|panel| panel.is(&view.panel));
            if changed {
                *connection = Some(view.panel.clone());
            }
            changed
        });
        if changed {
            let others = view.panel.witnesses.len();
            info!(endpoint = view.panel.leader.shown(), others, "asking this chain endpoint");
            self.seen = None;
        }
    }

    fn publish_endpoints(&self) {
        let connection = self.connection.borrow();
        let leader = connection.as_ref().map(|panel| &panel.leader);
        let endpoints: Vec<EndpointStatus> = self
            .scouts
            .iter()
            .map(|scout| {
                let report = scout.report.borrow();
                let leads = report.rpc.as_ref().zip(leader).is_some_and(|(rpc, led)| rpc.is(led));
                EndpointStatus {
                    endpoint: scout.shown.clone(),
                    leads,
                    head: report.live_head().map(|head| head.block),
                    error: report.error.as_ref().map(ToString::to_string),
                }
            })
            .collect();
        self.status.send_if_modified(|status| {
            let changed = status.endpoints != endpoints;
            status.endpoints = endpoints;
            changed
        });
    }

    /// What the account has and what gas costs. The base fee comes with each head; the rest is
    /// asked for when the account is used, and from time to time. Nothing depends on it here, so
    /// that a failure only delays it.
    async fn report_gas(&mut self, view: &View) {
        let used = self.calls.has_changed().unwrap_or_default();
        let memory = self.config.poll_interval.saturating_mul(GAS_MEMORY);
        let is_old = self.account_seen.is_none_or(|purse| purse.at.elapsed() >= memory);
        let is_told = self.gas.borrow().is_some_and(|report| report.block == view.head.block);
        if is_told && !is_old {
            return;
        }
        if used || is_old {
            let rpc = &view.panel.leader;
            let (balance, market, beside_gas, as_gas) = tokio::join!(
                rpc.balance(self.account),
                market(rpc, view.head),
                in_time(rpc.data_fee(Oracle::OpStack, rollup::typical())),
                in_time(rpc.data_fee(Oracle::Arbitrum, rollup::typical()))
            );
            let (Ok(balance), Ok(market)) = (balance, market) else { return };
            let bound = self.config.fees.max_fee_per_gas;
            let data_fee = match (beside_gas, as_gas) {
                (Some(beside), Some(within)) => {
                    rollup::per_gas(beside.saturating_add(within), bound)
                }
                // What it was is nearer to it than nothing.
                _ => self.account_seen.map_or(0, |account| account.data_fee),
            };
            self.calls.mark_unchanged();
            let (at, tip) = (Instant::now(), market.priority);
            self.account_seen = Some(Account { at, balance, tip, data_fee });
        }
        let Some(Account { balance, tip, data_fee, .. }) = self.account_seen else { return };
        let base = view.head.base_fee.unwrap_or_default().into();
        let price = Market { base, priority: tip }.price().saturating_add(data_fee);
        self.gas.send_replace(Some(GasReport {
            block: view.head.block,
            balance: Amount::from(balance),
            base_fee: Amount::from(base),
            price_per_gas: Amount::from(price),
        }));
    }

    /// Delivers everything that is confirmed at the endpoint's head.
    async fn follow(&mut self, view: &View) -> Result<(), ChainError> {
        let View { panel, head, .. } = view;
        let (rpc, head) = (&panel.leader, *head);
        self.publish_head(head);
        let height = self.agreed_height(view)?;
        self.heed_doubts(view, height).await?;
        if self.seen == Some((head.block.hash, height)) {
            return Ok(());
        }
        loop {
            if !self.stands(rpc, head.block.number.0).await? {
                self.reorganise(panel, head.block.number.0, height).await?;
            }
            match self.cursor.plan(height) {
                Plan::Idle => break,
                Plan::Anchor(number) => {
                    let anchor = rpc.block_at(number).await?;
                    let answer = panel.confirm(|rpc| has(rpc, anchor.block)).await;
                    self.insist(panel, &answer, || format!("block {number}"))?;
                    self.deliver(vec![Block {
                        block: anchor.block,
                        logs: Vec::new(),
                        debts: Vec::new(),
                    }])
                    .await;
                }
                Plan::Range { from, to } => {
                    let Some(blocks) = self.read(panel, from, to).await? else { continue };
                    if !self.stands(rpc, head.block.number.0).await? {
                        return Err(ChainError::Moved);
                    }
                    self.deliver(blocks).await;
                    self.tell_progress(to, head.block.number.0);
                }
            }
        }
        self.check_lag(head)?;
        self.check_others(panel, head, height)?;
        self.seen = Some((head.block.hash, height));
        Ok(())
    }

    /// What most endpoints do not have yet is not told. The operator must hear of it when it is
    /// more than the usual distance.
    fn check_others(&self, panel: &Panel, head: Header, height: u64) -> Result<(), ChainError> {
        let head = head.block.number.0;
        if head.saturating_sub(height) <= self.config.max_lag {
            return Ok(());
        }
        Err(ChainError::Awaited {
            endpoint: panel.leader.shown().to_owned(),
            subject: format!("block {head}"),
            against: format!("most endpoints have no block above {height}"),
        })
    }

    /// Height up to which blocks may be told: what the leader has and enough others have too.
    fn agreed_height(&self, view: &View) -> Result<u64, ChainError> {
        let head = view.head.block.number.0;
        let Some(height) = view.height else {
            return Err(ChainError::Unconfirmed {
                endpoint: view.panel.leader.shown().to_owned(),
                subject: format!("block {head}"),
                against: format!(
                    "fewer endpoints answer to than the {} of the setting `quorum`",
                    self.config.quorum
                ),
            });
        };
        Ok(height.min(head))
    }

    /// Goes on only with what enough endpoints confirm, and tells the operator who does not.
    fn insist(
        &self,
        panel: &Panel,
        answer: &Answer,
        subject: impl FnOnce() -> String,
    ) -> Result<(), ChainError> {
        let endpoint = panel.leader.shown().to_owned();
        let against = answer.against.clone();
        let alarm = match answer.decision {
            Decision::Agreed => None,
            Decision::Short => {
                return Err(ChainError::Awaited { endpoint, subject: subject(), against });
            }
            decision @ (Decision::Disputed | Decision::Refused) => {
                self.metrics.contradictions.increment();
                let subject = subject();
                let error = ChainError::Unconfirmed { endpoint, subject, against };
                if decision == Decision::Refused {
                    return Err(error);
                }
                Some(error.to_string())
            }
        };
        self.status.send_if_modified(|status| {
            let changed = status.alarm != alarm;
            if let Some(alarm) = alarm.as_ref().filter(|_| changed) {
                warn!(%alarm, "chain endpoints contradict each other");
            }
            status.alarm = alarm;
            changed
        });
        Ok(())
    }

    fn publish_head(&self, head: Header) {
        self.status.send_if_modified(|status| {
            let changed = status.head != Some(head.block);
            status.head = Some(head.block);
            changed
        });
    }

    /// A head below a delivered block, with the same blocks up to it, is an endpoint that lags
    /// and not a reorganisation.
    fn check_lag(&self, head: Header) -> Result<(), ChainError> {
        match self.cursor.position() {
            Some(last) if last.number > head.block.number => {
                Err(ChainError::Behind { head: head.block.number, needed: last.number })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// True while the newest delivered block that can be there is there.
    async fn stands(&self, rpc: &Rpc, head: u64) -> Result<bool, ChainError> {
        let Some(block) = self.cursor.checkpoint(head) else {
            // All known blocks are above the head.
            return Ok(true);
        };
        rpc.has(block).await
    }

    /// Finds where the chain forked and delivers what replaces the old blocks, as one event.
    async fn reorganise(
        &mut self,
        panel: &Panel,
        head: u64,
        height: u64,
    ) -> Result<(), ChainError> {
        let rpc = &panel.leader;
        let mut search = AncestorSearch::new(self.cursor.delivered());
        while let Some(block) = search.question() {
            search.answer(block.number.0 <= head && rpc.has(block).await?);
        }
        let ancestor = search.ancestor().ok_or_else(|| self.no_common_block())?;
        let replaced =
            self.cursor.delivered().iter().find(|block| block.number > ancestor.number).copied();
        let answer = panel.confirm(|rpc| forked(rpc, ancestor, replaced)).await;
        self.insist(panel, &answer, || format!("a fork above block {}", ancestor.number))?;
        warn!(ancestor = ancestor.number.0, height, "the chain reorganised");
        self.replace_above(panel, ancestor, height).await
    }

    /// Reads again what the endpoint has shown without all of its logs. Where others can be asked,
    /// they are.
    async fn heed_doubts(&mut self, view: &View, height: u64) -> Result<(), ChainError> {
        let is_early = self.read_again.is_some_and(|at| at.elapsed() < READ_AGAIN);
        if is_early || !self.doubted.has_changed().unwrap_or_default() {
            return Ok(());
        }
        let Some(block) = *self.doubted.borrow_and_update() else { return Ok(()) };
        self.read_again = Some(Instant::now());
        let delivered = self.cursor.delivered().iter().rev();
        let Some(ancestor) = delivered.copied().find(|known| known.number.0 < block) else {
            return Ok(());
        };
        let endpoint = view.panel.leader.shown();
        let alarm = format!(
            "{endpoint} has left out logs of the adjudicator since block {}; they are read again. Use \
             another endpoint",
            ancestor.number
        );
        warn!(%alarm, "an endpoint leaves out logs");
        self.status.send_modify(|status| {
            status.last_error = Some(alarm.clone());
            status.alarm = Some(alarm);
        });
        self.roster.suspend(view.seat, Instant::now());
        view.panel.forget();
        self.replace_above(&view.panel, ancestor, height).await
    }

    /// Delivers everything above a block anew, as one event.
    async fn replace_above(
        &mut self,
        panel: &Panel,
        ancestor: BlockRef,
        height: u64,
    ) -> Result<(), ChainError> {
        let rpc = &panel.leader;
        let confirmed = self.cursor.confirmed(height).unwrap_or_default();
        let mut blocks: Vec<Block> = Vec::new();
        let mut last = ancestor.number.0;
        while let Plan::Range { from, to } = self.cursor.range_after(last, confirmed) {
            if let Some(read) = self.read(panel, from, to).await? {
                blocks.extend(read);
                last = to;
            }
        }
        if !rpc.has(ancestor).await? {
            return Err(ChainError::Moved);
        }
        self.metrics.reorgs.increment();
        self.count(&blocks);
        let replaced: Vec<BlockRef> = blocks.iter().map(|block| block.block).collect();
        let _ = self.events.send(Event::Chain(ChainEvent::Reorg { ancestor, blocks })).await;
        self.cursor.rewind(ancestor);
        self.cursor.advance(replaced);
        self.status.send_modify(|status| {
            status.reorgs = status.reorgs.saturating_add(1);
            status.delivered = self.cursor.position();
        });
        Ok(())
    }

    /// Reading what a node has missed may take hours: whoever watches sees that it goes on.
    fn tell_progress(&mut self, read: u64, head: u64) {
        let left = head.saturating_sub(read);
        if left < LONG_WAY {
            self.way = None;
            return;
        }
        let now = Instant::now();
        let way = self.way.get_or_insert(Way { since: now, from: read, told: now });
        if way.told.elapsed() < PROGRESS {
            return;
        }
        way.told = now;
        let blocks = read.saturating_sub(way.from).max(1);
        let each = way.since.elapsed().as_secs_f64() / blocks as f64;
        let minutes = (each * left as f64 / 60.0).ceil();
        info!(block = read, left, minutes_left = minutes, "reading the blocks that were missed");
    }

    fn no_common_block(&self) -> ChainError {
        let delivered = self.cursor.delivered();
        let oldest = delivered.first().map(|block| block.number).unwrap_or_default();
        ChainError::NoCommonBlock { known: delivered.len(), oldest }
    }

    async fn deliver(&mut self, blocks: Vec<Block>) {
        self.count(&blocks);
        for block in blocks {
            let reference = block.block;
            debug!(block = reference.number.0, logs = block.logs.len(), "block confirmed");
            // A closed inbox means that the node is stopping; the cursor is not durable here.
            let _ = self.events.send(Event::Chain(ChainEvent::Block(block))).await;
            self.cursor.advance([reference]);
        }
        let position = self.cursor.position();
        self.status.send_modify(|status| status.delivered = position);
    }

    fn count(&self, blocks: &[Block]) {
        let logs: usize = blocks.iter().map(|block| block.logs.len()).sum();
        self.metrics.blocks_delivered.add(blocks.len() as u64);
        self.metrics.logs_delivered.add(logs as u64);
    }

    /// Reads one range; `None` when the endpoint refused its length, which is smaller next time.
    async fn read(
        &mut self,
        panel: &Panel,
        from: u64,
        to: u64,
    ) -> Result<Option<Vec<Block>>, ChainError> {
        let adjudicator = self.config.deployment.adjudicator;
        let read = range::read(&panel.leader, adjudicator, from, to).await;
        match read {
            Ok(range) => {
                let (blocks, too_long) = (&range.blocks, &AtomicBool::new(false));
                // All of it, since a true block can be told with false logs.
                let answer = panel
                    .confirm(|rpc| async move {
                        match range::read(&rpc, adjudicator, from, to).await {
                            Ok(found) => Ok(Vote::on(&found.blocks, blocks)),
                            Err(ChainError::Moved) => Ok(Vote::Lacks),
                            // Nobody gets out of the way of a lie by its length.
                            Err(ChainError::Refused { .. } | ChainError::TimedOut { .. })
                                if to > from =>
                            {
                                too_long.store(true, Ordering::Relaxed);
                                Ok(Vote::Lacks)
                            }
                            Err(error) => Err(error),
                        }
                    })
                    .await;
                if !answer.decision.holds()
                    && too_long.load(Ordering::Relaxed)
                    && self.cursor.shrink(to.saturating_sub(from).saturating_add(1))
                {
                    debug!(from, to, "another endpoint refuses the range; halving it");
                    self.metrics.ranges_halved.increment();
                    return Ok(None);
                }
                self.insist(panel, &answer, || format!("blocks {from} to {to}"))?;
                if range.skipped > 0 {
                    debug!(from, to, skipped = range.skipped, "skipped logs that do not decode");
                    self.metrics.logs_skipped.add(range.skipped);
                }
                self.cursor.grow();
                Ok(Some(range.blocks))
            }
            Err(ChainError::Refused { .. } | ChainError::TimedOut { .. })
                if self.cursor.shrink(to.saturating_sub(from).saturating_add(1)) =>
            {
                debug!(from, to, "the endpoint refuses the range; halving it");
                self.metrics.ranges_halved.increment();
                Ok(None)
            }
            Err(ChainError::Refused { kind: Refusal::Unclear, message, .. }) if self.is_old(to) => {
                Err(ChainError::NoHistory { block: BlockNumber(to), message })
            }
            Err(error) => Err(error),
        }
    }

    /// True for a block that an endpoint may have thrown away.
    fn is_old(&self, block: u64) -> bool {
        let head = self.status.borrow().head.map_or(0, |head| head.number.0);
        head.saturating_sub(block) > OLD
    }
}

/// Why no endpoint will ever be usable with these settings.
fn hopeless(reports: &[Report]) -> Option<Arc<ChainError>> {
    let all = reports.iter().all(Report::is_hopeless);
    reports.first().filter(|_| all).and_then(|report| report.error.clone())
}

/// Whether another endpoint has this block.
async fn has(rpc: Rpc, block: BlockRef) -> Result<Vote, ChainError> {
    match rpc.block_at(block.number.0).await {
        Ok(header) => Ok(Vote::on(&header.block, &block)),
        Err(ChainError::Lags { .. }) => Ok(Vote::Lacks),
        Err(error) => Err(error),
    }
}

/// Whether another endpoint has `ancestor` and no longer has what was `replaced` above it.
async fn forked(
    rpc: Rpc,
    ancestor: BlockRef,
    replaced: Option<BlockRef>,
) -> Result<Vote, ChainError> {
    let vote = has(rpc.clone(), ancestor).await?;
    let (Vote::Agrees, Some(replaced)) = (vote, replaced) else { return Ok(vote) };
    Ok(match has(rpc, replaced).await? {
        Vote::Agrees => Vote::Differs,
        Vote::Differs => Vote::Agrees,
        vote => vote,
    })
}

/// What an endpoint says of a fee, unless it takes so long that blocks would wait for it.
async fn in_time<T>(answer: impl Future<Output = Result<T, ChainError>>) -> Option<T> {
    tokio::time::timeout(DATA_FEE_PATIENCE, answer).await.ok()?.ok()
}
