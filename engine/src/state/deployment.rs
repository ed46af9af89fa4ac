//! Binds channels to one chain and one adjudicator.

use alloy_primitives::keccak256;
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::types::{Address, U256};

/// The contracts of one chain that a node signs for.
///
/// The hash formats carry no chain id, so a state could be replayed on another chain or
/// adjudicator (gap S14). The high 32 bits of every channel nonce therefore name the deployment,
/// and nothing is signed for a channel with another tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// NitroAdjudicator.
    pub adjudicator: Address,
    /// ConsensusApp, the app of every ledger channel.
    pub consensus_app: Address,
    /// VirtualPaymentApp, the app of every payment channel.
    pub payment_app: Address,
}

impl Deployment {
    /// First four bytes of `keccak256(abi.encode(chainId, adjudicator))`.
    #[must_use]
    pub fn tag(&self) -> u32 {
        let preimage = abi::DeploymentPreimage {
            chainId: U256::from(self.chain_id),
            adjudicator: self.adjudicator,
        };
        let hash = keccak256(preimage.abi_encode_params());
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// A channel nonce of this deployment with `random` in its low half.
    #[must_use]
    pub fn nonce(&self, random: u32) -> u64 {
        (u64::from(self.tag()) << 32) | u64::from(random)
    }

    /// True when the nonce carries this deployment's tag.
    #[must_use]
    pub fn owns(&self, nonce: u64) -> bool {
        nonce >> 32 == u64::from(self.tag())
    }
}
