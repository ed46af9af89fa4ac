//! Calls of the adjudicator, as anybody can encode them.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::bindings::token::Token;
use chain::bindings::{
    IForceMove, IMultiAssetHolder, INitroTypes, NitroAdjudicator, exits_of, fixed_part,
    signature_to_contract, signed_variable_part,
};
use engine::chain::Challenge;
use engine::outcome::Outcome;
use engine::state::{FixedPart, SupportedState, VariablePart};
use engine::types::{Asset, ChannelId};

/// A finalized channel, and what it was finalized with.
#[derive(Clone)]
pub(crate) struct Final {
    pub(crate) channel: ChannelId,
    pub(crate) state_hash: B256,
    pub(crate) outcome: Outcome,
}

impl Final {
    /// By a challenge with that state.
    pub(crate) fn by(channel: ChannelId, state: &VariablePart) -> Self {
        Self { channel, state_hash: state.hash(channel), outcome: state.outcome.clone() }
    }
}

pub(crate) fn challenge_all(challenges: &[Challenge]) -> Result<Vec<u8>> {
    let challenges = challenges.iter().map(challenge).collect::<Result<_>>()?;
    Ok(NitroAdjudicator::challengeAllCall { challenges }.abi_encode())
}

fn challenge(challenge: &Challenge) -> Result<IForceMove::Challenge> {
    let Challenge { fixed, proof, candidate, challenger } = challenge;
    Ok(IForceMove::Challenge {
        fixedPart: fixed_part(fixed),
        proof: proof.iter().map(shown).collect::<Result<_>>()?,
        candidate: shown(candidate)?,
        challengerSig: signature_to_contract(challenger),
    })
}

/// A challenge that is refused rather than passed over.
pub(crate) fn challenge_alone(one: &Challenge) -> Result<Vec<u8>> {
    let IForceMove::Challenge { fixedPart, proof, candidate, challengerSig } = challenge(one)?;
    Ok(NitroAdjudicator::challengeCall { fixedPart, proof, candidate, challengerSig }.abi_encode())
}

pub(crate) fn checkpoint(fixed: &FixedPart, state: &SupportedState) -> Result<Vec<u8>> {
    let call = NitroAdjudicator::checkpointCall {
        fixedPart: fixed_part(fixed),
        proof: Vec::new(),
        candidate: shown(state)?,
    };
    Ok(call.abi_encode())
}

fn shown(state: &SupportedState) -> Result<INitroTypes::SignedVariablePart> {
    signed_variable_part(&state.state, &state.signatures).context("a turn that fits")
}

pub(crate) fn deposit(asset: Asset, channel: ChannelId, amount: u128) -> Vec<u8> {
    let call = NitroAdjudicator::depositCall {
        asset: asset.0,
        channelId: channel.0,
        expectedHeld: U256::ZERO,
        amount: U256::from(amount),
    };
    call.abi_encode()
}

pub(crate) fn approve(spender: Address, amount: u128) -> Vec<u8> {
    Token::approveCall { spender, amount: U256::from(amount) }.abi_encode()
}

pub(crate) fn transfer_tokens(to: Address, amount: u128) -> Vec<u8> {
    Token::transferCall { to, amount: U256::from(amount) }.abi_encode()
}

pub(crate) fn transfer_all(from: &Final) -> Vec<u8> {
    let call = NitroAdjudicator::transferAllAssetsCall {
        channelId: from.channel.0,
        outcome: exits_of(&from.outcome),
        stateHash: from.state_hash,
    };
    call.abi_encode()
}

/// Pays one allocation.
pub(crate) fn transfer(from: &Final, index: u64) -> Vec<u8> {
    let call = NitroAdjudicator::transferCall {
        assetIndex: U256::ZERO,
        fromChannelId: from.channel.0,
        outcomeBytes: from.outcome.encode().into(),
        stateHash: from.state_hash,
        indices: vec![U256::from(index)],
    };
    call.abi_encode()
}

/// Replaces the guarantee at `index` by what `target` was finalized with.
pub(crate) fn reclaim(source: &Final, index: usize, target: &Final) -> Vec<u8> {
    let arguments = IMultiAssetHolder::ReclaimArgs {
        sourceChannelId: source.channel.0,
        sourceStateHash: source.state_hash,
        sourceOutcomeBytes: source.outcome.encode().into(),
        sourceAssetIndex: U256::ZERO,
        indexOfTargetInSource: U256::from(index),
        targetStateHash: target.state_hash,
        targetOutcomeBytes: target.outcome.encode().into(),
        targetAssetIndex: U256::ZERO,
    };
    NitroAdjudicator::reclaimCall { reclaimArgs: arguments }.abi_encode()
}

/// Reclaims the guarantee at `index` with `target`, and pays everybody.
pub(crate) fn settle(source: &Final, index: usize, target: &Final) -> Vec<u8> {
    let reclaim = NitroAdjudicator::Reclaim {
        sourceAssetIndex: U256::ZERO,
        indexOfTargetInSource: U256::from(index),
        targetStateHash: target.state_hash,
        targetOutcome: exits_of(&target.outcome),
        targetAssetIndex: U256::ZERO,
    };
    let call = NitroAdjudicator::settleCall {
        channelId: source.channel.0,
        outcome: exits_of(&source.outcome),
        stateHash: source.state_hash,
        reclaims: vec![reclaim],
    };
    call.abi_encode()
}
