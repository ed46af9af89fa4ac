//! Times of the world, of the chain and of a channel.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as told by the caller; the engine owns no clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `duration` later; stays at the last moment there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// Height of a block.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

/// Version of a channel's state; only grows (48 bits on chain).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TurnNumber(pub u64);

impl TurnNumber {
    /// First state of a channel, signed before anything is deposited.
    pub const PREFUND: Self = Self(0);
    /// Same outcome as the prefund state, signed once everything is deposited.
    pub const POSTFUND: Self = Self(1);
    /// Final state of a payment channel, and of a redemption (protocol.md section 5).
    pub const PAYMENT_FINAL: Self = Self(2);
    /// Largest turn that fits the contracts' uint48.
    pub const MAX: Self = Self(0xffff_ffff_ffff);

    /// The next turn, or `None` where the contracts' uint48 ends.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self).filter(|turn| *turn <= Self::MAX)
    }
}

impl fmt::Display for TurnNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
