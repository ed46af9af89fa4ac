//! `nitro run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::CliError;
use super::layout::record;
use super::output::Output;
use crate::address::AddressText;
use crate::config::{Config, ConfigError, Layers, Origin};
use crate::data_dir::{self, DataDir};
use crate::descriptors;
use crate::keys::{self, Keys, Purpose};
use crate::logging;
use crate::node::{Node, StopReason};
use crate::report::report;
use crate::rpc::{self, RpcOptions, RpcServer};

/// The longest that an ordered stop may take; the store is safe at any moment.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Runs the node.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nitro run\n  \
    nitro run --data-dir ./alice --log-level info,p2p=debug\n  \
    nitro run --set chain.confirmations=12 --set rpc.listen=127.0.0.1:0\n\n\
    Every setting of config.toml can be given as --set section.key=value or in the environment \
    as NITRO_<SECTION>_<KEY>. The first interrupt stops the node in order, the second at once.")]
pub(super) struct Run {
    /// RPC endpoint of the chain
    #[arg(long, value_name = "URL")]
    chain_endpoint: Option<String>,
    /// Where to listen for programs: a loopback address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) rpc_listen: Option<String>,
    /// Where to listen for peers; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// A first contact; may be repeated, replaces those of the configuration
    #[arg(long, value_name = "MULTIADDR")]
    boot_peer: Vec<String>,
    /// error, warn, info, debug or trace; or by module
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any other setting, e.g. chain.confirmations=12; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// File that holds the passphrase of the keys
    #[arg(long, value_name = "FILE", env = "NITRO_PASSPHRASE_FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// Says on stdout that the node can be used.
#[derive(Serialize)]
struct Ready {
    address: AddressText,
    chain_account: AddressText,
    rpc: String,
    listen_addresses: Vec<String>,
}

impl Run {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let config = self.config(dir)?;
        logging::start(&config.log, config.chain.secrets())?;
        info!("configuration of {}:\n{}", dir.path().display(), config.masked());
        descriptors::provide(rpc::descriptors(&config.rpc), &config.p2p)?;
        if config.store.rollback == store::Rollback::Accept {
            warn!("store.rollback is accept: meant for one start, so take it out of the settings");
        }
        // Asks before it decrypts: stretching the passphrase takes a second.
        config.chain.deployment()?;
        let passphrase = keys::find(self.passphrase_file.as_ref(), Purpose::Open)?;
        let keys = Keys::load(dir, &passphrase)?;
        let mut signals = Signals::new()?;

        let mut node = Node::start(config.node_settings(dir.path(), &keys)?).await?;
        let stop = CancellationToken::new();
        let token = match dir.new_rpc_token() {
            Ok(token) => token,
            Err(error) => {
                node.shutdown().await;
                return Err(error.into());
            }
        };
        logging::hide(token.reveal());
        // The folder is this process's own from here on, as the store is.
        let options = RpcOptions {
            token,
            socket: Some(dir.rpc_socket()),
            challenge_duration: config.policy.challenge_duration_secs,
            stop: stop.clone(),
        };
        let mut server = match RpcServer::start(&config.rpc, options, node.handle()).await {
            Ok(server) => server,
            Err(error) => {
                node.shutdown().await;
                return Err(error.into());
            }
        };
        let announced = announce(dir, &node, &server, out).await;
        let reason = match announced {
            Ok(()) => tokio::select! {
                name = signals.next() => { info!("stopping: {name}"); StopReason::Asked }
                () = stop.cancelled() => StopReason::Asked,
                reason = node.stopped() => reason,
                why = server.ended() => StopReason::Fatal(why),
            },
            Err(error) => StopReason::Fatal(report(&error)),
        };
        stop_in_order(dir, node, server, signals).await;
        match reason {
            StopReason::Asked => Ok(()),
            StopReason::Fatal(reason) => Err(CliError::Fatal(reason)),
        }
    }

    pub(super) fn config(&self, dir: &DataDir) -> Result<Config, CliError> {
        let some = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
        let layers = Layers::default().file(&dir.config_file()).map_err(|error| match error {
            ConfigError::Unreadable(missing) => {
                CliError::Usage(format!("{missing}; make it with nitro init"))
            }
            other => other.into(),
        })?;
        let layers = layers.environment(std::env::vars())?;
        let layers = add_flags(
            layers,
            [
                ("--chain-endpoint", "chain.endpoint", self.chain_endpoint.clone()),
                ("--rpc-listen", "rpc.listen", self.rpc_listen.clone()),
                ("--p2p-listen", "p2p.listen", some(&self.p2p_listen)),
                ("--boot-peer", "p2p.boot_peers", some(&self.boot_peer)),
                ("--log-level", "log.level", self.log_level.clone()),
                ("--log-format", "log.format", self.log_format.clone()),
            ],
        )?;
        Ok(add_settings(layers, &self.set)?.finish()?)
    }
}

/// Adds the flags that were given.
pub(super) fn add_flags<const N: usize>(
    mut layers: Layers,
    flags: [(&str, &str, Option<String>); N],
) -> Result<Layers, ConfigError> {
    for (flag, key, value) in flags {
        if let Some(value) = value {
            layers = layers.set(key, &value, Origin::Flag(flag.to_owned()))?;
        }
    }
    Ok(layers)
}

/// Adds settings of the form `section.key=value`.
pub(super) fn add_settings(mut layers: Layers, settings: &[String]) -> Result<Layers, CliError> {
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(CliError::Usage(format!("--set {setting}: expected section.key=value")));
        };
        layers = layers.set(key, value, Origin::Flag(format!("--set {key}")))?;
    }
    Ok(layers)
}

/// Tells other programs where the node is, and people that it runs.
async fn announce(
    dir: &DataDir,
    node: &Node,
    server: &RpcServer,
    out: Output,
) -> Result<(), CliError> {
    let handle = node.handle();
    let rpc = server.address().to_string();
    data_dir::replace(&dir.rpc_address_file(), rpc.as_bytes())?;
    let listen = handle.p2p().listen_addresses().await;
    let listen = listen.map_err(|error| CliError::Fatal(error.to_string()))?;
    let ready = Ready {
        address: AddressText(handle.address()),
        chain_account: AddressText(handle.chain().account()),
        rpc,
        listen_addresses: listen.iter().map(ToString::to_string).collect(),
    };
    info!(address = %ready.address.0, rpc = %ready.rpc, "ready");
    let told = out.answer(&ready, |ready| {
        record([
            ("address", ready.address.0.to_string()),
            ("chain account", ready.chain_account.0.to_string()),
            ("rpc", ready.rpc.clone()),
            ("peers reach it at", ready.listen_addresses.join("\n")),
        ])
    });
    if let Err(error) = told {
        warn!(%error, "cannot tell on stdout that it runs");
    }
    Ok(())
}

/// Stops serving first, then the node; a second signal or the time limit ends the process.
async fn stop_in_order(dir: &DataDir, node: Node, server: RpcServer, mut signals: Signals) {
    let stop = async {
        // Gone before the port is: a client reads it as "not running", and shows nobody its token.
        let _ = std::fs::remove_file(dir.rpc_address_file());
        let _ = std::fs::remove_file(dir.token_file());
        server.shutdown().await;
        node.shutdown().await;
    };
    tokio::select! {
        () = stop => info!("stopped"),
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

/// What the system or a person at the terminal sends to stop a program.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, std::io::Error> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
        }
    }
}
