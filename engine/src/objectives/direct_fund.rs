//! Opens a ledger channel on chain (protocol.md section 7): prefund signatures, deposits in the
//! order of allocations, postfund signatures.

use super::direct_defund::MAX_REFUSED;
use super::{DeclineReason, WaitingFor, start_direct_defund};
use crate::chain::ChainCall;
use crate::draft::Draft;
use crate::ledger::{CallState, ChannelMode, Ledger, LedgerPhase, Side};
use crate::types::{Address, ChannelId, ObjectiveId, TurnNumber};
use crate::wire::{Message, Seal};

pub(crate) fn crank(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::DirectFund(id);
    let Some(ledger) = draft.ledger(id) else { return };
    if ledger.prefund.iter().any(Option::is_none) {
        return draft.wait_for(objective, WaitingFor::CompletePrefund);
    }
    if let Some(missing) = missing_funds(ledger) {
        if ledger.refused_calls >= MAX_REFUSED {
            return give_up_refused(draft, id);
        }
        deposit(draft, id);
        return draft.wait_for(objective, missing);
    }
    let (me, peer, hash) = (ledger.me.index(), ledger.peer(), ledger.agreed_hash());
    if ledger.signatures.get(me).is_none_or(Option::is_none) {
        let seal = Seal::sign(hash, draft.signer);
        let Some(ledger) = draft.ledger_mut(id) else { return };
        if let Some(mine) = ledger.signatures.get_mut(me) {
            *mine = Some(seal.signature);
        }
        ledger.signed_turn = TurnNumber::POSTFUND;
        draft.send(peer, &Message::LedgerPostfund { ledger: id, seal });
    }
    let Some(ledger) = draft.ledger(id) else { return };
    if !ledger.has_opened() {
        return draft.wait_for(objective, WaitingFor::CompletePostfund);
    }
    if let Some(ledger) = draft.ledger_mut(id) {
        ledger.phase = LedgerPhase::Open;
    }
    draft.complete(objective);
}

/// The contract refuses the deposit in block after block: nobody is kept waiting for more.
fn give_up_refused(draft: &mut Draft<'_>, id: ChannelId) {
    if let Some(ledger) = draft.ledger_mut(id) {
        // What ends it is another call.
        ledger.refused_calls = 0;
    }
    give_up(draft, id, DeclineReason::DepositRefused);
}

/// What is missing on chain, if anything is.
fn missing_funds(ledger: &Ledger) -> Option<WaitingFor> {
    let holdings = ledger.status().holdings;
    let total = ledger.agreed.total()?;
    if holdings >= total {
        return None;
    }
    let (before, _) = ledger.deposit_target(ledger.me)?;
    Some(if holdings < before { WaitingFor::MyTurnToFund } else { WaitingFor::CompleteFunding })
}

/// Deposits what is missing up to our target, once everything before it is there.
fn deposit(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let holdings = ledger.status().holdings;
    let Some((before, target)) = ledger.deposit_target(ledger.me) else { return };
    let amount = target.saturating_sub(holdings);
    let due = holdings >= before && !amount.is_zero() && ledger.call == CallState::None;
    // Nothing to deposit of our own: what is missing is the peer's.
    if !due || target == before {
        return;
    }
    let asset = ledger.asset;
    let call = ChainCall::Deposit { channel: id, asset, expected_held: holdings, amount };
    draft.submit(call);
}

/// Deposits again what a reorganisation took back from an open ledger. The transaction that was
/// taken back may be mined again by itself; where it comes before the deposit that it builds on,
/// the contract refuses it, and nobody else would make it good. Of two deposits of ours the second
/// adds nothing, because both name the holdings that they bring about.
pub(crate) fn restore_deposit(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let status = ledger.status();
    // What was paid out is not missing.
    let running = status.mode == ChannelMode::Open && !status.paid_out;
    if running && missing_funds(ledger).is_some() {
        deposit(draft, id);
    }
}

/// Gives an opening ledger up on this node's own account. A leader without the follower's signature
/// has not deposited and never will, and says so; nobody else can know what the other is about to
/// deposit, so the money goes back by a final state with the opening outcome: first allocations are
/// paid first, so each depositor gets its own.
pub(crate) fn give_up(draft: &mut Draft<'_>, id: ChannelId, reason: DeclineReason) {
    let Some(ledger) = draft.ledger(id) else { return };
    // Nothing is signed for an opening that is forgotten: a final state would have to be kept.
    if ledger.is_void() {
        let me = draft.me();
        draft.decline(ObjectiveId::DirectFund(id), me, reason);
        return draft.archive_ledger(id);
    }
    let untouched = ledger.me == Side::Leader
        && ledger.prefund.iter().any(Option::is_none)
        && !ledger.agreed.leader.is_zero();
    let (peer, me, objective) = (ledger.peer(), draft.me(), ObjectiveId::DirectFund(id));
    draft.decline(objective, me, reason);
    if untouched {
        draft.send(peer, &Message::Decline { objective, reason });
        draft.archive_ledger(id);
    } else {
        start_direct_defund(draft, id);
    }
}

/// The peer gives the opening up and says that nothing of its own is, or will be, deposited.
pub(crate) fn declined(draft: &mut Draft<'_>, id: ChannelId, by: Address, reason: DeclineReason) {
    let Some(ledger) = draft.ledger(id) else { return };
    let untouched = ledger.status().holdings.is_zero() && ledger.call == CallState::None;
    draft.decline(ObjectiveId::DirectFund(id), by, reason);
    if untouched {
        draft.decline(ObjectiveId::DirectDefund(id), by, reason);
        draft.archive_ledger(id);
    } else {
        start_direct_defund(draft, id);
    }
}
