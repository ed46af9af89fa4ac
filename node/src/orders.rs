//! What the chain says before something is sent: what the account has, and what the fee may be.

use chain::ChainError;
use engine::chain::Account;
use engine::effect::Response;
use engine::input::Request;
use engine::sending::{Keep, Order};
use engine::types::{Address, Amount, Asset, B256};

use crate::handle::{CallError, NodeHandle};

/// The base fee may double while a transaction waits for a few blocks.
const PRICE_ROOM: u64 = 2;

/// What somebody wants to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) key: B256,
    pub(crate) from: Account,
    pub(crate) asset: Asset,
    pub(crate) to: Address,
    /// All that can be spared when none.
    pub(crate) amount: Option<Amount>,
    /// Whatever open channels may need.
    pub(crate) force: bool,
}

/// An order, and what the chain says of it.
#[derive(Debug)]
pub(crate) struct Quote {
    pub(crate) order: Order,
    /// True when the token or the payee would refuse it now.
    pub(crate) is_refused: bool,
}

/// Why nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The endpoint does not answer, or the token or payee refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No block was read yet.
    #[error("what gas costs is not known yet; ask again in a moment")]
    PriceUnknown,
    /// The node stops.
    #[error(transparent)]
    Call(CallError),
}

impl NodeHandle {
    /// Whether something is or was sent under a key.
    pub(crate) async fn knows_sending(&self, key: B256) -> Result<bool, CallError> {
        match self.request(Request::GetSending(key)).await {
            Ok(Response::Sending(..)) => Ok(true),
            Ok(_) | Err(CallError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The order for a wish. One that is known already needs no look at the chain: it is not made
    /// again.
    pub(crate) async fn order(&self, wish: Wish) -> Result<Quote, OrderError> {
        let Wish { key, from, asset, to, amount, force } = wish;
        let (chain, channel) = (self.chain().account(), self.address());
        let from = if chain == channel { Account::Chain } else { from };
        let (address, keep) = match from {
            Account::Chain if !force => (chain, Keep::Reserve),
            Account::Chain => (chain, Keep::Nothing),
            Account::Channel => (channel, Keep::Nothing),
        };
        let zero = Amount::ZERO;
        let order =
            Order { key, from, asset, to, amount, balance: zero, coin: zero, fee: zero, keep };
        if self.knows_sending(key).await.map_err(OrderError::Call)? {
            return Ok(Quote { order, is_refused: false });
        }
        let coin = self.chain().balance(Asset::NATIVE, address).await?;
        let balance =
            if asset.is_native() { coin } else { self.chain().balance(asset, address).await? };
        let price = self.chain().gas().ok_or(OrderError::PriceUnknown)?.price_per_gas;
        // What the account does not have cannot be tried; the engine says so with the numbers. Of
        // coin, the fee comes on top.
        let tried = match amount {
            Some(amount) if !asset.is_native() => amount.min(balance),
            Some(_) | None => Amount::from(1_u64).min(balance),
        };
        let (gas, is_refused) = match self.chain().transfer_gas(address, asset, to, tried).await {
            Ok(gas) => (gas, false),
            // Refused in the contract's own words, once it is tried whole; nothing is sent for it.
            Err(ChainError::Reverted { .. }) => (0, true),
            Err(error) => return Err(error.into()),
        };
        let fee = price.saturating_mul(gas).saturating_mul(PRICE_ROOM);
        Ok(Quote { order: Order { balance, coin, fee, ..order }, is_refused })
    }
}
