//! Endpoints that fail as ordinary ones do: rate limits, errors of servers, nodes that lag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use alloy::providers::Provider;
use chain::ChainConfig;
use chain::testing::{Limit, lagging, limited, refusing};
use engine::chain::{ChainFact, ChannelLog, Receipt};
use engine::types::{Asset, B256, CallId};
use serde_json::{Value, json};

use crate::support::{Meddler, Meddling, Service, World, challenge, channel, deposit, key, within};

/// Sends a call through an endpoint that fails, and awaits its settlement and its logs.
async fn a_deposit_arrives(
    config: impl FnOnce(ChainConfig) -> ChainConfig,
    rule: impl FnMut(&str, &Value) -> Meddling + Send + 'static,
) -> (Service, Meddler) {
    let world = World::with(&["--block-time", "1"]).await;
    // So that a node that lags has the contracts.
    world.mine(10).await;
    let meddler = Meddler::start(world.anvil.rpc.clone(), rule).await;
    let config = config(ChainConfig { endpoint: meddler.url(), ..world.config() });
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    assert_eq!(service.reorgs, []);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1, "sent once");
    (service, meddler)
}

/// Requests that fail by chance are no outage.
async fn three_of_ten_fail(fail: fn() -> Meddling) {
    let (service, _meddler) = a_deposit_arrives(|config| config, refusing(30, fail)).await;
    assert_eq!(service.handle.metrics().endpoint_failures.get(), 0);
}

#[tokio::test]
async fn three_of_ten_requests_answered_429_are_no_outage() {
    three_of_ten_fail(|| Meddling::Fail { status: 429, retry_after: None, body: "slow down" })
        .await;
}

#[tokio::test]
async fn three_of_ten_requests_answered_503_are_no_outage() {
    three_of_ten_fail(|| Meddling::Fail { status: 503, retry_after: None, body: "overloaded" })
        .await;
}

#[tokio::test]
async fn three_of_ten_requests_answered_with_a_rate_limit_in_json_are_no_outage() {
    three_of_ten_fail(|| Meddling::Refuse("daily request count exceeded, request rate limited"))
        .await;
}

#[tokio::test]
async fn one_wrong_chain_id_ends_no_node() {
    let mut wrong = 2;
    let fail = move |method: &str, _: &Value| {
        if method == "eth_chainId" && wrong > 0 {
            wrong -= 1;
            return Meddling::Answer(json!("0x1"));
        }
        Meddling::Pass
    };
    let (service, _meddler) = a_deposit_arrives(|config| config, fail).await;
    assert_eq!(service.fatal, None);
}

/// An endpoint that has served the chain before may come back with a wrong answer for a while.
#[tokio::test]
async fn a_wrong_chain_id_after_an_outage_ends_no_node() {
    let world = World::new().await;
    let phase = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&phase);
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        match (told.load(Ordering::SeqCst), method) {
            (1, "eth_chainId") => Meddling::Answer(json!("0x1")),
            (1, _) => Meddling::Fail { status: 503, retry_after: None, body: "away" },
            _ => Meddling::Pass,
        }
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_link(true).await;
    phase.store(1, Ordering::SeqCst);
    service.until_link(false).await;
    let mut status = service.handle.watch_chain();
    let wrong = |status: &chain::ChainStatus| {
        status.last_error.as_ref().is_some_and(|error| error.contains("serves chain 1"))
    };
    within("the wrong chain", status.wait_for(wrong)).await.unwrap();
    phase.store(0, Ordering::SeqCst);
    service.until_link(true).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(service.fatal, None);
}

#[tokio::test]
async fn an_endpoint_is_asked_again_when_it_says() {
    let mut refused = 1;
    let fail = move |method: &str, _: &Value| {
        if method == "eth_estimateGas" && refused > 0 {
            refused -= 1;
            return Meddling::Fail { status: 429, retry_after: Some(2), body: "later" };
        }
        Meddling::Pass
    };
    let started = std::time::Instant::now();
    let (service, _meddler) = a_deposit_arrives(|config| config, fail).await;
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(service.handle.metrics().endpoint_failures.get(), 0);
}

