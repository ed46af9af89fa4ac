//! What one input leads to: rows to write and effects to let out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answers::Answer;
use crate::chain::{BlockRef, ChainCall};
use crate::effect::Effect;
use crate::guard::{Guarding, Tower};
use crate::ledger::Ledger;
use crate::objectives::Objective;
use crate::payment::PaymentChannel;
use crate::types::{
    Address, Amount, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Everything paid so far.
    pub total: Amount,
    /// The newest voucher; none before the first.
    pub voucher: Option<Voucher>,
}

/// How far the chain has been applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCursor {
    /// Newest applied block and some before it, oldest first: where a reorg can be traced to.
    pub recent: Vec<BlockRef>,
}

impl ChainCursor {
    /// Blocks that are remembered. A reorg deeper than the oldest rolls back to before it.
    const DEPTH: usize = 64;

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
        if self.recent.len() >= Self::DEPTH {
            self.recent.remove(0);
        }
        self.recent.push(block);
    }

    pub(crate) fn roll_back(&mut self, ancestor: BlockRef) {
        self.recent.retain(|block| block.number < ancestor.number);
        self.recent.push(ancestor);
    }
}

/// A channel that is no more, with what it ended with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
