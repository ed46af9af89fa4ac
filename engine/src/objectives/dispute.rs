//! Enforces a channel on chain when its participants do not agree (docs/adr/0008).
//!
//! A ledger exit registers the newest state that both have signed, together with the payment
//! channels that it guarantees, waits until everything is final, and settles: every guarantee is
//! reclaimed and everybody paid in one call. A payment channel ends with the final state that
//! everyone signed, else with the payee's best voucher. What the chain says decides each step, so
//! a step that was interrupted, or taken back by a reorganisation, is simply due again. What is not
//! worth its price now is looked at again with every block.

use super::release::release;
use super::{DeclineReason, ExitReason, WaitingFor};
use crate::chain::{ChainCall, Challenge, Urgency};
use crate::draft::Draft;
use crate::effect::Update;
use crate::ledger::{CallState, ChannelMode, Ledger, LedgerPhase, WithdrawalTurn};
use crate::payment::{End, PaymentChannel, PaymentPhase, Resolution, is_complete, paid_by};
use crate::policy::{StaleAnswer, gas};
use crate::types::{Amount, Asset, ChannelId, ObjectiveId};

/// Channels in one challenge transaction at most, so that it fits any block.
const MAX_CHALLENGES: usize = 16;

/// Begins to enforce a ledger and what it guarantees. Nothing more is agreed over it.
pub(crate) fn enter_ledger(draft: &mut Draft<'_>, id: ChannelId, reason: ExitReason) {
    let me = draft.me();
    let Some(ledger) = draft.ledger(id) else { return };
    if ledger.is_exiting() {
        return;
    }
    let targets = ledger.targets();
    if let Some(ledger) = draft.ledger_mut(id) {
        ledger.phase = LedgerPhase::Exiting(reason);
        ledger.patience = None;
        ledger.withdrawal = WithdrawalTurn::Unset;
    }
    draft.withdraw_deposit(id);
    for objective in [ObjectiveId::DirectFund(id), ObjectiveId::DirectDefund(id)] {
        draft.decline(objective, me, DeclineReason::Disputed);
    }
    draft.start_exit(ObjectiveId::Exit(id));
    for target in targets {
        enter_payment(draft, target, ExitReason::Ledger(id));
    }
}

/// Begins to enforce a payment channel: no voucher is paid any more.
pub(crate) fn enter_payment(draft: &mut Draft<'_>, id: ChannelId, reason: ExitReason) {
    let me = draft.me();
    let Some(channel) = draft.payment(id) else { return };
    if matches!(channel.phase, PaymentPhase::Exiting(_)) {
        return;
    }
    if let Some(channel) = draft.payment_mut(id) {
        channel.phase = PaymentPhase::Exiting(reason);
        channel.patience = None;
    }
    for objective in [ObjectiveId::VirtualFund(id), ObjectiveId::VirtualDefund(id)] {
        draft.decline(objective, me, DeclineReason::Disputed);
    }
    draft.start_exit(ObjectiveId::Exit(id));
    draft.be_patient(id);
}

/// Somebody has registered a challenge for a ledger of ours.
pub(crate) fn answer(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let stale = is_stale(ledger);
    let lives_on = ledger.phase == LedgerPhase::Open;
    if stale && lives_on && draft.policy.stale_answer == StaleAnswer::Checkpoint {
        return;
    }
    let reason = if stale { ExitReason::Cheated } else { ExitReason::Challenged };
    enter_ledger(draft, id, reason);
}

/// True when the chain would end a ledger with less than its newest agreed state.
fn is_stale(ledger: &Ledger) -> bool {
    let status = ledger.status();
    matches!(status.mode, ChannelMode::Challenge { .. })
        && ledger.supported_turn().is_some_and(|turn| status.turn < turn)
}

/// Answers a stale challenge by showing the newer state, which lets the ledger live on. What has
/// run out can only be settled.
pub(crate) fn crank_checkpoint(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id).filter(|ledger| is_stale(ledger)) else { return };
    let status = ledger.status();
    if status.is_finalized(draft.chain_time()) {
        return enter_ledger(draft, id, ExitReason::Cheated);
    }
    if ledger.call != CallState::None {
        return;
    }
    if let Some(candidate) = ledger.supported() {
        let urgency = urgency(ledger.at_stake(), status.mode);
        let fixed = ledger.fixed.clone();
        draft.submit(ChainCall::Checkpoint { fixed, proof: Vec::new(), candidate, urgency });
    }
}

