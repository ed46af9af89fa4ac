//! A chain endpoint that is away for a while, and one that is the wrong one.

use alloy::primitives::Address;
use engine::types::Asset;
use node::{Node, NodeSettings};
use tempfile::TempDir;

use crate::support::route::{
    CAPACITY, DEPOSIT, End, check_ledgers, check_payouts, open_ledgers, settled,
};
use crate::support::{LIMIT, Network, TestNode};

/// A chain that keeps its blocks while it is stopped.
async fn lasting_network() -> (Network, TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("chain.json");
    let network = Network::start_with(&["--state", state.to_str().expect("a plain path")]).await;
    (network, dir)
}

async fn until_link(node: &TestNode, up: bool) {
    let mut chain = node.handle().chain().watch_chain();
    let seen = tokio::time::timeout(LIMIT, chain.wait_for(|chain| chain.link.is_up() == up)).await;
    seen.expect("the endpoint's state is noticed").expect("the node runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_away_delays_deposits_and_payouts_and_nothing_else() {
    let (mut network, _dir) = lasting_network().await;
    let mut nodes = network.nodes::<3>().await;
    network.anvil.stop();
    for node in &nodes {
        until_link(node, false).await;
    }
    let left = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let right = nodes[1].begin_ledger(&nodes[2], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    // A node starts without the chain, too.
    nodes[1].restart().await;
    network.anvil.resume();
    settled(&nodes[..=1], left).await;
    settled(&nodes[1..], right).await;

    network.anvil.stop();
    for node in &nodes {
        until_link(node, false).await;
    }
    let path = [&nodes[1], &nodes[2]];
    let channel = nodes[0].open_payment(&path, Asset::NATIVE, CAPACITY).await;
    nodes[0].pay(channel, 77).await;
    let closing = nodes[2].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    let ledgers = [left.channel(), right.channel()];
    check_ledgers(&nodes, &ledgers, 77).await;
    let left = nodes[1].begin_close_ledger(ledgers[0]).await;
    let right = nodes[2].begin_close_ledger(ledgers[1]).await;
    nodes[2].restart().await;
    network.anvil.resume();
    settled(&nodes[..=1], left).await;
    settled(&nodes[1..], right).await;
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, 77).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_goes_away_between_two_deposits_is_waited_for() {
    let (mut network, _dir) = lasting_network().await;
    let nodes = network.nodes::<2>().await;
    for _ in 0..2 {
        let opening = nodes[0].begin_ledger(&nodes[1], Asset::NATIVE, DEPOSIT, DEPOSIT).await;
        network.until_deposited(opening.channel(), DEPOSIT, &nodes[0]).await;
        network.anvil.stop();
        until_link(&nodes[0], false).await;
        network.anvil.resume();
        settled(&nodes, opening).await;
        let closing = nodes[0].begin_close_ledger(opening.channel()).await;
        settled(&nodes, closing).await;
    }
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Right]).await;
    let view = nodes[0].ledger(ledgers[0]).await;
    assert_eq!(view.holdings, crate::support::amount(2 * DEPOSIT));
}

/// Why a node does not start with these settings.
async fn refusal(settings: NodeSettings) -> String {
    match Box::pin(Node::start(settings)).await {
        Ok(_) => panic!("the node starts"),
        Err(error) => node::report(&error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_refuses_the_wrong_chain_and_names_the_setting() {
    let network = Network::start().await;
    let (right, dir) = network.settings(1);
    let mut wrong = right.clone();
    wrong.deployment.chain_id += 1;
    wrong.chain.deployment = wrong.deployment;
    let reason = refusal(wrong).await;
    assert!(reason.contains("chain_id") && reason.contains("31337"), "{reason}");

    let empty = Address::repeat_byte(0xee);
    for setting in ["adjudicator", "consensus_app", "payment_app"] {
        let mut wrong = right.clone();
        match setting {
            "adjudicator" => wrong.deployment.adjudicator = empty,
            "consensus_app" => wrong.deployment.consensus_app = empty,
            _ => wrong.deployment.payment_app = empty,
        }
        wrong.chain.deployment = wrong.deployment;
        let reason = refusal(wrong).await;
        assert!(reason.contains(&format!("`{setting}`")), "{setting}: {reason}");
        assert!(reason.contains(&empty.to_string()), "{setting}: {reason}");
    }
    // Nothing of the attempts is left running: the same folder can be used.
    TestNode::start(right, dir).await;
}
