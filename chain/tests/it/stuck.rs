//! Transactions that pay too little.

use std::time::Duration;

use chain::{ChainConfig, FeeBounds};
use engine::chain::Receipt;
use engine::types::{Asset, CallId};

use crate::support::{Service, World, channel, deposit};

const GWEI: u64 = 1_000_000_000;

fn impatient(world: &World, max_fee_per_gas: u128) -> ChainConfig {
    let fees = FeeBounds {
        max_fee_per_gas,
        bump_after: Duration::from_millis(50),
        ..FeeBounds::default()
    };
    ChainConfig { fees, ..world.config() }
}

#[tokio::test]
async fn stuck_transaction_is_replaced_by_one_that_pays_more() {
    let world = World::new().await;
    world.hold_transactions().await;
    let fees = FeeBounds { bump_after: Duration::from_millis(50), ..FeeBounds::default() };
    let mut service = Service::start(ChainConfig { fees, ..world.config() }).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    // Far above twice the old base fee, which the first attempt offers.
    world.set_base_fee(40 * GWEI).await;
    world.mine(1).await;
    let account = service.handle.account();
    crate::support::within("the replacement", async {
        while world.mined_nonce(account).await == 0 {
            world.mine(1).await;
        }
    })
    .await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    assert!(service.handle.metrics().transactions_bumped.get() > 0);
    assert_eq!(world.mined_nonce(account).await, 1);
}

#[tokio::test]
async fn fee_above_the_bound_is_reported_and_not_paid() {
    let world = World::new().await;
    let mut service = Service::start(impatient(&world, (5 * GWEI).into())).await;
    world.set_base_fee(40 * GWEI).await;
    world.mine(1).await;
    service.until_delivered(world.block_number().await).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["`max_fee_per_gas`"]).await;
    assert_eq!(service.handle.metrics().transactions_sent.get(), 0);
    world.set_base_fee(GWEI).await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn replacements_stop_at_the_bound() {
    let world = World::new().await;
    world.hold_transactions().await;
    let service = Service::start(impatient(&world, (5 * GWEI).into())).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    world.set_base_fee(40 * GWEI).await;
    world.mine(1).await;
    service.until_problem(&["waits", "`max_fee_per_gas`"]).await;
    assert_eq!(service.handle.status().calls.in_flight, 1);
}
