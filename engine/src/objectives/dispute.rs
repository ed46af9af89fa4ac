//! Enforces a channel on chain when its participants do not agree (docs/adr/0008).
//!
//! A ledger exit registers the newest state that both have signed, together with the payment
//! channels that it guarantees, waits until everything is final, and settles: every guarantee is
//! reclaimed and everybody paid in one call. A payment channel ends with the final state that
//! everyone signed, else with the payee's best voucher. What the chain says decides each step, so
//! a step that was interrupted, or taken back by a reorganisation, is simply due again.

use super::virtual_defund::release;
use super::virtual_fund::propose;
use super::{DeclineReason, ExitReason, WaitingFor};
use crate::chain::{ChainCall, Challenge, Urgency};
use crate::draft::Draft;
use crate::effect::Update;
use crate::ledger::{CallState, Change, ChannelMode, Ledger, LedgerPhase, Side, WithdrawalTurn};
use crate::payment::{PaymentChannel, PaymentPhase, Resolution, is_complete};
use crate::policy::{StaleAnswer, gas};
use crate::types::{Amount, Asset, ChannelId, ObjectiveId};
use crate::wire::Evidence;

/// Channels in one challenge transaction at most, so that it fits any block.
const MAX_CHALLENGES: usize = 16;

/// Begins to enforce a ledger and what it guarantees. Nothing more is agreed over it.
pub(crate) fn enter_ledger(draft: &mut Draft<'_>, id: ChannelId, reason: ExitReason) {
    let me = draft.me();
    let Some(ledger) = draft.ledger_mut(id) else { return };
    if matches!(ledger.phase, LedgerPhase::Exiting(_)) {
        return;
    }
    ledger.phase = LedgerPhase::Exiting(reason);
    ledger.patience = None;
    ledger.withdrawal = WithdrawalTurn::Unset;
    let targets = ledger.targets();
    for objective in [ObjectiveId::DirectFund(id), ObjectiveId::DirectDefund(id)] {
        draft.decline(objective, me, DeclineReason::Disputed);
    }
    draft.start_exit(ObjectiveId::Exit(id));
    for target in targets {
        enter_payment(draft, target, ExitReason::Ledger(id));
    }
}

