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

/// Requests for parts of a range that are made at once.
const REQUESTS_AT_ONCE: usize = 8;

/// Up to this length every header of a range is read and checked. New blocks come in shorter
/// ranges than this; longer ones are of the past, which endpoints have indexed long ago.
const SHORT: u64 = 8;

/// The blocks of one range, both ends included.
pub(crate) async fn read(
    rpc: &Rpc,
    adjudicator: Address,
    from: u64,
    to: u64,
) -> Result<Range, ChainError> {
    if to.saturating_sub(from) < SHORT {
        return read_each(rpc, adjudicator, from, to).await;
    }
    // The last block is looked at before and after: when it is the same, all blocks below it were
    // the same in between.
    let last = rpc.block_at(to).await?;
    let logs = rpc.logs(adjudicator, from, to).await?;
    let headers = headers(rpc, blocks::heights(&logs)).await?;
    if rpc.header(to).await?.ok_or(ChainError::Moved)? != last {
        return Err(ChainError::Moved);
    }
    assemble(adjudicator, logs, &headers, last)
}

/// Reads a short range by its headers, most of which are known: each names the one below it, and
/// tells whether its block may have logs. They are asked for by the hash of the block, so that
/// nothing can change in between.
async fn read_each(
    rpc: &Rpc,
    adjudicator: Address,
    from: u64,
    to: u64,
) -> Result<Range, ChainError> {
    let headers = headers(rpc, (from..=to).collect()).await?;
    check_links(&headers)?;
    let bloom = BloomInput::Raw(adjudicator.as_slice());
    let suspects = headers.values().filter(|header| header.bloom.contains_input(bloom));
    let suspects: Vec<BlockRef> = suspects.map(|header| header.block).collect();
    let logs: Vec<Vec<Log>> = stream::iter(suspects)
        .map(|block| logs_of(rpc, adjudicator, block))
        .buffered(REQUESTS_AT_ONCE)
        .try_collect()
        .await?;
    let last = headers.get(&to).copied().ok_or(ChainError::Moved)?;
    assemble(adjudicator, logs.concat(), &headers, last)
}

/// The logs of a block that may have some. Behind one endpoint there may be a node that has a block
/// and no index of its logs yet; it answers with no logs and no error (threat C4), so that "none"
/// is asked for in another way once more.
async fn logs_of(rpc: &Rpc, adjudicator: Address, block: BlockRef) -> Result<Vec<Log>, ChainError> {
    let logs = rpc.logs_of(adjudicator, block.hash).await?;
    let height = block.number.0;
    if logs.is_empty() && !rpc.logs(adjudicator, height, height).await?.is_empty() {
        warn!(block = height, "the endpoint left out logs; reading again");
        return Err(ChainError::Moved);
    }
    Ok(logs)
}

fn assemble(
    adjudicator: Address,
    logs: Vec<Log>,
    headers: &BTreeMap<u64, Header>,
    last: Header,
) -> Result<Range, ChainError> {
    if logs.iter().any(|log| log.address() != adjudicator) {
        return Err(ChainError::Moved);
    }
    let known: BTreeMap<u64, BlockRef> =
        headers.iter().map(|(height, header)| (*height, header.block)).collect();
    blocks::assemble(logs, &known, last.block).map_err(|Inconsistent| ChainError::Moved)
}

async fn headers(rpc: &Rpc, heights: Vec<u64>) -> Result<BTreeMap<u64, Header>, ChainError> {
    stream::iter(heights)
        .map(|height| async move { Ok((height, rpc.block_at(height).await?)) })
        .buffer_unordered(REQUESTS_AT_ONCE)
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
