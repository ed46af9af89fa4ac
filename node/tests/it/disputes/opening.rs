//! A peer that falls silent while a channel opens.

use std::time::Duration;

use engine::objectives::WaitingFor;
use engine::types::{Amount, ObjectiveId};

use super::scene::{ALICE, BOB, Coin, DEPOSIT, IRENE, PATIENCE, Scene, in_both};

/// How long a ledger may take to open: more than the signatures need, less than a test may take.
const FUNDING: Duration = Duration::from_secs(2);

/// The first node has deposited its part, which the second one has not heard of.
async fn half_funded(coin: Coin) -> (Scene, ObjectiveId) {
    let mut scene = Scene::start_with(coin, 2, |_, settings| {
        settings.policy.patience = PATIENCE;
        settings.policy.withdrawal_delay = PATIENCE;
        settings.policy.ledger_funding_timeout = FUNDING;
    })
    .await;
    scene.cut(1).await;
    let deposit = scene.units(DEPOSIT);
    let opening = scene.nodes[0].begin_ledger(&scene.nodes[1], scene.asset, deposit, deposit).await;
    scene.until_held(opening.channel(), deposit).await;
    (scene, opening)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_comes_back_when_the_peer_never_makes_its_own() {
    in_both(async |coin| {
        let (mut scene, opening) = half_funded(coin).await;
        let ledger = opening.channel();
        scene.stop(1).await;
        scene.until_challenged(0, ledger).await;
        scene.expire().await;
        scene.out(0, ledger).await;
        scene.assert_gains(&[ledger], &[0, 0]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_deposits_come_back_when_a_postfund_signature_never_comes() {
    in_both(async |coin| {
        let (mut scene, opening) = half_funded(coin).await;
        let ledger = opening.channel();
        // Who has deposited never hears of the other's deposit, and so never signs.
        scene.cut(0).await;
        scene.mend(1).await;
        scene.nodes[1].waits_for(opening, WaitingFor::CompletePostfund).await;
        scene.stop(0).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[0, 0]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_for_a_channel_that_never_opens_comes_back() {
    in_both(async |coin| {
        let mut scene = Scene::eager(coin, 3).await;
        let ledgers = scene.open_line().await;
        let path = [&scene.nodes[IRENE], &scene.nodes[BOB]];
        let capacity = scene.units(DEPOSIT);
        let _ = scene.nodes[ALICE].begin_payment(&path, scene.asset, capacity).await;
        scene
            .until_ledger(ALICE, ledgers[0], "a guarantee", |view| view.locked != Amount::ZERO)
            .await;
        // However far the others have come.
        scene.stop(IRENE).await;
        for (node, ledger) in [(ALICE, ledgers[0]), (BOB, ledgers[1])] {
            scene.exit(node, ledger).await;
            scene.until_challenged(node, ledger).await;
        }
        scene.expire().await;
        scene.out(ALICE, ledgers[0]).await;
        scene.out(BOB, ledgers[1]).await;
        scene.assert_gains(&ledgers, &[0, 0, 0]).await;
    })
    .await;
}
