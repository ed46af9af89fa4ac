//! Where the watcher is and what it reads next (sans-IO).

use engine::chain::BlockRef;
use engine::step::ChainCursor;

/// What to read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing new is confirmed.
    Idle,
    /// The first block ever: it has no logs of ours and anchors everything after it, so that a
    /// reorganisation of the first delivered block has an ancestor.
    Anchor(u64),
    /// Confirmed blocks, both ends included.
    Range {
        /// First block.
        from: u64,
        /// Last block.
        to: u64,
    },
}

/// Whether anything that happened on chain before now matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// There are channels: every block since the last delivered one is read, or since
    /// [`ChainConfig::start_block`](crate::ChainConfig::start_block).
    Needed,
    /// There are none: nobody has to read millions of blocks to open the first.
    Irrelevant,
}

/// Blocks below the newest confirmed one with which a watcher begins that needs no history, so that
/// no ordinary reorganisation reaches below.
const MARGIN: u64 = 64;

/// Successes in a row after which a range may be longer again: an endpoint that allows ten blocks
/// would otherwise refuse every second request.
const SUCCESSES: u32 = 16;

/// Position of the watcher.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// Ascending; the last is the position. Those that the engine remembers, too.
    delivered: Vec<BlockRef>,
    confirmations: u64,
    start: u64,
    /// Until the first block is delivered.
    history: History,
    range: u64,
    max_range: u64,
    /// Ranges read since one was refused.
    successes: u32,
}

impl Cursor {
    /// Continues after `position`. Entries of `recent` above it were never applied and are left
    /// out.
    pub(crate) fn new(
        position: Option<BlockRef>,
        recent: Vec<BlockRef>,
        confirmations: u64,
        start: u64,
        history: History,
        max_range: u64,
    ) -> Self {
        let mut delivered = recent;
        delivered.retain(|block| position.is_some_and(|last| block.number < last.number));
        delivered.extend(position);
        delivered.sort_by_key(|block| block.number);
        delivered.dedup_by_key(|block| block.number);
        let max_range = max_range.max(1);
        let mut cursor = Self {
            delivered,
            confirmations,
            start,
            history,
            range: max_range,
            max_range,
            successes: 0,
        };
        ChainCursor::thin(&mut cursor.delivered);
        cursor
    }

    /// The last delivered block.
    pub(crate) fn position(&self) -> Option<BlockRef> {
        self.delivered.last().copied()
    }

    /// The delivered blocks that are still known, ascending.
    pub(crate) fn delivered(&self) -> &[BlockRef] {
        &self.delivered
    }

    /// The newest delivered block that a chain of this height must still contain. Where it does
    /// not, there was a reorganisation.
    pub(crate) fn checkpoint(&self, head: u64) -> Option<BlockRef> {
        self.delivered.iter().rev().find(|block| block.number.0 <= head).copied()
    }

    /// The newest confirmed height of a chain with this head.
    pub(crate) const fn confirmed(&self, head: u64) -> Option<u64> {
        head.checked_sub(self.confirmations)
    }

    /// The next thing to read from a chain of this height.
    pub(crate) fn plan(&self, head: u64) -> Plan {
        let Some(confirmed) = self.confirmed(head) else { return Plan::Idle };
        let recent = confirmed.saturating_sub(MARGIN);
        let known = self.position().map_or(self.start, |last| last.number.0);
        if self.history == History::Irrelevant && known < recent {
            return Plan::Anchor(recent);
        }
        match self.position() {
            None => {
                let anchor = self.start.saturating_sub(1);
                if anchor <= confirmed { Plan::Anchor(anchor) } else { Plan::Idle }
            }
            Some(last) => self.range_after(last.number.0, confirmed),
        }
    }

    /// The next range above `last`, no longer than the endpoint allows.
    pub(crate) const fn range_after(&self, last: u64, confirmed: u64) -> Plan {
        if confirmed <= last {
            return Plan::Idle;
        }
        let limit = last.saturating_add(self.range);
        let to = if limit < confirmed { limit } else { confirmed };
        Plan::Range { from: last.saturating_add(1), to }
    }

    /// Halves the range after a refusal of `refused` blocks; false when one block is refused.
    pub(crate) const fn shrink(&mut self, refused: u64) -> bool {
        if refused <= 1 {
            return false;
        }
        self.range = refused / 2;
        self.successes = 0;
        true
    }

    /// Called after a success: a refusal may have been about a crowded range only.
    pub(crate) fn grow(&mut self) {
        self.successes = self.successes.saturating_add(1);
        if self.successes >= SUCCESSES {
            self.successes = 0;
            self.range = self.range.saturating_mul(2).min(self.max_range);
        }
    }

    /// Blocks were delivered, ascending.
    pub(crate) fn advance(&mut self, blocks: impl IntoIterator<Item = BlockRef>) {
        self.history = History::Needed;
        for block in blocks {
            if self.position().is_none_or(|last| last.number < block.number) {
                self.delivered.push(block);
                ChainCursor::thin(&mut self.delivered);
            }
        }
    }

