//! Calls that no transaction can hold, and other refusals that must not hold up what is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::hex;
use alloy::sol_types::SolCall;
use chain::ChainConfig;
use chain::bindings::NitroAdjudicator::settleCall;
use engine::chain::{ChainCall, Receipt};
use engine::outcome::{Allocation, Outcome};
use engine::types::{Address, Amount, Asset, CallId};
use serde_json::{Value, json};

use crate::support::{
    Meddler, Meddling, Service, World, channel, conclusion, deposit, key, settlement, within,
};

/// EIP-7825.
const CAP: u64 = 16_777_216;

/// What a settlement with 200 guarantees was seen to need.
const NEEDED: u64 = 20_900_000;

/// A channel that is concluded and only needs to be paid out.
async fn concluded(world: &World) -> ChainCall {
    let mut peer = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    let (channel, conclude, settle) = settlement(&world.deployed.deployment, 1);
    peer.handle.submit(CallId(1), deposit(channel, Asset::NATIVE, 0, 9)).unwrap();
    peer.until_settled(1).await;
    peer.handle.submit(CallId(2), conclude).unwrap();
    peer.until_settled(2).await;
    peer.stop().await;
    settle
}

fn calls(method: &str, params: &Value, selector: [u8; 4]) -> bool {
    let data = params[0]["input"].as_str().unwrap_or_default();
    method == "eth_estimateGas" && data.starts_with(&hex::encode_prefixed(selector))
}

fn sends(method: &str, params: &Value, selector: [u8; 4]) -> bool {
    if method != "eth_sendRawTransaction" {
        return false;
    }
    let raw = hex::decode(params[0].as_str().unwrap()).unwrap();
    let tx = TxEnvelope::decode_2718(&mut raw.as_slice()).unwrap();
    tx.input().starts_with(&selector)
}

/// An endpoint at which a settlement takes much gas.
async fn heavy(world: &World) -> Meddler {
    Meddler::start(world.anvil.rpc.clone(), |method, params| {
        if calls(method, params, settleCall::SELECTOR) {
            return Meddling::Change(|gas| *gas = json!(format!("{NEEDED:#x}")));
        }
        Meddling::Pass
    })
    .await
}

#[tokio::test]
async fn too_large_call_is_told_and_the_defence_behind_it_arrives() {
    let world = World::with(&["--tx-gas-limit"]).await;
    let settle = concluded(&world).await;
    let meddler = heavy(&world).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), settle).unwrap();
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    let receipt = service.until_settled(1).await;
    assert_eq!(receipt, Receipt::TooLarge { needed: NEEDED, cap: CAP });
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1, "it takes no nonce");
    assert_eq!(service.handle.metrics().calls_too_large.get(), 1);
}

#[tokio::test]
async fn endpoint_that_exaggerates_is_not_believed_alone() {
    let world = World::new().await;
    let settle = concluded(&world).await;
    let meddler = heavy(&world).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config.with_endpoints([world.anvil.url()])).await;
    let mut status = service.handle.watch_chain();
    let leads = |status: &chain::ChainStatus| status.endpoints.first().is_some_and(|e| e.leads);
    within("the leader", status.wait_for(leads)).await.unwrap();
    service.handle.submit(CallId(1), settle).unwrap();
    service.until_problem(&["needs 20900000 gas", "contradicts"]).await;
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert!(!service.settled.contains_key(&CallId(1)));
}

#[tokio::test]
async fn call_beyond_the_share_of_a_block_is_not_sent() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let (first, conclude) =
        conclusion(&world.deployed.deployment, 1, Address::repeat_byte(0x77), 9);
    service.handle.submit(CallId(1), deposit(first, Asset::NATIVE, 0, 9)).unwrap();
    service.until_settled(1).await;
    // Enough for a deposit, not for a conclusion.
    world.set("evm_setBlockGasLimit", json!(["0x186a0"])).await;
    world.mine(1).await;
    service.until_delivered(world.block_number().await).await;
    service.handle.submit(CallId(2), conclude).unwrap();
    service.handle.submit(CallId(3), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    let Receipt::TooLarge { needed, cap } = service.until_settled(2).await else {
        panic!("it was sent")
    };
    assert!(needed > cap && cap == 75_000, "{needed} of {cap}");
    assert!(matches!(service.until_settled(3).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 2);
}

#[tokio::test]
async fn too_large_transaction_that_was_accepted_before_gives_its_nonce_up() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    let (first, conclude) =
        conclusion(&world.deployed.deployment, 1, Address::repeat_byte(0x77), 9);
    service.handle.submit(CallId(1), deposit(first, Asset::NATIVE, 0, 9)).unwrap();
    service.until_settled(1).await;
    world.hold_transactions().await;
    service.handle.submit(CallId(2), conclude.clone()).unwrap();
    service.until_in_flight(1).await;
    service.handle.submit(CallId(3), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(2).await;
    // A fork or a smaller block purges the pools of it.
    world.set("evm_setBlockGasLimit", json!(["0x186a0"])).await;
    world.set("anvil_dropAllTransactions", json!([])).await;
    world.set("evm_setAutomine", json!([true])).await;
    let Receipt::TooLarge { needed, cap } = service.until_settled(2).await else {
        panic!("it was sent")
    };
    assert!(needed > cap, "{needed} of {cap}");
    assert!(matches!(service.until_settled(3).await, Receipt::Succeeded { .. }));
    // The first deposit, what fills the nonce, and the second deposit.
    assert_eq!(world.mined_nonce(account).await, 3);
    // And the account goes on.
    service.handle.submit(CallId(4), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(4).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(account).await, 4);
}

/// Refuses to take settlements with these words while told so.
async fn refusing(world: &World, words: &'static str) -> (Meddler, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&refuses);
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if told.load(Ordering::SeqCst) && sends(method, params, settleCall::SELECTOR) {
            return Meddling::Refuse(words);
        }
        Meddling::Pass
    })
    .await;
    (meddler, refuses)
}

