//! What happens on chain, and what the node asks of it, as facts.
//!
//! `chain` turns logs into these and these into transactions; nothing here knows of RPC.

use serde::{Deserialize, Serialize};

use crate::crypto::Signature;
use crate::outcome::Outcome;
use crate::state::{FixedPart, SupportedState, VariablePart};
use crate::types::{Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, TurnNumber};

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
    /// What the adjudicator could not pay, or has paid later, in the order of the logs.
    pub debts: Vec<DebtLog>,
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

/// A log about what the adjudicator owes a payee. What could not be paid out, because the payee or
/// the token refused it, stays with the adjudicator until it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebtLog {
    /// Who is owed.
    pub payee: Address,
    /// What.
    pub asset: Asset,
    /// What happened.
    pub change: DebtChange,
}

/// How a debt of the adjudicator changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DebtChange {
    /// A payout was refused: so much more is owed.
    Blocked {
        /// The channel whose payout was told of last before, which is the one that was paid out
        /// unless a payee that is a contract has meddled: for people only.
        channel: Option<ChannelId>,
        /// How much.
        amount: Amount,
    },
    /// All that was owed is paid.
    Claimed {
        /// To whom.
        to: Address,
        /// How much it was.
        amount: Amount,
    },
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
    /// The state of the [`ChainFact::Checkpointed`] or [`ChainFact::ChallengeCleared`] that comes
    /// next, whole: nobody keeps to itself what it shows on chain.
    StateCheckpointed {
        /// Proof states.
        proof: Vec<SupportedState>,
        /// The newer state.
        candidate: Box<SupportedState>,
    },
    /// Closed by everyone's signature.
    Concluded {
        /// Seconds since the Unix epoch.
        finalizes_at: u64,
    },
    /// The final state of the [`ChainFact::Concluded`] that comes next, whole.
    StateConcluded {
        /// False when nothing was stored: two participants were paid in full in the same call, and
        /// to the chain the channel is as if it had never been heard of.
        kept: bool,
        /// The final state.
        candidate: Box<SupportedState>,
    },
    /// Says which guarantee the [`ChainFact::Reclaimed`] that comes next is about. Left out where
    /// the asset holds a single one, whose target has a single asset.
    GuaranteeReclaimed {
        /// The payment channel that it was given for.
        target: ChannelId,
        /// Index of the asset in the ledger's outcome.
        asset_index: u64,
        /// Position of the guarantee in the allocations as they were.
        index: u64,
        /// What the left side got.
        to_left: Amount,
        /// What the right side got.
        to_right: Amount,
    },
    /// A guarantee of this ledger was turned back into balances.
    Reclaimed {
        /// Index of the asset in the outcome.
        asset_index: u64,
    },
    /// Says which allocations the [`ChainFact::AllocationUpdated`] that comes next has paid. Left
    /// out where they are those of [`crate::outcome::inferred_payout`].
    AllocationsPaid {
        /// Index of the asset in the outcome.
        asset_index: u64,
        /// By position in the allocations as they were.
        amounts: Vec<Amount>,
    },
}

/// Until when a call must be mined, and what is lost otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urgency {
    /// Chain time, in seconds since the Unix epoch, at which the call becomes worthless; none when
    /// nothing runs out.
    pub deadline: Option<u64>,
    /// What this node may lose, in the smallest unit of the channel's asset: orders calls that
    /// compete for a full chain (threat C5).
    pub at_risk: Amount,
}

/// A challenge of one channel as `challengeAll` takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The channel.
    pub fixed: FixedPart,
    /// What supports the candidate, if its own signatures do not.
    pub proof: Vec<SupportedState>,
    /// The state that becomes final unless it is answered.
    pub candidate: SupportedState,
    /// A participant's signature on [`crate::state::challenge_hash`] of the candidate.
    pub challenger: Signature,
}

/// A guarantee that is replaced by the balances of its finalized target. Channels of ours have one
/// asset, so both asset indices are 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// Position of the guarantee in the ledger's allocations as earlier reclaims left them.
    pub index: u64,
    /// State hash that the target was finalized with; zero when it was concluded.
    pub target_state: B256,
    /// Outcome that the target was finalized with.
    pub target_outcome: Outcome,
}

