//! Calls that a contract, the endpoint or an empty account refuses.

use alloy::network::TransactionBuilder;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use chain::ChainConfig;
use engine::chain::{ChainCall, Receipt, Urgency};
use engine::types::{Address, Amount, Asset, CallId};
use serde_json::json;

use crate::support::{
    Meddler, Meddling, Service, World, channel, conclusion, deposit, key, settlement, within,
};

const MISMATCH: &str = "held < expectedHeld";

fn reverted(reason: &str) -> Receipt {
    Receipt::Reverted { reason: reason.to_owned() }
}

#[tokio::test]
async fn certain_refusal_costs_nothing() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 7, 5)).unwrap();
    assert_eq!(service.until_settled(1).await, reverted(MISMATCH));
    // No nonce is used, so that the next call is not held up.
    service.handle.submit(CallId(2), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 1);
}

#[tokio::test]
async fn repeated_deposit_adds_nothing() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    let call = deposit(channel(1), Asset::NATIVE, 0, 10u64.pow(18));
    service.handle.submit(CallId(1), call.clone()).unwrap();
    service.until_settled(1).await;
    let before = service.handle.balance(Asset::NATIVE, account).await.unwrap();
    service.handle.submit(CallId(2), call).unwrap();
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    let spent =
        before.checked_sub(service.handle.balance(Asset::NATIVE, account).await.unwrap()).unwrap();
    assert!(spent < Amount::from(10u64.pow(17)), "the coins come back: {spent}");
    let held = service.handle.holdings(Asset::NATIVE, channel(1)).await.unwrap();
    assert_eq!(held, Amount::from(10u64.pow(18)));
}

#[tokio::test]
async fn mined_revert_names_the_contracts_reason() {
    let world = World::with(&["--order", "fifo"]).await;
    let mut first = Service::start(world.config()).await;
    let mut second = Service::start(ChainConfig { key: key(2), ..world.config() }).await;
    let payee = Address::repeat_byte(0x77);
    let (channel, conclude) = conclusion(&world.deployed.deployment, 1, payee, 9);
    first.handle.submit(CallId(1), deposit(channel, Asset::NATIVE, 0, 9)).unwrap();
    first.until_settled(1).await;
    world.hold_transactions().await;
    // The deposit passes the estimate and is mined when what it relies on is paid out.
    first.handle.submit(CallId(2), conclude).unwrap();
    first.until_in_flight(1).await;
    second.handle.submit(CallId(3), deposit(channel, Asset::NATIVE, 9, 1)).unwrap();
    second.until_in_flight(1).await;
    world.mine(1).await;
    assert!(matches!(first.until_settled(2).await, Receipt::Succeeded { .. }));
    assert_eq!(second.until_settled(3).await, reverted(MISMATCH));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let nothing = Asset(Address::repeat_byte(0x66));
    service.handle.submit(CallId(1), deposit(channel(1), nothing, 0, 5)).unwrap();
    let Receipt::Reverted { reason } = service.until_settled(1).await else { panic!("accepted") };
    assert!(reason.contains("does not answer like a token"), "{reason}");
}

#[tokio::test]
async fn empty_account_waits_for_coins() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    world.set_balance(account, 1_000).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&[&account.to_string(), "has 1000"]).await;
    // What waits for its gas does not stop what can be answered without.
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 9, 5)).unwrap();
    assert_eq!(service.until_settled(2).await, reverted(MISMATCH));
    world.set_balance(account, 10u128.pow(18)).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(service.handle.status().calls.problem, None);
}

#[tokio::test]
async fn account_without_tokens_waits_for_them() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    service.handle.submit(CallId(1), deposit(channel(1), world.token(), 0, 5)).unwrap();
    service.until_problem(&[&account.to_string(), "needs 5 of token", "has 0"]).await;
    world.give_tokens(account, 5).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    service.until_held(channel(1), 5).await;
}

#[tokio::test]
async fn refused_send_leaves_no_gap_in_the_nonces() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    // The head still shows a low base fee, so that the first offers are too low.
    world.set_base_fee(50_000_000_000).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 0, 6)).unwrap();
    service.until_problem(&["refuses a transaction"]).await;
    world.set_base_fee(1_000_000_000).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 2);
}

