//! Alice and Bob conspire against Irene, who has relayed. Bob takes what he was paid through his
//! ledger; then the payment channel is emptied, so that the chain might forget that it ended, and
//! Alice begins it anew with its opening, to have her ledger settled as if nothing had been paid.

use alloy::primitives::B256;
use anyhow::{Context, Result};
use engine::ledger::Ledger;
use engine::outcome::AllocationKind;
use engine::types::ChannelId;

use super::{Ground, pay, signed};
use crate::calls::{self, Final};
use crate::step;
use crate::villain::Villain;

const SCENE: &str = "theft";

pub(super) async fn play(ground: &Ground<'_>) -> Result<()> {
    ground.title("A relay robbed by payer and payee");
    let (court, asset) = (ground.court, ground.asset);
    let irene = ground.node(SCENE, "irene", None, &[]).await?;
    let alice = ground.node(SCENE, "alice", Some(&irene), &[]).await?;
    let bob = ground.node(SCENE, "bob", Some(&irene), &[]).await?;
    let purses = [alice.purse(), irene.purse(), bob.purse()];
    let books = ground.books(&purses).await?;
    step("Alice pays Bob through Irene");
    let left = alice.open_ledger(&irene, ground.deposit())?;
    let right = irene.open_ledger(&bob, ground.deposit())?;
    let channel = alice.open_channel(&[&irene], &bob, ground.capacity())?;
    let paid = pay(ground, &alice, &bob, &channel).await?;
    let id: ChannelId = channel.parse()?;
    let (left_id, right_id): (ChannelId, ChannelId) = (left.parse()?, right.parse()?);

    step("Alice and Bob end their nodes, and go on with their keys: Bob redeems");
    let bob = Villain::of(&bob, court)?;
    let alice = Villain::of(&alice, court)?;
    let mine = [bob.newest(right_id)?, bob.redemption(id)?];
    bob.hand.attempt("shows ledger and voucher", calls::challenge_all(&mine)?).await?;
    let shown = court.shown(id.0).await?;
    let end = Final::by(id, &shown.candidate.state);
    court.skip().await?;
    let ledger = bob.ledger(right_id)?;
    let own = Final::by(right_id, &ledger.supported().context("it is open")?.state);
    let settle = calls::settle(&own, guarantee(ledger)?, &end);
    bob.hand.attempt("settles the right ledger with it", settle).await?;

    step("They fill the payment channel, empty it, and Alice begins it anew");
    alice.hand.deposit("pays the capacity into the channel", asset, id, ground.capacity()).await?;
    alice.hand.attempt("pays all of it out, to both", calls::transfer_all(&end)).await?;
    // Bob's challenge has told everybody what everybody had signed at first.
    let opening = shown.proof.first().context("the opening supports a redemption")?.clone();
    let forgotten = Final::by(id, &opening.state);
    let again = alice.challenge(id, opening)?;
    alice
        .hand
        .attempt("challenges the channel with its opening", calls::challenge_alone(&again)?)
        .await?;
    let newest = [alice.newest(left_id)?];
    alice.hand.attempt("shows the left ledger", calls::challenge_all(&newest)?).await?;
    court.until_turn(left_id.0, 1).await?;

    step("The left ledger is final, and Alice is the first to settle it");
    court.skip().await?;
    let ledger = alice.ledger(left_id)?;
    let own = Final::by(left_id, &ledger.supported().context("it is open")?.state);
    let settle = calls::settle(&own, guarantee(ledger)?, &forgotten);
    alice.hand.attempt("settles it as if nothing had been paid", settle).await?;

    step("Irene gets out");
    irene.wait_out(&left)?;
    irene.wait_out(&right)?;
    let held: B256 = id.0;
    println!("  the payment channel holds {}", court.held(asset.0, held).await?);
    let paid = signed(paid);
    ground.reckon(&books, &purses, &[-2 * paid, 0, 2 * paid]).await
}

/// Where the guarantee is among the allocations of a ledger with a single one.
fn guarantee(ledger: &Ledger) -> Result<usize> {
    let state = ledger.supported().context("both have signed it")?.state;
    let exit = state.outcome.0.first().context("one asset")?;
    let found = exit.allocations.iter().position(|line| line.kind == AllocationKind::GUARANTEE);
    found.context("it guarantees the channel")
}