/// A transaction that the engine wants on chain. Idempotent by what the contract checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainCall {
    /// `depositUpTo`, for an ERC-20 after an awaited approval: brings the holdings to
    /// `expected_held + amount`, so that a repeated call or a stranger's gift adds nothing, and is
    /// refused while less than `expected_held` is there (gap C2, threat B4).
    Deposit {
        /// The channel to fund.
        channel: ChannelId,
        /// What to deposit.
        asset: Asset,
        /// Holdings that the engine has seen confirmed and relies on.
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
    /// `challengeAll`: a ledger and its payment channels in one transaction. Entries that are no
    /// news by the time they are mined are skipped.
    Challenge {
        /// What is registered.
        challenges: Vec<Challenge>,
        /// How pressing it is.
        urgency: Urgency,
    },
    /// `checkpoint`: shows a newer state and ends a running challenge.
    Checkpoint {
        /// The channel.
        fixed: FixedPart,
        /// What supports the candidate, if its own signatures do not.
        proof: Vec<SupportedState>,
        /// The newer state.
        candidate: SupportedState,
        /// How pressing it is.
        urgency: Urgency,
    },
    /// `conclude` of a payment channel with a final state that everyone has signed.
    Conclude {
        /// The channel.
        fixed: FixedPart,
        /// Final state.
        state: VariablePart,
        /// One signature per participant.
        signatures: Vec<Signature>,
        /// How pressing it is.
        urgency: Urgency,
    },
    /// `settle`: reclaims guarantees of a finalized ledger and pays it out.
    Settle {
        /// The ledger.
        channel: ChannelId,
        /// Its outcome as it stands on chain.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
        /// Guarantees to reclaim first, in this order.
        reclaims: Vec<Reclaim>,
        /// How pressing it is.
        urgency: Urgency,
    },
    /// `claim`: has a payee paid what the adjudicator owes it.
    Claim {
        /// What is owed.
        asset: Asset,
        /// To whom.
        payee: Address,
        /// Gas that it may take; where it takes more nothing is sent. None for what the owner asks for.
        most_gas: Option<u64>,
    },
    /// `claimTo`: has what the adjudicator owes the channel account paid to somebody else.
    ClaimTo {
        /// What is owed.
        asset: Asset,
        /// Who gets it.
        to: Address,
    },
    /// Coin or tokens of an account of this node to somebody else.
    Transfer {
        /// Whose.
        from: Account,
        /// What.
        asset: Asset,
        /// Who gets it.
        to: Address,
        /// How much.
        amount: Amount,
    },
}

/// An account of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Account {
    /// The one that pays deposits and fees.
    Chain,
    /// The one of the channel key, which is paid by the adjudicator. It may be the same.
    Channel,
}

impl ChainCall {
    /// The channels that the call is about.
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelId> {
        match self {
            Self::Deposit { channel, .. } | Self::Settle { channel, .. } => vec![*channel],
            Self::ConcludeAndTransfer { fixed, .. }
            | Self::Checkpoint { fixed, .. }
            | Self::Conclude { fixed, .. } => vec![fixed.channel_id()],
            Self::Challenge { challenges, .. } => {
                challenges.iter().map(|challenge| challenge.fixed.channel_id()).collect()
            }
            Self::Claim { .. } | Self::ClaimTo { .. } | Self::Transfer { .. } => Vec::new(),
        }
    }

    /// The account that sends it, and pays for it.
    #[must_use]
    pub const fn account(&self) -> Account {
        match self {
            Self::ClaimTo { .. } => Account::Channel,
            Self::Transfer { from, .. } => *from,
            Self::Deposit { .. }
            | Self::ConcludeAndTransfer { .. }
            | Self::Challenge { .. }
            | Self::Checkpoint { .. }
            | Self::Conclude { .. }
            | Self::Settle { .. }
            | Self::Claim { .. } => Account::Chain,
        }
    }

    /// How pressing the call is. A deposit or a withdrawal runs against nothing.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        match self {
            Self::Deposit { .. }
            | Self::ConcludeAndTransfer { .. }
            | Self::Claim { .. }
            | Self::ClaimTo { .. }
            | Self::Transfer { .. } => Urgency::default(),
            Self::Challenge { urgency, .. }
            | Self::Checkpoint { urgency, .. }
            | Self::Conclude { urgency, .. }
            | Self::Settle { urgency, .. } => *urgency,
        }
    }
}

/// What the account that sends the calls has, and what gas costs. Told by the chain service with
/// each head; not stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GasReport {
    /// Coin of the account in wei; none before the first report.
    pub balance: Option<Amount>,
    /// Wei per gas that gets a transaction mined soon.
    pub price: Amount,
}

impl GasReport {
    /// What `gas` costs, in wei.
    #[must_use]
    pub fn cost(&self, gas: u64) -> Amount {
        self.price.saturating_mul(gas)
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
    /// Larger than a transaction may be, so that it was never mined and no nonce is spent on it; a
    /// call that does less may fit. Both numbers are gas, or bytes where those run out first.
    TooLarge {
        /// What it needs at least; always more than `cap`.
        needed: u64,
        /// What a transaction may have.
        cap: u64,
    },
    /// Nobody can say: a transaction was made for it, and neither it nor anything else under its nonce is
    /// to be found. Only for a [`ChainCall::Transfer`], which is never sent under a second nonce; every
    /// other call can be made again without harm.
    Unknown {
        /// What is known, for people.
        reason: String,
    },
    /// Taken back before any transaction was made for it, see
    /// [`Chain::withdraw`](crate::ports::Chain::withdraw): it never was on chain, and never will be.
    Withdrawn,
}

/// Pairs a call with its end, as the chain service reports it.
pub type Settlement = (CallId, Receipt);
