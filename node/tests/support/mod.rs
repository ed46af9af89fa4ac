//! Real nodes on a real chain, over real sockets and stores. Shared by tests and benchmarks.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod anvil;

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider;
use anvil::{ACCOUNTS, Anvil};
use chain::{AccountKey, ChainConfig, Deployed, TestToken};
use engine::effect::Response;
use engine::input::Request;
use engine::objectives::{Objective, ObjectiveStatus};
use engine::policy::Policy;
use engine::query::{LedgerView, PaymentView};
use engine::types::{Address, Amount, Asset, ChannelId, ObjectiveId};
use node::{ChannelKey, Node, NodeHandle, NodeSettings};
use p2p::{Multiaddr, P2pConfig};
use tempfile::TempDir;

/// No step of a test takes that long unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One ether.
pub const ETHER: u128 = 1_000_000_000_000_000_000;

pub fn amount(value: u128) -> Amount {
    Amount::from(value)
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

    pub async fn mine(&self, blocks: u64) {
        let params = (format!("0x{blocks:x}"),);
        let _: serde_json::Value =
            self.anvil.rpc.raw_request("anvil_mine".into(), params).await.expect("mines");
    }
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
        let node = Node::start(settings.clone()).await.expect("the node starts");
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
        self.node = Some(Node::start(self.settings.clone()).await.expect("the node starts again"));
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.resume().await;
    }

    pub async fn ask(&self, request: Request) -> Response {
        self.handle().request(request).await.expect("the request is taken")
    }

    async fn begin(&self, request: Request) -> ObjectiveId {
        match self.ask(request).await {
            Response::Started(id) => id,
            other => panic!("expected an objective, got {other:?}"),
        }
    }

    pub async fn done(&self, id: ObjectiveId) -> Objective {
        self.handle().wait_objective(id, LIMIT).await.expect("the objective ends")
    }

    pub async fn completed(&self, id: ObjectiveId) {
        let objective = self.done(id).await;
        assert_eq!(objective.status, ObjectiveStatus::Completed, "{id}");
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
        self.handle().pay(channel, amount(value), true).await.expect("the payment is taken");
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
