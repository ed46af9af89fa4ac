//! Several endpoints: one goes away, lags or lies, and the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy::providers::Provider;
use chain::testing::refusing;
use chain::{ChainConfig, ChainError};
use engine::chain::{BlockRef, Receipt};
use engine::types::{Amount, Asset, B256, CallId};
use serde_json::{Value, json};

use crate::support::{
    Anvil, Meddler, Meddling, MemoryJournal, Proxy, Service, World, channel, deposit, key, within,
};

/// Deposits directly at the chain, as a peer would.
async fn peer_deposits(world: &World, tag: u8, amount: u64) {
    let mut peer = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    peer.handle.submit(CallId(1), deposit(channel(tag), Asset::NATIVE, 0, amount)).unwrap();
    peer.until_settled(1).await;
    peer.stop().await;
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Asks `first` before the chain's own endpoint.
fn led_by(world: &World, first: String) -> ChainConfig {
    let config = ChainConfig { endpoint: first, ..world.config() };
    config.with_endpoints([world.anvil.url()])
}

/// Goes on without an endpoint that is down after a moment. Not for liars: under load the honest
/// one may take longer to connect.
fn impatient(config: ChainConfig) -> ChainConfig {
    ChainConfig { stall_after: Duration::from_millis(300), ..config }
}

/// An endpoint that keeps to a rule while it is told to lie.
async fn liar(
    world: &World,
    mut rule: impl FnMut(&str, &Value) -> Meddling + Send + 'static,
) -> (Meddler, Arc<AtomicBool>) {
    let lies = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&lies);
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if told.load(Ordering::SeqCst) { rule(method, params) } else { Meddling::Pass }
    })
    .await;
    (meddler, lies)
}

async fn newest(world: &World) -> Value {
    let params = json!(["latest", false]);
    world.anvil.rpc.raw_request("eth_getBlockByNumber".into(), params).await.unwrap()
}

async fn honest(world: &World) -> Meddler {
    Meddler::start(world.anvil.rpc.clone(), |_, _| Meddling::Pass).await
}

async fn until_alarm(service: &Service, raised: bool) {
    let mut status = service.handle.watch_chain();
    within("the alarm", status.wait_for(|status| status.alarm.is_some() == raised)).await.unwrap();
}

async fn until_leads(service: &Service, seat: usize) {
    let mut status = service.handle.watch_chain();
    let leads = |status: &chain::ChainStatus| {
        status.endpoints.get(seat).is_some_and(|endpoint| endpoint.leads)
    };
    within("the leader", status.wait_for(leads)).await.unwrap();
}

fn invents_a_deposit(method: &str, _: &Value) -> Meddling {
    if method != "eth_getLogs" {
        return Meddling::Pass;
    }
    Meddling::Change(|logs| {
        for log in logs.as_array_mut().unwrap() {
            // The holdings are the last word.
            log["data"] = json!(format!("{}ff", &log["data"].as_str().unwrap()[..128]));
        }
    })
}

/// Without logs and without the bloom filter that tells of them.
fn hides_deposits(method: &str, _: &Value) -> Meddling {
    match method {
        "eth_getLogs" => Meddling::Answer(json!([])),
        "eth_getBlockByNumber" => Meddling::Change(|block| {
            if block.is_object() {
                block["logsBloom"] = json!(format!("0x{}", "0".repeat(512)));
            }
        }),
        _ => Meddling::Pass,
    }
}

fn has_other_blocks(method: &str, _: &Value) -> Meddling {
    if method != "eth_getBlockByNumber" {
        return Meddling::Pass;
    }
    Meddling::Change(|block| {
        if block.is_object() && block["number"] != json!("0x0") {
            block["hash"] = json!(B256::repeat_byte(1));
        }
    })
}

fn refuses_calls(method: &str, _: &Value) -> Meddling {
    match method {
        "eth_estimateGas" | "eth_call" => Meddling::Refuse("execution reverted: no"),
        _ => Meddling::Pass,
    }
}

#[tokio::test]
async fn next_endpoint_takes_over_and_the_preferred_one_comes_back() {
    let world = World::new().await;
    let mut proxy = Proxy::start(world.anvil.port).await;
    let mut service = Service::start(impatient(led_by(&world, url(proxy.port)))).await;
    until_leads(&service, 0).await;
    proxy.cut().await;
    until_leads(&service, 1).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
    let status = service.handle.status().chain;
    assert!(status.link.is_up());
    assert!(status.endpoints[0].head.is_none() && status.endpoints[0].error.is_some());
    proxy.mend().await;
    until_leads(&service, 0).await;
    peer_deposits(&world, 2, 3).await;
    service.until_held(channel(2), 3).await;
}

