//! One file per origin of an input.

mod chain;
mod deadline;
mod ledger;
mod message;
mod outbox;
mod payment;
mod request;
mod voucher;

pub(crate) use voucher::credit_early as credit_early_voucher;

use crate::draft::Draft;
use crate::effect::Effect;
use crate::input::Input;

/// Routes an input to its handler.
pub(crate) fn decide(draft: &mut Draft<'_>, input: Input) {
    match input {
        Input::Request(id, request) => {
            let response = request::handle(draft, request);
            draft.settle();
            draft.emit(Effect::Reply(id, response));
        }
        Input::Payments(requests) => {
            for (id, request) in requests {
                let response = request::handle(draft, request);
                draft.emit(Effect::Reply(id, response));
            }
            draft.settle();
        }
        Input::Frame { token, envelopes } => {
            let mut shown = voucher::Shown::default();
            for envelope in envelopes {
                shown.note(draft, &envelope);
                message::handle(draft, envelope);
                draft.settle();
            }
            shown.answer(draft);
            let answers = draft.take_answers();
            draft.emit(Effect::Ack(token, answers));
        }
        Input::Answered(envelopes) => {
            for envelope in envelopes.into_iter().filter(|said| said.message.is_answer()) {
                message::handle(draft, envelope);
                draft.settle();
            }
        }
        Input::Chain(event) => chain::handle(draft, event),
        Input::Delivered(peer, up_to) => outbox::delivered(draft, peer, up_to),
        Input::Settled(call, receipt) => outbox::settled(draft, call, &receipt),
        Input::Answer(to, message) => outbox::answer(draft, to, &message),
        Input::Deadline => deadline::handle(draft),
    }
    voucher::hand_over(draft);
}