fn urgency(at_risk: Amount, mode: ChannelMode) -> Urgency {
    let deadline = match mode {
        ChannelMode::Challenge { finalizes_at } => Some(finalizes_at),
        ChannelMode::Open | ChannelMode::Concluded => None,
    };
    Urgency { deadline, at_risk }
}

pub(crate) fn crank_ledger(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::Exit(id);
    let time = draft.chain_time();
    let Some(ledger) = draft.ledger(id) else { return };
    let status = ledger.status();
    if status.is_finalized(time) {
        return settle(draft, id);
    }
    let challenged = matches!(status.mode, ChannelMode::Challenge { .. });
    if ledger.call != CallState::None {
        return draft.wait_for(objective, WaitingFor::Challenge);
    }
    // Nothing was deposited, and nothing of ours is on its way; or everybody was paid.
    let unfunded = !ledger.has_opened() && status.holdings.is_zero() && !challenged;
    if unfunded || status.forgotten {
        draft.complete(objective);
        return draft.archive_ledger(id);
    }
    // One that the contract has refused is no way out, whatever it looks like here.
    let conclusion = ledger.withdrawal_call().filter(|_| ledger.refused_calls == 0);
    if let Some(conclusion) = conclusion {
        draft.wait_for(objective, WaitingFor::Withdraw);
        return draft.submit(conclusion);
    }
    if challenged && !is_stale(ledger) {
        let targets = ledger.targets();
        draft.wait_for(objective, WaitingFor::ChallengeExpiry);
        // Those that did not come along go alone.
        return targets.into_iter().for_each(|target| draft.touch(target));
    }
    // The chain knows a state that this node has never signed: only its owners can go on.
    let behind = ledger.supported_turn().is_none_or(|turn| turn < status.turn);
    draft.wait_for(objective, WaitingFor::Challenge);
    if !behind {
        challenge(draft, id);
    }
}

/// Registers the ledger's newest state and the payment channels under it, the ledger first.
fn challenge(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let Some(own) = ledger.challenge(draft.signer) else { return };
    let urgency = urgency(ledger.at_stake(), ledger.status().mode);
    // Should the contract have refused them all, the ledger goes first and alone.
    let targets: Vec<ChannelId> = match ledger.refused_calls {
        0 => ledger.agreed.guarantees.keys().copied().collect(),
        _ => Vec::new(),
    };
    let under = targets.into_iter().filter_map(|target| payment_challenge(draft, target));
    let challenges: Vec<Challenge> = std::iter::once(own).chain(under).collect();
    for batch in challenges.chunks(MAX_CHALLENGES) {
        draft.submit(ChainCall::Challenge { challenges: batch.to_vec(), urgency });
    }
}

/// The first challenge of a payment channel that nobody has registered and everyone's signature
/// does not end.
fn payment_challenge(draft: &Draft<'_>, id: ChannelId) -> Option<Challenge> {
    let channel = draft.payment(id)?;
    let voucher = draft.best_voucher(id);
    let due = channel.status().mode == ChannelMode::Open
        && channel.call == CallState::None
        && !channel.is_finalized()
        && may_challenge(draft, channel);
    if due { channel.challenge(voucher.as_ref(), draft.signer) } else { None }
}

/// True when the chain would take this node's state of a channel without a challenge, and that is
/// worth it.
fn may_challenge(draft: &Draft<'_>, channel: &PaymentChannel) -> bool {
    let voucher = draft.best_voucher(channel.id);
    channel.enforceable_turn(voucher.as_ref()) >= Some(channel.status().turn)
        && is_worth_enforcing(draft, channel)
}

/// What the user asked for is done whatever it costs.
pub(crate) fn is_worth_enforcing(draft: &Draft<'_>, channel: &PaymentChannel) -> bool {
    channel.phase == PaymentPhase::Exiting(ExitReason::Requested)
        || worth(draft, channel.asset, channel.capacity, gas::PAYMENT)
}

