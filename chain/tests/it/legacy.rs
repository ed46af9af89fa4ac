//! Chains without EIP-1559, whose blocks have no base fee and which take only legacy transactions.

use std::time::Duration;

use alloy::consensus::Transaction;
use alloy::eips::Typed2718;
use alloy::network::TransactionResponse;
use alloy::providers::Provider;
use chain::{ChainConfig, FeeBounds};
use engine::chain::Receipt;
use engine::types::{Address, Asset, CallId};
use serde_json::json;

use crate::support::{Service, World, channel, deposit, within};

/// The contracts are deployed there, too.
async fn old_chain(args: &[&str]) -> World {
    World::with(&[&["--hardfork", "berlin"], args].concat()).await
}

/// What an account has sent that was mined: type, chain and price of each.
async fn sent(world: &World, account: Address) -> Vec<(u8, Option<u64>, u128)> {
    let mut sent = Vec::new();
    for number in 0..=world.block_number().await {
        let block = world.anvil.rpc.get_block_by_number(number.into()).full().await;
        let block = block.unwrap().unwrap();
        assert_eq!(block.header.base_fee_per_gas, None);
        for tx in block.transactions.txns().filter(|tx| tx.from() == account) {
            sent.push((tx.ty(), tx.chain_id(), Transaction::gas_price(tx).unwrap()));
        }
    }
    sent
}

#[tokio::test]
async fn chain_without_base_fees_gets_legacy_transactions() {
    let world = old_chain(&[]).await;
    let mut service = Service::start(world.config()).await;
    let account = service.handle.account();
    world.give_tokens(account, 7).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.handle.submit(CallId(2), deposit(channel(2), world.token(), 0, 7)).unwrap();
    for id in [1, 2] {
        assert!(matches!(service.until_settled(id).await, Receipt::Succeeded { .. }));
    }
    service.until_held(channel(1), 5).await;
    service.until_held(channel(2), 7).await;
    let sent = sent(&world, account).await;
    // Two deposits and an approval, none of which counts on any other chain.
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|(ty, chain, _)| (*ty, *chain) == (0, Some(31_337))), "{sent:?}");
    let gas = service.handle.gas().unwrap();
    assert!(!gas.price_per_gas.is_zero() && gas.base_fee.is_zero());
}

#[tokio::test]
async fn stuck_legacy_transaction_is_outbid_by_a_tenth() {
    let world = old_chain(&[]).await;
    world.hold_transactions().await;
    let fees = FeeBounds { bump_after: Duration::from_millis(50), ..FeeBounds::default() };
    let mut service = Service::start(ChainConfig { fees, ..world.config() }).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    let first = service.handle.gas().unwrap().price_per_gas;
    within("a replacement that has left before the next one", async {
        while service.handle.metrics().transactions_bumped.get() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    let sent = sent(&world, service.handle.account()).await;
    assert_eq!(sent.len(), 1);
    let (ty, _, price) = sent[0];
    let first: u128 = first.to_u256().to();
    assert!(ty == 0 && price * 10 >= first * 11, "{price} after {first}");
}

/// The record says by its hash in which form a transaction was signed.
#[tokio::test]
async fn legacy_transaction_that_is_lost_is_sent_again_after_a_restart() {
    let world = old_chain(&[]).await;
    world.hold_transactions().await;
    let service = Service::start(world.config()).await;
    let account = service.handle.account();
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    service.until_in_flight(1).await;
    let (journal, blocks) = service.stop().await;
    world.set("anvil_dropAllTransactions", json!([])).await;
    world.mine(1).await;
    assert_eq!(world.mined_nonce(account).await, 0);
    let mut service = Service::resume(world.config(), journal, blocks).await;
    service.handle.submit(CallId(1), deposit(channel(1), Asset::NATIVE, 0, 5)).unwrap();
    within("the transaction again", async {
        while service.handle.metrics().transactions_resent.get() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.set("evm_setAutomine", json!([true])).await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert_eq!(sent(&world, account).await.len(), 1);
}
