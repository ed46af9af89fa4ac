//! The format of a folder, and the way from an older one to this one.
//!
//! There is one format that a release may have: 3. Format 1 knew no disputes, and format 2 lost
//! sight of closed channels and of what was refused; only versions under development wrote them.
//! What a fourth one takes:
//!
//! 1. The engine's record changes. Its old shape moves here as `v1::Ledger` (a copy that nobody
//!    edits again), with a conversion into the new one, and [`crate::codec::VERSION`] grows.
//! 2. [`FORMAT`] grows, and [`check`] answers the old number with a step. The step rewrites all
//!    live rows of the changed table and the format row in one batch; the version byte in front of
//!    each record says which shape it has, so that a step may be repeated.
//! 3. Archives are history and may be large: their rows stay as they are, and are converted when
//!    they are read.
//! 4. A folder written by the old version goes to `tests/fixtures`, with a test that opens it.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::error::StoreError;

/// Number of the format that this version writes.
pub(crate) const FORMAT: u32 = 3;

/// Written before the first release.
const UNRELEASED: RangeInclusive<u32> = 1..=2;

/// Decides what to do with a folder whose format row is `row`.
pub(crate) fn check(path: &Path, row: &[u8]) -> Result<(), StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        what: "the format number".into(),
        path: path.to_owned(),
        reason,
    };
    let bytes = row.try_into().map_err(|_| damaged(format!("it has {} bytes", row.len())))?;
    match u32::from_be_bytes(bytes) {
        FORMAT => Ok(()),
        found if found > FORMAT => {
            Err(StoreError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        found if UNRELEASED.contains(&found) => {
            Err(StoreError::UnreleasedFormat { path: path.to_owned() })
        }
        older => Err(damaged(format!("there has never been a format {older}"))),
    }
}
