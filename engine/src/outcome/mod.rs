//! Who gets what when a channel ends, in the contracts' exit format (protocol.md section 3).

mod allocation;
mod exit;

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

pub use allocation::{Allocation, AllocationKind};
pub use exit::{
    ReclaimError, ReclaimStep, TransferEffects, TransferError, guarantee_sides, inferred_payout,
    reclaim_effects, reclaim_in_place, settle_effects, transfer_effects,
};

use crate::abi;
use crate::types::{Amount, Asset, Bytes, Destination};

/// The exits of a channel, one entry per asset, in the order that is hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcome(pub Vec<SingleAssetExit>);

/// The exit of one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleAssetExit {
    /// What is paid out.
    pub asset: Asset,
    /// Kind of asset in the exit format; 0 in every channel of ours.
    pub asset_type: u8,
    /// Metadata of the asset; empty in every channel of ours.
    pub metadata: Bytes,
    /// Who gets how much, first come first served.
    pub allocations: Vec<Allocation>,
}

impl Outcome {
    /// An outcome of one asset, as every channel of ours has it.
    #[must_use]
    pub fn single(asset: Asset, allocations: Vec<Allocation>) -> Self {
        Self(vec![SingleAssetExit {
            asset,
            asset_type: 0,
            metadata: Bytes::default(),
            allocations,
        }])
    }

    /// The contracts' structs.
    #[must_use]
    pub fn to_abi(&self) -> Vec<abi::SingleAssetExit> {
        self.0.iter().map(SingleAssetExit::to_abi).collect()
    }

    /// `abi.encode(SingleAssetExit[])`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_abi().abi_encode()
    }

    /// Hash that the adjudicator keeps (contracts.md section 3).
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

impl SingleAssetExit {
    /// Sum of all allocations, or `None` at 2^256.
    #[must_use]
    pub fn total(&self) -> Option<Amount> {
        Amount::checked_sum(self.allocations.iter().map(|allocation| allocation.amount))
    }

    /// Sum of the allocations to `destination`, or `None` at 2^256.
    #[must_use]
    pub fn total_for(&self, destination: Destination) -> Option<Amount> {
        Amount::checked_sum(
            self.allocations
                .iter()
                .filter(|allocation| allocation.destination == destination)
                .map(|allocation| allocation.amount),
        )
    }

    /// What must be on chain before the owner of `destination` may deposit: everything that is
    /// paid out before its first allocation (protocol.md 3.4).
    #[must_use]
    pub fn deposit_safety_threshold(&self, destination: Destination) -> Option<Amount> {
        Amount::checked_sum(
            self.allocations
                .iter()
                .take_while(|allocation| allocation.destination != destination)
                .map(|allocation| allocation.amount),
        )
    }

    fn to_abi(&self) -> abi::SingleAssetExit {
        abi::SingleAssetExit {
            asset: self.asset.0,
            assetMetadata: abi::AssetMetadata {
                assetType: self.asset_type,
                metadata: self.metadata.0.clone().into(),
            },
            allocations: self.allocations.iter().map(Allocation::to_abi).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::U256;

    #[test]
    fn totals_that_do_not_fit_are_none() {
        let payee = Destination(B256::with_last_byte(1));
        let other = Destination(B256::with_last_byte(2));
        let allocations = vec![
            Allocation::simple(payee, U256::MAX.into()),
            Allocation::simple(payee, 1_u64.into()),
            Allocation::simple(other, 1_u64.into()),
        ];
        let outcome = Outcome::single(Asset::NATIVE, allocations);
        assert_eq!(outcome.0[0].total(), None);
        assert_eq!(outcome.0[0].total_for(payee), None);
        assert_eq!(outcome.0[0].total_for(other), Some(1_u64.into()));
        assert_eq!(outcome.0[0].deposit_safety_threshold(payee), Some(Amount::ZERO));
        assert_eq!(outcome.0[0].deposit_safety_threshold(other), None);
    }
}
