//! Many channels at once.

use engine::types::{Amount, Asset, ChannelId};
use futures::future::join_all;

use crate::support::route::{DEPOSIT, End, check_payouts, open_ledgers};
use crate::support::{Network, TestNode, amount};

/// Channels per direction.
const CHANNELS: u128 = 10;
/// What channel number `index` pays in all, in two parts.
const fn paid(index: u128) -> u128 {
    20 + index
}

/// Opens, pays and closes one channel; returns its id.
async fn use_channel(path: &[&TestNode], payer: &TestNode, index: u128) -> ChannelId {
    let channel = payer.open_payment(path, Asset::NATIVE, 500).await;
    payer.pay(channel, 20).await;
    if index > 0 {
        payer.pay(channel, index).await;
    }
    // Payer and payee close in turn.
    let closer = if index.is_multiple_of(2) { payer } else { path[path.len() - 1] };
    let closing = closer.begin_close_payment(channel).await;
    payer.completed(closing).await;
    for node in path {
        node.completed(closing).await;
    }
    channel
}

/// Uses all channels of both directions at the same time.
async fn use_all(nodes: &[TestNode], backwards: u128) {
    let forth: Vec<&TestNode> = nodes.iter().collect();
    let back: Vec<&TestNode> = nodes.iter().rev().collect();
    let forth = (0..CHANNELS).map(|index| use_channel(&forth[1..], forth[0], index));
    let back = (0..backwards).map(|index| use_channel(&back[1..], back[0], index));
    let (mut channels, others) = tokio::join!(join_all(forth), join_all(back));
    channels.extend(others);
    channels.sort();
    channels.dedup();
    assert_eq!(channels.len() as u128, CHANNELS + backwards);
}

fn total(channels: u128) -> u128 {
    (0..channels).map(paid).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_channels_in_both_directions_share_one_ledger() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await;
    use_all(&nodes, CHANNELS).await;
    let view = nodes[0].ledger(ledgers[0]).await;
    assert_eq!(
        (view.mine, view.theirs, view.locked),
        (amount(DEPOSIT), amount(DEPOSIT), Amount::ZERO)
    );
    // One addition and one removal each, and nothing else.
    assert_eq!(u128::from(view.turn.0), 1 + 4 * CHANNELS);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_channels_in_both_directions_go_through_one_relay() {
    let network = Network::start().await;
    let nodes = network.nodes::<3>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Right]).await;
    // One less on the way back, so that something has moved in the end.
    use_all(&nodes, CHANNELS - 1).await;
    let moved = total(CHANNELS) - total(CHANNELS - 1);
    for (ledger, closer) in ledgers.iter().zip([&nodes[0], &nodes[1]]) {
        let closing = closer.begin_close_ledger(*ledger).await;
        closer.completed(closing).await;
        nodes[1].completed(closing).await;
    }
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, moved).await;
}
