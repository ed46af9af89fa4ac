//! States of a channel and their hashes (protocol.md section 4).

mod deployment;
mod support;

use alloy_primitives::aliases::U48;
use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

pub use deployment::Deployment;
pub use support::{SupportError, is_challenged_by_participant, is_supported, is_unanimous};

use crate::abi;
use crate::crypto::Signature;
use crate::outcome::Outcome;
use crate::types::{Address, Bytes, ChannelId, TurnNumber};

/// What never changes in a channel; its hash is the channel id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedPart {
    /// Who must sign, in order.
    pub participants: Vec<Address>,
    /// Deployment tag (high 32 bits) and random number (low 32 bits), see [`Deployment`].
    pub nonce: u64,
    /// Contract that decides which states are supported.
    pub app: Address,
    /// Seconds that a challenge stays open.
    pub challenge_duration: u32,
}

impl FixedPart {
    /// The channel's id.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        let preimage = abi::ChannelIdPreimage {
            participants: self.participants.clone(),
            channelNonce: self.nonce,
            appDefinition: self.app,
            challengeDuration: U48::from(self.challenge_duration),
        };
        ChannelId(keccak256(preimage.abi_encode_params()))
    }

    /// Position of `address` among the participants.
    #[must_use]
    pub fn index_of(&self, address: Address) -> Option<usize> {
        self.participants.iter().position(|participant| *participant == address)
    }
}

/// What changes from state to state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariablePart {
    /// Who gets what.
    pub outcome: Outcome,
    /// Data for the app contract.
    pub app_data: Bytes,
    /// Version of the state.
    pub turn: TurnNumber,
    /// True when everyone agrees to close with this outcome.
    pub is_final: bool,
}

impl VariablePart {
    /// Hash that participants sign.
    #[must_use]
    pub fn hash(&self, channel: ChannelId) -> B256 {
        let preimage = abi::StatePreimage {
            channelId: channel.0,
            appData: self.app_data.0.clone().into(),
            outcome: self.outcome.to_abi(),
            turnNum: U48::from(self.turn.0 & TurnNumber::MAX.0),
            isFinal: self.is_final,
        };
        keccak256(preimage.abi_encode_params())
    }
}

/// A state with its signatures, ready for a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedState {
    /// The state.
    pub state: VariablePart,
    /// One signature per participant in their order; of a redemption the payee's alone.
    pub signatures: Vec<Signature>,
}

/// Message that a challenger signs beside the state (contracts.md section 3).
#[must_use]
pub fn challenge_hash(state_hash: B256) -> B256 {
    let preimage = abi::ChallengePreimage { stateHash: state_hash, purpose: "forceMove".into() };
    keccak256(preimage.abi_encode_params())
}
