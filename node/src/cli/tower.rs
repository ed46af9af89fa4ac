//! `nitro tower`.

use std::collections::BTreeMap;

use clap::Subcommand;
use engine::types::ChannelId;
use serde::Serialize;
use tracing::{error, info, warn};

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::ids::short;
use super::layout::{Row, maybe, record, table};
use super::money::brief;
use super::output::Output;
use super::run::{Run, STOP_LIMIT, Signals};
use crate::address::{AddressText, NATIVE};
use crate::amount::AmountText;
use crate::data_dir::DataDir;
use crate::descriptors;
use crate::keys::{self, Keys, Purpose};
use crate::logging;
use crate::node::StopReason;
use crate::rpc::types::{ChannelInfo, GuardInfo, GuardedInfo, TowerInfo};
use crate::tower::TowerNode;

/// Watchtowers.
#[derive(Debug, Subcommand)]
pub(super) enum Tower {
    /// Have a watchtower guard all channels of this node
    #[command(after_help = "Example:\n  \
        nitro peer add /ip4/192.0.2.1/tcp/3005/p2p/PEER_ID\n  \
        nitro tower add 0xTOWER\n\n\
        The tower must be a node with tower.serve, or nitro tower serve, of the same chain and \
        adjudicator. It can answer stale challenges and can move no funds; docs/towers.md says \
        what it is trusted with.")]
    Add {
        /// Address of the tower
        tower: String,
    },
    /// Do without a watchtower from now on; it is told to forget
    Remove {
        /// Address of the tower
        tower: String,
    },
    /// The watchtowers of this node, and which state of each channel they hold
    List,
    /// What this node guards for others
    Status,
    /// Run a watchtower alone, without channels of its own, until it is interrupted
    #[command(after_help = "Examples:\n  \
        nitro init --data-dir ./tower --deployment deployment.json\n  \
        nitro tower serve --data-dir ./tower\n  \
        nitro tower serve --data-dir ./tower --set tower.clients=0x...,0x...\n\n\
        Answering a challenge costs gas: the chain account needs some coins. It serves no RPC.")]
    Serve(Box<Run>),
}

impl Tower {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let (method, args) = match self {
            Self::Serve(run) => return serve(&run, dir, out).await,
            Self::List => {
                let client = Client::connect(dir).await?;
                let towers: Vec<TowerInfo> = client.call("nitro_towers", Named::default()).await?;
                if out.is_json() {
                    return out.line(&towers);
                }
                let channels: Vec<ChannelInfo> =
                    client.call("nitro_channels", Named::default()).await?;
                let assets: BTreeMap<_, _> =
                    channels.into_iter().map(|channel| (channel.channel, channel.asset)).collect();
                // Only payment channels pay; one that has just been closed pays no more.
                let asset = |channel| assets.get(&channel).cloned().unwrap_or_default();
                return out.text(&describe_all(&towers, asset));
            }
            Self::Status => {
                let client = Client::connect(dir).await?;
                let guarded: GuardedInfo = client.call("nitro_guarded", Named::default()).await?;
                out.answer(&guarded, describe_guarded)?;
                return Ok(());
            }
            Self::Add { tower } => ("nitro_addTower", arg("tower", tower)),
            Self::Remove { tower } => ("nitro_removeTower", arg("tower", tower)),
        };
        let tower: TowerInfo = Client::connect(dir).await?.change(method, args).await?;
        out.answer(&tower, describe)?;
        Ok(())
    }
}

fn describe(tower: &TowerInfo) -> String {
    record([
        ("tower", tower.tower.0.to_string()),
        ("serving", if tower.serving { "yes" } else { "no" }.to_owned()),
        ("channels at most", maybe(tower.max_channels)),
        ("channels handed over", tower.channels.len().to_string()),
    ])
}

pub(super) fn describe_all(towers: &[TowerInfo], asset: impl Fn(ChannelId) -> String) -> String {
    let row = |tower: &TowerInfo| {
        let most = tower.max_channels.map_or_else(String::new, |most| format!(" of {most}"));
        let cells = [
            tower.tower.0.to_string(),
            if tower.serving { "serving" } else { "asked" }.to_owned(),
            format!("{}{most}", tower.channels.len()),
        ];
        let notes = tower.channels.iter().map(|guard| guard_words(guard, &asset(guard.channel)));
        Row { cells, notes: notes.collect() }
    };
    let nothing = "no towers; add one with nitro tower add";
    let names = ["tower", "status", "channels"];
    table(names, &towers.iter().map(row).collect::<Vec<_>>(), nothing)
}

