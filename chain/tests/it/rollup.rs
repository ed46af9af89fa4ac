//! Rollups, which charge for the data of a transaction besides its gas.

use chain::{DEFAULT_MAX_FEE_PER_GAS, GasReport};
use engine::chain::{ChainCall, Receipt, Urgency};
use engine::types::{Amount, Asset, CallId};
use serde_json::json;

use crate::support::{Service, World, channel, deposit, settlement, within};

const GWEI: u128 = 1_000_000_000;

/// A chain whose contract for data fees, where the OP stack has it, charges that for anything.
async fn rollup(fee: &str) -> World {
    let world = World::new().await;
    // PUSH32 fee, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
    let code = format!("0x7f{fee:0>64}60005260206000f3");
    world.set("anvil_setCode", json!(["0x420000000000000000000000000000000000000F", code])).await;
    world
}

/// The price of gas as it is told for the newest block, whose base fee is a gwei.
async fn price(world: &World) -> Amount {
    let service = Service::start(world.config()).await;
    world.set_base_fee(1_000_000_000).await;
    world.mine(1).await;
    let mut gas = service.handle.watch_gas();
    let told = |gas: &Option<GasReport>| {
        gas.is_some_and(|gas| gas.base_fee == Amount::from(1_000_000_000_u64))
    };
    let report = within("the report", gas.wait_for(told)).await.unwrap().unwrap();
    report.price_per_gas
}

/// Reserve, and what is worth enforcing, go by this price.
#[tokio::test]
async fn fee_for_data_is_in_the_price_of_gas() {
    let without = price(&World::new().await).await;
    // 100,000 gas are of a typical call.
    let with = price(&rollup(&format!("{:x}", 100_000 * 3 * GWEI)).await).await;
    assert_eq!(with, without.saturating_add(Amount::from(3 * GWEI)));
}

/// Arbitrum says how much gas data is, and what gas costs.
#[tokio::test]
async fn data_that_counts_as_gas_is_in_the_price_of_gas() {
    let without = price(&World::new().await).await;
    let world = World::new().await;
    // Of 300,000 gas at a gwei: PUSH3, PUSH1 0, MSTORE, PUSH4, PUSH1 32, MSTORE, PUSH1 96, PUSH1 0, RETURN
    let code = "0x620493e0600052633b9aca0060205260606000f3";
    world.set("anvil_setCode", json!(["0x00000000000000000000000000000000000000C8", code])).await;
    let with = price(&world).await;
    assert_eq!(with, without.saturating_add(Amount::from(3 * GWEI)));
}

/// A fee that somebody invents must not make everything look not worth its enforcement.
#[tokio::test]
async fn fee_for_data_counts_for_no_more_than_the_operators_bound() {
    let without = price(&World::new().await).await;
    let with = price(&rollup(&"f".repeat(64)).await).await;
    assert_eq!(with, without.saturating_add(Amount::from(DEFAULT_MAX_FEE_PER_GAS)));
}

#[tokio::test]
async fn account_that_cannot_pay_for_data_is_told_what_it_needs() {
    let world = rollup(&format!("{:x}", 5_000_000 * GWEI)).await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    // Enough for the gas alone.
    world.set_balance(account, 4_000_000 * GWEI).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["needs", "wei but has 4000000000000000"]).await;
    assert_eq!(service.handle.metrics().transactions_sent.get(), 0);
    world.set_balance(account, 9_000_000 * GWEI).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

/// Only who tries knows whether a fee that cannot be paid is true.
#[tokio::test]
async fn fee_for_data_that_is_a_lie_keeps_nothing_that_runs_out_from_being_sent() {
    let world = rollup(&"f".repeat(64)).await;
    let mut service = Service::start(world.config()).await;
    world.set_balance(service.handle.account(), 4_000_000 * GWEI).await;
    let (_, conclude, _) = settlement(&world.deployed.deployment, 1);
    let ChainCall::Conclude { fixed, state, signatures, .. } = conclude else {
        panic!("not a conclusion")
    };
    let deadline = Some(world.timestamp().await + 3_600);
    let urgency = Urgency { deadline, ..Urgency::default() };
    let conclude = ChainCall::Conclude { fixed, state, signatures, urgency };
    service.handle.submit(CallId(1), conclude).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}
