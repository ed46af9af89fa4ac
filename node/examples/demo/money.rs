//! Who had how much before and after, and what went for gas.

use alloy::consensus::Transaction;
use alloy::network::TransactionResponse;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use anyhow::{Context, Result, ensure};

use crate::party::Party;
use chain::testing::Anvil;

/// One ether in wei.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// An amount for people.
pub(crate) fn ether(wei: u128) -> String {
    let text = format!("{}.{:018}", wei / ETHER, wei % ETHER);
    format!("{} ETH", text.trim_end_matches('0').trim_end_matches('.'))
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

    /// What an account has spent on gas, from the receipts of all blocks.
    async fn gas(&self, account: Address) -> Result<u128> {
        let rpc = &self.chain.rpc;
        let mut spent = 0;
        for number in 0..=rpc.get_block_number().await? {
            let block = rpc.get_block_by_number(number.into()).full().await?.context("block")?;
            for tx in block.transactions.txns().filter(|tx| tx.from() == account) {
                let receipt =
                    rpc.get_transaction_receipt(tx.tx_hash()).await?.context("receipt")?;
                ensure!(tx.chain_id().is_some(), "a transaction without replay protection");
                spent += u128::from(receipt.gas_used) * receipt.effective_gas_price;
            }
        }
        Ok(spent)
    }
}

async fn total(chain: &Anvil, party: &Party) -> Result<u128> {
    let mut sum = U256::ZERO;
    for address in [party.account, party.address] {
        sum += chain.rpc.get_balance(address).await?;
    }
    Ok(u128::try_from(sum)?)
}
