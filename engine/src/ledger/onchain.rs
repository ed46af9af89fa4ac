//! What the chain says of one channel, so that a reorg can take facts back.

use serde::{Deserialize, Serialize};

use crate::chain::{BlockRef, ChainFact};
use crate::state::VariablePart;
use crate::types::{Amount, Asset, BlockNumber, TurnNumber};

/// Facts older than this many blocks are folded together: no reorg reaches that deep, and an
/// attacker's flood of 1-wei deposits must not grow the record without bound.
const SETTLED_DEPTH: u64 = 256;

/// How far the adjudicator has gone with a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelMode {
    /// No challenge runs.
    #[default]
    Open,
    /// A challenge runs out at this time (seconds since the Unix epoch), and the channel is final
    /// from then on.
    Challenge {
        /// When it runs out.
        finalizes_at: u64,
    },
    /// Concluded by everyone's signature.
    Concluded,
}

/// Something that changed the outcome of a finalized channel. The logs name neither the paid
/// allocations nor the reclaimed guarantee (weakness W16), see [`super::Ledger::outcomes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Move {
    /// Some allocations were paid.
    Payout {
        /// Held before.
        initial: Amount,
        /// Sum of what was paid.
        paid: Amount,
    },
    /// A guarantee was reclaimed.
    Reclaim,
}

/// Sum of all facts about a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChainStatus {
    /// Held for the channel, in its asset.
    pub holdings: Amount,
    /// Challenge status.
    pub mode: ChannelMode,
    /// Turn that a new state must reach, or exceed while a challenge runs.
    pub turn: TurnNumber,
    /// The state of the newest challenge, unless it was answered.
    pub challenged: Option<Box<VariablePart>>,
    /// True once the adjudicator has paid out.
    pub paid_out: bool,
    /// What changed the outcome since the newest challenge or conclusion.
    pub moves: Vec<Move>,
}

impl OnChainStatus {
    /// True when the adjudicator takes the outcome for final at `time` (seconds, chain's clock).
    #[must_use]
    pub const fn is_finalized(&self, time: u64) -> bool {
        match self.mode {
            ChannelMode::Open => false,
            ChannelMode::Challenge { finalizes_at } => finalizes_at <= time,
            ChannelMode::Concluded => true,
        }
    }

    fn apply(&mut self, fact: &ChainFact, asset: Asset) {
        match fact {
            ChainFact::Deposited { asset: deposited, holdings } if *deposited == asset => {
                self.holdings = *holdings;
            }
            // Somebody put another asset into our channel: not our money, not our concern.
            ChainFact::Deposited { .. } => {}
            ChainFact::AllocationUpdated { asset_index: 0, initial, holdings } => {
                self.holdings = *holdings;
                self.paid_out = true;
                let paid = initial.saturating_sub(*holdings);
                self.add(Move::Payout { initial: *initial, paid });
            }
            // Channels of ours have one asset, so its index is 0.
            ChainFact::AllocationUpdated { .. } => {}
            ChainFact::Reclaimed { .. } => self.add(Move::Reclaim),
            ChainFact::GuaranteeReclaimed { .. }
            | ChainFact::StateCheckpointed { .. }
            | ChainFact::StateConcluded { .. }
            | ChainFact::AllocationsPaid { .. } => {}
            ChainFact::ChallengeRegistered { finalizes_at, candidate, .. } => {
                self.mode = ChannelMode::Challenge { finalizes_at: *finalizes_at };
                self.turn = candidate.state.turn;
                self.challenged = Some(Box::new(candidate.state.clone()));
                self.moves.clear();
            }
            ChainFact::ChallengeCleared { turn } | ChainFact::Checkpointed { turn } => {
                self.mode = ChannelMode::Open;
                self.turn = *turn;
                self.challenged = None;
            }
            ChainFact::Concluded { .. } => {
                self.mode = ChannelMode::Concluded;
                self.challenged = None;
                self.moves.clear();
            }
        }
    }

    /// A payout of nothing changes nothing, so that repeating one cannot make the list grow.
    fn add(&mut self, change: Move) {
        if !matches!(change, Move::Payout { paid, .. } if paid.is_zero()) {
            self.moves.push(change);
        }
    }
}

/// Facts about a channel in chain order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChain {
    /// Facts too old for any reorg, folded.
    settled: OnChainStatus,
    /// Newer facts with their blocks.
    recent: Vec<(BlockNumber, ChainFact)>,
}

impl OnChain {
    /// Takes a fact of a newly confirmed block. The contract has checked what supports a
    /// challenged state, so only the state itself is kept.
    pub(crate) fn record(&mut self, block: &BlockRef, mut fact: ChainFact, asset: Asset) {
        let horizon = BlockNumber(block.number.0.saturating_sub(SETTLED_DEPTH));
        let settled = self.recent.iter().take_while(|(number, _)| *number < horizon).count();
        for (_, old) in self.recent.drain(..settled) {
            self.settled.apply(&old, asset);
        }
        if let ChainFact::ChallengeRegistered { proof, candidate, .. } = &mut fact {
            proof.clear();
            candidate.signatures.clear();
        }
        self.recent.push((block.number, fact));
    }

    /// Forgets what happened above `ancestor`; true when there was something.
    pub(crate) fn roll_back(&mut self, ancestor: BlockNumber) -> bool {
        let before = self.recent.len();
        self.recent.retain(|(number, _)| *number <= ancestor);
        self.recent.len() != before
    }

    /// Where the channel stands.
    #[must_use]
    pub fn status(&self, asset: Asset) -> OnChainStatus {
        let mut status = self.settled.clone();
        for (_, fact) in &self.recent {
            status.apply(fact, asset);
        }
        status
    }
}
