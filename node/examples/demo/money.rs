//! Who had how much before and after, and what went for gas.

use alloy::consensus::Transaction;
use alloy::network::TransactionResponse;
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::{Context, Result, ensure};

use crate::party::Party;
use chain::bindings::NitroAdjudicator;
use chain::testing::Anvil;

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

/// Balances on chain at some moment.
pub(crate) struct Books<'a> {
    chain: &'a Anvil,
    before: Vec<u128>,
}

impl<'a> Books<'a> {
    /// Notes what every party has: on its account, which pays deposits and gas, and on its channel
    /// key's address, which is paid out to.
    pub(crate) async fn open(chain: &'a Anvil, parties: &[&Party]) -> Result<Self> {
        let mut before = Vec::new();
        for party in parties {
            before.push(total(chain, party).await?);
        }
        Ok(Self { chain, before })
    }

    /// Prints the table and compares: after = before − gas + what was paid to the party, to the wei.
    pub(crate) async fn check(&self, parties: &[&Party], expected: &[i128]) -> Result<()> {
        println!(
            "  party        before (wei)                 after (wei)                  gas (wei)            paid to it (wei)"
        );
        let mut wrong = Vec::new();
        for ((party, before), expected) in parties.iter().zip(&self.before).zip(expected) {
            let after = total(self.chain, party).await?;
            let gas = self.gas(party.account).await?;
            let net = i128::try_from(after)? - i128::try_from(*before)? + i128::try_from(gas)?;
            println!("  {:<12} {before:<28} {after:<28} {gas:<20} {net}", party.name);
            if net != *expected {
                wrong.push(format!("{} got {net} wei, expected {expected} wei", party.name));
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
            let got_out = balance(self.chain, party.address).await?;
            let left = balance(self.chain, party.account).await?;
            let gas = self.gas(party.account).await?;
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

    /// Prints what a party has sent, with its gas.
    pub(crate) async fn print_transactions(&self, party: &Party) -> Result<()> {
        for sent in self.sent(party.account).await? {
            let Sent { name, gas, ok, .. } = sent;
            let end = if ok { "" } else { ", refused" };
            println!("  {:<12} {name:<12} {gas:>7} gas{end}", party.name);
        }
        Ok(())
    }

    /// What an account has spent on gas, from the receipts of all blocks.
    async fn gas(&self, account: Address) -> Result<u128> {
        let sent = self.sent(account).await?;
        Ok(sent.iter().map(|sent| u128::from(sent.gas) * sent.price).sum())
    }

    /// What an account has sent, from all blocks.
    async fn sent(&self, account: Address) -> Result<Vec<Sent>> {
        let rpc = &self.chain.rpc;
        let mut all = Vec::new();
        for number in 0..=rpc.get_block_number().await? {
            let block = rpc.get_block_by_number(number.into()).full().await?.context("block")?;
            for tx in block.transactions.txns().filter(|tx| tx.from() == account) {
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
}

/// A transaction that was mined.
struct Sent {
    name: &'static str,
    gas: u64,
    price: u128,
    ok: bool,
}

/// The function of the adjudicator that a transaction calls.
fn name_of(data: &[u8]) -> &'static str {
    let names = [
        (NitroAdjudicator::depositUpToCall::SELECTOR, "depositUpTo"),
        (NitroAdjudicator::challengeAllCall::SELECTOR, "challengeAll"),
        (NitroAdjudicator::settleCall::SELECTOR, "settle"),
    ];
    let found = names.into_iter().find(|(selector, _)| data.starts_with(selector));
    found.map_or("something else", |(_, name)| name)
}

async fn total(chain: &Anvil, party: &Party) -> Result<u128> {
    Ok(balance(chain, party.account).await? + balance(chain, party.address).await?)
}

async fn balance(chain: &Anvil, address: Address) -> Result<u128> {
    Ok(u128::try_from(chain.rpc.get_balance(address).await?)?)
}