    /// Everything above `ancestor` is gone.
    pub(crate) fn rewind(&mut self, ancestor: BlockRef) {
        self.delivered.retain(|block| block.number < ancestor.number);
        self.delivered.push(ancestor);
    }
}

#[cfg(test)]
mod tests {
    use engine::types::{B256, BlockNumber};

    use super::*;

    fn block(number: u64) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: B256::with_last_byte(1), timestamp: number }
    }

    fn cursor(position: Option<u64>, confirmations: u64) -> Cursor {
        Cursor::new(position.map(block), vec![], confirmations, 0, History::Needed, 10)
    }

    #[test]
    fn first_run_anchors_below_the_start_block() {
        let cursor = Cursor::new(None, vec![], 2, 50, History::Needed, 10);
        assert_eq!(cursor.plan(50), Plan::Idle);
        assert_eq!(cursor.plan(51), Plan::Anchor(49));
    }

    #[test]
    fn first_run_from_genesis_anchors_at_genesis() {
        assert_eq!(cursor(None, 0).plan(0), Plan::Anchor(0));
    }

    /// A newcomer's node read five million blocks before it could be used.
    #[test]
    fn without_channels_it_begins_near_the_head() {
        let new = Cursor::new(None, vec![], 6, 50, History::Irrelevant, 10);
        assert_eq!(new.plan(5_000_006), Plan::Anchor(5_000_000 - MARGIN));
        let mut old = Cursor::new(Some(block(900)), vec![], 6, 50, History::Irrelevant, 10);
        assert_eq!(old.plan(5_000_006), Plan::Anchor(5_000_000 - MARGIN));
        old.advance([block(5_000_000 - MARGIN)]);
        assert_eq!(
            old.plan(6_000_000),
            Plan::Range { from: 4_999_937, to: 4_999_946 },
            "from then on each block is read"
        );
        let young = Cursor::new(None, vec![], 6, 50, History::Irrelevant, 10);
        assert_eq!(young.plan(60), Plan::Anchor(49), "nothing is before the contracts");
    }

    #[test]
    fn reads_up_to_the_confirmed_block_only() {
        assert_eq!(cursor(Some(5), 2).plan(9), Plan::Range { from: 6, to: 7 });
        assert_eq!(cursor(Some(5), 0).plan(9), Plan::Range { from: 6, to: 9 });
        assert_eq!(cursor(Some(7), 2).plan(9), Plan::Idle);
        assert_eq!(cursor(Some(7), 20).plan(9), Plan::Idle);
    }

    #[test]
    fn long_gap_is_read_in_bounded_ranges() {
        assert_eq!(cursor(Some(0), 0).plan(100), Plan::Range { from: 1, to: 10 });
    }

    #[test]
    fn refused_range_halves_down_to_one_block_and_grows_back() {
        let mut cursor = cursor(Some(0), 0);
        assert!(cursor.shrink(10));
        assert_eq!(cursor.plan(100), Plan::Range { from: 1, to: 5 });
        assert!(cursor.shrink(5));
        assert!(cursor.shrink(2));
        assert!(!cursor.shrink(1));
        for _ in 1..SUCCESSES {
            cursor.grow();
        }
        assert_eq!(cursor.plan(100), Plan::Range { from: 1, to: 1 }, "not at once");
        for _ in 0..4 * SUCCESSES {
            cursor.grow();
        }
        assert_eq!(cursor.plan(100), Plan::Range { from: 1, to: 10 });
    }

    #[test]
    fn checkpoint_is_the_newest_delivered_block_of_a_shorter_chain() {
        let cursor =
            Cursor::new(Some(block(9)), vec![block(3), block(6)], 0, 0, History::Needed, 10);
        assert_eq!(cursor.checkpoint(20), Some(block(9)));
        assert_eq!(cursor.checkpoint(8), Some(block(6)));
        assert_eq!(cursor.checkpoint(2), None);
    }

    #[test]
    fn recent_blocks_above_the_position_were_never_applied() {
        let cursor = Cursor::new(
            Some(block(5)),
            vec![block(8), block(3), block(5)],
            0,
            0,
            History::Needed,
            10,
        );
        assert_eq!(cursor.delivered(), [block(3), block(5)]);
    }

    #[test]
    fn rewinding_keeps_the_ancestor_as_position() {
        let mut cursor =
            Cursor::new(Some(block(9)), vec![block(3), block(6)], 0, 0, History::Needed, 10);
        cursor.rewind(block(3));
        assert_eq!(cursor.position(), Some(block(3)));
        assert_eq!(cursor.plan(9), Plan::Range { from: 4, to: 9 });
    }

    #[test]
    fn remembers_a_bounded_number_of_blocks() {
        let mut cursor = cursor(None, 0);
        cursor.advance((0..1000).map(block));
        assert!(cursor.delivered().len() < 100);
        assert_eq!(cursor.delivered()[0], block(0));
        assert_eq!(cursor.position(), Some(block(999)));
    }
}
