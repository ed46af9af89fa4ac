//! Calls of the application. Every check comes before the first change, and every refusal names
//! the parameter and changes nothing (gaps C2, R1).

use super::{deadline, payment, voucher};
use crate::debts;
use crate::draft::Draft;
use crate::effect::Response;
use crate::engine::Engine;
use crate::error::RequestError;
use crate::guard;
use crate::input::Request;
use crate::ledger::{Ledger, LedgerPhase, Side};
use crate::objectives::{
    DeclineReason, ExitReason, WaitingFor, enter_ledger_exit, enter_payment_exit, sign_final,
    start_direct_defund,
};
use crate::payment::{PaymentChannel, PaymentPhase, Role};
use crate::policy::Policy;
use crate::query::{LedgerView, PaymentView};
use crate::sending;
use crate::state::{Deployment, FixedPart};
use crate::types::{Address, Amount, Asset, ChannelId, ObjectiveId};
use crate::wire::{Message, Seal};

pub(super) fn handle(draft: &mut Draft<'_>, request: Request) -> Result<Response, RequestError> {
    let fixed = fixed_part(draft.deployment, draft.me(), &request);
    match (request, fixed) {
        (Request::OpenLedger { asset, mine, theirs, .. }, Some(fixed)) => {
            open_ledger(draft, fixed, asset, mine, theirs)
        }
        (Request::OpenPayment { asset, capacity, .. }, Some(fixed)) => {
            open_payment(draft, fixed, asset, capacity)
        }
        (Request::OpenLedger { .. } | Request::OpenPayment { .. }, None) => Err(RequestError::Busy),
        (Request::CloseLedger { ledger }, _) => close_ledger(draft, ledger),
        (Request::ClosePayment { channel }, _) => close_payment(draft, channel),
        (Request::Pay { channel, amount }, _) => voucher::pay(draft, channel, amount),
        (Request::PayTo { channel, amount, total }, _) => {
            voucher::pay_to(draft, channel, amount, total)
        }
        (Request::CreateVoucher { channel, amount }, _) => voucher::create(draft, channel, amount),
        (Request::ReceiveVoucher { voucher, signer }, _) => {
            voucher::receive(draft, voucher, signer)
        }
        (Request::ExitLedger { ledger }, _) => exit_ledger(draft, ledger),
        (Request::ExitPayment { channel }, _) => exit_payment(draft, channel),
        (Request::AddTower { tower }, _) => guard::add(draft, tower),
        (Request::RemoveTower { tower }, _) => guard::remove(draft, tower),
        (Request::ListTowers, _) => Ok(guard::list(draft)),
        (Request::Send(order), _) => sending::send(draft, &order),
        (Request::Claim { key, asset, to }, _) => sending::claim(draft, key, asset, to),
        (Request::TakeBack(key), _) => sending::take_back(draft, key),
        (Request::GetSending(key), _) => sending::describe(draft, key),
        (Request::Cancel { objective }, _) => cancel(draft, objective),
        (query, _) => describe(draft, &query),
    }
}

/// The fixed part of the channel that a request would open.
fn fixed_part(deployment: &Deployment, me: Address, request: &Request) -> Option<FixedPart> {
    match request {
        Request::OpenLedger { peer, theirs, challenge_duration, random, .. } => Some(FixedPart {
            participants: vec![me, *peer],
            nonce: deployment.ledger_nonce(*random, !theirs.is_zero()),
            app: deployment.consensus_app,
            challenge_duration: *challenge_duration,
        }),
        Request::OpenPayment { payee, relays, challenge_duration, random, .. } => Some(FixedPart {
            participants: [me].iter().chain(relays).chain([payee]).copied().collect(),
            nonce: deployment.nonce(*random),
            app: deployment.payment_app,
            challenge_duration: *challenge_duration,
        }),
        _ => None,
    }
}

impl Engine {
    /// The fixed part of the channel that a request would open.
    #[must_use]
    pub fn fixed_part(&self, request: &Request) -> Option<FixedPart> {
        fixed_part(self.deployment(), self.address(), request)
    }
}

fn check_duration(policy: &Policy, found: u32) -> Result<(), RequestError> {
    if policy.allows_challenge_duration(found) {
        return Ok(());
    }
    let (min, max) = (policy.min_challenge_duration, policy.max_challenge_duration);
    Err(RequestError::ChallengeDuration { found, min, max })
}

fn check_backlog(draft: &Draft<'_>, peer: Address) -> Result<(), RequestError> {
    let waiting = draft.backlog(peer);
    if waiting < draft.policy.max_backlog {
        return Ok(());
    }
    Err(RequestError::Backlog { peer, waiting })
}

