//! What happened on chain.

use std::collections::BTreeSet;

use super::ledger::tie_up;
use crate::chain::{Block, BlockRef, ChainEvent, ChainFact, ChannelLog};
use crate::debts;
use crate::draft::Draft;
use crate::effect::Update;
use crate::ledger::{CallState, Change, Ledger};
use crate::objectives::{ExitReason, answer_challenge, enter_payment_exit};
use crate::types::ChannelId;

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
    let Block { block, logs, debts: owed } = block;
    if draft.cursor().head().is_some_and(|head| block.number <= head.number) {
        return;
    }
    let mut shown = BTreeSet::new();
    for log in logs {
        let channel = log.channel;
        if record(draft, &block, log) {
            shown.insert(channel);
        }
    }
    owed.iter().for_each(|log| debts::record(draft, &block, log));
    let mut cursor = draft.cursor().clone();
    cursor.advance(block);
    draft.set_cursor(cursor);
    release_calls(draft, &block);
    debts::claim_due(draft);
    shown.into_iter().for_each(|ledger| tie_up(draft, ledger));
}

/// Channels of others share the adjudicator: their logs are none of our business (gap C11). True
/// for a ledger with something left to put an end to.
fn record(draft: &mut Draft<'_>, block: &BlockRef, log: ChannelLog) -> bool {
    let ChannelLog { channel, fact } = log;
    draft.record_buried(block, channel, &fact);
    if !draft.is_known(channel) {
        return false;
    }
    let challenged = match &fact {
        ChainFact::ChallengeRegistered { finalizes_at, .. } => {
            draft.notify(Update::Challenged { channel, finalizes_at: *finalizes_at });
            true
        }
        _ => false,
    };
    if draft.ledger(channel).is_some()
        && let Some(ledger) = draft.ledger_mut(channel)
    {
        let changes = match &fact {
            ChainFact::ChallengeRegistered { candidate, .. }
            | ChainFact::StateCheckpointed { candidate, .. }
            | ChainFact::StateConcluded { candidate, .. } => ledger.adopt(candidate),
            _ => Vec::new(),
        };
        let asset = ledger.asset;
        ledger.onchain.record(block, fact, asset);
        ledger.end_waits_at_block();
        // What the newest state guarantees goes on from here.
        let targets = ledger.targets();
        targets.into_iter().for_each(|target| draft.touch(target));
        changes.iter().filter_map(Change::target).for_each(|target| draft.touch(target));
        if challenged {
            answer_challenge(draft, channel);
        }
        return draft.ledger(channel).is_some_and(Ledger::has_loose_ends);
    } else if let Some(payment) = draft.payment_mut(channel) {
        payment.adopt(&fact);
        let asset = payment.asset;
        payment.onchain.record(block, fact, asset);
        if challenged {
            enter_payment_exit(draft, channel, ExitReason::Challenged);
        }
    }
    false
}

/// Lets channels go on that waited for this block, or for the time that it brings.
fn release_calls(draft: &mut Draft<'_>, block: &BlockRef) {
    let last = ChannelId([0xff; 32].into());
    let due: Vec<ChannelId> =
        draft.state().awaiting_block.range(..=(block.number, last)).map(|(_, id)| *id).collect();
    for id in due {
        if matches!(draft.call(id), CallState::Until(until) if until <= block.number) {
            draft.set_call(id, CallState::None);
        }
    }
    let expired: Vec<ChannelId> =
        draft.state().finalizing.range(..=(block.timestamp, last)).map(|(_, id)| *id).collect();
    for id in expired {
        draft.touch(id);
        // Ledgers under a payment channel may have waited for it.
        let hops = draft.payment(id).map(|channel| channel.left.into_iter().chain(channel.right));
        let hops: Vec<ChannelId> = hops.into_iter().flatten().collect();
        hops.into_iter().for_each(|hop| draft.touch(hop));
    }
    // Gas may be cheaper by now, or a peer of another mind.
    let deferred: Vec<ChannelId> = draft.state().deferred.iter().copied().collect();
    for id in deferred {
        end_waits(draft, id);
        draft.touch(id);
    }
    draft.forget_buried(block.number);
}

/// What the ledgers under a payment channel have refused is asked again at once.
fn end_waits(draft: &mut Draft<'_>, id: ChannelId) {
    let hops = draft.payment(id).map(|channel| channel.left.into_iter().chain(channel.right));
    for hop in hops.into_iter().flatten() {
        if draft.ledger(hop).is_some_and(Ledger::has_haste)
            && let Some(ledger) = draft.ledger_mut(hop)
        {
            ledger.end_waits_at_block();
        }
    }
}

/// Takes back what happened above `ancestor`. A deposit that is gone is made again by the crank;
/// an open ledger whose deposit is gone changes no more until it is back.
fn roll_back(draft: &mut Draft<'_>, ancestor: BlockRef) {
    let mut cursor = draft.cursor().clone();
    cursor.roll_back(ancestor);
    draft.set_cursor(cursor);
    let ledgers: Vec<ChannelId> = draft.state().ledgers.keys().copied().collect();
    for id in ledgers {
        let Some(ledger) = draft.ledger(id) else { continue };
        let (mut onchain, asset) = (ledger.onchain.clone(), ledger.asset);
        if onchain.roll_back(ancestor.number, asset)
            && let Some(ledger) = draft.ledger_mut(id)
        {
            ledger.onchain = onchain;
        }
    }
    let payments: Vec<ChannelId> = draft.state().payments.keys().copied().collect();
    for id in payments {
        let Some(channel) = draft.payment(id) else { continue };
        let (mut onchain, asset) = (channel.onchain.clone(), channel.asset);
        if onchain.roll_back(ancestor.number, asset)
            && let Some(channel) = draft.payment_mut(id)
        {
            channel.onchain = onchain;
        }
    }
    draft.roll_back_buried(ancestor.number);
    debts::roll_back(draft, ancestor.number);
}
