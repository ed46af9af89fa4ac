//! Ways to close a ledger.

use std::time::Duration;

use engine::error::RequestError;
use engine::input::Request;
use engine::types::Asset;
use node::CallError;

use crate::support::route::{CAPACITY, End, check_payouts, open_ledgers, settled};
use crate::support::{ETHER, Network, account, start_all};

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_close_at_the_same_time_and_are_paid_once() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await;
    let request = Request::CloseLedger { ledger: ledgers[0] };
    let (one, other) = (nodes[0].handle(), nodes[1].handle());
    let answers = tokio::join!(one.request(request.clone()), other.request(request));
    // Whoever hears of the other's wish first has nothing left to ask for.
    assert!(answers.0.is_ok() || answers.1.is_ok(), "{answers:?}");
    let closing = engine::types::ObjectiveId::DirectDefund(ledgers[0]);
    settled(&nodes, closing).await;
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_side_that_opened_has_no_money_for_gas_so_the_other_side_withdraws_for_both() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=2).map(|index| network.settings(index)).collect();
    settings[1].0.policy.withdrawal_delay = Duration::from_millis(300);
    let nodes = start_all(settings).await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await;
    network.set_balance(account(1), 0).await;
    let closing = nodes[0].begin_close_ledger(ledgers[0]).await;
    nodes[1].completed(closing).await;
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, 0).await;
    // The first one's own withdrawal is refused by the contract, and that is fine.
    network.set_balance(account(1), ETHER).await;
    nodes[0].completed(closing).await;
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_carries_a_channel_is_not_closed() {
    let network = Network::start().await;
    let nodes = network.nodes::<3>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Left]).await;
    let path = [&nodes[1], &nodes[2]];
    let channel = nodes[0].open_payment(&path, Asset::NATIVE, CAPACITY).await;
    for node in &nodes[..2] {
        let refused = node.handle().request(Request::CloseLedger { ledger: ledgers[0] }).await;
        let Err(CallError::Refused(RequestError::GuaranteesRunning { ledger, count: 1 })) = refused
        else {
            panic!("the ledger was closed: {refused:?}");
        };
        assert_eq!(ledger, ledgers[0]);
    }
    nodes[0].pay(channel, 12).await;
    let closing = nodes[1].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    for (index, ledger) in ledgers.iter().enumerate() {
        let closing = nodes[index].begin_close_ledger(*ledger).await;
        settled(&nodes[index..=index + 1], closing).await;
    }
    check_payouts(&network, &nodes, Asset::NATIVE, &ledgers, 12).await;
}
