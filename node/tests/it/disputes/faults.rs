//! Chains that take back what they said, endpoints that are away, and nodes that stop.

use engine::types::{ChannelId, TurnNumber};

use super::cheater::{Records, opening};
use super::scene::{ALICE, BOB, CHALLENGE, Coin, IRENE, Scene, in_both};

/// Before a deadline, in seconds of the chain: enough for one transaction.
const LAST_MINUTES: u64 = 180;

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_and_a_payout_that_are_taken_back_are_made_again() {
    in_both(async |coin| {
        let mut scene = Scene::start(coin, 2).await;
        let ledger = scene.paid_ledger(25).await;
        scene.stop(0).await;
        scene.exit(1, ledger).await;
        scene.until_challenged(1, ledger).await;
        scene.network.reorganise(1).await;
        assert_eq!(scene.status(ledger).await, (0, 0), "the challenge is gone");
        scene.until_turn(ledger, 1).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.network.reorganise(1).await;
        scene.until_paid_out(ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
    })
    .await;
}

/// The first node has paid and shows a state in which it has not.
async fn cheated(coin: Coin) -> (Scene, ChannelId, u64) {
    let mut scene = Scene::start(coin, 2).await;
    let ledger = scene.paid_ledger(25).await;
    let newest = scene.nodes[1].ledger(ledger).await.turn.0;
    scene.stop(0).await;
    (scene, ledger, newest)
}

async fn cheat(scene: &Scene, ledger: ChannelId) {
    let records = Records::of(&scene.nodes[0]);
    let ledger = records.ledger(ledger);
    let state = opening(ledger, TurnNumber::POSTFUND);
    scene.register(0, &[scene.challenge(0, &ledger.fixed, state)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_taken_back_is_given_again() {
    in_both(async |coin| {
        let (scene, ledger, newest) = cheated(coin).await;
        cheat(&scene, ledger).await;
        scene.until_challenged(1, ledger).await;
        scene.network.reorganise(1).await;
        scene.until_turn(ledger, newest).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_comes_back_shortly_before_the_deadline_is_early_enough() {
    in_both(async |coin| {
        let (mut scene, ledger, newest) = cheated(coin).await;
        scene.cut(1).await;
        cheat(&scene, ledger).await;
        scene.advance(CHALLENGE - LAST_MINUTES).await;
        scene.mend(1).await;
        scene.until_turn(ledger, newest).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_at_each_step_of_an_exit_goes_on() {
    in_both(async |coin| {
        let mut scene = Scene::eager(coin, 3).await;
        let ledgers = scene.open_line().await;
        let channel = scene.open_payment(&[ALICE, IRENE, BOB]).await;
        scene.pay(ALICE, channel, 12).await;
        scene.stop(IRENE).await;
        scene.lose_patience(ALICE).await;
        scene.exit(BOB, ledgers[1]).await;
        scene.nodes[BOB].restart().await;
        scene.until_challenged(BOB, ledgers[1]).await;
        scene.nodes[BOB].stop().await;
        scene.expire().await;
        scene.nodes[ALICE].restart().await;
        scene.nodes[BOB].resume().await;
        scene.out(BOB, ledgers[1]).await;
        scene.nodes[BOB].restart().await;
        scene.until_challenged(ALICE, ledgers[0]).await;
        scene.nodes[ALICE].restart().await;
        scene.expire().await;
        scene.nodes[ALICE].restart().await;
        scene.out(ALICE, ledgers[0]).await;
        scene.assert_gains(&ledgers, &[-12, 0, 12]).await;
    })
    .await;
}