#[tokio::test]
async fn endpoint_without_logs_makes_way_for_the_next() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let broken = Meddler::start(world.anvil.rpc.clone(), |method, _| match method {
        "eth_getLogs" => Meddling::Refuse("internal error"),
        _ => Meddling::Pass,
    })
    .await;
    let mut service = Service::start(led_by(&world, broken.url())).await;
    service.until_held(channel(1), 3).await;
    assert_eq!(service.handle.status().chain.alarm, None, "no answer is no contradiction");
}

#[tokio::test]
async fn lone_liar_cannot_invent_a_deposit() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let (liar, _) = liar(&world, invents_a_deposit).await;
    let third = honest(&world).await;
    let config = led_by(&world, liar.url()).with_endpoints([third.url()]);
    let mut service = Service::start(config).await;
    service.until_held(channel(1), 3).await;
    until_alarm(&service, true).await;
    // Money goes on to move.
    service.handle.submit(CallId(1), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(2), 5).await;
    let held = service.blocks.iter().flat_map(|block| &block.logs).count();
    assert_eq!(held, 2);
}

#[tokio::test]
async fn of_two_that_contradict_neither_is_believed() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let (liar, lies) = liar(&world, invents_a_deposit).await;
    let mut service = Service::start(led_by(&world, liar.url())).await;
    until_alarm(&service, true).await;
    let alarm = service.handle.status().chain.alarm.unwrap();
    assert!(alarm.contains("contradicts") && alarm.contains(&liar.url()), "{alarm}");
    let delivered = service.handle.status().chain.delivered.unwrap().number.0;
    assert!(delivered < world.deployed.start_block, "nothing is told but the anchor");
    // Sending does not wait for the dispute.
    service.handle.submit(CallId(1), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    lies.store(false, Ordering::SeqCst);
    service.until_held(channel(1), 3).await;
    until_alarm(&service, false).await;
}

#[tokio::test]
async fn liar_cannot_hide_a_deposit() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let (liar, lies) = liar(&world, hides_deposits).await;
    let mut service = Service::start(led_by(&world, liar.url())).await;
    until_alarm(&service, true).await;
    let delivered = service.handle.status().chain.delivered.unwrap().number.0;
    assert!(delivered < world.deployed.start_block);
    lies.store(false, Ordering::SeqCst);
    service.until_held(channel(1), 3).await;
}

#[tokio::test]
async fn liar_cannot_invent_a_reorganisation() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let (liar, lies) = liar(&world, has_other_blocks).await;
    lies.store(false, Ordering::SeqCst);
    let third = honest(&world).await;
    let config = led_by(&world, liar.url()).with_endpoints([third.url()]);
    let mut service = Service::start(config).await;
    service.until_held(channel(1), 3).await;
    lies.store(true, Ordering::SeqCst);
    peer_deposits(&world, 2, 4).await;
    service.until_held(channel(2), 4).await;
    assert_eq!(service.reorgs, []);
}

#[tokio::test]
async fn receipt_that_others_do_not_have_settles_nothing() {
    let world = World::new().await;
    world.hold_transactions().await;
    let block = newest(&world).await;
    let (number, hash) = (block["number"].clone(), block["hash"].clone());
    let mut sent = false;
    let (liar, lies) = liar(&world, move |method, params| match method {
        "eth_getTransactionReceipt" => Meddling::Answer(json!({
            "transactionHash": params[0], "transactionIndex": "0x0", "blockHash": hash,
            "blockNumber": number, "from": format!("0x{}", "11".repeat(20)),
            "to": format!("0x{}", "22".repeat(20)), "cumulativeGasUsed": "0x1", "gasUsed": "0x1",
            "contractAddress": null, "logs": [], "logsBloom": format!("0x{}", "0".repeat(512)),
            "status": "0x1", "effectiveGasPrice": "0x1", "type": "0x2",
        })),
        "eth_sendRawTransaction" => {
            sent = true;
            Meddling::Pass
        }
        // A receipt alone would not be believed.
        "eth_getTransactionCount" if sent => Meddling::Answer(json!("0x1")),
        _ => Meddling::Pass,
    })
    .await;
    let mut service = Service::start(led_by(&world, liar.url())).await;
    until_leads(&service, 0).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["a transaction is in block", "does not know of"]).await;
    assert_eq!(service.settlements, 0);
    lies.store(false, Ordering::SeqCst);
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

/// It answers in its time, and what both say is told.
#[tokio::test]
async fn slow_second_endpoint_stops_nothing() {
    let world = World::new().await;
    let slow =
        Meddler::start(world.anvil.rpc.clone(), |_, _| Meddling::Delay(Duration::from_millis(200)))
            .await;
    let config = world.config().with_endpoints([slow.url()]);
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_held(channel(1), 5).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(service.handle.metrics().endpoint_failures.get(), 0);
    assert_eq!(service.handle.status().chain.alarm, None);
}

