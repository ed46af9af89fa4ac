//! Payments: the hot path. One row, one message, one signature.

use std::collections::BTreeMap;

use crate::crypto::Signature;
use crate::draft::Draft;
use crate::effect::{Offence, Response, Update};
use crate::error::RequestError;
use crate::objectives::is_worth_enforcing;
use crate::payment::{PaymentChannel, PaymentPhase, Role};
use crate::step::Paid;
use crate::types::{Address, Amount, ChannelId};
use crate::vouchers::{self, Voucher, VoucherError};
use crate::wire::{Envelope, Message};

/// Vouchers that may wait for a payee with the list of their payments; later ones come without.
const MOST_LISTED: u64 = 1_000;

/// Pays by a message to the payee, which leaves once all payments of the input are known.
pub(super) fn pay(
    draft: &mut Draft<'_>,
    channel: ChannelId,
    amount: Amount,
) -> Result<Response, RequestError> {
    let payee = draft
        .payment(channel)
        .map(PaymentChannel::payee)
        .ok_or(RequestError::UnknownPayment(channel))?;
    let waiting = draft.backlog(payee);
    if waiting >= draft.policy.max_backlog {
        return Err(RequestError::Backlog { peer: payee, waiting });
    }
    let (total, remaining) = spend(draft, channel, amount)?;
    let voucher = draft.paid(channel).and_then(|paid| paid.voucher);
    draft.set_paid(channel, Paid { total, voucher });
    draft.pay(channel, amount);
    Ok(Response::Paid { total, remaining })
}

/// Signs one voucher for all payments of the input over one channel, and sends it.
pub(super) fn hand_over(draft: &mut Draft<'_>) {
    for (id, payments) in draft.take_paying() {
        let Some(payee) = draft.payment(id).map(PaymentChannel::payee) else { continue };
        let total = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
        let voucher = Voucher::sign(id, total, draft.signer);
        draft.set_paid(id, Paid { total, voucher: Some(voucher) });
        // Behind a payee that does not answer, the list would make the outbox grow with each payment.
        let payments = if draft.backlog(payee) > MOST_LISTED { Vec::new() } else { payments };
        draft.send(payee, &Message::Voucher { voucher, payments, signer: draft.me() });
    }
}

/// Pays unless it was paid: the total tells. Two payments that should lead to one total are one.
/// Who asks again wants to know whether it is credited, so the payee is asked again.
pub(super) fn pay_to(
    draft: &mut Draft<'_>,
    channel: ChannelId,
    amount: Amount,
    total: Amount,
) -> Result<Response, RequestError> {
    let known = draft.payment(channel).ok_or(RequestError::UnknownPayment(channel))?;
    if known.role() != Role::Payer {
        return Err(RequestError::NotPayer(channel));
    }
    if amount.is_zero() {
        return Err(VoucherError::Zero.into());
    }
    let (payee, capacity) = (known.payee(), known.capacity);
    let is_open = known.phase == PaymentPhase::Open;
    let Paid { total: paid, voucher } = draft.paid(channel).unwrap_or_default();
    if paid == total && !total.is_zero() {
        if let Some(voucher) = voucher
            && is_open
            && !draft.is_paying(channel)
            && draft.backlog(payee) == 0
        {
            let signer = draft.me();
            draft.send(payee, &Message::Voucher { voucher, payments: Vec::new(), signer });
        }
        return Ok(Response::PaidBefore { total, remaining: capacity.saturating_sub(total) });
    }
    if paid.checked_add(amount) == Some(total) {
        return pay(draft, channel, amount);
    }
    Err(RequestError::UnexpectedTotal { paid, amount, total })
}

/// Pays by a voucher that the application hands over itself.
pub(super) fn create(
    draft: &mut Draft<'_>,
    channel: ChannelId,
    amount: Amount,
) -> Result<Response, RequestError> {
    let (total, _) = spend(draft, channel, amount)?;
    let voucher = Voucher::sign(channel, total, draft.signer);
    draft.set_paid(channel, Paid { total, voucher: Some(voucher) });
    Ok(Response::Voucher { total, delta: amount, voucher })
}