/// Begins to enforce a payment channel: no voucher is paid or taken any more.
pub(crate) fn enter_payment(draft: &mut Draft<'_>, id: ChannelId, reason: ExitReason) {
    let me = draft.me();
    let Some(channel) = draft.payment_mut(id) else { return };
    if matches!(channel.phase, PaymentPhase::Exiting(_)) {
        return;
    }
    channel.phase = PaymentPhase::Exiting(reason);
    channel.patience = None;
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
    // Nothing was deposited, and nothing of ours is on its way.
    if !ledger.has_opened() && status.holdings.is_zero() && !challenged {
        draft.complete(objective);
        return draft.archive_ledger(id);
    }
    if let Some(conclusion) = ledger.withdrawal_call() {
        draft.wait_for(objective, WaitingFor::Withdraw);
        return draft.submit(conclusion);
    }
    if challenged && !is_stale(ledger) {
        let targets = ledger.targets();
        draft.wait_for(objective, WaitingFor::ChallengeExpiry);
        // Those that did not come along go alone.
        return targets.into_iter().for_each(|target| draft.touch(target));
    }
    // Somebody has shown a newer state that this node does not hold: only its owner can go on.
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
    let status = channel.status();
    let voucher = draft.best_voucher(id);
    let due = status.mode == ChannelMode::Open
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
fn is_worth_enforcing(draft: &Draft<'_>, channel: &PaymentChannel) -> bool {
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
    let settlement = ledger.settlement(&resolution);
    let (turn, phase, asset) = (ledger.withdrawal, ledger.phase, ledger.asset);
    let missing = ledger.finalized_targets().into_iter().filter(|id| resolution(*id).is_none());
    let patient = turn != WithdrawalTurn::Due;
    if patient && missing.clone().any(|target| will_resolve(draft, target)) {
        draft.be_patient(id);
        return draft.wait_for(objective, WaitingFor::PaymentChannels);
    }
    let locked: Vec<ChannelId> = missing.collect();
    let Some(settlement) = settlement else { return leave(draft, id, &locked) };
    let requested = phase == LedgerPhase::Exiting(ExitReason::Requested);
    if !requested && !worth(draft, asset, settlement.gain, gas::SETTLE) {
        return leave(draft, id, &locked);
    }
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
fn will_resolve(draft: &Draft<'_>, id: ChannelId) -> bool {
    draft.payment(id).is_some_and(|channel| {
        channel.status().mode != ChannelMode::Open
            || channel.call != CallState::None
            || channel.is_finalized()
            || may_challenge(draft, channel)
    })
}

/// Everything that is worth taking is taken. What stays behind is said.
fn leave(draft: &mut Draft<'_>, id: ChannelId, locked: &[ChannelId]) {
    let Some(ledger) = draft.ledger(id) else { return };
    let holdings = ledger.status().holdings;
    let targets = ledger.targets();
    if !holdings.is_zero() && (!locked.is_empty() || ledger.has_unpaid(draft.chain_time())) {
        draft.notify(Update::LeftBehind { channel: id, holdings });
    }
    draft.complete(ObjectiveId::Exit(id));
    draft.archive_ledger(id);
    for target in targets {
        draft.touch(target);
    }
}

pub(crate) fn crank_payment(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::Exit(id);
    let time = draft.chain_time();
    let Some(channel) = draft.payment(id) else { return };
    let resolution = channel.resolution(time);
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
    let agreed = channel.final_state.as_ref().map(|state| state.paid);
    let finalized = channel.is_finalized();
    for hop in &hops {
        match (agreed.filter(|_| finalized), &resolution) {
            (Some(paid), _) => release(draft, id, *hop, paid),
            (None, Some(resolution)) => release_as_resolved(draft, id, *hop, resolution),
            (None, None) => {}
        }
    }
    if resolution.is_some() {
        return draft.wait_for(objective, WaitingFor::Withdraw);
    }
    enforce(draft, id, &hops);
}

/// Brings a payment channel to its end on chain.
fn enforce(draft: &mut Draft<'_>, id: ChannelId, hops: &[ChannelId]) {
    let objective = ObjectiveId::Exit(id);
    let Some(channel) = draft.payment(id) else { return };
    let status = channel.status();
    if channel.call != CallState::None {
        return draft.wait_for(objective, WaitingFor::Challenge);
    }
    // What is only proposed is not locked yet: the ledger may end without it.
    let locked = hops.iter().any(|hop| {
        draft.ledger(*hop).is_some_and(|ledger| ledger.agreed.guarantees.contains_key(&id))
    });
    if !locked {
        return draft.wait_for(objective, WaitingFor::Withdraw);
    }
    let urgency = urgency(channel.capacity, status.mode);
    let voucher = draft.best_voucher(id);
    let shown = status.challenged.as_ref().and_then(|state| paid_by(&state.outcome));
    let better = match channel.final_state.as_ref().filter(|_| channel.is_finalized()) {
        Some(state) => shown != Some(state.paid),
        None => match status.mode {
            ChannelMode::Challenge { .. } => {
                channel.enforceable_turn(voucher.as_ref()) > Some(status.turn)
            }
            ChannelMode::Open | ChannelMode::Concluded => false,
        },
    };
    if matches!(status.mode, ChannelMode::Challenge { .. }) && !better {
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
    draft.wait_for(objective, WaitingFor::Challenge);
    match (call, carrier) {
        (Some(call), _) => draft.submit(call),
        (None, Some(ledger)) => draft.touch(ledger),
        (None, None) => {}
    }
}

fn paid_by(outcome: &crate::outcome::Outcome) -> Option<Amount> {
    outcome.0.first()?.allocations.get(1).map(|payee| payee.amount)
}

fn will_challenge(draft: &Draft<'_>, id: ChannelId) -> bool {
    draft.ledger(id).is_some_and(|ledger| {
        matches!(ledger.phase, LedgerPhase::Exiting(_))
            && ledger.call == CallState::None
            && ledger.withdrawal_call().is_none()
            && (ledger.status().mode == ChannelMode::Open || is_stale(ledger))
    })
}

/// Turns a guarantee back into balances as the chain has decided, in a ledger that lives on.
fn release_as_resolved(
    draft: &mut Draft<'_>,
    id: ChannelId,
    hop: ChannelId,
    resolution: &Resolution,
) {
    let Some((channel, ledger)) = draft.payment(id).zip(draft.ledger(hop)) else { return };
    let due = ledger.me == Side::Leader
        && ledger.is_usable()
        && ledger.agreed.guarantees.contains_key(&id)
        && !ledger.has_pending(id);
    if due {
        let left_amount = channel.capacity.saturating_sub(resolution.paid);
        // A ledger that cannot change now keeps the guarantee; it is enforceable as it is.
        let _ =
            propose(draft, hop, Change::Remove { target: id, left_amount }, Evidence::default());
    }
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
            if ledger.withdrawal_call().is_none() {
                exit_silent(draft, id);
            }
        }
        // Settles with what is final by now.
        LedgerPhase::Exiting(_) => ledger.withdrawal = WithdrawalTurn::Due,
        LedgerPhase::Opening | LedgerPhase::Open | LedgerPhase::Closing => {}
    }
}

fn payment_out_of_patience(draft: &mut Draft<'_>, id: ChannelId) {
    let time = draft.chain_time();
    let Some(channel) = draft.payment_mut(id) else { return };
    channel.patience = None;
    let decided = channel.is_finalized() || channel.resolution(time).is_some();
    let enforceable = is_complete(&channel.prefund);
    let hops = channel.left.into_iter().chain(channel.right);
    let waiting: Vec<ChannelId> = hops
        .filter(|hop| {
            draft
                .ledger(*hop)
                .is_some_and(|ledger| ledger.is_usable() && ledger.guarantees(id, time))
        })
        .collect();
    let silent: Vec<ChannelId> = waiting
        .iter()
        .copied()
        .filter(|hop| draft.ledger(*hop).is_some_and(|hop| draft.backlog(hop.peer()) > 0))
        .collect();
    draft.be_patient(id);
    // A peer that does not even take messages will not agree to anything; where all take them,
    // somebody further away may be silent, and the chain decides for everyone.
    if !silent.is_empty() {
        silent.into_iter().for_each(|hop| exit_silent(draft, hop));
    } else if decided || !enforceable {
        waiting.into_iter().for_each(|hop| exit_silent(draft, hop));
    } else {
        enter_payment(draft, id, ExitReason::Silent);
    }
}

/// Enforces a ledger of this node's own accord, if that saves more than it costs.
fn exit_silent(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    if worth(draft, ledger.asset, ledger.at_stake(), gas::LEDGER) {
        enter_ledger(draft, id, ExitReason::Silent);
    } else {
        let holdings = ledger.at_stake();
        draft.notify(Update::LeftBehind { channel: id, holdings });
    }
}
