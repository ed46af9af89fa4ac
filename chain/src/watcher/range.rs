//! Reads one range so that all of it is of one and the same chain.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bloom, BloomInput};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use engine::chain::BlockRef;
use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::warn;

use super::blocks::{self, Inconsistent, Range};
use crate::bindings::NitroAdjudicator;
use crate::error::ChainError;
use crate::refusal::Refusal;
use crate::rpc::{Header, Rpc};

/// Requests for parts of a range that are made at once.
const REQUESTS_AT_ONCE: usize = 8;

/// Up to this length every header of a range is read and checked. New blocks come in shorter
/// ranges than this; longer ones are of the past, which endpoints have indexed long ago.
const SHORT: u64 = 8;

/// Where no more blocks than this are missing, as after a restart, every header is read and checked
/// though they are many: what was challenged meanwhile must not be missed. More would be asked for at
/// once than some endpoints answer.
const RECENT: u64 = 32;

/// The blocks of one range, both ends included.
pub(crate) async fn read(
    rpc: &Rpc,
    adjudicator: Address,
    from: u64,
    to: u64,
) -> Result<Range, ChainError> {
    // Where requests are limited, what is read must not fall behind what comes.
    let is_recent =
        rpc.gap().is_zero() && rpc.newest().await?.block.number.0.saturating_sub(from) < RECENT;
    if is_recent || to.saturating_sub(from) < SHORT {
        return read_each(rpc, adjudicator, from, to).await;
    }
    // The last block is looked at before and after: when it is the same, all blocks below it were
    // the same in between.
    let last = rpc.block_at(to).await?;
    let logs = rpc.logs(adjudicator, from, to).await?;
    if logs.is_empty() {
        deny(rpc, adjudicator, from, to).await?;
    }
    let headers = headers(rpc, blocks::heights(&logs)).await?;
    if rpc.header(to).await?.ok_or(ChainError::Moved)? != last {
        return Err(ChainError::Moved);
    }
    assemble(adjudicator, logs, &headers, last)
}

/// That a range has no logs is asked for in another way once more, as of single blocks.
async fn deny(rpc: &Rpc, adjudicator: Address, from: u64, to: u64) -> Result<(), ChainError> {
    let middle = from.midpoint(to);
    let (lower, upper) = tokio::try_join!(
        rpc.logs(adjudicator, from, middle),
        rpc.logs(adjudicator, middle.saturating_add(1), to)
    )?;
    if lower.is_empty() && upper.is_empty() {
        return Ok(());
    }
    warn!(from, to, "the endpoint left out logs; reading again");
    Err(ChainError::Moved)
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
    let suspects = headers.values().filter(|header| header.bloom.contains_input(bloom)).copied();
    let logs: Vec<Vec<Log>> = stream::iter(suspects.collect::<Vec<Header>>())
        .map(|header| logs_of(rpc, adjudicator, header))
        .buffered(REQUESTS_AT_ONCE)
        .try_collect()
        .await?;
    let last = headers.get(&to).copied().ok_or(ChainError::Moved)?;
    assemble(adjudicator, logs.concat(), &headers, last)
}

/// The logs of a block that may have some. Behind one endpoint there may be a node that has a block
/// and no index of its logs yet; it answers with no logs and no error (threat C4), so that "none"
/// is asked for in another way once more.
async fn logs_of(rpc: &Rpc, adjudicator: Address, header: Header) -> Result<Vec<Log>, ChainError> {
    let logs = rpc.logs_of(adjudicator, header.block.hash).await?;
    let height = header.block.number.0;
    if logs.is_empty() && !rpc.logs(adjudicator, height, height).await?.is_empty() {
        warn!(block = height, "the endpoint left out logs; reading again");
        return Err(ChainError::Moved);
    }
    if may_hide_a_challenge(adjudicator, &header, &logs) {
        return all_logs_of(rpc, adjudicator, &header, logs).await;
    }
    Ok(logs)
}

/// True for a block that may have a challenge by its header, while its logs have none. A challenge is
/// what must not be missed: it runs out.
fn may_hide_a_challenge(adjudicator: Address, header: &Header, logs: &[Log]) -> bool {
    let challenge = NitroAdjudicator::ChallengeRegistered::SIGNATURE_HASH;
    // Chains that fill in no filter of logs say "perhaps" to everything.
    header.bloom != Bloom::repeat_byte(0xff)
        && header.bloom.contains_raw_log(adjudicator, &[challenge])
        && !logs.iter().any(|log| log.topic0() == Some(&challenge))
}

/// The logs of a block, picked from those of all contracts, which must be all that its header tells of:
/// an index of logs that has lost some does not change what the header says. `otherwise` where the
/// endpoint answers only for single contracts.
async fn all_logs_of(
    rpc: &Rpc,
    adjudicator: Address,
    header: &Header,
    otherwise: Vec<Log>,
) -> Result<Vec<Log>, ChainError> {
    let mut shown = match rpc.all_logs_of(header.block.hash).await {
        Ok(Some(logs)) => logs,
        Ok(None) => {
            let block = header.block.number.0;
            warn!(block, "the endpoint shows not all logs of a block; those of our contract count");
            return Ok(otherwise);
        }
        Err(ChainError::Refused { kind, .. }) if kind != Refusal::Busy => return Ok(otherwise),
        Err(error) => return Err(error),
    };
    let mut bloom = Bloom::ZERO;
    shown.iter().for_each(|log| bloom.accrue_log(&log.inner));
    if !bloom.contains(&header.bloom) {
        return Err(ChainError::LogsLeftOut { block: header.block.number });
    }
    rpc.whole().answered();
    shown.retain(|log| log.address() == adjudicator);
    Ok(shown)
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
