//! Values of the configuration as they are written in it.

use std::collections::BTreeMap;
use std::fmt;

use engine::types::{Address, Amount, Asset};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::parse_address;
use crate::amount::parse_amount;

/// What the native coin is called where an asset is named.
pub(super) const NATIVE: &str = "native";

/// An address in any valid case; written with its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressText(pub Address);

impl Serialize for AddressText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_checksum(None))
    }
}

impl<'de> Deserialize<'de> for AddressText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_address(&text).map(Self).map_err(D::Error::custom)
    }
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

/// Amounts by asset: `{ native = "10ether", 0x… = "5000" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deposits(pub BTreeMap<Asset, Amount>);

impl Serialize for Deposits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |asset: &Asset| {
            if asset.is_native() { NATIVE.to_owned() } else { asset.0.to_checksum(None) }
        };
        serializer
            .collect_map(self.0.iter().map(|(asset, amount)| (name(asset), amount.to_string())))
    }
}

impl<'de> Deserialize<'de> for Deposits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, AmountText>::deserialize(deserializer)?;
        let mut deposits = BTreeMap::new();
        for (name, AmountText(amount)) in texts {
            let asset = parse_asset(&name).map_err(D::Error::custom)?;
            if deposits.insert(asset, amount).is_some() {
                return Err(D::Error::custom(format!("asset {name} is given twice")));
            }
        }
        Ok(Self(deposits))
    }
}

/// Reads `native` or a token's address.
fn parse_asset(text: &str) -> Result<Asset, String> {
    if text == NATIVE {
        return Ok(Asset::NATIVE);
    }
    let named = |error| format!("asset {text:?}: {error}, or {NATIVE:?} for the native coin");
    parse_address(text).map(Asset).map_err(named)
}
