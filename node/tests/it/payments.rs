//! The main job on real parts.

use engine::types::Asset;

use crate::support::{ETHER, Network, amount};

#[tokio::test(flavor = "multi_thread")]
async fn alice_pays_bob_through_irene_and_everyone_is_paid_out() {
    let network = Network::start().await;
    let irene = network.node(2, &[]).await;
    let alice = network.node(1, &[&irene]).await;
    let bob = network.node(3, &[&irene]).await;
    let left = alice.open_ledger(&irene, Asset::NATIVE, 10 * ETHER, 10 * ETHER).await;
    let right = irene.open_ledger(&bob, Asset::NATIVE, 10 * ETHER, 10 * ETHER).await;

    let channel = alice.open_payment(&[&irene, &bob], Asset::NATIVE, 5 * ETHER).await;
    for _ in 0..20 {
        alice.pay(channel, 7).await;
    }
    assert_eq!(bob.payment(channel).await.paid, amount(140));

    let closing = alice.begin_close_payment(channel).await;
    for node in [&alice, &irene, &bob] {
        node.completed(closing).await;
    }
    for (node, ledger) in [(&alice, left), (&bob, right)] {
        let closing = node.begin_close_ledger(ledger).await;
        node.completed(closing).await;
        irene.completed(closing).await;
    }
    for (node, expected) in
        [(&alice, 10 * ETHER - 140), (&irene, 20 * ETHER), (&bob, 10 * ETHER + 140)]
    {
        let balance = network.balance(Asset::NATIVE, node.address, node).await;
        assert_eq!(balance, amount(expected), "payout of {}", node.address);
    }
}
