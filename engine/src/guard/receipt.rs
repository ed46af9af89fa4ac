//! A tower's word that it holds a state.

use alloy_primitives::aliases::U48;
use alloy_primitives::keccak256;
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use super::Rank;
use crate::abi;
use crate::crypto::{Signature, Signer};
use crate::state::Deployment;
use crate::types::{Address, B256, ChannelId, Timestamp, U256};

/// Tells what a tower took, when, for whom and for which contracts, and is signed by the tower.
///
/// It stands alone: whoever knows the tower's address can check it without asking anybody, also
/// long after the tower has lost or denied the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardReceipt {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// NitroAdjudicator.
    pub adjudicator: Address,
    /// Who handed it over.
    pub client: Address,
    /// The channel.
    pub channel: ChannelId,
    /// How new the state is.
    pub rank: Rank,
    /// Hash of the state.
    pub state: B256,
    /// When it was stored, by the tower's clock.
    pub at: Timestamp,
    /// The tower's signature.
    pub signature: Signature,
}

/// Says what is signed, so that no other signed message can be taken for a receipt.
const PURPOSE: &str = "nitroTowerReceipt";

impl GuardReceipt {
    /// Signs that the state is stored.
    #[must_use]
    pub fn sign(
        deployment: &Deployment,
        client: Address,
        channel: ChannelId,
        rank: Rank,
        state: B256,
        at: Timestamp,
        signer: &dyn Signer,
    ) -> Self {
        let unsigned = Self {
            chain_id: deployment.chain_id,
            adjudicator: deployment.adjudicator,
            client,
            channel,
            rank,
            state,
            at,
            signature: Signature([0; 65]),
        };
        Self { signature: signer.sign(unsigned.hash()), ..unsigned }
    }

    /// Hash that the tower signs.
    #[must_use]
    pub fn hash(&self) -> B256 {
        let preimage = abi::GuardReceiptPreimage {
            purpose: PURPOSE.into(),
            chainId: U256::from(self.chain_id),
            adjudicator: self.adjudicator,
            client: self.client,
            channelId: self.channel.0,
            turnNum: U48::from(self.rank.turn.0 & 0xffff_ffff_ffff),
            paid: self.rank.paid.to_u256(),
            stateHash: self.state,
            at: self.at.0,
        };
        keccak256(preimage.abi_encode_params())
    }
}
