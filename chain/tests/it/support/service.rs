//! A chain service and what it has said so far.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use alloy::eips::BlockId;
use alloy::network::EthereumWallet;
use alloy::primitives::U256;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use chain::bindings::token::Token;
use chain::{
    Chain, ChainConfig, ChainError, ChainHandle, Deployed, Event, History, TestToken, deploy,
};
use engine::chain::{Block, BlockRef, ChainEvent, ChainFact, Receipt};
use engine::types::{Address, Amount, Asset, CallId, ChannelId};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Anvil, MemoryJournal, key};

/// No step of a test takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Awaits what must come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

/// A chain with the contracts on it. Account 0 deployed them, the service uses account 1.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) deployed: Deployed,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(args: &[&str]) -> Self {
        let anvil = Anvil::start(args);
        let deployed =
            within("deployment", deploy(&anvil.url(), &key(0), TestToken::Deploy, |_| {}))
                .await
                .unwrap();
        Self { anvil, deployed }
    }

    pub(crate) fn config(&self) -> ChainConfig {
        ChainConfig {
            confirmations: 0,
            start_block: self.deployed.start_block,
            poll_interval: Duration::from_millis(20),
            ..ChainConfig::new(self.anvil.url(), self.deployed.deployment, key(1))
        }
    }

    pub(crate) fn token(&self) -> Asset {
        Asset(self.deployed.token.unwrap())
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        let _: () = self.anvil.rpc.raw_request("anvil_mine".into(), (blocks,)).await.unwrap();
    }

    /// Calls a method of anvil that answers nothing of interest.
    pub(crate) async fn set(&self, method: &'static str, params: serde_json::Value) {
        let _: serde_json::Value = self.anvil.rpc.raw_request(method.into(), params).await.unwrap();
    }

    /// Transactions wait until a block is asked for.
    pub(crate) async fn hold_transactions(&self) {
        self.set("evm_setAutomine", json!([false])).await;
    }

    /// Replaces the last `depth` blocks by empty ones.
    pub(crate) async fn reorganise(&self, depth: u64) {
        self.set("anvil_reorg", json!([depth, []])).await;
    }

    /// Base fee of the next block, in wei.
    pub(crate) async fn set_base_fee(&self, fee: u64) {
        self.set("anvil_setNextBlockBaseFeePerGas", json!([format!("{fee:#x}")])).await;
    }

    pub(crate) async fn set_balance(&self, account: Address, wei: u128) {
        self.set("anvil_setBalance", json!([account, format!("{wei:#x}")])).await;
    }

    pub(crate) async fn block_number(&self) -> u64 {
        self.anvil.rpc.get_block_number().await.unwrap()
    }

    /// Time of the newest block, in seconds.
    pub(crate) async fn timestamp(&self) -> u64 {
        let head = self.anvil.rpc.get_block(BlockId::latest()).await.unwrap();
        head.unwrap().header.timestamp
    }

    pub(crate) async fn mined_nonce(&self, account: Address) -> u64 {
        self.anvil.rpc.get_transaction_count(account).await.unwrap()
    }

    /// Gives test tokens to an account.
    pub(crate) async fn give_tokens(&self, account: Address, amount: u64) {
        let token = Token::new(self.token().0, self.wallet(0));
        let sent = token.transfer(account, U256::from(amount)).send().await.unwrap();
        within("tokens", sent.get_receipt()).await.unwrap();
    }

    /// Leaves an old allowance of the service's account, which it returns.
    pub(crate) async fn approve_from_service_account(&self, amount: u64) -> Address {
        let token = Token::new(self.token().0, self.wallet(1));
        let spender = self.deployed.deployment.adjudicator;
        let sent = token.approve(spender, U256::from(amount)).send().await.unwrap();
        within("the approval", sent.get_receipt()).await.unwrap().from
    }

    /// Sends for one of the funded accounts, beside any service.
    pub(crate) fn wallet(&self, account: usize) -> impl Provider + Clone {
        let signer = PrivateKeySigner::from_bytes(&super::ACCOUNTS[account]).unwrap();
        ProviderBuilder::new()
            .wallet(EthereumWallet::from(signer))
            .connect_provider(self.anvil.rpc.clone())
    }
}

