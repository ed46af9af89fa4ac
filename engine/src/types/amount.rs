//! Money: 256-bit amounts with checked arithmetic only, and the asset they count.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Bytes;

/// A quantity of an asset in its smallest unit (wei for the native coin).
///
/// There are no operators: every sum and difference says what happens when it does not fit,
/// because a wrapped amount is stolen money (gap S15 of the reference).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// The amount as the contracts see it.
    #[must_use]
    pub const fn to_u256(self) -> U256 {
        self.0
    }

    /// True when there is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The sum, or `None` at 2^256.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, or zero where `other` is more.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum of many, or `None` at 2^256.
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl From<U256> for Amount {
    fn from(value: U256) -> Self {
        Self(value)
    }
}

impl From<u64> for Amount {
    fn from(value: u64) -> Self {
        Self(U256::from(value))
    }
}

impl From<u128> for Amount {
    fn from(value: u128) -> Self {
        Self(U256::from(value))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Amount {
    type Err = alloy_primitives::ruint::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        U256::from_str_radix(text, 10).map(Self)
    }
}

/// Big-endian without leading zeros: small amounts are small on the wire, and there is one encoding.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.to_be_bytes_trimmed_vec())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(deserializer)?;
        if bytes.len() > 32 || bytes.first() == Some(&0) {
            return Err(D::Error::custom("amount is not a minimal 256-bit number"));
        }
        Ok(Self(U256::from_be_slice(&bytes)))
    }
}

/// What an amount counts: an ERC-20 contract, or the chain's native coin at address zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Asset(pub Address);

impl Asset {
    /// The chain's own coin.
    pub const NATIVE: Self = Self(Address::ZERO);

    /// True for the chain's own coin.
    #[must_use]
    pub fn is_native(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