#[tokio::test]
async fn nodes_that_lag_behind_an_endpoint_are_no_reorganisation() {
    let confirmed = |config| ChainConfig { confirmations: 2, ..config };
    a_deposit_arrives(confirmed, lagging(50, 6)).await;
}

#[tokio::test]
async fn a_deposit_is_seen_confirmed_at_two_requests_a_second() {
    a_deposit_arrives(|config| config, limited(Limit(2))).await;
}

#[tokio::test]
async fn a_plain_text_400_halves_the_range() {
    let world = World::new().await;
    let mut peer = Service::start(world.config()).await;
    peer.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 7)).unwrap();
    peer.until_settled(1).await;
    peer.stop().await;
    world.mine(40).await;
    let height = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        match (method, height(&params[0]["fromBlock"]), height(&params[0]["toBlock"])) {
            ("eth_getLogs", Some(from), Some(to)) if to - from >= 10 => {
                Meddling::Fail { status: 400, retry_after: None, body: "range too wide" }
            }
            _ => Meddling::Pass,
        }
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    service.until_held(channel(1), 7).await;
    assert!(service.handle.metrics().ranges_halved.get() > 0);
    assert_eq!(service.handle.metrics().endpoint_failures.get(), 0);
}

/// With blocks of twelve seconds a day has 7,200 of them.
#[tokio::test]
async fn an_idle_node_asks_little_more_than_once_for_each_block() {
    let world = World::with(&["--block-time", "1"]).await;
    let meddler = Meddler::start(world.anvil.rpc.clone(), |_, _| Meddling::Pass).await;
    let config = ChainConfig {
        endpoint: meddler.url(),
        poll_interval: Duration::from_millis(333),
        confirmations: 2,
        ..world.config()
    };
    let mut service = Service::start(config).await;
    let first = world.block_number().await;
    service.until_delivered(first).await;
    let before = meddler.asked();
    service.until_delivered(first + 12).await;
    let asked = meddler.asked() - before;
    assert!(asked <= 17, "{asked} requests in 12 blocks");
}

/// An endpoint shows a receipt for a transaction that it has lost, then is honest. Once nothing ever
/// filled the hole in the nonces, also after a restart. A receipt counts once its nonce is used.
#[tokio::test]
async fn a_receipt_of_a_lost_transaction_wedges_nothing() {
    let world = World::new().await;
    let block: Value = {
        let params = json!(["latest", false]);
        world.anvil.rpc.raw_request("eth_getBlockByNumber".into(), params).await.unwrap()
    };
    let (number, hash) = (block["number"].clone(), block["hash"].clone());
    let (mut swallowed, mut lies) = (1, 4);
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| match method {
        "eth_sendRawTransaction" if swallowed > 0 => {
            swallowed -= 1;
            Meddling::Answer(json!(B256::ZERO))
        }
        "eth_getTransactionReceipt" if lies > 0 => {
            lies -= 1;
            Meddling::Answer(json!({
                "transactionHash": params[0], "transactionIndex": "0x0", "blockHash": hash,
                "blockNumber": number, "from": format!("0x{}", "11".repeat(20)),
                "to": format!("0x{}", "22".repeat(20)), "cumulativeGasUsed": "0x1",
                "gasUsed": "0x1", "contractAddress": null, "logs": [],
                "logsBloom": format!("0x{}", "0".repeat(512)), "status": "0x1",
                "effectiveGasPrice": "0x1", "type": "0x2",
            }))
        }
        _ => Meddling::Pass,
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_held(channel(1), 5).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

/// A provider that lost the logs of a deposit made the node deposit again and again.
#[tokio::test]
async fn a_deposit_whose_log_was_lost_is_not_sent_again_and_is_read_again() {
    let world = World::new().await;
    // In both ways in which they can be asked for.
    let mut lost = 2;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_getLogs" && lost > 0 {
            lost -= 1;
            return Meddling::Answer(json!([]));
        }
        Meddling::Pass
    })
    .await;
    world.mine(10).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let config = ChainConfig { start_block: world.block_number().await, ..config };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_delivered(world.block_number().await).await;
    assert_eq!(service.held(channel(1)), None, "the log is lost");
    // What the engine does about it.
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    world.mine(1).await;
    service.until_held(channel(1), 5).await;
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1, "sent once");
}