/// The total that a payment leads to, and what is left then.
fn spend(
    draft: &mut Draft<'_>,
    id: ChannelId,
    amount: Amount,
) -> Result<(Amount, Amount), RequestError> {
    let channel = draft.payment(id).ok_or(RequestError::UnknownPayment(id))?;
    if channel.role() != Role::Payer {
        return Err(RequestError::NotPayer(id));
    }
    if channel.phase != PaymentPhase::Open {
        return Err(RequestError::NotOpen(id));
    }
    let capacity = channel.capacity;
    let paid = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
    let total = vouchers::next_total(paid, amount, capacity)?;
    draft.notify(Update::Paid { channel: id, total, delta: amount });
    Ok((total, capacity.saturating_sub(total)))
}

/// Takes a voucher that the application got itself.
pub(super) fn receive(
    draft: &mut Draft<'_>,
    voucher: Voucher,
    signer: Address,
) -> Result<Response, RequestError> {
    let id = voucher.channel;
    let channel = draft.payment(id).ok_or(RequestError::UnknownPayment(id))?;
    if channel.role() != Role::Payee {
        return Err(RequestError::NotPayee(id));
    }
    if channel.phase != PaymentPhase::Open {
        return Err(RequestError::NotOpen(id));
    }
    if let Some(left) = channel.left.filter(|_| !is_backed(draft, id)) {
        return Err(RequestError::LedgerNotUsable(left));
    }
    let delta = credit(draft, voucher, &[], signer)?;
    let total = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
    Ok(Response::Voucher { total, delta, voucher })
}

/// A voucher as a message. Counts only while the channel is open (gap S12): before, the funds are
/// not locked; afterwards, only what the final state pays can be had.
pub(super) fn arrive(
    draft: &mut Draft<'_>,
    from: Address,
    voucher: Voucher,
    payments: &[Amount],
    signer: Address,
) {
    let Some(channel) = draft.payment(voucher.channel) else { return };
    if channel.payer() != from || channel.role() != Role::Payee {
        return draft.report(from, Offence::NotAllowed);
    }
    match channel.phase {
        PaymentPhase::Open if !is_backed(draft, voucher.channel) && signer == from => {
            keep_early(draft, voucher);
        }
        PaymentPhase::Open => {
            if credit(draft, voucher, payments, signer).is_err() {
                draft.report(from, Offence::BadVoucher);
            }
        }
        // The payer may have seen the last postfund signature before we do, and cannot know who has
        // told us meanwhile that it gives the opening up.
        PaymentPhase::Funding | PaymentPhase::Cancelled(_)
            if channel.postfund_signed() && signer == from =>
        {
            keep_early(draft, voucher);
        }
        // The final state came first, from another participant; it pays this voucher, once everyone
        // has signed it or what opened the channel.
        PaymentPhase::Closing if channel.settles(voucher.total) && signer == from => {
            keep_early(draft, voucher);
            draft.touch(voucher.channel);
        }
        // It was on its way when the dispute began, and can still be redeemed with the others.
        PaymentPhase::Exiting(_)
            if channel.may_redeem_more(draft.chain_time())
                && is_worth_enforcing(draft, channel)
                && is_backed(draft, voucher.channel) =>
        {
            if credit(draft, voucher, payments, signer).is_err() {
                draft.report(from, Offence::BadVoucher);
            }
            draft.touch(voucher.channel);
        }
        // Too late, and the payer gets it back: no offence.
        PaymentPhase::Exiting(_) => {}
        PaymentPhase::Funding | PaymentPhase::Closing | PaymentPhase::Cancelled(_) => {
            draft.report(from, Offence::BadVoucher);
        }
    }
}

/// The best voucher total of each channel in a frame.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<ChannelId, Amount>);

impl Shown {
    /// Takes note of a voucher whose payer speaks for itself.
    pub(super) fn note(&mut self, draft: &Draft<'_>, envelope: &Envelope) {
        let Message::Voucher { voucher, .. } = &envelope.message else { return };
        let channel = draft.payment(voucher.channel);
        if channel.is_some_and(|it| it.role() == Role::Payee && it.payer() == envelope.from) {
            let best = self.0.entry(voucher.channel).or_default();
            *best = voucher.total.max(*best);
        }
    }

    /// Says what is credited in these channels, once for each however many vouchers came.
    pub(super) fn answer(self, draft: &mut Draft<'_>) {
        for (channel, shown) in self.0 {
            let message = statement(draft, channel, shown);
            draft.answer(&message);
        }
    }
}

