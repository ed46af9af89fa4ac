//! What peers say about payment channels.

use crate::draft::Draft;
use crate::effect::Offence;
use crate::ledger::Ledger;
use crate::objectives::{
    DeclineReason, ExitReason, WaitingFor, adopt_final, cancel, enter_payment_exit, sign_final,
};
use crate::payment::{PaymentChannel, PaymentPhase, Role};
use crate::state::FixedPart;
use crate::types::{Address, Amount, Asset, ChannelId, ObjectiveId};
use crate::wire::{Message, Seal};

/// A participant wants, or joins, a payment channel. Creates it here when it is new.
pub(super) fn open(
    draft: &mut Draft<'_>,
    from: Address,
    fixed: FixedPart,
    asset: Asset,
    capacity: Amount,
    payer: Seal,
    seal: Seal,
) {
    let id = fixed.channel_id();
    let Some(sender) = fixed.index_of(from) else {
        return draft.report(from, Offence::NotAllowed);
    };
    if draft.payment(id).is_none() {
        if draft.is_taken(id) {
            return;
        }
        let Some(mut channel) = place(draft, fixed, asset, capacity) else {
            return draft.report(from, Offence::NotAllowed);
        };
        // Before anything is said or written: words that nobody has signed cost nothing to make.
        let hash = channel.prefund_hash();
        if !payer.proves(hash, channel.payer()) || !seal.proves(hash, from) {
            return draft.report(from, Offence::BadSignature);
        }
        let objective = ObjectiveId::VirtualFund(id);
        if let Some(reason) = draft.answer_to(id) {
            return draft.answer(&Message::Decline { objective, reason });
        }
        if let Err(reason) = judge(draft, &mut channel) {
            // What cannot be remembered is not said: it might be joined when the next one asks.
            if draft.remember(id, from, reason) {
                draft.answer(&Message::Decline { objective, reason });
            }
            return;
        }
        let mine = Seal::sign(hash, draft.signer);
        join(draft, channel, payer, mine);
    }
    let Some(channel) = draft.payment(id) else { return };
    if (channel.asset, channel.capacity) != (asset, capacity) {
        let other = PaymentChannel { asset, capacity, ..channel.clone() };
        return other_terms(draft, from, &other, payer);
    }
    if !seal.proves(channel.prefund_hash(), from) {
        return draft.report(from, Offence::BadSignature);
    }
    if channel.prefund.get(sender).is_some_and(Option::is_none)
        && let Some(entry) =
            draft.payment_mut(id).and_then(|channel| channel.prefund.get_mut(sender))
    {
        *entry = Some(seal.signature);
    }
}

/// A known channel with another capacity or asset, which are no part of its id. Whoever passes on
/// what the payer has signed did nothing wrong; the payer signed both.
fn other_terms(draft: &mut Draft<'_>, from: Address, other: &PaymentChannel, payer: Seal) {
    if !payer.proves(other.prefund_hash(), other.payer()) {
        return draft.report(from, Offence::BadSignature);
    }
    draft.report(other.payer(), Offence::Equivocation);
    // Not everyone has signed the same, so that nobody can have funded it.
    if other.phase == PaymentPhase::Funding && !other.postfund_signed() {
        let me = draft.me();
        cancel(draft, other.id, me, DeclineReason::Equivocation);
    }
}

/// The channel that others want, unless this node has no place in it.
fn place(
    draft: &Draft<'_>,
    fixed: FixedPart,
    asset: Asset,
    capacity: Amount,
) -> Option<PaymentChannel> {
    let me = fixed.index_of(draft.me()).filter(|me| *me > 0)?;
    let repeated = fixed.participants.iter().enumerate().any(|(index, address)| {
        address.is_zero() || fixed.participants.iter().take(index).any(|other| other == address)
    });
    // Whoever sends to everyone on an endless list is used to flood them.
    let crowded = fixed.participants.len() > draft.policy.max_participants;
    let me = u8::try_from(me).ok().filter(|_| !repeated && !crowded)?;
    Some(PaymentChannel::new(fixed, asset, capacity, me))
}

