//! Opens a payment channel through ledgers (protocol.md section 9): everyone's prefund signature,
//! one guarantee per hop, everyone's postfund signature. All hops are agreed at the same time, so
//! the time does not grow with the number of relays.
//!
//! Also takes back what a channel that never opened has locked. The left side of a hop gets
//! everything back, so it always agrees; the right side agrees only when the channel can not
//! pay out on its own right any more.

use super::release::{left_side, may_release_left, release};
use super::{DeclineReason, WaitingFor};
use crate::draft::Draft;
use crate::ledger::{Change, ChangeError, Guarantee, Ledger, ProposalError, Side};
use crate::payment::{PaymentChannel, PaymentPhase, Role, is_complete};
use crate::types::{Address, ChannelId, ObjectiveId};
use crate::wire::{Evidence, Message, Seal};

pub(crate) fn crank(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::VirtualFund(id);
    let Some(channel) = draft.payment(id) else { return };
    if !is_complete(&channel.prefund) {
        return draft.wait_for(objective, WaitingFor::CompletePrefund);
    }
    let hops: Vec<ChannelId> = channel.left.into_iter().chain(channel.right).collect();
    for hop in &hops {
        if let Err(reason) = guarantee(draft, id, *hop) {
            return cancel(draft, id, draft.me(), reason);
        }
    }
    // What a reorganisation has taken from under a ledger is no guarantee until it is back.
    let covered = |hop: &ChannelId| {
        hop_includes(draft, *hop, id) && draft.ledger(*hop).is_some_and(Ledger::is_usable)
    };
    if !hops.iter().all(covered) {
        return draft.wait_for(objective, WaitingFor::CompleteFunding);
    }
    sign_postfund(draft, id);
    let Some(channel) = draft.payment(id) else { return };
    // A relay has done its part: later signatures concern payer and payee.
    if channel.role() != Role::Relay && !is_complete(&channel.postfund) {
        return draft.wait_for(objective, WaitingFor::CompletePostfund);
    }
    if let Some(channel) = draft.payment_mut(id) {
        channel.phase = PaymentPhase::Open;
        channel.patience = None;
    }
    draft.complete(objective);
    crate::handlers::credit_early_voucher(draft, id);
}

fn sign_postfund(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(channel) = draft.payment(id).filter(|channel| !channel.postfund_signed()) else {
        return;
    };
    let seal = Seal::sign(channel.postfund_hash(), draft.signer);
    let (me, others): (_, Vec<Address>) = (usize::from(channel.me), channel.others().collect());
    if let Some(mine) = draft.payment_mut(id).and_then(|channel| channel.postfund.get_mut(me)) {
        *mine = Some(seal.signature);
    }
    draft.send_all(others, &Message::PaymentPostfund { channel: id, seal });
}

/// True when both sides of the ledger have agreed on the guarantee.
pub(crate) fn hop_includes(draft: &Draft<'_>, hop: ChannelId, target: ChannelId) -> bool {
    draft.ledger(hop).is_some_and(|ledger| ledger.agreed.guarantees.contains_key(&target))
}

/// Proposes the guarantee if this node leads the hop and has not done so.
fn guarantee(draft: &mut Draft<'_>, id: ChannelId, hop: ChannelId) -> Result<(), DeclineReason> {
    let Some((channel, ledger)) = draft.payment(id).zip(draft.ledger(hop)) else {
        return Err(DeclineReason::NoLedger);
    };
    if ledger.agreed.guarantees.contains_key(&id)
        || ledger.has_pending(id)
        || ledger.me == Side::Follower
    {
        return Ok(());
    }
    if ledger.proposed().guarantees.len() >= draft.policy.max_guarantees {
        return Err(DeclineReason::Busy);
    }
    let left = left_side(channel, ledger);
    let change = Change::Add {
        target: id,
        guarantee: Guarantee { amount: channel.capacity, left },
        left_deposit: channel.capacity,
    };
    // It is asked again with the next answer of the follower.
    if !ledger.has_room_for(&change) {
        return Ok(());
    }
    let evidence = evidence(channel.prefund_hash(), &channel.prefund, channel);
    propose(draft, hop, change, evidence).map_err(|error| match error {
        ProposalError::NotUsable | ProposalError::NotLeader => DeclineReason::LedgerNotUsable,
        ProposalError::Change(ChangeError::InsufficientFunds) => DeclineReason::InsufficientFunds,
        ProposalError::Busy => DeclineReason::Busy,
        ProposalError::Change(_) => DeclineReason::Amounts,
    })
}