/// A tenth of a day: longer than any request is waited for.
const NEVER: Duration = Duration::from_secs(8_640);

/// The rule of an endpoint that takes connections and answers nothing, or only some methods.
fn hangs(on: fn(&str) -> bool) -> impl FnMut(&str, &Value) -> Meddling + Send {
    move |method, _| if on(method) { Meddling::Delay(NEVER) } else { Meddling::Pass }
}

/// A deposit is sent, settled and told through an endpoint that fails now and then, beside one of
/// that rule; nobody waits for `stall_after`, which is longer than any wait of a test.
async fn works_beside(rule: impl FnMut(&str, &Value) -> Meddling + Send + 'static) {
    let world = World::with(&["--block-time", "1"]).await;
    let busy = || Meddling::Fail { status: 429, retry_after: None, body: "slow down" };
    let first = Meddler::start(world.anvil.rpc.clone(), refusing(20, busy)).await;
    let second = Meddler::start(world.anvil.rpc.clone(), rule).await;
    let config = ChainConfig { endpoint: first.url(), ..world.config() };
    let mut service = Service::start(config.with_endpoints([second.url()])).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
}

/// Once it stopped the first one for two minutes each time.
#[tokio::test]
async fn second_endpoint_that_hangs_stops_nothing() {
    works_beside(hangs(|_| true)).await;
}

/// Once the first one waited for it for ever: it answered all looks at the head.
#[tokio::test]
async fn second_endpoint_that_hangs_on_logs_stops_nothing() {
    works_beside(hangs(|method| method == "eth_getLogs")).await;
}

#[tokio::test]
async fn second_endpoint_that_begins_to_hang_stops_nothing() {
    let mut answered = 0;
    works_beside(move |_, _| {
        answered += 1;
        if answered > 30 { Meddling::Delay(NEVER) } else { Meddling::Pass }
    })
    .await;
}

#[tokio::test]
async fn first_endpoint_that_hangs_makes_way() {
    let world = World::new().await;
    let first = Meddler::start(world.anvil.rpc.clone(), hangs(|_| true)).await;
    let mut service = Service::start(led_by(&world, first.url())).await;
    until_leads(&service, 1).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
}

/// Whoever demands two is not content with one.
#[tokio::test]
async fn endpoint_that_hangs_stops_a_quorum_of_two() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let second =
        Meddler::start(world.anvil.rpc.clone(), hangs(|method| method == "eth_getLogs")).await;
    let config = impatient(world.config().with_endpoints([second.url()]));
    let service = Service::start(ChainConfig { quorum: 2, ..config }).await;
    until_alarm(&service, true).await;
    let delivered = service.handle.status().chain.delivered;
    let is_anchor = |block: BlockRef| block.number.0 < world.deployed.start_block;
    assert!(delivered.is_none_or(is_anchor), "{delivered:?} is told");
}

/// The chain is asked whether a deposit is there already: one endpoint alone must not prevent it.
#[tokio::test]
async fn liar_cannot_keep_a_deposit_from_being_made() {
    let world = World::new().await;
    let (liar, _) = liar(&world, |method, params| match method {
        "eth_call" if params[0]["input"].as_str().is_some_and(|data| data.len() == 2 + 8 + 128) => {
            Meddling::Answer(json!(format!("0x{}", "0f".repeat(32))))
        }
        _ => Meddling::Pass,
    })
    .await;
    let mut service = Service::start(led_by(&world, liar.url())).await;
    until_leads(&service, 0).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_held(channel(1), 5).await;
}

#[tokio::test]
async fn refusal_that_others_contradict_is_not_final() {
    let world = World::new().await;
    let (liar, lies) = liar(&world, refuses_calls).await;
    let mut service = Service::start(led_by(&world, liar.url())).await;
    until_leads(&service, 0).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["a call reverts", "contradicts"]).await;
    assert_eq!(service.settlements, 0);
    lies.store(false, Ordering::SeqCst);
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn endpoint_that_lags_behind_the_majority_is_passed_over() {
    let world = World::new().await;
    let old = newest(&world).await;
    let lagging = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method == "eth_getBlockByNumber" && params[0] == "latest" {
            return Meddling::Answer(old.clone());
        }
        Meddling::Pass
    })
    .await;
    let third = honest(&world).await;
    let config = ChainConfig { max_lag: 3, ..led_by(&world, lagging.url()) };
    let mut service = Service::start(config.with_endpoints([third.url()])).await;
    until_leads(&service, 0).await;
    peer_deposits(&world, 1, 3).await;
    world.mine(6).await;
    until_leads(&service, 1).await;
    service.until_held(channel(1), 3).await;
    service.until_delivered(world.block_number().await).await;
}

