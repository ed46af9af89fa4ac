//! Leaving channels from the command line: what people read before, on the way and afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Place, text, word};
use crate::support::{LIMIT, Network};

/// Runs a command until what it prints holds `wanted`.
fn until(place: &Place, node: &str, args: &[&str], wanted: &str) -> String {
    let begun = Instant::now();
    loop {
        let found = place.text(node, args);
        if squeeze(&found).contains(wanted) {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "{args:?}: {wanted:?} does not come: {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lines are broken where they are full, so one space stands for any.
fn contains_all(found: &str, words: &[&str]) {
    let squeezed = squeeze(found);
    for word in words {
        assert!(squeezed.contains(&squeeze(word)), "{word:?} is missing in {found}");
    }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_left_when_the_other_side_is_gone() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("alice", "k1", &[]).status.success());
    assert!(place.init("bob", "k2", &[]).status.success());
    let bob = place.start("bob", &[]);
    let _alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
    let peer = word(&bob.ready, "address").to_owned();
    let name = word(&place.json("alice", &["address"]), "address").to_owned();
    let open = ["ledger", "open", &peer, "--amount", "1ether", "--peer-amount", "2ether"];
    let ledger = word(&place.json("alice", &open), "channel").to_owned();
    // Bob pays Alice, so that the channel is worth something to the side that leaves.
    let open = ["channel", "open", &name, "--amount", "0.5ether"];
    let channel = word(&place.json("bob", &open), "channel").to_owned();
    place.json("bob", &["pay", &channel, "5gwei", "--wait"]);
    drop(bob);

    let status = until(&place, "alice", &["status"], "gas reserve: needs ");
    assert!(!status.contains("WARNING"), "{status}");
    let shown = until(&place, "alice", &["ledger", "show", &ledger], "at the present price");
    contains_all(&shown, &["status           open", "exit cost ", " gas, "]);

    // Nobody is there to be asked, and nobody has said yes.
    let short = &ledger[..10];
    for args in [["ledger", "exit", short], ["channel", "exit", &channel[..10]]] {
        place.fails("alice", &args, 2, &["nothing was done", "cannot be undone", "add --yes"]);
    }
    assert_eq!(word(&place.json("alice", &["ledger", "show", short]), "status"), "open");

    // What it takes is said before anything is done.
    let plan = place.text("alice", &["ledger", "exit", &ledger, "--dry-run"]);
    contains_all(
        &plan,
        &[
            &format!("Leaving ledger channel {ledger} without {peer}"),
            "and the payment channel over it",
            "1 d to show a newer one",
            "UTC (in ",
            "cannot be taken back",
            "Expected cost: ",
            "at the present price, paid by the chain account 0x7099",
        ],
    );
    let plan = place.text("alice", &["channel", "exit", &channel, "--dry-run"]);
    contains_all(
        &plan,
        &["its newest voucher, 5 gwei", "Expected cost: ", "`nitro channel close`"],
    );
    let asked = place.json("alice", &["ledger", "exit", &ledger, "--dry-run"]);
    assert_eq!((word(&asked, "status"), &asked["exit"]["reason"]), ("open", &Value::Null));
    assert_eq!(word(&place.json("alice", &["ledger", "show", &ledger]), "status"), "open");

    let mut exit = place
        .command("alice", &["ledger", "exit", &ledger, "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut steps = String::new();
    let mut progress = BufReader::new(exit.stderr.take().unwrap());
    while !steps.contains("the challenge runs until ") {
        assert!(progress.read_line(&mut steps).unwrap() > 0, "{steps}");
    }
    contains_all(
        &steps,
        &["Leaving ledger channel", &format!("leaving {short}: begun"), "UTC (in "],
    );

    let shown = place.text("alice", &["ledger", "show", short]);
    contains_all(&shown, &["leaving", "you asked for it", "the challenge runs until ", "UTC (in "]);
    let shown = place.text("alice", &["ledger", "list"]);
    contains_all(&shown, &[short, "leaving", "because you asked for it: the challenge"]);
    let shown = until(&place, "alice", &["channel", "show", &channel], "the challenge runs until");
    contains_all(&shown, &[&format!("ledger channel {ledger} under it is being enforced")]);
    contains_all(
        &place.text("alice", &["channel", "list"]),
        &["leaving", "because ledger channel"],
    );
    place.fails("alice", &["ledger", "exit", &ledger], 1, &["error: ledger: ", "wait for Exit-"]);
    place.fails(
        "alice",
        &["channel", "exit", &channel],
        1,
        &["error: channel: ", "wait for Exit-"],
    );
    place.fails("alice", &["ledger", "close", &ledger], 1, &["error: ledger: ", "already"]);

    network.set("evm_increaseTime", json!([86_401])).await;
    network.mine(1).await;
    let ended = exit.wait_with_output().unwrap();
    assert!(ended.status.success());
    let shown = text(&ended.stdout);
    contains_all(&shown, &["closed", "paid to me", "1.000000005 ether", "you asked for it"]);
    assert!(!shown.contains("exit cost"), "{shown}");
    place.fails("alice", &["ledger", "exit", &ledger], 1, &["error: ledger: ", "already closed"]);
    place.fails("alice", &["channel", "exit", &channel], 1, &["error: channel: ", "closed"]);
    let unknown = format!("0x{}", "11".repeat(32));
    place.fails("alice", &["ledger", "exit", &unknown], 1, &["error: ledger: no open ledger"]);
    place.fails("alice", &["ledger", "exit", "0x12"], 1, &["error: ledger: "]);
    place.fails("alice", &["ledger", "exit"], 2, &["LEDGER"]);
    assert_eq!(word(&place.json("alice", &["balance", &name]), "amount"), "1000000005000000000");
    assert_eq!(word(&place.json("alice", &["balance", &peer]), "amount"), "1999999995000000000");

    let log = place.log("alice");
    contains_all(
        &log,
        &[
            "the channel is being enforced on chain",
            "reason=you asked for it",
            "a challenge runs on chain",
            "the exit is complete",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_wait_leaves_the_exit_to_the_node() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("alice", "k1", &[]).status.success());
    assert!(place.init("bob", "k2", &[]).status.success());
    let bob = place.start("bob", &[]);
    let alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
    let peer = word(&bob.ready, "address").to_owned();
    let open = ["ledger", "open", &peer, "--amount", "1ether"];
    let ledger = word(&place.json("alice", &open), "channel").to_owned();
    drop(bob);
    let begun = place.json("alice", &["ledger", "exit", &ledger, "--yes", "--no-wait"]);
    assert_eq!(word(&begun, "objective"), format!("Exit-{ledger}"));
    assert_eq!(begun["result"], Value::Null);
    let late = ["objective", "wait", word(&begun, "objective"), "--timeout", "0"];
    place.fails("alice", &late, 4, &["still running"]);

    // A node that was stopped goes on where it was.
    drop(alice);
    let _alice = place.start("alice", &[]);
    until(&place, "alice", &["ledger", "list"], "the challenge runs until ");
    network.set("evm_increaseTime", json!([86_401])).await;
    network.mine(1).await;
    let ended = place.json("alice", &["objective", "wait", word(&begun, "objective")]);
    assert_eq!((word(&ended, "status"), &ended["deadline"]), ("completed", &Value::Null));
    assert_eq!(place.text("alice", &["ledger", "list"]).trim(), "no ledger channels");
}

/// With coin and with tokens, a node is killed before its challenge is mined, while the challenge
/// runs, before its payout is mined, and once it is paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_at_each_step_of_an_exit_is_paid() {
    let network = Network::start().await;
    network.give_tokens(1, 1_000).await;
    let token = format!("{}", network.token().0);
    let place = Place::new(&network);
    assert!(place.init("alice", "k1", &[]).status.success());
    assert!(place.init("bob", "k2", &[]).status.success());
    // A token that nobody has listed is not joined.
    let config = place.path("bob/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let listed = format!("max_peer_deposit = {{ \"{token}\" = \"1000\", native");
    std::fs::write(&config, text.replace("max_peer_deposit = { native", &listed)).unwrap();
    for asset in [None, Some(token.as_str())] {
        let of = asset.map_or(Vec::new(), |token| vec!["--asset", token]);
        let bob = place.start("bob", &[]);
        let alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
        let peer = word(&bob.ready, "address").to_owned();
        let name = word(&place.json("alice", &["address"]), "address").to_owned();
        let open = [&["ledger", "open", &peer, "--amount", "1000"], &of[..]].concat();
        let ledger = word(&place.json("alice", &open), "channel").to_owned();
        drop(bob);

        network.set("evm_setAutomine", json!([false])).await;
        let begun = place.json("alice", &["ledger", "exit", &ledger, "--yes", "--no-wait"]);
        drop(alice);
        let alice = place.start("alice", &[]);
        network.set("evm_setAutomine", json!([true])).await;
        network.mine(1).await;
        until(&place, "alice", &["ledger", "list"], "the challenge runs until ");
        drop(alice);
        network.set("evm_increaseTime", json!([86_401])).await;
        network.mine(1).await;
        network.set("evm_setAutomine", json!([false])).await;
        let alice = place.start("alice", &[]);
        until(&place, "alice", &["ledger", "list"], "waiting for the payout");
        drop(alice);
        let alice = place.start("alice", &[]);
        network.set("evm_setAutomine", json!([true])).await;
        network.mine(1).await;
        until(&place, "alice", &["ledger", "list"], "no ledger channels");
        drop(alice);
        let _alice = place.start("alice", &[]);
        let closed = place.json("alice", &["ledger", "show", &ledger]);
        assert_eq!(word(&closed, "status"), "closed");
        let late = ["objective", "wait", word(&begun, "objective")];
        let ended = place.json("alice", &late);
        assert_eq!(word(&ended, "status"), "completed");
        let balance = place.json("alice", &[&["balance", &name], &of[..]].concat());
        assert_eq!(word(&balance, "amount"), "1000");
    }
}
