//! What peers say about ledger channels.

use crate::draft::Draft;
use crate::effect::{Offence, Update};
use crate::ledger::{
    CallState, Change, ChannelMode, Closing, Guarantee, Ledger, LedgerPhase, RefusalReason, Side,
};
use crate::objectives::{
    DeclineReason, WaitingFor, cancel, direct_fund_declined, give_up_direct_fund, left_side,
    propose, share, start_direct_defund,
};
use crate::payment::{FinalState, PaymentPhase, is_complete};
use crate::state::{Deployment, FixedPart};
use crate::types::{Address, Amount, Asset, ChannelId, ObjectiveId, TurnNumber};
use crate::wire::{Evidence, Message, Seal};

/// A peer wants a ledger with us. Everything is checked before anything is signed (gap S16).
pub(super) fn open(
    draft: &mut Draft<'_>,
    from: Address,
    fixed: FixedPart,
    asset: Asset,
    [leader, follower]: [Amount; 2],
    seal: Seal,
) {
    let id = fixed.channel_id();
    if draft.is_taken(id) {
        return;
    }
    let objective = ObjectiveId::DirectFund(id);
    let mut ledger = Ledger::new(fixed, asset, Side::Follower, leader, follower);
    if ledger.fixed.participants != [from, draft.me()] || from == draft.me() {
        return draft.report(from, Offence::NotAllowed);
    }
    if !seal.proves(ledger.prefund_hash(), from) {
        return draft.report(from, Offence::BadSignature);
    }
    let judged = match draft.answer_to(id) {
        Some(reason) => Err(reason),
        None => judge(draft, &ledger).inspect_err(|reason| {
            // Where there is no room the next one who asks is judged anew: there is only one.
            let _ = draft.remember(id, from, *reason);
        }),
    };
    if let Err(reason) = judged {
        return draft.answer(&Message::Decline { objective, reason });
    }
    if let Some(own) = crossing(draft, &ledger).map(|own| own.id) {
        give_up_direct_fund(draft, own, DeclineReason::LedgerOpening(id));
    }
    let mine = Seal::sign(ledger.prefund_hash(), draft.signer);
    ledger.prefund = [Some(seal.signature), Some(mine.signature)];
    draft.insert_ledger(ledger);
    let timeout = draft.policy.ledger_deposit_timeout.min(draft.policy.ledger_funding_timeout);
    draft.start_objective(objective, WaitingFor::CompleteFunding, timeout);
    draft.send(from, &Message::LedgerPrefund { ledger: id, seal: mine });
}

fn judge(draft: &Draft<'_>, ledger: &Ledger) -> Result<(), DeclineReason> {
    let (fixed, policy) = (&ledger.fixed, draft.policy);
    if !draft.deployment.owns(fixed.nonce) || fixed.app != draft.deployment.consensus_app {
        return Err(DeclineReason::WrongDeployment);
    }
    if !policy.allows_challenge_duration(fixed.challenge_duration) {
        return Err(DeclineReason::ChallengeDuration);
    }
    if ledger.agreed.total().is_none_or(|total| total.is_zero()) {
        return Err(DeclineReason::Amounts);
    }
    if !policy.allows_peer_deposit(ledger.asset, ledger.agreed.follower) {
        return Err(DeclineReason::Deposit);
    }
    let instead = crossing(draft, ledger);
    match draft.ledger_with(ledger.peer(), ledger.asset) {
        Some(_) if instead.is_some() => {}
        Some(other) if other.phase == LedgerPhase::Opening => {
            return Err(DeclineReason::LedgerOpening(other.id));
        }
        Some(_) => return Err(DeclineReason::LedgerExists),
        None => {}
    }
    let deposits = !ledger.agreed.follower.is_zero();
    if !deposits && !policy.knows(ledger.asset) {
        return Err(DeclineReason::UnknownAsset);
    }
    if deposits && !Deployment::may_deposit(fixed.nonce) {
        return Err(DeclineReason::Nonce);
    }
    draft.check_opening(ledger.peer())?;
    draft.check_deposit_for_peer(ledger, instead)
}

/// The opening of this node's own that gives way to the one of the peer. Where both ask at the same
/// time, each hears of the other's ledger before its own is agreed to; the opening of the lower
/// address is the one that both go on with. A peer that has agreed already wants ours.
fn crossing<'a>(draft: &'a Draft<'_>, theirs: &Ledger) -> Option<&'a Ledger> {
    let gives_way = theirs.peer() < draft.me();
    draft.ledger_with(theirs.peer(), theirs.asset).filter(|own| {
        gives_way
            && own.phase == LedgerPhase::Opening
            && own.me == Side::Leader
            && own.prefund.iter().any(Option::is_none)
            && own.call == CallState::None
    })
}

