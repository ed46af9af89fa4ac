//! One line of an exit.

use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::types::{Amount, Bytes, ChannelId, Destination};

/// How a contract treats an allocation (contracts.md section 2; the reference node's numbering
/// differs and made its guarantees worthless, gap C3 of known-gaps.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllocationKind(pub u8);

impl AllocationKind {
    /// Pays its destination.
    pub const SIMPLE: Self = Self(0);
    /// Funds another channel and can only be reclaimed.
    pub const GUARANTEE: Self = Self(2);
}

/// An amount for a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The payee.
    pub destination: Destination,
    /// How much of the exit's asset.
    pub amount: Amount,
    /// Simple or guarantee.
    pub kind: AllocationKind,
    /// Left and right destination of a guarantee, else empty.
    pub metadata: Bytes,
}

impl Allocation {
    /// Pays `amount` to `destination`.
    #[must_use]
    pub fn simple(destination: Destination, amount: Amount) -> Self {
        Self { destination, amount, kind: AllocationKind::SIMPLE, metadata: Bytes::default() }
    }

    /// Locks `amount` for the channel `target` between `left` and `right`.
    #[must_use]
    pub fn guarantee(
        target: ChannelId,
        amount: Amount,
        left: Destination,
        right: Destination,
    ) -> Self {
        let metadata = abi::Guarantee { left: left.0, right: right.0 }.abi_encode();
        Self {
            destination: target.into(),
            amount,
            kind: AllocationKind::GUARANTEE,
            metadata: Bytes(metadata),
        }
    }

    pub(super) fn to_abi(&self) -> abi::Allocation {
        abi::Allocation {
            destination: self.destination.0,
            amount: self.amount.to_u256(),
            allocationType: self.kind.0,
            metadata: self.metadata.0.clone().into(),
        }
    }
}
