//! Real nodes on a real chain, over real sockets and stores. Shared by tests and benchmarks.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod route;

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use chain::bindings::NitroAdjudicator;
use chain::bindings::token::Token;
use chain::testing::{ACCOUNTS, Anvil};
use chain::{AccountKey, ChainConfig, Deployed, TestToken};
use engine::effect::Response;
use engine::input::Request;
use engine::objectives::{Objective, ObjectiveStatus, WaitingFor};
use engine::policy::Policy;
use engine::query::{LedgerView, PaymentView};
use engine::types::{Address, Amount, Asset, ChannelId, ObjectiveId};
use node::{ChannelKey, Node, NodeHandle, NodeSettings};
use p2p::{Multiaddr, P2pConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;

/// No step of a test takes that long unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(240);

/// One ether.
pub const ETHER: u128 = 1_000_000_000_000_000_000;

pub fn amount(value: u128) -> Amount {
    Amount::from(value)
}

/// The chain account number `index`; number 0 has deployed the contracts and owns the tokens.
pub fn account(index: u8) -> Address {
    let key = PrivateKeySigner::from_bytes(&ACCOUNTS[usize::from(index)]);
    key.expect("the keys are valid").address()
}

/// A chain with the contracts.
pub struct Network {
    pub anvil: Anvil,
    pub deployed: Deployed,
}

impl Network {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(args: &[&str]) -> Self {
        let anvil = Anvil::start(args);
        let key = AccountKey::new(ACCOUNTS[0].0);
        let deployed =
            chain::deploy(&anvil.url(), &key, TestToken::Deploy, |_| {}).await.expect("deploys");
        Self { anvil, deployed }
    }

    pub fn token(&self) -> Asset {
        Asset(self.deployed.token.expect("the test token is deployed"))
    }

    /// Settings of the node number `index`: its keys follow from the number.
    pub fn settings(&self, index: u8) -> (NodeSettings, TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let account = ACCOUNTS[usize::from(index)];
        let mut chain = ChainConfig::new(
            self.anvil.url(),
            self.deployed.deployment,
            AccountKey::new(account.0),
        );
        chain.confirmations = 0;
        chain.start_block = self.deployed.start_block;
        chain.poll_interval = Duration::from_millis(20);
        let max_peer_deposit = BTreeMap::from([
            (Asset::NATIVE, amount(100 * ETHER)),
            (self.token(), amount(1_000_000_000)),
        ]);
        let settings = NodeSettings {
            data_dir: dir.path().to_owned(),
            store: store::Config::default(),
            deployment: self.deployed.deployment,
            policy: Policy { max_peer_deposit, ..Policy::default() },
            p2p: P2pConfig {
                listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
                retry_base_ms: 20,
                retry_max_ms: 500,
                search_base_ms: 50,
                search_max_ms: 500,
                ..P2pConfig::default()
            },
            chain,
            channel_key: ChannelKey(B256::repeat_byte(index + 1).0),
            payout_address: None,
            tower: None,
        };
        (settings, dir)
    }

    /// Starts node number `index`, which knows `boot`.
    pub async fn node(&self, index: u8, boot: &[&TestNode]) -> TestNode {
        let (mut settings, dir) = self.settings(index);
        for peer in boot {
            settings.p2p.boot_peers.push(peer.dial_address().await);
        }
        TestNode::start(settings, dir).await
    }

    /// What an account has on chain.
    pub async fn balance(&self, asset: Asset, address: Address, through: &TestNode) -> Amount {
        through.handle().chain().balance(asset, address).await.expect("the chain answers")
    }

    /// Nodes number 1 to `N`; the others know the second one.
    pub async fn nodes<const N: usize>(&self) -> [TestNode; N] {
        let settings = (1..).take(N).map(|index| self.settings(index)).collect();
        start_all(settings).await.try_into().unwrap_or_else(|_| unreachable!("N were started"))
    }

    /// What the adjudicator holds for a channel.
    pub async fn holdings(&self, asset: Asset, channel: ChannelId, through: &TestNode) -> Amount {
        through.handle().chain().holdings(asset, channel).await.expect("the chain answers")
    }

    /// Number of the newest block.
    pub async fn head(&self) -> u64 {
        self.anvil.rpc.get_block_number().await.expect("the chain answers")
    }

    pub async fn mine(&self, blocks: u64) {
        self.set("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    /// Replaces the last `depth` blocks by as many empty ones.
    pub async fn reorganise(&self, depth: u64) {
        self.set("anvil_reorg", json!([depth, []])).await;
    }

    pub async fn set_balance(&self, address: Address, wei: u128) {
        self.set("anvil_setBalance", json!([address, format!("0x{wei:x}")])).await;
    }

    /// Calls a method of the chain whose answer does not matter.
    pub async fn set(&self, method: &'static str, params: Value) {
        let _: Value = self.anvil.rpc.raw_request(method.into(), params).await.expect(method);
    }

    /// Has account number `index` send a transaction, and waits until it is mined.
    pub async fn transact(&self, index: u8, to: Address, wei: u128, call: Vec<u8>) {
        let request = TransactionRequest::default()
            .from(account(index))
            .to(to)
            .value(U256::from(wei))
            .input(call.into());
        self.mined(request).await;
    }

    /// Sends a transaction of an account of the chain, and waits until it is mined.
    pub async fn mined(&self, request: TransactionRequest) {
        self.sent(request).await.await;
    }

    /// Sends a transaction of an account of the chain; the second wait is for its block.
    pub async fn sent(&self, request: TransactionRequest) -> impl Future<Output = ()> {
        let sent = self.anvil.rpc.send_transaction(request).await.expect("the chain takes it");
        async move {
            assert!(sent.get_receipt().await.expect("it is mined").status(), "it succeeds");
        }
    }

    /// Gives test tokens to the chain account of node number `index`.
    pub async fn give_tokens(&self, index: u8, units: u64) {
        let call = Token::transferCall { to: account(index), amount: U256::from(units) };
        self.transact(0, self.token().0, 0, call.abi_encode()).await;
    }

    /// A deposit of native coin into a channel of others, from account number `index`.
    pub fn deposit(
        &self,
        index: u8,
        channel: ChannelId,
        held: u128,
        wei: u128,
    ) -> TransactionRequest {
        let call = NitroAdjudicator::depositCall {
            asset: Asset::NATIVE.0,
            channelId: channel.0,
            expectedHeld: U256::from(held),
            amount: U256::from(wei),
        };
        TransactionRequest::default()
            .from(account(index))
            .to(self.deployed.deployment.adjudicator)
            .value(U256::from(wei))
            .input(call.abi_encode().into())
    }

    /// Waits until the adjudicator holds `value` for a channel, in whatever block.
    pub async fn until_held(&self, channel: ChannelId, value: u128, through: &TestNode) {
        self.until_holdings(channel, through, |held| held == amount(value)).await;
    }

    /// Waits until at least `value` was deposited; whose turn is next may have been quick.
    pub async fn until_deposited(&self, channel: ChannelId, value: u128, through: &TestNode) {
        self.until_holdings(channel, through, |held| held >= amount(value)).await;
    }

    async fn until_holdings(
        &self,
        channel: ChannelId,
        through: &TestNode,
        wanted: impl Fn(Amount) -> bool,
    ) {
        let mut seen = through.handle().chain().watch_chain();
        let handle = through.handle();
        let chain = handle.chain();
        // An endpoint that reorganises has no answer for a moment.
        let holds = async || chain.holdings(Asset::NATIVE, channel).await.is_ok_and(&wanted);
        let waiting = async {
            while !holds().await {
                seen.changed().await.expect("the node runs");
            }
        };
        let held = tokio::time::timeout(LIMIT, waiting).await;
        held.unwrap_or_else(|_| panic!("{channel} does not get what it should hold"));
    }
}

/// Starts nodes that all know the second one, which is the first to run.
pub async fn start_all(settings: Vec<(NodeSettings, TempDir)>) -> Vec<TestNode> {
    let hub = usize::from(settings.len() > 1);
    let mut settings: Vec<_> = settings.into_iter().map(Some).collect();
    let (own, dir) = settings[hub].take().expect("nothing has started yet");
    let hub_node = TestNode::start(own, dir).await;
    let contact = hub_node.dial_address().await;
    let mut nodes = Vec::new();
    for (mut own, dir) in settings.into_iter().flatten() {
        own.p2p.boot_peers.push(contact.clone());
        nodes.push(TestNode::start(own, dir).await);
    }
    nodes.insert(hub, hub_node);
    nodes
}

/// A node that can be stopped and started again.
pub struct TestNode {
    pub settings: NodeSettings,
    node: Option<Node>,
    pub address: Address,
    _dir: TempDir,
}

impl TestNode {
    pub async fn start(mut settings: NodeSettings, dir: TempDir) -> Self {
        let node = Box::pin(Node::start(settings.clone())).await.expect("the node starts");
        let address = node.handle().address();
        // A restart listens where the others know it.
        settings.p2p.listen = listening(&node.handle()).await;
        Self { settings, node: Some(node), address, _dir: dir }
    }

    pub fn handle(&self) -> NodeHandle {
        self.node.as_ref().expect("the node runs").handle()
    }

    pub async fn dial_address(&self) -> Multiaddr {
        let addresses = self.handle().p2p().listen_addresses().await.expect("the network runs");
        addresses.into_iter().next().expect("the node listens")
    }

    pub async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.shutdown().await;
        }
    }

    pub async fn resume(&mut self) {
        let node = Box::pin(Node::start(self.settings.clone())).await;
        self.node = Some(node.expect("the node starts again"));
    }

    /// Starts the node unless it runs.
    pub async fn ensure_running(&mut self) {
        if self.node.is_none() {
            self.resume().await;
        }
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.resume().await;
    }

    pub async fn ask(&self, request: Request) -> Response {
        self.handle().request(request).await.expect("the request is taken")
    }

    pub async fn begin(&self, request: Request) -> ObjectiveId {
        match self.ask(request).await {
            Response::Started(id) => id,
            other => panic!("expected an objective, got {other:?}"),
        }
    }

    /// The end of an objective, which a peer may have begun just now.
    pub async fn done(&self, id: ObjectiveId) -> Objective {
        self.until(&format!("{id}"), async || self.handle().look_up(id).await.ok()).await;
        self.handle().wait_objective(id, LIMIT).await.expect("the objective ends")
    }

    pub async fn completed(&self, id: ObjectiveId) {
        let objective = self.done(id).await;
        assert_eq!(objective.status, ObjectiveStatus::Completed, "{id}");
    }

    /// Asks `probe` now and after each change that the node reports, until it has an answer.
    pub async fn until<T>(&self, what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
        // Listening before looking: a change in between is not missed.
        let mut updates = self.handle().updates();
        let waiting = async {
            loop {
                if let Some(answer) = probe().await {
                    return answer;
                }
                if let Err(RecvError::Closed) = updates.recv().await {
                    panic!("the node stops before {what}");
                }
            }
        };
        let answer = tokio::time::timeout(LIMIT, waiting).await;
        answer.unwrap_or_else(|_| panic!("{what} did not happen in time"))
    }

    /// Waits until an objective waits for `step`.
    pub async fn waits_for(&self, id: ObjectiveId, step: WaitingFor) {
        let wanted = ObjectiveStatus::Running(step);
        self.until(&format!("{id}: {step}"), async || {
            let objective = self.handle().look_up(id).await.ok()?;
            (objective.status == wanted).then_some(())
        })
        .await;
    }

    /// Waits until the engine has applied a block. Not every block is news to whoever listens.
    pub async fn until_block(&self, number: u64) {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        let applied = async {
            loop {
                match self.ask(Request::GetStatus).await {
                    Response::Status(status) if status.block.0 >= number => return,
                    _ => pause.tick().await,
                };
            }
        };
        let applied = tokio::time::timeout(LIMIT, applied).await;
        applied.unwrap_or_else(|_| panic!("block {number} is not applied"));
    }

    /// Waits until everything paid over the channel, as this node knows it, is `total`.
    pub async fn has_paid(&self, channel: ChannelId, total: u128) {
        self.until(&format!("a total of {total}"), async || {
            (self.payment(channel).await.paid == amount(total)).then_some(())
        })
        .await;
    }

    pub async fn begin_ledger(
        &self,
        peer: &Self,
        asset: Asset,
        mine: u128,
        theirs: u128,
    ) -> ObjectiveId {
        self.begin(Request::OpenLedger {
            peer: peer.address,
            asset,
            mine: amount(mine),
            theirs: amount(theirs),
            challenge_duration: 3_600,
            random: rand::random(),
        })
        .await
    }

    pub async fn open_ledger(
        &self,
        peer: &Self,
        asset: Asset,
        mine: u128,
        theirs: u128,
    ) -> ChannelId {
        let id = self.begin_ledger(peer, asset, mine, theirs).await;
        self.completed(id).await;
        peer.completed(id).await;
        id.channel()
    }

    pub async fn begin_payment(&self, path: &[&Self], asset: Asset, capacity: u128) -> ObjectiveId {
        let (payee, relays) = path.split_last().expect("a path ends with its payee");
        self.begin(Request::OpenPayment {
            payee: payee.address,
            relays: relays.iter().map(|relay| relay.address).collect(),
            asset,
            capacity: amount(capacity),
            challenge_duration: 3_600,
            random: rand::random(),
        })
        .await
    }

    /// Opens a payment channel along `path`, whose last node is paid.
    pub async fn open_payment(&self, path: &[&Self], asset: Asset, capacity: u128) -> ChannelId {
        let id = self.begin_payment(path, asset, capacity).await;
        self.completed(id).await;
        path.last().expect("a payee").completed(id).await;
        id.channel()
    }

    /// Pays, and returns once the payee has committed.
    pub async fn pay(&self, channel: ChannelId, value: u128) {
        let handle = self.handle();
        let paid = tokio::time::timeout(LIMIT, handle.pay(channel, amount(value), true)).await;
        paid.expect("the payment is delivered").expect("the payment is taken");
    }

    /// Pays, without waiting for the payee.
    pub async fn send_payment(&self, channel: ChannelId, value: u128) {
        self.handle().pay(channel, amount(value), false).await.expect("the payment is taken");
    }

    pub async fn begin_close_payment(&self, channel: ChannelId) -> ObjectiveId {
        self.begin(Request::ClosePayment { channel }).await
    }

    pub async fn begin_close_ledger(&self, ledger: ChannelId) -> ObjectiveId {
        self.begin(Request::CloseLedger { ledger }).await
    }

    pub async fn ledger(&self, id: ChannelId) -> LedgerView {
        match self.ask(Request::GetLedger(id)).await {
            Response::Ledger(view) => *view,
            other => panic!("expected a ledger, got {other:?}"),
        }
    }

    pub async fn payment(&self, id: ChannelId) -> PaymentView {
        match self.ask(Request::GetPayment(id)).await {
            Response::Payment(view) => *view,
            other => panic!("expected a payment channel, got {other:?}"),
        }
    }
}

async fn listening(handle: &NodeHandle) -> Vec<Multiaddr> {
    let addresses = handle.p2p().listen_addresses().await.expect("the network runs");
    addresses
        .into_iter()
        .map(|mut address| {
            // The peer id is not part of a listen address.
            address.pop();
            address
        })
        .collect()
}
