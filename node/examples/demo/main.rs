//! The main job on real parts: a chain, three nodes as processes of their own, two ledger channels on
//! chain, one payment channel off chain, many payments, an off-chain close, a payout, and every
//! party's balance checked to the wei.
//!
//! With `--cheat` the relay falls silent instead and shows the chain an old state; the others get
//! their money without a command. With `--attack` villains and strangers try whatever a key allows.
//!
//! `scripts/demo.sh` builds and runs it.

#![allow(clippy::unwrap_used, reason = "a demonstration that cannot go on fails")]

mod attack;
mod calls;
mod cheat;
mod court;
mod money;
mod party;
mod villain;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use chain::testing::{ACCOUNTS, Anvil};
use engine::types::Asset;
use money::{Books, ETHER, ether};
use party::Party;

/// Deposits of Alice, Irene and Bob in their ledgers, in wei.
const DEPOSIT: u128 = 10 * ETHER;
/// What Alice can pay Bob over the payment channel.
const CAPACITY: u128 = 2 * ETHER;
/// Each payment, in wei; odd on purpose, so that a rounding error shows.
const PAYMENT: u128 = 1_000_000_007;

#[derive(Clone, Parser)]
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
    /// The relay falls silent and shows the chain an old state.
    #[arg(long)]
    cheat: bool,
    /// Villains and strangers try to take, freeze and block money.
    #[arg(long, conflicts_with = "cheat")]
    attack: bool,
    /// One scene of the attack: freeze, theft, hostage, reclaims or heavy.
    #[arg(long, requires = "attack")]
    only: Option<String>,
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

    if options.attack {
        attack::play(&options).await?;
        println!(
            "\nNobody took what is not theirs, after {:.1} s.",
            started.elapsed().as_secs_f64()
        );
        return Ok(());
    }
    step("A development chain");
    let chain = Anvil::start(&[]);
    println!("  anvil at {}", chain.url());

    step("The contracts");
    let deployment = party::deploy(&options, &chain.url(), ACCOUNTS[0])?;

    step("Three nodes, each with its own keys, store and process");
    let url = chain.url();
    let settings = if options.cheat { cheat::SETTINGS } else { &[] };
    let start =
        |name, key, boot| Party::start(&options, name, key, &deployment, &url, boot, settings);
    let irene = start("irene", ACCOUNTS[2], None)?;
    let boot = Some(irene.peer_address.as_str());
    let (alice, bob) = (start("alice", ACCOUNTS[1], boot)?, start("bob", ACCOUNTS[3], boot)?);
    let stage = Stage { options: &options, chain: &chain, alice, irene, bob };
    if options.cheat {
        cheat::play(&stage, &deployment).await?
    } else {
        stage.play().await?
    }
    println!("\nEvery wei is where it belongs, after {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

/// The nodes and their chain.
struct Stage<'a> {
    options: &'a Options,
    chain: &'a Anvil,
    alice: Party,
    irene: Party,
    bob: Party,
}

impl Stage<'_> {
    const fn parties(&self) -> [&Party; 3] {
        [&self.alice, &self.irene, &self.bob]
    }

    fn open_ledgers(&self) -> Result<[String; 2]> {
        step("Two ledger channels on chain");
        let left = self.alice.open_ledger(&self.irene, DEPOSIT)?;
        let right = self.irene.open_ledger(&self.bob, DEPOSIT)?;
        Ok([left, right])
    }

    /// Opens the payment channel and pays so much each time; returns the channel and what Bob holds a voucher for.
    async fn pay(&self, amount: u128) -> Result<(String, u128)> {
        let Self { alice, irene, bob, options, .. } = self;
        step("One payment channel from Alice to Bob through Irene, without a transaction");
        let before = Instant::now();
        let channel = alice.open_channel(&[irene], bob, CAPACITY)?;
        println!("  open after {:.0} ms", before.elapsed().as_secs_f64() * 1e3);

        let count = options.payments;
        step(&format!("{count} payments, each a signed voucher that Bob has committed"));
        let rate = alice.pay_many(&channel, count, amount).await?;
        println!("  {rate:.0} payments per second over JSON-RPC, two stores and two sockets");
        let paid = u128::from(count) * amount;
        let received = bob.received(&channel)?;
        ensure!(received == paid, "Bob has received {received} wei, Alice has paid {paid} wei");
        println!("  Bob holds a voucher over {}", ether(paid));
        Ok((channel, paid))
    }

    /// Everybody keeps to the rules.
    async fn play(&self) -> Result<()> {
        let purses = self.parties().map(Party::purse);
        let books = Books::open(self.chain, Asset::NATIVE, &purses).await?;
        let [left, right] = self.open_ledgers()?;
        let (channel, paid) = self.pay(PAYMENT).await?;

        step("Closing the payment channel, without a transaction");
        self.alice.close_channel(&channel)?;

        step("Closing the ledger channels and paying out on chain");
        self.alice.close_ledger(&left)?;
        self.bob.close_ledger(&right)?;
        self.irene.wait_closed(&[&left, &right])?;

        step("Stopping the nodes");
        for party in self.parties() {
            party.stop()?;
        }

        step("Balances");
        let expected = [-i128::try_from(paid)?, 0, i128::try_from(paid)?];
        books.check(&purses, &expected).await
    }
}