/// True when `amount` is more than what enforcing it costs.
fn worth(draft: &Draft<'_>, asset: Asset, amount: Amount, gas: u64) -> bool {
    draft.policy.is_worth(asset, amount, draft.gas.cost(gas))
}

/// Reclaims and pays a finalized ledger.
fn settle(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::Exit(id);
    let time = draft.chain_time();
    let Some(ledger) = draft.ledger(id) else { return };
    if ledger.call != CallState::None {
        return draft.wait_for(objective, WaitingFor::Withdraw);
    }
    let resolution = |target| draft.payment(target)?.resolution(time);
    let mut missing: Vec<ChannelId> = ledger.finalized_targets();
    missing.retain(|target| resolution(*target).is_none());
    // Nothing runs out: the chain keeps everything until it can be taken at once.
    if missing.iter().any(|target| is_coming(draft, *target)) {
        draft.defer(id, false);
        missing.into_iter().for_each(|target| draft.touch(target));
        return draft.wait_for(objective, WaitingFor::PaymentChannels);
    }
    let (turn, phase, asset) = (ledger.withdrawal, ledger.phase, ledger.asset);
    let settlement = ledger.settlement(&resolution);
    let requested = phase == LedgerPhase::Exiting(ExitReason::Requested);
    let settlement = settlement.filter(|settlement| !draft.policy.is_dust(asset, settlement.gain));
    let Some(settlement) = settlement else { return leave(draft, id, &missing) };
    if !requested && !worth(draft, asset, settlement.gain, settlement.gas) {
        return put_off(draft, id);
    }
    draft.defer(id, false);
    draft.wait_for(objective, WaitingFor::Withdraw);
    // Whoever wanted the ledger closed pays for it; the other helps out after a while (gap S17).
    let theirs = phase == LedgerPhase::Exiting(ExitReason::Challenged);
    match turn {
        WithdrawalTurn::Unset if theirs => {
            let at = draft.now.after(draft.policy.withdrawal_delay);
            if let Some(ledger) = draft.ledger_mut(id) {
                ledger.withdrawal = WithdrawalTurn::After(at);
            }
        }
        WithdrawalTurn::After(_) if theirs => {}
        WithdrawalTurn::Unset | WithdrawalTurn::After(_) | WithdrawalTurn::Due => {
            draft.submit(settlement.call);
        }
    }
}

/// True when a payment channel is on its way to become final on chain.
fn is_coming(draft: &Draft<'_>, id: ChannelId) -> bool {
    draft.payment(id).is_some_and(|channel| {
        channel.status().mode != ChannelMode::Open
            || channel.call != CallState::None
            || channel.is_finalized()
            || may_challenge(draft, channel)
    })
}

/// True when a payment channel that nobody brings to the chain now may still be worth it one day.
fn may_come(draft: &Draft<'_>, id: ChannelId) -> bool {
    draft.payment(id).is_some_and(|channel| !draft.policy.is_dust(channel.asset, channel.capacity))
}

/// Not now: what the chain holds for this node is looked at again with every block.
fn put_off(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let holdings = ledger.status().holdings;
    if !ledger.deferred {
        draft.notify(Update::LeftBehind { channel: id, holdings });
    }
    draft.defer(id, true);
    draft.complete(ObjectiveId::Exit(id));
}

/// Everything that is worth taking is taken. What stays behind is said.
fn leave(draft: &mut Draft<'_>, id: ChannelId, missing: &[ChannelId]) {
    if missing.iter().any(|target| may_come(draft, *target)) {
        return put_off(draft, id);
    }
    let Some(ledger) = draft.ledger(id) else { return };
    let time = draft.chain_time();
    let resolution = |target| draft.payment(target)?.resolution(time);
    let holdings = ledger.status().holdings;
    let owed = !missing.is_empty() || ledger.has_unpaid(&resolution);
    if !holdings.is_zero() && owed && !ledger.deferred {
        draft.notify(Update::LeftBehind { channel: id, holdings });
    }
    draft.complete(ObjectiveId::Exit(id));
    draft.archive_ledger(id);
}