#[tokio::test]
async fn nonce_of_a_definite_refusal_goes_to_the_next_call() {
    let world = World::new().await;
    let settle = concluded(&world).await;
    let words = "transaction gas limit too high (cap: 16777216, tx: 20900000)";
    let (meddler, _) = refusing(&world, words).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), settle).unwrap();
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert!(matches!(service.until_settled(1).await, Receipt::TooLarge { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn refusal_that_nobody_understands_holds_up_nobody_and_ends_nothing() {
    let world = World::new().await;
    let settle = concluded(&world).await;
    let (meddler, refuses) = refusing(&world, "the weather is bad").await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), settle).unwrap();
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    service.until_problem(&["the weather is bad"]).await;
    assert!(!service.settled.contains_key(&CallId(1)));
    refuses.store(false, Ordering::SeqCst);
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
}

#[tokio::test]
async fn account_that_cannot_pay_one_call_pays_the_next() {
    let world = World::new().await;
    let settle = concluded(&world).await;
    let words = "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1";
    let (meddler, refuses) = refusing(&world, words).await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), settle).unwrap();
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    refuses.store(false, Ordering::SeqCst);
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 2);
}

#[tokio::test]
async fn rate_limit_is_waited_for() {
    let world = World::new().await;
    let mut limited = 5;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, _| {
        if method == "eth_sendRawTransaction" && limited > 0 {
            limited -= 1;
            return Meddling::Refuse("daily request count exceeded, request rate limited");
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    // The same request each time, until it is taken.
    assert_eq!(service.handle.metrics().transactions_sent.get(), 2);
    assert_eq!(service.handle.metrics().transactions_resent.get(), 0);
    assert_eq!(world.mined_nonce(service.handle.account()).await, 2);
}

#[tokio::test]
async fn refusal_is_not_definite_while_another_endpoint_may_have_taken_it() {
    let world = World::new().await;
    let settle = concluded(&world).await;
    let (leader, _) = refusing(&world, "transaction gas limit too high").await;
    let witness = Meddler::start(world.anvil.rpc.clone(), |method, params| {
        if sends(method, params, settleCall::SELECTOR) {
            return Meddling::LoseAnswer;
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: leader.url(), ..world.config() };
    let mut service = Service::start(config.with_endpoints([witness.url()])).await;
    let mut status = service.handle.watch_chain();
    let both = |status: &chain::ChainStatus| {
        status.endpoints.iter().filter(|endpoint| endpoint.head.is_some()).count() == 2
            && status.endpoints[0].leads
    };
    within("both endpoints", status.wait_for(both)).await.unwrap();
    service.handle.submit(CallId(1), settle).unwrap();
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn call_that_cannot_be_looked_after_does_not_stop_the_others() {
    let world = World::new().await;
    world.hold_transactions().await;
    let mut first = None;
    let meddler = Meddler::start(world.anvil.rpc.clone(), move |method, params| {
        if method == "eth_getTransactionReceipt"
            && *first.get_or_insert_with(|| params[0].clone()) == params[0]
        {
            return Meddling::Refuse("missing trie node");
        }
        Meddling::Pass
    })
    .await;
    let config = ChainConfig { endpoint: meddler.url(), ..world.config() };
    let mut service = Service::start(config).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    service.until_problem(&["missing trie node"]).await;
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(2).await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert!(!service.settled.contains_key(&CallId(1)));
}

#[tokio::test]
async fn call_with_more_bytes_than_pools_take_is_not_sent() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let payee = Address::repeat_byte(0x77);
    let (_, conclude) = conclusion(&world.deployed.deployment, 1, payee, 9);
    let ChainCall::ConcludeAndTransfer { fixed, mut state, signatures } = conclude else {
        panic!("not a conclusion")
    };
    let payout = Allocation::simple(payee.into(), Amount::from(1u64));
    state.outcome = Outcome::single(Asset::NATIVE, vec![payout; 1_000]);
    let call = ChainCall::ConcludeAndTransfer { fixed, state, signatures };
    service.handle.submit(CallId(1), call).unwrap();
    let Receipt::TooLarge { needed, cap } = service.until_settled(1).await else {
        panic!("it was sent")
    };
    assert!(needed > 190_000 && cap == 131_072, "{needed} of {cap}");
}
