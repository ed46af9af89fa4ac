//! Typed requests to the endpoint, each with a time limit and an error that says what failed.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bloom, Bytes, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::{Panic, Revert, SolError};
use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use engine::chain::BlockRef;
use engine::types::BlockNumber;
use futures::stream::{BoxStream, StreamExt};
use tokio::time::{sleep, timeout};

use crate::error::ChainError;
use crate::heads::Heads;
use crate::pace::{Outcome, Pace};
use crate::refusal::Refusal;
use crate::retry::Retry;
use crate::rollup::{self, Oracle};
use crate::submitter::settle::Inclusion;
use crate::whole::WholeBlocks;

/// Slow public endpoints answer a wide `eth_getLogs` in a few seconds.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How often a node that lags is asked for a block that must exist.
const LAG_TRIES: u32 = 4;

const LAG_WAIT: Duration = Duration::from_millis(150);

/// How long one question is repeated. Whoever asks goes on with what it can do without the answer.
const RETRY_PATIENCE: Duration = Duration::from_secs(20);

/// A header as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) block: BlockRef,
    pub(crate) parent: B256,
    pub(crate) base_fee: Option<u64>,
    /// Gas of all its transactions together, at most.
    pub(crate) gas_limit: u64,
    /// Contains the address of every log of the block, and some others by chance.
    pub(crate) bloom: Bloom,
}

impl From<&alloy::rpc::types::Header> for Header {
    fn from(header: &alloy::rpc::types::Header) -> Self {
        Self {
            block: BlockRef {
                number: BlockNumber(header.number),
                hash: header.hash,
                timestamp: header.timestamp,
            },
            parent: header.parent_hash,
            base_fee: header.base_fee_per_gas,
            gas_limit: header.gas_limit,
            bloom: header.logs_bloom,
        }
    }
}

/// A connection to the endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    provider: RootProvider,
    secret: Arc<Redaction>,
    /// One for all connections to the endpoint.
    pace: Arc<Mutex<Pace>>,
    /// One for all connections to the endpoint.
    whole: Arc<Mutex<WholeBlocks>>,
    /// Its newest blocks, as its scout has seen them.
    heads: Arc<Mutex<Arc<Heads>>>,
    /// Who was not there to say what a rollup charges for data, and when.
    absent: Arc<Mutex<BTreeMap<Oracle, Instant>>>,
    subscribes: bool,
}

/// Keeps the endpoint's password, path and query, which may hold an access key, out of texts.
#[derive(Debug)]
pub(crate) struct Redaction {
    /// Forms in which libraries print the endpoint, longest first.
    pub(crate) hidden: Vec<String>,
    /// What stands in their place.
    pub(crate) shown: String,
}

impl Redaction {
    /// A text for people: without secrets, and short even where the endpoint answered a novel.
    pub(crate) fn apply(&self, text: &str) -> String {
        let text = self
            .hidden
            .iter()
            .fold(text.to_owned(), |text, hidden| text.replace(hidden, &self.shown));
        readable(&text)
    }
}

/// Words of an endpoint or a contract, who may say anything: short, and without what would drive a
/// terminal.
fn readable(text: &str) -> String {
    let mut kept: String = text
        .chars()
        .take(LONGEST_TEXT)
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        kept.push('…');
    }
    kept
}

/// Characters of an endpoint's words that are kept.
const LONGEST_TEXT: usize = 400;

impl Rpc {
    pub(crate) fn new(
        provider: RootProvider,
        secret: Arc<Redaction>,
        pace: Arc<Mutex<Pace>>,
        whole: Arc<Mutex<WholeBlocks>>,
        subscribes: bool,
    ) -> Self {
        let (heads, absent) = (Arc::default(), Arc::default());
        Self { provider, secret, pace, whole, heads, absent, subscribes }
    }

    /// The endpoint without what may be an access key.
    pub(crate) fn shown(&self) -> &str {
        &self.secret.shown
    }

