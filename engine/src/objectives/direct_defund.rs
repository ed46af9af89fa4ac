//! Closes a ledger channel together (protocol.md section 12): one final state with the agreed
//! outcome, signed by both, paid out on chain by either.

use super::WaitingFor;
use super::dispute::exit_silent;
use crate::draft::Draft;
use crate::ledger::{CallState, ChannelMode, Closing, LedgerPhase, Side, WithdrawalTurn};
use crate::types::{ChannelId, ObjectiveId};
use crate::wire::{Message, Seal};

/// Calls that the contract may refuse in a row, for reasons that nobody foresaw: then a ledger is
/// enforced instead of concluded, and an opening given up.
pub(super) const MAX_REFUSED: u32 = 8;

/// Begins, or begins again to wait for, the closing of a ledger.
pub(crate) fn start(draft: &mut Draft<'_>, id: ChannelId) {
    // An exit takes its course, and takes a final state that both have signed along.
    let Some(ledger) = draft.ledger_mut(id).filter(|ledger| !ledger.is_exiting()) else { return };
    ledger.phase = LedgerPhase::Closing;
    draft.withdraw_deposit(id);
    let objective = ObjectiveId::DirectDefund(id);
    if draft.objective(objective).is_none() {
        let timeout = draft.policy.closing_timeout;
        draft.start_objective(objective, WaitingFor::Finalization, timeout);
    }
    draft.be_patient(id);
}

pub(crate) fn crank(draft: &mut Draft<'_>, id: ChannelId) {
    let objective = ObjectiveId::DirectDefund(id);
    sign_final_state(draft, id);
    let Some(ledger) = draft.ledger(id) else { return };
    // Somebody may conclude it without paying out; concluding it again would be refused.
    let settlement = ledger.settlement(&|_| None).map(|settlement| settlement.call);
    let (call, me, turn) = (ledger.call, ledger.me, ledger.withdrawal);
    let conclusion = ledger.withdrawal_call();
    let status = ledger.status();
    let done = status.forgotten || status.mode == ChannelMode::Concluded && settlement.is_none();
    if done && call == CallState::None {
        draft.complete(objective);
        return draft.archive_ledger(id);
    }
    // Both have signed it, and the contract refuses it all the same: there is the other way.
    if settlement.is_none() && ledger.refused_calls >= MAX_REFUSED && call == CallState::None {
        return exit_silent(draft, id);
    }
    // The peer may have concluded it with a signature that never reached this node.
    let Some(withdrawal) = settlement.or(conclusion) else {
        return draft.wait_for(objective, WaitingFor::Finalization);
    };
    // Never funded, and with both signatures nothing of ours can be on its way any more.
    let unfunded = !ledger.has_opened() && status.holdings.is_zero();
    if unfunded && call == CallState::None {
        draft.complete(objective);
        return draft.archive_ledger(id);
    }
    draft.wait_for(objective, WaitingFor::Withdraw);
    if call != CallState::None {
        return;
    }
    // Participant 0 withdraws at once; if it does not, participant 1 does (gap S17).
    let due = match (me, turn) {
        (Side::Leader, _) | (Side::Follower, WithdrawalTurn::Due) => true,
        (Side::Follower, WithdrawalTurn::After(_)) => false,
        (Side::Follower, WithdrawalTurn::Unset) => {
            let at = draft.now.after(draft.policy.withdrawal_delay);
            if let Some(ledger) = draft.ledger_mut(id) {
                ledger.withdrawal = WithdrawalTurn::After(at);
            }
            false
        }
    };
    if due {
        draft.submit(withdrawal);
    }
}

/// Signs a final state unless ours is out already. Waits for unanswered proposals, whose turns are
/// signed, and for a deposit on its way, which would otherwise land in a closed channel.
fn sign_final_state(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(ledger) = draft.ledger(id) else { return };
    let signed = ledger.closing.is_some_and(|closing| {
        closing.signatures.get(ledger.me.index()).is_some_and(Option::is_some)
    });
    let busy = !ledger.pending.is_empty()
        || matches!(ledger.call, CallState::InFlight(_))
        || ledger.status().mode != ChannelMode::Open;
    if signed || busy {
        return;
    }
    // A peer's final state is joined when its turn is still free here, else a later one is made.
    let offered = ledger.closing.map(|closing| closing.turn);
    let Some(next) = ledger.next_turn() else { return };
    let turn = offered.filter(|turn| *turn >= next).unwrap_or(next);
    let (me, peer) = (ledger.me.index(), ledger.peer());
    let hash = ledger.final_state(turn).hash(id);
    let seal = Seal::sign(hash, draft.signer);
    let Some(ledger) = draft.ledger_mut(id) else { return };
    let mut closing = ledger.closing.filter(|closing| closing.hash == hash).unwrap_or(Closing {
        turn,
        hash,
        signatures: [None; 2],
    });
    if let Some(mine) = closing.signatures.get_mut(me) {
        *mine = Some(seal.signature);
    }
    ledger.closing = Some(closing);
    ledger.signed_turn = turn;
    draft.send(peer, &Message::CloseLedger { ledger: id, turn, seal });
}

/// The peer has not signed the final state in time. A ledger in which nothing was ever deposited is
/// forgotten; any other stays as it is, and a late signature still closes it.
pub(crate) fn expire(draft: &mut Draft<'_>, id: ChannelId) {
    let forgettable = draft.ledger(id).is_some_and(|ledger| {
        !ledger.has_opened() && ledger.status().holdings.is_zero() && ledger.call == CallState::None
    });
    if forgettable {
        draft.archive_ledger(id);
    }
}
