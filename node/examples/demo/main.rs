//! The main job on real parts: a chain, three nodes as processes of their own, two ledger channels on
//! chain, one payment channel off chain, many payments, an off-chain close, a payout, and every
//! party's balance checked to the wei.
//!
//! `scripts/demo.sh` builds and runs it.

#![allow(clippy::unwrap_used, reason = "a demonstration that cannot go on fails")]

mod money;
mod party;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use chain::testing::{ACCOUNTS, Anvil};
use money::{Books, ETHER, ether};
use party::Party;

/// Deposits of Alice, Irene and Bob in their ledgers, in wei.
const DEPOSIT: u128 = 10 * ETHER;
/// What Alice can pay Bob over the payment channel.
const CAPACITY: u128 = 2 * ETHER;
/// Each payment, in wei; odd on purpose, so that a rounding error shows.
const PAYMENT: u128 = 1_000_000_007;

#[derive(Parser)]
#[command(about = "A payment from Alice to Bob through Irene, on real parts")]
struct Options {
    /// The node's program.
    #[arg(long)]
    nitro: PathBuf,
    /// Where keys, stores and logs go; emptied first.
    #[arg(long)]
    dir: PathBuf,
    /// How many payments Alice makes.
    #[arg(long, default_value_t = 20_000)]
    payments: u64,
}

fn step(text: &str) {
    println!("\n» {text}");
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let started = Instant::now();
    if options.dir.exists() {
        std::fs::remove_dir_all(&options.dir).context("emptying the demo folder")?;
    }
    std::fs::create_dir_all(&options.dir).context("making the demo folder")?;

    step("A development chain");
    let chain = Anvil::start(&[]);
    println!("  anvil at {}", chain.url());

    step("The contracts");
    let deployment = party::deploy(&options, &chain.url(), ACCOUNTS[0])?;

    step("Three nodes, each with its own keys, store and process");
    let url = chain.url();
    let start = |name, key, boot| Party::start(&options, name, key, &deployment, &url, boot);
    let irene = start("irene", ACCOUNTS[2], None)?;
    let boot = Some(irene.peer_address.as_str());
    let (alice, bob) = (start("alice", ACCOUNTS[1], boot)?, start("bob", ACCOUNTS[3], boot)?);
    let parties = [&alice, &irene, &bob];
    let books = Books::open(&chain, &parties).await?;

    step("Two ledger channels on chain");
    let left = alice.open_ledger(&irene, DEPOSIT)?;
    let right = irene.open_ledger(&bob, DEPOSIT)?;

    step("One payment channel from Alice to Bob through Irene, without a transaction");
    let before = Instant::now();
    let channel = alice.open_channel(&[&irene], &bob, CAPACITY)?;
    println!("  open after {:.0} ms", before.elapsed().as_secs_f64() * 1e3);

    step(&format!("{} payments, each a signed voucher that Bob has committed", options.payments));
    let rate = alice.pay_many(&channel, options.payments, PAYMENT).await?;
    println!("  {rate:.0} payments per second over JSON-RPC, two stores and two sockets");
    let paid = u128::from(options.payments) * PAYMENT;
    let received = bob.received(&channel)?;
    ensure!(received == paid, "Bob has received {received} wei, Alice has paid {paid} wei");
    println!("  Bob holds a voucher over {}", ether(paid));

    step("Closing the payment channel, without a transaction");
    alice.close_channel(&channel)?;

    step("Closing the ledger channels and paying out on chain");
    alice.close_ledger(&left)?;
    bob.close_ledger(&right)?;
    irene.wait_closed(&[&left, &right])?;

    step("Stopping the nodes");
    for party in parties {
        party.stop()?;
    }

    step("Balances");
    let expected = [-i128::try_from(paid)?, 0, i128::try_from(paid)?];
    books.check(&parties, &expected).await?;
    println!("\nEvery wei is where it belongs, after {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}