    /// True for clones of one connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.provider.weak_client(), &other.provider.weak_client())
    }

    /// The connection itself, for what is not asked here.
    pub(crate) const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, ChainError> {
        self.ask("eth_chainId", || self.provider.get_chain_id()).await
    }

    pub(crate) async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code = self.ask("eth_getCode", || self.provider.get_code_at(address)).await?;
        Ok(!code.is_empty())
    }

    /// The newest block.
    pub(crate) async fn head(&self) -> Result<Header, ChainError> {
        let header = self.header_at(BlockNumberOrTag::Latest).await?;
        header.ok_or_else(|| ChainError::Refused {
            request: "eth_getBlockByNumber",
            kind: Refusal::Unclear,
            message: "there is no latest block".to_owned(),
        })
    }

    /// The newest block that is known of, asked for only where there is none.
    pub(crate) async fn newest(&self) -> Result<Header, ChainError> {
        let known = self.heads.lock().unwrap_or_else(PoisonError::into_inner).newest();
        match known {
            Some(header) => Ok(header),
            None => self.head().await,
        }
    }

    /// The block at a height, when the endpoint has one.
    pub(crate) async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.header_at(BlockNumberOrTag::Number(number)).await
    }

    async fn header_at(&self, at: BlockNumberOrTag) -> Result<Option<Header>, ChainError> {
        let ask = || self.provider.get_block_by_number(at);
        let block = self.ask("eth_getBlockByNumber", ask).await?;
        Ok(block.map(|block| Header::from(&block.header)))
    }

    /// The header of a block that the endpoint must have. A node behind it that lags is asked
    /// again: that it has no block yet does not mean that there is none.
    pub(crate) async fn block_at(&self, height: u64) -> Result<Header, ChainError> {
        let known = self.heads.lock().unwrap_or_else(PoisonError::into_inner).at(height);
        if let Some(header) = known {
            return Ok(header);
        }
        for _ in 1..LAG_TRIES {
            if let Some(header) = self.header(height).await? {
                return Ok(header);
            }
            sleep(LAG_WAIT).await;
        }
        self.header(height).await?.ok_or(ChainError::Lags { height: BlockNumber(height) })
    }

    /// Whether the endpoint's chain has this block.
    pub(crate) async fn has(&self, block: BlockRef) -> Result<bool, ChainError> {
        Ok(self.block_at(block.number.0).await?.block.hash == block.hash)
    }

    /// Forgets what was kept: it may have been false.
    pub(crate) fn forget(&self) {
        self.remember(&Arc::default());
    }

    /// Keeps what the endpoint's newest blocks are, so that they need not be asked for.
    pub(crate) fn remember(&self, heads: &Arc<Heads>) {
        let mut known = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::clone(heads);
    }

    /// Logs of one contract, both ends included.
    pub(crate) async fn logs(
        &self,
        address: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, ChainError> {
        let filter = Filter::new().address(address).from_block(from).to_block(to);
        self.ask("eth_getLogs", || self.provider.get_logs(&filter)).await
    }

    /// Logs of one contract in one block, named by its hash: exact, whatever happens meanwhile.
    pub(crate) async fn logs_of(
        &self,
        address: Address,
        block: B256,
    ) -> Result<Vec<Log>, ChainError> {
        let filter = Filter::new().address(address).at_block_hash(block);
        self.ask("eth_getLogs", || self.provider.get_logs(&filter)).await
    }

    /// The logs of all contracts in one block; none for a block that was asked for in vain, over
    /// whatever connection.
    pub(crate) async fn all_logs_of(&self, block: B256) -> Result<Option<Vec<Log>>, ChainError> {
        if !self.whole().may_ask(block) {
            return Ok(None);
        }
        let filter = Filter::new().at_block_hash(block);
        Ok(Some(self.ask("eth_getLogs", || self.provider.get_logs(&filter)).await?))
    }

    /// What was asked for in vain.
    pub(crate) fn whole(&self) -> MutexGuard<'_, WholeBlocks> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New heads where the endpoint announces them. What is looked for is found without: an endpoint
    /// may lose announcements silently.
    pub(crate) async fn announcements(
        &self,
    ) -> Result<Option<BoxStream<'static, Header>>, ChainError> {
        if !self.subscribes {
            return Ok(None);
        }
        let heads =
            self.ask("eth_subscribe", || self.provider.subscribe_blocks()).await?.into_stream();
        Ok(Some(heads.map(|header| Header::from(&header)).boxed()))
    }

    pub(crate) async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.ask("eth_getBalance", || self.provider.get_balance(address)).await
    }

    /// Number of transactions of an account that are mined at the newest block.
    pub(crate) async fn mined_nonce(&self, address: Address) -> Result<u64, ChainError> {
        self.ask("eth_getTransactionCount", || self.provider.get_transaction_count(address)).await
    }

    /// The same with those that wait in the pool without a gap.
    pub(crate) async fn pending_nonce(&self, address: Address) -> Result<u64, ChainError> {
        let ask = || self.provider.get_transaction_count(address).pending();
        self.ask("eth_getTransactionCount", ask).await
    }

    /// Number of transactions of an account that are mined at a height.
    pub(crate) async fn nonce_at(&self, address: Address, block: u64) -> Result<u64, ChainError> {
        let ask = || self.provider.get_transaction_count(address).number(block);
        self.ask("eth_getTransactionCount", ask).await
    }

    pub(crate) async fn priority_fee(&self) -> Result<u128, ChainError> {
        self.ask("eth_maxPriorityFeePerGas", || self.provider.get_max_priority_fee_per_gas()).await
    }

    /// The price of gas where there is but one.
    pub(crate) async fn gas_price(&self) -> Result<u128, ChainError> {
        self.ask("eth_gasPrice", || self.provider.get_gas_price()).await
    }

    /// What a rollup charges for the data of a transaction, in wei; nothing on other chains, which are
    /// not asked each time.
    pub(crate) async fn data_fee(&self, oracle: Oracle, data: Vec<u8>) -> Result<U256, ChainError> {
        let missed = self.absent().get(&oracle).copied();
        if missed.is_some_and(|since| since.elapsed() < rollup::ABSENCE) {
            return Ok(U256::ZERO);
        }
        let fee = oracle.ask(self, data).await?;
        if fee.is_none() {
            self.absent().insert(oracle, Instant::now());
        }
        Ok(fee.unwrap_or_default())
    }

    fn absent(&self) -> MutexGuard<'_, BTreeMap<Oracle, Instant>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a view, or repeats a transaction without sending it.
    pub(crate) async fn call(
        &self,
        request: TransactionRequest,
        at: BlockNumberOrTag,
    ) -> Result<Bytes, ChainError> {
        let ask = || self.provider.call(request.clone()).block(BlockId::Number(at));
        self.ask("eth_call", ask).await
    }

    /// What a transaction would use at the newest block. The pool does not count: what waits
    /// there may never be mined, so that a refusal because of it would not be final.
    pub(crate) async fn estimate(&self, request: TransactionRequest) -> Result<u64, ChainError> {
        let ask = || self.provider.estimate_gas(request.clone()).block(BlockId::latest());
        self.ask("eth_estimateGas", ask).await
    }

    pub(crate) async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        self.ask("eth_sendRawTransaction", || self.provider.send_raw_transaction(raw))
            .await
            .map(|_pending| ())
    }

    /// The block that holds a transaction, when one does.
    pub(crate) async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, ChainError> {
        let ask = || self.provider.get_transaction_receipt(hash);
        let receipt = self.ask("eth_getTransactionReceipt", ask).await?;
        Ok(receipt.and_then(|receipt| {
            Some(Inclusion {
                block: receipt.block_number?,
                hash: receipt.block_hash?,
                success: receipt.status(),
            })
        }))
    }

    /// True when the endpoint knows a transaction, mined or not.
    pub(crate) async fn knows(&self, hash: B256) -> Result<bool, ChainError> {
        let ask = || self.provider.get_transaction_by_hash(hash);
        Ok(self.ask("eth_getTransactionByHash", ask).await?.is_some())
    }

    /// Asks in turn, and again where that may help: an endpoint that refuses one request in three
    /// is a usable one. Everything that is asked here may be asked twice.
    async fn ask<T, A>(&self, request: &'static str, ask: impl Fn() -> A) -> Result<T, ChainError>
    where
        A: IntoFuture<Output = Result<T, TransportError>>,
    {
        let started = Instant::now();
        let mut retry = Retry::new(request);
        loop {
            let turn = self.paced(|pace| pace.turn(Instant::now()));
            sleep(turn).await;
            let (error, hint) = match timeout(REQUEST_TIMEOUT, ask().into_future()).await {
                Ok(Ok(answer)) => {
                    self.paced(|pace| pace.learn(Instant::now(), Outcome::Answered));
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    let hint = retry_after(&error);
                    (self.explain(request, error), hint)
                }
                Err(_) => (ChainError::TimedOut { request, limit: REQUEST_TIMEOUT }, None),
            };
            let outcome = if error.is_busy() { Outcome::TooMany } else { Outcome::Answered };
            self.paced(|pace| pace.learn(Instant::now(), outcome));
            match retry.after(&error, hint) {
                Some(wait) if started.elapsed() + wait <= RETRY_PATIENCE => sleep(wait).await,
                Some(_) | None => return Err(error),
            }
        }
    }

    /// Time between two requests that the endpoint takes.
    pub(crate) fn gap(&self) -> Duration {
        self.paced(|pace| pace.gap())
    }

    fn paced<T>(&self, act: impl FnOnce(&mut Pace) -> T) -> T {
        act(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The error of a request, without the endpoint's access key.
    pub(crate) fn explain(&self, request: &'static str, error: TransportError) -> ChainError {
        match error {
            RpcError::ErrorResp(payload) => {
                let message = self.secret.apply(&payload.message);
                let reverted = payload.code == REVERT_CODE || message.contains("revert");
                if reverted && matches!(request, "eth_call" | "eth_estimateGas") {
                    let data = payload.as_revert_data().unwrap_or_default();
                    let reason = revert_reason(&data, &message);
                    return ChainError::Reverted { request, reason };
                }
                let kind = Refusal::of(payload.code, &payload.message);
                ChainError::Refused { request, kind, message }
            }
            RpcError::Transport(
                TransportErrorKind::HttpError(http)
                | TransportErrorKind::HttpErrorWithRetryAfter { error: http, .. },
            ) if http.status < 500 => {
                // What is wrong with a request is said by the status alone, or by words in a body
                // that is no JSON.
                let said = Refusal::of(http.status.into(), &http.body);
                let message = format!("HTTP {}: {}", http.status, http.body.trim());
                ChainError::Refused { request, kind: said, message: self.secret.apply(&message) }
            }
            other => ChainError::Unreachable {
                request,
                message: self.secret.apply(&with_causes(&other)),
            },
        }
    }
}

/// When the endpoint wants to be asked again.
const fn retry_after(error: &TransportError) -> Option<Duration> {
    match error {
        RpcError::Transport(TransportErrorKind::HttpErrorWithRetryAfter {
            retry_after, ..
        }) => Some(*retry_after),
        _ => None,
    }
}

/// Error code that geth introduced for a call that reverts; others follow it.
const REVERT_CODE: i64 = 3;

/// The contract's words where it gave some, else those of the endpoint.
fn revert_reason(data: &[u8], message: &str) -> String {
    if let Ok(revert) = Revert::abi_decode(data) {
        return readable(&revert.reason);
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return format!("panic {:#x}", panic.code);
    }
    let reason = message.strip_prefix("execution reverted").unwrap_or(message);
    let reason = reason.trim_start_matches([':', ' ']);
    if reason.is_empty() { "no reason given".to_owned() } else { reason.to_owned() }
}

/// The text of an error with those below it: "error sending request" alone says nothing.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_the_contracts_words() {
        let data = Revert::from("held != expectedHeld").abi_encode();
        assert_eq!(revert_reason(&data, "execution reverted"), "held != expectedHeld");
        assert_eq!(revert_reason(&[], "execution reverted: !unanimous"), "!unanimous");
        assert_eq!(revert_reason(&[], "execution reverted"), "no reason given");
        let data = Panic { code: U256::from(0x11) }.abi_encode();
        assert_eq!(revert_reason(&data, "execution reverted"), "panic 0x11");
    }

    #[test]
    fn keeps_the_access_key_of_the_endpoint_out_of_texts() {
        let secret = Redaction {
            hidden: vec!["https://node.example/v2/key".to_owned()],
            shown: "https://node.example".to_owned(),
        };
        assert_eq!(
            secret.apply("error for url (https://node.example/v2/key)"),
            "error for url (https://node.example)"
        );
        assert!(secret.apply(&"ü".repeat(100_000)).chars().count() <= LONGEST_TEXT + 1);
    }

    /// A token that refuses chooses the words that the owner reads.
    #[test]
    fn words_of_a_contract_drive_no_terminal_and_fill_no_log() {
        let data = Revert::from("\u{1b}[2Jall is well\r\n").abi_encode();
        assert_eq!(revert_reason(&data, ""), "\u{fffd}[2Jall is well\u{fffd}\u{fffd}");
        let data = Revert::from("x".repeat(1_000_000)).abi_encode();
        assert_eq!(revert_reason(&data, "").chars().count(), LONGEST_TEXT + 1);
    }
}
