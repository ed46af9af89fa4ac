//! A stranger deposits one wei into a finalized payment channel and pays it out. Whoever holds a
//! guarantee on the channel is settled all the same.

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::bindings::NitroAdjudicator;
use engine::types::ChannelId;
use serde_json::{Value, json};

use super::{Ground, pay, signed};
use crate::calls::{self, Final};
use crate::court::Court;
use crate::party::Party;
use crate::step;
use crate::villain::{Stranger, Villain};

const SCENE: &str = "freeze";

pub(super) async fn play(ground: &Ground<'_>) -> Result<()> {
    ground.title("Frozen by one wei");
    // So that Irene waits for Alice until Alice's key speaks.
    let irene = ground.node(SCENE, "irene", None, &["policy.patience_secs=10"]).await?;
    let alice = ground.node(SCENE, "alice", Some(&irene), &[]).await?;
    let bob = ground.node(SCENE, "bob", Some(&irene), &[]).await?;
    let mallory = ground.stranger(SCENE, "mallory").await?;
    after_a_challenge(ground, [&alice, &irene, &bob], &mallory).await?;
    before_a_conclusion(ground, [&alice, &irene, &bob], &mallory).await
}

/// Everybody is honest, Alice and Bob leave by command, and Mallory is first when the challenges
/// have run out.
async fn after_a_challenge(
    ground: &Ground<'_>,
    [alice, irene, bob]: [&Party; 3],
    mallory: &Stranger<'_>,
) -> Result<()> {
    let (court, asset) = (ground.court, ground.asset);
    let purses = [alice.purse(), irene.purse(), bob.purse(), mallory.purse()];
    let books = ground.books(&purses).await?;
    step("Alice pays Bob through Irene, and both leave their ledgers");
    let left = alice.open_ledger(irene, ground.deposit())?;
    let right = irene.open_ledger(bob, ground.deposit())?;
    let channel = alice.open_channel(&[irene], bob, ground.capacity())?;
    let paid = pay(ground, alice, bob, &channel).await?;
    alice.exit_ledger(&left)?;
    bob.exit_ledger(&right)?;
    let id: ChannelId = channel.parse()?;
    court.until_turn(id.0, 2).await?;
    for ledger in [&left, &right] {
        court.until_turn(ledger.parse::<B256>()?, 1).await?;
    }

    step("Mallory deposits one wei into the payment channel, and pays it out when it is final");
    let end = Final::by(id, &court.shown(id.0).await?.candidate.state);
    mallory.deposit("one wei for the payment channel", asset, id, 1).await?;
    court.skip().await?;
    mallory.attempt("pays the payment channel out", calls::transfer_all(&end)).await?;

    step("Everybody gets out");
    alice.wait_out(&left)?;
    bob.wait_out(&right)?;
    irene.wait_out(&left)?;
    irene.wait_out(&right)?;
    // What is paid out first goes to Alice, whose rest is the first allocation.
    let nets = [1 - signed(paid), 0, signed(paid), -1];
    ground.reckon(&books, &purses, &nets).await
}

/// Alice shows the opening of a channel that everybody has closed; Mallory sees Irene's answer wait
/// for its block, and is faster with the same final state and one wei.
async fn before_a_conclusion(
    ground: &Ground<'_>,
    [alice, irene, bob]: [&Party; 3],
    mallory: &Stranger<'_>,
) -> Result<()> {
    let (court, asset) = (ground.court, ground.asset);
    let purses = [alice.purse(), irene.purse(), bob.purse(), mallory.purse()];
    let books = ground.books(&purses).await?;
    step("Alice pays Bob again, closes the channel, and is gone before Irene's ledger has it");
    let left = alice.open_ledger(irene, ground.deposit())?;
    let right = irene.open_ledger(bob, ground.deposit())?;
    let channel = alice.open_channel(&[irene], bob, ground.capacity())?;
    let paid = pay(ground, alice, bob, &channel).await?;
    let (id, left_id): (ChannelId, ChannelId) = (channel.parse()?, left.parse()?);
    bob.halt()?;
    alice.begin_closing(&channel)?;
    court
        .until("Irene hears of it", async || Ok(irene.is_closing(&channel)?.then_some(())))
        .await?;
    let alice = Villain::of(alice, court)?;
    bob.go_on()?;
    court
        .until("Irene and Bob do not finish", async || {
            Ok((irene.ledger(&right)?["locked"] == "0").then_some(()))
        })
        .await?;

    step("Alice's key shows the opening, and Irene's answer is overtaken");
    mallory.allow(asset, 1).await?;
    let opening = alice.opening(id)?;
    let shown = calls::challenge_all(&[alice.newest(left_id)?, opening])?;
    court.mine_at_once(false).await?;
    let shown = alice.hand.send("shows ledger and opening", 0, shown).await?;
    court.mine().await?;
    shown.outcome().await?;
    let seen =
        court.until("Irene does not answer", async || waiting_conclusion(court).await).await?;
    println!("  irene's conclude waits for its block; mallory has read it");
    let deposit = mallory.send_deposit("one wei for the payment channel", asset, id, 1).await?;
    let same = NitroAdjudicator::concludeAndTransferAllAssetsCall {
        fixedPart: seen.fixedPart,
        candidate: seen.candidate,
    };
    let conclude = mallory.send("concludes it, and pays out", 0, same.abi_encode()).await?;
    court.mine().await?;
    deposit.outcome().await?;
    conclude.outcome().await?;
    court.mine_at_once(true).await?;

    step("Irene and Bob get out");
    court.run_out().await?;
    irene.wait_out(&left)?;
    bob.close_ledger(&right)?;
    irene.wait_closed(&[&right])?;
    let nets = [1 - signed(paid), 0, signed(paid), -1];
    ground.reckon(&books, &purses, &nets).await
}

/// A conclusion that is sent and not mined, as anybody can see it.
async fn waiting_conclusion(court: &Court<'_>) -> Result<Option<NitroAdjudicator::concludeCall>> {
    let pool = court.ask("txpool_content", json!([])).await?;
    let accounts = pool["pending"].as_object().context("the transactions that wait")?;
    let waiting = accounts.values().filter_map(Value::as_object).flat_map(|by| by.values());
    for transaction in waiting {
        let data: Bytes = transaction["input"].as_str().context("calldata")?.parse()?;
        if let Ok(call) = NitroAdjudicator::concludeCall::abi_decode(&data) {
            return Ok(Some(call));
        }
    }
    Ok(None)
}
