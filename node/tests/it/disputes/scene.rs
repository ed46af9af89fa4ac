//! Nodes on a chain whose clock the test moves, and what everybody had before.

use std::time::Duration;

use alloy::consensus::Transaction;
use alloy::network::TransactionResponse;
use alloy::primitives::U256;
use alloy::providers::{Provider, RootProvider};
use alloy::sol_types::SolCall;
use chain::bindings::NitroAdjudicator::{self, NitroAdjudicatorInstance};
use chain::bindings::token::Token;
use engine::input::Request;
use engine::ledger::ChannelMode;
use engine::objectives::WaitingFor;
use engine::query::LedgerView;
use engine::types::{Address, Amount, Asset, ChannelId, ObjectiveId};
use node::NodeSettings;
use serde_json::json;

use super::proxy::Proxy;
use crate::support::route::settled;
use crate::support::{LIMIT, Network, TestNode, account, start_all};

/// What each side puts into each ledger, in units.
pub(crate) const DEPOSIT: u128 = 1_000;
/// What a payment channel can carry, in units.
pub(crate) const CAPACITY: u128 = 300;
/// Challenge duration of all channels, in seconds of the chain.
pub(crate) const CHALLENGE: u64 = 3_600;
/// How long nodes wait for peers that are silent for good, where a test is about that.
pub(crate) const PATIENCE: Duration = Duration::from_millis(400);

/// Longer than any test takes.
const ENDLESS_PATIENCE: Duration = Duration::from_secs(86_400);

/// How often the chain is looked at, where no node says what happens.
const LOOK: Duration = Duration::from_millis(20);
/// Time between blocks, where a test wants them to come by themselves.
const BLOCK_TIME: Duration = Duration::from_millis(200);

pub(crate) const ALICE: usize = 0;
pub(crate) const IRENE: usize = 1;
pub(crate) const BOB: usize = 2;

/// What the channels of a test hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coin {
    Native,
    Token,
}

impl Coin {
    pub(crate) const BOTH: [Self; 2] = [Self::Native, Self::Token];

    /// The smallest amount of a test. Coin must be worth its gas, and an odd number shows what a
    /// rounding would lose.
    const fn unit(self) -> u128 {
        match self {
            Self::Native => 1_000_000_000_000_007,
            Self::Token => 7,
        }
    }
}

/// Nodes, their chain, and what everybody had before the first deposit.
pub(crate) struct Scene {
    pub(crate) network: Network,
    pub(crate) nodes: Vec<TestNode>,
    pub(crate) asset: Asset,
    coin: Coin,
    before: Vec<u128>,
    /// Between each node and the chain.
    lines: Vec<Proxy>,
}

impl Scene {
    /// `count` nodes that never lose patience within a test.
    pub(crate) async fn start(coin: Coin, count: u8) -> Self {
        Self::start_with(coin, count, |_, _| {}).await
    }

    /// Nodes that do not leave a withdrawal to the other side for long. They never lose patience
    /// either, before [`Scene::lose_patience`].
    pub(crate) async fn eager(coin: Coin, count: u8) -> Self {
        Self::start_with(coin, count, |_, settings| settings.policy.withdrawal_delay = PATIENCE)
            .await
    }

    /// The node waits [`PATIENCE`] for its peers from now on, for what it has not begun to wait for.
    /// They must all be silent: on a machine under load nobody answers in time.
    pub(crate) async fn lose_patience(&mut self, index: usize) {
        self.restart_with(index, PATIENCE).await;
    }

    /// From now on the node waits for as long as its peers take.
    pub(crate) async fn regain_patience(&mut self, index: usize) {
        self.restart_with(index, ENDLESS_PATIENCE).await;
    }

    async fn restart_with(&mut self, index: usize, patience: Duration) {
        let node = &mut self.nodes[index];
        node.settings.policy.patience = patience;
        node.restart().await;
    }

