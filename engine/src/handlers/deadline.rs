//! What is due at a time.

use super::ledger::tie_up;
use super::outbox;
use crate::apply::Due;
use crate::draft::Draft;
use crate::ledger::{LedgerPhase, WithdrawalTurn};
use crate::objectives::{
    DeclineReason, cancel, expire_direct_defund, give_up_direct_fund, out_of_patience,
};
use crate::payment::{PaymentPhase, Role};
use crate::types::{Address, ChannelId, ObjectiveId};
use crate::wire::Message;

pub(super) fn handle(draft: &mut Draft<'_>) {
    let now = draft.now;
    let due: Vec<Due> = draft
        .state()
        .deadlines
        .iter()
        .take_while(|(at, _)| *at <= now)
        .map(|(_, due)| *due)
        .collect();
    for due in due {
        match due {
            Due::Objective(id) => expire(draft, id),
            Due::Withdrawal(id) => withdraw(draft, id),
            Due::Patience(id) => out_of_patience(draft, id),
            Due::Answer(id) => draft.forget_answer(id),
            Due::Waiting(peer) => outbox::expire(draft, peer),
            Due::Again(id) => ask_again(draft, id),
        }
    }
}

/// Gives up an objective that was not finished in time.
fn expire(draft: &mut Draft<'_>, objective: ObjectiveId) {
    give_up(draft, objective, DeclineReason::TimedOut);
    // Whatever the phase, an objective does not outlive its deadline.
    let me = draft.me();
    draft.decline(objective, me, DeclineReason::TimedOut);
    if let ObjectiveId::DirectDefund(id) = objective {
        expire_direct_defund(draft, id);
    }
}

/// Gives up an objective on this node's own account; false when it is past stopping.
pub(super) fn give_up(
    draft: &mut Draft<'_>,
    objective: ObjectiveId,
    reason: DeclineReason,
) -> bool {
    let me = draft.me();
    match objective {
        ObjectiveId::DirectFund(id) => {
            if draft.ledger(id).is_none_or(|ledger| ledger.phase != LedgerPhase::Opening) {
                return false;
            }
            give_up_direct_fund(draft, id, reason);
            true
        }
        ObjectiveId::VirtualFund(id) => {
            let Some(channel) =
                draft.payment(id).filter(|channel| channel.phase == PaymentPhase::Funding)
            else {
                return false;
            };
            if channel.postfund_signed() {
                // The others may have opened it already: close it instead, with what was paid. They
                // may as well be gone.
                draft.be_patient(id);
                request_close(draft, id);
                draft.decline(objective, me, reason);
            } else {
                cancel(draft, id, me, reason);
            }
            true
        }
        // Final states are signed: late signatures still close the channel.
        ObjectiveId::DirectDefund(_) | ObjectiveId::VirtualDefund(_) => false,
        // What is registered on chain takes its course.
        ObjectiveId::Exit(_) => false,
    }
}

/// The payer makes the final state; others ask for it.
fn request_close(draft: &mut Draft<'_>, id: ChannelId) {
    let Some(channel) = draft.payment(id) else { return };
    let (role, payer): (Role, Address) = (channel.role(), channel.payer());
    match role {
        Role::Payer => crate::objectives::sign_final(draft, id),
        Role::Relay | Role::Payee => draft.send(payer, &Message::RequestFinal { channel: id }),
    }
}

fn withdraw(draft: &mut Draft<'_>, id: ChannelId) {
    if let Some(ledger) = draft.ledger_mut(id) {
        ledger.withdrawal = WithdrawalTurn::Due;
    }
}

/// The follower of a ledger may agree by now to what it has refused.
fn ask_again(draft: &mut Draft<'_>, id: ChannelId) {
    let now = draft.now;
    let Some(ledger) = draft.ledger_mut(id) else { return };
    ledger.end_waits(now);
    ledger.targets().into_iter().for_each(|target| draft.touch(target));
    tie_up(draft, id);
}
