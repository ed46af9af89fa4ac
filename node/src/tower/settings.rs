//! What a tower's operator can choose.

use std::collections::BTreeSet;

use engine::guard::Terms;
use engine::types::Address;
use engine::wire::MAX_MESSAGE_BYTES;

/// Whom a tower serves, and how much it holds for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TowerSettings {
    /// Who may hand over; everyone when empty.
    pub clients: BTreeSet<Address>,
    /// Clients at once. With the next two it bounds the disk.
    pub max_clients: u32,
    /// Channels of one client.
    pub max_channels: u32,
    /// Bytes of one guard.
    pub max_guard_bytes: u32,
}

impl TowerSettings {
    /// Clients at once.
    pub const MAX_CLIENTS: u32 = 1_000;
    /// More than a busy relay has.
    pub const MAX_CHANNELS: u32 = 1_000;
    /// A ledger with 200 guarantees has 27 KiB.
    pub const MAX_GUARD_BYTES: u32 = 32 * 1024;
    /// No message is longer.
    pub const MOST_GUARD_BYTES: u32 = {
        assert!(MAX_MESSAGE_BYTES == 64 * 1024, "the two bounds are one");
        64 * 1024
    };

    pub(super) const fn terms(&self) -> Terms {
        Terms { channels: self.max_channels, guard_bytes: self.max_guard_bytes }
    }

    pub(super) fn lists(&self, client: Address) -> bool {
        self.clients.is_empty() || self.clients.contains(&client)
    }
}

impl Default for TowerSettings {
    fn default() -> Self {
        Self {
            clients: BTreeSet::new(),
            max_clients: Self::MAX_CLIENTS,
            max_channels: Self::MAX_CHANNELS,
            max_guard_bytes: Self::MAX_GUARD_BYTES,
        }
    }
}
