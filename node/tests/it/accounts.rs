//! The node's own accounts from the command line: what is owed to them, what is sent from them, and
//! where payouts go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Place, Running, text, word};
use crate::support::{LIMIT, Network};

const SOMEBODY: &str = "0x6666666666666666666666666666666666666666";

/// Runs a command again and again until its JSON says what must come.
fn until(place: &Place, node: &str, args: &[&str], done: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let found = place.json(node, args);
        if done(&found) {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "{args:?} still says {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn amount(place: &Place, node: &str, account: &str) -> u128 {
    word(&place.json(node, &["balance", account]), "amount").parse().unwrap()
}

/// Alice and bob with a ledger that alice has half of; the payer of `alice_args` is she.
fn pair(place: &Place, alice: &[&str]) -> (Running, Running, String) {
    assert!(place.init("bob", "k2", &[]).status.success());
    let made = place.init("alice", "k1", alice);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let bob = place.start("bob", &[]);
    let alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
    let ledger = open(place, word(&bob.ready, "address"));
    (alice, bob, ledger)
}

fn open(place: &Place, bob: &str) -> String {
    let args = ["ledger", "open", bob, "--amount", "1ether", "--peer-amount", "1ether"];
    word(&place.json("alice", &args), "channel").to_owned()
}

/// A payout that was refused was reported as completed, and nothing knew of `claim`.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_payout_is_shown_and_claimed() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let (mut alice, _bob, ledger) = pair(&place, &[]);
    let account = word(&alice.ready, "address").to_owned();
    // As an account that has become a contract which takes nothing.
    network.set("anvil_setCode", json!([account, "0xfe"])).await;
    let closed = place.run("alice", &["ledger", "close", &ledger, "--json"]);
    assert!(closed.status.success(), "{}", text(&closed.stderr));
    assert!(text(&closed.stderr).contains("was refused"), "{}", text(&closed.stderr));
    let closed: Value = serde_json::from_slice(&closed.stdout).unwrap();
    assert_eq!(closed["result"]["owed"], "1000000000000000000");

    let status = place.json("alice", &["status"]);
    let debt = &status["debts"][0];
    assert_eq!((word(debt, "asset"), word(debt, "amount")), ("native", "1000000000000000000"));
    assert_eq!(word(&debt["channels"][0], "channel"), ledger);
    assert!(place.text("alice", &["status"]).contains("the adjudicator owes 1 ether"));
    assert_eq!(place.json("bob", &["status"])["debts"], json!([]));
    // Refused by the contract, before anything is sent.
    let claim = ["claim", "--key", "first"];
    let refused = place.run("alice", &claim);
    let error = text(&refused.stderr);
    assert!([Some(1)].contains(&refused.status.code()), "{error}");
    assert!(error.contains("payee cannot be paid") || error.contains("on its way"), "{error}");

    network.set("anvil_setCode", json!([account, "0x"])).await;
    assert_eq!(place.json("alice", &["stop"]), Value::Bool(true));
    assert_eq!(alice.exit_code(), Some(0));
    let _alice = place.start("alice", &[]);
    network.mine(2).await;
    let claims = || {
        let second = place.run("alice", &["claim", "--key", "second", "--json"]);
        let error = text(&second.stderr);
        second.status.success() || error.contains("nothing of it") || error.contains("on its way")
    };
    assert!(claims());
    until(&place, "alice", &["status"], |status| status["debts"] == json!([]));
    assert_eq!(amount(&place, "alice", &account), 1_000_000_000_000_000_000);
    place.fails("alice", &["claim", "--key", "third"], 1, &["owes this node nothing"]);
}

