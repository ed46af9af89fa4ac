//! Payouts that are refused, claims of them, and transfers of both accounts.

use std::time::Duration;

use alloy::network::TransactionBuilder;
use alloy::primitives::U256;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use chain::{ChainConfig, ChainError};
use engine::chain::{Account, ChainCall, DebtChange, DebtLog, Receipt};
use engine::crypto::{LocalSigner, Signer};
use engine::types::{Address, Amount, Asset, CallId, ChannelId};
use serde_json::json;

use crate::support::{ACCOUNTS, Service, World, conclusion, deposit, key, within};

/// What a contract that takes no coin looks like: any call is invalid.
const UNPAYABLE: &str = "0xfe";
const SOMEBODY: Address = Address::repeat_byte(0x66);

/// With a channel account, number 3, beside the chain account.
fn config(world: &World) -> ChainConfig {
    ChainConfig { channel_key: Some(key(3)), ..world.config() }
}

fn transfer(from: Account, asset: Asset, amount: u64) -> ChainCall {
    ChainCall::Transfer { from, asset, to: SOMEBODY, amount: amount.into() }
}

const fn claim(payee: Address, most_gas: Option<u64>) -> ChainCall {
    ChainCall::Claim { asset: Asset::NATIVE, payee, most_gas }
}

async fn settle(service: &mut Service, id: u64, call: ChainCall) -> Receipt {
    service.handle.submit(CallId(id), call).unwrap();
    service.until_settled(id).await
}

fn debts(service: &Service) -> Vec<DebtLog> {
    service.blocks.iter().flat_map(|block| block.debts.clone()).collect()
}

/// A payee that takes nothing is owed 9 after a channel was concluded.
async fn blocked(world: &World, service: &mut Service, payee: Address) -> ChannelId {
    world.set("anvil_setCode", json!([payee, UNPAYABLE])).await;
    let (channel, conclude) = conclusion(&world.deployed.deployment, 1, payee, 9);
    settle(service, 1, deposit(channel, Asset::NATIVE, 0, 9)).await;
    assert!(matches!(settle(service, 2, conclude).await, Receipt::Succeeded { .. }));
    service.until("the debt", |service| !debts(service).is_empty()).await;
    channel
}

/// Nothing knew of it: the payout looked like any other.
#[tokio::test]
async fn a_refused_payout_is_told_and_claimed_once_it_can_be() {
    let world = World::new().await;
    let mut service = Service::start(config(&world)).await;
    let payee = Address::repeat_byte(0x77);
    let channel = blocked(&world, &mut service, payee).await;
    let (asset, amount) = (Asset::NATIVE, Amount::from(9_u64));
    let change = DebtChange::Blocked { channel: Some(channel), amount };
    assert_eq!(debts(&service), [DebtLog { payee, asset, change }]);
    assert_eq!(service.handle.claimable(asset, payee).await.unwrap(), amount);

    let account = service.handle.account();
    let nonce = world.mined_nonce(account).await;
    let reason = "payee cannot be paid".to_owned();
    assert_eq!(settle(&mut service, 3, claim(payee, None)).await, Receipt::Reverted { reason });
    assert_eq!(world.mined_nonce(account).await, nonce, "asking costs no gas");

    world.set("anvil_setCode", json!([payee, "0x"])).await;
    let dear = settle(&mut service, 4, claim(payee, Some(20_000))).await;
    assert!(matches!(dear, Receipt::TooLarge { cap: 20_000, .. }), "{dear:?}");
    assert_eq!(world.mined_nonce(account).await, nonce, "what takes too much gas is not sent");
    let claimed = settle(&mut service, 5, claim(payee, Some(400_000))).await;
    assert!(matches!(claimed, Receipt::Succeeded { .. }), "{claimed:?}");
    service.until("the claim", |service| debts(service).len() == 2).await;
    let change = DebtChange::Claimed { to: payee, amount };
    assert_eq!(debts(&service)[1], DebtLog { payee, asset, change });
    assert_eq!(service.handle.balance(asset, payee).await.unwrap(), amount);
}

