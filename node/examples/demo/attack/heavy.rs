//! A ledger with as many payment channels as policy allows is left without the peer, on a chain that
//! caps the gas of a transaction; a lie about another ledger of the same account comes meanwhile.

use std::time::Instant;

use anyhow::Result;
use engine::types::ChannelId;

use super::{Ground, signed};
use crate::calls;
use crate::step;
use crate::villain::Villain;

const SCENE: &str = "heavy";
/// Payment channels over the ledger: as many as policy allows by default.
const CHANNELS: usize = 200;

pub(super) async fn play(ground: &Ground<'_>) -> Result<()> {
    ground.title("Too large to settle");
    let court = ground.court;
    let irene = ground.node(SCENE, "irene", None, &[]).await?;
    let dora = ground.node(SCENE, "dora", Some(&irene), &[]).await?;
    let carl = ground.node(SCENE, "carl", Some(&irene), &[]).await?;
    let purses = [dora.purse(), irene.purse(), carl.purse()];
    let books = ground.books(&purses).await?;
    // What each channel carries, and what is paid over it.
    let each = ground.deposit() / 2 / 200;
    let part = each / 3;
    step("Dora opens a ledger with Irene, pays over many channels, and is gone");
    let heavy = dora.open_ledger(&irene, ground.deposit())?;
    let before = Instant::now();
    let channels = dora.pay_over_many(&irene, CHANNELS, each, part).await?;
    let spent = before.elapsed().as_secs_f64();
    println!("  {CHANNELS} channels, {part} paid over each, after {spent:.1} s");
    dora.kill()?;

    step("Carl pays Irene as well, and keeps a copy of what was before");
    let other = carl.open_ledger(&irene, ground.deposit())?;
    let copy = carl.copy_records()?;
    let channel = carl.open_channel(&[], &irene, ground.capacity())?;
    let paid = super::pay(ground, &carl, &irene, &channel).await?;
    carl.close_channel(&channel)?;
    carl.kill()?;
    let carl = Villain::with(&carl, &copy, court)?;

    step("Irene leaves Dora's ledger");
    irene.exit_ledger(&heavy)?;
    let (heavy_id, other_id): (ChannelId, ChannelId) = (heavy.parse()?, other.parse()?);
    court.until_turn(heavy_id.0, 1).await?;
    for channel in &channels {
        court.until_turn(channel.0, 2).await?;
    }

    step("Everything is final, and in the same block Carl shows his old state");
    let _blocks = court.keep_mining();
    court.skip().await?;
    let old = carl.newest(other_id)?;
    let before = Instant::now();
    carl.hand
        .attempt("shows the old state", calls::challenge_all(std::slice::from_ref(&old))?)
        .await?;
    court.until_turn(other_id.0, old.candidate.state.turn.0 + 1).await?;
    println!("  irene has answered carl after {:.1} s", before.elapsed().as_secs_f64());
    irene.wait_out(&heavy)?;
    println!("  and is out of dora's ledger after {:.1} s", before.elapsed().as_secs_f64());
    court.run_out().await?;
    irene.wait_out(&other)?;
    let (many, paid) = (signed(part) * i128::try_from(CHANNELS)?, signed(paid));
    ground.reckon(&books, &purses, &[-many, many + paid, -paid]).await
}
