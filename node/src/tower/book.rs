//! What a tower knows and decides, without any IO.

use std::collections::{BTreeMap, BTreeSet};

use engine::chain::{Block, BlockRef, ChainEvent, ChainFact, Receipt};
use engine::guard::{Guard, Rank, TowerRefusal};
use engine::state::Deployment;
use engine::step::ChainCursor;
use engine::types::{Address, BlockNumber, CallId, ChannelId, TurnNumber};

use super::rows::{Change, Found, IndexRow};
use super::settings::TowerSettings;

/// Calls of a tower have ids from here on: those of the engine beside it count from zero.
pub(crate) const FIRST_CALL: u64 = 1 << 63;

/// Facts of one channel that are kept for the case of a reorganisation. Each costs its sender a
/// transaction, and older ones are no longer needed.
const MAX_FACTS: usize = 16;

/// What the adjudicator says about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// No challenge runs.
    Open,
    /// A challenge runs until it becomes final.
    Challenged { turn: TurnNumber, finalizes_at: u64 },
    /// Closed by everyone's signature.
    Concluded,
}

/// A channel that is guarded.
#[derive(Debug)]
struct Entry {
    row: IndexRow,
    /// What happened when, oldest first. Begins with what the adjudicator said when it was asked.
    facts: Vec<(BlockNumber, Fact)>,
    /// The answer on its way.
    call: Option<CallId>,
    /// No answer is due before this block is read: what the last one did must be seen first.
    wait: BlockNumber,
}

impl Entry {
    const fn new(row: IndexRow) -> Self {
        Self { row, facts: Vec::new(), call: None, wait: BlockNumber(0) }
    }

    fn status(&self) -> Fact {
        self.facts.last().map_or(Fact::Open, |(_, fact)| *fact)
    }

    fn note(&mut self, block: BlockNumber, fact: Fact) {
        if self.facts.len() >= MAX_FACTS {
            self.facts.remove(0);
        }
        self.facts.push((block, fact));
    }
}

/// A stale challenge that must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) call: CallId,
    pub(super) channel: ChannelId,
    pub(super) finalizes_at: u64,
}

/// A guard that is held from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) rank: Rank,
    /// True for a channel of which nothing was known: the adjudicator must be asked.
    pub(super) is_new: bool,
}

/// All guarded channels.
#[derive(Debug)]
pub(super) struct Book {
    deployment: Deployment,
    settings: TowerSettings,
    entries: BTreeMap<ChannelId, Entry>,
    /// Channels of each client.
    counts: BTreeMap<Address, u32>,
    calls: BTreeMap<CallId, ChannelId>,
    next_call: CallId,
    /// Newest blocks, oldest first.
    recent: Vec<BlockRef>,
    /// Channels that wait for a block.
    waiting: BTreeSet<ChannelId>,
}

impl Book {
    pub(super) fn new(deployment: Deployment, settings: TowerSettings, found: Found) -> Self {
        let next_call = found.next_call.unwrap_or(CallId(FIRST_CALL));
        let mut book = Self {
            deployment,
            settings,
            entries: BTreeMap::new(),
            counts: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call,
            recent: found.cursor,
            waiting: BTreeSet::new(),
        };
        for (channel, row) in found.index {
            row.clients.iter().for_each(|client| book.count(*client));
            book.entries.insert(channel, Entry::new(row));
        }
        for (call, channel, _) in found.calls {
            if let Some(entry) = book.entries.get_mut(&channel) {
                entry.call = Some(call);
                book.calls.insert(call, channel);
            }
        }
        book
    }

    fn count(&mut self, client: Address) {
        let count = self.counts.entry(client).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) const fn settings(&self) -> &TowerSettings {
        &self.settings
    }

    pub(super) const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Forgets which blocks were read.
    pub(super) fn forget_blocks(&mut self) {
        self.recent.clear();
    }

    /// The newest blocks that were read, oldest first.
    pub(super) fn recent(&self) -> Vec<BlockRef> {
        self.recent.clone()
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.entries.keys().copied()
    }

