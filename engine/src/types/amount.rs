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

    /// The sum; stays at the largest number there is.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This many times the amount; stays at the largest number there is.
    #[must_use]
    pub fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(U256::from(times)))
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

/// Decimal digits and nothing else: an empty text is a mistake of the caller, not zero.
impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseAmountError::Digits);
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| ParseAmountError::TooLarge)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Not decimal, or empty.
    #[error("amount is not a decimal number")]
    Digits,
    /// 2^256 or more.
    #[error("amount does not fit 256 bits")]
    TooLarge,
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

#[cfg(test)]
mod tests {
    use bincode::config;
    use bincode::serde::{decode_from_slice, encode_to_vec};
    use proptest::prelude::*;

    use super::*;

    /// Of any size: as many significant bytes as the length says, and zeros before them.
    fn any_amount() -> impl Strategy<Value = Amount> {
        prop::collection::vec(any::<u8>(), 0..=32)
            .prop_map(|bytes| Amount(U256::from_be_slice(&bytes)))
    }

    fn encode(bytes: &[u8]) -> Vec<u8> {
        encode_to_vec(Bytes(bytes.to_vec()), config::standard()).unwrap()
    }

    fn decode(encoded: &[u8]) -> Option<Amount> {
        let (amount, read) = decode_from_slice(encoded, config::standard()).ok()?;
        assert_eq!(read, encoded.len());
        Some(amount)
    }

    proptest! {
        #[test]
        fn encodes_in_as_few_bytes_as_it_needs(amount in any_amount()) {
            let encoded = encode_to_vec(amount, config::standard()).unwrap();
            let significant = amount.0.bit_len().div_ceil(8);
            prop_assert_eq!(encoded.len(), significant.checked_add(1).unwrap());
            prop_assert_eq!(decode(&encoded), Some(amount));
        }

        #[test]
        fn has_one_encoding(
            zeros in 0_usize..3,
            rest in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [&[0, 0][..zeros], &rest].concat();
            let encoded = encode(&bytes);
            if let Some(amount) = decode(&encoded) {
                prop_assert_eq!(encode_to_vec(amount, config::standard()).unwrap(), encoded);
            } else {
                prop_assert!(bytes.len() > 32 || bytes[0] == 0);
            }
        }

        #[test]
        fn text_is_read_back(amount in any_amount()) {
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn a_sum_is_taken_apart_again(one in any_amount(), other in any_amount()) {
            match one.checked_add(other) {
                Some(sum) => prop_assert_eq!(sum.checked_sub(other), Some(one)),
                None => prop_assert!(one > Amount(U256::MAX).checked_sub(other).unwrap()),
            }
            let rest = one.checked_sub(other);
            prop_assert_eq!(rest.is_none(), one < other);
            prop_assert_eq!(one.saturating_sub(other), rest.unwrap_or_default());
        }
    }

    #[test]
    fn refuses_leading_zeros_and_too_many_bytes() {
        assert_eq!(decode(&encode(&[])), Some(Amount::ZERO));
        assert_eq!(decode(&encode(&[0])), None);
        assert_eq!(decode(&encode(&[0, 1])), None);
        assert_eq!(decode(&encode(&[1; 32])), Some(Amount(U256::from_be_bytes([1; 32]))));
        assert_eq!(decode(&encode(&[1; 33])), None);
    }

    #[test]
    fn refuses_texts_that_are_no_decimal_number() {
        for text in ["", "_", "1_000", "+1", "-1", " 1", "0x10", "1e3", "1.5"] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::Digits), "{text:?}");
        }
        let above = format!("{}0", U256::MAX);
        assert_eq!(above.parse::<Amount>(), Err(ParseAmountError::TooLarge));
    }

    #[test]
    fn sums_stop_at_the_last_number() {
        let last = Amount(U256::MAX);
        assert_eq!(Amount::checked_sum([last, Amount::ZERO]), Some(last));
        assert_eq!(Amount::checked_sum([last, 1_u64.into()]), None);
        assert_eq!(Amount::checked_sum([]), Some(Amount::ZERO));
    }
}
