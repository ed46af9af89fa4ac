//! Transactions that pay too little.

use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use chain::{ChainConfig, DeadlineBounds, FeeBounds};
use engine::chain::{ChainCall, Receipt, Urgency};
use engine::types::{Amount, Asset, CallId};
use serde_json::{Value, json};

use crate::support::{Service, World, channel, deposit, settlement, within};

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
    within("the replacement", async {
        while world.mined_nonce(account).await == 0 {
            // The base fee falls with each empty block, and must not fall to the first offer.
            if service.handle.metrics().transactions_bumped.get() > 0 {
                world.mine(1).await;
            }
            tokio::task::yield_now().await;
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

/// What waits in the pool, lowest nonce first: the offer and the hash.
async fn pooled(world: &World) -> Vec<(u128, B256)> {
    let content: Value = world.anvil.rpc.raw_request("txpool_content".into(), ()).await.unwrap();
    let senders = ["pending", "queued"].map(|part| content[part].as_object().unwrap().values());
    let mut waiting: Vec<(U256, u128, B256)> = senders
        .into_iter()
        .flatten()
        .flat_map(|nonces| nonces.as_object().unwrap().values())
        .map(|tx| {
            let field = |name: &str| serde_json::from_value::<U256>(tx[name].clone()).unwrap();
            (field("nonce"), field("maxFeePerGas").to(), field("hash").into())
        })
        .collect();
    waiting.sort_unstable();
    waiting.into_iter().map(|(_, fee, hash)| (fee, hash)).collect()
}

async fn offers(world: &World) -> Vec<u128> {
    pooled(world).await.into_iter().map(|(fee, _)| fee).collect()
}

/// The chain's clock, of which deadlines are made.
async fn chain_time(world: &World) -> u64 {
    let block = world.anvil.rpc.get_block_by_number(Default::default()).await.unwrap();
    block.unwrap().header.timestamp
}

/// Closed channels that only need to be paid out, which a deadline may be put on.
async fn concluded(world: &World, service: &mut Service, nonce: u64) -> ChainCall {
    let (channel, conclude, settle) = settlement(&world.deployed.deployment, nonce);
    let id = 1_000 + nonce * 2;
    service.handle.submit(CallId(id), deposit(channel, Asset::NATIVE, 0, 9)).unwrap();
    service.until_settled(id).await;
    service.handle.submit(CallId(id + 1), conclude).unwrap();
    service.until_settled(id + 1).await;
    service.until_in_flight(0).await;
    settle
}

fn by(call: ChainCall, deadline: u64, at_risk: u64) -> ChainCall {
    let ChainCall::Settle { channel, outcome, state_hash, reclaims, .. } = call else {
        panic!("not a settlement")
    };
    let urgency = Urgency { deadline: Some(deadline), at_risk: Amount::from(at_risk) };
    ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency }
}

#[tokio::test]
async fn deadline_call_offers_everything_when_half_of_what_was_left_is_gone() {
    let world = World::new().await;
    let deadlines =
        DeadlineBounds { max_fee_per_gas: (900 * GWEI).into(), margin: Duration::from_secs(100) };
    // Only the deadline makes a replacement due.
    let fees = FeeBounds {
        max_fee_per_gas: (50 * GWEI).into(),
        bump_after: Duration::from_secs(3600),
        ..FeeBounds::default()
    };
    let mut service = Service::start(ChainConfig { fees, deadlines, ..world.config() }).await;
    let settle = concluded(&world, &mut service, 1).await;
    world.hold_transactions().await;
    let now = chain_time(&world).await;
    service.handle.submit(CallId(1), by(settle, now + 10_000, 9)).unwrap();
    service.until_in_flight(1).await;
    let low = offers(&world).await;
    assert!(low[0] < u128::from(5 * GWEI), "{low:?}");
    // The first offer cannot pay this.
    world.set_base_fee(100 * GWEI).await;
    world.set("evm_setNextBlockTimestamp", json!([now + 2_500])).await;
    world.mine(1).await;
    within("a higher offer", async {
        while offers(&world).await.first().is_none_or(|fee| *fee < u128::from(400 * GWEI)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // And this not the second.
    world.set_base_fee(850 * GWEI).await;
    world.set("evm_setNextBlockTimestamp", json!([now + 5_001])).await;
    world.mine(1).await;
    within("the highest offer", async {
        while offers(&world).await != [u128::from(900 * GWEI)] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn deadline_call_offers_no_more_than_the_account_has() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    let settle = concluded(&world, &mut service, 1).await;
    world.hold_transactions().await;
    let now = chain_time(&world).await;
    // Enough for what the chain asks, far from the bound of 1000 gwei.
    world.set_balance(account, 5_000_000 * u128::from(GWEI)).await;
    service.handle.submit(CallId(1), by(settle, now + 100, 9)).unwrap();
    service.until_in_flight(1).await;
    // The climb is over, and the account cannot follow it.
    pass(&world, 10 * GWEI, now + 50).await;
    service.until_problem(&[&account.to_string(), "send it coins"]).await;
    let low = offers(&world).await[0];
    assert!(low < u128::from(100 * GWEI), "{low}");
    // The account gets coins, and the call what they pay for.
    world.set_balance(account, 10u128.pow(18)).await;
    within("the highest offer", async {
        while offers(&world).await != [u128::from(1_000 * GWEI)] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn deposit_in_front_of_a_deadline_call_is_raised_with_it() {
    let world = World::new().await;
    let deadlines =
        DeadlineBounds { max_fee_per_gas: (900 * GWEI).into(), margin: Duration::from_secs(100) };
    let fees = FeeBounds { bump_after: Duration::from_secs(3600), ..FeeBounds::default() };
    let mut service = Service::start(ChainConfig { fees, deadlines, ..world.config() }).await;
    let settle = concluded(&world, &mut service, 1).await;
    world.hold_transactions().await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    let now = chain_time(&world).await;
    // Less is left than the margin, of which a quarter is for the climb.
    service.handle.submit(CallId(2), by(settle, now + 80, 9)).unwrap();
    service.until_in_flight(2).await;
    let low = offers(&world).await;
    assert!(low.iter().all(|fee| *fee < u128::from(10 * GWEI)), "{low:?}");
    pass(&world, 100 * GWEI, now + 20).await;
    within("both offers", async {
        while offers(&world).await != [u128::from(900 * GWEI); 2] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
}

/// Moves the chain's clock with a block that first offers are too low for.
async fn pass(world: &World, fee: u64, time: u64) {
    world.set_base_fee(fee).await;
    world.set("evm_setNextBlockTimestamp", json!([time])).await;
    world.mine(1).await;
}

#[tokio::test]
async fn many_cheap_calls_leave_room_for_an_urgent_one() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    let settle = concluded(&world, &mut service, 1).await;
    let before = world.mined_nonce(account).await;
    world.hold_transactions().await;
    for id in 1..=40u8 {
        let call = deposit(channel(id), Asset::NATIVE, 0, 1);
        service.handle.submit(CallId(id.into()), call).unwrap();
    }
    service.until_in_flight(12).await;
    let now = chain_time(&world).await;
    service.handle.submit(CallId(500), by(settle, now + 1_000, 9)).unwrap();
    service.until_in_flight(13).await;
    assert_eq!(service.handle.status().calls.waiting, 28);
    world.mine(1).await;
    assert!(matches!(service.until_settled(500).await, Receipt::Succeeded { .. }));
    world.set("evm_setAutomine", json!([true])).await;
    world.mine(1).await;
    for id in 1..=40 {
        assert!(matches!(service.until_settled(id).await, Receipt::Succeeded { .. }));
    }
    assert_eq!(world.mined_nonce(account).await, before + 41);
}

#[tokio::test]
async fn dropped_transaction_is_sent_again() {
    let world = World::new().await;
    world.hold_transactions().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    for dropped in 1..=2 {
        let (_, hash) = pooled(&world).await[0];
        world.set("anvil_dropTransaction", json!([hash])).await;
        within("the transaction again", async {
            while service.handle.metrics().transactions_resent.get() < dropped
                || offers(&world).await.is_empty()
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(account).await, 1);
}