fn open_ledger(
    draft: &mut Draft<'_>,
    fixed: FixedPart,
    asset: Asset,
    mine: Amount,
    theirs: Amount,
) -> Result<Response, RequestError> {
    let peer = fixed.participants.get(1).copied().unwrap_or_default();
    if peer == draft.me() {
        return Err(RequestError::Oneself { field: "peer" });
    }
    if peer.is_zero() {
        return Err(RequestError::Participant { field: "peer", address: peer });
    }
    let total = mine.checked_add(theirs).ok_or(RequestError::Overflow { field: "amount" })?;
    if total.is_zero() {
        return Err(RequestError::ZeroAmount { field: "amount" });
    }
    check_duration(draft.policy, fixed.challenge_duration)?;
    if let Some(ledger) = draft.ledger_with(peer, asset) {
        return Err(RequestError::LedgerExists { peer, ledger: ledger.id });
    }
    check_backlog(draft, peer)?;
    draft.check_deposit(asset, mine)?;
    let mut ledger = Ledger::new(fixed.clone(), asset, Side::Leader, mine, theirs);
    let id = ledger.id;
    if draft.is_taken(id) {
        return Err(RequestError::ChannelIdTaken(id));
    }
    let seal = Seal::sign(ledger.prefund_hash(), draft.signer);
    ledger.prefund[0] = Some(seal.signature);
    draft.insert_ledger(ledger);
    let objective = ObjectiveId::DirectFund(id);
    let timeout = draft.policy.ledger_funding_timeout;
    draft.start_objective(objective, WaitingFor::CompletePrefund, timeout);
    draft.send(peer, &Message::OpenLedger { fixed, asset, leader: mine, follower: theirs, seal });
    Ok(Response::Started(objective))
}

fn close_ledger(draft: &mut Draft<'_>, id: ChannelId) -> Result<Response, RequestError> {
    let ledger = draft.ledger(id).ok_or(RequestError::UnknownLedger(id))?;
    let objective = ObjectiveId::DirectDefund(id);
    match ledger.phase {
        LedgerPhase::Opening => return Err(RequestError::LedgerNotUsable(id)),
        LedgerPhase::Closing if draft.objective(objective).is_some() => {
            return Err(RequestError::AlreadyClosing(id));
        }
        // An earlier attempt timed out; the final state is with the peer, so only wait again.
        LedgerPhase::Closing => {}
        LedgerPhase::Exiting(_) => return Err(RequestError::AlreadyExiting(id)),
        LedgerPhase::Open => {
            let count = ledger.proposed().guarantees.len().max(ledger.agreed.guarantees.len());
            if count > 0 {
                return Err(RequestError::GuaranteesRunning { ledger: id, count });
            }
            if !ledger.is_usable() {
                return Err(RequestError::LedgerNotUsable(id));
            }
        }
    }
    start_direct_defund(draft, id);
    Ok(Response::Started(objective))
}

fn open_payment(
    draft: &mut Draft<'_>,
    fixed: FixedPart,
    asset: Asset,
    capacity: Amount,
) -> Result<Response, RequestError> {
    check_path(draft, &fixed.participants)?;
    if capacity.is_zero() {
        return Err(RequestError::ZeroAmount { field: "amount" });
    }
    check_duration(draft.policy, fixed.challenge_duration)?;
    draft.check_funding(None).map_err(|_| RequestError::Busy)?;
    let field = if fixed.participants.len() == 2 { "payee" } else { "relays" };
    let peer = fixed.participants.get(1).copied().unwrap_or_default();
    let ledger =
        draft.ledger_with(peer, asset).ok_or(RequestError::NoLedger { field, peer, asset })?;
    let (hop, available) = (ledger.id, ledger.available(ledger.me));
    if !ledger.is_usable() {
        return Err(RequestError::LedgerNotUsable(hop));
    }
    let (found, max) = (fixed.challenge_duration, ledger.fixed.challenge_duration);
    if found > max {
        return Err(RequestError::ChallengeAboveLedger { found, max, ledger: hop });
    }
    if available < capacity {
        return Err(RequestError::InsufficientFunds { ledger: hop, available, needed: capacity });
    }
    for other in fixed.participants.iter().skip(1) {
        check_backlog(draft, *other)?;
    }
    draft.check_reserve(0, 1)?;
    let least = draft.least_capacity(asset, [ledger]);
    if capacity < least {
        return Err(RequestError::CapacityTooSmall { asset, least });
    }
    let mut channel = PaymentChannel::new(fixed, asset, capacity, 0);
    let id = channel.id;
    if draft.is_taken(id) {
        return Err(RequestError::ChannelIdTaken(id));
    }
    channel.right = Some(hop);
    let payer = Seal::sign(channel.prefund_hash(), draft.signer);
    payment::join(draft, channel, payer, payer);
    Ok(Response::Started(ObjectiveId::VirtualFund(id)))
}

fn check_path(draft: &Draft<'_>, participants: &[Address]) -> Result<(), RequestError> {
    let (found, max) = (participants.len(), draft.policy.max_participants);
    if found > max {
        return Err(RequestError::TooManyParticipants { found, max });
    }
    let me = draft.me();
    for (index, address) in participants.iter().enumerate().skip(1) {
        let field = if index.saturating_add(1) == found { "payee" } else { "relays" };
        if *address == me {
            return Err(RequestError::Oneself { field });
        }
        let repeated = participants.iter().take(index).any(|earlier| earlier == address);
        if repeated || address.is_zero() {
            return Err(RequestError::Participant { field, address: *address });
        }
    }
    Ok(())
}

