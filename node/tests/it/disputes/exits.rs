//! A node gets out alone because its peers are silent.

use engine::types::ObjectiveId;

use super::scene::{ALICE, BOB, Coin, IRENE, Scene, in_both};

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_of_a_ledger_gets_out_without_its_silent_peer() {
    in_both(async |coin| direct_exit(coin, 0).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_follower_of_a_ledger_gets_out_without_its_silent_peer() {
    in_both(async |coin| direct_exit(coin, 1).await).await;
}

async fn direct_exit(coin: Coin, exiting: usize) {
    let mut scene = Scene::start(coin, 2).await;
    let ledger = scene.paid_ledger(25).await;
    scene.stop(1 - exiting).await;
    scene.exit(exiting, ledger).await;
    scene.until_challenged(exiting, ledger).await;
    scene.expire().await;
    scene.out(exiting, ledger).await;
    // The peer is paid by the same transaction, though it never comes back.
    scene.assert_gains(&[ledger], &[-25, 25]).await;
    assert_eq!(scene.calls(exiting).await, ["challengeAll", "settle"]);
}

/// Alice has paid Bob 12 units through Irene, who is silent from then on.
async fn silent_relay(coin: Coin) -> (Scene, [engine::types::ChannelId; 3]) {
    let mut scene = Scene::eager(coin, 3).await;
    let ledgers = scene.open_line().await;
    let channel = scene.open_payment(&[ALICE, IRENE, BOB]).await;
    scene.pay(ALICE, channel, 12).await;
    scene.stop(IRENE).await;
    scene.lose_patience(ALICE).await;
    scene.lose_patience(BOB).await;
    (scene, [ledgers[0], ledgers[1], channel])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_redeems_its_voucher_against_a_silent_relay() {
    in_both(async |coin| {
        let (scene, [left, right, channel]) = silent_relay(coin).await;
        scene.exit(BOB, right).await;
        scene.until_challenged(BOB, right).await;
        scene.expire().await;
        scene.out(BOB, right).await;
        // The payment channel is final for Alice too; she asks Irene to give the guarantee back,
        // hears nothing, and gets out.
        scene.until_challenged(ALICE, left).await;
        scene.expire().await;
        scene.out(ALICE, left).await;
        for node in [ALICE, BOB] {
            scene.nodes[node].completed(ObjectiveId::Exit(channel)).await;
        }
        scene.assert_gains(&[left, right], &[-12, 0, 12]).await;
        assert_eq!(scene.calls(BOB).await, ["challengeAll", "settle"]);
        assert_eq!(scene.calls(ALICE).await, ["challengeAll", "settle"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_gets_out_over_a_silent_relay_and_the_payee_keeps_what_it_was_paid() {
    in_both(async |coin| {
        let (scene, [left, right, channel]) = silent_relay(coin).await;
        scene.exit(ALICE, left).await;
        scene.until_challenged(ALICE, left).await;
        // Bob answers the opening that Alice has shown with his voucher.
        scene.until_challenged(BOB, channel).await;
        scene.expire().await;
        scene.out(ALICE, left).await;
        scene.until_challenged(BOB, right).await;
        scene.expire().await;
        scene.out(BOB, right).await;
        scene.assert_gains(&[left, right], &[-12, 0, 12]).await;
    })
    .await;
}
