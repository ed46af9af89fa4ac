//! A peer that turns against the other while they close.

use engine::objectives::WaitingFor;
use engine::types::{ChannelId, ObjectiveId, TurnNumber};

use super::cheater::{Records, opening};
use super::scene::{Coin, PATIENCE, Scene, in_both};

/// Challenges with the postfund state, by the first node, which is stopped.
async fn challenge_old(scene: &Scene, ledger: ChannelId) {
    let records = Records::of(&scene.nodes[0]);
    let ledger = records.ledger(ledger);
    let state = opening(ledger, TurnNumber::POSTFUND);
    scene.register(0, &[scene.challenge(0, &ledger.fixed, state)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_challenge_in_place_of_a_final_signature_is_answered() {
    in_both(async |coin| {
        let mut scene = Scene::start(coin, 2).await;
        let ledger = scene.paid_ledger(25).await;
        scene.stop(0).await;
        let closing = scene.nodes[1].begin_close_ledger(ledger).await;
        scene.nodes[1].waits_for(closing, WaitingFor::Finalization).await;
        challenge_old(&scene, ledger).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
    })
    .await;
}

/// Both have signed the final state; the first node, whose turn it is to pay out, has stopped.
async fn signed_but_not_paid(coin: Coin) -> (Scene, ChannelId, ObjectiveId) {
    let mut scene =
        Scene::start_with(coin, 2, |_, settings| settings.policy.withdrawal_delay = PATIENCE).await;
    let ledger = scene.paid_ledger(25).await;
    // Neither can send anything before the one has stopped.
    scene.cut(0).await;
    scene.cut(1).await;
    let closing = scene.nodes[0].begin_close_ledger(ledger).await;
    for node in &scene.nodes {
        node.waits_for(closing, WaitingFor::Withdraw).await;
    }
    scene.stop(0).await;
    (scene, ledger, closing)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_challenge_after_both_signed_the_final_state_is_ended_by_it() {
    in_both(async |coin| {
        let (mut scene, ledger, _) = signed_but_not_paid(coin).await;
        challenge_old(&scene, ledger).await;
        scene.mend(1).await;
        // No challenge has to run out: the clock stands still.
        scene.while_mining(scene.until_paid_out(ledger)).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
        assert_eq!(scene.calls(1).await, ["concludeAndTransferAllAssets"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_concludes_without_paying_out_locks_nothing() {
    in_both(async |coin| {
        let (mut scene, id, closing) = signed_but_not_paid(coin).await;
        let records = Records::of(&scene.nodes[0]);
        let ledger = records.ledger(id);
        let turn = ledger.closing.expect("both have signed it").turn;
        scene.conclude(0, &ledger.fixed, ledger.final_state(turn)).await;
        scene.mend(1).await;
        scene.while_mining(scene.nodes[1].completed(closing)).await;
        scene.assert_gains(&[id], &[-25, 25]).await;
        assert_eq!(scene.calls(1).await, ["settle"]);
    })
    .await;
}
