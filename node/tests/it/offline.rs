//! Peers that are away, for a while or for good, and peers without money for gas.

use std::time::Duration;

use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::types::{Amount, Asset, ObjectiveId};

use crate::support::route::{CAPACITY, DEPOSIT, End, check_ledgers, open_ledgers, settled};
use crate::support::{ETHER, Network, TestNode, account, amount, start_all};

/// Long enough for nodes of one machine, short enough for a test.
const SHORT: Duration = Duration::from_secs(2);

async fn declined(node: &TestNode, id: ObjectiveId) -> DeclineReason {
    match node.done(id).await.status {
        ObjectiveStatus::Declined { reason, .. } => reason,
        other => panic!("{id} ends as {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_to_a_payee_that_is_away_arrive_when_it_is_back() {
    let network = Network::start().await;
    let mut nodes = network.nodes::<3>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Left]).await;
    let path = [&nodes[1], &nodes[2]];
    let channel = nodes[0].open_payment(&path, Asset::NATIVE, CAPACITY).await;
    nodes[0].pay(channel, 100).await;
    nodes[2].stop().await;
    for _ in 0..50 {
        nodes[0].send_payment(channel, 3).await;
    }
    // The payer may come and go meanwhile: what it has promised waits on its disk.
    nodes[0].restart().await;
    nodes[0].send_payment(channel, 50).await;
    nodes[2].resume().await;
    nodes[2].has_paid(channel, 300).await;
    nodes[0].pay(channel, 1).await;
    let closing = nodes[2].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    check_ledgers(&nodes, &ledgers, 301).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_opens_and_closes_although_the_relay_is_away_when_it_is_asked() {
    let network = Network::start().await;
    let mut nodes = network.nodes::<3>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Right]).await;
    nodes[1].stop().await;
    let path = [&nodes[1], &nodes[2]];
    let opening = nodes[0].begin_payment(&path, Asset::NATIVE, CAPACITY).await;
    nodes[1].resume().await;
    settled(&nodes, opening).await;
    let channel = opening.channel();
    nodes[1].stop().await;
    // Payments do not pass through the relay.
    nodes[0].pay(channel, 9).await;
    let closing = nodes[0].begin_close_payment(channel).await;
    nodes[1].resume().await;
    settled(&nodes, closing).await;
    check_ledgers(&nodes, &ledgers, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_channel_to_a_silent_payee_is_declined_and_costs_nobody_anything() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=3).map(|index| network.settings(index)).collect();
    for (own, _) in &mut settings {
        own.policy.payment_funding_timeout = SHORT;
    }
    let mut nodes = start_all(settings).await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Left]).await;
    nodes[2].stop().await;
    let path = [&nodes[1], &nodes[2]];
    let opening = nodes[0].begin_payment(&path, Asset::NATIVE, CAPACITY).await;
    for node in &nodes[..2] {
        assert_eq!(declined(node, opening).await, DeclineReason::TimedOut);
    }
    nodes[2].resume().await;
    check_ledgers(&nodes, &ledgers, 0).await;
    // The next one is not held up by what is left of the first.
    let path = [&nodes[1], &nodes[2]];
    let channel = nodes[0].open_payment(&path, Asset::NATIVE, DEPOSIT).await;
    nodes[0].pay(channel, DEPOSIT).await;
    let closing = nodes[0].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    check_ledgers(&nodes, &ledgers, DEPOSIT).await;
    declined(&nodes[2], opening).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_a_silent_peer_is_declined_before_anything_is_deposited() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=2).map(|index| network.settings(index)).collect();
    settings[0].0.policy.ledger_funding_timeout = SHORT;
    let mut nodes = start_all(settings).await;
    nodes[1].stop().await;
    let before = network.balance(Asset::NATIVE, account(1), &nodes[0]).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    assert_eq!(declined(&nodes[0], opening).await, DeclineReason::TimedOut);
    nodes[1].resume().await;
    assert_eq!(declined(&nodes[1], opening).await, DeclineReason::TimedOut);
    assert_eq!(network.balance(Asset::NATIVE, account(1), &nodes[0]).await, before);
    nodes[0].open_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_the_peer_cannot_fund_pays_back_what_was_deposited() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=2).map(|index| network.settings(index)).collect();
    settings[0].0.policy.ledger_funding_timeout = SHORT;
    let nodes = start_all(settings).await;
    network.set_balance(account(2), 0).await;
    let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    network.until_deposited(opening.channel(), DEPOSIT, &nodes[0]).await;
    assert_eq!(declined(&nodes[0], opening).await, DeclineReason::TimedOut);
    assert_eq!(declined(&nodes[1], opening).await, DeclineReason::Cancelled);
    // The peer agrees to the refund as soon as its own deposit can no longer be on its way.
    network.set_balance(account(2), ETHER).await;
    let refund = ObjectiveId::DirectDefund(opening.channel());
    for node in &nodes {
        node.completed(refund).await;
    }
    let address = nodes[0].address;
    assert_eq!(network.balance(Asset::NATIVE, address, &nodes[0]).await, amount(DEPOSIT));
    let ledger = opening.channel();
    assert_eq!(network.holdings(Asset::NATIVE, ledger, &nodes[0]).await, Amount::ZERO);
    // Nothing stands in the way of another one.
    nodes[1].open_ledger(&nodes[0], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_that_restart_while_the_boot_node_is_away_find_each_other() {
    let network = Network::start().await;
    let mut nodes = network.nodes::<3>().await;
    nodes[0].open_ledger(&nodes[2], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let channel = nodes[0].open_payment(&[&nodes[2]], Asset::NATIVE, CAPACITY).await;
    for node in &mut nodes {
        node.stop().await;
    }
    // The boot node does not come back.
    nodes[0].resume().await;
    nodes[2].resume().await;
    nodes[0].pay(channel, 7).await;
    assert_eq!(nodes[2].payment(channel).await.paid, amount(7));
}
