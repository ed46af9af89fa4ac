//! The section of the watchtower.

use serde::{Deserialize, Serialize};

use super::layers::Fault;
use crate::address::AddressText;
use crate::tower::TowerSettings;

/// What the node guards for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TowerSection {
    /// Whether `nitro run` serves a watchtower, too.
    pub serve: bool,
    /// Who may hand over channels; everyone when empty.
    pub clients: Vec<AddressText>,
    /// Clients at once.
    pub max_clients: u32,
    /// Channels of one client.
    pub max_channels: u32,
    /// Bytes of what is held for one channel.
    pub max_guard_bytes: u32,
}

impl Default for TowerSection {
    fn default() -> Self {
        Self {
            serve: false,
            clients: Vec::new(),
            max_clients: TowerSettings::MAX_CLIENTS,
            max_channels: TowerSettings::MAX_CHANNELS,
            max_guard_bytes: TowerSettings::MAX_GUARD_BYTES,
        }
    }
}

impl TowerSection {
    /// What a tower is started with.
    #[must_use]
    pub fn settings(&self) -> TowerSettings {
        TowerSettings {
            clients: self.clients.iter().map(|client| client.0).collect(),
            max_clients: self.max_clients,
            max_channels: self.max_channels,
            max_guard_bytes: self.max_guard_bytes,
        }
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let most = TowerSettings::MOST_GUARD_BYTES;
        for (key, value) in [
            ("tower.max_clients", self.max_clients),
            ("tower.max_channels", self.max_channels),
            ("tower.max_guard_bytes", self.max_guard_bytes),
        ] {
            if value == 0 {
                return Err(Fault::new(key, "must be more than zero"));
            }
        }
        if self.max_guard_bytes > most {
            let reason = format!("must be {most} or less, which no message exceeds");
            return Err(Fault::new("tower.max_guard_bytes", reason));
        }
        Ok(())
    }
}
