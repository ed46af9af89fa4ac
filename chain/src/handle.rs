//! What the rest of the node can ask of the chain service.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use engine::chain::{Account, BlockRef, ChainCall};
use engine::types::{Amount, Asset, CallId, ChannelId, TurnNumber};
use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::bindings::{Erc20, NitroAdjudicator};
use crate::error::{ChainError, Stopped};
use crate::metrics::Metrics;
use crate::panel::Panel;
use crate::rpc::Rpc;
use crate::status::{CallStatus, ChainStatus, GasReport, Status};
use crate::submitter::request::Request;

/// A handle on the running chain service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainHandle {
    pub(crate) account: Address,
    pub(crate) adjudicator: Address,
    pub(crate) calls: mpsc::UnboundedSender<Order>,
    /// The way to the channel account, where it is not the same.
    pub(crate) channel_calls: Option<ChannelCalls>,
    pub(crate) connection: watch::Receiver<Option<Panel>>,
    pub(crate) chain: watch::Receiver<ChainStatus>,
    pub(crate) call_status: watch::Receiver<CallStatus>,
    pub(crate) gas: watch::Receiver<Option<GasReport>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The way to what sends from the channel account.
#[derive(Clone, Debug)]
pub(crate) struct ChannelCalls {
    pub(crate) calls: mpsc::UnboundedSender<Order>,
    pub(crate) status: watch::Receiver<CallStatus>,
    /// Calls that were on their way from the channel account when the service started.
    pub(crate) held: Arc<BTreeSet<CallId>>,
}

/// What is asked of the chain service about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// See [`ChainHandle::submit`].
    Submit(CallId, Box<ChainCall>),
    /// See [`ChainHandle::withdraw`].
    Withdraw(CallId),
}

impl Order {
    /// The call that it is about.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Submit(id, _) | Self::Withdraw(id) => *id,
        }
    }
}

/// Where a channel stands at the newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// Turn that a new state must reach, or exceed while a challenge runs.
    pub turn: TurnNumber,
    /// When the channel becomes or became final, in seconds since the Unix epoch; zero while it is
    /// open.
    pub finalizes_at: u64,
}

impl ChainHandle {
    /// Hands over a call of the outbox. Never blocks; may be repeated with the same id, also
    /// after a restart: the call is sent once and its settlement is reported again.
    ///
    /// # Errors
    /// When the service has stopped.
    pub fn submit(&self, id: CallId, call: ChainCall) -> Result<(), Stopped> {
        self.order(Order::Submit(id, Box::new(call)))
    }

    /// Asks for a call back: one of which nothing was ever sent settles as
    /// [`Withdrawn`](engine::chain::Receipt::Withdrawn), any other takes its course. Never blocks; may
    /// be repeated.
    ///
    /// # Errors
    /// When the service has stopped.
    pub fn withdraw(&self, id: CallId) -> Result<(), Stopped> {
        self.order(Order::Withdraw(id))
    }

    /// Passes an order on, after those before it.
    ///
    /// # Errors
    /// When the service has stopped.
    pub fn order(&self, order: Order) -> Result<(), Stopped> {
        let id = order.call();
        let stopped = |_| Stopped(id);
        let Some(ChannelCalls { calls: channel, held, .. }) = &self.channel_calls else {
            return self.calls.send(order).map_err(stopped);
        };
        match &order {
            // Also what it sent when it was the only account there was.
            Order::Submit(id, call) if call.account() == Account::Channel || held.contains(id) => {
                channel.send(order).map_err(stopped)
            }
            Order::Submit(..) => self.calls.send(order).map_err(stopped),
            // Whoever does not have it has nothing to take back.
            Order::Withdraw(_) => {
                channel.send(order.clone()).map_err(stopped)?;
                self.calls.send(order).map_err(stopped)
            }
        }
    }

    /// The account that pays and sends.
    #[must_use]
    pub const fn account(&self) -> Address {
        self.account
    }

    /// The newest block of the endpoint, not yet confirmed.
    #[must_use]
    pub fn head(&self) -> Option<BlockRef> {
        self.chain.borrow().head
    }

