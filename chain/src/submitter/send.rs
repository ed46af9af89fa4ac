//! Makes a transaction of a call that has none yet.

use std::time::{Duration, Instant};

use alloy::consensus::transaction::RlpEcdsaEncodableTx;
use alloy::consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, B256, Signature, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use engine::chain::ChainCall;
use engine::types::{Bytes, CallId, ChannelId};
use tokio::time::timeout;
use tracing::info;

use super::fees::{Fees, Market, Schedule};
use super::request::Request;
use super::size::{self, Excess};
use super::{Submitter, View};
use crate::bindings::{Erc20, NitroAdjudicator};
use crate::error::ChainError;
use crate::journal::{Attempt, Purpose, SentTx, Settled};
use crate::panel::Panel;
use crate::quorum::Vote;
use crate::refusal::Refusal;
use crate::rollup::{self, Oracle};
use crate::rpc::{Header, Rpc};

/// One to reset an old allowance, one to grant, one for an allowance that was used by somebody
/// else meanwhile. A token that needs more is not one.
const MAX_APPROVALS: usize = 3;

/// Where an endpoint suggests nothing: one gwei gets into a block of Ethereum.
const DEFAULT_PRIORITY_FEE: u128 = 1_000_000_000;

/// What a rollup charges is good to know before a transaction is sent, and not worth a long wait.
pub(crate) const DATA_FEE_PATIENCE: Duration = Duration::from_secs(3);

impl Submitter {
    /// Takes the next step of a call without a transaction of its own. A transfer or claim that cannot
    /// be sent is refused rather than left waiting: nobody expects it any more by the time it could be.
    pub(super) async fn advance(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
    ) -> Result<(), ChainError> {
        let call = self.calls.get(&id).and_then(|entry| entry.call.as_ref());
        let is_errand = call.is_some_and(|call| {
            matches!(
                call,
                ChainCall::Transfer { .. } | ChainCall::Claim { .. } | ChainCall::ClaimTo { .. }
            )
        });
        if !is_errand {
            return self.take_step(panel, view, id).await;
        }
        let others = self.problem.take();
        let stepped = self.take_step(panel, view, id).await;
        let problem = std::mem::replace(&mut self.problem, others);
        stepped?;
        let is_unsent = self
            .calls
            .get(&id)
            .is_some_and(|entry| !entry.is_settled() && entry.record.txs.is_empty());
        match problem.filter(|_| is_unsent) {
            Some(problem) => self.settle(id, Settled::Reverted(problem)).await,
            None => Ok(()),
        }
    }