    pub(super) fn clients(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn row(&self, channel: ChannelId) -> Option<&IndexRow> {
        self.entries.get(&channel).map(|entry| &entry.row)
    }

    /// Takes a guard that [`Guard::check`] has let pass, unless it is older than the one there is.
    /// Nothing has changed when it is refused.
    pub(super) fn take(
        &mut self,
        client: Address,
        guard: Box<Guard>,
        bytes: u32,
        changes: &mut Vec<Change>,
    ) -> Result<Taken, TowerRefusal> {
        let max = self.settings.max_guard_bytes;
        if bytes > max {
            return Err(TowerRefusal::TooLarge { bytes, max });
        }
        if !self.settings.lists(client) {
            return Err(TowerRefusal::NotListed);
        }
        let (channel, state) = (guard.channel(), guard.state_hash());
        let rank = guard.rank(&self.deployment);
        let known = self.entries.get(&channel);
        if let Some(entry) = known.filter(|entry| entry.row.rank > rank) {
            return Err(TowerRefusal::Older(entry.row.rank));
        }
        let is_new = known.is_none();
        let is_counted = known.is_some_and(|entry| entry.row.clients.contains(&client));
        if !is_counted {
            self.check_quota(client)?;
        }
        if is_counted && known.is_some_and(|entry| entry.row.state == state) {
            return Ok(Taken { rank, is_new });
        }
        let mut clients = known.map(|entry| entry.row.clients.clone()).unwrap_or_default();
        if clients.insert(client) {
            self.count(client);
        }
        let row = IndexRow { rank, state, bytes, clients };
        let entry = self.entries.entry(channel).or_insert_with(|| Entry::new(row.clone()));
        entry.row = row.clone();
        changes.push(Change::Guard(channel, guard, row));
        Ok(Taken { rank, is_new })
    }

    fn check_quota(&self, client: Address) -> Result<(), TowerRefusal> {
        let max = self.settings.max_channels;
        match self.counts.get(&client) {
            Some(count) if *count >= max => Err(TowerRefusal::Quota(max)),
            None if max == 0 => Err(TowerRefusal::Quota(max)),
            None if self.counts.len() >= self.settings.max_clients as usize => {
                Err(TowerRefusal::Full)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Forgets a channel for one client; for good once no other client has it.
    pub(super) fn release(
        &mut self,
        client: Address,
        channel: ChannelId,
        changes: &mut Vec<Change>,
    ) {
        let Some(entry) = self.entries.get_mut(&channel) else { return };
        if !entry.row.clients.remove(&client) {
            return;
        }
        if let Some(count) = self.counts.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&client);
            }
        }
        if entry.row.clients.is_empty() {
            self.forget(channel);
            changes.push(Change::Forget(channel));
        } else {
            changes.push(Change::Index(channel, entry.row.clone()));
        }
    }

    fn forget(&mut self, channel: ChannelId) {
        self.waiting.remove(&channel);
        self.entries.remove(&channel);
    }

    /// What the adjudicator says about a channel now. Replaces what was told before: it is newer.
    pub(super) fn told(
        &mut self,
        channel: ChannelId,
        fact: Fact,
        changes: &mut Vec<Change>,
    ) -> Option<Due> {
        let entry = self.entries.get_mut(&channel)?;
        entry.facts = vec![(BlockNumber(0), fact)];
        self.react(channel, changes)
    }

    /// Reads blocks, and tells which challenges must be answered.
    pub(super) fn read(&mut self, event: &ChainEvent, changes: &mut Vec<Change>) -> Vec<Due> {
        let mut touched = BTreeSet::new();
        match event {
            ChainEvent::Block(block) => self.read_block(block, &mut touched),
            ChainEvent::Reorg { ancestor, blocks } => {
                self.roll_back(*ancestor, &mut touched);
                blocks.iter().for_each(|block| self.read_block(block, &mut touched));
            }
        }
        touched.extend(self.waiting.iter().copied());
        changes.push(Change::Cursor(self.recent.clone()));
        touched.into_iter().filter_map(|channel| self.react(channel, changes)).collect()
    }

    fn read_block(&mut self, block: &Block, touched: &mut BTreeSet<ChannelId>) {
        if self.head().is_some_and(|head| block.block.number <= head.number) {
            return;
        }
        for log in &block.logs {
            let Some(entry) = self.entries.get_mut(&log.channel) else { continue };
            let fact = match &log.fact {
                ChainFact::ChallengeRegistered { finalizes_at, candidate, .. } => {
                    let turn = candidate.state.turn;
                    Fact::Challenged { turn, finalizes_at: *finalizes_at }
                }
                ChainFact::ChallengeCleared { .. } | ChainFact::Checkpointed { .. } => Fact::Open,
                ChainFact::Concluded { .. } => Fact::Concluded,
                ChainFact::Deposited { .. }
                | ChainFact::AllocationUpdated { .. }
                | ChainFact::AllocationsPaid { .. }
                | ChainFact::StateCheckpointed { .. }
                | ChainFact::StateConcluded { .. }
                | ChainFact::GuaranteeReclaimed { .. }
                | ChainFact::Reclaimed { .. } => continue,
            };
            entry.note(block.block.number, fact);
            touched.insert(log.channel);
        }
        self.recent.push(block.block);
        ChainCursor::thin(&mut self.recent);
    }

    /// What was answered may be unanswered again.
    fn roll_back(&mut self, ancestor: BlockRef, touched: &mut BTreeSet<ChannelId>) {
        self.recent.retain(|block| block.number < ancestor.number);
        self.recent.push(ancestor);
        for (channel, entry) in &mut self.entries {
            let before = entry.facts.len();
            entry.facts.retain(|(number, _)| *number <= ancestor.number);
            if entry.facts.len() < before {
                // The block that was waited for may never come.
                entry.wait = BlockNumber(0);
                touched.insert(*channel);
            }
        }
    }

    fn head(&self) -> Option<BlockRef> {
        self.recent.last().copied()
    }

    /// An answer has ended. Returns its channel when the adjudicator should be asked again, since
    /// something else stands there than was known.
    pub(super) fn settle(
        &mut self,
        call: CallId,
        receipt: &Receipt,
        changes: &mut Vec<Change>,
    ) -> Option<ChannelId> {
        changes.push(Change::Call(call, None));
        let channel = self.calls.remove(&call)?;
        let head = self.head().map_or(BlockNumber(0), |head| head.number);
        let entry = self.entries.get_mut(&channel).filter(|entry| entry.call == Some(call))?;
        entry.call = None;
        let refused = matches!(receipt, Receipt::Reverted { .. } | Receipt::TooLarge { .. });
        entry.wait = match receipt {
            Receipt::Succeeded { block } => *block,
            // Same call, same answer until the chain has moved.
            Receipt::Reverted { .. }
            | Receipt::TooLarge { .. }
            | Receipt::Unknown { .. }
            | Receipt::Withdrawn => BlockNumber(head.0.saturating_add(1)),
        };
        self.waiting.insert(channel);
        refused.then_some(channel)
    }

    /// Answers a challenge with an older state than the one that is held, once.
    pub(super) fn react(&mut self, channel: ChannelId, changes: &mut Vec<Change>) -> Option<Due> {
        let (head, time) = self.head().map_or((BlockNumber(0), 0), |b| (b.number, b.timestamp));
        let entry = self.entries.get_mut(&channel)?;
        if entry.wait > head {
            return None;
        }
        self.waiting.remove(&channel);
        let Fact::Challenged { turn, finalizes_at } = entry.status() else { return None };
        // Too late is too late: the contract would refuse it.
        let is_stale = turn < entry.row.rank.turn && finalizes_at > time;
        if !is_stale || entry.call.is_some() {
            return None;
        }
        let call = self.next_call;
        self.next_call = CallId(call.0.saturating_add(1));
        entry.call = Some(call);
        self.calls.insert(call, channel);
        changes.push(Change::NextCall(self.next_call));
        changes.push(Change::Call(call, Some((channel, finalizes_at))));
        Some(Due { call, channel, finalizes_at })
    }
}
