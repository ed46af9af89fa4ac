//! A relay that cheats: Irene copies her records before Alice pays Bob through her, falls silent
//! afterwards, and shows the chain the old state of her ledger channel with Bob, in which Bob was
//! not paid. Nobody gives a command: Bob's node answers with the newest state and his voucher,
//! Alice's node sees what Bob was paid, waits for Irene in vain, and gets out, too.

use std::path::Path;
use std::slice;

use alloy::primitives::B256;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use anyhow::{Context, Result, ensure};
use engine::chain::Challenge;
use engine::crypto::LocalSigner;
use engine::ledger::Ledger;
use engine::ports::Store;
use engine::step::Write;
use engine::types::{Address, Asset};
use node::data_dir::DataDir;
use node::keys::{self, KeyName, Passphrase};
use serde_json::Value;
use store::FjallStore;

use crate::calls;
use crate::court::{CHALLENGE, Court};
use crate::money::{Books, Share, ether};
use crate::party::{PASSPHRASE, Party};
use crate::{CAPACITY, DEPOSIT, Stage, step};

/// What differs from the configuration of an ordinary node: a peer that is silent for two seconds,
/// and not for a day, is given up.
pub(crate) const SETTINGS: &[&str] = &["policy.patience_secs=2"];

/// Plays it and checks that everybody has what the newest states and the voucher say.
pub(crate) async fn play(stage: &Stage<'_>, deployment: &Path) -> Result<()> {
    let Stage { chain, alice, irene, bob, .. } = stage;
    let parties = stage.parties();
    let deployment: Value = serde_json::from_slice(&std::fs::read(deployment)?)?;
    let adjudicator = deployment["adjudicator"].as_str().context("the adjudicator")?.parse()?;
    let court = Court { chain, adjudicator };
    let purses = parties.map(Party::purse);
    let books = Books::open(chain, Asset::NATIVE, &purses).await?;
    let [left, right] = stage.open_ledgers()?;

    step("Irene keeps a copy of her records");
    let copy = irene.copy_records()?;
    // Half of what the channel carries: far more than what the answer costs.
    let payment = CAPACITY / 2 / u128::from(stage.options.payments.max(1));
    let (_, paid) = stage.pay(payment).await?;

    step("Irene falls silent, and shows the chain the old state, in which Bob was not paid");
    irene.kill()?;
    let (old, challenge) = stale(&copy, &right)?;
    register(&court, irene.account, &challenge).await?;
    println!("  challenge with turn {}; it runs out after {CHALLENGE} s", old.agreed.turn);

    step("Bob's node answers with the newest state and his voucher");
    court.until_turn(old.id.0, old.agreed.turn.0 + 1).await?;
    println!("  challenge with turn {}", court.status(old.id.0).await?.0);
    court.run_out().await?;
    bob.wait_out(&right)?;

    step("Alice's node sees what Bob was paid, asks Irene in vain, and gets out as well");
    court.until_turn(left.parse::<B256>()?, 1).await?;
    court.run_out().await?;
    alice.wait_out(&left)?;

    step("Stopping the nodes that still run");
    alice.stop()?;
    bob.stop()?;

    step("Who sent what");
    for purse in &purses {
        books.print_transactions(purse).await?;
    }
    step("Balances");
    let shares = [
        Share { put_in: DEPOSIT, expected: DEPOSIT - paid },
        Share { put_in: 2 * DEPOSIT, expected: 2 * DEPOSIT },
        Share { put_in: DEPOSIT, expected: DEPOSIT + paid },
    ];
    books.check_shares(&parties, &shares).await?;
    let rest = chain.rpc.get_balance(adjudicator).await?;
    ensure!(rest.is_zero(), "the adjudicator still holds {rest} wei");
    println!("  the adjudicator holds nothing; the lie was worth {} to Irene", ether(paid));
    Ok(())
}

/// The ledger as the copy knows it, and a challenge with that state, signed by its owner.
fn stale(copy: &DataDir, ledger: &str) -> Result<(Ledger, Challenge)> {
    let key = keys::load(copy, KeyName::Channel, &Passphrase::new(PASSPHRASE)?)?;
    let mut store = FjallStore::open(copy.path().join("store"), &store::Config::default())?;
    let ledger = ledger.parse()?;
    let found = store.load()?.into_iter().find_map(|write| match write {
        Write::Ledger(id, Some(row)) if id == ledger => Some(*row),
        _ => None,
    });
    let found = found.context("the ledger is in the copy")?;
    let challenge = found.challenge(&LocalSigner::new(key.bytes())?);
    Ok((found, challenge.context("both have signed it")?))
}

/// Registers a challenge from an account of the development chain.
async fn register(court: &Court<'_>, account: Address, challenge: &Challenge) -> Result<()> {
    let request = TransactionRequest::default()
        .from(account)
        .to(court.adjudicator)
        .input(calls::challenge_all(slice::from_ref(challenge))?.into());
    let receipt = court.chain.rpc.send_transaction(request).await?.get_receipt().await?;
    ensure!(receipt.status(), "the challenge was refused");
    Ok(())
}
