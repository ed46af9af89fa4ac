//! The real program: what people type, what they read, and the exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{LIMIT, Network};
use chain::testing::{ACCOUNTS, Anvil};

/// Nobody is there.
const BOOT: &str =
    "/ip4/192.0.2.1/tcp/3005/p2p/16Uiu2HAkytdw1ZspytRVPC4nX7Jhcj8CDp5tdbXEU6Brmc7ANKyJ";
const PASSPHRASE: &str = "correct horse battery staple";

/// A folder in which programs are run.
pub(crate) struct Place {
    dir: TempDir,
    endpoint: String,
}

impl Place {
    /// With the key files `k0`, `k1`, … and `deployment.json`.
    pub(crate) fn new(network: &Network) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (index, key) in ACCOUNTS.iter().enumerate() {
            fs::write(dir.path().join(format!("k{index}")), hex::encode(key)).unwrap();
        }
        let place = Self { dir, endpoint: network.anvil.url() };
        let deployed = network.deployed;
        let file = serde_json::json!({
            "chain_id": deployed.deployment.chain_id,
            "adjudicator": deployed.deployment.adjudicator,
            "consensus_app": deployed.deployment.consensus_app,
            "payment_app": deployed.deployment.payment_app,
            "start_block": deployed.start_block,
        });
        fs::write(place.path("deployment.json"), file.to_string()).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, node: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nitro"));
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("NITRO_PASSPHRASE", PASSPHRASE)
            .args(["--data-dir", node])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, node: &str, args: &[&str]) -> Output {
        self.command(node, args).output().unwrap()
    }

    /// Runs what must succeed, and reads its JSON.
    pub(crate) fn json(&self, node: &str, args: &[&str]) -> Value {
        let output = self.run(node, &[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what must succeed, and reads what people see.
    pub(crate) fn text(&self, node: &str, args: &[&str]) -> String {
        let output = self.run(node, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs what must fail with this exit code and these words.
    pub(crate) fn fails(&self, node: &str, args: &[&str], code: i32, words: &[&str]) {
        let output = self.run(node, args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        for word in words {
            assert!(error.contains(word), "{args:?}: {word:?} is missing in {error:?}");
        }
    }

    pub(crate) fn init(&self, node: &str, key: &str, more: &[&str]) -> Output {
        let args = [
            &["init", "--light", "--deployment", "deployment.json"][..],
            &["--chain-endpoint", &self.endpoint, "--chain-key-file", key],
            &["--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--max-peer-deposit", "10ether"],
            &["--set", "rpc.listen=127.0.0.1:0", "--set", "chain.confirmations=0"],
            &["--set", "chain.poll_interval_ms=20"],
            more,
        ];
        self.run(node, &args.concat())
    }

    pub(crate) fn start(&self, node: &str, args: &[&str]) -> Running {
        let log = fs::File::create(self.path(&format!("{node}.log"))).unwrap();
        let args = [&["run", "--json", "--log-level", "debug"], args].concat();
        self.ready(node, self.command(node, &args).stderr(log))
    }

    /// Runs a command that runs the node, until it is ready.
    pub(crate) fn ready(&self, node: &str, command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {}", self.log(node)));
        Running { child, ready }
    }

    /// Runs a node until it is ready, and stops it in order.
    pub(crate) fn start_and_stop(&self, node: &str) {
        let mut running = self.start(node, &[]);
        self.json(node, &["stop"]);
        assert_eq!(running.exit_code(), Some(0), "{}", self.log(node));
    }

    pub(crate) fn log(&self, node: &str) -> String {
        fs::read_to_string(self.path(&format!("{node}.log"))).unwrap()
    }
}

/// A running node; killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) ready: Value,
}

impl Running {
    pub(crate) fn peer_address(&self) -> &str {
        self.ready["listen_addresses"][0].as_str().unwrap()
    }

    /// Sends a signal and waits for the exit code.
    fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        self.exit_code()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < LIMIT, "the node does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_pay_each_other_from_the_command_line() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("alice", "k1", &[]).status.success());
    assert!(place.init("bob", "k2", &[]).status.success());
    let bob = place.start("bob", &[]);
    let mut alice = place.start("alice", &["--boot-peer", bob.peer_address()]);
    let payee = word(&place.json("bob", &["address"]), "address").to_owned();
    assert_eq!(word(&bob.ready, "address"), payee);

    let opened = place.json(
        "alice",
        &["ledger", "open", &payee, "--amount", "1ether", "--peer-amount", "2ether"],
    );
    assert_eq!(opened["result"]["status"], "completed");
    let ledger = word(&opened, "channel").to_owned();
    let shown = place.text("alice", &["ledger", "show", &ledger]);
    let squeezed = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains("my balance 1 ether peer balance 2 ether"), "{shown}");
    // What a list shows of an id is enough for every command.
    let listed = place.text("bob", &["ledger", "list"]);
    let short = listed.lines().nth(1).and_then(|row| row.split_whitespace().next()).unwrap();
    assert!(short.len() == 10 && ledger.starts_with(short), "{listed}");
    assert_eq!(word(&place.json("alice", &["ledger", "show", short]), "ledger"), ledger);
    let others = if ledger.starts_with("0xffff") { "0xeeee" } else { "0xffff" };
    place.fails(
        "alice",
        &["ledger", "show", others],
        1,
        &["error: ledger: no ledger channel begins"],
    );
    place.fails("alice", &["ledger", "show", &ledger[..5]], 1, &["error: ledger: ", "at least 4"]);
    place.fails("alice", &["channel", "show", short], 1, &["no payment channel begins"]);
    assert!(place.text("alice", &["status"]).contains("peers connected   1"));

    let begun = place.run("alice", &["channel", "open", &payee, "--amount", "0.5ether"]);
    assert!(begun.status.success(), "{}", text(&begun.stderr));
    assert!(text(&begun.stderr).contains(": begun"), "progress goes to stderr");
    assert!(text(&begun.stdout).starts_with("channel "), "{}", text(&begun.stdout));
    let channel = word(&place.json("alice", &["channel", "list"])[0], "channel").to_owned();
    let paid = place.json("alice", &["pay", &channel, "5gwei", "--wait"]);
    assert_eq!((word(&paid, "total"), &paid["delivered"]), ("5000000000", &Value::Bool(true)));
    let short = &channel[..10];
    let paid = place.text("alice", &["pay", short, "2gwei"]);
    assert_eq!(paid, "paid         2 gwei\npaid in all  7 gwei\nremaining    0.499999993 ether\n");
    let voucher = place.json("alice", &["voucher", "create", short, "7"]);
    fs::write(place.path("voucher.json"), voucher.to_string()).unwrap();
    assert_eq!(word(&place.json("bob", &["voucher", "receive", "voucher.json"]), "delta"), "7");

    place.fails("bob", &["pay", &channel, "1"], 1, &["error: channel: only the payer"]);
    place.fails(
        "alice",
        &["pay", &channel, "1ether"],
        1,
        &["error: amount: ", "more than is left"],
    );
    place.fails("alice", &["pay", &channel, "-1"], 1, &["error: amount: ", "negative"]);
    place.fails("alice", &["pay", &channel, "1.5"], 1, &["error: amount: ", "fraction"]);
    place.fails("alice", &["ledger", "close", &ledger], 1, &["payment channels still run"]);
    let refused = place.run("alice", &["pay", &channel, "0", "--json"]);
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], 1_017);
    assert_eq!(error["error"]["data"]["field"], "amount");
    assert_eq!(refused.status.code(), Some(1));

    place.json("alice", &["channel", "close", &channel]);
    place.fails("alice", &["channel", "close", &channel], 1, &["already closed"]);
    let closing = place.json("alice", &["ledger", "close", &ledger, "--no-wait"]);
    assert_eq!(closing["result"], Value::Null);
    place.json("alice", &["objective", "wait", word(&closing, "objective")]);
    let closed = place.text("alice", &["ledger", "list", "--closed"]);
    assert!(closed.contains("closed") && closed.contains(&ledger[..10]), "{closed}");
    let shown = place.text("alice", &["ledger", "show", &ledger[..10]]);
    assert!(shown.contains(&ledger) && shown.contains("paid to peer"), "{shown}");
    let ended =
        place.text("alice", &["objective", "show", &format!("DirectDefunding-{}", &ledger[..10])]);
    assert!(ended.contains("closing ledger") && ended.contains("completed"), "{ended}");
    place.fails(
        "alice",
        &["objective", "show", &ledger[..10]],
        1,
        &["nothing that runs", "its kind"],
    );
    assert_eq!(place.text("alice", &["ledger", "list"]).trim(), "no ledger channels");
    let balance = place.json("bob", &["balance", &payee]);
    assert_eq!(word(&balance, "amount"), "2000000007000000007");

    // Declined, not done in time, and not reachable have codes of their own.
    let too_much = ["ledger", "open", &payee, "--amount", "1", "--peer-amount", "11ether"];
    place.fails("alice", &too_much, 1, &["was declined: ", "deposit"]);
    drop(bob);
    let late = ["ledger", "open", &payee, "--amount", "1", "--timeout", "0"];
    place.fails("alice", &late, 4, &["still running"]);
    let listed = place.text("alice", &["objective", "list"]);
    let row = listed.lines().find(|row| row.contains("the others to agree"));
    let short = row.and_then(|row| row.split_whitespace().next()).unwrap().to_owned();
    assert!(listed.contains("opening ledger") && short.starts_with("0x"), "{listed}");
    let cancel = ["objective", "cancel", &short];
    place.fails("alice", &cancel, 2, &["nothing was done: giving up opening ledger", "--yes"]);
    assert_eq!(place.text("alice", &["objective", "list"]), listed);
    let given_up = place.text("alice", &["objective", "cancel", &short, "--yes"]);
    assert!(given_up.contains("declined"), "{given_up}");
    place.fails("bob", &["status"], 3, &["cannot be reached"]);
    assert_eq!(place.json("alice", &["stop"]), Value::Bool(true));
    assert_eq!(alice.exit_code(), Some(0));
    place.fails("alice", &["status"], 3, &["no node runs on alice"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_the_node_in_order_and_nothing_secret_is_logged() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    for signal in ["-TERM", "-INT"] {
        let mut node = place.start("node", &[]);
        assert!(place.path("node/rpc.address").exists());
        let token = fs::read_to_string(place.path("node/rpc.token")).unwrap();
        place.json("node", &["status"]);
        assert_eq!(node.signal(signal), Some(0), "{}", place.log("node"));
        for file in ["rpc.address", "rpc.token", "rpc.sock"] {
            assert!(!place.path("node").join(file).exists(), "{file}");
        }
        let log = place.log("node");
        assert!(log.contains("ready") && log.contains("chain_id = 31337"), "{log}");
        for secret in [PASSPHRASE, token.as_str(), &hex::encode(ACCOUNTS[1])] {
            assert!(!log.contains(secret), "a secret is in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_node_at_a_time() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let _node = place.start("node", &[]);
    place.fails("node", &["run"], 1, &["another node runs on it"]);
    place.json("node", &["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_a_folder_and_never_overwrites_it() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let made = place.init("node", "k1", &["--boot-peer", BOOT]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let config = fs::read_to_string(place.path("node/config.toml")).unwrap();
    assert!(config.contains(&format!("\nboot_peers = [\"{BOOT}\"]\n")), "{config}");
    assert!(
        config.contains("\nmax_peer_deposit = { native = \"10000000000000000000\" }\n"),
        "{config}"
    );
    let account = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    assert!(text(&made.stdout).contains(account), "the key was imported");
    assert_eq!(word(&place.json("node", &["address"]), "chain_account"), account);

    let keys = fs::read(place.path("node/keys/channel.json")).unwrap();
    let again = place.init("node", "k2", &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("not overwritten"), "{}", text(&again.stderr));
    assert_eq!(fs::read(place.path("node/keys/channel.json")).unwrap(), keys);
    assert_eq!(fs::read_to_string(place.path("node/config.toml")).unwrap(), config);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said_before_anything_is_made() {
    let network = Network::start().await;
    let place = Place::new(&network);
    fs::write(place.path("short"), "1234").unwrap();
    fs::write(place.path("empty"), "").unwrap();
    let light = ["init", "--light"];
    for (args, code, words) in [
        (&["--max-peer-deposit", "-1"][..], 1, &["--max-peer-deposit", "negative"][..]),
        (&["--adjudicator", "0x12"], 1, &["--adjudicator", "40 hex digits"]),
        (&["--chain-id", "one"], 1, &["--chain-id", "whole number"]),
        (&["--p2p-listen", "nowhere"], 1, &["--p2p-listen", "multiaddr"]),
        (&["--set", "chain.endpont=x"], 1, &["chain.endpont", "chain.endpoint"]),
        (&["--set", "rpc.listen=0.0.0.0:1"], 1, &["rpc.listen", "127.0.0.1"]),
        (&["--set", "nonsense"], 2, &["section.key=value"]),
        (&["--chain-key-file", "short"], 1, &["64 hex digits"]),
        (&["--chain-key-file", "absent"], 1, &["absent", "does not exist"]),
        (&["--passphrase-file", "empty"], 1, &["passphrase is empty"]),
        (&["--deployment", "short"], 2, &["short"]),
        (&["--unknown"], 2, &["--unknown"]),
    ] {
        place.fails("node", &[&light, args].concat(), code, words);
        assert!(!place.path("node").exists(), "{args:?} made something");
    }
    let output = place.command("node", &light).env_remove("NITRO_PASSPHRASE").output().unwrap();
    assert!(text(&output.stderr).contains("--passphrase-file"), "{}", text(&output.stderr));
    place.fails("node", &["run"], 2, &["config.toml", "nitro init"]);
    place.fails("node", &["status"], 3, &["no node runs on node"]);
    place.fails("node", &["address"], 1, &["does not exist"]);
    place.fails("node", &["pay"], 2, &["CHANNEL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_start_says_why() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let wrong = place.command("node", &["run"]).env("NITRO_PASSPHRASE", "wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("wrong passphrase for "), "{}", text(&wrong.stderr));
    let variable = place.command("node", &["run"]).env("NITRO_CHAIN_CONFIRMATIONS", "x").output();
    let error = text(&variable.unwrap().stderr);
    assert!(error.contains("NITRO_CHAIN_CONFIRMATIONS"), "{error}");
    place.fails("node", &["run", "--rpc-listen", "[::]:0"], 1, &["--rpc-listen", "rpc.listen"]);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.fails("node", &["run", "--rpc-listen", &address], 1, &["rpc.listen", &address]);
    edit(&place.path("node/config.toml"), "confirmations = 0", "confirmation = 0");
    place.fails(
        "node",
        &["run"],
        1,
        &["config.toml, line ", "chain.confirmation:", "confirmations"],
    );
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replace(from, to)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_deployed_and_the_answer_is_a_deployment_file() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let args = ["deploy", "--chain-endpoint", &place.endpoint, "--key-file", "k5", "--token"];
    let deployed = place.json("node", &args);
    assert_ne!(word(&deployed, "token"), "");
    fs::write(place.path("deployment.json"), deployed.to_string()).unwrap();
    assert!(place.init("node", "k1", &[]).status.success());
    let _node = place.start("node", &[]);
    let chain = place.json("node", &["status"])["chain"].clone();
    assert_eq!(chain["adjudicator"], deployed["adjudicator"]);
    let owner = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc";
    let balance = place.json("node", &["balance", owner, "--asset", word(&deployed, "token")]);
    assert_eq!(word(&balance, "amount"), "10000000000", "the whole supply");
    place.fails(
        "node",
        &["deploy", "--chain-endpoint", "localhost", "--key-file", "k5"],
        1,
        &["endpoint"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coin_of_a_real_chain_is_spent_on_contracts_only_with_a_yes() {
    let network = Network::start().await;
    let place = Place::new(&network);
    let real = Anvil::start(&["--chain-id", "1"]);
    let url = real.url();
    let deploy = ["deploy", "--chain-endpoint", &url, "--key-file", "k5"];
    let account = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc";
    place.fails("node", &deploy, 2, &["nothing was done", account, "on chain 1 cannot", "--yes"]);
    let deployed = place.json("node", &[&deploy[..], &["--yes"]].concat());
    assert_eq!(deployed["chain_id"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_changes_as_they_come() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let node = place.start("node", &[]);
    let mut watch = place
        .command("node", &["watch", "--json"])
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let stranger = "0x2222222222222222222222222222222222222222";
    let begun = place.json("node", &["ledger", "open", stranger, "--amount", "1", "--no-wait"]);
    let mut line = String::new();
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let notice: Value = serde_json::from_str(&line).unwrap();
    assert!(["objective", "ledger"].contains(&word(&notice, "event")), "{notice}");
    assert!(line.contains(word(&begun, "channel")), "{line}");
    drop(node);
    // It ends when the node does.
    out.read_to_string(&mut line).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(3));
}
