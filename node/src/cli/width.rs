//! Every table and record, filled with the longest values there are, fits 80 columns.

use engine::types::{B256, ChannelId};
use serde_json::{Value, json};

use super::layout::{WIDTH, wrap};
use super::objective::Running;
use super::{channel, ledger, network, objective, send, status, tower};
use crate::rpc::accounts::SendingInfo;
use crate::rpc::types::{ChannelInfo, LedgerInfo, ObjectiveInfo, PeerInfo, StatusInfo, TowerInfo};

const MOST: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
/// No amount of coin is written with more digits, as long as no more of it exists than there is ether.
const MUCH: &str = "123456789123456789123456789";
const ADDRESS: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const WAITS: [&str; 13] = [
    "WaitingForCompletePrefund",
    "WaitingForMyTurnToFund",
    "WaitingForCompleteFunding",
    "WaitingForCompletePostFund",
    "WaitingForFinalStateFromPayer",
    "WaitingForSupportedFinalState",
    "WaitingForDefundingOnMyLeft",
    "WaitingForDefundingOnMyRight",
    "WaitingForFinalization",
    "WaitingForWithdraw",
    "WaitingForChallenge",
    "WaitingForChallengeExpiry",
    "WaitingForPaymentChannels",
];

/// What a peer may call itself.
fn long_address() -> String {
    format!("/dns4/{}.example/udp/65535/quic-v1/p2p/{}", "a".repeat(200), "Q".repeat(53))
}

fn id(byte: u8) -> ChannelId {
    ChannelId(B256::repeat_byte(byte))
}

fn exit() -> Value {
    json!({
        "reason": format!("ledger channel {} under it is being enforced on chain", id(0x77)),
        "finalizes_at": 4_107_542_400_u64,
        "expected_gas": 30_000_000_u64,
        "expected_cost": MUCH,
    })
}

fn ledgers() -> Vec<LedgerInfo> {
    let ledger = |(status, asset, amount): (&str, &str, &str)| {
        json!({
            "ledger": id(0x12), "status": status, "peer": ADDRESS, "asset": asset,
            "my_balance": amount, "peer_balance": amount, "locked": amount, "holdings": amount,
            "role": "follower", "turn": u64::MAX, "challenge_duration": u32::MAX,
            "on_chain": "challenged", "finalizes_at": null, "exit": exit(), "exit_reason": null,
            "channels": [{"channel": id(0x34), "amount": amount}],
        })
    };
    [
        ("opening", "native", MOST),
        ("exiting", "native", MUCH),
        ("closing", ADDRESS, MOST),
        ("open", "native", "999999999999999"),
    ]
    .map(|row| serde_json::from_value(ledger(row)).unwrap())
    .to_vec()
}

fn channels() -> Vec<ChannelInfo> {
    let channel = |(status, asset, amount): (&str, &str, &str)| {
        json!({
            "channel": id(0x34), "status": status, "role": "payer", "payer": ADDRESS,
            "payee": ADDRESS, "relays": [ADDRESS, ADDRESS, ADDRESS], "asset": asset,
            "capacity": amount, "paid": amount, "remaining": amount, "voucher": null,
            "left_ledger": id(0x12), "right_ledger": id(0x13), "challenge_duration": 1,
            "on_chain": "challenged", "exit": exit(),
        })
    };
    [("funding", "native", MOST), ("cancelled", ADDRESS, MOST), ("exiting", "native", MUCH)]
        .map(|row| serde_json::from_value(channel(row)).unwrap())
        .to_vec()
}

fn objectives() -> Vec<ObjectiveInfo> {
    let objective = |(kind, name, waits): (&str, &str, &str)| {
        json!({
            "objective": format!("{name}-{}", id(0x12)), "kind": kind, "channel": id(0x12),
            "status": "running", "waiting_for": waits, "declined_by": ADDRESS,
            "reason": "a signature does not match the agreed state ".repeat(4), "started": 0,
            "deadline": null,
        })
    };
    let kinds = [
        ("open_ledger", "DirectFunding"),
        ("close_ledger", "DirectDefunding"),
        ("open_channel", "VirtualFund"),
        ("close_channel", "VirtualDefund"),
        ("exit", "Exit"),
    ];
    let all = kinds.iter().flat_map(|(kind, name)| WAITS.map(|waits| (*kind, *name, waits)));
    all.map(|row| serde_json::from_value(objective(row)).unwrap()).collect()
}

fn peers() -> Vec<PeerInfo> {
    let peer = json!({
        "peer": ADDRESS, "peer_id": null, "connected": true, "addresses": [long_address()],
        "messages_waiting": 18_446_744_073_709_u64, "offences": 0, "blocked": false, "boot": true,
    });
    vec![serde_json::from_value(peer).unwrap()]
}

