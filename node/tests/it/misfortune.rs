//! Misfortune that costs nobody money: disks that are full, readers that are gone, processes that
//! die at the wrong moment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
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

/// Asks over TCP, as a program does that shows the token, and returns the answer.
fn ask(place: &Place, node: &str, body: &str) -> String {
    let address = fs::read_to_string(place.path(node).join("rpc.address")).unwrap();
    let token = fs::read_to_string(place.path(node).join("rpc.token")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n\
         {body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"nitro_version"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_key_of_an_endpoint_and_no_token_is_in_the_log_at_any_level() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let chain = network.anvil.url().replace("http://", "");
    let secret = "http://usr0-secret:pwd0-secret@".to_owned() + &chain + "/?apikey=qry0-secret";
    let more = format!(
        "more_endpoints=ws://usr1-secret:pwd1-secret@{chain}/?apikey=qry1-secret,\
         http://127.0.0.1:1/v2/path-secret,ws://127.0.0.1:1/v3/way-secret?q=qry2-secret"
    );
    let log = File::create(place.path("node.log")).unwrap();
    let settings = ["--chain-endpoint", &secret, "--set", &format!("chain.{more}")];
    let run = [&["run", "--json", "--log-level", "trace"][..], &settings].concat();
    let mut node = place.ready("node", place.command("node", &run).stderr(log));
    place.json("node", &["status"]);
    assert!(ask(&place, "node", VERSION).contains("0.1.0"));
    let token = fs::read_to_string(place.path("node/rpc.token")).unwrap();
    place.json("node", &["stop"]);
    assert_eq!(node.exit_code(), Some(0));
    let log = place.log("node");
    assert!(log.contains("hyper") && log.contains("TRACE"), "the log holds what libraries say");
    // Both user names and passwords as a header has them.
    for hidden in ["secret", "dXNyMC1zZWNyZXQ6cHdkMC1zZWNyZXQ", "dXNyMS1zZWNyZXQ6cHdkMS1zZWNyZXQ"] {
        let found = log.lines().find(|line| line.contains(hidden) && !line.contains("secret_"));
        assert_eq!(found, None, "{hidden}");
    }
    assert!(!log.contains(&token), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_port_of_a_killed_node_hears_nothing() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let node = place.start("node", &[]);
    let token = fs::read_to_string(place.path("node/rpc.token")).unwrap();
    // Killed: its files stay.
    drop(node);
    let address = fs::read_to_string(place.path("node/rpc.address")).unwrap();
    let squatter = TcpListener::bind(address).unwrap();
    squatter.set_nonblocking(true).unwrap();
    place.fails("node", &["status"], 3, &["no node runs on node"]);
    assert_eq!(squatter.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    // Nor is a token of any use that a program gave away meanwhile.
    let _node = place.start("node", &[]);
    place.json("node", &["status"]);
    assert_ne!(fs::read_to_string(place.path("node/rpc.token")).unwrap(), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_only_connect_shut_nobody_out() {
    const STRANGERS: usize = 600;
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let node = place.start("node", &[]);
    let address = fs::read_to_string(place.path("node/rpc.address")).unwrap();
    let connect = |_| TcpStream::connect(&address).unwrap();
    let strangers: Vec<_> = (0..STRANGERS).map(connect).collect();
    for _ in 0..10 {
        assert!(ask(&place, "node", VERSION).contains("0.1.0"));
        place.json("node", &["status"]);
    }
    // Each stranger was let in, and most have been sent away again.
    let open = fs::read_dir(format!("/proc/{}/fd", node.id())).unwrap().count();
    assert!(open < STRANGERS / 2, "{open} descriptors are in use");
    drop(strangers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_too_few_descriptors_for_its_store_does_not_start() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let run = place.command("node", &["run"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 900; exec \"$0\" \"$@\""]);
    shell.arg(run.get_program()).args(run.get_args()).current_dir(place.path("."));
    let output = shell.env("NITRO_PASSPHRASE", "any").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    for word in ["900", "ulimit -n ", "rpc.max_connections"] {
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_not_share_a_port() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("one", "k1", &[]).status.success());
    assert!(place.init("two", "k2", &[]).status.success());
    let both = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let one = place.start("one", &["--p2p-listen", both[0], "--p2p-listen", both[1]]);
    let listening = one.ready["listen_addresses"].as_array().unwrap();
    assert_eq!(listening.len(), 2);
    for address in listening {
        let address = address.as_str().unwrap().split("/p2p/").next().unwrap();
        let run = ["run", "--p2p-listen", address];
        place.fails("two", &run, 1, &["p2p.listen", address, "another port"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_or_other_contracts_do_not_open_the_records() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    assert!(place.init("other", "k2", &[]).status.success());
    place.start_and_stop("node");
    let keys = [place.path("node/keys/channel.json"), place.path("other/keys/channel.json")];
    fs::rename(&keys[0], place.path("kept")).unwrap();
    fs::copy(&keys[1], &keys[0]).unwrap();
    place.fails("node", &["run"], 1, &["another node", "channel address", "--data-dir"]);
    fs::rename(place.path("kept"), &keys[0]).unwrap();
    // Another contract that is there: the one of the payment app.
    let other = network.deployed.deployment.consensus_app.to_string();
    let app = network.deployed.deployment.payment_app.to_string();
    let set = [format!("chain.consensus_app={app}"), format!("chain.payment_app={other}")];
    for command in [&["run"][..], &["tower", "serve"]] {
        let run = [command, &["--set", &set[0], "--set", &set[1]]].concat();
        place.fails("node", &run, 1, &["chain.consensus_app", "chain.payment_app", "not "]);
    }
    place.start_and_stop("node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_has_lost_something_is_started_by_the_setting_that_the_error_names() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    place.start_and_stop("node");
    fs::remove_file(place.path("node/store/commits")).unwrap();
    let refused = place.run("node", &["run"]);
    let error = text(&refused.stderr);
    let error = error.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("--set store.rollback=accept"), "{error}");
    assert_eq!(error.matches("commits is missing").count(), 1, "{error}");
    let node = place.start("node", &["--set", "store.rollback=accept"]);
    assert!(place.path("node/store/before-rollback-1").exists());
    place.json("node", &["status"]);
    drop(node);
    place.start_and_stop("node");
}
