//! Leaving channels by RPC: what is answered, what subscribers hear, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use engine::types::Asset;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use node::rpc::types::Notice;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::served::{Served, params};
use crate::support::{ETHER, LIMIT, Network, TestNode, account, amount};

const UNKNOWN: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
/// The challenge duration of the ledgers of these tests, and a block.
const DURATION: u64 = 3_601;

/// Lets challenges run out.
async fn pass_time(network: &Network) {
    network.set("evm_increaseTime", json!([DURATION])).await;
    network.mine(1).await;
}

/// Waits for something while blocks are mined. The two nodes see a block at different times, and what
/// one of them refuses before it has seen it is asked again with the next one.
async fn while_mining<T>(network: &Network, wanted: impl Future<Output = T>) -> T {
    let mine = async {
        loop {
            network.mine(1).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        biased;
        found = wanted => found,
        () = mine => unreachable!("it mines for ever"),
    }
}

async fn subscribe(served: &Served, topic: &str, args: Value) -> Subscription<Notice> {
    let names = [format!("nitro_subscribe{topic}"), format!("nitro_unsubscribe{topic}")];
    served.client.subscribe(&names[0], params(&args), &names[1]).await.unwrap()
}

/// Reads notices until `wanted` makes something of one.
async fn hear<T>(from: &mut Subscription<Notice>, wanted: impl Fn(&Notice) -> Option<T>) -> T {
    let found = async {
        while let Some(notice) = from.next().await {
            if let Some(found) = wanted(&notice.unwrap()) {
                return found;
            }
        }
        panic!("the subscription ended")
    };
    timeout(LIMIT, found).await.expect("the notice comes")
}

/// Asks until the answer is as wanted.
async fn until(
    served: &Served,
    method: &str,
    args: Value,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let found = async {
        loop {
            let answer = served.ok(method, args.clone()).await;
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, found).await.unwrap_or_else(|_| panic!("{method} does not change"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_a_channel_is_left_while_the_peer_is_gone() {
    let network = Network::start().await;
    let mut bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let served = Served::start(alice.handle()).await;
    let ledger = alice.open_ledger(&bob, Asset::NATIVE, ETHER, ETHER).await;
    let channel = bob.open_payment(&[&alice], Asset::NATIVE, ETHER / 2).await;
    bob.pay(channel, 7).await;
    bob.stop().await;
    let (id, over) = (json!({ "ledger": ledger }), json!({ "channel": channel }));

    // Before anybody leaves it, a ledger says what that would take.
    let priced = |info: &Value| info["exit"]["expected_cost"].is_string();
    let open = until(&served, "nitro_ledger", id.clone(), priced).await;
    assert_eq!((&open["status"], &open["exit"]["reason"]), (&json!("open"), &Value::Null));
    assert!(open["exit"]["expected_gas"].as_u64().unwrap() > 100_000, "{open}");

    let mut ledgers = subscribe(&served, "Ledgers", id.clone()).await;
    let mut payments = subscribe(&served, "Payments", over.clone()).await;
    let begun = served.ok("nitro_exitLedger", id.clone()).await;
    let objective = json!({ "objective": format!("Exit-{ledger}") });
    assert_eq!(begun["objective"], objective["objective"]);
    assert_eq!((&begun["channel"], &begun["result"]), (&json!(ledger), &Value::Null));

    let reason = hear(&mut ledgers, |notice| match notice {
        Notice::Ledger(info) if info.status == "exiting" => info.exit.clone()?.reason,
        _ => None,
    });
    assert_eq!(reason.await, "you asked for it");
    let reason = hear(&mut payments, |notice| match notice {
        Notice::Channel(info) if info.status == "exiting" => info.exit.clone()?.reason,
        _ => None,
    });
    assert_eq!(
        reason.await,
        format!("ledger channel {ledger} under it is being enforced on chain")
    );
    for (from, wanted) in [(&mut ledgers, ledger), (&mut payments, channel)] {
        let deadline = hear(from, |notice| match notice {
            Notice::Challenged { channel, finalizes_at } if *channel == wanted => {
                Some(*finalizes_at)
            }
            _ => None,
        });
        assert!(deadline.await > 1_700_000_000);
    }
    let shown = served.ok("nitro_ledger", id.clone()).await;
    assert_eq!(shown["on_chain"], "challenged");
    assert_eq!(shown["exit"]["finalizes_at"], shown["finalizes_at"]);
    let shown = served.ok("nitro_channel", over.clone()).await;
    assert_eq!((&shown["status"], &shown["on_chain"]), (&json!("exiting"), &json!("challenged")));
    // The chain may tell of the challenge before its transaction counts as confirmed.
    let running = timeout(LIMIT, async {
        loop {
            let running = served.ok("nitro_objective", objective.clone()).await;
            if running["waiting_for"] != "WaitingForChallenge" {
                return running;
            }
        }
    })
    .await
    .expect("the challenge is confirmed");
    assert_eq!((&running["kind"], &running["deadline"]), (&json!("exit"), &Value::Null));
    assert_eq!(running["waiting_for"], "WaitingForChallengeExpiry");

    // Once it has begun, it is neither begun again nor closed in another way.
    for (method, args, field) in [
        ("nitro_exitLedger", &id, "ledger"),
        ("nitro_closeLedger", &id, "ledger"),
        ("nitro_exitChannel", &over, "channel"),
        ("nitro_closeChannel", &over, "channel"),
    ] {
        let refused = served.refused(method, args.clone()).await;
        assert_eq!((refused.code, refused.reason.as_str()), (1_026, "already_exiting"));
        assert_eq!(refused.field.as_deref(), Some(field));
        assert!(refused.message.starts_with(&format!("{field}: 0x")), "{refused:?}");
        assert!(refused.message.contains("wait for Exit-0x"), "{refused:?}");
    }

    pass_time(&network).await;
    let ended = served.ok("nitro_waitObjective", objective).await;
    assert_eq!(ended["status"], "completed");
    let closed = served.ok("nitro_ledger", id.clone()).await;
    assert_eq!((&closed["status"], &closed["exit"]), (&json!("closed"), &Value::Null));
    let balance = network.balance(Asset::NATIVE, alice.address, &alice).await;
    assert_eq!(balance, amount(ETHER + 7));
    let balance = network.balance(Asset::NATIVE, bob.address, &alice).await;
    assert_eq!(balance, amount(ETHER - 7));

    let refused = served.refused("nitro_exitLedger", id).await;
    assert_eq!((refused.code, refused.reason.as_str()), (1_004, "already_closed"));
    assert_eq!(refused.field.as_deref(), Some("ledger"));
    let refused = served.refused("nitro_exitChannel", over).await;
    assert_eq!((refused.code, refused.field.as_deref()), (1_004, Some("channel")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_left_is_refused_and_nothing_changes() {
    let network = Network::start().await;
    let mut bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let served = Served::start(alice.handle()).await;
    let peer = bob.address.to_checksum(None);
    bob.stop().await;
    // Nothing is deposited before the peer has signed.
    let opening = served.ok("nitro_openLedger", json!({ "peer": peer, "amount": "5" })).await;
    let state = async || {
        let ledgers = served.ok("nitro_ledgers", json!({})).await;
        let statuses: Vec<_> =
            ledgers.as_array().unwrap().iter().map(|l| l["status"].clone()).collect();
        (statuses, served.ok("nitro_objectives", json!({})).await)
    };
    let before = state().await;
    let ledger = |id: Value| json!({ "ledger": id });
    let channel = |id: Value| json!({ "channel": id });
    for (method, args, code, field, reason) in [
        ("nitro_exitLedger", ledger(json!(UNKNOWN)), 1_001, "ledger", "unknown_ledger"),
        ("nitro_exitChannel", channel(json!(UNKNOWN)), 1_002, "channel", "unknown_channel"),
        (
            "nitro_exitLedger",
            ledger(opening["channel"].clone()),
            1_027,
            "ledger",
            "nothing_to_enforce",
        ),
        (
            "nitro_exitChannel",
            channel(opening["channel"].clone()),
            1_002,
            "channel",
            "unknown_channel",
        ),
        ("nitro_exitLedger", ledger(json!("0x12")), -32_602, "ledger", "malformed_id"),
        ("nitro_exitLedger", ledger(Value::Null), -32_602, "ledger", "missing"),
        ("nitro_exitChannel", channel(json!(5)), -32_602, "channel", "not_a_string"),
        ("nitro_exitChannel", json!({ "ledger": UNKNOWN }), -32_602, "channel", "missing"),
        (
            "nitro_exitLedger",
            json!({ "ledger": UNKNOWN, "force": true }),
            -32_602,
            "force",
            "unknown_parameter",
        ),
    ] {
        let refused = served.refused(method, args.clone()).await;
        let found = (refused.code, refused.field.as_deref(), refused.reason.as_str());
        assert_eq!(found, (code, Some(field), reason), "{method} {args}");
        assert!(refused.message.starts_with(&format!("{field}: ")), "{refused:?}");
    }
    assert_eq!(state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_coin_for_leaving_opens_nothing_and_says_so() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let served = Served::start(alice.handle()).await;
    let reserve = |status: &Value, short: bool| status["gas"]["short"] == short;
    let status = until(&served, "nitro_status", json!({}), |status| reserve(status, false)).await;
    assert_eq!(status["gas"]["reserve"], "0", "there is nothing to leave");
    assert_eq!(status["gas"]["balance"], "10000000000000000000000");
    alice.open_ledger(&bob, Asset::NATIVE, 1_000, 0).await;

    network.set_balance(account(1), 1_000).await;
    network.mine(1).await;
    let status = until(&served, "nitro_status", json!({}), |status| reserve(status, true)).await;
    assert_eq!(status["gas"]["balance"], "1000");
    assert_ne!(status["gas"]["price"], "0");
    let peer = "0x2222222222222222222222222222222222222222";
    let refused = served.refused("nitro_openLedger", json!({ "peer": peer, "amount": "5" })).await;
    assert_eq!((refused.code, refused.reason.as_str()), (1_028, "gas_reserve"));
    assert!(refused.message.contains("send coin"), "{refused:?}");
    let bob_name = bob.address.to_checksum(None);
    let refused =
        served.refused("nitro_openChannel", json!({ "payee": bob_name, "amount": "5" })).await;
    assert_eq!((refused.code, refused.field), (1_028, None));

    network.set_balance(account(1), ETHER).await;
    network.mine(1).await;
    until(&served, "nitro_status", json!({}), |status| reserve(status, false)).await;
    served.ok("nitro_openChannel", json!({ "payee": bob_name, "amount": "5", "wait": true })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_left_and_the_ledger_of_a_peer_that_answers_stays_open() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let served = Served::start(alice.handle()).await;
    let ledger = alice.open_ledger(&bob, Asset::NATIVE, ETHER, ETHER).await;
    let channel = bob.open_payment(&[&alice], Asset::NATIVE, ETHER / 2).await;
    bob.pay(channel, 7).await;
    let (id, over) = (json!({ "ledger": ledger }), json!({ "channel": channel }));

    let begun = served.ok("nitro_exitChannel", over.clone()).await;
    assert_eq!(begun["objective"], format!("Exit-{channel}"));
    let challenged = |info: &Value| info["on_chain"] == "challenged";
    let shown = until(&served, "nitro_channel", over.clone(), challenged).await;
    assert_eq!(shown["exit"]["reason"], "you asked for it");
    assert!(shown["exit"]["finalizes_at"].is_u64(), "{shown}");
    assert_eq!(served.ok("nitro_ledger", id.clone()).await["status"], "open");
    let given_up =
        served.refused("nitro_cancelObjective", json!({ "objective": begun["objective"] }));
    assert_eq!(given_up.await.reason, "not_cancellable");

    pass_time(&network).await;
    let end = served.ok("nitro_waitObjective", json!({ "objective": begun["objective"] }));
    let ended = while_mining(&network, end).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(served.ok("nitro_channel", over).await["status"], "closed");
    let ledger = until(&served, "nitro_ledger", id, |info| info["locked"] == "0").await;
    assert_eq!((&ledger["status"], &ledger["exit"]["reason"]), (&json!("open"), &Value::Null));
    assert_eq!(ledger["my_balance"], (ETHER + 7).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_worth_its_gas_is_left_and_said() {
    let network = Network::start().await;
    let mut bob = network.node(2, &[]).await;
    let (mut settings, dir) = network.settings(1);
    settings.p2p.boot_peers.push(bob.dial_address().await);
    settings.policy.dust.insert(Asset::NATIVE, amount(10_000));
    let alice = TestNode::start(settings, dir).await;
    let served = Served::start(alice.handle()).await;
    let ledger = alice.open_ledger(&bob, Asset::NATIVE, ETHER, ETHER).await;
    bob.open_payment(&[&alice], Asset::NATIVE, 1_000).await;
    bob.stop().await;
    let id = json!({ "ledger": ledger });
    let mut ledgers = subscribe(&served, "Ledgers", id.clone()).await;
    let begun = served.ok("nitro_exitLedger", id.clone()).await;
    until(&served, "nitro_ledger", id, |info| info["on_chain"] == "challenged").await;
    pass_time(&network).await;
    let left = hear(&mut ledgers, |notice| match notice {
        Notice::LeftBehind { channel, holdings } if *channel == ledger => Some(holdings.0),
        _ => None,
    });
    assert_eq!(left.await, amount(1_000));
    let ended = served.ok("nitro_waitObjective", json!({ "objective": begun["objective"] })).await;
    assert_eq!(ended["status"], "completed");
    let balance = network.balance(Asset::NATIVE, alice.address, &alice).await;
    assert_eq!(balance, amount(ETHER));
}
