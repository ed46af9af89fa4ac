//! The newest headers of one endpoint, each the parent of the next (sans-IO).
//!
//! Behind one address there are often many nodes, and some lag. What they say fits together by the
//! hashes alone: a header that names a known one as its parent extends it, a known one that comes
//! again is an answer of a node that lags, and only a header that replaces a known one at its
//! height is a reorganisation.

use std::collections::VecDeque;

use engine::chain::BlockRef;

use crate::rpc::Header;

/// Headers that are kept, at least the confirmations of most settings.
const KEPT: usize = 64;

/// A head that is further above than this is not linked to what is known: blocks in between are
/// read as a range.
pub(crate) const LONGEST_GAP: u64 = 8;

/// Looks in a row that show an older head before it is believed that the newer one is gone.
const LAGGING_LOOKS: u32 = 8;

/// The headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    /// Ascending without a gap.
    headers: VecDeque<Header>,
    /// Looks in a row that have shown an older head.
    lagging: u32,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing new.
    Known,
    /// The header is linked to what is known, or too far above to be.
    Linked {
        /// How many heights are new.
        blocks: u64,
    },
    /// The header below it must be known first.
    Wants(u64),
}

impl Heads {
    /// The newest header.
    pub(crate) fn newest(&self) -> Option<Header> {
        self.headers.back().copied()
    }

    /// The header at a height, when it is among the newest.
    pub(crate) fn at(&self, height: u64) -> Option<Header> {
        let oldest = self.headers.front()?.block.number.0;
        let index = usize::try_from(height.checked_sub(oldest)?).ok()?;
        self.headers.get(index).copied()
    }

    /// Whether a block is on the endpoint's chain; nothing when these headers do not tell.
    pub(crate) fn has(&self, block: BlockRef) -> Option<bool> {
        self.at(block.number.0).map(|header| header.block.hash == block.hash)
    }

    /// Takes what the endpoint shows: `piece` is its head and the headers below it that were
    /// asked for, newest first.
    pub(crate) fn show(&mut self, piece: &[Header]) -> Shown {
        let (Some(head), Some(lowest)) = (piece.first(), piece.last()) else { return Shown::Known };
        if self.has(head.block) == Some(true) {
            return self.show_known(head);
        }
        self.lagging = 0;
        let newest = self.newest().map(|newest| newest.block.number.0);
        let below = lowest.block.number.0.checked_sub(1);
        let parent = below.and_then(|below| self.at(below));
        let linked = parent.is_some_and(|parent| parent.block.hash == lowest.parent);
        let reached = |newest: u64| newest.saturating_add(LONGEST_GAP) >= head.block.number.0;
        let in_reach = newest.is_some_and(reached) && piece.len() as u64 <= LONGEST_GAP;
        if let (false, true, Some(below)) = (linked, in_reach, below) {
            return Shown::Wants(below);
        }
        let blocks = head.block.number.0.saturating_sub(newest.unwrap_or_default()).max(1);
        if linked {
            self.headers.retain(|header| header.block.number < lowest.block.number);
        } else {
            self.headers.clear();
        }
        self.headers.extend(piece.iter().rev());
        let excess = self.headers.len().saturating_sub(KEPT);
        self.headers.drain(..excess);
        Shown::Linked { blocks }
    }

    fn show_known(&mut self, head: &Header) -> Shown {
        if self.newest().is_some_and(|newest| newest.block == head.block) {
            self.lagging = 0;
            return Shown::Known;
        }
        self.lagging = self.lagging.saturating_add(1);
        if self.lagging < LAGGING_LOOKS {
            return Shown::Known;
        }
        self.lagging = 0;
        self.headers.retain(|header| header.block.number <= head.block.number);
        Shown::Linked { blocks: 1 }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bloom};
    use engine::types::BlockNumber;

    use super::*;

