//! What one input leads to: rows to write and effects to let out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answers::Answer;
use crate::chain::{BlockRef, ChainCall};
use crate::debts::Debt;
use crate::effect::Effect;
use crate::guard::{Guarding, Tower};
use crate::ledger::Ledger;
use crate::objectives::Objective;
use crate::payment::PaymentChannel;
use crate::sending::Sending;
use crate::types::{
    Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
};
use crate::vouchers::Voucher;

/// Result of handling one input.
#[must_use = "a step has no effect until it is committed and dispatched"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Rows that change.
    pub writes: Vec<Write>,
    /// What happens after the commit.
    pub effects: Vec<Effect>,
}

/// One row of the store: set to a value, or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// An open ledger channel.
    Ledger(ChannelId, Option<Box<Ledger>>),
    /// An open payment channel.
    Payment(ChannelId, Option<Box<PaymentChannel>>),
    /// What was paid over a payment channel.
    Paid(ChannelId, Option<Paid>),
    /// A running objective.
    Objective(ObjectiveId, Option<Objective>),
    /// A message in the outbox of a peer.
    Message(Address, MessageId, Option<Vec<u8>>),
    /// A call that is not settled.
    Call(CallId, Option<ChainCall>),
    /// The id that the next call gets.
    NextCall(CallId),
    /// How far the chain has been applied.
    Cursor(ChainCursor),
    /// A closed channel, kept for good: its id never comes back.
    ArchivedChannel(ChannelId, Box<ArchivedChannel>),
    /// A closed channel that the chain can still bring back.
    Buried(ChannelId, Option<Box<Buried>>),
    /// An ended objective.
    ArchivedObjective(ObjectiveId, Objective),
    /// What was answered about a channel that this node has no part in.
    Answer(ChannelId, Option<Answer>),
    /// Until when messages wait for a peer without a ledger.
    Waiting(Address, Option<Timestamp>),
    /// A watchtower of this node.
    Tower(Address, Option<Tower>),
    /// What a watchtower has of a channel.
    Guard(Address, ChannelId, Option<Box<Guarding>>),
    /// What the adjudicator owes this node in an asset.
    Debt(Asset, Option<Box<Debt>>),
    /// What the owner has had sent, under the owner's key.
    Sending(B256, Option<Sending>),
}

/// Which row a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// See [`Write::Ledger`].
    Ledger(ChannelId),
    /// See [`Write::Payment`].
    Payment(ChannelId),
    /// See [`Write::Paid`].
    Paid(ChannelId),
    /// See [`Write::Objective`].
    Objective(ObjectiveId),
    /// See [`Write::Message`].
    Message(Address, MessageId),
    /// See [`Write::Call`].
    Call(CallId),
    /// See [`Write::NextCall`].
    NextCall,
    /// See [`Write::Cursor`].
    Cursor,
    /// See [`Write::ArchivedChannel`].
    ArchivedChannel(ChannelId),
    /// See [`Write::Buried`].
    Buried(ChannelId),
    /// See [`Write::ArchivedObjective`].
    ArchivedObjective(ObjectiveId),
    /// See [`Write::Answer`].
    Answer(ChannelId),
    /// See [`Write::Waiting`].
    Waiting(Address),
    /// See [`Write::Tower`].
    Tower(Address),
    /// See [`Write::Guard`].
    Guard(Address, ChannelId),
    /// See [`Write::Debt`].
    Debt(Asset),
    /// See [`Write::Sending`].
    Sending(B256),
}

impl Write {
    /// The row that this write sets or removes.
    #[must_use]
    pub const fn row(&self) -> Row {
        match self {
            Self::Ledger(id, _) => Row::Ledger(*id),
            Self::Payment(id, _) => Row::Payment(*id),
            Self::Paid(id, _) => Row::Paid(*id),
            Self::Objective(id, _) => Row::Objective(*id),
            Self::Message(to, id, _) => Row::Message(*to, *id),
            Self::Call(id, _) => Row::Call(*id),
            Self::NextCall(_) => Row::NextCall,
            Self::Cursor(_) => Row::Cursor,
            Self::ArchivedChannel(id, _) => Row::ArchivedChannel(*id),
            Self::Buried(id, _) => Row::Buried(*id),
            Self::ArchivedObjective(id, _) => Row::ArchivedObjective(*id),
            Self::Answer(id, _) => Row::Answer(*id),
            Self::Waiting(peer, _) => Row::Waiting(*peer),
            Self::Tower(tower, _) => Row::Tower(*tower),
            Self::Guard(tower, channel, _) => Row::Guard(*tower, *channel),
            Self::Debt(asset, _) => Row::Debt(*asset),
            Self::Sending(key, _) => Row::Sending(*key),
        }
    }
}

