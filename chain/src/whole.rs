//! Blocks of which the logs of all contracts are asked for. Anybody can fill a block with more logs than
//! an endpoint hands out, and must not stop the watcher at it.

use std::collections::BTreeMap;

use engine::types::B256;

/// Times that a block is asked for, while no other was asked for in vain.
const TRIES: u32 = 5;

/// What was asked of an endpoint, over all of its connections.
#[derive(Debug, Default)]
pub(crate) struct WholeBlocks {
    tries: BTreeMap<B256, u32>,
    /// Blocks that were given up since the last answer: each leaves a try less to the next one, so that
    /// a row of such blocks does not take longer than the chain does.
    given_up: u32,
}

impl WholeBlocks {
    /// True when a block may be asked for, which counts as one try.
    pub(crate) fn may_ask(&mut self, block: B256) -> bool {
        let most = TRIES.saturating_sub(self.given_up);
        let tries = self.tries.entry(block).or_default();
        if *tries < most {
            *tries = tries.saturating_add(1);
            return true;
        }
        self.tries.remove(&block);
        self.given_up = self.given_up.saturating_add(1).min(TRIES);
        false
    }

    /// The endpoint has shown all logs of a block.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_full_blocks_is_given_up_sooner_and_sooner() {
        let mut blocks = WholeBlocks::default();
        for given_up in 0..u8::MAX {
            let block = B256::repeat_byte(given_up);
            let tries = (0..10).take_while(|_| blocks.may_ask(block)).count();
            assert_eq!(tries, 5_usize.saturating_sub(given_up.into()));
            assert!(blocks.tries.is_empty());
        }
        blocks.answered();
        assert!(blocks.may_ask(B256::ZERO));
    }
}