    fn hash(number: u64, fork: u8) -> B256 {
        let mut hash = B256::with_last_byte(fork);
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn header(number: u64, fork: u8, parent: u8) -> Header {
        Header {
            block: BlockRef {
                number: BlockNumber(number),
                hash: hash(number, fork),
                timestamp: number,
            },
            parent: hash(number.saturating_sub(1), parent),
            base_fee: None,
            gas_limit: 0,
            bloom: Bloom::default(),
        }
    }

    fn heads(numbers: std::ops::RangeInclusive<u64>) -> Heads {
        let mut heads = Heads::default();
        for number in numbers {
            heads.show(&[header(number, 0, 0)]);
        }
        heads
    }

    fn numbers(heads: &Heads) -> Vec<u64> {
        heads.headers.iter().map(|header| header.block.number.0).collect()
    }

    #[test]
    fn each_block_extends_the_one_before() {
        let mut heads = heads(5..=7);
        assert_eq!(heads.show(&[header(8, 0, 0)]), Shown::Linked { blocks: 1 });
        assert_eq!(heads.show(&[header(8, 0, 0)]), Shown::Known);
        assert_eq!(numbers(&heads), [5, 6, 7, 8]);
    }

    #[test]
    fn a_gap_is_filled_from_above() {
        let mut heads = heads(5..=7);
        assert_eq!(heads.show(&[header(10, 0, 0)]), Shown::Wants(9));
        assert_eq!(heads.show(&[header(10, 0, 0), header(9, 0, 0)]), Shown::Wants(8));
        let piece = [header(10, 0, 0), header(9, 0, 0), header(8, 0, 0)];
        assert_eq!(heads.show(&piece), Shown::Linked { blocks: 3 });
        assert_eq!(numbers(&heads), [5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_head_far_above_starts_anew() {
        let mut heads = heads(5..=7);
        assert_eq!(heads.show(&[header(90, 0, 0)]), Shown::Linked { blocks: 83 });
        assert_eq!(numbers(&heads), [90]);
    }

    #[test]
    fn a_node_that_lags_is_no_reorganisation() {
        let mut heads = heads(5..=9);
        for _ in 0..100 {
            assert_eq!(heads.show(&[header(6, 0, 0)]), Shown::Known);
            assert_eq!(heads.newest().unwrap().block.number, BlockNumber(9));
            assert_eq!(heads.show(&[header(9, 0, 0)]), Shown::Known);
        }
    }

    #[test]
    fn a_chain_that_stays_shorter_is_believed() {
        let mut heads = heads(5..=9);
        for _ in 1..LAGGING_LOOKS {
            assert_eq!(heads.show(&[header(6, 0, 0)]), Shown::Known);
        }
        assert_eq!(heads.show(&[header(6, 0, 0)]), Shown::Linked { blocks: 1 });
        assert_eq!(numbers(&heads), [5, 6]);
    }

    #[test]
    fn a_reorganisation_replaces_what_is_above_its_root() {
        let mut heads = heads(5..=9);
        assert_eq!(heads.show(&[header(9, 1, 1)]), Shown::Wants(8));
        let piece = [header(9, 1, 1), header(8, 1, 0)];
        assert_eq!(heads.show(&piece), Shown::Linked { blocks: 1 });
        assert_eq!(numbers(&heads), [5, 6, 7, 8, 9]);
        assert_eq!(heads.has(header(8, 0, 0).block), Some(false));
        assert_eq!(heads.has(header(7, 0, 0).block), Some(true));
        assert_eq!(heads.has(header(4, 0, 0).block), None);
    }

    #[test]
    fn a_reorganisation_deeper_than_the_gap_starts_anew() {
        let mut heads = heads(5..=30);
        let mut piece = vec![header(30, 1, 1)];
        while let Shown::Wants(below) = heads.show(&piece) {
            piece.push(header(below, 1, 1));
        }
        assert_eq!(numbers(&heads), (22..=30).collect::<Vec<_>>());
        assert_eq!(heads.has(header(22, 0, 0).block), Some(false));
    }

    #[test]
    fn the_first_block_of_all_has_nothing_below() {
        let mut heads = Heads::default();
        assert_eq!(heads.show(&[header(0, 0, 0)]), Shown::Linked { blocks: 1 });
        assert_eq!(numbers(&heads), [0]);
    }
}
