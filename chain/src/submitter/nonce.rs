//! One nonce sequence per account (sans-IO).

use std::collections::{BTreeMap, BTreeSet};

/// Hands out nonces: always the lowest that is free.
///
/// A counter that only grows leaves a hole after a send that the endpoint refused, and
/// everything behind the hole waits for ever. Here the refused nonce is simply the lowest free
/// one again. What is in use is not remembered but told, from the durable records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces {
    /// Nonces for which the endpoint holds a transaction of somebody else with our key, and how
    /// often in a row it did not show it.
    foreign: BTreeMap<u64, u32>,
    /// Those of them that are taken from somebody else.
    contested: BTreeSet<u64>,
}

/// Looks in a row after which a foreign transaction that is not shown is gone: behind an endpoint
/// there are many pools.
const UNSEEN: u32 = 3;

impl Nonces {
    /// The next nonce for an account of which `mined` transactions are mined and `in_use` are
    /// taken by calls.
    pub(crate) fn next(&self, mined: u64, in_use: &BTreeSet<u64>) -> u64 {
        (mined..)
            .find(|nonce| !in_use.contains(nonce) && !self.is_foreign(*nonce))
            .unwrap_or(u64::MAX)
    }

    /// The endpoint already has a transaction of somebody else under this nonce.
    pub(crate) fn occupied(&mut self, nonce: u64) {
        self.contested.remove(&nonce);
        self.foreign.insert(nonce, 0);
    }

    /// The endpoint has transactions for all nonces from `mined` to below `pending`. Those that are
    /// not ours are of somebody who uses the same key, and none of our business.
    pub(crate) fn heed(&mut self, mined: u64, pending: u64, in_use: &BTreeSet<u64>) {
        for nonce in (mined..pending).filter(|nonce| !in_use.contains(nonce)) {
            self.foreign.insert(nonce, 0);
        }
        self.foreign.retain(|nonce, unseen| {
            *unseen = if *nonce < pending { 0 } else { unseen.saturating_add(1) };
            *unseen < UNSEEN
        });
    }

    /// Something of ours runs out behind this nonce: it is used for ours.
    pub(crate) fn contest(&mut self, nonce: u64) {
        self.contested.insert(nonce);
    }

    /// Nonces of somebody else that are not contested, lowest first.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = u64> {
        self.foreign.keys().copied().filter(|nonce| self.is_foreign(*nonce))
    }

    fn is_foreign(&self, nonce: u64) -> bool {
        self.foreign.contains_key(&nonce) && !self.contested.contains(&nonce)
    }

    /// Forgets what is mined by now.
    pub(crate) fn settle(&mut self, mined: u64) {
        self.foreign = self.foreign.split_off(&mined);
        self.contested = self.contested.split_off(&mined);
    }

    /// The nonces below the highest one in use that nothing will fill: a transaction behind them
    /// waits for ever.
    pub(crate) fn holes(&self, mined: u64, in_use: &BTreeSet<u64>) -> Vec<u64> {
        let highest = in_use.last().copied().unwrap_or(mined);
        (mined..highest)
            .filter(|nonce| !in_use.contains(nonce) && !self.is_foreign(*nonce))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nonces: &[u64]) -> BTreeSet<u64> {
        nonces.iter().copied().collect()
    }

    #[test]
    fn continues_after_what_is_mined_and_in_flight() {
        let nonces = Nonces::default();
        assert_eq!(nonces.next(4, &set(&[])), 4);
        assert_eq!(nonces.next(4, &set(&[4, 5])), 6);
    }

    #[test]
    fn refused_send_leaves_no_hole() {
        let nonces = Nonces::default();
        assert_eq!(nonces.next(4, &set(&[5, 6])), 4);
    }

    #[test]
    fn leaves_out_what_somebody_else_has_sent() {
        let mut nonces = Nonces::default();
        nonces.occupied(4);
        assert_eq!(nonces.next(4, &set(&[])), 5);
        nonces.settle(5);
        // A reorganisation takes the foreign transaction back.
        assert_eq!(nonces.next(4, &set(&[])), 4);
    }

    #[test]
    fn heeds_what_the_pool_shows_until_it_is_gone_for_good() {
        let mut nonces = Nonces::default();
        nonces.heed(4, 7, &set(&[5]));
        assert_eq!(nonces.next(4, &set(&[5])), 7);
        assert_eq!(nonces.foreign().collect::<Vec<_>>(), [4, 6]);
        for _ in 1..UNSEEN {
            nonces.heed(4, 4, &set(&[5]));
            assert_eq!(nonces.next(4, &set(&[5])), 7, "another pool may still have it");
        }
        nonces.heed(4, 4, &set(&[5]));
        assert_eq!(nonces.next(4, &set(&[5])), 4);
    }

    #[test]
    fn a_contested_nonce_is_a_hole_until_somebody_pays_more_for_it() {
        let mut nonces = Nonces::default();
        nonces.heed(4, 5, &set(&[5]));
        assert_eq!(nonces.holes(4, &set(&[5])), [] as [u64; 0]);
        nonces.contest(4);
        nonces.heed(4, 5, &set(&[5]));
        assert_eq!(nonces.holes(4, &set(&[5])), [4]);
        nonces.occupied(4);
        assert_eq!(nonces.holes(4, &set(&[5])), [] as [u64; 0]);
    }

    #[test]
    fn sees_holes_below_what_is_in_flight() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.holes(4, &set(&[4, 7])), [5, 6]);
        nonces.occupied(5);
        assert_eq!(nonces.holes(4, &set(&[4, 7])), [6]);
        assert_eq!(nonces.holes(4, &set(&[])), [] as [u64; 0]);
        assert_eq!(nonces.holes(9, &set(&[4, 7])), [] as [u64; 0]);
    }
}
