//! What the chain says of one channel, so that a reorg can take facts back.

use serde::{Deserialize, Serialize};

use crate::chain::{BlockRef, ChainFact};
use crate::state::VariablePart;
use crate::types::{Amount, Asset, B256, BlockNumber, ChannelId, TurnNumber};

/// Facts older than this many blocks are folded together: no reorg reaches that deep, and an
/// attacker's flood of 1-wei deposits must not grow the record without bound.
pub(crate) const SETTLED_DEPTH: u64 = 256;

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

/// Something that changed what a finalized ledger still has to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Move {
    /// Some allocations were paid.
    Payout {
        /// Held before.
        initial: Amount,
        /// Sum of what was paid.
        paid: Amount,
        /// What each allocation was paid, where the logs say so.
        amounts: Option<Vec<Amount>>,
    },
    /// A guarantee was reclaimed.
    Reclaim {
        /// Its position and what its left and right side got; left out by the logs where the
        /// outcome holds a single guarantee, and its target says the rest.
        which: Option<(u64, [Amount; 2])>,
    },
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
    /// The state of the newest challenge, unless it was answered, or of the conclusion. Once the
    /// channel is final it never changes, whatever is paid.
    pub registered: Option<Box<VariablePart>>,
    /// True once the adjudicator has paid out.
    pub paid_out: bool,
    /// True once two participants were paid in full by their conclusion: nothing is stored about
    /// the channel any more.
    pub forgotten: bool,
    /// What changed the outcome since it was registered.
    pub moves: Vec<Move>,
    /// The fact that explains the next one.
    explained: Option<Box<ChainFact>>,
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

    /// True when the adjudicator knows any state of the channel.
    #[must_use]
    pub fn is_on_record(&self) -> bool {
        self.mode != ChannelMode::Open || self.turn > TurnNumber::PREFUND
    }

    /// State hash that the channel was, or will be, finalized with; zero for a conclusion.
    #[must_use]
    pub fn state_hash(&self, channel: ChannelId) -> B256 {
        match (self.mode, &self.registered) {
            (ChannelMode::Challenge { .. }, Some(state)) => state.hash(channel),
            _ => B256::ZERO,
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
                self.pay(*initial, *holdings);
            }
            // Channels of ours have one asset, so its index is 0.
            ChainFact::AllocationUpdated { .. } => {}
            ChainFact::Reclaimed { asset_index: 0 } => {
                let which = match self.explained.take().as_deref() {
                    Some(ChainFact::GuaranteeReclaimed { index, to_left, to_right, .. }) => {
                        Some((*index, [*to_left, *to_right]))
                    }
                    _ => None,
                };
                self.moves.push(Move::Reclaim { which });
            }
            ChainFact::Reclaimed { .. } => {}
            ChainFact::GuaranteeReclaimed { asset_index: 0, .. }
            | ChainFact::AllocationsPaid { asset_index: 0, .. }
            | ChainFact::StateConcluded { .. } => self.explained = Some(Box::new(fact.clone())),
            // What a checkpoint shows is evidence, see `adopt` of the channels.
            ChainFact::GuaranteeReclaimed { .. }
            | ChainFact::AllocationsPaid { .. }
            | ChainFact::StateCheckpointed { .. } => {}
            ChainFact::ChallengeRegistered { finalizes_at, candidate, .. } => {
                self.mode = ChannelMode::Challenge { finalizes_at: *finalizes_at };
                self.turn = candidate.state.turn;
                self.registered = Some(Box::new(candidate.state.clone()));
                self.moves.clear();
            }
            ChainFact::ChallengeCleared { turn } | ChainFact::Checkpointed { turn } => {
                self.mode = ChannelMode::Open;
                self.turn = *turn;
                self.registered = None;
            }
            ChainFact::Concluded { finalizes_at } => self.conclude(*finalizes_at),
        }
    }

    /// A payout of nothing changes nothing, so that repeating one cannot make the list grow.
    fn pay(&mut self, initial: Amount, holdings: Amount) {
        self.holdings = holdings;
        self.paid_out = true;
        let amounts = match self.explained.take().map(|fact| *fact) {
            Some(ChainFact::AllocationsPaid { amounts, .. }) => Some(amounts),
            _ => None,
        };
        let paid = initial.saturating_sub(holdings);
        if !paid.is_zero() {
            self.moves.push(Move::Payout { initial, paid, amounts });
        }
    }

    /// A second conclusion of a channel that is final already pays out a surplus and decides
    /// nothing.
    fn conclude(&mut self, time: u64) {
        let Some(ChainFact::StateConcluded { kept, candidate }) =
            self.explained.take().map(|fact| *fact)
        else {
            return;
        };
        if self.is_finalized(time) {
            return;
        }
        self.moves.clear();
        if kept {
            self.mode = ChannelMode::Concluded;
            self.registered = Some(Box::new(candidate.state));
        } else {
            (self.mode, self.turn, self.registered) =
                (ChannelMode::Open, TurnNumber::PREFUND, None);
        }
        self.forgotten = !kept;
    }
}

/// Facts about a channel in chain order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChain {
    /// Facts too old for any reorg, folded.
    settled: OnChainStatus,
    /// Newer facts with their blocks.
    recent: Vec<(BlockNumber, ChainFact)>,
    /// All facts, folded.
    status: OnChainStatus,
}

impl OnChain {
    /// Takes a fact of a newly confirmed block. The contract has checked what supports a shown
    /// state, so only the state itself is kept here.
    pub(crate) fn record(&mut self, block: &BlockRef, mut fact: ChainFact, asset: Asset) {
        let horizon = BlockNumber(block.number.0.saturating_sub(SETTLED_DEPTH));
        let settled = self.recent.iter().take_while(|(number, _)| *number < horizon).count();
        for (_, old) in self.recent.drain(..settled) {
            self.settled.apply(&old, asset);
        }
        match &mut fact {
            ChainFact::ChallengeRegistered { proof, candidate, .. } => {
                proof.clear();
                candidate.signatures.clear();
            }
            ChainFact::StateConcluded { candidate, .. } => candidate.signatures.clear(),
            ChainFact::StateCheckpointed { .. } => return,
            ChainFact::Deposited { .. }
            | ChainFact::AllocationUpdated { .. }
            | ChainFact::AllocationsPaid { .. }
            | ChainFact::ChallengeCleared { .. }
            | ChainFact::Checkpointed { .. }
            | ChainFact::Concluded { .. }
            | ChainFact::Reclaimed { .. }
            | ChainFact::GuaranteeReclaimed { .. } => {}
        }
        self.status.apply(&fact, asset);
        self.recent.push((block.number, fact));
    }

    /// Forgets what happened above `ancestor`; true when there was something.
    pub(crate) fn roll_back(&mut self, ancestor: BlockNumber, asset: Asset) -> bool {
        let before = self.recent.len();
        self.recent.retain(|(number, _)| *number <= ancestor);
        if self.recent.len() == before {
            return false;
        }
        self.status = self.settled.clone();
        for (_, fact) in &self.recent {
            self.status.apply(fact, asset);
        }
        true
    }

    /// Where the channel stands.
    #[must_use]
    pub const fn status(&self) -> &OnChainStatus {
        &self.status
    }

    /// True when the chain has never told anything about the channel.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
