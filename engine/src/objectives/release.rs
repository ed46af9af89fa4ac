//! Taking a guarantee back: the one place that says whether it may go, and what each side gets. The
//! leader of a ledger proposes by it, the follower countersigns by it.

use super::virtual_fund::{evidence, propose};
use crate::draft::Draft;
use crate::ledger::{Change, Ledger, Side};
use crate::payment::{End, PaymentChannel, PaymentPhase};
use crate::types::{Amount, ChannelId};
use crate::wire::Evidence;

/// What the payee's side of `hop` gets when the guarantee is taken back now; none while it stays.
pub(crate) fn share(draft: &Draft<'_>, id: ChannelId, hop: ChannelId) -> Option<Amount> {
    let (channel, ledger) = draft.payment(id).zip(draft.ledger(hop))?;
    match channel.end(draft.chain_time()) {
        End::Resolved(resolution) => Some(resolution.paid),
        End::Agreed(paid) => Some(paid),
        End::GivenUp => may_give_back(draft, channel, ledger).then_some(Amount::ZERO),
        End::Disputed | End::Running => None,
    }
}

/// Which side of a hop stands on the payer's side of the channel.
pub(crate) fn left_side(channel: &PaymentChannel, ledger: &Ledger) -> Side {
    if channel.right == Some(ledger.id) { ledger.me } else { ledger.me.other() }
}

/// Everything goes back to the left side: on our right to us, on our left only when that is safe.
fn may_give_back(draft: &Draft<'_>, channel: &PaymentChannel, ledger: &Ledger) -> bool {
    left_side(channel, ledger) == ledger.me || may_release_left(draft, channel)
}

/// True when giving back what is guaranteed on our left can not cost us: nothing can be guaranteed
/// on our right any more, in any state that may still become final, or the channel cannot pay out
/// because this node has not signed that it is funded and never will (invariant 5: a relay never
/// pays more than it gets). What others say that they have not signed proves nothing.
pub(crate) fn may_release_left(draft: &Draft<'_>, channel: &PaymentChannel) -> bool {
    let id = channel.id;
    let never = matches!(channel.phase, PaymentPhase::Cancelled(_)) && !channel.postfund_signed();
    let locked = |hop| draft.ledger(hop).is_some_and(|ledger| ledger.may_guarantee(id));
    channel.end(draft.chain_time()) == End::GivenUp && (never || !channel.right.is_some_and(locked))
}

/// Proposes to turn the guarantee back into balances, if this node leads the hop and it may go. A
/// ledger that cannot change now keeps the guarantee: it is enforceable as it is.
pub(crate) fn release(draft: &mut Draft<'_>, id: ChannelId, hop: ChannelId) {
    let Some((channel, ledger)) = draft.payment(id).zip(draft.ledger(hop)) else { return };
    let due = ledger.me == Side::Leader
        && ledger.is_usable()
        && ledger.agreed.guarantees.contains_key(&id)
        && !ledger.has_pending(id);
    let Some(paid) = share(draft, id, hop).filter(|_| due) else { return };
    let proof = match channel.final_state.as_ref().filter(|state| state.paid == paid) {
        Some(state) if channel.is_finalized() => {
            evidence(channel.final_hash(paid), &state.signatures, channel)
        }
        _ => Evidence::default(),
    };
    let left_amount = channel.capacity.saturating_sub(paid);
    let change = Change::Remove { target: id, left_amount };
    if ledger.may_ask(&change) {
        let _ = propose(draft, hop, change, proof);
    }
}
