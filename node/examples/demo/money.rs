//! Who had how much before and after, and what went for gas.

use alloy::consensus::Transaction;
use alloy::network::TransactionResponse;
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::{Context, Result, ensure};

use crate::party::Party;
use chain::bindings::token::Token;
use chain::bindings::{Erc20, NitroAdjudicator};
use chain::testing::Anvil;
use engine::types::Asset;

/// One ether in wei.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// An amount for people.
pub(crate) fn ether(wei: u128) -> String {
    let text = format!("{}.{:018}", wei / ETHER, wei % ETHER);
    format!("{} ETH", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What a party has put into its channels and must get out of them.
pub(crate) struct Share {
    pub(crate) put_in: u128,
    pub(crate) expected: u128,
}

/// Whose money is counted together; the first account is the one that pays for gas.
#[derive(Clone)]
pub(crate) struct Purse {
    pub(crate) name: &'static str,
    pub(crate) accounts: Vec<Address>,
}

/// Balances on chain at some moment.
pub(crate) struct Books<'a> {
    chain: &'a Anvil,
    asset: Asset,
    since: u64,
    before: Vec<u128>,
}

impl<'a> Books<'a> {
    /// Notes what everybody has: on its account, which pays deposits and gas, and on its channel
    /// key's address, which is paid out to.
    pub(crate) async fn open(chain: &'a Anvil, asset: Asset, purses: &[Purse]) -> Result<Self> {
        let since = chain.rpc.get_block_number().await? + 1;
        let mut books = Self { chain, asset, since, before: Vec::new() };
        for purse in purses {
            let total = books.total(purse).await?;
            books.before.push(total);
        }
        Ok(books)
    }

    /// Prints the table and compares: after = before − gas + what was paid to the party, to the wei.
    pub(crate) async fn check(&self, purses: &[Purse], expected: &[i128]) -> Result<()> {
        println!(
            "  party        before (wei)                 after (wei)                  gas (wei)            paid to it (wei)"
        );
        let mut wrong = Vec::new();
        for ((purse, before), expected) in purses.iter().zip(&self.before).zip(expected) {
            let after = self.total(purse).await?;
            let gas = self.gas(purse).await?;
            // Gas is paid in coin, whatever the channels hold.
            let spent = if self.asset.is_native() { gas } else { 0 };
            let net = i128::try_from(after)? - i128::try_from(*before)? + i128::try_from(spent)?;
            println!("  {:<12} {before:<28} {after:<28} {gas:<20} {net}", purse.name);
            if net != *expected {
                wrong.push(format!("{} got {net} wei, expected {expected} wei", purse.name));
            }
        }
        ensure!(wrong.is_empty(), "money is missing: {}", wrong.join("; "));
        Ok(())
    }

    /// Prints the table and compares what everybody got out, to the wei. The account that pays has
    /// spent the deposit and the gas, and nothing else.
    pub(crate) async fn check_shares(&self, parties: &[&Party], shares: &[Share]) -> Result<()> {
        println!(
            "  party        put in (wei)           got out (wei)          expected (wei)         gas (wei)"
        );
        let mut wrong = Vec::new();
        for ((party, before), share) in parties.iter().zip(&self.before).zip(shares) {
            let Share { put_in, expected } = share;
            let got_out = self.balance(party.address).await?;
            let left = self.balance(party.account).await?;
            let gas = self.gas(&party.purse()).await?;
            println!("  {:<12} {put_in:<22} {got_out:<22} {expected:<22} {gas}", party.name);
            if got_out != *expected {
                wrong.push(format!("{} got {got_out} wei out, not {expected}", party.name));
            }
            if before.checked_sub(left) != Some(put_in + gas) {
                wrong.push(format!("{}'s account has spent something else", party.name));
            }
        }
        ensure!(wrong.is_empty(), "money is missing: {}", wrong.join("; "));
        Ok(())
    }

    /// Prints what somebody has sent, with its gas; what is the same several times, once.
    pub(crate) async fn print_transactions(&self, purse: &Purse) -> Result<()> {
        let sent = self.sent(purse).await?;
        for same in sent.chunk_by(|one, next| (one.name, one.ok) == (next.name, next.ok)) {
            let gas: Vec<String> = same.iter().map(|sent| sent.gas.to_string()).collect();
            let end = if same.iter().all(|sent| sent.ok) { "" } else { ", reverted" };
            let Some(Sent { name, .. }) = same.first() else { continue };
            let times = if same.len() > 1 { format!(" × {}", same.len()) } else { String::new() };
            println!("  {:<12} {name}{times}, {} gas{end}", purse.name, gas.join(" + "));
        }
        Ok(())
    }

    /// What has been spent on gas, from the receipts of all blocks.
    async fn gas(&self, purse: &Purse) -> Result<u128> {
        let sent = self.sent(purse).await?;
        Ok(sent.iter().map(|sent| u128::from(sent.gas) * sent.price).sum())
    }

    /// What has been sent since the books were opened, from all blocks.
    pub(crate) async fn sent(&self, purse: &Purse) -> Result<Vec<Sent>> {
        let rpc = &self.chain.rpc;
        let mut all = Vec::new();
        for number in self.since..=rpc.get_block_number().await? {
            let block = rpc.get_block_by_number(number.into()).full().await?.context("block")?;
            for tx in block.transactions.txns().filter(|tx| purse.accounts.contains(&tx.from())) {
                let receipt =
                    rpc.get_transaction_receipt(tx.tx_hash()).await?.context("receipt")?;
                ensure!(tx.chain_id().is_some(), "a transaction without replay protection");
                all.push(Sent {
                    name: name_of(tx.input()),
                    gas: receipt.gas_used,
                    price: receipt.effective_gas_price,
                    ok: receipt.status(),
                });
            }
        }
        Ok(all)
    }

    async fn total(&self, purse: &Purse) -> Result<u128> {
        let mut total = 0;
        for account in &purse.accounts {
            total += self.balance(*account).await?;
        }
        Ok(total)
    }

    async fn balance(&self, address: Address) -> Result<u128> {
        let rpc = &self.chain.rpc;
        let balance = if self.asset.is_native() {
            rpc.get_balance(address).await?
        } else {
            Token::new(self.asset.0, rpc).balanceOf(address).call().await?
        };
        Ok(u128::try_from(balance)?)
    }
}

/// A transaction that was mined.
pub(crate) struct Sent {
    pub(crate) name: &'static str,
    gas: u64,
    price: u128,
    pub(crate) ok: bool,
}

/// What a transaction calls.
fn name_of(data: &[u8]) -> &'static str {
    let names = [
        (NitroAdjudicator::depositUpToCall::SELECTOR, "depositUpTo"),
        (NitroAdjudicator::depositCall::SELECTOR, "deposit"),
        (NitroAdjudicator::challengeCall::SELECTOR, "challenge"),
        (NitroAdjudicator::challengeAllCall::SELECTOR, "challengeAll"),
        (NitroAdjudicator::checkpointCall::SELECTOR, "checkpoint"),
        (NitroAdjudicator::concludeCall::SELECTOR, "conclude"),
        (
            NitroAdjudicator::concludeAndTransferAllAssetsCall::SELECTOR,
            "concludeAndTransferAllAssets",
        ),
        (NitroAdjudicator::settleCall::SELECTOR, "settle"),
        (NitroAdjudicator::reclaimCall::SELECTOR, "reclaim"),
        (NitroAdjudicator::transferCall::SELECTOR, "transfer"),
        (NitroAdjudicator::transferAllAssetsCall::SELECTOR, "transferAllAssets"),
        (Erc20::approveCall::SELECTOR, "approve"),
    ];
    let found = names.into_iter().find(|(selector, _)| data.starts_with(selector));
    found.map_or("something else", |(_, name)| name)
}
