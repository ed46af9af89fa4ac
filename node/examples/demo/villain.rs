//! Somebody without a node: a key, what its owner has learned, and raw transactions.

use std::collections::BTreeMap;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use engine::chain::Challenge;
use engine::crypto::{LocalSigner, Signer};
use engine::ledger::Ledger;
use engine::payment::PaymentChannel;
use engine::ports::Store;
use engine::state::{SupportedState, challenge_hash};
use engine::step::Write;
use engine::types::{Asset, ChannelId};
use engine::vouchers::Voucher;
use node::data_dir::DataDir;
use node::keys::{Keys, Passphrase};
use store::FjallStore;

use crate::calls;
use crate::court::Court;
use crate::money::Purse;
use crate::party::{PASSPHRASE, Party};

/// More than any call of a villain needs.
const GAS: u64 = 3_000_000;
/// What makes a transaction go first, in wei for each gas.
const HURRY: u128 = 100_000_000_000;

/// An account that sends whatever it likes.
pub(crate) struct Stranger<'a> {
    pub(crate) name: &'static str,
    pub(crate) account: Address,
    court: &'a Court<'a>,
    wallet: DynProvider,
}

/// A transaction that is on its way.
pub(crate) struct Attempt<'a> {
    stranger: &'a Stranger<'a>,
    what: String,
    request: TransactionRequest,
    sent: alloy::providers::PendingTransactionBuilder<alloy::network::Ethereum>,
}

impl<'a> Stranger<'a> {
    pub(crate) fn new(name: &'static str, key: B256, court: &'a Court<'a>) -> Result<Self> {
        let signer = PrivateKeySigner::from_bytes(&key)?;
        let account = signer.address();
        let wallet = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(signer))
            .connect_http(court.chain.url().parse()?)
            .erased();
        wallet.client().set_poll_interval(std::time::Duration::from_millis(20));
        Ok(Self { name, account, court, wallet })
    }

    pub(crate) fn purse(&self) -> Purse {
        Purse { name: self.name, accounts: vec![self.account] }
    }

    /// Calls the adjudicator and says what became of it; true when it took the call.
    pub(crate) async fn attempt(&self, what: &str, data: Vec<u8>) -> Result<bool> {
        self.send(what, 0, data).await?.outcome().await
    }

    /// Deposits into any channel.
    pub(crate) async fn deposit(
        &self,
        what: &str,
        asset: Asset,
        channel: ChannelId,
        amount: u128,
    ) -> Result<bool> {
        self.allow(asset, amount).await?;
        self.send_deposit(what, asset, channel, amount).await?.outcome().await
    }

    /// Lets the adjudicator take tokens.
    pub(crate) async fn allow(&self, asset: Asset, amount: u128) -> Result<()> {
        if !asset.is_native() {
            let data = calls::approve(self.court.adjudicator, amount);
            let request = TransactionRequest::default().to(asset.0).input(data.into());
            self.wallet.send_transaction(request).await?.get_receipt().await?;
        }
        Ok(())
    }

    pub(crate) async fn send_deposit(
        &self,
        what: &str,
        asset: Asset,
        channel: ChannelId,
        amount: u128,
    ) -> Result<Attempt<'_>> {
        let wei = if asset.is_native() { amount } else { 0 };
        self.send(what, wei, calls::deposit(asset, channel, amount)).await
    }

    /// Calls the adjudicator, ahead of whoever offers less; does not wait for a block.
    pub(crate) async fn send(&self, what: &str, wei: u128, data: Vec<u8>) -> Result<Attempt<'_>> {
        let request = TransactionRequest::default()
            .from(self.account)
            .to(self.court.adjudicator)
            .value(U256::from(wei))
            .gas_limit(GAS)
            .max_priority_fee_per_gas(HURRY)
            .max_fee_per_gas(2 * HURRY)
            .input(data.into());
        let sent = self.wallet.send_transaction(request.clone()).await?;
        Ok(Attempt { stranger: self, what: what.to_owned(), request, sent })
    }
}

