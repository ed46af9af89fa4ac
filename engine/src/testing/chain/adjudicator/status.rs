//! What is stored about a channel (contracts.md section 4, with the flags of our contracts).

use alloy_primitives::keccak256;
use alloy_sol_types::SolValue;

use crate::outcome::{AllocationKind, Outcome};
use crate::state::VariablePart;
use crate::types::{B256, ChannelId, TurnNumber};

/// Latest time that the contract can keep: above it are the flags.
pub(super) const LAST_TIME: u64 = (1 << 44) - 1;

/// What is stored about a channel. The contract keeps hashes of pairs of the hashes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// Turn of the newest state that was shown, or that was concluded last.
    pub turn: TurnNumber,
    /// Seconds since the Unix epoch; zero while nothing runs.
    pub finalizes_at: u64,
    /// Hash of the state that a challenge left; zero when everyone concluded.
    pub state_hash: B256,
    /// Hash of the outcome that is left to pay; as it was before the last payout, once closed.
    pub outcome_hash: B256,
    /// Hash of the outcome that became final.
    pub final_outcome_hash: B256,
    /// Final by everyone's signature; the views show turn 0 then.
    pub is_concluded: bool,
    /// All that the final outcome allocated was paid; the views show nothing any more.
    pub is_closed: bool,
    /// The outcome held a guarantee when it was first changed. No ledger reclaims by such a
    /// channel, so the contract does not keep what became final.
    pub is_source: bool,
}

impl ChannelStatus {
    /// After a challenge.
    #[must_use]
    pub fn challenged(state: &VariablePart, channel: ChannelId, finalizes_at: u64) -> Self {
        let outcome_hash = state.outcome.hash();
        Self {
            finalizes_at,
            state_hash: state.hash(channel),
            outcome_hash,
            final_outcome_hash: outcome_hash,
            ..Self::checkpointed(state.turn)
        }
    }

    /// After a checkpoint.
    #[must_use]
    pub const fn checkpointed(turn: TurnNumber) -> Self {
        Self {
            turn,
            finalizes_at: 0,
            state_hash: B256::ZERO,
            outcome_hash: B256::ZERO,
            final_outcome_hash: B256::ZERO,
            is_concluded: false,
            is_closed: false,
            is_source: false,
        }
    }

    /// After a conclusion.
    #[must_use]
    pub fn concluded(state: &VariablePart, timestamp: u64) -> Self {
        let outcome_hash = state.outcome.hash();
        Self {
            finalizes_at: timestamp,
            outcome_hash,
            final_outcome_hash: outcome_hash,
            is_concluded: true,
            ..Self::checkpointed(state.turn)
        }
    }

    /// True once the outcome is final at the time of a block.
    #[must_use]
    pub const fn is_finalized(&self, timestamp: u64) -> bool {
        self.finalizes_at != 0 && self.finalizes_at <= timestamp
    }

    /// True while there is an outcome to pay from at the time of a block.
    #[must_use]
    pub const fn is_payable(&self, timestamp: u64) -> bool {
        self.is_finalized(timestamp) && !self.is_closed
    }

    /// Hash of the outcome that must be shown to reclaim by this channel.
    pub(super) const fn target_outcome_hash(&self) -> B256 {
        if self.is_source { self.outcome_hash } else { self.final_outcome_hash }
    }

    /// A payout or reclaim leaves something else to pay.
    pub(super) fn leave(&mut self, before: &Outcome, left: &Outcome) {
        let outcome_hash = left.hash();
        let is_first = self.outcome_hash == self.final_outcome_hash;
        if is_first && outcome_hash != self.outcome_hash {
            self.is_source = has_guarantee(before);
        }
        self.outcome_hash = outcome_hash;
    }

    /// What `statusOf` shows.
    #[must_use]
    pub fn word(&self) -> B256 {
        if self.is_closed {
            return B256::ZERO;
        }
        let turn = if self.is_concluded { 0 } else { self.turn.0 };
        let mut word = keccak256((self.state_hash, self.outcome_hash).abi_encode());
        word[..6].copy_from_slice(&turn.to_be_bytes()[2..]);
        word[6..12].copy_from_slice(&self.finalizes_at.to_be_bytes()[2..]);
        word
    }
}

pub(super) fn has_guarantee(outcome: &Outcome) -> bool {
    let mut allocations = outcome.0.iter().flat_map(|exit| &exit.allocations);
    allocations.any(|entry| entry.kind == AllocationKind::GUARANTEE)
}
