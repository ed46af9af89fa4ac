//! Rows of the outbox that are done.

use crate::chain::{ChainCall, Receipt};
use crate::debts;
use crate::draft::Draft;
use crate::effect::{Effect, Update};
use crate::ledger::{CallState, LedgerPhase};
use crate::sending;
use crate::step::Write;
use crate::types::{Address, Amount, BlockNumber, CallId, ChannelId, MessageId};
use crate::wire::Message;

/// A peer has committed our messages up to `up_to`.
pub(super) fn delivered(draft: &mut Draft<'_>, peer: Address, up_to: MessageId) {
    let Some(backlog) = draft.state().outbox.get(&peer).copied() else { return };
    // Ids beyond what was sent are nobody's; a repeated report is below `first`.
    let end = up_to.0.saturating_add(1).min(backlog.next);
    for id in backlog.first..end {
        draft.remove(Write::Message(peer, MessageId(id), None));
    }
    if end == backlog.next {
        draft.stop_waiting(peer);
    }
}

/// Messages have waited long for a peer that may not even exist. Without a ledger or a payment channel
/// in common none of them can matter any more.
pub(super) fn expire(draft: &mut Draft<'_>, peer: Address) {
    if draft.has_business_with(peer) {
        return draft.wait_on(peer);
    }
    let backlog = draft.state().outbox.get(&peer).copied().unwrap_or_default();
    for id in backlog.first..backlog.next {
        draft.remove(Write::Message(peer, MessageId(id), None));
    }
    draft.stop_waiting(peer);
    if let Some(last) = backlog.next.checked_sub(1) {
        draft.emit(Effect::Forget(peer, MessageId(last)));
    }
}

/// Another service of this node answers a peer. Who asks without ever taking the answers gets no
/// more of them, and asks again once it has taken those that wait.
pub(super) fn answer(draft: &mut Draft<'_>, to: Address, message: &Message) {
    if draft.has_room_for(&[to]) {
        draft.send(to, message);
    }
}

/// A chain call has ended.
pub(super) fn settled(draft: &mut Draft<'_>, id: CallId, receipt: &Receipt) {
    let Some(call) = draft.state().calls.get(&id) else { return };
    draft.remove(Write::Call(id, None));
    debts::settled(draft, id, call, receipt);
    sending::settled(draft, id, receipt);
    let seen = draft.cursor().number();
    for channel in call.channels() {
        if draft.call(channel) != CallState::InFlight(id) {
            continue;
        }
        let holdings = draft.ledger(channel).map(|ledger| ledger.status().holdings);
        let next = match receipt {
            // What the call did must be seen before the chain is judged again.
            Receipt::Succeeded { block } if *block > seen => CallState::Until(*block),
            // An endpoint that loses logs shows a deposit that never arrives: as often as there are
            // blocks is often enough to look whether it has.
            Receipt::Succeeded { .. } if is_awaited(call, holdings) => {
                CallState::Until(BlockNumber(seen.0.saturating_add(1)))
            }
            Receipt::Succeeded { .. } | Receipt::Unknown { .. } | Receipt::Withdrawn => {
                CallState::None
            }
            Receipt::Reverted { .. } | Receipt::TooLarge { .. } if outdated(call, holdings) => {
                CallState::None
            }
            // Same call, same answer until the chain has moved.
            Receipt::Reverted { .. } | Receipt::TooLarge { .. } => {
                CallState::Until(BlockNumber(seen.0.saturating_add(1)))
            }
        };
        draft.set_call(channel, next);
    }
    let refused = matches!(receipt, Receipt::Reverted { .. } | Receipt::TooLarge { .. });
    let first = call.channels().first().copied();
    let held = first.and_then(|first| draft.ledger(first)).map(|ledger| ledger.status().holdings);
    if let (Receipt::Reverted { reason }, Some(channel)) = (receipt, first)
        && !outdated(call, held)
    {
        draft.notify(Update::Refused { channel, reason: reason.clone() });
    }
    if let Some(first) = first.filter(|first| counts(draft, *first, call, held))
        && let Some(ledger) = draft.ledger_mut(first)
    {
        ledger.refused_calls = if refused { ledger.refused_calls.saturating_add(1) } else { 0 };
        // What was too large will be for those that follow as well; what was overtaken, or refused
        // for a reason that nobody foresaw, is halved until one succeeds.
        if let (ChainCall::Settle { reclaims, .. }, Receipt::TooLarge { .. }) = (call, receipt) {
            ledger.refused_calls = 0;
            ledger.reclaims_at_once = Some((reclaims.len() / 2).max(1));
        }
    }
}

/// Whether the end of a call says something about those that follow. Of deposits, those of an opening
/// do, which it does not survive.
fn counts(draft: &Draft<'_>, id: ChannelId, call: &ChainCall, held: Option<Amount>) -> bool {
    draft.ledger(id).is_some_and(|ledger| match call {
        ChainCall::Deposit { .. } => ledger.phase == LedgerPhase::Opening && !outdated(call, held),
        _ => true,
    })
}

/// True for a deposit that has not arrived.
fn is_awaited(call: &ChainCall, holdings: Option<Amount>) -> bool {
    matches!(call, ChainCall::Deposit { .. }) && !outdated(call, holdings)
}

/// True when a deposit was made for holdings that are no longer the newest.
fn outdated(call: &ChainCall, holdings: Option<Amount>) -> bool {
    matches!(call, ChainCall::Deposit { expected_held, .. } if Some(*expected_held) != holdings)
}
