//! What happened on chain.

use crate::chain::{Block, BlockRef, ChainEvent, ChainFact, ChannelLog};
use crate::draft::Draft;
use crate::effect::Update;
use crate::ledger::CallState;
use crate::types::{BlockNumber, ChannelId};

pub(super) fn handle(draft: &mut Draft<'_>, event: ChainEvent) {
    match event {
        ChainEvent::Block(block) => apply(draft, block),
        ChainEvent::Reorg { ancestor, blocks } => {
            roll_back(draft, ancestor);
            for block in blocks {
                apply(draft, block);
            }
        }
    }
}

/// Applies a confirmed block once: the cursor tells which are new.
fn apply(draft: &mut Draft<'_>, block: Block) {
    let Block { block, logs } = block;
    if draft.cursor().head().is_some_and(|head| block.number <= head.number) {
        return;
    }
    for log in logs {
        record(draft, &block, log);
    }
    let mut cursor = draft.cursor().clone();
    cursor.advance(block);
    draft.set_cursor(cursor);
    release_calls(draft, block.number);
}

/// Channels of others share the adjudicator: their logs are none of our business (gap C11).
fn record(draft: &mut Draft<'_>, block: &BlockRef, log: ChannelLog) {
    let ChannelLog { channel, fact } = log;
    if draft.ledger(channel).is_none() && draft.payment(channel).is_none() {
        return;
    }
    if let ChainFact::ChallengeRegistered { finalizes_at, .. } = fact {
        draft.notify(Update::Challenged { channel, finalizes_at });
    }
    if draft.ledger(channel).is_some()
        && let Some(ledger) = draft.ledger_mut(channel)
    {
        let asset = ledger.asset;
        ledger.onchain.record(block, fact, asset);
    }
}

/// Lets ledgers go on that waited for this block.
fn release_calls(draft: &mut Draft<'_>, number: BlockNumber) {
    let due: Vec<(BlockNumber, ChannelId)> = draft
        .state()
        .awaiting_block
        .range(..=(number, ChannelId([0xff; 32].into())))
        .copied()
        .collect();
    for (_, id) in due {
        if let Some(ledger) = draft.ledger_mut(id)
            && matches!(ledger.call, CallState::Until(until) if until <= number)
        {
            ledger.call = CallState::None;
        }
    }
}

/// Takes back what happened above `ancestor`. A deposit that is gone is made again by the crank;
/// an open ledger whose deposit is gone changes no more until it is back.
fn roll_back(draft: &mut Draft<'_>, ancestor: BlockRef) {
    let mut cursor = draft.cursor().clone();
    cursor.roll_back(ancestor);
    draft.set_cursor(cursor);
    let ids: Vec<ChannelId> = draft.state().ledgers.keys().copied().collect();
    for id in ids {
        let Some(mut onchain) = draft.ledger(id).map(|ledger| ledger.onchain.clone()) else {
            continue;
        };
        if onchain.roll_back(ancestor.number)
            && let Some(ledger) = draft.ledger_mut(id)
        {
            ledger.onchain = onchain;
        }
    }
}