    pub(crate) async fn start_with(
        coin: Coin,
        count: u8,
        change: impl Fn(usize, &mut NodeSettings),
    ) -> Self {
        let network = Network::start().await;
        let asset = match coin {
            Coin::Native => Asset::NATIVE,
            Coin::Token => network.token(),
        };
        let (mut settings, mut lines) = (Vec::new(), Vec::new());
        for index in 1..=count {
            network.give_tokens(index, 100_000).await;
            let mut own = network.settings(index);
            let line = Proxy::start(network.anvil.port).await;
            own.0.chain.endpoint = format!("http://127.0.0.1:{}", line.port);
            change(settings.len(), &mut own.0);
            settings.push(own);
            lines.push(line);
        }
        let nodes = start_all(settings).await;
        let mut scene = Self { network, nodes, asset, coin, before: Vec::new(), lines };
        for index in 0..usize::from(count) {
            let wealth = scene.wealth(index).await;
            scene.before.push(wealth);
        }
        scene
    }

    /// So many units, in the smallest parts of the asset.
    pub(crate) fn units(&self, units: u128) -> u128 {
        units * self.coin.unit()
    }

    /// A ledger between two nodes, opened by the first one, with [`DEPOSIT`] of each.
    pub(crate) async fn open_ledger(&self, opener: usize, other: usize) -> ChannelId {
        let deposit = self.units(DEPOSIT);
        let (opener, other) = (&self.nodes[opener], &self.nodes[other]);
        opener.open_ledger(other, self.asset, deposit, deposit).await
    }

    /// Ledgers from each node to the next one, opened by the payer's side.
    pub(crate) async fn open_line(&self) -> Vec<ChannelId> {
        let mut ledgers = Vec::new();
        for index in 1..self.nodes.len() {
            ledgers.push(self.open_ledger(index - 1, index).await);
        }
        ledgers
    }

    /// A payment channel over these nodes, the payer first.
    pub(crate) async fn open_payment(&self, path: &[usize]) -> ChannelId {
        let nodes: Vec<&TestNode> = path.iter().map(|index| &self.nodes[*index]).collect();
        let (payer, rest) = nodes.split_first().expect("a payer");
        let id = payer.begin_payment(rest, self.asset, self.units(CAPACITY)).await;
        for node in &nodes {
            node.completed(id).await;
        }
        id.channel()
    }

    /// Pays so many units, and returns once the payee has committed.
    pub(crate) async fn pay(&self, payer: usize, channel: ChannelId, units: u128) {
        self.nodes[payer].pay(channel, self.units(units)).await;
    }

    /// Opens a channel over these nodes, pays so many units and closes it again.
    pub(crate) async fn pay_once(&self, path: &[usize], units: u128) {
        let channel = self.open_payment(path).await;
        self.pay(path[0], channel, units).await;
        let closing = self.nodes[path[0]].begin_close_payment(channel).await;
        for index in path {
            self.nodes[*index].completed(closing).await;
        }
    }

    /// A ledger over which the first node has paid the second one so many units.
    pub(crate) async fn paid_ledger(&self, units: u128) -> ChannelId {
        let ledger = self.open_ledger(0, 1).await;
        self.pay_once(&[0, 1], units).await;
        ledger
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        self.nodes[index].stop().await;
    }

    /// From now on the node hears nothing of the chain and cannot send anything to it.
    pub(crate) async fn cut(&mut self, index: usize) {
        self.lines[index].cut().await;
    }

    pub(crate) async fn mend(&mut self, index: usize) {
        self.lines[index].mend().await;
    }

    pub(crate) async fn exit(&self, index: usize, ledger: ChannelId) {
        let id = self.nodes[index].begin(Request::ExitLedger { ledger }).await;
        assert_eq!(id, ObjectiveId::Exit(ledger));
    }

    /// Waits until a node has nothing left to do but to wait for a challenge of this channel.
    pub(crate) async fn until_challenged(&self, index: usize, channel: ChannelId) {
        self.nodes[index].waits_for(ObjectiveId::Exit(channel), WaitingFor::ChallengeExpiry).await;
    }

    /// Waits until the adjudicator has a challenge of at least that turn for a channel, whether
    /// anybody has seen it or not.
    pub(crate) async fn until_turn(&self, channel: ChannelId, turn: u64) {
        self.until_turn_within(LIMIT, channel, turn).await;
    }

    /// The same where it may take longer.
    pub(crate) async fn until_turn_within(&self, limit: Duration, channel: ChannelId, turn: u64) {
        let what = format!("a challenge of {channel} with turn {turn}");
        let registered = async || {
            let (registered, finalizes_at) = self.status(channel).await;
            registered >= turn && finalizes_at > 0
        };
        self.until_chain_within(limit, &what, registered).await;
    }