/// Checks everything before anything is signed (gaps S4, S5, S6), and finds the two ledgers.
fn judge(draft: &Draft<'_>, channel: &mut PaymentChannel) -> Result<(), DeclineReason> {
    let fixed = &channel.fixed;
    if !draft.deployment.owns(fixed.nonce) || fixed.app != draft.deployment.payment_app {
        return Err(DeclineReason::WrongDeployment);
    }
    if !draft.policy.allows_challenge_duration(fixed.challenge_duration) {
        return Err(DeclineReason::ChallengeDuration);
    }
    if channel.capacity.is_zero() {
        return Err(DeclineReason::Amounts);
    }
    if !draft.has_room_for(&channel.others().collect::<Vec<_>>()) {
        return Err(DeclineReason::Busy);
    }
    let me = usize::from(channel.me);
    let hop = |index: Option<usize>| -> Result<Option<&Ledger>, DeclineReason> {
        let Some(peer) = index.and_then(|index| fixed.participants.get(index)) else {
            return Ok(None);
        };
        let ledger = draft.ledger_with(*peer, channel.asset).ok_or(DeclineReason::NoLedger)?;
        if ledger.is_usable() { Ok(Some(ledger)) } else { Err(DeclineReason::LedgerNotUsable) }
    };
    let (left, right) = (hop(me.checked_sub(1))?, hop(me.checked_add(1))?);
    let short = |ledger: &Ledger, side| ledger.available(side) < channel.capacity;
    if left.is_some_and(|ledger| short(ledger, ledger.me.other()))
        || right.is_some_and(|ledger| short(ledger, ledger.me))
    {
        return Err(DeclineReason::InsufficientFunds);
    }
    let longest = left.iter().chain(&right).map(|ledger| ledger.fixed.challenge_duration).min();
    if longest.is_some_and(|longest| fixed.challenge_duration > longest) {
        return Err(DeclineReason::ChallengeAboveLedger);
    }
    draft.check_funding(left.map(|ledger| ledger.id))?;
    draft.check_reserve_for_peer(0, 1)?;
    if channel.capacity < draft.least_capacity(channel.asset, left.into_iter().chain(right)) {
        return Err(DeclineReason::Capacity);
    }
    let (left, right) = (left.map(|ledger| ledger.id), right.map(|ledger| ledger.id));
    (channel.left, channel.right) = (left, right);
    Ok(())
}

/// Takes part in a channel: stores it with the payer's and our signature, and tells everyone.
pub(super) fn join(draft: &mut Draft<'_>, mut channel: PaymentChannel, payer: Seal, mine: Seal) {
    let (id, me) = (channel.id, usize::from(channel.me));
    for (index, seal) in [(0, payer), (me, mine)] {
        if let Some(entry) = channel.prefund.get_mut(index) {
            *entry = Some(seal.signature);
        }
    }
    let message = Message::OpenPayment {
        fixed: channel.fixed.clone(),
        asset: channel.asset,
        capacity: channel.capacity,
        payer,
        seal: mine,
    };
    let others: Vec<Address> = channel.others().collect();
    draft.insert_payment(channel);
    let timeout = draft.policy.payment_funding_timeout;
    draft.start_objective(ObjectiveId::VirtualFund(id), WaitingFor::CompletePrefund, timeout);
    draft.send_all(others, &message);
}

/// A channel of ours in which `from` takes part, with its position; strangers have no say (S10).
fn shared<'a>(
    draft: &'a Draft<'_>,
    from: Address,
    id: ChannelId,
) -> Option<(&'a PaymentChannel, usize)> {
    let channel = draft.payment(id)?;
    Some((channel, channel.fixed.index_of(from)?))
}

/// A participant's ledgers guarantee the channel.
pub(super) fn postfund(draft: &mut Draft<'_>, from: Address, id: ChannelId, seal: Seal) {
    let Some((channel, sender)) = shared(draft, from, id) else { return };
    if !seal.proves(channel.postfund_hash(), from) {
        return draft.report(from, Offence::BadSignature);
    }
    if channel.postfund.get(sender).is_some_and(Option::is_none)
        && let Some(entry) =
            draft.payment_mut(id).and_then(|channel| channel.postfund.get_mut(sender))
    {
        *entry = Some(seal.signature);
    }
}

/// A participant gives the opening up. That binds nobody who has seen the channel open.
pub(super) fn declined(draft: &mut Draft<'_>, from: Address, id: ChannelId, reason: DeclineReason) {
    let Some((channel, sender)) = shared(draft, from, id) else { return };
    let (phase, role) = (channel.phase, channel.role());
    // A relay counts as open once it has signed that its ledgers are funded.
    let opened = phase == PaymentPhase::Open && role != Role::Relay;
    if opened {
        return;
    }
    if let Some(entry) =
        draft.payment_mut(id).and_then(|channel| channel.declined_by.get_mut(sender))
    {
        *entry = true;
    }
    // A final state that was begun meanwhile counts only if everyone signs it.
    if matches!(phase, PaymentPhase::Funding | PaymentPhase::Open) {
        cancel(draft, id, from, reason);
    }
}