/// Writes of a whole turn, the last one per row: what a store commits at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(BTreeMap<Row, Write>);

impl Batch {
    /// Adds a write; an earlier one for the same row is forgotten.
    pub fn push(&mut self, write: Write) {
        self.0.insert(write.row(), write);
    }

    /// True when there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The writes, each row once.
    pub fn writes(&self) -> impl Iterator<Item = &Write> {
        self.0.values()
    }

    /// True when this turn closes the channel.
    #[must_use]
    pub fn archives(&self, channel: ChannelId) -> bool {
        self.0.contains_key(&Row::ArchivedChannel(channel))
    }
}

/// What was paid over a payment channel: issued by the payer, received by the payee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Everything paid so far.
    pub total: Amount,
    /// The newest voucher; none before the first.
    pub voucher: Option<Voucher>,
}

/// How far the chain has been applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCursor {
    /// Newest applied block and some before it, oldest first: where a reorg can be traced to. See
    /// [`ChainCursor::thin`].
    pub recent: Vec<BlockRef>,
}

impl ChainCursor {
    /// The newest blocks, all of which are remembered.
    const DEPTH: usize = 64;

    /// Of older ones, some are: the distance between two is at most this part of their age.
    const SPACING: u64 = 4;

    /// Leaves out blocks that need not be remembered: of the newest none, of older ones the more the
    /// older they are, and never the first. So a reorganisation of any depth finds a block that both
    /// chains have, about a quarter too deep at most.
    pub fn thin(blocks: &mut Vec<BlockRef>) {
        let Some(newest) = blocks.last().map(|block| block.number.0) else { return };
        let old = blocks.len().saturating_sub(Self::DEPTH);
        let mut kept: Option<u64> = None;
        let mut index: usize = 0;
        let heights: Vec<u64> = blocks.iter().map(|block| block.number.0).collect();
        blocks.retain(|block| {
            let height = block.number.0;
            let next = heights.get(index.saturating_add(1)).copied().unwrap_or(newest);
            let recent = index >= old;
            index = index.saturating_add(1);
            // One that the next could not stand in for.
            let needed = kept.is_none_or(|kept| {
                next.saturating_sub(kept).saturating_mul(Self::SPACING)
                    > newest.saturating_sub(next)
            });
            if recent || needed {
                kept = Some(height);
            }
            recent || needed
        });
    }

    /// Newest applied block.
    #[must_use]
    pub fn head(&self) -> Option<BlockRef> {
        self.recent.last().copied()
    }

    /// Height of the newest applied block.
    #[must_use]
    pub fn number(&self) -> BlockNumber {
        self.head().map_or(BlockNumber(0), |block| block.number)
    }

    pub(crate) fn advance(&mut self, block: BlockRef) {
        self.recent.push(block);
        Self::thin(&mut self.recent);
    }

    pub(crate) fn roll_back(&mut self, ancestor: BlockRef) {
        self.recent.retain(|block| block.number < ancestor.number);
        self.recent.push(ancestor);
    }
}

/// A channel that is no more, with what it ended with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made when a channel ends, and it lives in a box"
)]
pub enum ArchivedChannel {
    /// A ledger channel.
    Ledger(Ledger),
    /// A payment channel.
    Payment(PaymentChannel, Option<Paid>),
}

/// A closed channel whose money left it on chain. A reorganisation deeper than the confirmations may
/// take that back, so the chain is followed until its end lies so deep that none reaches it; until
/// then it can go on where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buried {
    /// The channel as it ended.
    pub channel: ArchivedChannel,
    /// From this block on it may be forgotten.
    pub until: BlockNumber,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: B256::ZERO, timestamp: number }
    }

    /// A watcher that knew the last 64 blocks was wedged for good by a deeper reorganisation.
    #[test]
    fn a_reorganisation_of_any_depth_finds_a_common_block_not_far_below() {
        for step in [1, 7] {
            let mut cursor = ChainCursor::default();
            (0..100_000).for_each(|index| cursor.advance(block(1_000 + index * step)));
            assert!(cursor.recent.len() < 120, "{}", cursor.recent.len());
            let newest = cursor.number().0;
            for depth in [1, 63, 64, 65, 100, 1_000, 30_000, 99_000].map(|depth| depth * step) {
                let common = newest - depth;
                let found = cursor.recent.iter().rev().find(|block| block.number.0 <= common);
                let below = common - found.unwrap().number.0;
                assert!(below * 3 <= depth + 3 * step, "{depth} blocks deep: {below} too deep");
            }
            assert_eq!(cursor.recent.first(), Some(&block(1_000)), "where everything began");
        }
    }
}
