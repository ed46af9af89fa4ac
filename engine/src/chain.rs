//! What happens on chain, and what the node asks of it, as facts.
//!
//! `chain` turns logs into these and these into transactions; nothing here knows of RPC.

use serde::{Deserialize, Serialize};

use crate::crypto::Signature;
use crate::state::{FixedPart, SupportedState, VariablePart};
use crate::types::{Amount, Asset, B256, BlockNumber, CallId, ChannelId, TurnNumber};

/// Names a block beyond doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: BlockNumber,
    /// Hash, which tells two blocks of one height apart.
    pub hash: B256,
    /// Seconds since the Unix epoch as the block says; challenges run on this clock.
    pub timestamp: u64,
}

/// A confirmed block with the adjudicator's logs in their order. Applied as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which block.
    pub block: BlockRef,
    /// Logs of the adjudicator that decode; others are counted and skipped (gap C11).
    pub logs: Vec<ChannelLog>,
}

/// What the chain tells the engine. Blocks below the cursor are repeated without harm; blocks
/// without logs may be left out, except the last of a range, which moves the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// The next confirmed block.
    Block(Block),
    /// Blocks above `ancestor` were replaced by `blocks` (possibly none yet).
    Reorg {
        /// Last block that still stands.
        ancestor: BlockRef,
        /// Confirmed blocks that stand in place of the old ones.
        blocks: Vec<Block>,
    },
}

/// A log about one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLog {
    /// Which channel.
    pub channel: ChannelId,
    /// What happened.
    pub fact: ChainFact,
}

/// An adjudicator event (contracts.md 5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainFact {
    /// Somebody deposited; holdings afterwards.
    Deposited {
        /// Deposited asset.
        asset: Asset,
        /// All that is held for the channel now.
        holdings: Amount,
    },
    /// A payout; holdings afterwards. The event names the asset by its index in the outcome.
    AllocationUpdated {
        /// Index in the outcome.
        asset_index: u64,
        /// Holdings before.
        initial: Amount,
        /// Holdings afterwards.
        holdings: Amount,
    },
    /// A challenge runs until `finalizes_at`.
    ChallengeRegistered {
        /// Seconds since the Unix epoch.
        finalizes_at: u64,
        /// Proof states.
        proof: Vec<SupportedState>,
        /// The state that becomes final unless it is answered.
        candidate: Box<SupportedState>,
    },
    /// A challenge was answered with a newer state.
    ChallengeCleared {
        /// Turn of the newer state.
        turn: TurnNumber,
    },
    /// A newer state was recorded outside of a challenge.
    Checkpointed {
        /// Turn of the newer state.
        turn: TurnNumber,
    },
    /// Closed by everyone's signature.
    Concluded {
        /// Seconds since the Unix epoch.
        finalizes_at: u64,
    },
    /// A guarantee of this ledger was turned back into balances.
    Reclaimed {
        /// Index in the outcome.
        asset_index: u64,
    },
}

/// A transaction that the engine wants on chain. Idempotent by what the contract checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainCall {
    /// Deposit into a channel; for an ERC-20 after an awaited approval.
    Deposit {
        /// The channel to fund.
        channel: ChannelId,
        /// What to deposit.
        asset: Asset,
        /// Holdings that the engine has seen confirmed. The contract refuses other holdings, so
        /// that a reorg or a repeated call cannot deposit twice (gap C2).
        expected_held: Amount,
        /// How much to add.
        amount: Amount,
    },
    /// `concludeAndTransferAllAssets` with a final state that everyone has signed.
    ConcludeAndTransfer {
        /// The channel.
        fixed: FixedPart,
        /// Final state.
        state: VariablePart,
        /// One signature per participant.
        signatures: Vec<Signature>,
    },
}

impl ChainCall {
    /// The channel that the call is about.
    #[must_use]
    pub fn channel(&self) -> ChannelId {
        match self {
            Self::Deposit { channel, .. } => *channel,
            Self::ConcludeAndTransfer { fixed, .. } => fixed.channel_id(),
        }
    }
}

/// How a call ended. Only final answers: whatever may still be mined is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Mined, successful and confirmed.
    Succeeded {
        /// Where.
        block: BlockNumber,
    },
    /// Mined and reverted, or certain to revert when it was estimated.
    Reverted {
        /// The contract's reason, for people.
        reason: String,
    },
}

/// Pairs a call with its end, as the chain service reports it.
pub type Settlement = (CallId, Receipt);
