//! Reads one range so that all of it is of one and the same chain.

use std::collections::BTreeMap;

use alloy::primitives::{Address, BloomInput};
use alloy::rpc::types::Log;
use engine::chain::BlockRef;
use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::warn;

use super::blocks::{self, Inconsistent, Range};
use crate::error::ChainError;
use crate::rpc::{Header, Rpc};

/// Headers of a range that are requested at once.
const HEADERS_AT_ONCE: usize = 8;

/// Up to this length every header of a range is read and checked. New blocks come in shorter
/// ranges than this; longer ones are of the past, which endpoints have indexed long ago.
const SHORT: u64 = 8;

/// The blocks of one range, both ends included. The last block is looked at before and after:
/// when it is the same, all blocks below it were the same in between.
pub(crate) async fn read(
    rpc: &Rpc,
    adjudicator: Address,
    from: u64,
    to: u64,
) -> Result<Range, ChainError> {
    let last = rpc.header(to).await?.ok_or(ChainError::Moved)?;
    let logs = rpc.logs(adjudicator, from, to).await?;
    if logs.iter().any(|log| log.address() != adjudicator) {
        return Err(ChainError::Moved);
    }
    let heights = if to - from < SHORT { (from..=to).collect() } else { blocks::heights(&logs) };
    let headers = headers(rpc, heights).await?;
    if to - from < SHORT {
        check_links(&headers)?;
        check_complete(rpc, adjudicator, &headers, &logs).await?;
    }
    if rpc.header(to).await?.ok_or(ChainError::Moved)? != last {
        return Err(ChainError::Moved);
    }
    let known: BTreeMap<u64, BlockRef> =
        headers.iter().map(|(height, header)| (*height, header.block)).collect();
    blocks::assemble(logs, &known, last.block).map_err(|Inconsistent| ChainError::Moved)
}

async fn headers(rpc: &Rpc, heights: Vec<u64>) -> Result<BTreeMap<u64, Header>, ChainError> {
    stream::iter(heights)
        .map(|height| async move {
            let header = rpc.header(height).await?.ok_or(ChainError::Moved)?;
            Ok((height, header))
        })
        .buffer_unordered(HEADERS_AT_ONCE)
        .try_collect()
        .await
}

/// Each block names the one below it.
fn check_links(headers: &BTreeMap<u64, Header>) -> Result<(), ChainError> {
    let mut pairs = headers.values().zip(headers.values().skip(1));
    if pairs.all(|(below, above)| above.parent == below.block.hash) {
        return Ok(());
    }
    Err(ChainError::Moved)
}

/// Behind one endpoint there may be a node that has a block and no index of its logs yet; it
/// answers with no logs and no error. The header tells which blocks may have some (threat C4).
async fn check_complete(
    rpc: &Rpc,
    adjudicator: Address,
    headers: &BTreeMap<u64, Header>,
    logs: &[Log],
) -> Result<(), ChainError> {
    let found = blocks::heights(logs);
    let suspects = headers.iter().filter(|(height, header)| {
        !found.contains(height)
            && header.bloom.contains_input(BloomInput::Raw(adjudicator.as_slice()))
    });
    for (height, header) in suspects {
        if !rpc.logs_of(adjudicator, header.block.hash).await?.is_empty() {
            warn!(block = height, "the endpoint left out logs; reading again");
            return Err(ChainError::Moved);
        }
    }
    Ok(())
}