/// A participant asks the payer to close.
pub(super) fn request_final(draft: &mut Draft<'_>, from: Address, id: ChannelId) {
    let Some((channel, _)) = shared(draft, from, id) else { return };
    let closable = match channel.phase {
        PaymentPhase::Open => true,
        // The others may have opened it: closing it for good serves everyone.
        PaymentPhase::Funding | PaymentPhase::Cancelled(_) => channel.postfund_signed(),
        PaymentPhase::Closing | PaymentPhase::Exiting(_) => false,
    };
    if channel.role() != Role::Payer {
        return draft.report(from, Offence::NotAllowed);
    }
    let unfunded = channel.phase == PaymentPhase::Funding && !channel.postfund_signed();
    if closable {
        draft.decline(ObjectiveId::VirtualFund(id), from, DeclineReason::Cancelled);
        sign_final(draft, id);
    } else if unfunded {
        // Nobody has opened it, and whoever asks is about to leave.
        let me = draft.me();
        cancel(draft, id, me, DeclineReason::Cancelled);
    }
}

/// A participant has signed the payer's final state.
pub(super) fn finalize(
    draft: &mut Draft<'_>,
    from: Address,
    id: ChannelId,
    paid: Amount,
    payer: Seal,
    seal: Seal,
) {
    let Some((channel, sender)) = shared(draft, from, id) else { return };
    let hash = channel.final_hash(paid);
    if paid > channel.capacity || !payer.proves(hash, channel.payer()) || !seal.proves(hash, from) {
        return draft.report(from, Offence::BadSignature);
    }
    let agreed = channel.final_state.as_ref().map(|state| state.paid);
    let role = channel.role();
    let fresh = match (agreed, channel.phase) {
        // Two final states of one payer: the first one counts (gap C4). Whoever passes the other one
        // on may know no better.
        (Some(agreed), _) if agreed != paid => {
            let payer = channel.payer();
            return draft.report(payer, Offence::NotAllowed);
        }
        (Some(_), _) => false,
        // Only the payer makes a final state.
        (None, _) if role == Role::Payer => return draft.report(from, Offence::NotAllowed),
        (None, PaymentPhase::Open) => true,
        // The payer closes before our ledgers are funded, so nobody has opened the channel. To sign
        // later would be too late: the signatures that come now would be missing.
        (None, PaymentPhase::Funding) if !channel.postfund_signed() => {
            let me = draft.me();
            return cancel(draft, id, me, DeclineReason::Cancelled);
        }
        // Also once a participant has said that it will not open: payer and payee may have opened
        // it, and nothing on our left is given back before everything on our right is.
        (None, PaymentPhase::Funding | PaymentPhase::Cancelled(_)) => channel.postfund_signed(),
        // What everyone signs ends a dispute at once; this node's part comes by the chain.
        (None, PaymentPhase::Closing | PaymentPhase::Exiting(_)) => false,
    };
    if fresh {
        let received = draft.paid(id).map(|paid| paid.total).unwrap_or_default();
        if role == Role::Payee && paid < received {
            let (objective, reason) =
                (ObjectiveId::VirtualDefund(id), DeclineReason::BelowVouchers);
            // A relay passes on what the payer has signed, and has never seen a voucher.
            let (payer, others) = (channel.payer(), channel.others().collect::<Vec<_>>());
            draft.report(payer, Offence::BadVoucher);
            draft.send_all(others, &Message::Decline { objective, reason });
            return enter_payment_exit(draft, id, ExitReason::Cheated);
        }
        draft.decline(ObjectiveId::VirtualFund(id), from, DeclineReason::Cancelled);
        adopt_final(draft, id, paid, payer);
    }
    if let Some(state) = draft.payment_mut(id).and_then(|channel| channel.final_state.as_mut())
        && let Some(entry) = state.signatures.get_mut(sender)
        && entry.is_none()
    {
        *entry = Some(seal.signature);
    }
}

/// A participant does not close as asked. Signed final states stay signed; the objective ends, so
/// that whoever waits for it hears why.
pub(super) fn close_declined(
    draft: &mut Draft<'_>,
    from: Address,
    objective: ObjectiveId,
    reason: DeclineReason,
) {
    let id = objective.channel();
    let allowed = shared(draft, from, id).is_some()
        || draft.ledger(id).is_some_and(|ledger| ledger.peer() == from);
    if allowed {
        draft.decline(objective, from, reason);
    }
}
