//! What peers say. A message that does not fit is dropped and counted; none stops the node (C1).

use super::{ledger, payment, voucher};
use crate::draft::Draft;
use crate::guard::{TowerRefusal, accept_receipt, accept_refusal, accept_terms};
use crate::types::{ChannelId, ObjectiveId};
use crate::wire::{Envelope, Message};

pub(super) fn handle(draft: &mut Draft<'_>, envelope: Envelope) {
    let Envelope { from, message } = envelope;
    // Who asks without ever taking the answers gets no more of them.
    if asks(&message) && draft.backlog(from) >= draft.policy.max_backlog {
        return;
    }
    match message {
        Message::Voucher { voucher, payments, signer } => {
            voucher::arrive(draft, from, voucher, &payments, signer);
        }
        Message::Credited { channel, total, proof, signer } => {
            voucher::credited(draft, from, channel, total, proof.map(|proof| (proof, signer)));
        }
        Message::OpenLedger { fixed, asset, leader, follower, seal } => {
            ledger::open(draft, from, fixed, asset, [leader, follower], seal);
        }
        Message::LedgerPrefund { ledger, seal } => ledger::prefund(draft, from, ledger, seal),
        Message::LedgerPostfund { ledger, seal } => ledger::postfund(draft, from, ledger, seal),
        Message::CloseLedger { ledger, turn, seal } => {
            ledger::close(draft, from, ledger, turn, seal);
        }
        Message::Propose { ledger, turn, parent, change, seal, evidence } => {
            let proposal = ledger::Proposal { turn, parent, change, seal, evidence };
            ledger::proposed(draft, from, ledger, &proposal);
        }
        Message::Countersign { ledger, turn, seal } => {
            ledger::countersign(draft, from, ledger, turn, seal);
        }
        Message::Refuse { ledger, turn, reason } => {
            ledger::refuse(draft, from, ledger, turn, reason);
        }
        Message::OpenPayment { fixed, asset, capacity, payer, seal } => {
            payment::open(draft, from, fixed, asset, capacity, payer, seal);
        }
        Message::PaymentPostfund { channel, seal } => {
            payment::postfund(draft, from, channel, seal);
        }
        Message::RequestFinal { channel } => payment::request_final(draft, from, channel),
        Message::Finalize { channel, paid, payer, seal } => {
            payment::finalize(draft, from, channel, paid, payer, seal);
        }
        Message::TowerTerms { terms } => accept_terms(draft, from, terms),
        Message::Guarded { receipt, signer } => accept_receipt(draft, from, *receipt, signer),
        Message::GuardRefused { channel, reason } => accept_refusal(draft, from, channel, reason),
        // Where a tower serves, its messages do not come this far.
        Message::TowerHello { .. } => refuse_to_guard(draft, None),
        Message::Guard { guard } => refuse_to_guard(draft, Some(guard.channel())),
        Message::Unguard { .. } => {}
        Message::Decline { objective, reason } => match objective {
            ObjectiveId::DirectFund(id) => ledger::declined(draft, from, id, reason),
            ObjectiveId::VirtualFund(id) => payment::declined(draft, from, id, reason),
            ObjectiveId::DirectDefund(_) | ObjectiveId::VirtualDefund(_) => {
                payment::close_declined(draft, from, objective, reason);
            }
            // Nobody's word stops an exit.
            ObjectiveId::Exit(_) => {}
        },
    }
}

/// True for what may be asked any number of times, with a row as the answer to each.
const fn asks(message: &Message) -> bool {
    matches!(
        message,
        Message::Propose { .. }
            | Message::CloseLedger { .. }
            | Message::OpenLedger { .. }
            | Message::OpenPayment { .. }
            | Message::RequestFinal { .. }
    )
}

fn refuse_to_guard(draft: &mut Draft<'_>, channel: Option<ChannelId>) {
    let reason = TowerRefusal::NotServing;
    draft.answer(&Message::GuardRefused { channel, reason });
}
