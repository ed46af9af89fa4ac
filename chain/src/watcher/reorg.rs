//! Finds the newest delivered block that still stands (sans-IO).

use engine::chain::BlockRef;

/// A search over delivered blocks, fed with what the endpoint says about each.
///
/// When a block stands, all before it do, so halving finds the last one in a few questions.
#[derive(Clone, Debug)]
pub(crate) struct AncestorSearch {
    blocks: Vec<BlockRef>,
    /// `blocks[..standing]` stand.
    standing: usize,
    /// `blocks[gone..]` are gone.
    gone: usize,
}

impl AncestorSearch {
    /// Searches among `blocks`, which ascend.
    pub(crate) fn new(blocks: &[BlockRef]) -> Self {
        Self { blocks: blocks.to_vec(), standing: 0, gone: blocks.len() }
    }

    /// The block to ask about next, or `None` when the answer is known.
    pub(crate) fn question(&self) -> Option<BlockRef> {
        (self.standing < self.gone).then(|| self.blocks[self.middle()])
    }

    /// Whether the block of the last question is on the endpoint's chain.
    pub(crate) const fn answer(&mut self, stands: bool) {
        if stands {
            self.standing = self.middle() + 1;
        } else {
            self.gone = self.middle();
        }
    }

    /// The newest block that stands, when there is one.
    pub(crate) fn ancestor(&self) -> Option<BlockRef> {
        self.standing.checked_sub(1).map(|last| self.blocks[last])
    }

    const fn middle(&self) -> usize {
        self.standing + (self.gone - self.standing) / 2
    }
}

#[cfg(test)]
mod tests {
    use engine::types::{B256, BlockNumber};

    use super::*;

    fn blocks(count: u64) -> Vec<BlockRef> {
        (0..count)
            .map(|number| BlockRef {
                number: BlockNumber(number * 3),
                hash: B256::ZERO,
                timestamp: 0,
            })
            .collect()
    }

    fn search(blocks: &[BlockRef], standing: usize) -> (Option<BlockRef>, usize) {
        let mut search = AncestorSearch::new(blocks);
        let mut questions = 0;
        while let Some(block) = search.question() {
            let index = blocks.iter().position(|other| *other == block).unwrap();
            search.answer(index < standing);
            questions += 1;
        }
        (search.ancestor(), questions)
    }

    #[test]
    fn finds_the_last_standing_block_wherever_it_is() {
        for count in 0..20 {
            let blocks = blocks(count);
            for standing in 0..=blocks.len() {
                let (found, _) = search(&blocks, standing);
                assert_eq!(found, standing.checked_sub(1).map(|last| blocks[last]));
            }
        }
    }

    #[test]
    fn asks_few_questions() {
        let blocks = blocks(128);
        for standing in 0..=blocks.len() {
            assert!(search(&blocks, standing).1 <= 8);
        }
    }

    #[test]
    fn knows_nothing_without_blocks() {
        assert_eq!(search(&[], 0), (None, 0));
    }
}