/// A ledger of ours with `from`, or nothing: strangers have no say (gap S10).
fn shared<'a>(draft: &'a Draft<'_>, from: Address, id: ChannelId) -> Option<&'a Ledger> {
    draft.ledger(id).filter(|ledger| ledger.peer() == from)
}

/// The follower's prefund signature.
pub(super) fn prefund(draft: &mut Draft<'_>, from: Address, id: ChannelId, seal: Seal) {
    // What is signed here is the content of the opening, which is another one afterwards.
    let expected = |ledger: &&Ledger| ledger.me == Side::Leader && !ledger.has_opened();
    let Some(ledger) = shared(draft, from, id).filter(expected) else { return };
    if !seal.proves(ledger.prefund_hash(), from) {
        return draft.report(from, Offence::BadSignature);
    }
    if ledger.prefund[1].is_none()
        && let Some(ledger) = draft.ledger_mut(id)
    {
        ledger.prefund[1] = Some(seal.signature);
    }
}

/// The peer sees all deposits.
pub(super) fn postfund(draft: &mut Draft<'_>, from: Address, id: ChannelId, seal: Seal) {
    let Some(ledger) =
        shared(draft, from, id).filter(|ledger| ledger.phase == LedgerPhase::Opening)
    else {
        return;
    };
    let theirs = ledger.me.other().index();
    if !seal.proves(ledger.agreed_hash(), from) {
        return draft.report(from, Offence::BadSignature);
    }
    if let Some(entry) = draft.ledger_mut(id).and_then(|ledger| ledger.signatures.get_mut(theirs)) {
        *entry = Some(seal.signature);
    }
}

/// The peer gives the opening up. Also counts when this side has done so as well.
pub(super) fn declined(draft: &mut Draft<'_>, from: Address, id: ChannelId, reason: DeclineReason) {
    let opening = |ledger: &Ledger| !ledger.has_opened() && !ledger.is_exiting();
    if shared(draft, from, id).is_some_and(opening) {
        direct_fund_declined(draft, id, from, reason);
    }
}

/// The peer closes the ledger. Only the agreed outcome can be meant: the hash says so (gap S2).
pub(super) fn close(
    draft: &mut Draft<'_>,
    from: Address,
    id: ChannelId,
    turn: TurnNumber,
    seal: Seal,
) {
    let Some(ledger) = shared(draft, from, id) else { return };
    let objective = ObjectiveId::DirectDefund(id);
    if ledger.status().mode != ChannelMode::Open {
        return;
    }
    if !ledger.agreed.guarantees.is_empty() {
        let reason = DeclineReason::GuaranteesRunning;
        return draft.send(from, &Message::Decline { objective, reason });
    }
    let hash = ledger.final_state(turn).hash(id);
    // A turn that was passed is of a close that was declined, and comes again late.
    let is_late = turn <= ledger.agreed.turn;
    if is_late || ledger.is_too_far(turn) || !seal.proves(hash, from) {
        if !is_late {
            draft.report(from, Offence::BadSignature);
        }
        let reason = DeclineReason::State;
        return draft.send(from, &Message::Decline { objective, reason });
    }
    // An older final state than ours: the peer will join ours.
    if ledger.closing.is_some_and(|closing| closing.turn > turn) {
        return;
    }
    let (theirs, opening) = (ledger.me.other().index(), ledger.phase == LedgerPhase::Opening);
    if let Some(ledger) = draft.ledger_mut(id) {
        let mut closing = ledger
            .closing
            .filter(|closing| closing.hash == hash)
            .unwrap_or(Closing { turn, hash, signatures: [None; 2] });
        if let Some(entry) = closing.signatures.get_mut(theirs) {
            *entry = Some(seal.signature);
        }
        ledger.closing = Some(closing);
    }
    if opening {
        draft.decline(ObjectiveId::DirectFund(id), from, DeclineReason::Cancelled);
    }
    start_direct_defund(draft, id);
}

/// A leader's proposal, as it arrives.
pub(super) struct Proposal {
    pub(super) turn: TurnNumber,
    pub(super) parent: TurnNumber,
    pub(super) change: Change,
    pub(super) seal: Seal,
    pub(super) evidence: Evidence,
}

