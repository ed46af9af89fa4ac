//! Reads addresses as people write them: any case, but no wrong checksum.

use std::str::FromStr;

use engine::types::{Address, Asset};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the native coin is called where an asset is named.
pub const NATIVE: &str = "native";

/// Reads `0x` and 40 hex digits. Mixed case is a checksum (EIP-55) and must be right: a single
/// wrong letter would be somebody else's account.
///
/// # Errors
/// When the text is no address, or its checksum is wrong.
pub fn parse_address(text: &str) -> Result<Address, AddressError> {
    let digits = text.strip_prefix("0x").ok_or(AddressError::Malformed)?;
    if digits.len() != 40 {
        return Err(AddressError::Malformed);
    }
    let address = Address::from_str(text).map_err(|_| AddressError::Malformed)?;
    let mixed = digits.bytes().any(|byte| byte.is_ascii_lowercase())
        && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed && address.to_checksum(None) != text {
        return Err(AddressError::Checksum { expected: address });
    }
    Ok(address)
}

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

/// Reads `native`, or the address of a token.
///
/// # Errors
/// When the text is neither.
pub fn parse_asset(text: &str) -> Result<Asset, AddressError> {
    if text == NATIVE { Ok(Asset::NATIVE) } else { parse_address(text).map(Asset) }
}

/// Writes an asset as [`parse_asset`] reads it.
#[must_use]
pub fn asset_text(asset: Asset) -> String {
    if asset.is_native() { NATIVE.to_owned() } else { asset.0.to_checksum(None) }
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Something else than 20 bytes.
    #[error("not an address: expected 0x and 40 hex digits")]
    Malformed,
    /// Mistyped, or copied from something that does not know EIP-55.
    #[error("the checksum of the address is wrong; if every digit is right, write {expected}")]
    Checksum {
        /// The digits with the right case.
        expected: Address,
    },
}

impl AddressError {
    /// A stable word for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_address",
            Self::Checksum { .. } => "wrong_checksum",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUMMED: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn reads_any_valid_case() {
        let address = parse_address(CHECKSUMMED).unwrap();
        assert_eq!(address.to_string(), CHECKSUMMED);
        assert_eq!(parse_address(&CHECKSUMMED.to_lowercase()), Ok(address));
        let upper = format!("0x{}", CHECKSUMMED[2..].to_uppercase());
        assert_eq!(parse_address(&upper), Ok(address));
    }

    #[test]
    fn refuses_a_wrong_checksum() {
        let wrong = CHECKSUMMED.replace('F', "f").replacen('a', "A", 1);
        let error = parse_address(&wrong).unwrap_err();
        assert_eq!(error.reason(), "wrong_checksum");
        assert!(error.to_string().contains(CHECKSUMMED), "{error}");
    }

    #[test]
    fn refuses_what_is_no_address() {
        let long = format!("{CHECKSUMMED}0");
        for text in ["", "0x", "0x12", &CHECKSUMMED[2..], &long, &CHECKSUMMED[..41], "0Xf39f"] {
            assert_eq!(parse_address(text), Err(AddressError::Malformed), "{text:?}");
        }
        let no_hex = CHECKSUMMED.replace('9', "g");
        assert_eq!(parse_address(&no_hex), Err(AddressError::Malformed));
    }
}
