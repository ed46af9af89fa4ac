//! Bytes of a record: a version byte, then bincode. The only place in this crate that names
//! bincode, which is frozen upstream.

use bincode::config::{self, Configuration};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// First byte of every record. A record whose shape changes gets the next number, and
/// [`crate::migrate`] learns to read the old one.
pub(crate) const VERSION: u8 = 1;

/// Largest record. Damaged bytes that claim more are refused before memory is taken; the largest
/// honest record, a ledger in the middle of a flood of deposits, has a few megabytes.
pub(crate) const MAX_RECORD_BYTES: usize = 64 << 20;

const CONFIG: Configuration<config::LittleEndian, config::Varint, config::Limit<MAX_RECORD_BYTES>> =
    config::standard().with_limit::<MAX_RECORD_BYTES>();

/// Why bytes are not a record, or a value cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    /// Another version, or no bytes at all.
    #[error("record has version byte {0:?}, known is {VERSION}")]
    Version(Option<u8>),
    /// Longer than [`MAX_RECORD_BYTES`].
    #[error("record of {0} bytes is too long")]
    TooLong(usize),
    /// Not an encoding of this kind of record.
    #[error("record does not decode: {0}")]
    Malformed(String),
    /// Bytes after the end.
    #[error("record has {0} bytes too many")]
    Trailing(usize),
    /// A longer form of some number: one value has one encoding here.
    #[error("record is not in its canonical form")]
    NotCanonical,
}

/// Encodes a record into `out`, which is emptied first.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.clear();
    out.push(VERSION);
    bincode::serde::encode_into_std_write(value, out, CONFIG)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    within_limit(out)
}

/// Encodes opaque bytes: after the version byte they stand as they are.
pub(crate) fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(bytes);
    within_limit(out)
}

/// Decodes the one canonical encoding of a record.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(record: &[u8]) -> Result<T, CodecError> {
    let body = decode_bytes(record)?;
    let (value, used) = bincode::serde::decode_from_slice::<T, _>(body, CONFIG)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if used != body.len() {
        return Err(CodecError::Trailing(body.len().saturating_sub(used)));
    }
    let mut again = Vec::with_capacity(record.len());
    encode(&value, &mut again)?;
    if again == record { Ok(value) } else { Err(CodecError::NotCanonical) }
}

/// What follows the version byte.
pub(crate) fn decode_bytes(record: &[u8]) -> Result<&[u8], CodecError> {
    within_limit(record)?;
    match record.split_first() {
        Some((&VERSION, body)) => Ok(body),
        other => Err(CodecError::Version(other.map(|(version, _)| *version))),
    }
}

const fn within_limit(record: &[u8]) -> Result<(), CodecError> {
    if record.len() > MAX_RECORD_BYTES {
        return Err(CodecError::TooLong(record.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_versions_trailing_bytes_and_long_forms() {
        let mut record = Vec::new();
        encode(&5_u64, &mut record).unwrap();
        assert_eq!(record, [1, 5]);
        assert_eq!(decode::<u64>(&record), Ok(5));
        assert_eq!(decode::<u64>(&[2, 5]), Err(CodecError::Version(Some(2))));
        assert_eq!(decode::<u64>(&[]), Err(CodecError::Version(None)));
        assert_eq!(decode::<u64>(&[1, 5, 0]), Err(CodecError::Trailing(1)));
        assert_eq!(decode::<u64>(&[1, 0xfb, 5, 0]), Err(CodecError::NotCanonical));
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let claim = [1, 0xfd, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(matches!(decode::<Vec<u8>>(&claim), Err(CodecError::Malformed(_))));
        assert!(matches!(decode::<String>(&claim), Err(CodecError::Malformed(_))));
    }
}