#[tokio::test]
async fn stalled_second_endpoint_stops_the_first_only_for_a_while() {
    let world = World::new().await;
    let old = newest(&world).await;
    let stalled = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method == "eth_getBlockByNumber" && params[0] == "latest" {
            return Meddling::Answer(old.clone());
        }
        Meddling::Pass
    })
    .await;
    let config = world.config().with_endpoints([stalled.url()]);
    let mut service = Service::start(impatient(config)).await;
    peer_deposits(&world, 1, 3).await;
    service.until_held(channel(1), 3).await;
}

#[tokio::test]
async fn second_endpoint_that_stays_far_behind_is_an_alarm() {
    let world = World::new().await;
    world.mine(1_000).await;
    let mut looks = 0;
    let syncing = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method != "eth_getBlockByNumber" || params[0] != "latest" {
            return Meddling::Pass;
        }
        // It moves, so that it is not given up.
        looks += 1;
        Meddling::AskFor(json!([format!("{:#x}", looks / 2), false]))
    })
    .await;
    let config = ChainConfig { start_block: 0, ..world.config() };
    let config = config.with_endpoints([syncing.url()]);
    let config = ChainConfig { max_lag: 2, ..impatient(config) };
    let service = Service::start(config).await;
    until_alarm(&service, true).await;
    let alarm = service.handle.status().chain.alarm.unwrap();
    assert!(alarm.contains("not confirmed yet"), "{alarm}");
    assert!(service.handle.status().chain.delivered.is_none_or(|block| block.number.0 < 900));
}

#[tokio::test]
async fn single_answer_suffices_unless_configured_otherwise() {
    let world = World::new().await;
    peer_deposits(&world, 1, 3).await;
    let mut proxy = Proxy::start(world.anvil.port).await;
    proxy.cut().await;
    let config = impatient(world.config().with_endpoints([url(proxy.port)]));
    let mut service = Service::start(config.clone()).await;

    service.until_held(channel(1), 3).await;
    service.stop().await;

    let mut service = Service::start(ChainConfig { quorum: 2, ..config }).await;
    until_alarm(&service, true).await;
    assert!(service.handle.status().chain.alarm.unwrap().contains("`quorum`"));
    assert_eq!(service.handle.metrics().blocks_delivered.get(), 0);
    proxy.mend().await;
    service.until_held(channel(1), 3).await;
    until_alarm(&service, false).await;
}

#[tokio::test]
async fn every_endpoint_must_serve_our_chain() {
    let world = World::new().await;
    let other = Anvil::start(&["--chain-id", "5"]);
    let empty = Anvil::start(&[]);
    for (endpoint, chain) in [(other.url(), true), (empty.url(), false)] {
        let config = ChainConfig { start_block: 0, ..world.config() };
        let config = config.with_endpoints([endpoint.clone()]);
        let started = Service::try_resume(config, MemoryJournal::default(), vec![]).await;
        let Some(ChainError::One { endpoint: named, error }) = started.err() else {
            panic!("the service starts with a wrong endpoint")
        };
        assert_eq!(named, endpoint);
        match *error {
            ChainError::WrongChain { found: 5, .. } => assert!(chain),
            ChainError::NoCode { setting: "adjudicator", .. } => assert!(!chain),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn endpoint_that_is_listed_twice_is_refused() {
    let world = World::new().await;
    let config = world.config().with_endpoints([world.anvil.url()]);
    let started = Service::try_resume(config, MemoryJournal::default(), vec![]).await;
    assert!(started.err().unwrap().to_string().contains("listed twice"));
}

#[tokio::test]
async fn transaction_goes_to_every_endpoint() {
    let world = World::new().await;
    // It says yes and keeps the transaction to itself.
    let swallows = Meddler::start(world.anvil.rpc.clone(), |method, _| match method {
        "eth_sendRawTransaction" => Meddling::Answer(json!(B256::ZERO)),
        _ => Meddling::Pass,
    })
    .await;
    let mut service = Service::start(led_by(&world, swallows.url())).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn coins_and_price_of_gas_are_told_with_each_head() {
    let world = World::new().await;
    let service = Service::start(world.config()).await;
    let account = service.handle.account();
    let mut gas = service.handle.watch_gas();
    world.set_balance(account, 12_345).await;
    world.set_base_fee(7_000_000_000).await;
    world.mine(1).await;
    let told = |gas: &Option<chain::GasReport>| {
        gas.is_some_and(|gas| gas.base_fee == Amount::from(7_000_000_000u64))
    };
    let report = within("the report", gas.wait_for(told)).await.unwrap().unwrap();
    assert_eq!(report.balance, Amount::from(12_345u64));
    assert_eq!(report.block.number.0, world.block_number().await);
    assert!(report.price_per_gas >= Amount::from(14_000_000_000u64));
}
