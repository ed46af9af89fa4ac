//! Blocks that are taken back.

use chain::ChainConfig;
use engine::chain::{Block, BlockRef, Receipt};
use engine::types::{Amount, Asset, B256, BlockNumber, CallId};
use serde_json::json;

use crate::support::{MemoryJournal, Service, World, channel, deposit, within};

#[tokio::test]
async fn unconfirmed_deposit_is_sent_again() {
    let world = World::new().await;
    let mut service = Service::start(ChainConfig { confirmations: 3, ..world.config() }).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    world.mine(1).await;
    world.reorganise(2).await;
    let account = service.handle.account();
    within("the transaction", async {
        while world.mined_nonce(account).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(3).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    assert_eq!(service.reorgs, [], "what was not delivered is not taken back");
    assert_eq!(world.mined_nonce(account).await, 1);
}

#[tokio::test]
async fn confirmed_deposit_is_taken_back_and_mined_again() {
    let world = World::new().await;
    world.mine(5).await;
    let mut service = Service::start(ChainConfig { confirmations: 1, ..world.config() }).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    world.mine(1).await;
    let Receipt::Succeeded { block } = service.until_settled(1).await else { panic!("reverted") };
    service.until_held(channel(1), 5).await;
    let delivered = service.blocks.last().unwrap().block;
    world.reorganise(3).await;
    service.until("the reorganisation", |service| !service.reorgs.is_empty()).await;
    assert!(service.reorgs[0].number < block);
    assert!(service.blocks.iter().all(|block| block.block.hash != delivered.hash));
    assert_eq!(service.held(channel(1)), None);
    within("the transaction", async {
        while world.mined_nonce(service.handle.account()).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(1).await;
    service.until_held(channel(1), 5).await;
    assert_eq!(service.settlements, 1, "the engine learns the rest from the blocks");
    assert_eq!(service.handle.metrics().calls_reopened.get(), 1);
    let held = service.handle.holdings(Asset::NATIVE, channel(1)).await.unwrap();
    assert_eq!(held, Amount::from(5u64));
}

#[tokio::test]
async fn approval_of_an_ended_call_that_is_taken_back_holds_up_nobody() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    world.give_tokens(service.handle.account(), 5).await;
    world.mine(5).await;
    // Its approval is mined; then the contract refuses the deposit.
    service.handle.submit(CallId(1), deposit(channel(1), world.token(), 9, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Reverted { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
    world.reorganise(2).await;
    world.set("anvil_dropAllTransactions", json!([])).await;
    assert_eq!(world.mined_nonce(service.handle.account()).await, 0);
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn reorganisation_during_a_pause_is_found_at_start() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    world.mine(3).await;
    service.until_delivered(world.block_number().await).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_settled(1).await;
    service.until_held(channel(1), 5).await;
    let (_, blocks) = service.stop().await;
    world.reorganise(2).await;
    world.mine(2).await;
    // Without the journal nothing sends the transaction again.
    let mut service = Service::resume(world.config(), MemoryJournal::default(), blocks).await;
    service.until("the reorganisation", |service| !service.reorgs.is_empty()).await;
    assert_eq!(service.held(channel(1)), None);
    service.until_delivered(world.block_number().await).await;
    assert_eq!(service.reorgs.len(), 1);
}

/// Nobody knows the newest blocks of before any more: once this wedged the watcher, also after a
/// restart.
#[tokio::test]
async fn reorganisation_deeper_than_the_newest_blocks_finds_an_older_one() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    for _ in 0..200 {
        world.mine(1).await;
        service.until_delivered(world.block_number().await).await;
    }
    world.reorganise(150).await;
    world.mine(1).await;
    service.until("the reorganisation", |service| !service.reorgs.is_empty()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_held(channel(1), 5).await;
    assert_eq!(service.handle.status().chain.alarm, None);
}

#[tokio::test]
async fn chain_without_any_known_block_is_reported_and_changes_nothing() {
    let world = World::new().await;
    let unknown = BlockRef {
        number: BlockNumber(world.deployed.start_block),
        hash: B256::repeat_byte(1),
        timestamp: 0,
    };
    let blocks = vec![Block { block: unknown, logs: vec![], debts: vec![] }];
    let service = Service::resume(world.config(), MemoryJournal::default(), blocks).await;
    let mut status = service.handle.watch_chain();
    let reported = |error: &String| error.contains("contains none of the 1 blocks");
    within(
        "the report",
        status.wait_for(|status| status.last_error.as_ref().is_some_and(reported)),
    )
    .await
    .unwrap();
    assert_eq!(service.handle.metrics().blocks_delivered.get(), 0);
}