/// The leader proposes; it is answered at once, so no proposal waits behind another (gap L5).
pub(super) fn proposed(draft: &mut Draft<'_>, from: Address, id: ChannelId, proposal: &Proposal) {
    let Some(ledger) = shared(draft, from, id) else { return };
    if ledger.me != Side::Follower {
        return draft.report(from, Offence::NotAllowed);
    }
    if !ledger.expects(proposal.turn, proposal.parent) {
        return;
    }
    if !proposal.seal.proves(proposal.seal.hash, from) {
        return draft.report(from, Offence::BadSignature);
    }
    let refused = ledger.was_refused(proposal.turn, proposal.seal.hash);
    let answer = match expected(draft, id, proposal) {
        Err(reason) => Err(reason),
        // It comes once more, and would be agreed to by now: the refusal that went out stands.
        Ok(()) if refused => return,
        Ok(()) => {
            let signer = draft.signer;
            let Some(ledger) = draft.ledger_mut(id) else { return };
            let Proposal { turn, change, seal, .. } = proposal;
            ledger.countersign(*turn, change, seal.hash, seal.signature, signer)
        }
    };
    let turn = proposal.turn;
    match answer {
        Ok(signature) => {
            let seal = Seal::new(proposal.seal.hash, signature, draft.me());
            draft.send(from, &Message::Countersign { ledger: id, turn, seal });
            proposal.change.target().into_iter().for_each(|target| draft.touch(target));
        }
        Err(reason) => {
            if let Some(ledger) = draft.ledger_mut(id) {
                ledger.refuse(turn, proposal.seal.hash);
            }
            draft.send(from, &Message::Refuse { ledger: id, turn, reason });
        }
    }
}

/// Does the payment channel call for this change? The evidence may complete what we have seen.
fn expected(
    draft: &mut Draft<'_>,
    ledger: ChannelId,
    proposal: &Proposal,
) -> Result<(), RefusalReason> {
    // That nothing changes calls for nothing.
    let Some(target) = proposal.change.target() else { return Ok(()) };
    let channel = draft.payment(target).ok_or(RefusalReason::NotExpected)?;
    if channel.left != Some(ledger) && channel.right != Some(ledger) {
        return Err(RefusalReason::NotExpected);
    }
    match proposal.change {
        Change::Add { guarantee, left_deposit, .. } => {
            expected_add(draft, ledger, target, guarantee, left_deposit, &proposal.evidence)
        }
        Change::Remove { left_amount, .. } => {
            expected_remove(draft, ledger, target, left_amount, &proposal.evidence)
        }
        Change::Keep => Ok(()),
    }
}

fn expected_add(
    draft: &mut Draft<'_>,
    ledger_id: ChannelId,
    target: ChannelId,
    guarantee: Guarantee,
    left_deposit: Amount,
    evidence: &Evidence,
) -> Result<(), RefusalReason> {
    let Some((channel, ledger)) = draft.payment(target).zip(draft.ledger(ledger_id)) else {
        return Err(RefusalReason::NotExpected);
    };
    if channel.phase != PaymentPhase::Funding {
        return Err(RefusalReason::NotExpected);
    }
    if !evidence.proves(channel.prefund_hash(), &channel.fixed.participants) {
        return Err(RefusalReason::Evidence);
    }
    let wanted = Guarantee { amount: channel.capacity, left: left_side(channel, ledger) };
    if guarantee != wanted || left_deposit != channel.capacity {
        return Err(RefusalReason::NotExpected);
    }
    if ledger.agreed.guarantees.len() >= draft.policy.max_guarantees {
        return Err(RefusalReason::TooManyGuarantees);
    }
    if !is_complete(&channel.prefund)
        && let Some(channel) = draft.payment_mut(target)
    {
        channel.prefund = evidence.signatures.iter().copied().map(Some).collect();
    }
    Ok(())
}

fn expected_remove(
    draft: &mut Draft<'_>,
    ledger_id: ChannelId,
    target: ChannelId,
    left_amount: Amount,
    evidence: &Evidence,
) -> Result<(), RefusalReason> {
    let Some(channel) = draft.payment(target) else { return Err(RefusalReason::NotExpected) };
    let paid = channel.capacity.checked_sub(left_amount).ok_or(RefusalReason::NotExpected)?;
    // Everyone's signature, ours among them, counts whatever else was said before.
    if evidence.proves(channel.final_hash(paid), &channel.fixed.participants) {
        let signatures = evidence.signatures.iter().copied().map(Some).collect();
        if let Some(channel) = draft.payment_mut(target) {
            channel.final_state = Some(FinalState { paid, signatures });
            if !matches!(channel.phase, PaymentPhase::Exiting(_)) {
                channel.phase = PaymentPhase::Closing;
            }
        }
    }
    if share(draft, target, ledger_id) == Some(paid) {
        Ok(())
    } else {
        Err(RefusalReason::NotExpected)
    }
}

