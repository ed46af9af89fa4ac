//! Calls of the contract, also those that no node makes.

use crate::chain::{ChainCall, Challenge, Reclaim};
use crate::outcome::Outcome;
use crate::types::{Amount, Asset, B256, ChannelId};

/// A call of the adjudicator by anybody: a node, a stranger or a cheat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContractCall {
    /// A call that nodes make.
    Node(ChainCall),
    /// `deposit`: adds the whole amount, and is refused unless exactly `expected_held` is there.
    Deposit {
        /// The channel.
        channel: ChannelId,
        /// What is deposited.
        asset: Asset,
        /// What must be held already.
        expected_held: Amount,
        /// What is added.
        amount: Amount,
    },
    /// `challenge`: like `challengeAll` of one, but refused when it is no news.
    Challenge(Challenge),
    /// `transfer`: pays chosen allocations of one asset.
    Transfer {
        /// Index of the asset in the outcome.
        asset_index: u64,
        /// The finalized channel.
        channel: ChannelId,
        /// Its outcome as it stands.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
        /// Which allocations; none means all.
        indices: Vec<u64>,
    },
    /// `transferAllAssets`: pays everything, and is refused while there is a guarantee.
    TransferAll {
        /// The finalized channel.
        channel: ChannelId,
        /// Its outcome as it stands.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
    },
    /// `reclaim`: replaces one guarantee of the first asset and pays nobody.
    Reclaim {
        /// The finalized ledger.
        channel: ChannelId,
        /// Its outcome as it stands.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
        /// Which guarantee, and what becomes of it.
        reclaim: Reclaim,
    },
}

impl From<ChainCall> for ContractCall {
    fn from(call: ChainCall) -> Self {
        Self::Node(call)
    }
}