fn close_payment(draft: &mut Draft<'_>, id: ChannelId) -> Result<Response, RequestError> {
    let channel = draft.payment(id).ok_or(RequestError::UnknownPayment(id))?;
    let objective = ObjectiveId::VirtualDefund(id);
    let running = draft.objective(objective).is_some();
    let (role, payer) = (channel.role(), channel.payer());
    match channel.phase {
        PaymentPhase::Open if !running => {}
        PaymentPhase::Open => return Err(RequestError::AlreadyClosing(id)),
        PaymentPhase::Closing if running => return Err(RequestError::AlreadyClosing(id)),
        // An earlier attempt timed out; the final state is with the others, so only wait again.
        PaymentPhase::Closing => {
            let timeout = draft.policy.closing_timeout;
            draft.start_objective(objective, WaitingFor::SupportedFinalState, timeout);
            draft.touch(id);
            return Ok(Response::Started(objective));
        }
        PaymentPhase::Exiting(_) => return Err(RequestError::AlreadyExiting(id)),
        PaymentPhase::Funding | PaymentPhase::Cancelled(_) => {
            return Err(RequestError::NotOpen(id));
        }
    }
    if role == Role::Payer {
        sign_final(draft, id);
    } else {
        check_backlog(draft, payer)?;
        let timeout = draft.policy.closing_timeout;
        draft.start_objective(objective, WaitingFor::FinalStateFromPayer, timeout);
        draft.be_patient(id);
        draft.send(payer, &Message::RequestFinal { channel: id });
    }
    Ok(Response::Started(objective))
}

fn exit_ledger(draft: &mut Draft<'_>, id: ChannelId) -> Result<Response, RequestError> {
    let ledger = draft.ledger(id).ok_or(RequestError::UnknownLedger(id))?;
    if ledger.is_exiting() {
        return Err(RequestError::AlreadyExiting(id));
    }
    if ledger.supported_turn().is_none() || ledger.status().holdings.is_zero() {
        return Err(RequestError::NothingToEnforce(id));
    }
    enter_ledger_exit(draft, id, ExitReason::Requested);
    Ok(Response::Started(ObjectiveId::Exit(id)))
}

fn exit_payment(draft: &mut Draft<'_>, id: ChannelId) -> Result<Response, RequestError> {
    let channel = draft.payment(id).ok_or(RequestError::UnknownPayment(id))?;
    if matches!(channel.phase, PaymentPhase::Exiting(_)) {
        return Err(RequestError::AlreadyExiting(id));
    }
    let hops = channel.left.into_iter().chain(channel.right);
    let locked = hops
        .filter_map(|hop| draft.ledger(hop))
        .any(|ledger| ledger.agreed.guarantees.contains_key(&id));
    if channel.enforceable_turn(None).is_none() || !locked {
        return Err(RequestError::NothingToEnforce(id));
    }
    enter_payment_exit(draft, id, ExitReason::Requested);
    Ok(Response::Started(ObjectiveId::Exit(id)))
}

fn cancel(draft: &mut Draft<'_>, id: ObjectiveId) -> Result<Response, RequestError> {
    if draft.objective(id).is_none() {
        return Err(RequestError::UnknownObjective(id));
    }
    if !deadline::give_up(draft, id, DeclineReason::Cancelled) {
        return Err(RequestError::NotCancellable(id));
    }
    Ok(Response::Started(id))
}

fn describe(draft: &Draft<'_>, query: &Request) -> Result<Response, RequestError> {
    let state = draft.state();
    let payment =
        |channel: &PaymentChannel| PaymentView::new(channel, state.paid.get(&channel.id), true);
    Ok(match query {
        Request::GetLedger(id) => {
            let ledger = state.ledgers.get(id).ok_or(RequestError::UnknownLedger(*id))?;
            Response::Ledger(Box::new(LedgerView::new(ledger, true)))
        }
        Request::ListLedgers => Response::Ledgers(
            state.ledgers.values().map(|ledger| LedgerView::new(ledger, true)).collect(),
        ),
        Request::GetPayment(id) => {
            let channel = state.payments.get(id).ok_or(RequestError::UnknownPayment(*id))?;
            Response::Payment(Box::new(payment(channel)))
        }
        Request::ListPayments { ledger: None } => {
            Response::Payments(state.payments.values().map(payment).collect())
        }
        Request::ListPayments { ledger: Some(id) } => {
            let ledger = state.ledgers.get(id).ok_or(RequestError::UnknownLedger(*id))?;
            let targets = ledger.agreed.guarantees.keys();
            Response::Payments(
                targets.filter_map(|id| state.payments.get(id)).map(payment).collect(),
            )
        }
        Request::GetObjective(id) => {
            Response::Objective(draft.objective(*id).ok_or(RequestError::UnknownObjective(*id))?)
        }
        Request::ListObjectives => {
            Response::Objectives(state.objectives.values().copied().collect())
        }
        Request::ListSendings => Response::Sendings(
            draft.all_sendings().map(|(key, sending)| (key, sending.clone())).collect(),
        ),
        Request::ListDebts => Response::Debts(debts::list(draft)),
        _ => Response::Status(state.status_view(&draft.gas)),
    })
}
