//! A stranger reclaims some guarantees of a ledger with several, in an order of its own, and pays
//! single allocations. The node finds what is left in the logs, and settles it.

use anyhow::{Context, Result};
use engine::outcome::{Allocation, reclaim_effects, transfer_effects};
use engine::types::{Amount, ChannelId};

use super::{Ground, signed};
use crate::calls::{self, Final};
use crate::step;
use crate::villain::{Attempt, Stranger};

const SCENE: &str = "reclaims";
/// Payment channels over the ledger.
const CHANNELS: usize = 5;

pub(super) async fn play(ground: &Ground<'_>) -> Result<()> {
    ground.title("Blocked by a stranger's odd reclaims");
    let court = ground.court;
    let bob = ground.node(SCENE, "bob", None, &[]).await?;
    let alice = ground.node(SCENE, "alice", Some(&bob), &[]).await?;
    let mallory = ground.stranger(SCENE, "mallory").await?;
    let purses = [alice.purse(), bob.purse(), mallory.purse()];
    let books = ground.books(&purses).await?;
    step("Alice pays Bob over several channels and is gone; Bob leaves");
    let ledger = alice.open_ledger(&bob, ground.deposit())?;
    let (capacity, amount) = (ground.capacity() / 2, ground.capacity() / 5 + 7);
    let channels = alice.pay_over_many(&bob, CHANNELS, capacity, amount).await?;
    println!("  {CHANNELS} channels, {amount} paid over each");
    alice.kill()?;
    bob.exit_ledger(&ledger)?;
    let id: ChannelId = ledger.parse()?;
    court.until_turn(id.0, 1).await?;
    for channel in &channels {
        court.until_turn(channel.0, 2).await?;
    }

    step("Mallory has read the logs, and is first when everything is final");
    let mut ledger_now = Final::by(id, &court.shown(id.0).await?.candidate.state);
    let holdings = court.held(ground.asset.0, id.0).await?;
    court.skip().await?;
    court.mine_at_once(false).await?;
    let mut scene = Odd {
        ground,
        mallory: &mallory,
        now: &mut ledger_now,
        holdings: holdings.into(),
        sent: Vec::new(),
    };
    // The first two allocations are Alice's and Bob's.
    scene.reclaim(5).await?;
    scene.pay(1).await?;
    scene.reclaim(2).await?;
    scene.reclaim(3).await?;
    scene.pay(0).await?;
    let sent = scene.sent;
    court.mine().await?;
    for attempt in sent {
        attempt.outcome().await?;
    }
    court.mine_at_once(true).await?;

    step("Bob gets out");
    bob.wait_out(&ledger)?;
    println!("  the ledger holds {}", court.held(ground.asset.0, id.0).await?);
    let paid = signed(amount) * i128::try_from(CHANNELS)?;
    ground.reckon(&books, &purses, &[-paid, paid, 0]).await
}

/// What Mallory does to a ledger, transaction by transaction of one block.
struct Odd<'a> {
    ground: &'a Ground<'a>,
    mallory: &'a Stranger<'a>,
    now: &'a mut Final,
    holdings: Amount,
    sent: Vec<Attempt<'a>>,
}

impl Odd<'_> {
    fn allocations(&self) -> Result<&[Allocation]> {
        Ok(&self.now.outcome.0.first().context("one asset")?.allocations)
    }

    fn becomes(&mut self, allocations: Vec<Allocation>) -> Result<()> {
        self.now.outcome.0.first_mut().context("one asset")?.allocations = allocations;
        Ok(())
    }

    async fn reclaim(&mut self, index: usize) -> Result<()> {
        let guarantee = self.allocations()?.get(index).context("a guarantee")?;
        let channel = ChannelId(guarantee.destination.0);
        let state = self.ground.court.shown(channel.0).await?.candidate.state;
        let target = Final::by(channel, &state);
        let what = format!("reclaims guarantee {index}");
        let data = calls::reclaim(self.now, index, &target);
        self.sent.push(self.mallory.send(&what, 0, data).await?);
        let paid = &target.outcome.0.first().context("one asset")?.allocations;
        let allocations = reclaim_effects(self.allocations()?, paid, index)?;
        self.becomes(allocations)
    }

    async fn pay(&mut self, index: u64) -> Result<()> {
        let what = format!("pays allocation {index} alone");
        self.sent.push(self.mallory.send(&what, 0, calls::transfer(self.now, index)).await?);
        let effects = transfer_effects(self.holdings, self.allocations()?, &[index])?;
        self.holdings = self.holdings.checked_sub(effects.paid).context("it is held")?;
        self.becomes(effects.remaining)
    }
}