/// What the payee counts, for a payer whose newest voucher is of `shown`.
fn statement(draft: &Draft<'_>, channel: ChannelId, shown: Amount) -> Message {
    let Paid { total, voucher } = draft.paid(channel).unwrap_or_default();
    let proof = voucher.filter(|best| best.total > shown).map(|best| best.signature);
    Message::Credited { channel, total, proof, signer: Address::ZERO }
}

/// The payee says what it counts. More than was paid has been paid by a newer copy of this node:
/// only its own signature is believed, and a payee that has none merely gets no payment through.
pub(super) fn credited(
    draft: &mut Draft<'_>,
    from: Address,
    id: ChannelId,
    total: Amount,
    proof: Option<(Signature, Address)>,
) {
    let Some(channel) = draft.payment(id) else { return };
    if channel.payee() != from || channel.role() != Role::Payer {
        return draft.report(from, Offence::NotAllowed);
    }
    if channel.phase != PaymentPhase::Open {
        return;
    }
    let capacity = channel.capacity;
    let remembered = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
    if total <= remembered {
        return draft.notify(Update::Credited { channel: id, total });
    }
    let proof = proof.filter(|(_, signer)| *signer == draft.me() && total <= capacity);
    if let Some((signature, _)) = proof {
        let voucher = Some(Voucher { channel: id, total, signature });
        draft.set_paid(id, Paid { total, voucher });
    }
    if proof.is_none() {
        // Words cost nothing, and each is told to the owner.
        draft.report(from, Offence::NotAllowed);
    }
    draft.notify(Update::Surpassed { channel: id, remembered, total, proven: proof.is_some() });
}

/// True when the money that a voucher pays is there and stays: a reorganisation may have taken the
/// deposit from under the ledger, and while an opening was given up, this node may have signed that the
/// guarantee goes back, or it has gone back already. Once everyone has signed the final state, it goes
/// by that, since this node signs none while it may go otherwise.
fn is_backed(draft: &Draft<'_>, id: ChannelId) -> bool {
    let Some(channel) = draft.payment(id) else { return false };
    let Some(ledger) = channel.left.and_then(|left| draft.ledger(left)) else { return false };
    ledger.is_covered()
        && match ledger.agreed.guarantees.contains_key(&id) {
            true => !ledger.may_give_back(id),
            false => channel.is_finalized(),
        }
}

/// Keeps the best of the vouchers that cannot be had yet.
fn keep_early(draft: &mut Draft<'_>, voucher: Voucher) {
    let known = draft.payment(voucher.channel).and_then(|channel| channel.early_voucher);
    if known.is_none_or(|known| known.total < voucher.total)
        && let Some(channel) = draft.payment_mut(voucher.channel)
    {
        channel.early_voucher = Some(voucher);
    }
}

/// Credits a voucher that came before it could be had, once it can: whatever others keep back, it is
/// redeemed, or paid by the final state.
pub(crate) fn credit_early(draft: &mut Draft<'_>, id: ChannelId) {
    if !draft.payment(id).is_some_and(PaymentChannel::can_pay_out) || !is_backed(draft, id) {
        return;
    }
    let Some(early) = draft.payment(id).and_then(|channel| channel.early_voucher) else { return };
    let Some(channel) = draft.payment_mut(id) else { return };
    channel.early_voucher = None;
    let payer = channel.payer();
    if credit(draft, early, &[], payer).is_err() {
        return draft.report(payer, Offence::BadVoucher);
    }
    // The frame that carried it was answered before.
    let message = statement(draft, id, early.total);
    draft.send(payer, &message);
}

/// Books a voucher of an open channel, and tells each payment that it adds; returns their sum.
fn credit(
    draft: &mut Draft<'_>,
    voucher: Voucher,
    payments: &[Amount],
    signer: Address,
) -> Result<Amount, VoucherError> {
    let id = voucher.channel;
    let Some(channel) = draft.payment(id) else { return Ok(Amount::ZERO) };
    if signer != channel.payer() {
        return Err(VoucherError::WrongSigner);
    }
    let best = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
    let delta = vouchers::credit(best, voucher.total, channel.capacity)?;
    if !delta.is_zero() {
        let total = voucher.total;
        draft.set_paid(id, Paid { total, voucher: Some(voucher) });
        for (total, delta) in vouchers::added(best, total, payments) {
            draft.notify(Update::Received { channel: id, total, delta });
        }
    }
    Ok(delta)
}
