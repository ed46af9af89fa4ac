//! Closes a payment channel with its last voucher (protocol.md section 11): the payer makes the
//! final state, everyone signs it, every hop gives its guarantee back.

use super::WaitingFor;
use super::virtual_fund::{crank_cancelled, evidence, hop_includes, propose};
use crate::draft::Draft;
use crate::ledger::{Change, Side};
use crate::payment::{FinalState, PaymentPhase, Role};
use crate::types::{Address, Amount, ChannelId, ObjectiveId};
use crate::wire::{Message, Seal};

pub(crate) fn crank(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::VirtualDefund(id);
    let Some(channel) = draft.payment(id) else { return };
    if !channel.is_finalized() && channel.can_never_open() {
        return crank_cancelled(draft, id);
    }
    if !channel.is_finalized() {
        return draft.wait_for(objective, WaitingFor::SupportedFinalState);
    }
    let Some(paid) = channel.final_state.as_ref().map(|state| state.paid) else { return };
    let (left, right) = (channel.left, channel.right);
    for hop in left.into_iter().chain(right) {
        release(draft, id, hop, paid);
    }
    if right.is_some_and(|hop| hop_includes(draft, hop, id)) {
        draft.wait_for(objective, WaitingFor::DefundingOnMyRight);
    } else if left.is_some_and(|hop| hop_includes(draft, hop, id)) {
        draft.wait_for(objective, WaitingFor::DefundingOnMyLeft);
    } else {
        draft.complete(objective);
        draft.archive_payment(id);
    }
}

/// Proposes to turn the guarantee back into balances, if this node leads the hop. A ledger that
/// cannot change is not touched: its crank may have asked for this.
pub(super) fn release(draft: &mut Draft<'_>, id: ChannelId, hop: ChannelId, paid: Amount) {
    let Some((channel, ledger)) = draft.payment(id).zip(draft.ledger(hop)) else { return };
    let due = ledger.me == Side::Leader
        && ledger.is_usable()
        && ledger.agreed.guarantees.contains_key(&id)
        && !ledger.has_pending(id);
    let Some(state) = channel.final_state.as_ref().filter(|_| due) else { return };
    let evidence = evidence(channel.final_hash(paid), &state.signatures, channel);
    let left_amount = channel.capacity.saturating_sub(paid);
    // A ledger that cannot change now keeps the guarantee; it is enforceable as it is.
    let _ = propose(draft, hop, Change::Remove { target: id, left_amount }, evidence);
}

/// The payer makes the final state with all it has paid; from here on it pays no more (gap C5).
pub(crate) fn sign_final(draft: &mut Draft<'_>, id: ChannelId) {
    let paid = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
    let Some(channel) = draft.payment(id).filter(|channel| channel.role() == Role::Payer) else {
        return;
    };
    let payer = Seal::sign(channel.final_hash(paid), draft.signer);
    adopt_final(draft, id, paid, payer);
}

/// Signs the payer's final state and tells everyone. The caller has checked it.
pub(crate) fn adopt_final(draft: &mut Draft<'_>, id: ChannelId, paid: Amount, payer: Seal) {
    let Some(channel) = draft.payment(id) else { return };
    let (me, others): (_, Vec<Address>) = (usize::from(channel.me), channel.others().collect());
    let seal = if me == 0 { payer } else { Seal::sign(channel.final_hash(paid), draft.signer) };
    let Some(channel) = draft.payment_mut(id) else { return };
    let mut signatures = vec![None; channel.fixed.participants.len()];
    for (index, signature) in [(0, payer.signature), (me, seal.signature)] {
        if let Some(entry) = signatures.get_mut(index) {
            *entry = Some(signature);
        }
    }
    channel.final_state = Some(FinalState { paid, signatures });
    channel.phase = PaymentPhase::Closing;
    let objective = ObjectiveId::VirtualDefund(id);
    if draft.objective(objective).is_none() {
        let timeout = draft.policy.closing_timeout;
        draft.start_objective(objective, WaitingFor::SupportedFinalState, timeout);
    }
    draft.be_patient(id);
    draft.send_all(others, &Message::Finalize { channel: id, paid, payer, seal });
}
