//! Calls and logs of the fake adjudicator as the contract takes and writes them.

use alloy::primitives::aliases::U48;
use alloy::primitives::{LogData, U256};
use alloy::sol_types::{SolCall, SolEvent};
use chain::bindings::{
    IForceMove, IMultiAssetHolder, INitroTypes, NitroAdjudicator, exits_of, fixed_part,
    signature_to_contract, signed_variable_part,
};
use engine::chain::{ChainCall, ChainFact, Challenge, ChannelLog};
use engine::outcome::Outcome;
use engine::state::{SupportedState, VariablePart};
use engine::testing::{AssetReclaim, ContractCall};
use engine::types::{Amount, Asset, B256, ChannelId, TurnNumber};

fn signed(state: &SupportedState) -> INitroTypes::SignedVariablePart {
    signed_variable_part(&state.state, &state.signatures).unwrap()
}

/// Value and calldata of a call.
pub(crate) fn encode(call: &ContractCall) -> (U256, Vec<u8>) {
    let value = |asset: &Asset, amount: &Amount| {
        if asset.is_native() { amount.to_u256() } else { U256::ZERO }
    };
    match call {
        ContractCall::Node(call) => encode_ours(call),
        ContractCall::Deposit { channel, asset, expected_held, amount } => {
            let call = NitroAdjudicator::depositCall {
                asset: asset.0,
                channelId: channel.0,
                expectedHeld: expected_held.to_u256(),
                amount: amount.to_u256(),
            };
            (value(asset, amount), call.abi_encode())
        }
        ContractCall::DepositBatch { asset, entries } => {
            let total = Amount::checked_sum(entries.iter().map(|(_, _, amount)| *amount)).unwrap();
            let call = NitroAdjudicator::depositBatchCall {
                asset: asset.0,
                channelIds: entries.iter().map(|(channel, _, _)| channel.0).collect(),
                expectedHelds: entries.iter().map(|(_, held, _)| held.to_u256()).collect(),
                amounts: entries.iter().map(|(_, _, amount)| amount.to_u256()).collect(),
            };
            (value(asset, &total), call.abi_encode())
        }
        ContractCall::Claim { asset, payee } => {
            let call = NitroAdjudicator::claimCall { asset: asset.0, payee: *payee };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Challenge(challenge) => {
            let Challenge { fixed, proof, candidate, challenger } = challenge;
            let call = NitroAdjudicator::challengeCall {
                fixedPart: fixed_part(fixed),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
                challengerSig: signature_to_contract(challenger),
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices } => {
            let call = NitroAdjudicator::transferCall {
                assetIndex: U256::from(*asset_index),
                fromChannelId: channel.0,
                outcomeBytes: outcome.encode().into(),
                stateHash: *state_hash,
                indices: indices.iter().map(|index| U256::from(*index)).collect(),
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::TransferAll { channel, outcome, state_hash } => {
            let call = NitroAdjudicator::transferAllAssetsCall {
                channelId: channel.0,
                outcome: exits_of(outcome),
                stateHash: *state_hash,
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Reclaim { channel, outcome, state_hash, reclaim } => {
            let (channel, outcome, state_hash) = (*channel, outcome.clone(), *state_hash);
            let reclaim = AssetReclaim::from(reclaim.clone());
            encode(&ContractCall::ReclaimAsset { channel, outcome, state_hash, reclaim })
        }
        ContractCall::ReclaimAsset { channel, outcome, state_hash, reclaim } => {
            let call = NitroAdjudicator::reclaimCall {
                reclaimArgs: IMultiAssetHolder::ReclaimArgs {
                    sourceChannelId: channel.0,
                    sourceStateHash: *state_hash,
                    sourceOutcomeBytes: outcome.encode().into(),
                    sourceAssetIndex: U256::from(reclaim.asset_index),
                    indexOfTargetInSource: U256::from(reclaim.reclaim.index),
                    targetStateHash: reclaim.reclaim.target_state,
                    targetOutcomeBytes: reclaim.reclaim.target_outcome.encode().into(),
                    targetAssetIndex: U256::from(reclaim.target_asset_index),
                },
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Settle { channel, outcome, state_hash, reclaims } => {
            (U256::ZERO, encode_settle(*channel, outcome, *state_hash, reclaims))
        }
    }
}

fn encode_ours(call: &ChainCall) -> (U256, Vec<u8>) {
    let whole = |state: &VariablePart, signatures: &[engine::crypto::Signature]| {
        signed_variable_part(state, signatures).unwrap()
    };
    let data = match call {
        ChainCall::Deposit { channel, asset, expected_held, amount } => {
            let target = expected_held.checked_add(*amount).unwrap();
            let call = NitroAdjudicator::depositUpToCall {
                asset: asset.0,
                channelId: channel.0,
                expectedHeld: expected_held.to_u256(),
                targetHeld: target.to_u256(),
            };
            let value = if asset.is_native() { amount.to_u256() } else { U256::ZERO };
            return (value, call.abi_encode());
        }
        ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
            NitroAdjudicator::concludeAndTransferAllAssetsCall {
                fixedPart: fixed_part(fixed),
                candidate: whole(state, signatures),
            }
            .abi_encode()
        }
        ChainCall::Challenge { challenges, urgency: _ } => {
            let entry = |challenge: &Challenge| IForceMove::Challenge {
                fixedPart: fixed_part(&challenge.fixed),
                proof: challenge.proof.iter().map(signed).collect(),
                candidate: signed(&challenge.candidate),
                challengerSig: signature_to_contract(&challenge.challenger),
            };
            let challenges = challenges.iter().map(entry).collect();
            NitroAdjudicator::challengeAllCall { challenges }.abi_encode()
        }
        ChainCall::Checkpoint { fixed, proof, candidate, urgency: _ } => {
            NitroAdjudicator::checkpointCall {
                fixedPart: fixed_part(fixed),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
            }
            .abi_encode()
        }
        ChainCall::Conclude { fixed, state, signatures, urgency: _ } => {
            NitroAdjudicator::concludeCall {
                fixedPart: fixed_part(fixed),
                candidate: whole(state, signatures),
            }
            .abi_encode()
        }
        ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency: _ } => {
            let reclaims: Vec<_> = reclaims.iter().cloned().map(AssetReclaim::from).collect();
            encode_settle(*channel, outcome, *state_hash, &reclaims)
        }
        ChainCall::Claim { asset, payee, most_gas: _ } => {
            NitroAdjudicator::claimCall { asset: asset.0, payee: *payee }.abi_encode()
        }
        ChainCall::ClaimTo { asset, to } => {
            NitroAdjudicator::claimToCall { asset: asset.0, to: *to }.abi_encode()
        }
        ChainCall::Transfer { .. } => unreachable!("a transfer is no call of the adjudicator"),
    };
    (U256::ZERO, data)
}

fn encode_settle(
    channel: ChannelId,
    outcome: &Outcome,
    state_hash: B256,
    reclaims: &[AssetReclaim],
) -> Vec<u8> {
    let entry = |reclaim: &AssetReclaim| NitroAdjudicator::Reclaim {
        sourceAssetIndex: U256::from(reclaim.asset_index),
        indexOfTargetInSource: U256::from(reclaim.reclaim.index),
        targetStateHash: reclaim.reclaim.target_state,
        targetOutcome: exits_of(&reclaim.reclaim.target_outcome),
        targetAssetIndex: U256::from(reclaim.target_asset_index),
    };
    NitroAdjudicator::settleCall {
        channelId: channel.0,
        outcome: exits_of(outcome),
        stateHash: state_hash,
        reclaims: reclaims.iter().map(entry).collect(),
    }
    .abi_encode()
}

/// What a fact is counted as.
pub(crate) const fn name(fact: &ChainFact) -> &'static str {
    match fact {
        ChainFact::Deposited { .. } => "deposit",
        ChainFact::AllocationUpdated { .. } => "payout",
        ChainFact::ChallengeRegistered { .. } => "challenge",
        ChainFact::ChallengeCleared { .. } => "answer",
        ChainFact::Checkpointed { .. } => "checkpoint",
        ChainFact::Concluded { .. } => "conclusion",
        ChainFact::Reclaimed { .. } => "reclaim",
        ChainFact::StateCheckpointed { .. } => "checkpointed state",
        ChainFact::StateConcluded { .. } => "concluded state",
        ChainFact::GuaranteeReclaimed { .. } => "reclaimed guarantee",
        ChainFact::AllocationsPaid { .. } => "paid allocations",
    }
}

/// A log of the fake as the contract writes it.
pub(crate) fn log_data(log: &ChannelLog) -> LogData {
    let id = log.channel.0;
    let (turn, time) =
        (|turn: TurnNumber| U48::from(turn.0), |timestamp: u64| U48::from(timestamp));
    match &log.fact {
        ChainFact::Deposited { asset, holdings } => NitroAdjudicator::Deposited {
            destination: id,
            asset: asset.0,
            destinationHoldings: holdings.to_u256(),
        }
        .encode_log_data(),
        ChainFact::AllocationUpdated { asset_index, initial, holdings } => {
            NitroAdjudicator::AllocationUpdated {
                channelId: id,
                assetIndex: U256::from(*asset_index),
                initialHoldings: initial.to_u256(),
                finalHoldings: holdings.to_u256(),
            }
            .encode_log_data()
        }
        ChainFact::ChallengeRegistered { finalizes_at, proof, candidate } => {
            NitroAdjudicator::ChallengeRegistered {
                channelId: id,
                finalizesAt: time(*finalizes_at),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
            }
            .encode_log_data()
        }
        ChainFact::ChallengeCleared { turn: newer } => {
            NitroAdjudicator::ChallengeCleared { channelId: id, newTurnNumRecord: turn(*newer) }
                .encode_log_data()
        }
        ChainFact::Checkpointed { turn: newer } => {
            NitroAdjudicator::Checkpointed { channelId: id, newTurnNumRecord: turn(*newer) }
                .encode_log_data()
        }
        ChainFact::Concluded { finalizes_at } => {
            NitroAdjudicator::Concluded { channelId: id, finalizesAt: time(*finalizes_at) }
                .encode_log_data()
        }
        ChainFact::Reclaimed { asset_index } => {
            let index = U256::from(*asset_index);
            NitroAdjudicator::Reclaimed { channelId: id, assetIndex: index }.encode_log_data()
        }
        ChainFact::StateCheckpointed { proof, candidate } => NitroAdjudicator::StateCheckpointed {
            channelId: id,
            proof: proof.iter().map(signed).collect(),
            candidate: signed(candidate),
        }
        .encode_log_data(),
        ChainFact::StateConcluded { kept, candidate } => NitroAdjudicator::StateConcluded {
            channelId: id,
            kept: *kept,
            candidate: signed(candidate),
        }
        .encode_log_data(),
        ChainFact::GuaranteeReclaimed { target, asset_index, index, to_left, to_right } => {
            NitroAdjudicator::GuaranteeReclaimed {
                channelId: id,
                targetChannelId: target.0,
                assetIndex: U256::from(*asset_index),
                indexOfTargetInSource: U256::from(*index),
                toLeft: to_left.to_u256(),
                toRight: to_right.to_u256(),
            }
            .encode_log_data()
        }
        ChainFact::AllocationsPaid { asset_index, amounts } => NitroAdjudicator::AllocationsPaid {
            channelId: id,
            assetIndex: U256::from(*asset_index),
            amounts: amounts.iter().map(|amount| amount.to_u256()).collect(),
        }
        .encode_log_data(),
    }
}
