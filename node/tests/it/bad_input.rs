//! Whatever a caller gets wrong is refused with a stable code that names the parameter, and
//! changes nothing (gaps R1 to R8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use engine::types::Asset;
use serde_json::{Value, json};

use crate::served::Served;
use crate::support::{Network, TestNode};

const PARAMS: i32 = -32_602;
/// One above the largest 256-bit number.
const TOO_LARGE: &str =
    "115792089237316195423570985008687907853269984665640564039457584007913129639936";
const LARGEST: &str =
    "115792089237316195423570985008687907853269984665640564039457584007913129639935";
const UNKNOWN: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const STRANGER: &str = "0x2222222222222222222222222222222222222222";

/// Method, parameters, and what the refusal must say: code, parameter, word.
type Case = (&'static str, Value, i32, &'static str, &'static str);

/// Everything of a node that a request could change.
async fn state(served: &Served) -> [Value; 3] {
    let mut state = [
        served.ok("nitro_ledgers", json!({})).await,
        served.ok("nitro_channels", json!({})).await,
        served.ok("nitro_objectives", json!({})).await,
    ];
    for info in state.iter_mut().flat_map(|list| list.as_array_mut().unwrap()) {
        // The price of gas changes by itself.
        info.as_object_mut().unwrap().remove("exit");
    }
    state
}

async fn check(served: &Served, cases: Vec<Case>) {
    let before = state(served).await;
    for (method, args, code, field, reason) in cases {
        let refused = served.refused(method, args.clone()).await;
        let found = (refused.code, refused.field.as_deref(), refused.reason.as_str());
        assert_eq!(found, (code, Some(field), reason), "{method} {args}: {}", refused.message);
        let named = refused.message.contains(field) || code != PARAMS;
        assert!(named, "{method} {args}: {:?} does not name {field}", refused.message);
    }
    assert_eq!(state(served).await, before, "a refused call changed something");
}

/// Alice with a ledger to Bob and a payment channel of 100 to him.
async fn pair(network: &Network) -> (TestNode, TestNode, Served, String, String) {
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let ledger = alice.open_ledger(&bob, Asset::NATIVE, 1_000, 1_000).await.to_string();
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 100).await.to_string();
    let served = Served::start(alice.handle()).await;
    (alice, bob, served, ledger, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_parameters_are_named() {
    let network = Network::start().await;
    let (_alice, bob, served, ledger, channel) = pair(&network).await;
    let bob = bob.address.to_checksum(None);
    let wrong_case =
        bob.to_lowercase().replacen(|c: char| c.is_ascii_lowercase() && c != 'x', "A", 1);
    let mut cases: Vec<Case> = Vec::new();

    let addresses = [
        (json!("0x12"), "malformed_address"),
        (json!(""), "malformed_address"),
        (json!(bob[2..]), "malformed_address"),
        (json!(format!("{bob}00")), "malformed_address"),
        (json!("0xzz22222222222222222222222222222222222222"), "malformed_address"),
        (json!(wrong_case), "wrong_checksum"),
        (json!(5), "not_a_string"),
        (json!(null), "missing"),
    ];
    for (address, reason) in addresses {
        let open = json!({ "peer": address, "amount": "5" });
        cases.push(("nitro_openLedger", open, PARAMS, "peer", reason));
        let open = json!({ "payee": address, "amount": "5" });
        cases.push(("nitro_openChannel", open, PARAMS, "payee", reason));
        cases.push(("nitro_resolvePeer", json!({ "peer": address }), PARAMS, "peer", reason));
        if reason != "missing" {
            let args = json!({ "address": address });
            cases.push(("nitro_balance", args, PARAMS, "address", reason));
            let args = json!({ "asset": address, "peer": bob, "amount": "5" });
            cases.push(("nitro_openLedger", args, PARAMS, "asset", reason));
            let open = json!({ "payee": bob, "relays": [bob, address], "amount": "5" });
            let reason = if reason == "not_a_string" { "not_a_list" } else { reason };
            cases.push(("nitro_openChannel", open, PARAMS, "relays", reason));
        }
    }

    let amounts = [
        (json!(""), "empty"),
        (json!("-1"), "negative"),
        (json!("-0.5ether"), "negative"),
        (json!("1.5"), "fraction"),
        (json!("0.5wei"), "fraction"),
        (json!("1e3"), "not_an_amount"),
        (json!("5dollars"), "unknown_unit"),
        (json!("0x"), "not_an_amount"),
        (json!("five"), "not_an_amount"),
        (json!("1 000"), "not_an_amount"),
        (json!(TOO_LARGE), "too_large"),
        (json!(format!("{LARGEST}ether")), "too_large"),
        (json!("9".repeat(1_000)), "not_an_amount"),
        (json!(5), "not_a_string"),
        (json!(-5), "not_a_string"),
        (json!(1.5), "not_a_string"),
        (json!({}), "not_a_string"),
        (json!(null), "missing"),
    ];
    for (amount, reason) in amounts {
        let pay = json!({ "channel": channel, "amount": amount });
        cases.push(("nitro_pay", pay.clone(), PARAMS, "amount", reason));
        cases.push(("nitro_createVoucher", pay, PARAMS, "amount", reason));
        let open = json!({ "peer": STRANGER, "amount": amount });
        cases.push(("nitro_openLedger", open, PARAMS, "amount", reason));
        let open = json!({ "payee": bob, "amount": amount });
        cases.push(("nitro_openChannel", open, PARAMS, "amount", reason));
        if reason != "missing" {
            let open = json!({ "peer": STRANGER, "amount": "1", "peer_amount": amount });
            cases.push(("nitro_openLedger", open, PARAMS, "peer_amount", reason));
        }
    }

    let ids = [
        (json!("0x12"), "malformed_id"),
        (json!(""), "malformed_id"),
        (json!(UNKNOWN[2..]), "malformed_id"),
        (json!(format!("{UNKNOWN}00")), "malformed_id"),
        (json!(UNKNOWN.replace('1', "g")), "malformed_id"),
        (json!(5), "not_a_string"),
        (json!(null), "missing"),
    ];
    for (id, reason) in ids {
        for method in ["nitro_ledger", "nitro_closeLedger"] {
            cases.push((method, json!({ "ledger": id }), PARAMS, "ledger", reason));
        }
        for method in ["nitro_channel", "nitro_closeChannel"] {
            cases.push((method, json!({ "channel": id }), PARAMS, "channel", reason));
        }
        let args = json!({ "channel": id, "amount": "5" });
        cases.push(("nitro_pay", args, PARAMS, "channel", reason));
        for method in ["nitro_objective", "nitro_waitObjective", "nitro_cancelObjective"] {
            cases.push((method, json!({ "objective": id }), PARAMS, "objective", reason));
        }
    }
    for id in
        [UNKNOWN.to_owned(), format!("Swap-{UNKNOWN}"), format!("VirtualFund-{}", &UNKNOWN[2..])]
    {
        let args = json!({ "objective": id });
        cases.push(("nitro_objective", args, PARAMS, "objective", "malformed_id"));
    }

    let signature = format!("0x{}", "11".repeat(65));
    for (signature, reason) in [
        (json!("0x12"), "malformed_signature"),
        (json!(signature), "malformed_signature"),
        (json!(signature[2..]), "malformed_signature"),
        (json!(null), "missing"),
    ] {
        let args = json!({ "channel": channel, "total": "5", "signature": signature });
        cases.push(("nitro_receiveVoucher", args, PARAMS, "signature", reason));
    }
    let args = json!({ "channel": channel, "signature": signature });
    cases.push(("nitro_receiveVoucher", args, PARAMS, "total", "missing"));

    let close = |name: &str, value: Value| json!({ "ledger": ledger, name: value });
    cases.extend([
        ("nitro_closeLedger", close("wait", json!("yes")), PARAMS, "wait", "not_a_flag"),
        (
            "nitro_closeLedger",
            close("timeout_secs", json!(-1)),
            PARAMS,
            "timeout_secs",
            "not_a_number",
        ),
        (
            "nitro_closeLedger",
            close("timeout_secs", json!("5")),
            PARAMS,
            "timeout_secs",
            "not_a_number",
        ),
        (
            "nitro_closeLedger",
            close("timeout_secs", json!(1e9)),
            PARAMS,
            "timeout_secs",
            "not_a_number",
        ),
        ("nitro_closeLedger", close("wiat", json!(true)), PARAMS, "wiat", "unknown_parameter"),
        ("nitro_status", json!({ "x": 1 }), PARAMS, "x", "unknown_parameter"),
        ("nitro_ledgers", json!({ "after": UNKNOWN }), PARAMS, "after", "not_closed"),
        (
            "nitro_ledgers",
            json!({ "closed": true, "limit": 1_000_000 }),
            PARAMS,
            "limit",
            "not_a_number",
        ),
        (
            "nitro_addPeer",
            json!({ "address": "nowhere" }),
            PARAMS,
            "address",
            "malformed_multiaddr",
        ),
        (
            "nitro_addPeer",
            json!({ "address": "/ip4/127.0.0.1/tcp/1" }),
            PARAMS,
            "address",
            "malformed_multiaddr",
        ),
    ]);
    assert!(cases.len() > 150, "{}", cases.len());
    check(&served, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_formed_and_impossible_is_refused() {
    let network = Network::start().await;
    let (alice, bob, served, ledger, channel) = pair(&network).await;
    let payee = Served::start(bob.handle()).await;
    let (me, bob) = (alice.address.to_checksum(None), bob.address.to_checksum(None));
    let zero = "0x0000000000000000000000000000000000000000";
    let token = network.token().0.to_checksum(None);
    let pay = |amount: &str| json!({ "channel": channel, "amount": amount });
    let open = |payee: &str, relays: Value, amount: &str| json!({ "payee": payee, "relays": relays, "amount": amount });
    let open_ledger = |peer: &str, amount: &str, peer_amount: &str| json!({ "peer": peer, "amount": amount, "peer_amount": peer_amount });
    let many: Vec<_> = (1..=20).map(|n| format!("0x{n:040}")).collect();
    check(
        &served,
        vec![
            // Unknown.
            ("nitro_ledger", json!({ "ledger": UNKNOWN }), 1_001, "ledger", "unknown_ledger"),
            ("nitro_ledger", json!({ "ledger": channel }), 1_001, "ledger", "unknown_ledger"),
            ("nitro_closeLedger", json!({ "ledger": UNKNOWN }), 1_001, "ledger", "unknown_ledger"),
            ("nitro_channels", json!({ "ledger": UNKNOWN }), 1_001, "ledger", "unknown_ledger"),
            ("nitro_channel", json!({ "channel": UNKNOWN }), 1_002, "channel", "unknown_channel"),
            ("nitro_channel", json!({ "channel": ledger }), 1_002, "channel", "unknown_channel"),
            (
                "nitro_closeChannel",
                json!({ "channel": UNKNOWN }),
                1_002,
                "channel",
                "unknown_channel",
            ),
            (
                "nitro_pay",
                json!({ "channel": UNKNOWN, "amount": "1" }),
                1_002,
                "channel",
                "unknown_channel",
            ),
            (
                "nitro_createVoucher",
                json!({ "channel": UNKNOWN, "amount": "1" }),
                1_002,
                "channel",
                "unknown_channel",
            ),
            (
                "nitro_objective",
                json!({ "objective": format!("VirtualFund-{UNKNOWN}") }),
                1_003,
                "objective",
                "unknown_objective",
            ),
            (
                "nitro_waitObjective",
                json!({ "objective": format!("VirtualFund-{UNKNOWN}") }),
                1_003,
                "objective",
                "unknown_objective",
            ),
            (
                "nitro_cancelObjective",
                json!({ "objective": format!("VirtualFund-{UNKNOWN}") }),
                1_003,
                "objective",
                "unknown_objective",
            ),
            (
                "nitro_cancelObjective",
                json!({ "objective": format!("VirtualFund-{channel}") }),
                1_025,
                "objective",
                "already_ended",
            ),
            // Amounts.
            ("nitro_pay", pay("0"), 1_017, "amount", "zero"),
            ("nitro_pay", pay("101"), 1_012, "amount", "insufficient_funds"),
            ("nitro_pay", pay(LARGEST), 1_012, "amount", "insufficient_funds"),
            ("nitro_createVoucher", pay("0ether"), 1_017, "amount", "zero"),
            ("nitro_createVoucher", pay("1ether"), 1_012, "amount", "insufficient_funds"),
            ("nitro_openChannel", open(&bob, json!([]), "0"), 1_017, "amount", "zero"),
            (
                "nitro_openChannel",
                open(&bob, json!([]), "901"),
                1_012,
                "amount",
                "insufficient_funds",
            ),
            ("nitro_openLedger", open_ledger(STRANGER, "0", "0"), 1_017, "amount", "zero"),
            ("nitro_openLedger", open_ledger(STRANGER, LARGEST, "1"), 1_018, "amount", "overflow"),
            // Participants.
            ("nitro_openLedger", open_ledger(&me, "5", "0"), 1_014, "peer", "oneself"),
            ("nitro_openLedger", open_ledger(zero, "5", "0"), 1_015, "peer", "participant"),
            ("nitro_openLedger", open_ledger(&bob, "5", "0"), 1_009, "peer", "ledger_exists"),
            ("nitro_openChannel", open(&me, json!([]), "5"), 1_014, "payee", "oneself"),
            ("nitro_openChannel", open(STRANGER, json!([me]), "5"), 1_014, "relays", "oneself"),
            ("nitro_openChannel", open(zero, json!([bob]), "5"), 1_015, "payee", "participant"),
            ("nitro_openChannel", open(&bob, json!([bob]), "5"), 1_015, "payee", "participant"),
            (
                "nitro_openChannel",
                open(STRANGER, json!([bob, bob]), "5"),
                1_015,
                "relays",
                "participant",
            ),
            (
                "nitro_openChannel",
                open(STRANGER, json!(many), "5"),
                1_016,
                "relays",
                "too_many_participants",
            ),
            ("nitro_openChannel", open(STRANGER, json!([]), "5"), 1_010, "payee", "no_ledger"),
            ("nitro_openChannel", open(&bob, json!([STRANGER]), "5"), 1_010, "relays", "no_ledger"),
            (
                "nitro_openChannel",
                json!({ "payee": bob, "amount": "5", "asset": token }),
                1_010,
                "payee",
                "no_ledger",
            ),
            // Bounds.
            (
                "nitro_openLedger",
                json!({ "peer": STRANGER, "amount": "5", "challenge_duration": 0 }),
                1_019,
                "challenge_duration",
                "challenge_duration",
            ),
            (
                "nitro_openChannel",
                json!({ "payee": bob, "amount": "5", "challenge_duration": 4_000_000_000_u32 }),
                1_019,
                "challenge_duration",
                "challenge_duration",
            ),
            // Order.
            ("nitro_closeLedger", json!({ "ledger": ledger }), 1_013, "ledger", "channels_running"),
            ("nitro_resolvePeer", json!({ "peer": STRANGER }), 2_002, "peer", "peer_not_found"),
        ],
    )
    .await;

    // The payee cannot pay, the payer cannot take, and nobody can take another one's promise.
    let voucher = served.ok("nitro_createVoucher", pay("1")).await;
    let mut forged = voucher.clone();
    forged["total"] = json!("90");
    check(
        &payee,
        vec![
            ("nitro_pay", pay("1"), 1_007, "channel", "not_payer"),
            ("nitro_createVoucher", pay("1"), 1_007, "channel", "not_payer"),
            ("nitro_receiveVoucher", forged, 1_022, "signature", "wrong_signer"),
        ],
    )
    .await;
    check(&served, vec![("nitro_receiveVoucher", voucher, 1_008, "channel", "not_payee")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_twice_says_that_it_is_closed() {
    let network = Network::start().await;
    let (_alice, _bob, served, ledger, channel) = pair(&network).await;
    served.ok("nitro_closeChannel", json!({ "channel": channel, "wait": true })).await;
    check(
        &served,
        vec![
            (
                "nitro_closeChannel",
                json!({ "channel": channel }),
                1_004,
                "channel",
                "already_closed",
            ),
            (
                "nitro_pay",
                json!({ "channel": channel, "amount": "1" }),
                1_004,
                "channel",
                "already_closed",
            ),
            (
                "nitro_createVoucher",
                json!({ "channel": channel, "amount": "1" }),
                1_004,
                "channel",
                "already_closed",
            ),
        ],
    )
    .await;
    let begun = served.ok("nitro_closeLedger", json!({ "ledger": ledger })).await;
    let again = served.refused("nitro_closeLedger", json!({ "ledger": ledger })).await;
    // It may be paid out by now.
    assert!([1_004, 1_005].contains(&again.code), "{again:?}");
    assert_eq!(again.field.as_deref(), Some("ledger"));
    served.ok("nitro_waitObjective", json!({ "objective": begun["objective"] })).await;
    check(
        &served,
        vec![
            ("nitro_closeLedger", json!({ "ledger": ledger }), 1_004, "ledger", "already_closed"),
            (
                "nitro_cancelObjective",
                json!({ "objective": begun["objective"] }),
                1_025,
                "objective",
                "already_ended",
            ),
        ],
    )
    .await;
    assert_eq!(served.ok("nitro_ledger", json!({ "ledger": ledger })).await["status"], "closed");
    assert_eq!(served.ok("nitro_channel", json!({ "channel": channel })).await["status"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_declines_is_reported_with_its_reason() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let served = Served::start(alice.handle()).await;
    let peer = bob.address.to_checksum(None);
    // More than Bob deposits because somebody asks.
    let args = json!({ "peer": peer, "amount": "1", "peer_amount": "101ether", "wait": true });
    let declined = served.ok("nitro_openLedger", args).await["result"].clone();
    assert_eq!(declined["status"], "declined");
    assert_eq!(declined["declined_by"], peer);
    assert!(declined["reason"].as_str().unwrap().contains("deposit"), "{declined}");

    // A relay that shares no ledger with the payee.
    alice.open_ledger(&bob, Asset::NATIVE, 100, 0).await;
    let args = json!({ "payee": STRANGER, "relays": [peer], "amount": "5", "wait": true });
    let declined = served.ok("nitro_openChannel", args).await["result"].clone();
    assert_eq!(declined["status"], "declined");
    assert!(declined["reason"].as_str().unwrap().contains("no open ledger"), "{declined}");
}