    async fn take_step(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
    ) -> Result<(), ChainError> {
        let Some(entry) = self.calls.get(&id) else { return Ok(()) };
        let Some(call) = entry.call.clone() else { return Ok(()) };
        if !entry.record.txs.is_empty() && !entry.approved {
            return Ok(());
        }
        let request = match Request::of(&call, self.config.deployment.adjudicator) {
            Ok(request) => request,
            Err(error) => return self.settle(id, Settled::Reverted(error.to_string())).await,
        };
        if let Err(excess) = size::check_bytes(request.data.0.len()) {
            return self.settle(id, excess.into()).await;
        }
        if let Some(held) = self.is_deposited(panel, view, id).await? {
            return self.moot(panel, view, id, held).await;
        }
        if let Some((token, amount)) = request.takes {
            if self.is_token_busy(id, token) || !self.holds(panel, token, amount).await? {
                return Ok(());
            }
            let allowance = self.allowance(panel, token).await?;
            if allowance < amount {
                return self.approve(panel, view, id, token, amount, allowance).await;
            }
        }
        if let ChainCall::Transfer { asset, .. } = call
            && !asset.is_native()
            && self.is_declined(panel, &request).await?
        {
            let reason = format!("token {asset} refuses the transfer");
            return self.settle(id, Settled::Reverted(reason)).await;
        }
        let most_gas = match call {
            ChainCall::Claim { most_gas, .. } => most_gas.unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        match self.estimate(panel, view, &request).await? {
            Estimate::Gas(gas) if gas > most_gas => {
                self.settle(id, Settled::TooLarge(gas, most_gas)).await
            }
            Estimate::Gas(gas) => self.launch(panel, view, id, Purpose::Call, request, gas).await,
            Estimate::Reverts(reason) => self.settle(id, Settled::Reverted(reason)).await,
            Estimate::TooLarge(excess) => self.settle(id, excess.into()).await,
            Estimate::Unclear => Ok(()),
        }
    }

    /// True when a token answers that it does not do what it is asked, without reverting.
    async fn is_declined(&self, panel: &Panel, request: &Request) -> Result<bool, ChainError> {
        let call = request.for_call(self.account());
        match panel.leader.call(call, BlockNumberOrTag::Latest).await {
            Ok(answer) => Ok(!answer.is_empty() && answer.iter().all(|byte| *byte == 0)),
            // The estimate says why.
            Err(ChainError::Reverted { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the chain shows for the channel of a deposit, when nothing of it is missing.
    async fn is_deposited(
        &self,
        panel: &Panel,
        view: &View,
        id: CallId,
    ) -> Result<Option<U256>, ChainError> {
        let call = self.calls.get(&id).and_then(|entry| entry.call.as_ref());
        let Some(ChainCall::Deposit { channel, asset, expected_held, amount }) = call else {
            return Ok(None);
        };
        // As deep as what was told: a deposit that is only just mined will be told.
        let depth = self.config.confirmations;
        let at = BlockNumberOrTag::Number(view.head.block.number.0.saturating_sub(depth));
        let question = NitroAdjudicator::holdingsCall { _0: asset.0, _1: channel.0 };
        let request = Request::view(self.config.deployment.adjudicator, question.abi_encode());
        let target = expected_held.to_u256().saturating_add(amount.to_u256());
        // Whoever does not answer this tells by the estimate what is wrong.
        let Ok(held) = holdings(&panel.leader, request.for_call(self.account()), at).await else {
            return Ok(None);
        };
        if held < target {
            return Ok(None);
        }
        // One endpoint alone must not keep a deposit from being made.
        let call = request.for_call(self.account());
        let answer = panel
            .confirm(|rpc| {
                let call = call.clone();
                async move {
                    let enough = holdings(&rpc, call, at).await? >= target;
                    Ok(if enough { Vote::Agrees } else { Vote::Differs })
                }
            })
            .await;
        Ok(answer.decision.holds().then_some(held))
    }

    /// Ends a deposit that the chain shows as done: sending it would cost gas and change nothing. Where
    /// it was this node's own, and is mined for long, its log was not told, and the blocks since are
    /// read once more; what a stranger has deposited is told in its time.
    async fn moot(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
        held: U256,
    ) -> Result<(), ChainError> {
        let call = self.calls.get(&id).and_then(|entry| entry.call.as_ref());
        let channel = call.and_then(|call| call.channels().first().copied());
        if let Some(channel) = channel
            && let Some(block) = self.deposited_at(channel)
        {
            self.report(format!(
                "{} shows that channel {channel} holds {held}, but has not shown the deposit: it \
                 leaves out logs; use another endpoint",
                panel.leader.shown()
            ));
            self.doubts.send_replace(Some(block));
        }
        self.settle(id, Settled::Succeeded(view.head.block.number.0)).await
    }

    /// The block of the first transaction of this node's own that was about a channel and succeeded.
    fn deposited_at(&self, channel: ChannelId) -> Option<u64> {
        let is_about = |tx: &SentTx| tx.data.0.windows(32).any(|word| word == channel.0.as_slice());
        let blocks = self.calls.values().filter_map(|entry| match entry.record.settled {
            Some(Settled::Succeeded(block)) => {
                entry.record.call_tx().filter(|tx| is_about(tx)).map(|_| block)
            }
            _ => None,
        });
        blocks.min()
    }

    /// True while another call uses an allowance of the same token: two exact approvals at once
    /// would overwrite each other.
    fn is_token_busy(&self, id: CallId, token: Address) -> bool {
        self.open().any(|(other, entry)| {
            other != id && entry.record.token == Some(token) && !entry.record.txs.is_empty()
        })
    }

    /// Approves exactly the amount and nothing that would outlive the deposit (gap C13).
    async fn approve(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
        token: Address,
        amount: U256,
        allowance: U256,
    ) -> Result<(), ChainError> {
        let approvals = self.calls.get(&id).map_or(0, |entry| entry.record.approvals());
        if approvals >= MAX_APPROVALS {
            let reason = format!("token {token} grants no allowance of {amount}");
            return self.settle(id, Settled::Reverted(reason)).await;
        }
        let adjudicator = self.config.deployment.adjudicator;
        let mut request = Request::approval(token, adjudicator, amount);
        let mut estimate = self.estimate(panel, view, &request).await?;
        if matches!(estimate, Estimate::Reverts(_)) && !allowance.is_zero() {
            // Some tokens allow a change only from or to zero.
            request = Request::approval(token, adjudicator, U256::ZERO);
            estimate = self.estimate(panel, view, &request).await?;
        }
        match estimate {
            Estimate::Gas(gas) => {
                if let Some(entry) = self.calls.get_mut(&id) {
                    entry.record.token = Some(token);
                }
                self.launch(panel, view, id, Purpose::Approve, request, gas).await
            }
            Estimate::Reverts(reason) => {
                let reason = format!("token {token} refuses to approve: {reason}");
                self.settle(id, Settled::Reverted(reason)).await
            }
            // No smaller call would change that.
            Estimate::TooLarge(excess) => {
                let reason = format!("token {token} takes {} gas to approve", excess.needed);
                self.settle(id, Settled::Reverted(reason)).await
            }
            Estimate::Unclear => Ok(()),
        }
    }

    async fn allowance(&self, panel: &Panel, token: Address) -> Result<U256, ChainError> {
        let spender = self.config.deployment.adjudicator;
        let call = Erc20::allowanceCall { owner: self.account(), spender };
        ask_token(&panel.leader, self.account(), token, call).await
    }

    /// Whether the account has the tokens; a lack of them is the operator's to repair.
    async fn holds(
        &mut self,
        panel: &Panel,
        token: Address,
        amount: U256,
    ) -> Result<bool, ChainError> {
        let call = Erc20::balanceOfCall { owner: self.account() };
        let have = ask_token(&panel.leader, self.account(), token, call).await?;
        if have < amount {
            self.report(format!(
                "account {} needs {amount} of token {token} but has {have}; send it tokens",
                self.account()
            ));
        }
        Ok(have >= amount)
    }

    /// What a request would use. The contract's refusal is an answer: no nonce and no gas is
    /// spent on it. Neither on what no transaction can hold.
    pub(super) async fn estimate(
        &mut self,
        panel: &Panel,
        view: &View,
        request: &Request,
    ) -> Result<Estimate, ChainError> {
        let have = self.balance(panel).await?;
        if have < request.value {
            self.report_poverty(request.value, have);
            return Ok(Estimate::Unclear);
        }
        let cap = size::gas_cap(view.head.gas_limit);
        match panel.leader.estimate(request.for_call(self.account())).await {
            Ok(gas) => match size::gas_limit(gas, cap) {
                Ok(limit) => Ok(Estimate::Gas(limit)),
                Err(excess) => Ok(self.confirm_excess(panel, request, excess).await),
            },
            Err(ChainError::Reverted { .. }) => self.confirm_refusal(panel, view, request).await,
            Err(ChainError::Refused { kind: Refusal::TooLarge, .. }) => {
                // Some endpoints try no more gas than the account can pay for.
                if affordable(have, request.value, cap) < view.market.base {
                    let need = request.value.saturating_add(cost(cap, view.market.base));
                    self.report_poverty(need, have);
                    return Ok(Estimate::Unclear);
                }
                Ok(self.confirm_excess(panel, request, Excess::over(cap)).await)
            }
            Err(error) => Err(error),
        }
    }

    /// That a call is too large is final too, and the other endpoints must not say otherwise: one
    /// that exaggerates would keep everything from being sent.
    async fn confirm_excess(
        &mut self,
        panel: &Panel,
        request: &Request,
        excess: Excess,
    ) -> Estimate {
        let call = request.for_call(self.account());
        let answer = panel
            .confirm(|rpc| {
                let call = call.clone();
                async move { exceeds(&rpc, call).await }
            })
            .await;
        if answer.decision.holds() {
            return Estimate::TooLarge(excess);
        }
        self.report(format!(
            "{} says that a call needs {} gas, which {}",
            panel.leader.shown(),
            excess.needed,
            answer.against
        ));
        Estimate::Unclear
    }

    /// A refusal is final, so that it must not come from a state that is older than what the
    /// engine has seen: behind one endpoint there may be many nodes, and some lag. Asked for a
    /// block by its height, a node that does not have it yet says so.
    async fn confirm_refusal(
        &mut self,
        panel: &Panel,
        view: &View,
        request: &Request,
    ) -> Result<Estimate, ChainError> {
        let seen = self.chain.borrow().head.map(|head| head.number).unwrap_or_default();
        let at = BlockNumberOrTag::Number(seen.max(view.head.block.number).0);
        match panel.leader.call(request.for_call(self.account()), at).await {
            Ok(_) => Ok(Estimate::Unclear),
            Err(ChainError::Reverted { reason, .. }) => {
                let call = request.for_call(self.account());
                let answer = panel
                    .confirm(|rpc| {
                        let call = call.clone();
                        async move { refuses(&rpc, call, at).await }
                    })
                    .await;
                if answer.decision.holds() {
                    return Ok(Estimate::Reverts(reason));
                }
                self.report(format!(
                    "{} says that a call reverts, which {}",
                    panel.leader.shown(),
                    answer.against
                ));
                Ok(Estimate::Unclear)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn report_poverty(&mut self, need: U256, have: U256) {
        self.report(format!(
            "account {} needs {need} wei but has {have}; send it coins",
            self.account()
        ));
    }

    /// Chooses nonce and fees, writes everything down, and only then sends.
    pub(super) async fn launch(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
        purpose: Purpose,
        request: Request,
        gas: u64,
    ) -> Result<(), ChainError> {
        let nonce = self.nonces.next(view.mined, &self.nonces_in_use());
        let schedule = self.schedule(view, nonce);
        let fees = match schedule.first() {
            Ok(fees) => fees,
            Err(too_expensive) => {
                self.report(too_expensive.to_string());
                return Ok(());
            }
        };
        let Request { to, value, data, takes } = request;
        let mut tx = SentTx { purpose, nonce, to, value, data, gas, attempts: Vec::new() };
        let form = Form::at(view.head);
        let purse = self.purse(panel, &tx, fees, form).await?;
        let Some(fees) = purse.pay(&schedule, |most| schedule.afford(fees, most)) else {
            self.report_poverty(purse.need(fees), purse.have);
            return Ok(());
        };
        let (attempt, _) = self.sign(&tx, fees, form)?;
        tx.attempts.push(attempt);
        let Some(entry) = self.calls.get_mut(&id) else { return Ok(()) };
        entry.record.token = entry.record.token.or_else(|| takes.map(|(token, _)| token));
        entry.record.txs.push(tx.clone());
        entry.approved &= purpose == Purpose::Fill;
        self.save(id).await?;
        self.refused.remove(&nonce);
        self.sent.insert(nonce, Instant::now());
        info!(call = id.0, nonce, ?purpose, hash = %attempt.hash, "sending a transaction");
        self.send_first(panel, id, &tx, attempt).await
    }

    /// What the account has for a transaction.
    pub(super) async fn purse(
        &mut self,
        panel: &Panel,
        tx: &SentTx,
        fees: Fees,
        form: Form,
    ) -> Result<Purse, ChainError> {
        let have = self.balance(panel).await?;
        let (_, raw) = self.sign(tx, fees, form)?;
        // Whoever does not answer this keeps nothing from being sent.
        let asked = timeout(DATA_FEE_PATIENCE, panel.leader.data_fee(Oracle::OpStack, raw)).await;
        let data_fee = asked.ok().and_then(Result::ok).unwrap_or_default();
        let data_fee = rollup::within(data_fee, tx.gas, self.config.fees.max_fee_per_gas);
        Ok(Purse { have, value: tx.value, gas: tx.gas, data_fee })
    }

    /// The signed bytes of a transaction. Signing is deterministic: the same fees give the same
    /// hash, also after a restart.
    pub(super) fn sign(
        &self,
        tx: &SentTx,
        fees: Fees,
        form: Form,
    ) -> Result<(Attempt, Vec<u8>), ChainError> {
        let (chain_id, nonce, gas_limit) = (self.config.deployment.chain_id, tx.nonce, tx.gas);
        let (to, value) = (TxKind::Call(tx.to), tx.value);
        let input: alloy::primitives::Bytes = tx.data.0.clone().into();
        let (hash, raw) = match form {
            Form::Legacy => self.sealed(TxLegacy {
                // By EIP-155, so that no other chain takes it.
                chain_id: Some(chain_id),
                nonce,
                gas_price: fees.max,
                gas_limit,
                to,
                value,
                input,
            })?,
            Form::DynamicFee => self.sealed(TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fees.max,
                max_priority_fee_per_gas: fees.priority,
                to,
                value,
                access_list: Default::default(),
                input,
            })?,
        };
        // Nodes take the whole price of an old transaction for its tip: what replaces it in the other form
        // has to outbid that.
        let priority_fee = match form {
            Form::Legacy => fees.max,
            Form::DynamicFee => fees.priority,
        };
        Ok((Attempt { hash, max_fee: fees.max, priority_fee }, raw))
    }

    fn sealed<T>(&self, mut unsigned: T) -> Result<(B256, Vec<u8>), ChainError>
    where
        T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
    {
        let signature =
            self.signer.sign_transaction_sync(&mut unsigned).map_err(|_| ChainError::Key)?;
        let signed = unsigned.into_signed(signature);
        Ok((*signed.hash(), signed.encoded_2718()))
    }

    /// The bytes of what was signed before. Its hash tells in which form.
    pub(super) fn sealed_again(&self, tx: &SentTx, sent: Attempt) -> Result<Vec<u8>, ChainError> {
        let (again, raw) = self.sign(tx, Fees::of(&sent), Form::DynamicFee)?;
        if again.hash == sent.hash {
            return Ok(raw);
        }
        Ok(self.sign(tx, Fees::of(&sent), Form::Legacy)?.1)
    }
}

/// How a transaction says what it pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One price, paid in full: what chains without EIP-1559 take.
    Legacy,
    /// A bound and a tip (EIP-1559).
    DynamicFee,
}

impl Form {
    /// The one that the chain takes: blocks without a base fee are of one without EIP-1559.
    pub(super) const fn at(head: Header) -> Self {
        if head.base_fee.is_some() { Self::DynamicFee } else { Self::Legacy }
    }
}

/// What the account has for a transaction, and what that takes of it besides its fees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    pub(super) have: U256,
    value: U256,
    gas: u64,
    /// What a rollup charges for the data, as far as it is counted.
    data_fee: U256,
}

impl Purse {
    /// What `offer` makes of the most per gas that can be paid. Where something runs out and the fee
    /// for data leaves too little, it is left out: it may be a lie, and only who has tried knows.
    pub(super) fn pay(
        &self,
        schedule: &Schedule,
        offer: impl Fn(u128) -> Option<Fees>,
    ) -> Option<Fees> {
        let beside =
            |data_fee| affordable(self.have.saturating_sub(data_fee), self.value, self.gas);
        let offered = offer(beside(self.data_fee));
        offered.or_else(|| offer(beside(U256::ZERO)).filter(|_| schedule.presses()))
    }

    /// All that a transaction with these fees may take.
    pub(super) fn need(&self, fees: Fees) -> U256 {
        self.value.saturating_add(cost(self.gas, fees.max)).saturating_add(self.data_fee)
    }
}

/// What a transaction may cost besides its value.
pub(super) fn cost(gas: u64, max_fee: u128) -> U256 {
    U256::from(gas).saturating_mul(U256::from(max_fee))
}

/// The most per gas that an account with `have` can offer beside `value`.
pub(super) fn affordable(have: U256, value: U256, gas: u64) -> u128 {
    (have.saturating_sub(value) / U256::from(gas.max(1))).saturating_to()
}

/// What the adjudicator holds for a channel.
async fn holdings(
    rpc: &Rpc,
    call: TransactionRequest,
    at: BlockNumberOrTag,
) -> Result<U256, ChainError> {
    let answer = rpc.call(call, at).await?;
    NitroAdjudicator::holdingsCall::abi_decode_returns(&answer).map_err(|_| ChainError::Reverted {
        request: "eth_call",
        reason: "the adjudicator does not answer with an amount".to_owned(),
    })
}

/// Whether another endpoint also says that a call reverts.
async fn refuses(
    rpc: &Rpc,
    call: TransactionRequest,
    at: BlockNumberOrTag,
) -> Result<Vote, ChainError> {
    match rpc.call(call, at).await {
        Ok(_) => Ok(Vote::Differs),
        Err(ChainError::Reverted { .. }) => Ok(Vote::Agrees),
        // It has not come so far.
        Err(ChainError::Refused { .. }) => Ok(Vote::Lacks),
        Err(error) => Err(error),
    }
}

/// Whether another endpoint also says that a call is too large, by the block that it sees.
async fn exceeds(rpc: &Rpc, call: TransactionRequest) -> Result<Vote, ChainError> {
    let cap = size::gas_cap(rpc.newest().await?.gas_limit);
    match rpc.estimate(call).await {
        Ok(gas) if gas > cap => Ok(Vote::Agrees),
        Err(ChainError::Refused { kind: Refusal::TooLarge, .. }) => Ok(Vote::Agrees),
        Ok(_) | Err(ChainError::Reverted { .. }) => Ok(Vote::Differs),
        Err(error) => Err(error),
    }
}

/// What the chain asks per gas.
pub(crate) async fn market(rpc: &Rpc, head: Header) -> Result<Market, ChainError> {
    let suggested = match head.base_fee {
        Some(_) => rpc.priority_fee().await,
        // All of the one price is for the block's producer.
        None => rpc.gas_price().await,
    };
    let priority = match suggested {
        Ok(fee) => fee,
        Err(ChainError::Refused { .. }) => DEFAULT_PRIORITY_FEE,
        Err(error) => return Err(error),
    };
    Ok(Market { base: head.base_fee.unwrap_or_default().into(), priority })
}

/// What an estimate says.
pub(super) enum Estimate {
    /// Gas limit to use, margin included.
    Gas(u64),
    /// The contract refuses.
    Reverts(String),
    /// No transaction can hold it.
    TooLarge(Excess),
    /// Nothing final: the account cannot pay, which is reported, or the state just changed.
    Unclear,
}

/// A number that a token answers. What is no token answers nothing, and that is final.
async fn ask_token<C: SolCall<Return = U256>>(
    rpc: &Rpc,
    from: Address,
    token: Address,
    call: C,
) -> Result<U256, ChainError> {
    let data = Bytes(call.abi_encode());
    let request = Request { to: token, value: U256::ZERO, data, takes: None };
    let answer = rpc.call(request.for_call(from), BlockNumberOrTag::Latest).await?;
    C::abi_decode_returns(&answer).map_err(|_| ChainError::Reverted {
        request: "eth_call",
        reason: format!("{token} does not answer like a token"),
    })
}