/// What a tower has of a channel: `0x628a1234: guarded, holds turn 4 (5 gwei paid)`.
fn guard_words(guard: &GuardInfo, asset: &str) -> String {
    let state = |turn: u64, paid: AmountText| {
        if paid.0.is_zero() {
            format!("turn {turn}")
        } else {
            let unit = if asset == NATIVE { "" } else { " units" };
            format!("turn {turn} ({}{unit} paid)", brief(asset, paid))
        }
    };
    let mut text = format!("{}: {}", short(guard.channel), guard.status);
    if let Some(receipt) = &guard.receipt {
        text.push_str(&format!(", holds {}", state(receipt.turn, receipt.paid)));
    }
    if let (Some(turn), true) = (guard.newest_turn, guard.status != "guarded") {
        let paid = guard.newest_paid.unwrap_or_default();
        text.push_str(&format!(", newest is {}", state(turn, paid)));
    }
    if let Some(reason) = &guard.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

fn describe_guarded(guarded: &GuardedInfo) -> String {
    if !guarded.serving {
        return "this node is no watchtower; set tower.serve to make it one".to_owned();
    }
    record([("clients", guarded.clients.to_string()), ("channels", guarded.channels.to_string())])
}

/// Says on stdout that the tower can be used.
#[derive(Serialize)]
struct Ready {
    address: AddressText,
    chain_account: AddressText,
    listen_addresses: Vec<String>,
    clients: usize,
    channels: usize,
}

async fn serve(run: &Run, dir: &DataDir, out: Output) -> Result<(), CliError> {
    if run.rpc_listen.is_some() {
        return Err(CliError::Usage("--rpc-listen: a tower alone serves no RPC".to_owned()));
    }
    let config = run.config(dir)?;
    logging::start(&config.log, config.chain.secrets())?;
    info!("configuration of {}:\n{}", dir.path().display(), config.masked());
    descriptors::provide(0, &config.p2p)?;
    config.chain.deployment()?;
    let passphrase = keys::find(run.passphrase_file.as_ref(), Purpose::Open)?;
    let keys = Keys::load(dir, &passphrase)?;
    let mut signals = Signals::new()?;
    let settings = config.node_settings(dir.path(), &keys)?;
    let mut tower = Box::pin(TowerNode::start(settings, config.tower.settings())).await?;
    let reason = match announce(&tower, out).await {
        Ok(()) => tokio::select! {
            name = signals.next() => { info!("stopping: {name}"); StopReason::Asked }
            reason = tower.stopped() => reason,
        },
        Err(error) => StopReason::Fatal(error.to_string()),
    };
    stop_in_order(tower, signals).await;
    match reason {
        StopReason::Asked => Ok(()),
        StopReason::Fatal(reason) => Err(CliError::Fatal(reason)),
    }
}

async fn announce(tower: &TowerNode, out: Output) -> Result<(), CliError> {
    let listen = tower.p2p().listen_addresses().await;
    let listen = listen.map_err(|error| CliError::Fatal(error.to_string()))?;
    let count = tower.count().await.unwrap_or_default();
    let ready = Ready {
        address: AddressText(tower.address()),
        chain_account: AddressText(tower.chain().account()),
        listen_addresses: listen.iter().map(ToString::to_string).collect(),
        clients: count.clients,
        channels: count.channels,
    };
    info!(address = %ready.address.0, "ready");
    let told = out.answer(&ready, |ready| {
        record([
            ("address", ready.address.0.to_string()),
            ("chain account", ready.chain_account.0.to_string()),
            ("clients reach it at", ready.listen_addresses.join("\n                     ")),
            ("guards", format!("{} channels of {} clients", ready.channels, ready.clients)),
        ])
    });
    if let Err(error) = told {
        warn!(%error, "cannot tell on stdout that it runs");
    }
    Ok(())
}

async fn stop_in_order(tower: TowerNode, mut signals: Signals) {
    tokio::select! {
        () = tower.shutdown() => info!("stopped"),
        name = signals.next() => {
            warn!("{name} again: stopping at once");
            logging::flush();
            std::process::exit(1);
        }
        () = tokio::time::sleep(STOP_LIMIT) => {
            error!(limit = ?STOP_LIMIT, "did not stop in time");
            logging::flush();
            std::process::exit(1);
        }
    }
}
