//! What the chain says of one channel, so that a reorg can take facts back.

use serde::{Deserialize, Serialize};

use crate::chain::{BlockRef, ChainFact};
use crate::types::{Amount, Asset, BlockNumber};

/// Facts older than this many blocks are folded together: no reorg reaches that deep, and an
/// attacker's flood of 1-wei deposits must not grow the record without bound.
const SETTLED_DEPTH: u64 = 256;

/// How far the adjudicator has gone with a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelMode {
    /// No challenge runs.
    #[default]
    Open,
    /// A challenge runs out at this time (seconds since the Unix epoch).
    Challenge {
        /// When it runs out.
        finalizes_at: u64,
    },
    /// Concluded by everyone's signature.
    Concluded,
}

/// Sum of all facts about a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChainStatus {
    /// Held for the channel, in its asset.
    pub holdings: Amount,
    /// Challenge status.
    pub mode: ChannelMode,
    /// True once the adjudicator has paid out.
    pub paid_out: bool,
}

impl OnChainStatus {
    fn apply(&mut self, fact: &ChainFact, asset: Asset) {
        match fact {
            ChainFact::Deposited { asset: deposited, holdings } if *deposited == asset => {
                self.holdings = *holdings;
            }
            // Somebody put another asset into our channel: not our money, not our concern.
            ChainFact::Deposited { .. } => {}
            ChainFact::AllocationUpdated { asset_index: 0, holdings, .. } => {
                self.holdings = *holdings;
                self.paid_out = true;
            }
            // Channels of ours have one asset, so its index is 0.
            ChainFact::AllocationUpdated { .. } | ChainFact::Reclaimed { .. } => {}
            ChainFact::ChallengeRegistered { finalizes_at, .. } => {
                self.mode = ChannelMode::Challenge { finalizes_at: *finalizes_at };
            }
            ChainFact::ChallengeCleared { .. } | ChainFact::Checkpointed { .. } => {
                self.mode = ChannelMode::Open;
            }
            ChainFact::Concluded { .. } => self.mode = ChannelMode::Concluded,
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
    /// Takes a fact of a newly confirmed block.
    pub(crate) fn record(&mut self, block: &BlockRef, fact: ChainFact, asset: Asset) {
        let horizon = BlockNumber(block.number.0.saturating_sub(SETTLED_DEPTH));
        let settled = self.recent.iter().take_while(|(number, _)| *number < horizon).count();
        for (_, old) in self.recent.drain(..settled) {
            self.settled.apply(&old, asset);
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
        let mut status = self.settled;
        for (_, fact) in &self.recent {
            status.apply(fact, asset);
        }
        status
    }
}
