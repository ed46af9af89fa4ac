//! Misfortune that costs nobody money: disks that are full, readers that are gone, processes that
//! die at the wrong moment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Place, Running, text, word};
use crate::support::Network;

/// Takes nothing, like a disk that is full.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader is gone.
fn nobody_reads() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_does_not_end_the_node() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    // A pipe that is full takes a few hundred lines, which a node writes at once at this level.
    let (_unread, stuck) = std::io::pipe().unwrap();
    for stderr in [full(), nobody_reads(), stuck.into()] {
        let run = ["run", "--json", "--log-level", "trace"];
        let mut node = place.ready("node", place.command("node", &run).stderr(stderr));
        for _ in 0..10 {
            place.json("node", &["status"]);
        }
        assert_eq!(place.json("node", &["stop"]), Value::Bool(true));
        assert_eq!(node.exit_code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_say_that_it_is_ready_runs() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let mut node = place.command("node", &["run"]).stdout(full()).stderr(Stdio::null()).spawn();
    let node = node.as_mut().unwrap();
    while !place.run("node", &["status"]).status.success() {
        assert_eq!(node.try_wait().unwrap(), None, "the node has ended");
    }
    place.json("node", &["stop"]);
    assert!(node.wait().unwrap().success());
}

/// Alice and Bob, and a channel on which Alice pays Bob.
fn channel(network: &Network) -> (Place, Running, Running, String) {
    let place = Place::new(network);
    assert!(place.init("alice", "k1", &[]).status.success());
    assert!(place.init("bob", "k2", &[]).status.success());
    let bob = place.start("bob", &[]);
    // A signal that is ignored stays ignored in what a shell runs: a file that may not grow any
    // further is refused to the node, which would be killed otherwise.
    let run = place.command("alice", &["run", "--json", "--boot-peer", bob.peer_address()]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    shell.arg(run.get_program()).args(run.get_args()).current_dir(place.path("."));
    for (name, value) in run.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let log = File::create(place.path("alice.log")).unwrap();
    let alice = place.ready("alice", shell.stderr(log));
    let payee = word(&bob.ready, "address").to_owned();
    place.json("alice", &["ledger", "open", &payee, "--amount", "1ether"]);
    let opened = place.json("alice", &["channel", "open", &payee, "--amount", "0.5ether"]);
    let channel = word(&opened, "channel").to_owned();
    (place, alice, bob, channel)
}

fn paid(place: &Place, channel: &str) -> String {
    word(&place.json("alice", &["channel", "show", channel]), "paid").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_answer_is_lost_is_told_from_one_that_was_refused() {
    let network = Network::start().await;
    let (place, _alice, _bob, channel) = channel(&network);
    let pay = ["pay", &channel, "5"];
    let lost = place.command("alice", &pay).stdout(full()).output().unwrap();
    assert_eq!(lost.status.code(), Some(6), "{}", text(&lost.stderr));
    assert!(text(&lost.stderr).contains("it is done, but"), "{}", text(&lost.stderr));
    assert_eq!(paid(&place, &channel), "5");
    for json in [&[][..], &["--json"]] {
        let args = [&pay[..], json].concat();
        let unread = place.command("alice", &args).stdout(nobody_reads()).output().unwrap();
        assert_eq!(unread.status.code(), Some(0), "{}", text(&unread.stderr));
        assert_eq!(text(&unread.stderr), "");
    }
    assert_eq!(paid(&place, &channel), "15");
    // Nor does it matter that nobody hears of an error.
    let refused = place.command("alice", &["pay", &channel, "0"]).stderr(full()).status();
    assert_eq!(refused.unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_its_total_is_made_once_however_often_it_is_asked_for() {
    let network = Network::start().await;
    let (place, _alice, _bob, channel) = channel(&network);
    let pay = |amount, total| ["pay", &channel, amount, "--total", total, "--wait"];
    for repeated in [false, true, true] {
        let answer = place.json("alice", &pay("5", "5"));
        assert_eq!(answer["repeated"], Value::Bool(repeated), "{answer}");
        assert_eq!(word(&answer, "total"), "5");
    }
    place.fails("alice", &pay("5", "11"), 1, &["total: 5 is paid", "nothing was paid"]);
    place.fails("alice", &pay("0", "5"), 1, &["amount: "]);
    place.fails("alice", &pay("5", "-1"), 1, &["total: ", "negative"]);
    // As many programs as one likes may ask at the same time.
    let asks: Vec<_> = (0..8)
        .map(|_| place.command("alice", &pay("5", "10")).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut ask in asks {
        assert_eq!(ask.wait().unwrap().code(), Some(0));
    }
    assert_eq!(paid(&place, &channel), "10");
    place.json("alice", &pay("490", "500"));
    place.fails("alice", &["pay", &channel, "5", "--total", "10"], 1, &["total: 500 is paid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_the_disk_has_no_room_for_is_not_called_refused() {
    let network = Network::start().await;
    let (place, mut alice, bob, channel) = channel(&network);
    // Bob has confirmed everything and Alice has stored that: the payment is the next to be stored.
    place.json("alice", &["pay", &channel, "1", "--wait"]);
    assert_eq!(paid(&place, &channel), "1");
    let limit = Command::new("prlimit")
        .args(["--fsize=1:1", "--pid", &alice.id().to_string()])
        .status()
        .unwrap();
    assert!(limit.success());
    let pay = ["pay", &channel, "5", "--total", "6"];
    place.fails("alice", &pay, 5, &["whether this was done", "with the total"]);
    assert_eq!(alice.exit_code(), Some(1), "the node ends, and says so");

    // With room again the command is simply repeated.
    let _alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
    place.json("alice", &[&pay[..], &["--wait"]].concat());
    place.json("alice", &pay);
    assert_eq!(paid(&place, &channel), "6");
}
