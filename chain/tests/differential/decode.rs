//! What a client reads in the calldata of a call, strictly.

use alloy::primitives::Bytes;
use alloy::primitives::aliases::U48;
use alloy::sol_types::{SolCall, SolType};
use chain::bindings::{ExitFormat, INitroTypes, NitroAdjudicator, supported_state};
use engine::chain::{ChainCall, Challenge, Reclaim, Urgency};
use engine::crypto::Signature;
use engine::outcome::Outcome;
use engine::state::{FixedPart, SupportedState};
use engine::testing::{AssetReclaim, ContractCall};
use engine::types::ChannelId;

/// What `outcomeBytes` are made of.
type Exits = alloy::sol_types::sol_data::Array<ExitFormat::SingleAssetExit>;

/// The call, unless it is a deposit or a `challengeAll`, whose entries are read only when they are
/// news. None for what is no call as a strict decoder sees it, and for what the engine has no
/// words for.
pub(crate) fn decode(data: &[u8]) -> Option<ContractCall> {
    use NitroAdjudicator as A;
    let (selector, urgency) = (data.first_chunk::<4>()?, Urgency::default());
    Some(match *selector {
        A::challengeCall::SELECTOR => {
            let call = A::challengeCall::abi_decode_validate(data).ok()?;
            let (fixed, signature) = (call.fixedPart, call.challengerSig);
            ContractCall::Challenge(challenge(fixed, call.proof, call.candidate, signature)?)
        }
        A::checkpointCall::SELECTOR => {
            let call = A::checkpointCall::abi_decode_validate(data).ok()?;
            let (fixed, candidate) = (fixed_part(call.fixedPart)?, supported_state(call.candidate));
            let proof = call.proof.into_iter().map(supported_state).collect();
            ChainCall::Checkpoint { fixed, proof, candidate, urgency }.into()
        }
        A::concludeCall::SELECTOR => {
            let call = A::concludeCall::abi_decode_validate(data).ok()?;
            let SupportedState { state, signatures } = supported_state(call.candidate);
            let fixed = fixed_part(call.fixedPart)?;
            ChainCall::Conclude { fixed, state, signatures, urgency }.into()
        }
        A::concludeAndTransferAllAssetsCall::SELECTOR => {
            let call = A::concludeAndTransferAllAssetsCall::abi_decode_validate(data).ok()?;
            let SupportedState { state, signatures } = supported_state(call.candidate);
            let fixed = fixed_part(call.fixedPart)?;
            ChainCall::ConcludeAndTransfer { fixed, state, signatures }.into()
        }
        A::settleCall::SELECTOR => settle(A::settleCall::abi_decode_validate(data).ok()?)?,
        A::transferAllAssetsCall::SELECTOR => {
            let call = A::transferAllAssetsCall::abi_decode_validate(data).ok()?;
            ContractCall::TransferAll {
                channel: ChannelId(call.channelId),
                outcome: outcome(call.outcome),
                state_hash: call.stateHash,
            }
        }
        A::transferCall::SELECTOR => {
            let call = A::transferCall::abi_decode_validate(data).ok()?;
            let index = |index: &_| u64::try_from(*index).ok();
            ContractCall::Transfer {
                asset_index: index(&call.assetIndex)?,
                channel: ChannelId(call.fromChannelId),
                outcome: outcome(Exits::abi_decode_validate(&call.outcomeBytes).ok()?),
                state_hash: call.stateHash,
                indices: call.indices.iter().map(index).collect::<Option<Vec<_>>>()?,
            }
        }
        A::reclaimCall::SELECTOR => reclaim(A::reclaimCall::abi_decode_validate(data).ok()?)?,
        _ => return None,
    })
}

fn settle(call: NitroAdjudicator::settleCall) -> Option<ContractCall> {
    let entry = |one: NitroAdjudicator::Reclaim| {
        Some(AssetReclaim {
            asset_index: u64::try_from(one.sourceAssetIndex).ok()?,
            target_asset_index: u64::try_from(one.targetAssetIndex).ok()?,
            reclaim: Reclaim {
                index: u64::try_from(one.indexOfTargetInSource).ok()?,
                target_state: one.targetStateHash,
                target_outcome: outcome(one.targetOutcome),
            },
        })
    };
    Some(ContractCall::Settle {
        channel: ChannelId(call.channelId),
        outcome: outcome(call.outcome),
        state_hash: call.stateHash,
        reclaims: call.reclaims.into_iter().map(entry).collect::<Option<Vec<_>>>()?,
    })
}

fn reclaim(call: NitroAdjudicator::reclaimCall) -> Option<ContractCall> {
    let args = call.reclaimArgs;
    let read = |data: &[u8]| Some(outcome(Exits::abi_decode_validate(data).ok()?));
    Some(ContractCall::ReclaimAsset {
        channel: ChannelId(args.sourceChannelId),
        outcome: read(&args.sourceOutcomeBytes)?,
        state_hash: args.sourceStateHash,
        reclaim: AssetReclaim {
            asset_index: u64::try_from(args.sourceAssetIndex).ok()?,
            target_asset_index: u64::try_from(args.targetAssetIndex).ok()?,
            reclaim: Reclaim {
                index: u64::try_from(args.indexOfTargetInSource).ok()?,
                target_state: args.targetStateHash,
                target_outcome: read(&args.targetOutcomeBytes)?,
            },
        },
    })
}

fn challenge(
    fixed: INitroTypes::FixedPart,
    proof: Vec<INitroTypes::SignedVariablePart>,
    candidate: INitroTypes::SignedVariablePart,
    challenger: INitroTypes::Signature,
) -> Option<Challenge> {
    let mut signature = [0; 65];
    signature[..32].copy_from_slice(challenger.r.as_slice());
    signature[32..64].copy_from_slice(challenger.s.as_slice());
    signature[64] = challenger.v;
    Some(Challenge {
        fixed: fixed_part(fixed)?,
        proof: proof.into_iter().map(supported_state).collect(),
        candidate: supported_state(candidate),
        challenger: Signature(signature),
    })
}

fn fixed_part(fixed: INitroTypes::FixedPart) -> Option<FixedPart> {
    Some(FixedPart {
        participants: fixed.participants,
        nonce: fixed.channelNonce,
        app: fixed.appDefinition,
        challenge_duration: u32::try_from(fixed.challengeDuration.to::<u64>()).ok()?,
    })
}

fn outcome(exits: Vec<ExitFormat::SingleAssetExit>) -> Outcome {
    let state = INitroTypes::VariablePart {
        outcome: exits,
        appData: Bytes::new(),
        turnNum: U48::ZERO,
        isFinal: false,
    };
    let signed = INitroTypes::SignedVariablePart { variablePart: state, sigs: Vec::new() };
    supported_state(signed).state.outcome
}
