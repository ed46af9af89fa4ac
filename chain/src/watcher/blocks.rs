//! Puts logs and headers of one range together, or says that they do not fit (sans-IO).

use std::collections::BTreeMap;

use alloy::rpc::types::Log;
use engine::chain::{Block, BlockRef, ChainFact, ChannelLog, DebtChange};
use engine::types::ChannelId;

use super::decode::{self, Decoded};

/// What was made of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Blocks with logs, and the last of the range.
    pub(crate) blocks: Vec<Block>,
    /// Logs that do not decode.
    pub(crate) skipped: u64,
}

/// Why logs and headers do not fit: the chain changed between the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inconsistent;

/// Heights that have logs, ascending.
pub(crate) fn heights(logs: &[Log]) -> Vec<u64> {
    let mut heights: Vec<u64> = logs.iter().filter_map(|log| log.block_number).collect();
    heights.sort_unstable();
    heights.dedup();
    heights
}

/// The blocks of a range that ends with `last`. Every log must name the hash that its height has
/// in `headers`: a log of a block that is no longer there would credit money that is not there.
pub(crate) fn assemble(
    mut logs: Vec<Log>,
    headers: &BTreeMap<u64, BlockRef>,
    last: BlockRef,
) -> Result<Range, Inconsistent> {
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    let mut blocks: BTreeMap<u64, Block> = BTreeMap::new();
    let mut skipped = 0;
    for log in &logs {
        let header = header_of(log, headers)?;
        let block = blocks.entry(header.number.0).or_insert_with(|| empty(header));
        match decode::decode(log) {
            Ok(Decoded::Channel(fact)) => block.logs.push(fact),
            Ok(Decoded::Debt(mut debt)) => {
                if let DebtChange::Blocked { channel, .. } = &mut debt.change {
                    *channel = last_payout(&block.logs);
                }
                block.debts.push(debt);
            }
            Err(_) => skipped += 1,
        }
    }
    blocks.entry(last.number.0).or_insert_with(|| empty(last));
    Ok(Range { blocks: blocks.into_values().collect(), skipped })
}

const fn empty(block: BlockRef) -> Block {
    Block { block, logs: Vec::new(), debts: Vec::new() }
}

/// The channel whose payout was told of last: the contract tells of it before it pays.
fn last_payout(logs: &[ChannelLog]) -> Option<ChannelId> {
    let is_payout = |log: &&ChannelLog| matches!(log.fact, ChainFact::AllocationUpdated { .. });
    logs.iter().rev().find(is_payout).map(|log| log.channel)
}

fn header_of(log: &Log, headers: &BTreeMap<u64, BlockRef>) -> Result<BlockRef, Inconsistent> {
    let (Some(number), Some(hash), false) = (log.block_number, log.block_hash, log.removed) else {
        return Err(Inconsistent);
    };
    headers.get(&number).filter(|header| header.hash == hash).copied().ok_or(Inconsistent)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};
    use alloy::sol_types::SolEvent;
    use engine::chain::DebtLog;
    use engine::types::{Amount, Asset, BlockNumber};

    use super::*;
    use crate::bindings::NitroAdjudicator::{AllocationUpdated, Claimed, Deposited, PayoutBlocked};

    fn block(number: u64, hash: u8) -> BlockRef {
        BlockRef {
            number: BlockNumber(number),
            hash: B256::repeat_byte(hash),
            timestamp: number * 12,
        }
    }

    fn headers(blocks: &[BlockRef]) -> BTreeMap<u64, BlockRef> {
        blocks.iter().map(|block| (block.number.0, *block)).collect()
    }

    fn deposit(at: BlockRef, index: u64, holdings: u64) -> Log {
        let event = Deposited {
            destination: B256::repeat_byte(0xcc),
            asset: Address::ZERO,
            destinationHoldings: U256::from(holdings),
        };
        Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data: event.encode_log_data() },
            block_hash: Some(at.hash),
            block_number: Some(at.number.0),
            log_index: Some(index),
            ..Log::default()
        }
    }

    fn holdings(block: &Block) -> Vec<Amount> {
        block
            .logs
            .iter()
            .filter_map(|log| match &log.fact {
                ChainFact::Deposited { holdings, .. } => Some(*holdings),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn orders_by_block_and_log_index() {
        let (five, nine) = (block(5, 1), block(9, 2));
        let logs = vec![deposit(nine, 0, 3), deposit(five, 4, 2), deposit(five, 1, 1)];
        let range = assemble(logs, &headers(&[five, nine]), nine).unwrap();
        assert_eq!(range.blocks.iter().map(|block| block.block).collect::<Vec<_>>(), [five, nine]);
        assert_eq!(holdings(&range.blocks[0]), [Amount::from(1u64), Amount::from(2u64)]);
    }

    #[test]
    fn range_without_logs_still_moves_the_cursor() {
        let last = block(9, 1);
        let range = assemble(vec![], &BTreeMap::new(), last).unwrap();
        assert_eq!(range.blocks, [empty(last)]);
    }

    #[test]
    fn refuses_a_log_of_a_block_that_is_not_there() {
        let (old, new) = (block(5, 1), block(5, 2));
        assert_eq!(assemble(vec![deposit(old, 0, 1)], &headers(&[new]), new), Err(Inconsistent));
    }

    #[test]
    fn refuses_a_removed_log() {
        let five = block(5, 1);
        let log = Log { removed: true, ..deposit(five, 0, 1) };
        assert_eq!(assemble(vec![log], &headers(&[five]), five), Err(Inconsistent));
    }

    /// Nothing knew of a payout that a payee or token refuses: it looked paid.
    #[test]
    fn a_refused_payout_belongs_to_the_channel_that_was_paid_out_before_it() {
        let five = block(5, 1);
        let log = |index, data| Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data },
            log_index: Some(index),
            ..deposit(five, 0, 0)
        };
        let payout = |byte| AllocationUpdated {
            channelId: B256::repeat_byte(byte),
            assetIndex: U256::ZERO,
            initialHoldings: U256::from(9),
            finalHoldings: U256::ZERO,
        };
        let (payee, asset) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let blocked = PayoutBlocked { payee, asset, amount: U256::from(9) };
        let claimed = Claimed { payee, asset, to: payee, amount: U256::from(9) };
        let logs = vec![
            log(4, claimed.encode_log_data()),
            log(1, payout(7).encode_log_data()),
            log(3, payout(8).encode_log_data()),
            log(2, blocked.encode_log_data()),
        ];
        let range = assemble(logs, &headers(&[five]), five).unwrap();
        let amount = Amount::from(9u64);
        let channel = Some(ChannelId(B256::repeat_byte(7)));
        let changes =
            [DebtChange::Blocked { channel, amount }, DebtChange::Claimed { to: payee, amount }];
        let asset = Asset(asset);
        let expected = changes.map(|change| DebtLog { payee, asset, change });
        assert_eq!((range.skipped, &range.blocks[0].debts[..]), (0, &expected[..]));
    }

    #[test]
    fn counts_and_skips_what_does_not_decode() {
        let five = block(5, 1);
        let mut log = deposit(five, 0, 1);
        log.inner.data = alloy::primitives::LogData::new_unchecked(
            log.inner.data.topics().to_vec(),
            vec![1, 2, 3].into(),
        );
        let range = assemble(vec![log, deposit(five, 1, 2)], &headers(&[five]), five).unwrap();
        assert_eq!((range.skipped, range.blocks[0].logs.len()), (1, 1));
    }
}
