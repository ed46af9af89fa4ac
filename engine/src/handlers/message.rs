//! What peers say. A message that does not fit is dropped and counted; none stops the node (C1).

use super::{ledger, payment, voucher};
use crate::draft::Draft;
use crate::types::ObjectiveId;
use crate::wire::{Envelope, Message};

pub(super) fn handle(draft: &mut Draft<'_>, envelope: Envelope) {
    let Envelope { from, message } = envelope;
    match message {
        Message::Voucher { voucher, signer } => voucher::arrive(draft, from, voucher, signer),
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
            ledger::propose(draft, from, ledger, &proposal);
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
        Message::Decline { objective, reason } => match objective {
            ObjectiveId::DirectFund(id) => ledger::declined(draft, from, id, reason),
            ObjectiveId::VirtualFund(id) => payment::declined(draft, from, id, reason),
            ObjectiveId::DirectDefund(_) | ObjectiveId::VirtualDefund(_) => {
                payment::close_declined(draft, from, objective, reason);
            }
        },
    }
}
