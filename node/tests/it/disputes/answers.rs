//! A peer shows the chain something older than what it has signed.

use engine::ledger::ChannelMode;
use engine::policy::StaleAnswer;
use engine::types::TurnNumber;

use super::cheater::{Records, opening};
use super::scene::{Coin, Scene, in_both};

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_challenge_is_answered_by_a_newer_challenge() {
    in_both(async |coin| stale_challenge(coin, TurnNumber::POSTFUND).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefund_state_is_answered_after_the_postfund_state_was_signed() {
    in_both(async |coin| stale_challenge(coin, TurnNumber::PREFUND).await).await;
}

/// The first node has paid the second one, falls silent and wants its deposit back.
async fn stale_challenge(coin: Coin, turn: TurnNumber) {
    let mut scene = Scene::start(coin, 2).await;
    let ledger = scene.paid_ledger(25).await;
    cheat(&mut scene, ledger, turn).await;
    scene.until_challenged(1, ledger).await;
    scene.expire().await;
    scene.out(1, ledger).await;
    scene.assert_gains(&[ledger], &[-25, 25]).await;
    assert_eq!(scene.calls(1).await, ["challengeAll", "settle"]);
}

/// The first node stops, and its owner registers one of the first states.
async fn cheat(scene: &mut Scene, ledger: engine::types::ChannelId, turn: TurnNumber) {
    scene.stop(0).await;
    let records = Records::of(&scene.nodes[0]);
    let ledger = records.ledger(ledger);
    let stale = scene.challenge(0, &ledger.fixed, opening(ledger, turn));
    scene.register(0, &[stale]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_challenge_is_answered_by_a_checkpoint_and_the_ledger_lives_on() {
    in_both(async |coin| {
        let mut scene = Scene::start_with(coin, 2, |_, settings| {
            settings.policy.stale_answer = StaleAnswer::Checkpoint;
        })
        .await;
        let ledger = scene.paid_ledger(25).await;
        cheat(&mut scene, ledger, TurnNumber::POSTFUND).await;
        scene.until_ledger(1, ledger, "a challenge", |view| view.mode != ChannelMode::Open).await;
        scene.until_cleared(1, ledger).await;
        assert_eq!(scene.calls(1).await, ["checkpoint"]);
        scene.expire().await;
        scene.nodes[0].resume().await;
        // It hears of the challenge and of the answer, which it would give as well.
        scene.nodes[0].until_block(scene.network.head().await).await;
        scene.until_cleared(0, ledger).await;
        scene.pay_once(&[1, 0], 5).await;
        scene.while_mining(scene.close(0, ledger)).await;
        scene.assert_gains(&[ledger], &[-20, 20]).await;
    })
    .await;
}
