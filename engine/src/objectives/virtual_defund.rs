//! Closes a payment channel with its last voucher (protocol.md section 11): the payer makes the
//! final state, everyone signs it, every hop gives its guarantee back.

use super::dispute::enter_payment;
use super::release::release;
use super::virtual_fund::crank_cancelled;
use super::{DeclineReason, ExitReason, WaitingFor};
use crate::draft::Draft;
use crate::handlers::credit_early_voucher;
use crate::payment::{End, FinalState, PaymentPhase, Role, is_complete};
use crate::types::{Address, Amount, ChannelId, ObjectiveId};
use crate::wire::{Message, Seal};

pub(crate) fn crank(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::VirtualDefund(id);
    sign_last(draft, id);
    credit_early_voucher(draft, id);
    let Some(channel) = draft.payment(id) else { return };
    let (left, right) = (channel.left, channel.right);
    let locked = |draft: &Draft<'_>, hop: Option<ChannelId>| {
        hop.and_then(|hop| draft.ledger(hop)).is_some_and(|ledger| ledger.may_guarantee(id))
    };
    let held = locked(draft, left) || locked(draft, right);
    match channel.end(draft.chain_time()) {
        // What somebody has shown there is ended there.
        End::Disputed | End::Resolved(_) => {
            return enter_payment(draft, id, ExitReason::Challenged);
        }
        End::GivenUp => return crank_cancelled(draft, id),
        // What it was given up for has been taken back before the final state was begun: there is
        // nothing left to close.
        End::Running if !held => {
            draft.decline(objective, draft.me(), DeclineReason::Cancelled);
            return draft.archive_payment(id);
        }
        End::Running => return draft.wait_for(objective, WaitingFor::SupportedFinalState),
        End::Agreed(_) => {}
    }
    for hop in left.into_iter().chain(right) {
        release(draft, id, hop);
    }
    if locked(draft, right) {
        draft.wait_for(objective, WaitingFor::DefundingOnMyRight);
    } else if locked(draft, left) {
        draft.wait_for(objective, WaitingFor::DefundingOnMyLeft);
    } else {
        draft.complete(objective);
        draft.archive_payment(id);
    }
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

/// The payee signs a final state that pays it something when nobody can keep it from what it was
/// paid: everyone else has signed it, or what opened the channel, and the guarantee is still there and
/// was never signed back.
/// Its signature is all that a relay lacks to be paid on the left; one that keeps its own back on the
/// right would keep the payment.
fn sign_last(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(channel) = draft.payment(id).filter(|channel| channel.role() == Role::Payee) else {
        return;
    };
    let (me, Some(state)) = (usize::from(channel.me), &channel.final_state) else { return };
    let missing: Vec<usize> =
        (0..state.signatures.len()).filter(|index| state.signatures[*index].is_none()).collect();
    let guaranteed = channel.left.and_then(|hop| draft.ledger(hop)).is_some_and(|ledger| {
        ledger.agreed.guarantees.contains_key(&id)
            && !ledger.has_pending(id)
            && !ledger.may_give_back(id)
    });
    let safe = missing == [me] || is_complete(&channel.postfund);
    let payers = state.signatures.first().copied().flatten();
    let due = missing.contains(&me) && (state.paid.is_zero() || guaranteed && safe);
    let Some(payers) = payers.filter(|_| due) else { return };
    let (paid, hash) = (state.paid, channel.final_hash(state.paid));
    let (payer, seal) = (Seal::new(hash, payers, channel.payer()), Seal::sign(hash, draft.signer));
    let others: Vec<Address> = channel.others().collect();
    if let Some(state) = draft.payment_mut(id).and_then(|channel| channel.final_state.as_mut())
        && let Some(entry) = state.signatures.get_mut(me)
    {
        *entry = Some(seal.signature);
    }
    draft.send_all(others, &Message::Finalize { channel: id, paid, payer, seal });
}

/// Takes up the payer's final state, signs it, unless that is the payee's to do last, and tells
/// everyone. The caller has checked it.
pub(crate) fn adopt_final(draft: &mut Draft<'_>, id: ChannelId, paid: Amount, payer: Seal) {
    let Some(channel) = draft.payment(id) else { return };
    let (me, others): (_, Vec<Address>) = (usize::from(channel.me), channel.others().collect());
    let seal = match channel.role() {
        Role::Payer => Some(payer),
        Role::Relay => Some(Seal::sign(channel.final_hash(paid), draft.signer)),
        Role::Payee => None,
    };
    let Some(channel) = draft.payment_mut(id) else { return };
    let mut signatures = vec![None; channel.fixed.participants.len()];
    for (index, seal) in [(0, Some(payer)), (me, seal)] {
        if let (Some(entry), Some(seal)) = (signatures.get_mut(index), seal) {
            *entry = Some(seal.signature);
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
    if let Some(seal) = seal {
        draft.send_all(others, &Message::Finalize { channel: id, paid, payer, seal });
    }
}
