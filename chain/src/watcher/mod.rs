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

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use engine::chain::{Block, BlockRef, ChainEvent};
use futures::future::OptionFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

pub(crate) use cursor::Cursor;

use crate::backoff::Backoff;
use crate::config::ChainConfig;
use crate::endpoint::Endpoint;
use crate::error::ChainError;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::rpc::{Header, Rpc};
use crate::status::ChainStatus;
use cursor::Plan;
use reorg::AncestorSearch;

/// First wait after the endpoint failed.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Longest wait between two attempts to reach the endpoint: an operator who repaired it sees the
/// node come back within half a minute.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// The task that follows the chain.
pub(crate) struct Watcher {
    pub(crate) config: ChainConfig,
    pub(crate) endpoint: Endpoint,
    pub(crate) cursor: Cursor,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) status: watch::Sender<ChainStatus>,
    /// The connection, for whoever else needs one; `None` while there is none.
    pub(crate) connection: watch::Sender<Option<Rpc>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Head up to which everything is delivered.
    pub(crate) seen: Option<B256>,
}

impl Watcher {
    /// Runs until a mismatch that only the operator can resolve. `first` is a connection that
    /// was verified already.
    pub(crate) async fn run(mut self, mut first: Option<Rpc>) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY.max(self.config.poll_interval));
        loop {
            let Err(error) = self.session(first.take(), &mut backoff).await;
            self.connection.send_replace(None);
            self.status.send_modify(|status| status.set_down(error.to_string()));
            if !error.is_retryable() {
                warn!(%error, "the chain service stops");
                // A closed inbox means that the node is stopping anyway.
                let _ = self.events.send(Event::Fatal(error.to_string())).await;
                return;
            }
            self.metrics.endpoint_failures.increment();
            let wait = backoff.next();
            warn!(endpoint = self.endpoint.shown(), %error, ?wait, "chain endpoint is not usable");
            sleep(wait).await;
        }
    }

    /// One connection, until it fails.
    async fn session(
        &mut self,
        first: Option<Rpc>,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, ChainError> {
        let rpc = match first {
            Some(rpc) => rpc,
            None => self.connect().await?,
        };
        let mut announcements = rpc.announcements().await?;
        info!(endpoint = self.endpoint.shown(), "chain endpoint is up");
        self.connection.send_replace(Some(rpc.clone()));
        self.seen = None;
        loop {
            match self.follow(&rpc).await {
                Ok(()) => {
                    self.status.send_modify(ChainStatus::set_up);
                    backoff.reset();
                }
                Err(ChainError::Moved) => {
                    debug!("the chain changed while it was read; reading again");
                    self.metrics.ranges_repeated.increment();
                }
                Err(error) => return Err(error),
            }
            self.pause(&mut announcements).await?;
        }
    }

    /// Waits for the next look at the head.
    async fn pause(
        &self,
        announcements: &mut Option<BoxStream<'static, ()>>,
    ) -> Result<(), ChainError> {
        let next = OptionFuture::from(announcements.as_mut().map(StreamExt::next));
        tokio::select! {
            () = sleep(self.config.poll_interval) => Ok(()),
            Some(announced) = next => announced.ok_or(ChainError::Disconnected),
        }
    }

    /// Delivers everything that is confirmed at the endpoint's head.
    async fn follow(&mut self, rpc: &Rpc) -> Result<(), ChainError> {
        let head = rpc.head().await?;
        self.publish_head(head);
        if self.seen == Some(head.block.hash) {
            return Ok(());
        }
        loop {
            if !self.stands(rpc, head.block.number.0).await? {
                self.reorganise(rpc, head).await?;
            }
            match self.cursor.plan(head.block.number.0) {
                Plan::Idle => break,
                Plan::Anchor(number) => {
                    let anchor = rpc.header(number).await?.ok_or(ChainError::Moved)?;
                    self.deliver(vec![Block { block: anchor.block, logs: Vec::new() }]).await;
                }
                Plan::Range { from, to } => {
                    let Some(blocks) = self.read(rpc, from, to).await? else { continue };
                    if !self.stands(rpc, head.block.number.0).await? {
                        return Err(ChainError::Moved);
                    }
                    self.deliver(blocks).await;
                }
            }
        }
        self.check_lag(head)?;
        self.seen = Some(head.block.hash);
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
        is_canonical(rpc, block).await
    }

    /// Finds where the chain forked and delivers what replaces the old blocks, as one event.
    async fn reorganise(&mut self, rpc: &Rpc, head: Header) -> Result<(), ChainError> {
        let mut search = AncestorSearch::new(self.cursor.delivered());
        while let Some(block) = search.question() {
            search.answer(is_canonical(rpc, block).await?);
        }
        let ancestor = search.ancestor().ok_or_else(|| self.no_common_block())?;
        let confirmed = self.cursor.confirmed(head.block.number.0).unwrap_or_default();
        let mut blocks: Vec<Block> = Vec::new();
        let mut last = ancestor.number.0;
        while let Plan::Range { from, to } = self.cursor.range_after(last, confirmed) {
            if let Some(read) = self.read(rpc, from, to).await? {
                blocks.extend(read);
                last = to;
            }
        }
        if !is_canonical(rpc, ancestor).await? {
            return Err(ChainError::Moved);
        }
        warn!(ancestor = ancestor.number.0, head = head.block.number.0, "the chain reorganised");
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
        rpc: &Rpc,
        from: u64,
        to: u64,
    ) -> Result<Option<Vec<Block>>, ChainError> {
        let adjudicator = self.config.deployment.adjudicator;
        match range::read(rpc, adjudicator, from, to).await {
            Ok(range) => {
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
            Err(error) => Err(error),
        }
    }
}

/// True when the endpoint's chain has this block.
async fn is_canonical(rpc: &Rpc, block: BlockRef) -> Result<bool, ChainError> {
    let header = rpc.header(block.number.0).await?;
    Ok(header.is_some_and(|header| header.block.hash == block.hash))
}