pub(super) fn evidence(
    hash: crate::types::B256,
    signatures: &[Option<crate::crypto::Signature>],
    channel: &PaymentChannel,
) -> Evidence {
    let signatures = signatures.iter().copied().flatten().collect();
    Evidence::new(hash, signatures, channel.fixed.participants.clone())
}

/// Signs a proposal and sends it to the follower.
pub(crate) fn propose(
    draft: &mut Draft<'_>,
    hop: ChannelId,
    change: Change,
    evidence: Evidence,
) -> Result<(), ProposalError> {
    let signer = draft.signer;
    let me = signer.address();
    let Some(ledger) = draft.ledger_mut(hop) else { return Err(ProposalError::NotUsable) };
    let pending = ledger.propose(change, signer)?;
    let peer = ledger.peer();
    let message = Message::Propose {
        ledger: hop,
        turn: pending.turn,
        parent: pending.parent,
        change,
        seal: Seal::new(pending.hash, pending.signature, me),
        evidence,
    };
    draft.send(peer, &message);
    Ok(())
}

/// Gives a payment channel up before it opens. Everyone is told, except a left neighbour that
/// must still keep its guarantee for us; see [`crank_cancelled`].
pub(crate) fn cancel(draft: &mut Draft<'_>, id: ChannelId, by: Address, reason: DeclineReason) {
    let objective = ObjectiveId::VirtualFund(id);
    let me = draft.me();
    let Some(channel) = draft.payment_mut(id) else { return };
    channel.phase = PaymentPhase::Cancelled(reason);
    draft.be_patient(id);
    let Some(channel) = draft.payment(id) else { return };
    let left = usize::from(channel.me)
        .checked_sub(1)
        .and_then(|index| channel.fixed.participants.get(index).copied());
    let others: Vec<Address> = channel.others().filter(|other| Some(*other) != left).collect();
    if by == me {
        draft.send_all(others, &Message::Decline { objective, reason });
    }
    draft.decline(objective, by, reason);
}

/// Takes the guarantees of a channel that never opened back, from the payee's side to the payer's.
/// Also when a final state was begun meanwhile: whoever gave the channel up does not sign it.
pub(crate) fn crank_cancelled(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(channel) = draft.payment(id) else { return };
    let reason = match channel.phase {
        PaymentPhase::Cancelled(reason) => reason,
        PaymentPhase::Funding
        | PaymentPhase::Open
        | PaymentPhase::Closing
        | PaymentPhase::Exiting(_) => DeclineReason::Cancelled,
    };
    let (left, right) = (channel.left, channel.right);
    let right_declined =
        channel.declined_by.get(channel.right_neighbour()).copied().unwrap_or_default();
    if let Some(hop) = right.filter(|_| right_declined) {
        release(draft, id, hop);
    }
    if draft.payment(id).is_some_and(|channel| may_release_left(draft, channel)) {
        tell_left(draft, id, reason);
        if let Some(hop) = left {
            release(draft, id, hop);
        }
    }
    let locked = |hop: ChannelId| draft.ledger(hop).is_some_and(|l| l.may_guarantee(id));
    if !left.into_iter().chain(right).any(locked) {
        draft.complete(ObjectiveId::VirtualDefund(id));
        draft.archive_payment(id);
    }
}

fn tell_left(draft: &mut Draft<'_>, id: ChannelId, reason: DeclineReason) {
    let Some(channel) = draft.payment(id).filter(|channel| !channel.decline_sent_left) else {
        return;
    };
    let left = usize::from(channel.me)
        .checked_sub(1)
        .and_then(|index| channel.fixed.participants.get(index).copied());
    if let Some(channel) = draft.payment_mut(id) {
        channel.decline_sent_left = true;
    }
    if let Some(left) = left {
        let objective = ObjectiveId::VirtualFund(id);
        draft.send(left, &Message::Decline { objective, reason });
    }
}
