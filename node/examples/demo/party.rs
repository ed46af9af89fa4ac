//! One party: its node as a process, driven by the command line as a person would, and by JSON-RPC
//! where a program would.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result, bail, ensure};
use engine::types::{Asset, ChannelId};
use futures::{StreamExt, TryStreamExt};
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::ws_client::{HeaderMap, HeaderValue, WsClient, WsClientBuilder};
use node::data_dir::DataDir;
use serde_json::Value;
use serde_json::value::Index;

use crate::Options;
use crate::money::Purse;

/// No step takes that long unless something hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a node is asked that has yet to see something.
const LOOK: Duration = Duration::from_millis(50);
/// Payments under way at once.
const IN_FLIGHT: usize = 100;
/// Unlocks the demo's keystores, which hold nothing but play money.
pub(crate) const PASSPHRASE: &str = "demo";

/// A running node and what is known of it.
pub(crate) struct Party {
    pub(crate) name: &'static str,
    /// Channel key's address: the party's name in the network; payouts go there.
    pub(crate) address: Address,
    /// Chain key's address: pays deposits and gas.
    pub(crate) account: Address,
    /// Where others dial the node.
    pub(crate) peer_address: String,
    /// What its channels hold; the chain's coin unless told.
    asset: Option<String>,
    rpc: String,
    nitro: PathBuf,
    dir: PathBuf,
    process: Mutex<Child>,
}

impl Drop for Party {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Deploys the contracts and returns the file that describes them.
pub(crate) fn deploy(options: &Options, endpoint: &str, key: B256) -> Result<PathBuf> {
    deploy_with(options, endpoint, key, &[])
}

/// The same with further flags.
pub(crate) fn deploy_with(
    options: &Options,
    endpoint: &str,
    key: B256,
    flags: &[&str],
) -> Result<PathBuf> {
    let key_file = secret_file(&options.dir, "deployer.key", &key)?;
    let output = Command::new(&options.nitro)
        .args(["deploy", "--json", "--chain-endpoint", endpoint, "--key-file"])
        .arg(key_file)
        .args(flags)
        .stderr(Stdio::inherit())
        .output()
        .context("running nitro deploy")?;
    ensure!(output.status.success(), "nitro deploy failed");
    let path = options.dir.join("deployment.json");
    fs::write(&path, &output.stdout)?;
    Ok(path)
}

fn secret_file(dir: &Path, name: &str, key: &B256) -> Result<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, format!("{key:#x}\n"))?;
    Ok(path)
}

/// The node's program, working on a folder whose keys the passphrase opens.
fn nitro(options: &Options, dir: &Path) -> Command {
    let mut command = Command::new(&options.nitro);
    command.arg("--data-dir").arg(dir).env("NITRO_PASSPHRASE", PASSPHRASE);
    command
}