    /// Waits until the adjudicator holds that much for a channel.
    pub(crate) async fn until_held(&self, channel: ChannelId, value: u128) {
        let held = async || self.held(channel).await == Amount::from(value);
        self.until_chain(&format!("{channel} with {value}"), held).await;
    }

    /// Waits until the adjudicator holds nothing for a channel any more.
    pub(crate) async fn until_paid_out(&self, channel: ChannelId) {
        self.until_held(channel, 0).await;
    }

    /// Asks the chain until it `holds`.
    pub(crate) async fn until_chain(&self, what: &str, holds: impl AsyncFn() -> bool) {
        self.until_chain_within(LIMIT, what, holds).await;
    }

    async fn until_chain_within(&self, limit: Duration, what: &str, holds: impl AsyncFn() -> bool) {
        let mut looks = tokio::time::interval(LOOK);
        let waiting = async {
            while !holds().await {
                looks.tick().await;
            }
        };
        let held = tokio::time::timeout(limit, waiting).await;
        held.unwrap_or_else(|_| panic!("{what} does not come"));
    }

    /// Turn of what is registered for a channel, and when it is final, which is 0 for nothing.
    pub(crate) async fn status(&self, channel: ChannelId) -> (u64, u64) {
        let status = self.adjudicator().unpackStatus(channel.0).call().await;
        let status = status.expect("the chain answers");
        (status.turnNumRecord.to(), status.finalizesAt.to())
    }

