//! `nitro deploy`.

use std::path::PathBuf;

use chain::{AccountKey, Deployed, Progress, TestToken};
use clap::Args;

use super::CliError;
use super::consent::Consent;
use super::init::DeploymentFile;
use super::layout::record;
use super::output::{Output, say};
use crate::address::AddressText;
use crate::config::{ChainSection, Layers};
use crate::data_dir::DataDir;
use crate::keys::{self, KeyName, Purpose};

/// Puts the contracts on a chain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nitro deploy --chain-endpoint http://127.0.0.1:8545 --key-file key --json > deployment.json\n  \
    nitro deploy --token\n\n\
    Without --key-file the chain key of the node's folder pays. Without --chain-endpoint the \
    endpoint of the node's configuration is used. On chains other than those of development \
    (31337 and 1337) it asks before it spends coin; --yes answers for scripts.")]
pub(super) struct Deploy {
    /// RPC endpoint of the chain
    #[arg(long, value_name = "URL", env = "NITRO_CHAIN_ENDPOINT", hide_env_values = true)]
    chain_endpoint: Option<String>,
    /// File with the paying account's key, 64 hex digits
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// File that holds the passphrase of the node's keys
    #[arg(long, value_name = "FILE", env = "NITRO_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Deploy a token for tests as well; the paying account gets all of it
    #[arg(long)]
    token: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Chains of development, on which nothing is worth anything: those of anvil and hardhat, and of geth.
const PLAY_CHAINS: [u64; 2] = [31_337, 1_337];

impl Deploy {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let endpoint = match self.chain_endpoint {
            Some(endpoint) => endpoint.as_str().into(),
            None if dir.config_file().exists() => {
                Layers::default().file(&dir.config_file())?.finish()?.chain.endpoint
            }
            None => ChainSection::default().endpoint,
        };
        let key = match &self.key_file {
            Some(path) => keys::read_hex_file(path)?,
            None => {
                let passphrase = keys::find(self.passphrase_file.as_ref(), Purpose::Open)?;
                keys::load(dir, KeyName::Chain, &passphrase)?
            }
        };
        let token = if self.token { TestToken::Deploy } else { TestToken::None };
        let chain_id = chain::chain_id(endpoint.reveal()).await?;
        if !PLAY_CHAINS.contains(&chain_id) {
            let account = key.address();
            let what = format!("spending coin of {account} for contracts on chain {chain_id}");
            self.consent.to(&what)?;
        }
        let deployed =
            chain::deploy(endpoint.reveal(), &AccountKey::new(key.bytes()), token, report).await?;
        out.answer(&DeploymentFile::from(deployed), describe)?;
        Ok(())
    }
}

fn report(progress: Progress) {
    match progress {
        Progress::Sent { contract, transaction } => {
            say(format_args!("{contract}: sent {transaction}"))
        }
        Progress::Deployed { contract, address } => say(format_args!("{contract}: at {address}")),
    }
}

impl From<Deployed> for DeploymentFile {
    fn from(deployed: Deployed) -> Self {
        let deployment = deployed.deployment;
        Self {
            chain_id: deployment.chain_id,
            adjudicator: AddressText(deployment.adjudicator),
            consensus_app: AddressText(deployment.consensus_app),
            payment_app: AddressText(deployment.payment_app),
            start_block: deployed.start_block,
            token: deployed.token.map(AddressText),
        }
    }
}

fn describe(file: &DeploymentFile) -> String {
    let mut pairs = vec![
        ("chain id", file.chain_id.to_string()),
        ("adjudicator", file.adjudicator.0.to_string()),
        ("consensus app", file.consensus_app.0.to_string()),
        ("payment app", file.payment_app.0.to_string()),
        ("start block", file.start_block.to_string()),
    ];
    pairs.extend(file.token.map(|token| ("token", token.0.to_string())));
    record(pairs)
}
