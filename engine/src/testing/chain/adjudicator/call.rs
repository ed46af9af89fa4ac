//! Calls of the contract, also those that no node makes.

use crate::chain::{ChainCall, Challenge, Reclaim};
use crate::outcome::Outcome;
use crate::types::{Address, Amount, Asset, B256, ChannelId};

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
    /// `depositBatch`: several deposits of one asset, all of them or none.
    DepositBatch {
        /// What is deposited.
        asset: Asset,
        /// The channels, with what must be held already and what is added.
        entries: Vec<(ChannelId, Amount, Amount)>,
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
    /// `reclaim`: replaces one guarantee and pays nobody.
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
    /// `reclaim` of a ledger with any assets.
    ReclaimAsset {
        /// The finalized ledger.
        channel: ChannelId,
        /// Its outcome as it stands.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
        /// Which guarantee, and what becomes of it.
        reclaim: AssetReclaim,
    },
    /// `settle` of a ledger with any assets.
    Settle {
        /// The finalized ledger.
        channel: ChannelId,
        /// Its outcome as it stands.
        outcome: Outcome,
        /// State hash that it was finalized with; zero when it was concluded.
        state_hash: B256,
        /// Guarantees to reclaim first, in this order.
        reclaims: Vec<AssetReclaim>,
    },
    /// `claim`: pays what a payee is owed that could not be paid before.
    Claim {
        /// What is claimed.
        asset: Asset,
        /// Who is owed it.
        payee: Address,
    },
}

/// A reclaim as the contract takes it, for outcomes of several assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetReclaim {
    /// Asset of the ledger's outcome that holds the guarantee.
    pub asset_index: u64,
    /// Asset of the target's outcome that replaces it.
    pub target_asset_index: u64,
    /// Which guarantee, and what the target was finalized with.
    pub reclaim: Reclaim,
}

impl From<Reclaim> for AssetReclaim {
    fn from(reclaim: Reclaim) -> Self {
        Self { asset_index: 0, target_asset_index: 0, reclaim }
    }
}

impl From<ChainCall> for ContractCall {
    fn from(call: ChainCall) -> Self {
        Self::Node(call)
    }
}
