//! Values of the configuration as they are written in it.

use std::collections::BTreeMap;

use engine::types::{Amount, Asset};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{asset_text, parse_asset};
use crate::amount::AmountText;

/// Amounts by asset: `{ native = "10ether", 0x… = "5000" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deposits(pub BTreeMap<Asset, Amount>);

impl Serialize for Deposits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |(asset, amount): (&Asset, &Amount)| (asset_text(*asset), amount.to_string());
        serializer.collect_map(self.0.iter().map(entry))
    }
}

impl<'de> Deserialize<'de> for Deposits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, AmountText>::deserialize(deserializer)?;
        let mut deposits = BTreeMap::new();
        for (name, AmountText(amount)) in texts {
            let asset = parse_asset(&name).map_err(|error| {
                D::Error::custom(format!("asset {name:?}: {error}, or \"native\""))
            })?;
            if deposits.insert(asset, amount).is_some() {
                return Err(D::Error::custom(format!("asset {name} is given twice")));
            }
        }
        Ok(Self(deposits))
    }
}