    /// Everything an operator wants to know.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { chain: self.chain.borrow().clone(), calls: self.calls_of_both(), gas: self.gas() }
    }

    fn calls_of_both(&self) -> CallStatus {
        let chain = self.call_status.borrow().clone();
        let Some(channel) = &self.channel_calls else { return chain };
        let channel = channel.status.borrow();
        CallStatus {
            waiting: chain.waiting.saturating_add(channel.waiting),
            in_flight: chain.in_flight.saturating_add(channel.in_flight),
            problem: chain.problem.or_else(|| channel.problem.clone()),
        }
    }

    /// What the account has for gas and what gas costs, as of the newest block.
    #[must_use]
    pub fn gas(&self) -> Option<GasReport> {
        *self.gas.borrow()
    }

    /// The same with changes: once per new block.
    #[must_use]
    pub fn watch_gas(&self) -> watch::Receiver<Option<GasReport>> {
        self.gas.clone()
    }

    /// What the watcher sees, with changes.
    #[must_use]
    pub fn watch_chain(&self) -> watch::Receiver<ChainStatus> {
        self.chain.clone()
    }

    /// What the submitter does, with changes.
    #[must_use]
    pub fn watch_calls(&self) -> watch::Receiver<CallStatus> {
        self.call_status.clone()
    }

    /// What has been done since start.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How much of an asset an account has at the newest block.
    ///
    /// # Errors
    /// When there is no connection or the endpoint or token does not answer.
    pub async fn balance(&self, asset: Asset, address: Address) -> Result<Amount, ChainError> {
        let rpc = self.rpc()?;
        if asset.is_native() {
            return rpc.balance(address).await.map(Amount::from);
        }
        self.ask(&rpc, asset.0, Erc20::balanceOfCall { owner: address }).await
    }

    /// How much of an asset the adjudicator holds for a channel at the newest block.
    ///
    /// # Errors
    /// When there is no connection or the endpoint does not answer.
    pub async fn holdings(&self, asset: Asset, channel: ChannelId) -> Result<Amount, ChainError> {
        let call = NitroAdjudicator::holdingsCall { _0: asset.0, _1: channel.0 };
        self.ask(&self.rpc()?, self.adjudicator, call).await
    }

    /// How much of an asset the adjudicator owes a payee at the newest block.
    ///
    /// # Errors
    /// When there is no connection or the endpoint does not answer.
    pub async fn claimable(&self, asset: Asset, payee: Address) -> Result<Amount, ChainError> {
        let call = NitroAdjudicator::claimableCall { asset: asset.0, payee };
        self.ask(&self.rpc()?, self.adjudicator, call).await
    }

    /// Gas that a transfer would take.
    ///
    /// # Errors
    /// When there is no connection, the endpoint does not answer, or the token or payee refuses.
    pub async fn transfer_gas(
        &self,
        from: Address,
        asset: Asset,
        to: Address,
        amount: Amount,
    ) -> Result<u64, ChainError> {
        let request = Request::transfer(asset, to, amount).for_call(from);
        let gas = self.rpc()?.estimate(request).await?;
        // What a transaction is given at least, so that a price derived from it is enough.
        Ok(gas.saturating_add(gas / 4))
    }

    /// Where a channel stands at the newest block.
    ///
    /// # Errors
    /// When there is no connection or the endpoint does not answer.
    pub async fn channel_status(&self, channel: ChannelId) -> Result<ChannelStatus, ChainError> {
        let call = NitroAdjudicator::unpackStatusCall { channelId: channel.0 };
        let adjudicator = self.adjudicator;
        let request =
            TransactionRequest::default().with_to(adjudicator).with_input(call.abi_encode());
        let answer = self.rpc()?.call(request, BlockNumberOrTag::Latest).await?;
        let status = NitroAdjudicator::unpackStatusCall::abi_decode_returns(&answer);
        let status = status.map_err(|_| ChainError::Reverted {
            request: "eth_call",
            reason: format!("{adjudicator} does not answer with a status"),
        })?;
        Ok(ChannelStatus {
            turn: TurnNumber(status.turnNumRecord.to::<u64>()),
            finalizes_at: status.finalizesAt.to::<u64>(),
        })
    }

    async fn ask<C: SolCall<Return = U256>>(
        &self,
        rpc: &Rpc,
        contract: Address,
        call: C,
    ) -> Result<Amount, ChainError> {
        let request = TransactionRequest::default().with_to(contract).with_input(call.abi_encode());
        let answer = rpc.call(request, BlockNumberOrTag::Latest).await?;
        C::abi_decode_returns(&answer).map(Amount::from).map_err(|_| ChainError::Reverted {
            request: "eth_call",
            reason: format!("{contract} does not answer with an amount"),
        })
    }

    fn rpc(&self) -> Result<Rpc, ChainError> {
        let connection = self.connection.borrow();
        connection.as_ref().map(|panel| panel.leader.clone()).ok_or(ChainError::Down)
    }
}

impl engine::ports::Chain for ChainHandle {
    fn submit(&mut self, id: CallId, call: ChainCall) {
        // A stopped service means that the node is stopping; the row is offered at its next
        // start.
        if let Err(stopped) = Self::submit(self, id, call) {
            debug!(%stopped, "chain call left in the outbox");
        }
    }

    fn withdraw(&mut self, id: CallId) {
        if let Err(stopped) = Self::withdraw(self, id) {
            debug!(%stopped, "chain call is asked back at the next start");
        }
    }
}
