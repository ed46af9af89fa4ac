//! A service that stops at a bad moment and starts again from its journal.

use engine::chain::Receipt;
use engine::types::{Asset, CallId};
use serde_json::json;

use crate::support::{MemoryJournal, Service, World, channel, deposit};

#[tokio::test]
async fn stopped_before_the_receipt_it_continues_with_the_same_transaction() {
    let world = World::new().await;
    world.hold_transactions().await;
    let call = deposit(channel(1), Asset::NATIVE, 0, 5);
    let service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), call.clone()).unwrap();
    service.until_in_flight(1).await;
    let (journal, blocks) = service.stop().await;
    let mut service = Service::resume(world.config(), journal, blocks).await;
    service.handle.submit(CallId(1), call).unwrap();
    service.until_in_flight(1).await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn stopped_between_record_and_send_it_sends_the_recorded_transaction() {
    let world = World::new().await;
    world.hold_transactions().await;
    let service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    let (journal, blocks) = service.stop().await;
    // As if it had never left.
    world.set("anvil_dropAllTransactions", json!([])).await;
    world.set("evm_setAutomine", json!([true])).await;
    // The record alone suffices, also before the engine offers the call again.
    let mut service = Service::resume(world.config(), journal, blocks).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    assert_eq!(service.handle.metrics().transactions_resent.get(), 1);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn settled_call_that_is_offered_again_is_answered_again() {
    let world = World::new().await;
    let call = deposit(channel(1), Asset::NATIVE, 0, 5);
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), call.clone()).unwrap();
    let receipt = service.until_settled(1).await;
    let (journal, blocks) = service.stop().await;
    let mut service = Service::resume(world.config(), journal, blocks).await;
    service.handle.submit(CallId(1), call).unwrap();
    assert_eq!(service.until_settled(1).await, receipt);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn token_deposit_continues_after_its_approval() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    world.give_tokens(account, 8).await;
    service.until_delivered(world.block_number().await).await;
    world.hold_transactions().await;
    let call = deposit(channel(1), world.token(), 0, 8);
    service.handle.submit(CallId(1), call.clone()).unwrap();
    let mut calls = service.handle.watch_calls();
    let journal = service.journal.clone();
    crate::support::within("the approval", async {
        while journal.len() == 0 {
            calls.changed().await.unwrap();
        }
    })
    .await;
    let (journal, blocks) = service.stop().await;
    world.set("evm_setAutomine", json!([true])).await;
    world.mine(1).await;
    let mut service = Service::resume(world.config(), journal, blocks).await;
    service.handle.submit(CallId(1), call).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 8).await;
    assert_eq!(world.mined_nonce(account).await, 2);
}

#[tokio::test]
async fn delivered_blocks_are_not_delivered_again() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_settled(1).await;
    service.until_held(channel(1), 5).await;
    let (journal, blocks) = service.stop().await;
    let before = blocks.len();
    world.mine(4).await;
    let mut service = Service::resume(world.config(), journal, blocks).await;
    // The support refuses a block that is not above the last one.
    service.until_delivered(world.block_number().await).await;
    assert!(service.blocks[before..].iter().all(|block| block.logs.is_empty()));
}

#[tokio::test]
async fn nothing_is_sent_that_the_journal_does_not_hold() {
    let world = World::new().await;
    let journal = MemoryJournal::default();
    journal.break_down();
    let mut service = Service::resume(world.config(), journal, vec![]).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until("the end", |service| service.fatal.is_some()).await;
    assert!(service.fatal.as_ref().unwrap().contains("no space left"));
    assert_eq!(service.handle.metrics().transactions_sent.get(), 0);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 0);
}
