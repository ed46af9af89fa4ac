//! What a call of the engine is as a transaction (pure).

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use engine::chain::{ChainCall, Challenge, Reclaim};
use engine::crypto::Signature;
use engine::state::{SupportedState, VariablePart};
use engine::types::{Amount, Asset, Bytes};

use crate::bindings::{
    Erc20, IForceMove, INitroTypes, NitroAdjudicator, exits_of, fixed_part, signature_to_contract,
    signed_variable_part,
};

/// A transaction without nonce, gas and fees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) data: Bytes,
    /// Token and amount that the adjudicator will take from the account.
    pub(crate) takes: Option<(Address, U256)>,
}

/// The call cannot be encoded for the contracts, so that they would refuse it in any form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// A turn that no contract can hold.
    #[error("the turn of the state exceeds the contracts' uint48")]
    TurnTooLarge,
    /// More than all there is.
    #[error("the holdings after the deposit exceed the contracts' uint256")]
    AmountTooLarge,
}

impl Request {
    /// A question to a contract.
    pub(crate) fn view(to: Address, data: Vec<u8>) -> Self {
        Self { to, value: U256::ZERO, data: Bytes(data), takes: None }
    }

    /// The transaction of a call.
    pub(crate) fn of(call: &ChainCall, adjudicator: Address) -> Result<Self, RequestError> {
        let to_adjudicator = |data: Vec<u8>| Self {
            to: adjudicator,
            value: U256::ZERO,
            data: Bytes(data),
            takes: None,
        };
        match call {
            ChainCall::Deposit { channel, asset, expected_held, amount } => {
                let target =
                    expected_held.checked_add(*amount).ok_or(RequestError::AmountTooLarge)?;
                let data = NitroAdjudicator::depositUpToCall {
                    asset: asset.0,
                    channelId: channel.0,
                    expectedHeld: expected_held.to_u256(),
                    targetHeld: target.to_u256(),
                };
                let amount = amount.to_u256();
                Ok(Self {
                    value: if asset.is_native() { amount } else { U256::ZERO },
                    takes: (!asset.is_native()).then_some((asset.0, amount)),
                    ..to_adjudicator(data.abi_encode())
                })
            }
            ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
                let data = NitroAdjudicator::concludeAndTransferAllAssetsCall {
                    fixedPart: fixed_part(fixed),
                    candidate: signed(state, signatures)?,
                };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::Challenge { challenges, urgency: _ } => {
                let challenges = challenges.iter().map(challenge).collect::<Result<_, _>>()?;
                let data = NitroAdjudicator::challengeAllCall { challenges };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::Checkpoint { fixed, proof, candidate, urgency: _ } => {
                let data = NitroAdjudicator::checkpointCall {
                    fixedPart: fixed_part(fixed),
                    proof: supported(proof)?,
                    candidate: signed(&candidate.state, &candidate.signatures)?,
                };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::Conclude { fixed, state, signatures, urgency: _ } => {
                let data = NitroAdjudicator::concludeCall {
                    fixedPart: fixed_part(fixed),
                    candidate: signed(state, signatures)?,
                };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::Claim { asset, payee, most_gas: _ } => {
                let data = NitroAdjudicator::claimCall { asset: asset.0, payee: *payee };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::ClaimTo { asset, to } => {
                let data = NitroAdjudicator::claimToCall { asset: asset.0, to: *to };
                Ok(to_adjudicator(data.abi_encode()))
            }
            ChainCall::Transfer { from: _, asset, to, amount } => {
                Ok(Self::transfer(*asset, *to, *amount))
            }
            ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency: _ } => {
                let data = NitroAdjudicator::settleCall {
                    channelId: channel.0,
                    outcome: exits_of(outcome),
                    stateHash: *state_hash,
                    reclaims: reclaims.iter().map(reclaim).collect(),
                };
                Ok(to_adjudicator(data.abi_encode()))
            }
        }
    }

    /// Lets the adjudicator take exactly `amount`: what is not approved cannot be taken by a
    /// faulty contract.
    pub(crate) fn approval(token: Address, adjudicator: Address, amount: U256) -> Self {
        let data = Erc20::approveCall { spender: adjudicator, amount };
        Self { to: token, value: U256::ZERO, data: Bytes(data.abi_encode()), takes: None }
    }

    /// Coin or tokens to somebody else.
    pub(crate) fn transfer(asset: Asset, to: Address, amount: Amount) -> Self {
        let amount = amount.to_u256();
        if asset.is_native() {
            return Self { to, value: amount, data: Bytes::default(), takes: None };
        }
        let data = Bytes(Erc20::transferCall { to, amount }.abi_encode());
        Self { to: asset.0, value: U256::ZERO, data, takes: None }
    }

    /// Does nothing, and uses a nonce up.
    pub(crate) fn nothing(account: Address) -> Self {
        Self { to: account, value: U256::ZERO, data: Bytes::default(), takes: None }
    }

    /// For an estimate or a repetition; without fees, which would make it fail for the balance.
    pub(crate) fn for_call(&self, from: Address) -> TransactionRequest {
        TransactionRequest::default()
            .with_from(from)
            .with_to(self.to)
            .with_value(self.value)
            .with_input(self.data.0.clone())
    }
}

fn signed(
    state: &VariablePart,
    signatures: &[Signature],
) -> Result<INitroTypes::SignedVariablePart, RequestError> {
    signed_variable_part(state, signatures).ok_or(RequestError::TurnTooLarge)
}

fn supported(
    states: &[SupportedState],
) -> Result<Vec<INitroTypes::SignedVariablePart>, RequestError> {
    states.iter().map(|proof| signed(&proof.state, &proof.signatures)).collect()
}

fn challenge(challenge: &Challenge) -> Result<IForceMove::Challenge, RequestError> {
    let Challenge { fixed, proof, candidate, challenger } = challenge;
    Ok(IForceMove::Challenge {
        fixedPart: fixed_part(fixed),
        proof: supported(proof)?,
        candidate: signed(&candidate.state, &candidate.signatures)?,
        challengerSig: signature_to_contract(challenger),
    })
}

/// Channels of ours have one asset.
fn reclaim(reclaim: &Reclaim) -> NitroAdjudicator::Reclaim {
    let Reclaim { index, target_state, target_outcome } = reclaim;
    NitroAdjudicator::Reclaim {
        sourceAssetIndex: U256::ZERO,
        indexOfTargetInSource: U256::from(*index),
        targetStateHash: *target_state,
        targetOutcome: exits_of(target_outcome),
        targetAssetIndex: U256::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use engine::outcome::Outcome;
    use engine::state::{FixedPart, VariablePart};
    use engine::types::{ChannelId, TurnNumber};

    use super::*;

    const ADJUDICATOR: Address = Address::repeat_byte(0xad);

    fn deposit(asset: Asset) -> ChainCall {
        ChainCall::Deposit {
            channel: ChannelId(B256::repeat_byte(1)),
            asset,
            expected_held: Amount::from(2u64),
            amount: Amount::from(3u64),
        }
    }

    #[test]
    fn native_deposit_carries_its_value() {
        let request = Request::of(&deposit(Asset::NATIVE), ADJUDICATOR).unwrap();
        assert_eq!((request.to, request.value, request.takes), (ADJUDICATOR, U256::from(3), None));
        // Relied on: 2. Wanted: 2 + 3.
        let words: Vec<U256> = request.data.0[4..].chunks(32).map(U256::from_be_slice).collect();
        assert_eq!(words[2..], [U256::from(2), U256::from(5)]);
    }

    #[test]
    fn token_deposit_carries_no_coin() {
        // The contract refuses a coin beside a token (weakness W6).
        let token = Address::repeat_byte(7);
        let request = Request::of(&deposit(Asset(token)), ADJUDICATOR).unwrap();
        assert_eq!(request.value, U256::ZERO);
        assert_eq!(request.takes, Some((token, U256::from(3))));
    }

    #[test]
    fn refuses_to_hold_more_than_the_contracts_can() {
        let call = ChainCall::Deposit {
            channel: ChannelId(B256::ZERO),
            asset: Asset::NATIVE,
            expected_held: Amount::from(U256::MAX),
            amount: Amount::from(1u64),
        };
        assert_eq!(Request::of(&call, ADJUDICATOR), Err(RequestError::AmountTooLarge));
    }

    #[test]
    fn refuses_a_turn_beyond_the_contracts() {
        let call = ChainCall::ConcludeAndTransfer {
            fixed: FixedPart {
                participants: vec![],
                nonce: 1,
                app: Address::ZERO,
                challenge_duration: 1,
            },
            state: VariablePart {
                outcome: Outcome::default(),
                app_data: Bytes::default(),
                turn: TurnNumber(u64::MAX),
                is_final: true,
            },
            signatures: vec![],
        };
        assert_eq!(Request::of(&call, ADJUDICATOR), Err(RequestError::TurnTooLarge));
    }
}
