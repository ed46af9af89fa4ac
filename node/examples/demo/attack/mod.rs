//! Whoever holds a key may send the adjudicator whatever it likes. Here villains, whose nodes are
//! killed and whose keys go on, and strangers do so, with the chain's coin and with a token; honest
//! nodes end with what they are owed, to the wei, and nobody commands them beyond what a user would.

mod freeze;
mod heavy;
mod hostage;
mod reclaims;
mod theft;

use std::path::PathBuf;

use alloy::primitives::{B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use chain::testing::{ACCOUNTS, Anvil};
use engine::types::{Address, Asset};
use serde_json::{Value, json};

use crate::court::Court;
use crate::money::{Books, ETHER, Purse};
use crate::party::{self, Party};
use crate::villain::Stranger;
use crate::{DEPOSIT, Options, calls, step};

/// What everybody has at first, of the coin and of the token, whose supply is small.
const PURSE: [u128; 2] = [1_000 * ETHER, 100_000_000];
/// Silent peers are given up after seconds, not days; the rest is as an ordinary node has it.
const SETTINGS: &[&str] = &["policy.patience_secs=2", "policy.withdrawal_delay_secs=2"];

pub(crate) async fn play(options: &Options) -> Result<()> {
    step("A development chain with Ethereum's cap on the gas of a transaction");
    let chain = Anvil::start(&["--enable-tx-gas-limit"]);
    println!("  anvil at {}", chain.url());
    step("The contracts, and a token");
    let deployment = party::deploy_with(options, &chain.url(), ACCOUNTS[0], &["--token"])?;
    let told: Value = serde_json::from_slice(&std::fs::read(&deployment)?)?;
    let address = |name: &str| -> Result<Address> {
        Ok(told[name].as_str().with_context(|| format!("the {name}"))?.parse()?)
    };
    let court = Court { chain: &chain, adjudicator: address("adjudicator")? };
    let token = Asset(address("token")?);
    for (asset, called) in [(Asset::NATIVE, "coin"), (token, "token")] {
        let ground =
            Ground { options, deployment: deployment.clone(), court: &court, token, asset, called };
        if wanted(options, "freeze") {
            freeze::play(&ground).await?;
        }
        if wanted(options, "theft") {
            theft::play(&ground).await?;
        }
        if wanted(options, "hostage") {
            hostage::play(&ground).await?;
        }
        if wanted(options, "reclaims") {
            reclaims::play(&ground).await?;
        }
        if wanted(options, "heavy") {
            heavy::play(&ground).await?;
        }
    }
    Ok(())
}

fn wanted(options: &Options, scene: &str) -> bool {
    options.only.as_deref().is_none_or(|only| only == scene)
}

/// Where a scene takes place.
struct Ground<'a> {
    options: &'a Options,
    deployment: PathBuf,
    court: &'a Court<'a>,
    token: Asset,
    asset: Asset,
    called: &'static str,
}

impl<'a> Ground<'a> {
    /// What each side puts into a ledger.
    fn deposit(&self) -> u128 {
        if self.asset.is_native() { DEPOSIT } else { 10_000_000 }
    }

    /// What a payment channel carries.
    fn capacity(&self) -> u128 {
        self.deposit() / 5
    }

    fn title(&self, title: &str) {
        println!("\n═══ {title} ({}) ═══", self.called);
    }

    /// A node with its own keys, store and process.
    async fn node(
        &self,
        scene: &'static str,
        name: &'static str,
        boot: Option<&Party>,
        settings: &[&str],
    ) -> Result<Party> {
        let options =
            Options { dir: self.options.dir.join(self.called).join(scene), ..self.options.clone() };
        std::fs::create_dir_all(&options.dir)?;
        let key = self.key(scene, name);
        self.endow(key).await?;
        let limit =
            format!("policy.max_peer_deposit=native={},{}={}", PURSE[0], self.token.0, PURSE[1]);
        let settings = [SETTINGS, &[limit.as_str()], settings].concat();
        let (url, boot) = (self.court.chain.url(), boot.map(|boot| boot.peer_address.as_str()));
        let party = Party::start(&options, name, key, &self.deployment, &url, boot, &settings)?;
        Ok(party.using(self.asset))
    }

    /// Somebody with a key and money, and nothing else.
    async fn stranger(&self, scene: &'static str, name: &'static str) -> Result<Stranger<'a>> {
        let key = self.key(scene, name);
        self.endow(key).await?;
        Stranger::new(name, key, self.court)
    }

    fn key(&self, scene: &str, name: &str) -> B256 {
        keccak256(format!("demo {scene} {name} {}", self.called))
    }

    async fn endow(&self, key: B256) -> Result<()> {
        let account = PrivateKeySigner::from_bytes(&key)?.address();
        self.court.ask("anvil_setBalance", json!([account, U256::from(PURSE[0])])).await?;
        let bank = PrivateKeySigner::from_bytes(&ACCOUNTS[0])?.address();
        let request = TransactionRequest::default()
            .from(bank)
            .to(self.token.0)
            .gas_limit(100_000)
            .input(calls::transfer_tokens(account, PURSE[1]).into());
        let receipt = self.court.chain.rpc.send_transaction(request).await?.get_receipt().await?;
        ensure!(receipt.status(), "no tokens for {account}");
        Ok(())
    }

    async fn books(&self, purses: &[Purse]) -> Result<Books<'_>> {
        Books::open(self.court.chain, self.asset, purses).await
    }

    /// What everybody did, and whether everybody has what it is owed.
    async fn reckon(&self, books: &Books<'_>, purses: &[Purse], nets: &[i128]) -> Result<()> {
        step("Who sent what");
        for purse in purses {
            books.print_transactions(purse).await?;
        }
        step("Balances");
        books.check(purses, nets).await
    }

    /// How often Alice pays in a scene, and how much each time: half of what a channel carries.
    fn payments(&self) -> (u64, u128) {
        let count = self.options.payments.div_ceil(10).max(1);
        (count, self.capacity() / 2 / u128::from(count))
    }
}

/// Pays over a channel, and returns what was paid in all.
async fn pay(ground: &Ground<'_>, payer: &Party, payee: &Party, channel: &str) -> Result<u128> {
    let (count, amount) = ground.payments();
    payer.pay_many(channel, count, amount).await?;
    let paid = u128::from(count) * amount;
    let received = payee.received(channel)?;
    ensure!(received == paid, "{} has received {received}, not {paid}", payee.name);
    println!("  {count} payments; {} holds a voucher over {paid}", payee.name);
    Ok(paid)
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap_or(i128::MAX)
}
