//! What a call of the engine is as a transaction (pure).

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use engine::chain::ChainCall;
use engine::types::Bytes;

use crate::bindings::{Erc20, NitroAdjudicator, fixed_part, signed_variable_part};

/// A transaction without nonce, gas and fees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) data: Bytes,
    /// Token and amount that the adjudicator will take from the account.
    pub(crate) takes: Option<(Address, U256)>,
}

/// The state cannot be encoded for the contracts, so that they would refuse it in any form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the turn of the state exceeds the contracts' uint48")]
pub(crate) struct TurnTooLarge;

impl Request {
    /// The transaction of a call.
    pub(crate) fn of(call: &ChainCall, adjudicator: Address) -> Result<Self, TurnTooLarge> {
        match call {
            ChainCall::Deposit { channel, asset, expected_held, amount } => {
                let amount = amount.to_u256();
                let data = NitroAdjudicator::depositCall {
                    asset: asset.0,
                    channelId: channel.0,
                    expectedHeld: expected_held.to_u256(),
                    amount,
                };
                Ok(Self {
                    to: adjudicator,
                    value: if asset.is_native() { amount } else { U256::ZERO },
                    data: Bytes(data.abi_encode()),
                    takes: (!asset.is_native()).then_some((asset.0, amount)),
                })
            }
            ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
                let data = NitroAdjudicator::concludeAndTransferAllAssetsCall {
                    fixedPart: fixed_part(fixed),
                    candidate: signed_variable_part(state, signatures).ok_or(TurnTooLarge)?,
                };
                Ok(Self {
                    to: adjudicator,
                    value: U256::ZERO,
                    data: Bytes(data.abi_encode()),
                    takes: None,
                })
            }
        }
    }

    /// Lets the adjudicator take exactly `amount`: what is not approved cannot be taken by a
    /// faulty contract.
    pub(crate) fn approval(token: Address, adjudicator: Address, amount: U256) -> Self {
        let data = Erc20::approveCall { spender: adjudicator, amount };
        Self { to: token, value: U256::ZERO, data: Bytes(data.abi_encode()), takes: None }
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

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use engine::outcome::Outcome;
    use engine::state::{FixedPart, VariablePart};
    use engine::types::{Amount, Asset, ChannelId, TurnNumber};

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
        assert_eq!(request.data.0[..4], [0x2f, 0xb1, 0xd2, 0x70]);
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
        assert_eq!(Request::of(&call, ADJUDICATOR), Err(TurnTooLarge));
    }
}
