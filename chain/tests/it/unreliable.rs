//! Endpoints that refuse, forget, lag and lie.

use alloy::hex;
use alloy::sol_types::SolCall;
use chain::ChainConfig;
use chain::bindings::NitroAdjudicator::depositUpToCall;
use engine::chain::Receipt;
use engine::types::{Asset, B256, CallId};
use serde_json::{Value, json};

use crate::support::{Meddler, Meddling, Service, World, channel, deposit, within};

/// Counts down the times that something goes wrong.
fn take(times: &mut u32) -> bool {
    let left = *times > 0;
    *times = times.saturating_sub(1);
    left
}

fn height(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

async fn deposits(world: &World, tags: std::ops::Range<u8>) {
    let mut peer = Service::start(world.config()).await;
    for tag in tags {
        peer.handle.submit(CallId(tag.into()), deposit(channel(tag), Asset::NATIVE, 0, 7)).unwrap();
        peer.until_settled(tag.into()).await;
    }
    peer.stop().await;
}

#[tokio::test]
async fn range_that_is_refused_is_read_in_halves() {
    let world = World::new().await;
    deposits(&world, 1..4).await;
    world.mine(40).await;
    let meddler = Meddler::start(world.anvil.rpc.clone(), |method, params| {
        let range = &params[0];
        match (method, height(&range["fromBlock"]), height(&range["toBlock"])) {
            ("eth_getLogs", Some(from), Some(to)) if to - from >= 5 => {
                Meddling::Refuse("query exceeds max block range 5")
            }
            _ => Meddling::Pass,
        }
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_delivered(world.block_number().await).await;
    for tag in 1..4 {
        service.until_held(channel(tag), 7).await;
    }
    assert!(service.handle.metrics().ranges_halved.get() > 0);
    assert_eq!(service.handle.metrics().endpoint_failures.get(), 0);
}

#[tokio::test]
async fn sent_transaction_whose_answer_is_lost_is_not_sent_twice() {
    let world = World::new().await;
    let mut lost = 1;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_sendRawTransaction" && take(&mut lost) {
            return Meddling::LoseAnswer;
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
    assert_eq!(service.handle.metrics().transactions_sent.get(), 1);
}

#[tokio::test]
async fn transaction_that_the_endpoint_swallows_is_sent_again() {
    let world = World::new().await;
    let mut swallowed = 2;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_sendRawTransaction" && take(&mut swallowed) {
            return Meddling::Answer(json!(B256::ZERO));
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(service.handle.metrics().transactions_resent.get(), 2);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn logs_of_a_block_that_is_not_on_the_chain_are_not_believed() {
    let world = World::new().await;
    deposits(&world, 1..2).await;
    let mut lies = 3;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_getLogs" && take(&mut lies) {
            return Meddling::Change(|logs| {
                for log in logs.as_array_mut().unwrap() {
                    log["blockHash"] = json!(B256::repeat_byte(1));
                }
            });
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_held(channel(1), 7).await;
    assert_eq!(service.handle.metrics().ranges_repeated.get(), 3);
}

#[tokio::test]
async fn withheld_logs_are_noticed_and_read_again() {
    let world = World::new().await;
    let mut withheld = 2;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method == "eth_getLogs" && params[0]["blockHash"].is_string() && take(&mut withheld) {
            return Meddling::Answer(json!([]));
        }
        Meddling::Pass
    })
    .await;
    deposits(&world, 1..2).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_held(channel(1), 7).await;
    assert_eq!(service.handle.metrics().ranges_repeated.get(), 2);
}

#[tokio::test]
async fn endpoint_that_lags_is_not_a_reorganisation() {
    let world = World::new().await;
    deposits(&world, 1..2).await;
    world.mine(5).await;
    let mut service = Service::start(world.config()).await;
    service.until_delivered(world.block_number().await).await;
    let (journal, blocks) = service.stop().await;
    let behind = format!("{:#x}", blocks.first().unwrap().block.number.0);
    let old: Value = {
        use alloy::providers::Provider;
        let params = json!([behind, false]);
        world.anvil.rpc.raw_request("eth_getBlockByNumber".into(), params).await.unwrap()
    };
    let mut old_heads = 6;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method == "eth_getBlockByNumber" && params[0] == "latest" && take(&mut old_heads) {
            return Meddling::Answer(old.clone());
        }
        Meddling::Pass
    })
    .await;
    // The endpoint must not be refused for being behind the block of the deployment.
    let config = ChainConfig { endpoint: meddler.url(), start_block: 0, ..world.config() };
    let mut service = Service::resume(config, journal, blocks).await;
    let mut status = service.handle.watch_chain();
    let reported = |error: &String| error.contains("is behind");
    within(
        "the report",
        status.wait_for(|status| status.last_error.as_ref().is_some_and(reported)),
    )
    .await
    .unwrap();
    world.mine(1).await;
    service.until_delivered(world.block_number().await).await;
    assert_eq!(service.reorgs, []);
    service.until_held(channel(1), 7).await;
}

#[tokio::test]
async fn refusal_of_a_lagging_node_is_not_final() {
    let world = World::new().await;
    deposits(&world, 1..2).await;
    // The estimate knows nothing of the deposit that is already confirmed.
    let mut stale = 2;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        let data = params[0]["input"].as_str().unwrap_or_default();
        let is_deposit = data.starts_with(&hex::encode_prefixed(depositUpToCall::SELECTOR));
        if method == "eth_estimateGas" && is_deposit && take(&mut stale) {
            return Meddling::Refuse("execution reverted: held < expectedHeld");
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.until_held(channel(1), 7).await;
    service.handle.submit(CallId(9), deposit(channel(1), Asset::NATIVE, 7, 5)).unwrap();
    assert!(matches!(service.until_settled(9).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 12).await;
}

#[tokio::test]
async fn allowance_of_a_token_that_wants_a_reset_is_reset_first() {
    let world = World::new().await;
    let account = world.approve_from_service_account(3).await;
    world.give_tokens(account, 8).await;
    // Such a token refuses to change an allowance that is not zero.
    let mut is_reset = false;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        is_reset |= method == "eth_sendRawTransaction";
        let data = params[0]["input"].as_str().unwrap_or_default();
        if !is_reset && data.starts_with("0x095ea7b3") && data.ends_with('8') {
            return Meddling::Refuse("execution reverted: reset first");
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), world.token(), 0, 8)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 8).await;
    // The old approval, the reset, the approval and the deposit.
    assert_eq!(world.mined_nonce(account).await, 4);
}