#[tokio::test]
async fn transaction_of_somebody_else_with_our_key_is_left_alone() {
    let world = World::new().await;
    world.hold_transactions().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    let request = TransactionRequest::default()
        .with_to(Address::repeat_byte(5))
        .with_max_fee_per_gas(90_000_000_000)
        .with_max_priority_fee_per_gas(9_000_000_000);
    let foreign = world.wallet(1).send_transaction(request).await.unwrap();
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    world.mine(1).await;
    assert!(foreign.get_receipt().await.unwrap().status());
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(account).await, 2);
}

/// A transfer that the owner sends from the same account, at the price that is asked for at first.
fn transfer(max_fee: u128) -> TransactionRequest {
    TransactionRequest::default()
        .with_to(Address::repeat_byte(5))
        .with_max_fee_per_gas(max_fee)
        .with_max_priority_fee_per_gas(1)
}

/// It was replaced without a word where it paid less than the node's own.
#[tokio::test]
async fn transfer_of_the_owner_is_not_replaced() {
    let world = World::new().await;
    world.hold_transactions().await;
    let foreign = world.wallet(1).send_transaction(transfer(1_500_000_000)).await.unwrap();
    let mut service = Service::start(world.config()).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_problem(&["did not send", "nonce 0"]).await;
    world.mine(1).await;
    assert!(foreign.get_receipt().await.unwrap().status());
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(service.handle.account()).await, 2);
}

/// A call that runs out was stuck behind one that pays too little, for ever.
#[tokio::test]
async fn transfer_that_stays_in_front_of_a_call_that_runs_out_is_outbid() {
    let world = World::new().await;
    world.hold_transactions().await;
    let foreign = world.wallet(1).send_transaction(transfer(1_500_000_000)).await.unwrap();
    // Most nodes count what pays too little now, anvil does not.
    let pool = Meddler::start(world.anvil.rpc.clone(), |method, params| match method {
        "eth_getTransactionCount" if params[1] == "pending" => Meddling::Answer(json!("0x1")),
        _ => Meddling::Pass,
    })
    .await;
    world.set_base_fee(20_000_000_000).await;
    world.mine(1).await;
    let head = world.timestamp().await;
    let (_, conclude, _) = settlement(&world.deployed.deployment, 7);
    let ChainCall::Conclude { fixed, state, signatures, .. } = conclude else { panic!() };
    let urgency = Urgency { deadline: Some(head + 600), at_risk: 1_000_000_u64.into() };
    let config = ChainConfig { endpoint: pool.url(), ..world.config() };
    let mut service = Service::start(config).await;
    let call = ChainCall::Conclude { fixed, state, signatures, urgency };
    service.handle.submit(CallId(1), call).unwrap();
    service.until_problem(&["did not send"]).await;
    world.set("evm_increaseTime", json!([400])).await;
    world.set_base_fee(20_000_000_000).await;
    world.mine(1).await;
    within("the call", async {
        let account = service.handle.account();
        while world.mined_nonce(account).await == 0 {
            world.set_base_fee(20_000_000_000).await;
            world.mine(1).await;
        }
    })
    .await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    let hash = *foreign.tx_hash();
    assert!(world.anvil.rpc.get_transaction_receipt(hash).await.unwrap().is_none(), "outbid");
}

/// A deposit that waited for coin was made as soon as there was coin, long after it was wanted.
#[tokio::test]
async fn call_that_waits_is_taken_back_and_one_that_is_sent_goes_on() {
    let world = World::new().await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    world.set_balance(account, 1_000).await;
    let waiting = deposit(channel(1), Asset::NATIVE, 0, 5);
    service.handle.submit(CallId(1), waiting.clone()).unwrap();
    service.until_problem(&[&account.to_string(), "has 1000"]).await;
    service.handle.withdraw(CallId(1)).unwrap();
    assert_eq!(service.until_settled(1).await, Receipt::Withdrawn);
    // Its end stays known: it is not sent when it is offered once more, with coin in the account.
    world.set_balance(account, 10u128.pow(18)).await;
    let (journal, blocks) = service.stop().await;
    let mut service = Service::resume(world.config(), journal, blocks).await;
    service.handle.submit(CallId(1), waiting).unwrap();
    assert_eq!(service.until_settled(1).await, Receipt::Withdrawn);
    world.hold_transactions().await;
    service.handle.submit(CallId(2), deposit(channel(2), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    service.handle.withdraw(CallId(2)).unwrap();
    world.mine(1).await;
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    assert_eq!(world.mined_nonce(account).await, 1);
}
