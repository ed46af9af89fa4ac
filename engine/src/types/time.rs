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
///
/// A larger number is refused when it is decoded: hashes see 48 bits, so that the signature of an
/// old turn would also fit a number 2^48 above it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
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

impl TryFrom<u64> for TurnNumber {
    type Error = TurnNumberTooLarge;

    fn try_from(turn: u64) -> Result<Self, Self::Error> {
        if turn > Self::MAX.0 { Err(TurnNumberTooLarge(turn)) } else { Ok(Self(turn)) }
    }
}

impl From<TurnNumber> for u64 {
    fn from(turn: TurnNumber) -> Self {
        turn.0
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

/// The number does not fit the contracts' uint48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("turn number {0} does not fit 48 bits")]
pub struct TurnNumberTooLarge(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_end_where_the_contracts_end() {
        assert_eq!(TurnNumber::PREFUND.next(), Some(TurnNumber::POSTFUND));
        let last_but_one = TurnNumber(0xffff_ffff_fffe);
        assert_eq!(last_but_one.next(), Some(TurnNumber::MAX));
        assert_eq!(TurnNumber::MAX.next(), None);
        assert_eq!(TurnNumber(u64::MAX).next(), None);
    }

    #[test]
    fn refuses_to_decode_a_turn_that_hashes_like_another() {
        let decode = serde_json::from_str::<TurnNumber>;
        assert_eq!(decode("281474976710655").unwrap(), TurnNumber::MAX);
        let error = decode("281474976710661").unwrap_err();
        assert!(error.to_string().contains("does not fit 48 bits"), "{error}");
        assert_eq!(serde_json::to_string(&TurnNumber(5)).unwrap(), "5");
    }

    #[test]
    fn a_moment_after_the_last_is_the_last() {
        let soon = Timestamp(1_000).after(Duration::from_millis(25));
        assert_eq!(soon, Timestamp(1_025));
        assert_eq!(soon.after(Duration::MAX), Timestamp(u64::MAX));
    }
}
