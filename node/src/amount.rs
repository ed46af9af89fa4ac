//! Amounts as people and programs write them.
//!
//! | form | example | meaning |
//! |---|---|---|
//! | decimal digits | `1500` | smallest units of the asset (wei of the native coin) |
//! | `0x` and hex digits | `0x5dc` | the same |
//! | number and unit | `1.5ether`, `10 gwei`, `3wei` | times 10^18, 10^9 or 1 |
//!
//! One space may stand before the unit, and a fraction needs a unit that is fine enough for it.
//! There are no signs, exponents or digit separators. Everything is exact: no float is involved.

use std::fmt;

use engine::types::{Amount, U256};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that is looked at. 2^256 has 78 digits; the rest is room for a unit.
const MAX_LENGTH: usize = 128;

/// Units with their number of decimals.
const UNITS: [(&str, usize); 3] = [("ether", 18), ("gwei", 9), ("wei", 0)];

/// Reads an amount in any of the forms above.
///
/// # Errors
/// When the text is none of them, or the amount does not fit 256 bits.
pub fn parse_amount(text: &str) -> Result<Amount, AmountError> {
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    if text.len() > MAX_LENGTH {
        return Err(AmountError::TooLong);
    }
    if text.starts_with('-') {
        return Err(AmountError::Negative);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return parse_hex(digits);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if number.is_empty() {
        return Err(AmountError::NotANumber);
    }
    let decimals =
        if rest.is_empty() { 0 } else { decimals_of(rest.strip_prefix(' ').unwrap_or(rest))? };
    parse_decimal(number, decimals)
}

fn decimals_of(unit: &str) -> Result<usize, AmountError> {
    // Only something like a word is called a unit; anything else is no number at all.
    if unit.is_empty() || !unit.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(AmountError::NotANumber);
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    known.map(|(_, decimals)| *decimals).ok_or_else(|| AmountError::Unit(unit.to_owned()))
}

fn parse_hex(digits: &str) -> Result<Amount, AmountError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(AmountError::NotANumber);
    }
    U256::from_str_radix(digits, 16).map(Amount::from).map_err(|_| AmountError::TooLarge)
}

fn parse_decimal(number: &str, decimals: usize) -> Result<Amount, AmountError> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => {
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(AmountError::NotANumber);
            }
            (whole, fraction.trim_end_matches('0'))
        }
        None => (number, ""),
    };
    if whole.is_empty() {
        return Err(AmountError::NotANumber);
    }
    if fraction.len() > decimals {
        return Err(AmountError::Fraction);
    }
    // Shifting the point is writing zeros, so no multiplication can overflow.
    let digits = format!("{whole}{fraction:0<decimals$}");
    U256::from_str_radix(&digits, 10).map(Amount::from).map_err(|_| AmountError::TooLarge)
}

/// An amount with or without a unit; written in smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmountText(pub Amount);

impl Serialize for AmountText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = AmountText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount such as \"1000\", \"10gwei\" or \"1.5ether\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_amount(text).map(AmountText).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        let number = u64::try_from(number).map_err(|_| E::custom("the amount is negative"))?;
        self.visit_u64(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(AmountText(number.into()))
    }
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing there.
    #[error("the amount is empty")]
    Empty,
    /// Longer than any amount.
    #[error("the text is too long for an amount")]
    TooLong,
    /// Below zero.
    #[error("the amount is negative")]
    Negative,
    /// Something else than digits.
    #[error(
        "not an amount: expected digits, 0x and hex digits, or a number with wei, gwei or ether"
    )]
    NotANumber,
    /// Another unit.
    #[error("unknown unit {0:?}: expected wei, gwei or ether")]
    Unit(String),
    /// More decimals than the unit has.
    #[error("the amount has a fraction of the smallest unit; a fraction needs gwei or ether")]
    Fraction,
    /// 2^256 or more.
    #[error("the amount does not fit into 256 bits")]
    TooLarge,
}

impl AmountError {
    /// A stable word for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong | Self::NotANumber => "not_an_amount",
            Self::Negative => "negative",
            Self::Unit(_) => "unknown_unit",
            Self::Fraction => "fraction",
            Self::TooLarge => "too_large",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: &str =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn reads_every_documented_form_exactly() {
        for (text, wei) in [
            ("0", "0"),
            ("1500", "1500"),
            ("007", "7"),
            ("0x5dc", "1500"),
            ("0xFF", "255"),
            ("3wei", "3"),
            ("3 wei", "3"),
            ("10gwei", "10000000000"),
            ("1.5ether", "1500000000000000000"),
            ("1.5 ether", "1500000000000000000"),
            ("0.000000000000000001ether", "1"),
            ("1.10000000000000000000ether", "1100000000000000000"),
            ("1.0wei", "1"),
            ("0.1gwei", "100000000"),
            (MAX, MAX),
            (&format!("0x{}", "f".repeat(64)), MAX),
            (
                "115792089237316195423570985008687907853269984665640564039457.584007913129639935ether",
                MAX,
            ),
        ] {
            assert_eq!(
                parse_amount(text).map(|amount| amount.to_string()).as_deref(),
                Ok(wei),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_everything_else_and_says_why() {
        let above = format!("{}6", &MAX[..MAX.len() - 1]);
        let long = "0".repeat(MAX_LENGTH + 1);
        for (text, error) in [
            ("", AmountError::Empty),
            ("-1", AmountError::Negative),
            ("-0.5ether", AmountError::Negative),
            ("+1", AmountError::NotANumber),
            (" 1", AmountError::NotANumber),
            ("1 ", AmountError::NotANumber),
            ("1  ether", AmountError::NotANumber),
            ("1_000", AmountError::NotANumber),
            ("1,5", AmountError::NotANumber),
            ("1e3", AmountError::NotANumber),
            (".5ether", AmountError::NotANumber),
            ("5.ether", AmountError::NotANumber),
            ("1.2.3ether", AmountError::NotANumber),
            ("ether", AmountError::NotANumber),
            ("0x", AmountError::NotANumber),
            ("0xg", AmountError::NotANumber),
            ("0X10", AmountError::NotANumber),
            ("abc", AmountError::NotANumber),
            ("NaN", AmountError::NotANumber),
            ("1foo", AmountError::Unit("foo".to_owned())),
            ("١", AmountError::NotANumber),
            ("1ETHER", AmountError::Unit("ETHER".to_owned())),
            ("1.5", AmountError::Fraction),
            ("0.5wei", AmountError::Fraction),
            ("1.0000000001gwei", AmountError::Fraction),
            (&above, AmountError::TooLarge),
            (&format!("0x1{}", "0".repeat(64)), AmountError::TooLarge),
            (&format!("{MAX}ether"), AmountError::TooLarge),
            (&long, AmountError::TooLong),
        ] {
            assert_eq!(parse_amount(text), Err(error), "{text:?}");
        }
    }
}