/// A running service with everything that it has delivered, applied as the engine applies it.
pub(crate) struct Service {
    pub(crate) handle: ChainHandle,
    pub(crate) journal: MemoryJournal,
    pub(crate) blocks: Vec<Block>,
    pub(crate) reorgs: Vec<BlockRef>,
    pub(crate) settled: BTreeMap<CallId, Receipt>,
    pub(crate) settlements: usize,
    pub(crate) fatal: Option<String>,
    events: mpsc::Receiver<Event>,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl Service {
    pub(crate) async fn start(config: ChainConfig) -> Self {
        Self::resume(config, MemoryJournal::default(), vec![]).await
    }

    pub(crate) async fn resume(
        config: ChainConfig,
        journal: MemoryJournal,
        blocks: Vec<Block>,
    ) -> Self {
        Self::try_resume(config, journal, blocks).await.unwrap()
    }

    pub(crate) async fn try_resume(
        config: ChainConfig,
        journal: MemoryJournal,
        blocks: Vec<Block>,
    ) -> Result<Self, ChainError> {
        let cancel = CancellationToken::new();
        let tracker = TaskTracker::new();
        let recent: Vec<BlockRef> = blocks.iter().map(|block| block.block).collect();
        let (handle, events) = within(
            "start",
            Chain::start(
                config,
                recent.last().copied(),
                recent,
                History::Needed,
                Box::new(journal.clone()),
                cancel.clone(),
                &tracker,
            ),
        )
        .await?;
        Ok(Self {
            handle,
            journal,
            blocks,
            reorgs: vec![],
            settled: BTreeMap::new(),
            settlements: 0,
            fatal: None,
            events,
            cancel,
            tracker,
        })
    }

    /// Stops the tasks as a crash would: at whatever they await.
    pub(crate) async fn stop(self) -> (MemoryJournal, Vec<Block>) {
        self.cancel.cancel();
        self.tracker.close();
        within("stop", self.tracker.wait()).await;
        (self.journal, self.blocks)
    }

    pub(crate) async fn until_in_flight(&self, calls: usize) {
        let mut status = self.handle.watch_calls();
        within("sending", status.wait_for(|status| status.in_flight == calls)).await.unwrap();
    }

    /// Awaits a problem whose text has all these words.
    pub(crate) async fn until_problem(&self, words: &[&str]) {
        let mut status = self.handle.watch_calls();
        let has = |problem: &str| words.iter().all(|word| problem.contains(word));
        within("a problem", status.wait_for(|status| status.problem.as_deref().is_some_and(has)))
            .await
            .unwrap();
    }

    pub(crate) async fn until_link(&self, up: bool) {
        let mut status = self.handle.watch_chain();
        within("the link", status.wait_for(|status| status.link.is_up() == up)).await.unwrap();
    }

    /// Takes events until `done`.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        within(what, async {
            while !done(self) {
                let event = self.events.recv().await.expect("the service runs");
                self.apply(event);
            }
        })
        .await;
    }

    pub(crate) async fn until_settled(&mut self, id: u64) -> Receipt {
        self.until("settlement", |service| service.settled.contains_key(&CallId(id))).await;
        self.settled[&CallId(id)].clone()
    }

    pub(crate) async fn until_held(&mut self, channel: ChannelId, amount: u64) {
        let amount = Some(Amount::from(amount));
        self.until("holdings", |service| service.held(channel) == amount).await;
    }

    pub(crate) async fn until_delivered(&mut self, number: u64) {
        self.until("block", |service| {
            service.blocks.last().is_some_and(|block| block.block.number.0 >= number)
        })
        .await;
    }

    /// Holdings of a channel as the delivered blocks tell.
    pub(crate) fn held(&self, channel: ChannelId) -> Option<Amount> {
        let logs = self.blocks.iter().rev().flat_map(|block| block.logs.iter().rev());
        logs.filter(|log| log.channel == channel).find_map(|log| match &log.fact {
            ChainFact::Deposited { holdings, .. }
            | ChainFact::AllocationUpdated { holdings, .. } => Some(*holdings),
            _ => None,
        })
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Chain(ChainEvent::Block(block)) => self.push(block),
            Event::Chain(ChainEvent::Reorg { ancestor, blocks }) => {
                self.blocks.retain(|block| block.block.number <= ancestor.number);
                assert_eq!(
                    self.blocks.last().map(|block| block.block),
                    Some(ancestor),
                    "the ancestor is a delivered block"
                );
                self.reorgs.push(ancestor);
                blocks.into_iter().for_each(|block| self.push(block));
            }
            Event::Settled(id, receipt) => {
                self.settled.insert(id, receipt);
                self.settlements += 1;
            }
            Event::Fatal(reason) => self.fatal = Some(reason),
        }
    }

    /// Every block above the last, or the service has broken its promise.
    fn push(&mut self, block: Block) {
        if let Some(last) = self.blocks.last() {
            assert!(last.block.number < block.block.number, "blocks come once and in order");
        }
        self.blocks.push(block);
    }
}