impl Attempt<'_> {
    /// Waits for the block and says what became of the call.
    pub(crate) async fn outcome(self) -> Result<bool> {
        let Self { stranger, what, request, sent } = self;
        let receipt = sent.get_receipt().await?;
        let end = if receipt.status() {
            format!("succeeded, {} gas", receipt.gas_used)
        } else {
            let block = receipt.block_number.context("it is mined")?;
            let again = stranger.court.chain.rpc.call(request).block(block.into()).await;
            let reason = again.err().map_or_else(|| "no reason".into(), |error| error.to_string());
            let reason = reason.rsplit("reverted: ").next().unwrap_or_default();
            let reason = reason.split(", data: ").next().unwrap_or_default();
            format!("reverted, \"{reason}\"")
        };
        println!("  {:<12} {what}: {end}", stranger.name);
        Ok(receipt.status())
    }
}

/// The owner of a node that was killed: its keys and its records.
pub(crate) struct Villain<'a> {
    pub(crate) hand: Stranger<'a>,
    pub(crate) signer: LocalSigner,
    /// The secret of the signer, which is also its name in the network.
    pub(crate) key: [u8; 32],
    ledgers: BTreeMap<ChannelId, Ledger>,
    payments: BTreeMap<ChannelId, PaymentChannel>,
    vouchers: BTreeMap<ChannelId, Voucher>,
}

impl<'a> Villain<'a> {
    /// Ends a node for good, and takes what it leaves.
    pub(crate) fn of(party: &Party, court: &'a Court<'a>) -> Result<Self> {
        party.kill()?;
        Self::with(party, &party.records(), court)
    }

    /// The same with a copy of its records.
    pub(crate) fn with(party: &Party, dir: &DataDir, court: &'a Court<'a>) -> Result<Self> {
        let keys = Keys::load(dir, &Passphrase::new(PASSPHRASE)?)?;
        let hand = Stranger::new(party.name, B256::from(keys.chain.bytes()), court)?;
        let signer = LocalSigner::new(keys.channel.bytes())?;
        let mut villain = Self {
            hand,
            signer,
            key: keys.channel.bytes(),
            ledgers: BTreeMap::new(),
            payments: BTreeMap::new(),
            vouchers: BTreeMap::new(),
        };
        let mut store = FjallStore::open(dir.path().join("store"), &store::Config::default())?;
        for write in store.load()? {
            match write {
                Write::Ledger(id, Some(row)) => drop(villain.ledgers.insert(id, *row)),
                Write::Payment(id, Some(row)) => drop(villain.payments.insert(id, *row)),
                Write::Paid(id, Some(paid)) => {
                    villain.vouchers.extend(paid.voucher.map(|voucher| (id, voucher)));
                }
                _ => {}
            }
        }
        Ok(villain)
    }

    pub(crate) fn ledger(&self, id: ChannelId) -> Result<&Ledger> {
        self.ledgers.get(&id).context("the ledger is in the records")
    }

    /// The newest state of a ledger that both have signed, as a challenge.
    pub(crate) fn newest(&self, id: ChannelId) -> Result<Challenge> {
        self.ledger(id)?.challenge(&self.signer).context("both have signed it")
    }

    /// Everything that the records hold for a payment channel: the payee's voucher.
    pub(crate) fn redemption(&self, id: ChannelId) -> Result<Challenge> {
        let channel = self.payments.get(&id).context("the channel is in the records")?;
        channel.challenge(self.vouchers.get(&id), &self.signer).context("everybody has signed it")
    }

    /// The opening of a payment channel, as if nothing had been paid over it.
    pub(crate) fn opening(&self, id: ChannelId) -> Result<Challenge> {
        let channel = self.payments.get(&id).context("the channel is in the records")?;
        channel.challenge(None, &self.signer).context("everybody has signed it")
    }

    /// A challenge with a state that everybody has signed.
    pub(crate) fn challenge(&self, id: ChannelId, state: SupportedState) -> Result<Challenge> {
        let channel = self.payments.get(&id).context("the channel is in the records")?;
        let challenger = self.signer.sign(challenge_hash(state.state.hash(id)));
        let fixed = channel.fixed.clone();
        Ok(Challenge { fixed, proof: Vec::new(), candidate: state, challenger })
    }
}
