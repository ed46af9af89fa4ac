//! The same with an ERC-20 token: the node approves, deposits and is paid in it.

use engine::types::{Amount, Asset};

use crate::support::route::{DEPOSIT, End, Route};
use crate::support::{ETHER, Network, amount};

const ENOUGH: u64 = 1_000_000;

async fn network_with_tokens(accounts: u8) -> Network {
    let network = Network::start().await;
    for index in 1..=accounts {
        network.give_tokens(index, ENOUGH).await;
    }
    network
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_paid_directly() {
    let network = network_with_tokens(2).await;
    let nodes = network.nodes::<2>().await;
    let route = Route {
        asset: network.token(),
        opened_by: &[End::Right],
        closed_by: 1,
        ledgers_closed_by: &[(0, End::Left)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_paid_through_a_relay() {
    let network = network_with_tokens(3).await;
    let nodes = network.nodes::<3>().await;
    let route = Route {
        asset: network.token(),
        opened_by: &[End::Left, End::Right],
        closed_by: 0,
        ledgers_closed_by: &[(1, End::Right), (0, End::Left)],
    };
    route.run(&network, &nodes).await;
    // Each deposit took from the account exactly what it put into the channel.
    for (index, deposits) in [(1, 1), (2, 2), (3, 1)] {
        let left =
            network.balance(network.token(), crate::support::account(index), &nodes[0]).await;
        assert_eq!(left, amount(u128::from(ENOUGH) - deposits * DEPOSIT), "account {index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_paid_through_two_relays() {
    let network = network_with_tokens(4).await;
    let nodes = network.nodes::<4>().await;
    let route = Route {
        asset: network.token(),
        opened_by: &[End::Left, End::Left, End::Left],
        closed_by: 3,
        ledgers_closed_by: &[(0, End::Right), (1, End::Left), (2, End::Right)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_two_nodes_hold_a_ledger_per_asset() {
    let network = network_with_tokens(2).await;
    let [alice, bob] = network.nodes().await;
    let token = network.token();
    let (coins, tokens) = tokio::join!(
        alice.open_ledger(&bob, Asset::NATIVE, ETHER, ETHER),
        bob.open_ledger(&alice, token, 500, 500)
    );
    let in_coins = alice.open_payment(&[&bob], Asset::NATIVE, 1_000).await;
    let in_tokens = alice.open_payment(&[&bob], token, 500).await;
    alice.pay(in_coins, 600).await;
    alice.pay(in_tokens, 499).await;
    for channel in [in_coins, in_tokens] {
        let closing = alice.begin_close_payment(channel).await;
        alice.completed(closing).await;
        bob.completed(closing).await;
    }
    for ledger in [coins, tokens] {
        let closing = bob.begin_close_ledger(ledger).await;
        alice.completed(closing).await;
        bob.completed(closing).await;
    }
    let mut found: Vec<Amount> = Vec::new();
    for asset in [Asset::NATIVE, token] {
        for node in [&alice, &bob] {
            found.push(network.balance(asset, node.address, node).await);
        }
    }
    assert_eq!(found, [ETHER - 600, ETHER + 600, 1, 999].map(amount));
}
