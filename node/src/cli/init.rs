//! `nitro init`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::layout::record;
use super::output::Output;
use super::{CliError, run};
use crate::address::AddressText;
use crate::config::{ChainAccount, Config, Layers, Origin, template};
use crate::data_dir::{self, DataDir, FileError};
use crate::keys::{self, Keys, Purpose, SecretKey, Strength};

/// Makes the node's folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nitro init --deployment deployment.json --max-peer-deposit 10ether\n  \
    nitro init --chain-endpoint wss://node.example/key --chain-id 1 --adjudicator 0x... \
    --consensus-app 0x... --payment-app 0x... --start-block 123\n\n\
    Existing files are never overwritten. The passphrase is asked for, or taken from \
    --passphrase-file or the environment variable NITRO_PASSPHRASE.")]
pub(super) struct Init {
    /// RPC endpoint of the chain: http(s):// or ws(s)://
    #[arg(long, value_name = "URL")]
    chain_endpoint: Option<String>,
    /// Contracts, as printed by `nitro deploy --json`
    #[arg(long, value_name = "FILE")]
    deployment: Option<PathBuf>,
    /// Id of the chain
    #[arg(long, value_name = "ID")]
    chain_id: Option<String>,
    /// Address of the NitroAdjudicator
    #[arg(long, value_name = "ADDRESS")]
    adjudicator: Option<String>,
    /// Address of the ConsensusApp
    #[arg(long, value_name = "ADDRESS")]
    consensus_app: Option<String>,
    /// Address of the VirtualPaymentApp
    #[arg(long, value_name = "ADDRESS")]
    payment_app: Option<String>,
    /// Block of the adjudicator's deployment
    #[arg(long, value_name = "BLOCK")]
    start_block: Option<String>,
    /// Port for peers, TCP and QUIC, on all interfaces
    #[arg(long, value_name = "PORT", conflicts_with = "p2p_listen")]
    p2p_port: Option<u16>,
    /// Where to listen for peers, e.g. /ip4/0.0.0.0/tcp/3005; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// Port for programs, on 127.0.0.1
    #[arg(long, value_name = "PORT")]
    rpc_port: Option<u16>,
    /// A first contact, ending in /p2p/PEER_ID; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    boot_peer: Vec<String>,
    /// Most to deposit because a peer asks: 10ether, or <token address>=5000; may be repeated
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    max_peer_deposit: Vec<String>,
    /// Any other setting, e.g. chain.confirmations=12; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// File that holds the passphrase of the keys
    #[arg(long, value_name = "FILE", env = "NITRO_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Import the channel key from a file with 64 hex digits
    #[arg(long, value_name = "FILE")]
    channel_key_file: Option<PathBuf>,
    /// Import the chain key from a file with 64 hex digits
    #[arg(long, value_name = "FILE")]
    chain_key_file: Option<PathBuf>,
    /// Protect the keys only lightly, which is faster: for tests and development
    #[arg(long)]
    light: bool,
}

/// The contracts of a chain, as `nitro deploy --json` prints them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeploymentFile {
    pub(super) chain_id: u64,
    pub(super) adjudicator: AddressText,
    pub(super) consensus_app: AddressText,
    pub(super) payment_app: AddressText,
    pub(super) start_block: u64,
    #[serde(default)]
    pub(super) token: Option<AddressText>,
}

#[derive(Serialize)]
struct Made {
    data_dir: PathBuf,
    config: PathBuf,
    address: AddressText,
    chain_account: AddressText,
}

impl Init {
    pub(super) fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let config = self.config()?;
        // Everything that can be refused is looked at before the first file is written.
        let taken =
            [dir.config_file(), keys::KeyName::Channel.file(dir), keys::KeyName::Chain.file(dir)];
        if let Some(path) = taken.into_iter().find(|path| path.exists()) {
            return Err(FileError::Exists(path).into());
        }
        let key = |file: &Option<PathBuf>| match file {
            Some(path) => keys::read_hex_file(path),
            None => SecretKey::generate(),
        };
        let keys =
            Keys { channel: key(&self.channel_key_file)?, chain: key(&self.chain_key_file)? };
        let passphrase = keys::find(self.passphrase_file.as_ref(), Purpose::Choose)?;
        let strength = if self.light { Strength::Light } else { Strength::Standard };

        dir.create()?;
        keys.store(dir, &passphrase, strength)?;
        data_dir::write_new(&dir.config_file(), template(&config).as_bytes())?;
        let made = Made {
            data_dir: dir.path().to_owned(),
            config: dir.config_file(),
            address: AddressText(keys.channel.address()),
            chain_account: AddressText(match config.chain.account {
                ChainAccount::Own => keys.chain.address(),
                ChainAccount::Channel => keys.channel.address(),
            }),
        };
        out.answer(&made, describe)?;
        Ok(())
    }

    /// The configuration that the flags ask for.
    fn config(&self) -> Result<Config, CliError> {
        let mut layers = Layers::default();
        if let Some(path) = &self.deployment {
            layers = add_deployment(layers, path)?;
        }
        let listen = match self.p2p_port {
            Some(port) => {
                vec![format!("/ip4/0.0.0.0/tcp/{port}"), format!("/ip4/0.0.0.0/udp/{port}/quic-v1")]
            }
            None => self.p2p_listen.clone(),
        };
        let rpc_listen = self.rpc_port.map(|port| format!("127.0.0.1:{port}"));
        let some = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
        let flags = [
            ("--chain-endpoint", "chain.endpoint", self.chain_endpoint.clone()),
            ("--chain-id", "chain.chain_id", self.chain_id.clone()),
            ("--adjudicator", "chain.adjudicator", self.adjudicator.clone()),
            ("--consensus-app", "chain.consensus_app", self.consensus_app.clone()),
            ("--payment-app", "chain.payment_app", self.payment_app.clone()),
            ("--start-block", "chain.start_block", self.start_block.clone()),
            ("--p2p-listen", "p2p.listen", some(&listen)),
            ("--rpc-port", "rpc.listen", rpc_listen),
            ("--boot-peer", "p2p.boot_peers", some(&self.boot_peer)),
            ("--max-peer-deposit", "policy.max_peer_deposit", some(&self.max_peer_deposit)),
        ];
        layers = run::add_flags(layers, flags)?;
        Ok(run::add_settings(layers, &self.set)?.finish()?)
    }
}

fn add_deployment(mut layers: Layers, path: &Path) -> Result<Layers, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| FileError::new(path, error))?;
    let found: DeploymentFile = serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
    let origin = Origin::Flag(format!("--deployment {}", path.display()));
    for (key, value) in [
        ("chain.chain_id", found.chain_id.to_string()),
        ("chain.adjudicator", found.adjudicator.0.to_string()),
        ("chain.consensus_app", found.consensus_app.0.to_string()),
        ("chain.payment_app", found.payment_app.0.to_string()),
        ("chain.start_block", found.start_block.to_string()),
    ] {
        layers = layers.set(key, &value, origin.clone())?;
    }
    Ok(layers)
}

fn describe(made: &Made) -> String {
    let text = record([
        ("folder", made.data_dir.display().to_string()),
        ("configuration", made.config.display().to_string()),
        ("address", made.address.0.to_string()),
        ("chain account", made.chain_account.0.to_string()),
    ]);
    format!(
        "{text}\nSend some coins to the chain account: it pays deposits and fees. Payouts go to \
         the address.\nKeep a copy of the folder keys and of the passphrase: nobody can restore \
         them."
    )
}