    /// Does `work` while blocks come, as they do on any chain but a quiet development chain: a call
    /// that was refused is made again only once the chain has moved.
    pub(crate) async fn while_mining<T>(&self, work: impl Future<Output = T>) -> T {
        let mining = async {
            let mut blocks = tokio::time::interval(BLOCK_TIME);
            loop {
                blocks.tick().await;
                self.network.mine(1).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = mining => unreachable!("blocks come for ever"),
        }
    }

    /// Moves the chain's clock.
    pub(crate) async fn advance(&self, seconds: u64) {
        self.network.set("evm_increaseTime", json!([seconds])).await;
        self.network.mine(1).await;
    }

    /// Moves the chain's clock past every challenge that runs.
    pub(crate) async fn expire(&self) {
        self.advance(CHALLENGE).await;
    }

    /// The node has got out of the channel.
    pub(crate) async fn out(&self, index: usize, channel: ChannelId) {
        self.nodes[index].completed(ObjectiveId::Exit(channel)).await;
    }

    /// Asks a node about a ledger after each of its changes, until `holds`.
    pub(crate) async fn until_ledger(
        &self,
        index: usize,
        ledger: ChannelId,
        what: &str,
        holds: impl Fn(&LedgerView) -> bool,
    ) {
        let node = &self.nodes[index];
        node.until(what, async || holds(&node.ledger(ledger).await).then_some(())).await;
    }

    /// Waits until a node sees no challenge of the ledger.
    pub(crate) async fn until_cleared(&self, index: usize, ledger: ChannelId) {
        self.until_ledger(index, ledger, "the challenge is answered", |view| {
            view.mode == ChannelMode::Open
        })
        .await;
    }

    /// Closes a ledger with the peer's consent.
    pub(crate) async fn close(&self, index: usize, ledger: ChannelId) {
        let closing = self.nodes[index].begin_close_ledger(ledger).await;
        settled(&self.nodes, closing).await;
    }

    /// Asserts what each node has gained since the beginning, gas apart, in units, and that nothing
    /// is left of the ledgers.
    pub(crate) async fn assert_gains(&self, ledgers: &[ChannelId], gains: &[i128]) {
        assert_eq!(gains.len(), self.before.len());
        for (index, (gain, before)) in gains.iter().zip(&self.before).enumerate() {
            let after = self.wealth(index).await;
            let units = i128::try_from(self.coin.unit()).expect("a small number");
            let expected = before.checked_add_signed(gain * units).expect("no debts");
            assert_eq!(after, expected, "{:?}: node {index} has gained something else", self.coin);
        }
        for ledger in ledgers {
            let held = self.held(*ledger).await;
            assert_eq!(held, Amount::ZERO, "{:?}: {ledger} still holds money", self.coin);
        }
    }

    /// What the adjudicator holds for a channel, whether a node runs or not.
    pub(crate) async fn held(&self, channel: ChannelId) -> Amount {
        let adjudicator = self.adjudicator();
        let holdings = adjudicator.holdings(self.asset.0, channel.0).call().await;
        holdings.expect("the chain answers").into()
    }

    pub(crate) fn adjudicator(&self) -> NitroAdjudicatorInstance<&RootProvider> {
        let address = self.network.deployed.deployment.adjudicator;
        NitroAdjudicator::new(address, &self.network.anvil.rpc)
    }

    /// What a party has: on the account that pays and at the address that is paid, and what it has
    /// spent on gas.
    async fn wealth(&self, index: usize) -> u128 {
        let payer = account(u8::try_from(index + 1).expect("few nodes"));
        let addresses = [payer, self.nodes[index].address];
        let mut sum = 0;
        for address in addresses {
            sum += self.balance(address).await;
        }
        match self.coin {
            Coin::Native => sum + self.gas_fees(payer).await,
            Coin::Token => sum,
        }
    }

    async fn balance(&self, address: Address) -> u128 {
        let rpc = &self.network.anvil.rpc;
        let balance: U256 = match self.coin {
            Coin::Native => rpc.get_balance(address).await.expect("the chain answers"),
            Coin::Token => {
                let token = Token::new(self.asset.0, rpc);
                token.balanceOf(address).call().await.expect("the chain answers")
            }
        };
        u128::try_from(balance).expect("a small number")
    }

    /// What an account has spent on gas, by the receipts of all blocks.
    async fn gas_fees(&self, account: Address) -> u128 {
        let sent = self.transactions(account).await;
        sent.iter().map(|sent| u128::from(sent.gas) * sent.price).sum()
    }

    /// What an account has sent that was mined, in order.
    pub(crate) async fn transactions(&self, account: Address) -> Vec<Sent> {
        let rpc = &self.network.anvil.rpc;
        let mut sent = Vec::new();
        for number in 0..=self.network.head().await {
            let block = rpc.get_block_by_number(number.into()).full().await;
            let block = block.expect("the chain answers").expect("the block exists");
            for transaction in block.transactions.txns().filter(|tx| tx.from() == account) {
                let receipt = rpc.get_transaction_receipt(transaction.tx_hash()).await;
                let receipt = receipt.expect("the chain answers").expect("it is mined");
                let selector = transaction.input().first_chunk().copied();
                sent.push(Sent {
                    selector: selector.unwrap_or_default(),
                    gas: receipt.gas_used,
                    price: receipt.effective_gas_price,
                    succeeded: receipt.status(),
                });
            }
        }
        sent
    }

    /// Names of the calls of a node to the adjudicator, deposits apart, that were mined.
    pub(crate) async fn calls(&self, index: usize) -> Vec<&'static str> {
        let payer = account(u8::try_from(index + 1).expect("few nodes"));
        let sent = self.transactions(payer).await;
        sent.iter().filter(|sent| sent.succeeded).filter_map(Sent::name).collect()
    }
}

/// A transaction that was mined.
pub(crate) struct Sent {
    selector: [u8; 4],
    gas: u64,
    price: u128,
    succeeded: bool,
}

impl Sent {
    fn name(&self) -> Option<&'static str> {
        let names = [
            (NitroAdjudicator::challengeAllCall::SELECTOR, "challengeAll"),
            (NitroAdjudicator::checkpointCall::SELECTOR, "checkpoint"),
            (NitroAdjudicator::concludeCall::SELECTOR, "conclude"),
            (
                NitroAdjudicator::concludeAndTransferAllAssetsCall::SELECTOR,
                "concludeAndTransferAllAssets",
            ),
            (NitroAdjudicator::settleCall::SELECTOR, "settle"),
        ];
        names.into_iter().find(|(selector, _)| *selector == self.selector).map(|(_, name)| name)
    }
}

/// Plays a scene with each kind of money.
pub(crate) async fn in_both(play: impl AsyncFn(Coin)) {
    for coin in Coin::BOTH {
        play(coin).await;
    }
}
