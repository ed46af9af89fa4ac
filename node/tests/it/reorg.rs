//! Deposits that a reorganisation takes back, and deposits of strangers.

use engine::objectives::WaitingFor;
use engine::types::{Asset, ChannelId};

use crate::support::route::{DEPOSIT, End, check_balances, open_ledgers, settled};
use crate::support::{ETHER, LIMIT, Network, TestNode, account, amount, start_all};

/// Account of somebody who has no part in any channel.
const STRANGER: u8 = 7;

/// What the two were paid, and what is left at the adjudicator.
async fn check_rest(network: &Network, nodes: &[TestNode], rest: u128) {
    check_balances(network, nodes, Asset::NATIVE, &[DEPOSIT, DEPOSIT]).await;
    let adjudicator = network.deployed.deployment.adjudicator;
    assert_eq!(network.balance(Asset::NATIVE, adjudicator, &nodes[0]).await, amount(rest));
}

async fn close(network: &Network, nodes: &[TestNode], ledger: ChannelId, rest: u128) {
    let closing = nodes[0].begin_close_ledger(ledger).await;
    settled(nodes, closing).await;
    check_rest(network, nodes, rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_that_are_taken_back_before_they_count_are_made_again() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=2).map(|index| network.settings(index)).collect();
    for (own, _) in &mut settings {
        own.chain.confirmations = 2;
    }
    let nodes = start_all(settings).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let ledger = opening.channel();
    for held in [DEPOSIT, 2 * DEPOSIT] {
        network.until_held(ledger, held, &nodes[0]).await;
        network.reorganise(1).await;
        network.until_held(ledger, held, &nodes[0]).await;
        network.mine(2).await;
    }
    settled(&nodes, opening).await;
    assert_eq!(network.holdings(Asset::NATIVE, ledger, &nodes[0]).await, amount(2 * DEPOSIT));

    let closing = nodes[0].begin_close_ledger(ledger).await;
    network.until_held(ledger, 0, &nodes[0]).await;
    network.reorganise(1).await;
    network.until_held(ledger, 0, &nodes[0]).await;
    network.mine(2).await;
    settled(&nodes, closing).await;
    check_rest(&network, &nodes, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_that_is_taken_back_after_it_counted_is_made_again() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    // The second deposit waits for money, so that the first one is seen and taken back alone.
    network.set_balance(account(2), 0).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let ledger = opening.channel();
    nodes[0].waits_for(opening, WaitingFor::CompleteFunding).await;
    let holds = async |value: u128| {
        nodes[0]
            .until("holdings", async || {
                (nodes[0].ledger(ledger).await.holdings == amount(value)).then_some(())
            })
            .await;
    };
    holds(DEPOSIT).await;
    network.reorganise(1).await;
    network.set_balance(account(2), ETHER).await;
    settled(&nodes, opening).await;
    assert!(nodes[0].handle().chain().metrics().reorgs.get() > 0);
    holds(2 * DEPOSIT).await;
    close(&network, &nodes, ledger, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_ledger_whose_deposits_are_taken_back_is_funded_again() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let ledger = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await[0];
    network.reorganise(2).await;
    is_usable_again(&network, &nodes, ledger).await;
    close(&network, &nodes, ledger, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_that_comes_back_before_the_one_it_builds_on_is_refused_and_made_again() {
    let network = Network::start().await;
    let mut nodes = network.nodes::<2>().await;
    let ledger = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await[0];
    // What each side has changes, what each has put in does not.
    let channel = nodes[0].open_payment(&[&nodes[1]], Asset::NATIVE, 1_000).await;
    nodes[0].stop().await;
    network.reorganise(2).await;
    let second = nodes[1].handle();
    let mut calls = second.chain().watch_calls();
    let refused = calls.wait_for(|_| second.chain().metrics().calls_reverted.get() == 1);
    let refused = tokio::time::timeout(LIMIT, refused).await;
    refused.expect("the second deposit is refused").expect("the node runs");
    nodes[0].resume().await;
    nodes[0].pay(channel, 1_000).await;
    is_usable_again(&network, &nodes, ledger).await;
    let closing = nodes[1].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    let closing = nodes[0].begin_close_ledger(ledger).await;
    settled(&nodes, closing).await;
    let expected = [DEPOSIT - 1_000, DEPOSIT + 1_000];
    check_balances(&network, &nodes, Asset::NATIVE, &expected).await;
}

/// The deposits are back, both sides know it, and the ledger carries channels again.
async fn is_usable_again(network: &Network, nodes: &[TestNode], ledger: ChannelId) {
    network.until_held(ledger, 2 * DEPOSIT, &nodes[1]).await;
    for node in nodes {
        node.until_block(network.head().await).await;
        assert_eq!(node.ledger(ledger).await.holdings, amount(2 * DEPOSIT));
    }
    for (payer, payee) in [(1, 0), (0, 1)] {
        let path = [&nodes[payee]];
        let channel = nodes[payer].open_payment(&path, Asset::NATIVE, 100).await;
        nodes[payer].pay(channel, 100).await;
        let closing = nodes[payer].begin_close_payment(channel).await;
        settled(nodes, closing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_is_taken_back_is_made_again() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let ledger = open_ledgers(&nodes, Asset::NATIVE, &[End::Right]).await[0];
    let closing = nodes[0].begin_close_ledger(ledger).await;
    settled(&nodes, closing).await;
    network.reorganise(1).await;
    network.until_held(ledger, 0, &nodes[0]).await;
    check_rest(&network, &nodes, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_deposits_before_and_between_the_deposits() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    network.set_balance(account(1), 0).await;
    network.set_balance(account(2), 0).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let ledger = opening.channel();
    network.mined(network.deposit(STRANGER, ledger, 0, 1)).await;
    network.set_balance(account(1), ETHER).await;
    network.until_held(ledger, DEPOSIT, &nodes[0]).await;
    network.mined(network.deposit(STRANGER, ledger, DEPOSIT, 1)).await;
    network.set_balance(account(2), ETHER).await;
    settled(&nodes, opening).await;
    // What the strangers gave, the two did not have to.
    assert_eq!(network.holdings(Asset::NATIVE, ledger, &nodes[0]).await, amount(2 * DEPOSIT));
    close(&network, &nodes, ledger, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_overtakes_a_deposit_that_is_on_its_way() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    network.set_balance(account(2), 0).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let ledger = opening.channel();
    network.until_held(ledger, DEPOSIT, &nodes[0]).await;
    network.set("evm_setAutomine", serde_json::json!([false])).await;
    network.set_balance(account(2), ETHER).await;
    let mut calls = nodes[1].handle().chain().watch_calls();
    let sent = tokio::time::timeout(LIMIT, calls.wait_for(|calls| calls.in_flight == 1)).await;
    sent.expect("the deposit is sent").expect("the node runs");
    let faster = network
        .deposit(STRANGER, ledger, DEPOSIT, 1)
        .max_priority_fee_per_gas(50_000_000_000)
        .max_fee_per_gas(100_000_000_000);
    // Both wait for the block, which takes the better paid one first.
    let faster = network.sent(faster).await;
    network.set("evm_setAutomine", serde_json::json!([true])).await;
    network.mine(1).await;
    faster.await;
    settled(&nodes, opening).await;
    assert_eq!(nodes[1].handle().chain().metrics().calls_reverted.get(), 1);
    assert_eq!(network.holdings(Asset::NATIVE, ledger, &nodes[0]).await, amount(2 * DEPOSIT));
    close(&network, &nodes, ledger, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_deposits_into_an_open_ledger_is_nobodys() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let ledger = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await[0];
    network.mined(network.deposit(STRANGER, ledger, 2 * DEPOSIT, 5)).await;
    close(&network, &nodes, ledger, 5).await;
    assert_eq!(network.holdings(Asset::NATIVE, ledger, &nodes[0]).await, amount(5));
}