pub(crate) fn crank_payment(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::Exit(id);
    let time = draft.chain_time();
    let Some(channel) = draft.payment(id) else { return };
    let resolved = channel.resolution(time).is_some();
    let hops: Vec<ChannelId> = channel
        .left
        .into_iter()
        .chain(channel.right)
        .filter(|hop| draft.ledger(*hop).is_some_and(|ledger| ledger.guarantees(id, time)))
        .collect();
    if hops.is_empty() {
        draft.complete(objective);
        return draft.archive_payment(id);
    }
    for hop in &hops {
        release(draft, id, *hop);
    }
    if resolved {
        draft.defer(id, false);
        // Ledgers that are being settled may have waited for it.
        hops.iter().for_each(|hop| touch_settling(draft, *hop));
        return draft.wait_for(objective, WaitingFor::Withdraw);
    }
    enforce(draft, id, &hops);
}

fn touch_settling(draft: &mut Draft<'_>, id: ChannelId) {
    let settling = draft.ledger(id).is_some_and(|ledger| {
        ledger.is_exiting()
            && ledger.call == CallState::None
            && ledger.status().is_finalized(draft.chain_time())
    });
    if settling {
        draft.touch(id);
    }
}

/// Brings a payment channel to its end on chain.
fn enforce(draft: &mut Draft<'_>, id: ChannelId, hops: &[ChannelId]) {
    let objective = ObjectiveId::Exit(id);
    let time = draft.chain_time();
    let Some(channel) = draft.payment(id) else { return };
    let status = channel.status();
    if channel.call != CallState::None {
        return draft.wait_for(objective, WaitingFor::Challenge);
    }
    // What is only proposed is not locked yet: the ledger may end without it.
    let locked = hops.iter().any(|hop| is_locked(draft, *hop, id));
    // What everyone has signed is carried out off chain where all ledgers can still be changed.
    let live = hops.iter().all(|hop| draft.ledger(*hop).is_some_and(Ledger::is_usable));
    if !locked || (live && matches!(channel.end(time), End::Agreed(_))) {
        return draft.wait_for(objective, WaitingFor::Withdraw);
    }
    let urgency = urgency(channel.capacity, status.mode);
    let voucher = draft.best_voucher(id);
    let shown = status.registered.as_ref().and_then(|state| paid_by(&state.outcome));
    let challenged = matches!(status.mode, ChannelMode::Challenge { .. });
    let better = match channel.final_state.as_ref().filter(|_| channel.is_finalized()) {
        Some(state) => shown != Some(state.paid),
        None => {
            challenged
                && channel.enforceable_turn(voucher.as_ref()) > Some(status.turn)
                && is_worth_enforcing(draft, channel)
        }
    };
    if challenged && !better {
        // A voucher that is too dear to redeem now may be worth it before the challenge ends.
        let due = channel.enforceable_turn(voucher.as_ref()) > Some(status.turn);
        draft.defer(id, due);
        return draft.wait_for(objective, WaitingFor::ChallengeExpiry);
    }
    // A ledger that is about to be challenged takes the payment channel along.
    let carrier = hops.iter().copied().find(|hop| will_challenge(draft, *hop));
    let registration = |challenge| ChainCall::Challenge { challenges: vec![challenge], urgency };
    let call = match (channel.conclusion(urgency), carrier) {
        (Some(conclusion), _) => Some(conclusion),
        (None, _) if better => channel.challenge(voucher.as_ref(), draft.signer).map(registration),
        (None, Some(_)) => None,
        (None, None) => payment_challenge(draft, id).map(registration),
    };
    // Not worth it now: nothing runs out, and it is looked at again with every block.
    draft.defer(id, call.is_none() && carrier.is_none());
    draft.wait_for(objective, WaitingFor::Challenge);
    match (call, carrier) {
        (Some(call), _) => draft.submit(call),
        (None, Some(ledger)) => draft.touch(ledger),
        (None, None) => draft.complete(objective),
    }
}