/// The follower agrees.
pub(super) fn countersign(
    draft: &mut Draft<'_>,
    from: Address,
    id: ChannelId,
    turn: TurnNumber,
    seal: Seal,
) {
    // What arrives during an exit would make this node answer its own challenge, once for each
    // proposal that the follower has kept for it: it counts when it is shown on chain.
    let expected = |ledger: &Ledger| ledger.me == Side::Leader && !ledger.is_exiting();
    if !shared(draft, from, id).is_some_and(expected) {
        return;
    }
    if !seal.proves(seal.hash, from) {
        return draft.report(from, Offence::BadSignature);
    }
    let Some(ledger) = draft.ledger_mut(id) else { return };
    let withdrawn = ledger.withdrawn.clone();
    let given_back = ledger.given_back.clone();
    let changes = ledger.countersigned(turn, seal.hash, seal.signature);
    // What was refused before it may be done with.
    withdrawn.iter().for_each(|(_, target)| draft.touch(*target));
    given_back.keys().for_each(|target| draft.touch(*target));
    changes.iter().filter_map(Change::target).for_each(|target| draft.touch(target));
    draft.touch_waiting(id);
}

/// The follower does not agree: what was refused is given up, what was built on it is proposed
/// again under turns that were never signed.
pub(super) fn refuse(
    draft: &mut Draft<'_>,
    from: Address,
    id: ChannelId,
    turn: TurnNumber,
    reason: RefusalReason,
) {
    if shared(draft, from, id).is_none_or(|ledger| ledger.me != Side::Leader) {
        return;
    }
    let Some(ledger) = draft.ledger_mut(id) else { return };
    let changes = ledger.refused(turn);
    for (position, change) in changes.into_iter().enumerate() {
        match change {
            Change::Add { target, .. } if position == 0 => {
                refuse_addition(draft, target, reason);
            }
            // A removal that is refused leaves the guarantee as it is.
            Change::Remove { target, .. } if position == 0 => {
                put_off(draft, id, Some(target), reason);
                draft.defer(target, true);
            }
            Change::Keep if position == 0 => put_off(draft, id, None, reason),
            Change::Add { target, .. } | Change::Remove { target, .. } => draft.touch(target),
            Change::Keep => {}
        }
    }
    tie_up(draft, id);
}

/// The follower does not agree to what must come one day. Whatever it says, it may see the chain, or
/// the end of a payment channel, a moment later than we do: no refusal is its last word. Asked again at
/// once it would say the same.
fn put_off(draft: &mut Draft<'_>, id: ChannelId, target: Option<ChannelId>, reason: RefusalReason) {
    let now = draft.now;
    let subject = target.filter(|_| reason != RefusalReason::NotUsable);
    let Some(again) = draft.ledger_mut(id).map(|ledger| ledger.put_off(subject, now)) else {
        return;
    };
    draft.notify(Update::NotAgreed { ledger: id, channel: target, reason, again });
}

/// The follower has our signature on what was given up. Once a later state is agreed, nobody can
/// show it any more, and what it would have guaranteed is done with.
pub(super) fn tie_up(draft: &mut Draft<'_>, id: ChannelId) {
    draft.settle();
    let due = |ledger: &Ledger| ledger.has_loose_ends() && ledger.may_ask(&Change::Keep);
    if draft.ledger(id).is_some_and(due) {
        let _ = propose(draft, id, Change::Keep, Evidence::default());
    }
}

fn refuse_addition(draft: &mut Draft<'_>, target: ChannelId, reason: RefusalReason) {
    let Some(phase) = draft.payment(target).map(|channel| channel.phase) else { return };
    if phase != PaymentPhase::Funding {
        return draft.touch(target);
    }
    let reason = match reason {
        RefusalReason::InsufficientFunds => DeclineReason::InsufficientFunds,
        RefusalReason::TooManyGuarantees => DeclineReason::Busy,
        RefusalReason::NotUsable => DeclineReason::LedgerNotUsable,
        RefusalReason::NotExpected | RefusalReason::Evidence | RefusalReason::Invalid => {
            DeclineReason::State
        }
    };
    let me = draft.me();
    cancel(draft, target, me, reason);
}
