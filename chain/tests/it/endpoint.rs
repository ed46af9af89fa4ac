//! Wrong endpoints, and endpoints that go away.

use std::time::Duration;

use chain::{ChainConfig, ChainError};
use engine::state::Deployment;
use engine::types::{Address, Asset, CallId};

use crate::support::{MemoryJournal, Proxy, Service, World, channel, deposit, key};

async fn refusal(config: ChainConfig) -> ChainError {
    let started = Service::try_resume(config, MemoryJournal::default(), vec![]).await;
    started.err().expect("the service refuses to start")
}

#[tokio::test]
async fn refuses_another_chain() {
    let world = World::new().await;
    let deployment = Deployment { chain_id: 1, ..world.deployed.deployment };
    let error = refusal(ChainConfig { deployment, ..world.config() }).await;
    assert!(matches!(error, ChainError::WrongChain { expected: 1, found: 31337 }));
    assert!(error.to_string().contains("`chain_id`"), "{error}");
}

#[tokio::test]
async fn refuses_contracts_that_do_not_exist() {
    let world = World::new().await;
    let good = world.deployed.deployment;
    let empty = Address::repeat_byte(9);
    for (deployment, name) in [
        (Deployment { adjudicator: empty, ..good }, "adjudicator"),
        (Deployment { consensus_app: empty, ..good }, "consensus_app"),
        (Deployment { payment_app: empty, ..good }, "payment_app"),
    ] {
        let error = refusal(ChainConfig { deployment, ..world.config() }).await;
        assert!(
            matches!(error, ChainError::NoCode { setting, address } if setting == name
                && address == empty),
            "{error}"
        );
    }
}

#[tokio::test]
async fn refuses_an_unusable_key_and_endpoint() {
    let world = World::new().await;
    let key = chain::AccountKey::new([0; 32]);
    assert!(matches!(refusal(ChainConfig { key, ..world.config() }).await, ChainError::Key));
    let endpoint = "ftp://127.0.0.1".to_owned();
    let error = refusal(ChainConfig { endpoint, ..world.config() }).await;
    assert!(matches!(error, ChainError::Endpoint { .. }));
}

/// Deposits directly at the chain, as a peer would.
async fn peer_deposits(world: &World, tag: u8, amount: u64) {
    let mut peer = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    peer.handle.submit(CallId(1), deposit(channel(tag), Asset::NATIVE, 0, amount)).unwrap();
    peer.until_settled(1).await;
    peer.stop().await;
}

async fn catches_up_after_an_outage(scheme: &str) {
    let world = World::new().await;
    let mut proxy = Proxy::start(world.anvil.port).await;
    let endpoint = format!("{scheme}://127.0.0.1:{}", proxy.port);
    let mut service = Service::start(ChainConfig { endpoint, ..world.config() }).await;
    peer_deposits(&world, 1, 3).await;
    service.until_held(channel(1), 3).await;
    proxy.cut().await;
    service.until_link(false).await;
    peer_deposits(&world, 2, 4).await;
    world.mine(5).await;
    service.handle.submit(CallId(1), deposit(channel(3), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["no connection"]).await;
    assert!(service.handle.holdings(Asset::NATIVE, channel(2)).await.unwrap_err().is_retryable());
    proxy.mend().await;
    service.until_held(channel(2), 4).await;
    service.until_held(channel(3), 5).await;
    service.until_link(true).await;
    assert!(service.handle.metrics().endpoint_failures.get() > 0);
}

#[tokio::test]
async fn catches_up_after_an_outage_over_http() {
    catches_up_after_an_outage("http").await;
}

#[tokio::test]
async fn catches_up_after_an_outage_over_web_sockets() {
    catches_up_after_an_outage("ws").await;
}

#[tokio::test]
async fn announced_heads_are_followed_at_once() {
    let world = World::new().await;
    let endpoint = world.anvil.ws();
    // Polling alone would exceed every time limit of these tests.
    let poll_interval = Duration::from_secs(3600);
    let mut service =
        Service::start(ChainConfig { endpoint, poll_interval, ..world.config() }).await;
    service.until_link(true).await;
    peer_deposits(&world, 1, 3).await;
    service.until_held(channel(1), 3).await;
}

#[tokio::test]
async fn starts_while_the_endpoint_is_down() {
    let world = World::new().await;
    let mut proxy = Proxy::start(world.anvil.port).await;
    proxy.cut().await;
    let endpoint = format!("http://127.0.0.1:{}", proxy.port);
    let mut service = Service::start(ChainConfig { endpoint, ..world.config() }).await;
    assert!(!service.handle.status().chain.link.is_up());
    assert!(service.handle.status().chain.last_error.is_some());
    peer_deposits(&world, 1, 3).await;
    proxy.mend().await;
    service.until_held(channel(1), 3).await;
}

#[tokio::test]
async fn wrong_chain_behind_an_endpoint_that_was_down_is_fatal() {
    let world = World::new().await;
    let mut proxy = Proxy::start(world.anvil.port).await;
    proxy.cut().await;
    let deployment = Deployment { chain_id: 5, ..world.deployed.deployment };
    let endpoint = format!("http://127.0.0.1:{}", proxy.port);
    let mut service = Service::start(ChainConfig { endpoint, deployment, ..world.config() }).await;
    proxy.mend().await;
    service.until("the end", |service| service.fatal.is_some()).await;
    assert!(service.fatal.unwrap().contains("`chain_id`"));
}

#[tokio::test]
async fn long_gap_is_read_in_bounded_ranges() {
    let world = World::new().await;
    let start = world.block_number().await;
    for tag in 1..4 {
        peer_deposits(&world, tag, u64::from(tag)).await;
        world.mine(7).await;
    }
    let config = ChainConfig { max_range: 2, ..world.config() };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    for tag in 1..4 {
        service.until_held(channel(tag), tag.into()).await;
    }
    let logs: usize = service.blocks.iter().map(|block| block.logs.len()).sum();
    assert_eq!(logs, 3);
    assert!(service.blocks.len() as u64 > (world.block_number().await - start) / 2);
}
