//! What a rollup charges for publishing the data of a transaction, besides its gas.
//!
//! Rollups of the OP stack have a contract that tells it, at the same address on all of them; on
//! other chains nothing answers there. Arbitrum counts data as gas, so that its estimates have it and
//! what is said of gas beforehand has not; it can be asked, too.
//!
//! Whoever answers for that contract may lie. A fee that is too low makes a transaction be refused
//! or a reserve be small, as any chain that gets dear overnight does. One that is too high could keep
//! money from being worth its enforcement, or an answer from being sent: it never counts for more
//! than the operator's own bound of what gas may cost, and where time runs out a transaction is sent
//! whatever the fee is said to be.

use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256, address, keccak256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use alloy::sol_types::SolCall;

use crate::error::ChainError;
use crate::refusal::Refusal;
use crate::rpc::Rpc;

/// Where the OP stack has its contract, and Arbitrum what answers like one.
const OP_STACK: Address = address!("0x420000000000000000000000000000000000000F");
const ARBITRUM: Address = address!("0x00000000000000000000000000000000000000C8");

/// How long a chain is taken to have no such contract.
pub(crate) const ABSENCE: Duration = Duration::from_secs(3_600);

/// Gas and bytes of what stands for all calls. Enforcing takes a dozen bytes per thousand gas: the
/// challenge and the payout of a ledger ten, those of a payment channel and its guarantee thirteen.
const TYPICAL_GAS: u64 = 100_000;
const TYPICAL_BYTES: usize = 1_300;

sol! {
    interface GasPriceOracle {
        function getL1Fee(bytes transaction) external view returns (uint256);
    }

    interface NodeInterface {
        function gasEstimateL1Component(address to, bool creation, bytes data)
            external view returns (uint64 gas, uint256 baseFee, uint256 l1BaseFee);
    }
}

/// Who may be there to say what data costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    /// Charges beside the gas.
    OpStack,
    /// Charges as gas.
    Arbitrum,
}

impl Oracle {
    /// The fee for the data of a transaction, in wei, when there is somebody to ask.
    pub(crate) async fn ask(self, rpc: &Rpc, data: Vec<u8>) -> Result<Option<U256>, ChainError> {
        let (address, question) = match self {
            Self::OpStack => {
                let question = GasPriceOracle::getL1FeeCall { transaction: data.into() };
                (OP_STACK, question.abi_encode())
            }
            Self::Arbitrum => {
                let (to, data) = (ARBITRUM, data.into());
                let question =
                    NodeInterface::gasEstimateL1ComponentCall { to, creation: false, data };
                (ARBITRUM, question.abi_encode())
            }
        };
        let request = TransactionRequest::default().with_to(address).with_input(question);
        match rpc.call(request, BlockNumberOrTag::Latest).await {
            // An address without a contract answers nothing.
            Ok(answer) => Ok(self.fee(&answer)),
            Err(ChainError::Reverted { .. }) => Ok(None),
            Err(ChainError::Refused { kind, .. }) if kind != Refusal::Busy => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fee(self, answer: &[u8]) -> Option<U256> {
        match self {
            Self::OpStack => GasPriceOracle::getL1FeeCall::abi_decode_returns(answer).ok(),
            Self::Arbitrum => {
                let answer = NodeInterface::gasEstimateL1ComponentCall::abi_decode_returns(answer);
                let answer = answer.ok()?;
                Some(U256::from(answer.gas).saturating_mul(answer.baseFee))
            }
        }
    }
}

/// What stands for the bytes of a call. Nothing compresses it, so that real ones cost less.
pub(crate) fn typical() -> Vec<u8> {
    let words = (0_u64..).flat_map(|word| keccak256(word.to_be_bytes()).0);
    words.take(TYPICAL_BYTES).collect()
}

/// The fee of the typical call, spread over its gas and rounded up: within `bound` wei per gas.
pub(crate) fn per_gas(fee: U256, bound: u128) -> u128 {
    fee.div_ceil(U256::from(TYPICAL_GAS)).saturating_to::<u128>().min(bound)
}

/// What is counted of a fee for a transaction with that much gas.
pub(crate) fn within(fee: U256, gas: u64, bound: u128) -> U256 {
    fee.min(U256::from(gas).saturating_mul(U256::from(bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_spread_over_the_gas_and_bounded() {
        assert_eq!(per_gas(U256::ZERO, 50), 0);
        assert_eq!(per_gas(U256::from(100_001), 50), 2);
        assert_eq!(per_gas(U256::MAX, 50), 50);
        assert_eq!(within(U256::from(7), 100, 50), U256::from(7));
        assert_eq!(within(U256::MAX, 100, 50), U256::from(5_000));
    }

    #[test]
    fn the_typical_call_has_no_zeros_to_save() {
        let bytes = typical();
        assert_eq!(bytes.len(), TYPICAL_BYTES);
        assert!(bytes.iter().filter(|byte| **byte == 0).count() < TYPICAL_BYTES / 50);
    }
}