/// True when a ledger that lives owes the guarantee, or one that is final on chain does.
fn is_locked(draft: &Draft<'_>, hop: ChannelId, id: ChannelId) -> bool {
    let time = draft.chain_time();
    draft.ledger(hop).is_some_and(|ledger| {
        if ledger.status().is_finalized(time) {
            ledger.guarantees(id, time)
        } else {
            ledger.agreed.guarantees.contains_key(&id)
        }
    })
}

fn will_challenge(draft: &Draft<'_>, id: ChannelId) -> bool {
    draft.ledger(id).is_some_and(|ledger| {
        ledger.is_exiting()
            && ledger.call == CallState::None
            && ledger.refused_calls == 0
            && ledger.withdrawal_call().is_none()
            && (ledger.status().mode == ChannelMode::Open || is_stale(ledger))
            && ledger.supported_turn() >= Some(ledger.status().turn)
    })
}

/// The peers were silent for longer than this node waits.
pub(crate) fn out_of_patience(draft: &mut Draft<'_>, id: ChannelId) {
    if draft.ledger(id).is_some() {
        ledger_out_of_patience(draft, id);
    } else {
        payment_out_of_patience(draft, id);
    }
}

fn ledger_out_of_patience(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger_mut(id) else { return };
    ledger.patience = None;
    match ledger.phase {
        LedgerPhase::Closing if !ledger.status().paid_out => {
            if ledger.withdrawal_call().is_none() || ledger.refused_calls > 0 {
                exit_silent(draft, id);
            }
        }
        // Settles in the place of the peer.
        LedgerPhase::Exiting(_) => ledger.withdrawal = WithdrawalTurn::Due,
        LedgerPhase::Opening | LedgerPhase::Open | LedgerPhase::Closing => {}
    }
}

fn payment_out_of_patience(draft: &mut Draft<'_>, id: ChannelId) {
    let time = draft.chain_time();
    let Some(channel) = draft.payment_mut(id) else { return };
    channel.patience = None;
    let decided = matches!(channel.end(time), End::Resolved(Resolution { .. }) | End::Agreed(_));
    let enforceable = is_complete(&channel.prefund);
    let hops = channel.left.into_iter().chain(channel.right);
    let waiting: Vec<ChannelId> = hops
        .filter(|hop| {
            draft.ledger(*hop).is_some_and(|ledger| {
                ledger.is_usable()
                    && (ledger.agreed.guarantees.contains_key(&id) || ledger.has_pending(id))
            })
        })
        .collect();
    // A peer that does not even take messages will not agree to anything, nor will one that takes
    // a proposal and never answers it; where all do, somebody further away may be silent, and the
    // chain decides for everyone.
    let silent: Vec<ChannelId> = waiting
        .iter()
        .copied()
        .filter(|hop| {
            draft
                .ledger(*hop)
                .is_some_and(|hop| draft.backlog(hop.peer()) > 0 || hop.has_pending(id))
        })
        .collect();
    draft.be_patient(id);
    if !silent.is_empty() {
        silent.into_iter().for_each(|hop| exit_silent(draft, hop));
    } else if decided || !enforceable {
        waiting.into_iter().for_each(|hop| exit_silent(draft, hop));
    } else if !waiting.is_empty() {
        enter_payment(draft, id, ExitReason::Silent);
    }
}

/// Enforces a ledger of this node's own accord, if that saves more than it costs. Where it does
/// not, the peer gets another while.
pub(crate) fn exit_silent(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    // Nothing of this node's is, or can be, in it: whoever has money there can leave alone.
    if ledger.at_stake().is_zero() {
        let (me, reason) = (draft.me(), DeclineReason::TimedOut);
        for objective in [ObjectiveId::DirectFund(id), ObjectiveId::DirectDefund(id)] {
            draft.decline(objective, me, reason);
        }
        return draft.archive_ledger(id);
    }
    if worth(draft, ledger.asset, ledger.at_stake(), gas::challenge(ledger.agreed.guarantees.len()))
    {
        enter_ledger(draft, id, ExitReason::Silent);
    } else {
        let holdings = ledger.at_stake();
        draft.notify(Update::LeftBehind { channel: id, holdings });
        draft.be_patient(id);
    }
}