#[tokio::test]
async fn the_channel_account_claims_for_somebody_else() {
    let world = World::new().await;
    let mut service = Service::start(config(&world)).await;
    let payee = key_address(3);
    blocked(&world, &mut service, payee).await;
    world.set("anvil_setCode", json!([payee, "0x"])).await;
    let call = ChainCall::ClaimTo { asset: Asset::NATIVE, to: SOMEBODY };
    let claimed = settle(&mut service, 3, call).await;
    assert!(matches!(claimed, Receipt::Succeeded { .. }), "{claimed:?}");
    let paid = service.handle.balance(Asset::NATIVE, SOMEBODY).await.unwrap();
    assert_eq!(paid, 9_u64.into());
    assert_eq!(world.mined_nonce(payee).await, 1);
}

/// Awaits what nobody tells of.
async fn until(done: impl Fn() -> bool) {
    within("sending", async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn key_address(index: usize) -> Address {
    LocalSigner::new(ACCOUNTS[index].0).unwrap().address()
}

/// Payouts land on the channel account, and nothing could spend them.
#[tokio::test]
async fn both_accounts_send_coin_and_tokens_beside_each_other() {
    let world = World::with(&["--block-time", "0.2"]).await;
    let mut service = Service::start(config(&world)).await;
    let (chain, channel) = (service.handle.account(), key_address(3));
    world.give_tokens(channel, 50).await;
    let calls = [
        transfer(Account::Chain, Asset::NATIVE, 5),
        transfer(Account::Channel, Asset::NATIVE, 7),
        transfer(Account::Channel, world.token(), 30),
        transfer(Account::Chain, Asset::NATIVE, 11),
    ];
    for (id, call) in (1..).zip(calls) {
        service.handle.submit(CallId(id), call).unwrap();
    }
    for id in 1..=4 {
        let sent = service.until_settled(id).await;
        assert!(matches!(sent, Receipt::Succeeded { .. }), "{id}: {sent:?}");
    }
    let coin = service.handle.balance(Asset::NATIVE, SOMEBODY).await.unwrap();
    let tokens = service.handle.balance(world.token(), SOMEBODY).await.unwrap();
    assert_eq!((coin, tokens), (23_u64.into(), 30_u64.into()));
    let nonces = (world.mined_nonce(chain).await, world.mined_nonce(channel).await);
    assert_eq!(nonces, (2, 2), "each account has its own row");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_not_left_waiting() {
    let world = World::new().await;
    let mut service = Service::start(config(&world)).await;
    let channel = key_address(3);
    world.set_balance(channel, 1_000).await;
    let poor = settle(&mut service, 1, transfer(Account::Channel, Asset::NATIVE, 900)).await;
    let Receipt::Reverted { reason } = poor else { panic!("{poor:?}") };
    assert!(reason.contains("but has 1000"), "{reason}");
    let none = settle(&mut service, 2, transfer(Account::Chain, world.token(), 5)).await;
    assert!(matches!(none, Receipt::Reverted { .. }), "{none:?}");
    assert_eq!(world.mined_nonce(service.handle.account()).await, 0);
}

/// A crash between the record and the sending, or after it: what is sent again is the same transaction.
#[tokio::test]
async fn a_transfer_is_sent_once_whatever_comes_in_between() {
    let world = World::new().await;
    world.hold_transactions().await;
    let call = transfer(Account::Channel, Asset::NATIVE, 5);
    let service = Service::start(config(&world)).await;
    service.handle.submit(CallId(1), call.clone()).unwrap();
    until(|| service.handle.status().calls.in_flight == 1).await;
    let (mut journal, mut blocks) = service.stop().await;
    // As if it had never left; and once more.
    for _ in 0..2 {
        world.set("anvil_dropAllTransactions", json!([])).await;
        let service = Service::resume(config(&world), journal, blocks).await;
        service.handle.submit(CallId(1), call.clone()).unwrap();
        until(|| service.handle.metrics().transactions_resent.get() > 0).await;
        (journal, blocks) = service.stop().await;
    }
    world.set("evm_setAutomine", json!([true])).await;
    let mut service = Service::resume(config(&world), journal, blocks).await;
    world.mine(1).await;
    assert!(matches!(service.until_settled(1).await, Receipt::Succeeded { .. }));
    assert!(matches!(settle(&mut service, 1, call).await, Receipt::Succeeded { .. }));
    let paid = service.handle.balance(Asset::NATIVE, SOMEBODY).await.unwrap();
    assert_eq!(paid, 5_u64.into());
    assert_eq!(world.mined_nonce(key_address(3)).await, 1);
}

/// Where the nonce of a transfer is taken by somebody else, it is not made again under another one: an
/// endpoint that hides its receipt would have it sent twice.
#[tokio::test]
async fn a_transfer_that_is_lost_is_not_sent_under_another_nonce() {
    let world = World::new().await;
    world.hold_transactions().await;
    let mut service = Service::start(config(&world)).await;
    let account = service.handle.account();
    service.handle.submit(CallId(1), transfer(Account::Chain, Asset::NATIVE, 5)).unwrap();
    service.until_in_flight(1).await;
    world.set("anvil_dropAllTransactions", json!([])).await;
    let other = TransactionRequest::default()
        .with_to(Address::repeat_byte(0x67))
        .with_value(U256::from(1))
        .with_nonce(0)
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(500_000_000_000)
        .with_max_priority_fee_per_gas(400_000_000_000);
    let _sent = world.wallet(1).send_transaction(other).await.unwrap();
    world.set("evm_setAutomine", json!([true])).await;
    world.mine(1).await;
    let lost = service.until_settled(1).await;
    assert!(matches!(lost, Receipt::Unknown { .. }), "{lost:?}");
    let next = settle(&mut service, 2, transfer(Account::Chain, Asset::NATIVE, 7)).await;
    assert!(matches!(next, Receipt::Succeeded { .. }), "{next:?}");
    let paid = service.handle.balance(Asset::NATIVE, SOMEBODY).await.unwrap();
    assert_eq!(paid, 7_u64.into(), "and not the lost one");
    assert_eq!(world.mined_nonce(account).await, 2);
}

/// After a change of `chain.account` a transfer was made again by the other account.
#[tokio::test]
async fn a_change_of_the_account_sends_nothing_twice() {
    let world = World::new().await;
    world.hold_transactions().await;
    let both = config(&world);
    let one = ChainConfig { key: key(3), ..both.clone() };
    // What the chain account has on its way keeps the other one from taking over.
    let service = Service::start(both.clone()).await;
    service.handle.submit(CallId(1), transfer(Account::Chain, Asset::NATIVE, 5)).unwrap();
    until(|| service.handle.status().calls.in_flight == 1).await;
    let (journal, blocks) = service.stop().await;
    let refused = Service::try_resume(one.clone(), journal, blocks).await.err();
    assert!(matches!(refused, Some(ChainError::AccountBusy)), "{refused:?}");
    // What the only account has on its way stays with it when there are two.
    world.set("anvil_dropAllTransactions", json!([])).await;
    let call = transfer(Account::Chain, Asset::NATIVE, 7);
    let service = Service::start(one).await;
    service.handle.submit(CallId(2), call.clone()).unwrap();
    until(|| service.handle.status().calls.in_flight == 1).await;
    let (journal, blocks) = service.stop().await;
    world.set("evm_setAutomine", json!([true])).await;
    let mut service = Service::resume(both, journal, blocks).await;
    service.handle.submit(CallId(2), call).unwrap();
    world.mine(1).await;
    assert!(matches!(service.until_settled(2).await, Receipt::Succeeded { .. }));
    let coin = service.handle.balance(Asset::NATIVE, SOMEBODY).await.unwrap();
    assert_eq!(coin, 7_u64.into());
    assert_eq!(
        world.mined_nonce(service.handle.account()).await,
        0,
        "the chain account sends nothing"
    );
}