/// Payouts landed on the channel account and nothing could spend them.
#[tokio::test(flavor = "multi_thread")]
async fn payouts_are_sent_from_the_command_line_once_for_each_key() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let (alice, bob, ledger) = pair(&place, &[]);
    let (account, payer) =
        (word(&alice.ready, "address"), word(&alice.ready, "chain_account").to_owned());
    place.json("alice", &["ledger", "close", &ledger]);
    let one = 1_000_000_000_000_000_000;
    assert_eq!(amount(&place, "alice", account), one);

    let send = ["send", "0.25ether", "--to", SOMEBODY, "--yes", "--key", "rent"];
    let sent = place.json("alice", &send);
    assert_eq!((word(&sent, "status"), word(&sent, "from")), ("done", "channel"));
    assert_eq!(place.json("alice", &send), sent, "the same key sends once");
    assert_eq!(amount(&place, "alice", SOMEBODY), one / 4);
    place.fails("alice", &["send", "1", "--to", SOMEBODY], 2, &["--yes", "cannot be undone"]);
    place.fails(
        "alice",
        &["send", "1", "--to", SOMEBODY, "--yes", "--key", "rent"],
        1,
        &["another key"],
    );
    place.fails(
        "alice",
        &["send", "5ether", "--to", SOMEBODY, "--yes"],
        1,
        &["amount: ", "can be sent"],
    );
    place.fails("alice", &["send", "1", "--to", "0x01", "--yes"], 1, &["to: "]);
    let adjudicator = network.deployed.deployment.adjudicator.to_string();
    place.fails("alice", &["send", "1", "--to", &adjudicator, "--yes"], 1, &["to: ", "lost"]);

    place.json("alice", &["send", "all", "--to", SOMEBODY, "--yes"]);
    let left = amount(&place, "alice", account);
    assert!(left < one / 100, "the fee's rest stays: {left}");
    // Open channels may need what the chain account has.
    open(&place, word(&bob.ready, "address"));
    let before = amount(&place, "alice", &payer);
    let all = ["send", "all", "--to", SOMEBODY, "--yes", "--from", "chain"];
    place.json("alice", &all);
    let gas = &place.json("alice", &["status"])["gas"];
    let reserve: u128 = word(gas, "reserve").parse().unwrap();
    let kept = amount(&place, "alice", &payer);
    assert!(kept >= reserve && kept < before / 100, "{kept} of {before}, reserve {reserve}");
    let sent = place.text("alice", &["sent"]);
    assert!(sent.lines().filter(|line| line.contains("done")).count() == 3, "{sent}");
    let status = place.text("alice", &["status"]);
    assert!(status.contains(&format!("channel account {account}")), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payouts_go_where_the_settings_say() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let payouts = format!("chain.payout_address={SOMEBODY}");
    let (alice, _bob, ledger) = pair(&place, &["--set", &payouts]);
    let account = word(&alice.ready, "address").to_owned();
    place.json("alice", &["ledger", "close", &ledger]);
    let begun = Instant::now();
    while amount(&place, "alice", SOMEBODY) < 990_000_000_000_000_000 {
        assert!(begun.elapsed() < LIMIT, "{}", place.log("alice"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let sent = until(&place, "alice", &["sent"], |sent| sent[0]["status"] == "done");
    assert_eq!(sent.as_array().unwrap().len(), 1, "{sent}");
    assert!(amount(&place, "alice", &account) < 10_000_000_000_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_may_pay_the_fees_and_take_the_payouts() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let contradiction = [
        "--set",
        "chain.account=channel",
        "--set",
        "chain.payout_address=0x6666666666666666666666666666666666666666",
    ];
    let refused = place.init("alice", "k1", &contradiction);
    assert!(text(&refused.stderr).contains("contradicts"), "{}", text(&refused.stderr));
    let one = ["--set", "chain.account=channel", "--channel-key-file", "k3"];
    let (alice, _bob, ledger) = pair(&place, &one);
    assert_eq!(word(&alice.ready, "address"), word(&alice.ready, "chain_account"));
    let address = place.json("alice", &["address"]);
    assert_eq!(word(&address, "address"), word(&address, "chain_account"));
    place.json("alice", &["ledger", "close", &ledger]);
    let status = place.json("alice", &["status"]);
    assert_eq!(status["accounts"].as_array().unwrap().len(), 1, "{status}");
    place.json("alice", &["send", "1ether", "--to", SOMEBODY, "--yes"]);
    assert_eq!(amount(&place, "alice", SOMEBODY), 1_000_000_000_000_000_000);
}
