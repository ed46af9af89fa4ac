//! Proof that all rows are there: which commit is the newest, and sums over rows.
//!
//! The database finds flipped bytes, but after some damage it drops a part of its journal without
//! a word. When that part is the end, the commit number falls behind its witness. When it is a
//! part in the middle, the newest commit is there and rows of older ones are not: a keyspace that
//! is seldom written waits in old journals while busy ones are long in their table files. Sums
//! over all rows, written in the batch that changes them, show that.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::keys::Table;

/// What every batch leaves in the meta keyspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Grows by one with each batch.
    pub(crate) commit: u64,
    /// Live rows, by key and value.
    pub(crate) live: Sum,
    /// Archived rows, by key.
    pub(crate) archived: Sum,
}

/// A number of rows and the wrapping sum of their hashes: independent of their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    pub(crate) hashes: u64,
}

impl Sum {
    const fn add(&mut self, hash: u64) {
        self.rows = self.rows.saturating_add(1);
        self.hashes = self.hashes.wrapping_add(hash);
    }

    const fn subtract(&mut self, hash: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.hashes = self.hashes.wrapping_sub(hash);
    }
}

/// The tally with what is needed to carry it on: the hash of each live row.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) tally: Tally,
    rows: HashMap<u128, u64>,
}

impl Sums {
    /// A row is set to a value.
    pub(crate) fn set(&mut self, table: Table, key: &[u8], value: &[u8]) {
        let name = name(table, key);
        let hash = xxh3_64_with_seed(value, fold(name));
        if let Some(old) = self.rows.insert(name, hash) {
            self.tally.live.subtract(old);
        }
        self.tally.live.add(hash);
    }

    /// A row is removed, if it is there.
    pub(crate) fn remove(&mut self, table: Table, key: &[u8]) {
        if let Some(old) = self.rows.remove(&name(table, key)) {
            self.tally.live.subtract(old);
        }
    }

    /// A row comes to an archive that did not have it.
    pub(crate) fn archive(&mut self, table: Table, key: &[u8]) {
        self.tally.archived.add(fold(name(table, key)));
    }
}

/// Names a row by its key; 128 bits, so that no two rows are ever taken for one.
fn name(table: Table, key: &[u8]) -> u128 {
    xxh3_128_with_seed(key, table as u64)
}

const fn fold(name: u128) -> u64 {
    (name ^ (name >> 64)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_depend_on_rows_and_not_on_the_way_to_them() {
        let mut straight = Sums::default();
        straight.set(Table::Ledgers, b"a", b"1");
        straight.set(Table::Paid, b"a", b"2");
        let mut detour = Sums::default();
        detour.set(Table::Paid, b"a", b"1");
        detour.set(Table::Calls, b"b", b"3");
        detour.set(Table::Paid, b"a", b"2");
        detour.remove(Table::Calls, b"b");
        detour.remove(Table::Calls, b"never there");
        detour.set(Table::Ledgers, b"a", b"1");
        assert_eq!(straight.tally, detour.tally);
        assert_eq!(straight.tally.live.rows, 2);
    }

    #[test]
    fn every_other_row_has_another_sum() {
        let sum = |table, key: &[u8], value: &[u8]| {
            let mut sums = Sums::default();
            sums.set(table, key, value);
            sums.tally
        };
        let one = sum(Table::Ledgers, b"a", b"1");
        assert_ne!(one, sum(Table::Payments, b"a", b"1"));
        assert_ne!(one, sum(Table::Ledgers, b"b", b"1"));
        assert_ne!(one, sum(Table::Ledgers, b"a", b"2"));
    }
}
