//! Rows of the outbox that are done.

use crate::chain::{ChainCall, Receipt};
use crate::draft::Draft;
use crate::ledger::CallState;
use crate::step::Write;
use crate::types::{Address, BlockNumber, CallId, MessageId};

/// A peer has committed our messages up to `up_to`.
pub(super) fn delivered(draft: &mut Draft<'_>, peer: Address, up_to: MessageId) {
    let Some(backlog) = draft.state().outbox.get(&peer).copied() else { return };
    // Ids beyond what was sent are nobody's; a repeated report is below `first`.
    let end = up_to.0.saturating_add(1).min(backlog.next);
    for id in backlog.first..end {
        draft.remove(Write::Message(peer, MessageId(id), None));
    }
}

/// A chain call has ended.
pub(super) fn settled(draft: &mut Draft<'_>, id: CallId, receipt: &Receipt) {
    let Some(call) = draft.state().calls.get(&id) else { return };
    draft.remove(Write::Call(id, None));
    let seen = draft.cursor().number();
    let channel = call.channel();
    let Some(ledger) =
        draft.ledger(channel).filter(|ledger| ledger.call == CallState::InFlight(id))
    else {
        return;
    };
    let next = match receipt {
        // What the call did must be seen before holdings are judged again.
        Receipt::Succeeded { block } if *block > seen => CallState::Until(*block),
        Receipt::Succeeded { .. } => CallState::None,
        Receipt::Reverted { .. } if outdated(call, ledger.status().holdings) => CallState::None,
        // Same call, same answer until the chain has moved.
        Receipt::Reverted { .. } => CallState::Until(BlockNumber(seen.0.saturating_add(1))),
    };
    if let Some(ledger) = draft.ledger_mut(channel) {
        ledger.call = next;
    }
}

/// True when a deposit was made for holdings that are no longer the newest.
fn outdated(call: &ChainCall, holdings: crate::types::Amount) -> bool {
    matches!(call, ChainCall::Deposit { expected_held, .. } if *expected_held != holdings)
}