impl Party {
    /// Makes keys and configuration, and starts the node.
    pub(crate) fn start(
        options: &Options,
        name: &'static str,
        chain_key: B256,
        deployment: &Path,
        endpoint: &str,
        boot: Option<&str>,
        settings: &[&str],
    ) -> Result<Self> {
        let dir = options.dir.join(name);
        let key = secret_file(&options.dir, &format!("{name}.key"), &chain_key)?;
        let mut init = nitro(options, &dir);
        init.args(["init", "--json", "--light", "--chain-endpoint", endpoint]);
        init.arg("--deployment").arg(deployment).arg("--chain-key-file").arg(key);
        // Any free port; the node tells which.
        init.args(["--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--set", "rpc.listen=127.0.0.1:0"]);
        // The development chain mines at once and never reorganises.
        init.args(["--set", "chain.confirmations=0", "--set", "chain.poll_interval_ms=50"]);
        init.args(["--max-peer-deposit", "100ether"]);
        init.args(boot.into_iter().flat_map(|boot| ["--boot-peer", boot]));
        init.args(settings.iter().flat_map(|setting| ["--set", setting]));
        json(&mut init, "init")?;

        let log = File::create(options.dir.join(format!("{name}.log")))?;
        let mut process = nitro(options, &dir)
            .args(["run", "--json"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting the node")?;
        let mut ready = String::new();
        let stdout = process.stdout.take().context("stdout is piped")?;
        BufReader::new(stdout).read_line(&mut ready)?;
        ensure!(!ready.is_empty(), "{name} does not start; see {name}.log in the demo folder");
        let ready: Value = serde_json::from_str(&ready)?;
        let party = Self {
            name,
            address: text(&ready, "address")?.parse()?,
            account: text(&ready, "chain_account")?.parse()?,
            asset: None,
            rpc: text(&ready, "rpc")?.to_owned(),
            peer_address: text(&ready["listen_addresses"], 0)?.to_owned(),
            nitro: options.nitro.clone(),
            dir,
            process: Mutex::new(process),
        };
        println!("  {name:<6} {} pays from {}", party.address, party.account);
        Ok(party)
    }

    /// Runs a command against the node and returns what it prints as JSON.
    fn run(&self, args: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.nitro);
        command.arg("--data-dir").arg(&self.dir).args(args).arg("--json");
        json(&mut command, &format!("{} {}", self.name, args.join(" ")))
    }

    /// Like [`Party::run`], shown as a person would type it.
    fn show(&self, args: &[&str]) -> Result<Value> {
        println!("  $ nitro --data-dir {} {}", self.name, args.join(" "));
        self.run(args)
    }

    pub(crate) fn open_ledger(&self, peer: &Self, deposit: u128) -> Result<String> {
        let (peer, deposit) = (peer.address.to_string(), deposit.to_string());
        let mut args =
            vec!["ledger", "open", &peer, "--amount", &deposit, "--peer-amount", &deposit];
        args.extend(self.asset.iter().flat_map(|asset| ["--asset", asset]));
        Ok(text(&self.show(&args)?, "channel")?.to_owned())
    }

    pub(crate) fn open_channel(
        &self,
        relays: &[&Self],
        payee: &Self,
        capacity: u128,
    ) -> Result<String> {
        let (payee, capacity) = (payee.address.to_string(), capacity.to_string());
        let relays: Vec<String> = relays.iter().map(|relay| relay.address.to_string()).collect();
        let mut args = vec!["channel", "open", &payee, "--amount", &capacity];
        for relay in &relays {
            args.extend(["--relay", relay]);
        }
        args.extend(self.asset.iter().flat_map(|asset| ["--asset", asset]));
        Ok(text(&self.show(&args)?, "channel")?.to_owned())
    }

    /// The same node, whose channels hold `asset` from now on.
    pub(crate) fn using(mut self, asset: Asset) -> Self {
        self.asset = (!asset.is_native()).then(|| asset.0.to_string());
        self
    }

    /// Its accounts.
    pub(crate) fn purse(&self) -> Purse {
        Purse { name: self.name, accounts: vec![self.account, self.address] }
    }

    /// Begins to open a payment channel to a neighbour, and does not wait for it.
    pub(crate) fn begin_channel(&self, payee: &Self, capacity: u128) -> Result<String> {
        let (payee, capacity) = (payee.address.to_string(), capacity.to_string());
        let mut args = vec!["channel", "open", &payee, "--amount", &capacity, "--no-wait"];
        args.extend(self.asset.iter().flat_map(|asset| ["--asset", asset]));
        Ok(text(&self.show(&args)?, "channel")?.to_owned())
    }

    /// Begins to close a payment channel, and does not wait for the others.
    pub(crate) fn begin_closing(&self, channel: &str) -> Result<()> {
        self.show(&["channel", "close", channel, "--no-wait"]).map(drop)
    }

    /// True once the node has heard that a channel is to be closed.
    pub(crate) fn is_closing(&self, channel: &str) -> Result<bool> {
        Ok(text(&self.run(&["channel", "show", channel])?, "status")? == "closing")
    }

    /// Halts the process where it is, as a machine that hangs.
    pub(crate) fn halt(&self) -> Result<()> {
        let process = self.process()?;
        signal(&process, "-STOP")
    }

    /// Lets a halted process go on.
    pub(crate) fn go_on(&self) -> Result<()> {
        let process = self.process()?;
        signal(&process, "-CONT")
    }

    /// Leaves a ledger without the peer. The command returns; the node goes on.
    pub(crate) fn exit_ledger(&self, ledger: &str) -> Result<()> {
        self.show(&["ledger", "exit", ledger, "--yes", "--no-wait"]).map(drop)
    }

    /// What the node knows of a ledger.
    pub(crate) fn ledger(&self, ledger: &str) -> Result<Value> {
        self.run(&["ledger", "show", ledger])
    }

    /// Where its keys and records are.
    pub(crate) fn records(&self) -> DataDir {
        DataDir::new(self.dir.clone())
    }

    pub(crate) fn close_channel(&self, channel: &str) -> Result<()> {
        self.show(&["channel", "close", channel]).map(drop)
    }

    pub(crate) fn close_ledger(&self, ledger: &str) -> Result<()> {
        self.show(&["ledger", "close", ledger]).map(drop)
    }

    /// Waits until the node has seen these ledgers closed.
    pub(crate) fn wait_closed(&self, ledgers: &[&str]) -> Result<()> {
        for ledger in ledgers {
            self.run(&["objective", "wait", &format!("DirectDefunding-{ledger}")])?;
        }
        Ok(())
    }

    /// Waits until the node has got out of a channel, also when it has yet to see that it must.
    pub(crate) fn wait_out(&self, channel: &str) -> Result<()> {
        let objective = format!("Exit-{channel}");
        let begun = Instant::now();
        loop {
            let waited = self.run(&["objective", "wait", &objective, "--timeout", "60"]);
            match waited {
                Err(error) if is_unknown(&error) && begun.elapsed() < LIMIT => {
                    std::thread::sleep(LOOK);
                }
                ended => break ended.map(drop)?,
            }
        }
        println!("  {} is out", self.name);
        Ok(())
    }

    /// What the payee holds vouchers for.
    pub(crate) fn received(&self, channel: &str) -> Result<u128> {
        Ok(text(&self.run(&["channel", "show", channel])?, "paid")?.parse()?)
    }

    /// Pays over one WebSocket, many at a time, each counted when the payee has committed it.
    /// Returns payments per second.
    pub(crate) async fn pay_many(&self, channel: &str, count: u64, amount: u128) -> Result<f64> {
        let client = self.client().await?;
        let amount = amount.to_string();
        let started = Instant::now();
        let mut payments = futures::stream::iter(0..count)
            .map(|_| {
                let mut params = ObjectParams::new();
                let filled = params
                    .insert("channel", channel)
                    .and_then(|()| params.insert("amount", &amount))
                    .and_then(|()| params.insert("wait", true));
                let client = &client;
                async move {
                    filled?;
                    client
                        .request::<Value, _>("nitro_pay", params)
                        .await
                        .map_err(anyhow::Error::from)
                }
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some(paid) = payments.next().await {
            paid?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }

    /// Opens many channels to a neighbour at once, and pays something over each.
    pub(crate) async fn pay_over_many(
        &self,
        payee: &Self,
        count: usize,
        capacity: u128,
        amount: u128,
    ) -> Result<Vec<ChannelId>> {
        let client = self.client().await?;
        let (client, payee) = (&client, payee.address.to_string());
        let open = |_| {
            let mut wanted = ObjectParams::new();
            let filled = wanted
                .insert("payee", &payee)
                .and_then(|()| wanted.insert("relays", Vec::<String>::new()))
                .and_then(|()| wanted.insert("amount", capacity.to_string()))
                .and_then(|()| wanted.insert("asset", self.asset.as_deref().unwrap_or("native")))
                .and_then(|()| wanted.insert("wait", true));
            async move {
                filled?;
                let opened: Value = client.request("nitro_openChannel", wanted).await?;
                let channel = text(&opened, "channel")?;
                let mut payment = ObjectParams::new();
                payment.insert("channel", channel)?;
                payment.insert("amount", amount.to_string())?;
                payment.insert("wait", true)?;
                let _: Value = client.request("nitro_pay", payment).await?;
                Ok::<ChannelId, anyhow::Error>(channel.parse()?)
            }
        };
        futures::stream::iter(0..count).map(open).buffer_unordered(IN_FLIGHT).try_collect().await
    }

    async fn client(&self) -> Result<WsClient> {
        let url = format!("ws://{}", self.rpc);
        let token = fs::read_to_string(self.dir.join("rpc.token"))?;
        let mut headers = HeaderMap::new();
        headers
            .insert("authorization", HeaderValue::from_str(&format!("Bearer {}", token.trim()))?);
        Ok(WsClientBuilder::default()
            .set_headers(headers)
            .max_concurrent_requests(IN_FLIGHT * 2)
            .request_timeout(LIMIT)
            .build(url)
            .await?)
    }

    /// Copies the node's folder as it is at this moment, while its process is halted.
    pub(crate) fn copy_records(&self) -> Result<DataDir> {
        let copy = self.dir.with_extension("old");
        let process = self.process()?;
        signal(&process, "-STOP")?;
        let copied = copy_folder(&self.dir, &copy);
        signal(&process, "-CONT")?;
        copied?;
        Ok(DataDir::new(copy))
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&self) -> Result<()> {
        let mut process = self.process()?;
        process.kill()?;
        process.wait()?;
        println!("  {} does not answer any more", self.name);
        Ok(())
    }

    fn process(&self) -> Result<MutexGuard<'_, Child>> {
        self.process.lock().map_err(|_| anyhow::anyhow!("poisoned"))
    }

    /// Stops the node in order, as a service manager would.
    pub(crate) fn stop(&self) -> Result<()> {
        let mut process = self.process()?;
        signal(&process, "-TERM")?;
        let status = process.wait()?;
        ensure!(status.success(), "{} stopped with {status}; see its log", self.name);
        println!("  {} stopped", self.name);
        Ok(())
    }
}

fn is_unknown(error: &anyhow::Error) -> bool {
    error.to_string().contains("unknown_objective")
}

fn signal(process: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").args([name, &process.id().to_string()]).status()?;
    ensure!(sent.success(), "kill {name} failed");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry?.path(), to);
        let name = from.file_name().context("an entry has a name")?;
        if from.is_dir() {
            copy_folder(&from, &to.join(name))?;
        } else if from.is_file() {
            // The socket of the running node is not among its records.
            fs::copy(&from, to.join(name))?;
        }
    }
    Ok(())
}

fn json(command: &mut Command, what: &str) -> Result<Value> {
    let output = command.output().with_context(|| format!("running {what}"))?;
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("reading what {what} printed"))
}

fn text(value: &Value, field: impl Index) -> Result<&str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("unexpected answer {value}"))
}
