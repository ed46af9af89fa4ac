//! Everything an operator can choose, in one TOML file.
//!
//! What stands is decided in this order: defaults, the file, the environment (`NITRO_…`), flags.
//! The list [`SETTINGS`] explains each; from it `nitro init` writes the file.

mod endpoint;
mod layers;
mod network;
mod sections;
mod settings;
mod template;
mod tower;
mod values;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use endpoint::EndpointText;
pub use layers::{ConfigError, Layers, Origin};
pub use network::PortTaken;
pub(crate) use network::check_ports;
pub use sections::{
    ChainAccount, ChainSection, LogFormat, LogSection, PolicySection, RpcSection, StaleAnswer,
};
pub use settings::{Kind, SETTINGS, Setting};
pub use template::template;
pub use tower::TowerSection;
pub use values::Deposits;

use crate::keys::Keys;
use crate::node::{ChannelKey, NodeSettings};

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The chain and its contracts.
    pub chain: ChainSection,
    /// How records are kept on disk.
    pub store: store::Config,
    /// The network.
    pub p2p: p2p::P2pConfig,
    /// The server for local programs.
    pub rpc: RpcSection,
    /// What the node agrees to.
    pub policy: PolicySection,
    /// What the node guards for others.
    pub tower: TowerSection,
    /// What the node writes about itself.
    pub log: LogSection,
}

impl Config {
    /// What the node is started with.
    ///
    /// # Errors
    /// When a setting that has no default is missing.
    pub fn node_settings(&self, data_dir: &Path, keys: &Keys) -> Result<NodeSettings, ConfigError> {
        let deployment = self.chain.deployment()?;
        Ok(NodeSettings {
            data_dir: data_dir.to_owned(),
            store: self.store.clone(),
            deployment,
            policy: self.policy.policy(),
            p2p: self.p2p.clone(),
            chain: self.chain.chain_config(deployment, keys),
            channel_key: ChannelKey(keys.channel.bytes()),
            payout_address: self.chain.payout_address.map(|address| address.0),
            tower: self.tower.serve.then(|| self.tower.settings()),
        })
    }

    /// The configuration as TOML, without what may be a secret.
    #[must_use]
    pub fn masked(&self) -> String {
        let mut shown = self.clone();
        shown.chain.endpoint = self.chain.endpoint.masked();
        for endpoint in &mut shown.chain.more_endpoints {
            *endpoint = endpoint.masked();
        }
        toml::to_string(&shown).unwrap_or_default()
    }
}
