//! The contracts' functions and events, and conversions to and from the engine's words.
//!
//! Every conversion is total or checked: logs come from whoever pays for gas.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::too_many_arguments,
    reason = "the macro writes the items; the contracts document them"
)]

use alloy::primitives::aliases::U48;
use alloy::sol;
use engine::abi;
use engine::crypto::Signature;
use engine::outcome::{Allocation, AllocationKind, Outcome, SingleAssetExit};
use engine::state::{FixedPart, SupportedState, VariablePart};
use engine::types::{Amount, Asset, Bytes, Destination, TurnNumber};

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    NitroAdjudicator,
    "abi/NitroAdjudicator.json"
);

/// Its types have the same names as the adjudicator's.
pub mod consensus_app {
    alloy::sol!(
        #[sol(rpc)]
        ConsensusApp,
        "abi/ConsensusApp.json"
    );
}

/// Its types have the same names as the adjudicator's.
pub mod virtual_payment_app {
    alloy::sol!(
        #[sol(rpc)]
        VirtualPaymentApp,
        "abi/VirtualPaymentApp.json"
    );
}

/// A token without value, for tests and demonstrations.
pub mod token {
    alloy::sol!(
        #[sol(rpc)]
        Token,
        "abi/Token.json"
    );
}

sol! {
    /// What is used of any token.
    interface Erc20 {
        function balanceOf(address owner) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external;
        function transfer(address to, uint256 amount) external;
    }
}

/// A fixed part as the contracts take it.
pub fn fixed_part(fixed: &FixedPart) -> INitroTypes::FixedPart {
    INitroTypes::FixedPart {
        participants: fixed.participants.clone(),
        channelNonce: fixed.nonce,
        appDefinition: fixed.app,
        challengeDuration: U48::from(fixed.challenge_duration),
    }
}

/// A state with its signatures as the contracts take it. `None` when the turn exceeds uint48.
pub fn signed_variable_part(
    state: &VariablePart,
    signatures: &[Signature],
) -> Option<INitroTypes::SignedVariablePart> {
    Some(INitroTypes::SignedVariablePart {
        variablePart: INitroTypes::VariablePart {
            outcome: exits_of(&state.outcome),
            appData: state.app_data.0.clone().into(),
            turnNum: U48::checked_from_limbs_slice(&[state.turn.0])?,
            isFinal: state.is_final,
        },
        sigs: signatures.iter().map(signature_to_contract).collect(),
    })
}

/// A state of an event. Any signature is possible there, also of nobody (gap C20).
pub fn supported_state(signed: INitroTypes::SignedVariablePart) -> SupportedState {
    let INitroTypes::VariablePart { outcome, appData, turnNum, isFinal } = signed.variablePart;
    SupportedState {
        state: VariablePart {
            outcome: Outcome(outcome.into_iter().map(exit_from_contract).collect()),
            app_data: Bytes(appData.to_vec()),
            turn: TurnNumber(turnNum.to::<u64>()),
            is_final: isFinal,
        },
        signatures: signed.sigs.iter().map(signature_from_contract).collect(),
    }
}

/// An outcome as the contracts take it.
pub fn exits_of(outcome: &Outcome) -> Vec<ExitFormat::SingleAssetExit> {
    outcome.to_abi().into_iter().map(exit_to_contract).collect()
}

fn exit_to_contract(exit: abi::SingleAssetExit) -> ExitFormat::SingleAssetExit {
    ExitFormat::SingleAssetExit {
        asset: exit.asset,
        assetMetadata: ExitFormat::AssetMetadata {
            assetType: exit.assetMetadata.assetType,
            metadata: exit.assetMetadata.metadata,
        },
        allocations: exit
            .allocations
            .into_iter()
            .map(|line| ExitFormat::Allocation {
                destination: line.destination,
                amount: line.amount,
                allocationType: line.allocationType,
                metadata: line.metadata,
            })
            .collect(),
    }
}

fn exit_from_contract(exit: ExitFormat::SingleAssetExit) -> SingleAssetExit {
    SingleAssetExit {
        asset: Asset(exit.asset),
        asset_type: exit.assetMetadata.assetType,
        metadata: Bytes(exit.assetMetadata.metadata.to_vec()),
        allocations: exit
            .allocations
            .into_iter()
            .map(|line| Allocation {
                destination: Destination(line.destination),
                amount: Amount::from(line.amount),
                kind: AllocationKind(line.allocationType),
                metadata: Bytes(line.metadata.to_vec()),
            })
            .collect(),
    }
}

/// A signature as the contracts take it.
pub fn signature_to_contract(signature: &Signature) -> INitroTypes::Signature {
    INitroTypes::Signature { v: signature.v(), r: signature.r(), s: signature.s() }
}

fn signature_from_contract(signature: &INitroTypes::Signature) -> Signature {
    let mut bytes = [0; 65];
    bytes[..32].copy_from_slice(signature.r.as_slice());
    bytes[32..64].copy_from_slice(signature.s.as_slice());
    bytes[64] = signature.v;
    Signature(bytes)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, keccak256};
    use alloy::sol_types::SolValue;
    use engine::types::ChannelId;

    use super::*;

    fn fixed() -> FixedPart {
        FixedPart {
            participants: vec![Address::repeat_byte(1), Address::repeat_byte(2)],
            nonce: 37_140_676_580,
            app: Address::repeat_byte(3),
            challenge_duration: 60,
        }
    }

    fn state() -> VariablePart {
        let guarantee = Allocation::guarantee(
            ChannelId(B256::repeat_byte(9)),
            Amount::from(7u64),
            Address::repeat_byte(1).into(),
            Address::repeat_byte(2).into(),
        );
        let simple = Allocation::simple(Address::repeat_byte(4).into(), Amount::from(5u64));
        VariablePart {
            outcome: Outcome::single(Asset::NATIVE, vec![simple, guarantee]),
            app_data: Bytes(vec![1, 2, 3]),
            turn: TurnNumber::MAX,
            is_final: true,
        }
    }

    #[test]
    fn state_survives_the_way_to_the_contract_and_back() {
        let mut signature = [7; 65];
        signature[64] = 28;
        let signatures = vec![Signature(signature), Signature([0; 65])];
        let signed = signed_variable_part(&state(), &signatures).unwrap();
        let expected = SupportedState { state: state(), signatures };
        assert_eq!(supported_state(signed), expected);
    }

    #[test]
    fn contract_hashes_the_outcome_that_was_signed() {
        let signed = signed_variable_part(&state(), &[]).unwrap();
        assert_eq!(keccak256(signed.variablePart.outcome.abi_encode()), state().outcome.hash());
    }

    #[test]
    fn contract_finds_the_channel_id_that_the_engine_uses() {
        let encoded = fixed_part(&fixed()).abi_encode_params();
        assert_eq!(keccak256(encoded), fixed().channel_id().0);
    }

    #[test]
    fn refuses_a_turn_that_the_contracts_cannot_hold() {
        let state = VariablePart { turn: TurnNumber(1 << 48), ..state() };
        assert_eq!(signed_variable_part(&state, &[]), None);
    }
}