fn towers() -> Vec<TowerInfo> {
    let receipt = json!({
        "chain_id": 1, "adjudicator": ADDRESS, "client": ADDRESS, "turn": u64::MAX, "paid": MOST,
        "state": "0x", "at": 0, "signature": "0x",
    });
    let guard = json!({
        "channel": id(0x34), "status": "refused", "newest_turn": u64::MAX, "newest_paid": MOST,
        "reason": "the tower has no room for more channels of this node", "receipt": receipt,
    });
    let tower = json!({
        "tower": ADDRESS, "serving": true, "max_channels": u32::MAX, "max_guard_bytes": null,
        "channels": [guard],
    });
    vec![serde_json::from_value(tower).unwrap()]
}

fn sent() -> Vec<SendingInfo> {
    let sending = |(kind, status, asset, amount): (&str, &str, &str, Option<&str>)| {
        json!({
            "key": format!("0x{}", "7".repeat(64)), "kind": kind, "from": "channel", "asset": asset,
            "to": ADDRESS, "amount": amount, "status": status, "block": u64::MAX, "began": 0,
            "reason": "the token refuses to pay this account ".repeat(5),
        })
    };
    [
        ("transfer", "pending", "native", Some(MOST)),
        ("transfer", "refused", ADDRESS, Some(MOST)),
        ("claim", "unknown", ADDRESS, None),
    ]
    .map(|row| serde_json::from_value(sending(row)).unwrap())
    .to_vec()
}

fn node() -> StatusInfo {
    let block = json!({"number": u64::MAX, "timestamp": 0});
    let long = "the endpoint answers with a page about its prices instead ".repeat(5);
    let endpoint = |leads| {
        json!({
            "endpoint": format!("https://{}.example:65535", "a".repeat(40)), "leads": leads,
            "head": block, "error": long,
        })
    };
    let status = json!({
        "version": "100.100.100", "address": ADDRESS, "uptime_secs": u64::MAX, "ledgers": u64::MAX,
        "channels": u64::MAX, "objectives": u64::MAX, "messages_waiting": u64::MAX,
        "peers_connected": u64::MAX, "listen_addresses": [long_address()],
        "chain": {
            "chain_id": u64::MAX, "adjudicator": ADDRESS, "consensus_app": ADDRESS,
            "payment_app": ADDRESS, "account": ADDRESS, "connected": false, "head": block,
            "confirmed": block, "reorgs": 0, "last_error": long, "alarm": long,
            "endpoints": [endpoint(true), endpoint(false)], "calls_waiting": u64::MAX,
            "calls_in_flight": u64::MAX, "problem": long,
        },
        "gas": {
            "reserve": MOST, "balance": MOST, "price": MOST, "short": true, "ledger_exit": MOST,
            "channel_exit": MOST,
        },
        "accounts": [{
            "account": "channel", "address": ADDRESS,
            "balances": [
                {"asset": "native", "amount": MOST},
                {"asset": ADDRESS, "amount": MOST},
            ],
        }],
        "debts": [{
            "asset": ADDRESS, "amount": MOST, "channels": [{"channel": id(0x12), "amount": MOST}],
            "status": "unknown_asset", "refusals": u32::MAX, "again": u64::MAX,
        }],
    });
    serde_json::from_value(status).unwrap()
}

/// As [`super::output::Output::text`] writes it. Only a word that is there to be copied may be longer.
fn fits(what: &str, text: &str) {
    for line in wrap(text).lines() {
        let copied = line.split_whitespace().count() == 1;
        assert!(copied || line.chars().count() <= WIDTH, "{what}: {line}");
    }
}

/// Rows of a table fit as they are: a broken row is no row.
fn rows_fit(what: &str, text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{what}: {line}\nin\n{text}");
    }
}

#[test]
fn the_rows_of_every_list_fit_80_columns() {
    let running = Running::new(objectives());
    rows_fit("ledger list", &ledger::describe_all(&ledgers(), &running));
    rows_fit("channel list", &channel::describe_all(&channels(), &running));
    rows_fit("objective list", &objective::describe_all(&objectives()));
    rows_fit("peer list", &network::describe_all(&peers()));
    rows_fit("sent", &send::describe_all(&sent()));
    for asset in ["native", ADDRESS, ""] {
        rows_fit("tower list", &tower::describe_all(&towers(), |_| asset.to_owned()));
    }
}

#[test]
fn every_record_fits_80_columns() {
    let running = Running::new(objectives());
    fits("status", &status::describe(&node()));
    for found in ledgers() {
        fits("ledger show", &ledger::describe(&found, &running));
    }
    for found in channels() {
        fits("channel show", &channel::describe(&found, &running));
    }
    for found in sent() {
        fits("sent --key", &send::describe(&found));
    }
    for found in objectives() {
        fits("objective show", &objective::describe(&found));
    }
}

#[test]
fn lists_speak_in_words_and_name_the_unit_of_every_amount() {
    let running = Running::new(objectives());
    let text = ledger::describe_all(&ledgers(), &running)
        + &channel::describe_all(&channels(), &running)
        + &objective::describe_all(&objectives());
    for name in ["WaitingFor", "Prefund", "funding ", "exiting", "_"] {
        assert!(!text.contains(name), "{name} in\n{text}");
    }
    assert_eq!(text.matches(&format!("in units of token {ADDRESS}")).count(), 2, "{text}");
}