/// An endpoint that loses the first logs that it is asked for.
async fn loses_logs(world: &World, mut count: u32) -> Meddler {
    Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_getLogs" && count > 0 {
            count -= 1;
            return Meddling::Answer(json!([]));
        }
        Meddling::Pass
    })
    .await
}

/// Somebody challenges, and the service sees it.
async fn is_challenged(world: &World) {
    let mut peer = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    peer.handle.submit(CallId(1), challenge(&world.deployed.deployment, 1)).unwrap();
    assert!(matches!(peer.until_settled(1).await, Receipt::Succeeded { .. }));
    peer.stop().await;
}

async fn until_challenge_is_told(service: &mut Service) {
    let is_challenge = |log: &ChannelLog| matches!(log.fact, ChainFact::ChallengeRegistered { .. });
    service
        .until("the challenge", |service| {
            service.blocks.iter().flat_map(|block| &block.logs).any(is_challenge)
        })
        .await;
}

/// A challenge whose log was lost in each way in which it was asked for was never answered. The header
/// still tells of it.
#[tokio::test]
async fn a_challenge_whose_log_is_lost_again_and_again_is_seen() {
    let world = World::new().await;
    world.mine(10).await;
    let meddler = loses_logs(&world, 5).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let config = ChainConfig { start_block: world.block_number().await, ..config };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    is_challenged(&world).await;
    until_challenge_is_told(&mut service).await;
}

/// The same while the node was off, for twenty blocks and for hundreds.
#[tokio::test]
async fn a_challenge_whose_log_is_lost_after_a_restart_is_seen() {
    for (blocks, lost) in [(20, 5), (300, 1)] {
        let world = World::new().await;
        world.mine(10).await;
        let config = ChainConfig { start_block: world.block_number().await, ..world.config() };
        let mut service = Service::start(config.clone()).await;
        service.until_delivered(world.block_number().await).await;
        let (journal, told) = service.stop().await;
        is_challenged(&world).await;
        world.mine(blocks).await;
        let meddler = loses_logs(&world, lost).await;
        let config = ChainConfig { endpoint: meddler.url(), ..config };
        let mut service = Service::resume(config, journal, told).await;
        until_challenge_is_told(&mut service).await;
    }
}

/// Anybody can fill a block with more logs than an endpoint shows, beside what looks like a challenge:
/// the watcher asked for all of them for ever, and saw nothing any more.
#[tokio::test]
async fn a_block_with_more_logs_than_an_endpoint_shows_stops_nobody() {
    let world = World::new().await;
    world.mine(10).await;
    let meddler = Meddler::start(world.anvil.rpc.clone(), |method, params| match method {
        "eth_getLogs" if params[0]["address"].is_null() => Meddling::LoseAnswer,
        "eth_getLogs" => Meddling::Answer(json!([])),
        _ => Meddling::Pass,
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let config = ChainConfig { start_block: world.block_number().await, ..config };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    is_challenged(&world).await;
    world.mine(3).await;
    service.until_delivered(world.block_number().await).await;
}

/// Anybody may deposit for a channel: that is told in its time, and no reason to distrust anybody.
#[tokio::test]
async fn a_deposit_of_a_stranger_is_no_lost_log() {
    let world = World::new().await;
    let mut stranger = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    stranger.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    stranger.until_settled(1).await;
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    world.mine(1).await;
    service.until_held(channel(1), 5).await;
    service.until_delivered(world.block_number().await).await;
    assert_eq!(world.mined_nonce(service.handle.account()).await, 0, "nothing is sent");
    assert_eq!(service.reorgs, []);
    assert_eq!(service.handle.status().chain.alarm, None);
}
