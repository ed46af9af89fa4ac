//! Blocks of which the logs of all contracts are asked for. Anybody can fill a block with more logs than
//! an endpoint hands out, and must not stop the watcher at it.

use std::collections::BTreeMap;

use engine::types::B256;

/// Times that a block is asked for, while no other was asked for in vain.
const TRIES: u32 = 5;

/// Once none is left, one block of so many is asked for once, to learn whether it is over: an endpoint that
/// loses logs must not be left alone with that for good.
const PROBE: u32 = 64;

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
        let most = match TRIES.saturating_sub(self.given_up) {
            0 => u32::from(self.given_up.is_multiple_of(PROBE)),
            most => most,
        };
        let tries = self.tries.entry(block).or_default();
        if *tries < most {
            *tries = tries.saturating_add(1);
            return true;
        }
        self.tries.remove(&block);
        self.given_up = self.given_up.wrapping_add(1).max(1);
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
            // Whether it is over is looked at now and then.
            let probe = usize::from([64, 128, 192].contains(&given_up));
            assert_eq!(tries, 5_usize.saturating_sub(given_up.into()) + probe);
            assert!(blocks.tries.is_empty());
        }
        blocks.answered();
        assert!(blocks.may_ask(B256::ZERO));
    }
}
