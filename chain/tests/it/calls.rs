//! Calls that reach the chain and come back as events.

use chain::ChainConfig;
use engine::chain::{ChainFact, Receipt};
use engine::types::{Address, Amount, Asset, CallId};

use crate::support::{Service, World, channel, conclusion, deposit};

#[tokio::test]
async fn deposits_coins_and_hears_of_it() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    let held = service.handle.holdings(Asset::NATIVE, channel(1)).await.unwrap();
    assert_eq!(held, Amount::from(5u64));
}

#[tokio::test]
async fn deposits_tokens_after_an_exact_approval() {
    // Time between blocks, so that both calls see the state before either is mined.
    let world = World::with(&["--block-time", "0.2"]).await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    world.give_tokens(account, 100).await;
    // Both use the same allowance, so that one must wait for the other.
    service.handle.submit(CallId(1), deposit(channel(1), world.token(), 0, 60)).unwrap();
    service.handle.submit(CallId(2), deposit(channel(2), world.token(), 0, 40)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 60).await;
    service.until_held(channel(2), 40).await;
    let left = service.handle.balance(world.token(), account).await.unwrap();
    assert_eq!(left, Amount::ZERO);
    // Two approvals, two deposits: no approval overwrote another.
    assert_eq!(world.mined_nonce(account).await, 4);
}

#[tokio::test]
async fn concludes_and_pays_out() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let payee = Address::repeat_byte(0x77);
    let (channel, conclude) = conclusion(&world.deployed.deployment, 1, payee, 9);
    service.handle.submit(CallId(1), deposit(channel, Asset::NATIVE, 0, 9)).unwrap();
    service.until_settled(1).await;
    service.handle.submit(CallId(2), conclude).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    service.until_held(channel, 0).await;
    let facts = || service.blocks.iter().flat_map(|block| &block.logs).map(|log| &log.fact);
    let concluded = facts().find_map(|fact| match fact {
        ChainFact::Concluded { finalizes_at } => Some(*finalizes_at),
        _ => None,
    });
    let block = service.blocks.last().unwrap().block;
    assert_eq!(concluded, Some(block.timestamp));
    assert!(facts().any(|fact| *fact
        == ChainFact::AllocationUpdated {
            asset_index: 0,
            initial: Amount::from(9u64),
            holdings: Amount::ZERO
        }));
    let paid = service.handle.balance(Asset::NATIVE, payee).await.unwrap();
    assert_eq!(paid, Amount::from(9u64));
}

#[tokio::test]
async fn many_calls_use_one_sequence_of_nonces() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    for id in 1..=10u8 {
        let call = deposit(channel(id), Asset::NATIVE, 0, 1);
        service.handle.submit(CallId(id.into()), call).unwrap();
    }
    for id in 1..=10 {
        assert!(matches!(service.until_settled(id).await, Receipt::Succeeded { .. }));
    }
    assert_eq!(world.mined_nonce(service.handle.account()).await, 10);
}

#[tokio::test]
async fn nothing_is_delivered_or_settled_before_the_confirmation_depth() {
    let world = World::new().await;
    let config = ChainConfig { confirmations: 3, ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    let mut calls = service.handle.watch_calls();
    crate::support::within("sending", calls.wait_for(|calls| calls.in_flight == 1)).await.unwrap();
    world.mine(2).await;
    let mined = world.block_number().await;
    let mut chain = service.handle.watch_chain();
    let seen = |head: u64| {
        move |chain: &chain::ChainStatus| {
            chain.head.is_some_and(|block| block.number.0 >= head)
                && chain.delivered.is_some_and(|block| block.number.0 + 3 >= head)
        }
    };
    crate::support::within("head", chain.wait_for(seen(mined))).await.unwrap();
    assert_eq!(service.handle.status().calls.in_flight, 1);
    world.mine(1).await;
    let Receipt::Succeeded { block } = service.until_settled(1).await else { panic!("reverted") };
    service.until_held(channel(1), 5).await;
    assert_eq!(service.blocks.last().unwrap().block.number, block);
    assert_eq!(block.0 + 3, world.block_number().await);
}
