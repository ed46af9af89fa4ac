//! The synchronous loop body over the ports: handle, commit once, dispatch. The simulated world
//! and the real node run this same code.

use crate::chain::{ChainCall, GasReport};
use crate::crypto::Signer;
use crate::effect::Effect;
use crate::engine::Engine;
use crate::error::RequestError;
use crate::input::{Input, Request};
use crate::policy::Policy;
use crate::ports::{Application, Chain, Store, StoreError, Transport};
use crate::state::Deployment;
use crate::step::{Batch, Write};
use crate::types::{Address, CallId, ChannelId, MessageId, Timestamp};
use crate::vouchers::MAX_PAYMENTS;

/// An engine with its ports.
pub struct Driver<S, T, C, A> {
    engine: Engine,
    store: S,
    transport: T,
    chain: C,
    application: A,
}

impl<S: Store, T: Transport, C: Chain, A: Application> Driver<S, T, C, A> {
    /// Restores the engine and offers every row of the outbox again: receivers are idempotent.
    ///
    /// # Errors
    /// When the store cannot be read whole.
    pub fn start(
        deployment: Deployment,
        policy: Policy,
        signer: Box<dyn Signer>,
        mut store: S,
        mut transport: T,
        mut chain: C,
        application: A,
    ) -> Result<Self, StoreError> {
        let rows = store.load()?;
        let engine = Engine::restore(deployment, policy, signer, &rows);
        let (messages, calls) = outbox(rows);
        for (to, id, message) in messages {
            transport.send(to, id, message);
        }
        for (id, call) in calls {
            chain.submit(id, call);
        }
        for id in engine.unwanted_calls() {
            chain.withdraw(id);
        }
        Ok(Self { engine, store, transport, chain, application })
    }

    /// Handles inputs as one turn: one commit, and only then effects.
    ///
    /// # Errors
    /// When the commit failed. Nothing has left, and the process must end: memory is ahead of
    /// the disk.
    pub fn turn(
        &mut self,
        now: Timestamp,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let mut effects = Vec::new();
        for input in paid_together(inputs) {
            let Some(input) = self.admit(input, &batch, &mut effects)? else { continue };
            let step = self.engine.handle(now, input);
            step.writes.into_iter().for_each(|write| batch.push(write));
            effects.extend(step.effects);
        }
        if !batch.is_empty() {
            self.store.commit(&batch)?;
        }
        effects.into_iter().for_each(|effect| self.dispatch(effect));
        Ok(())
    }

    /// The engine.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Tells what the chain account has and what gas costs.
    pub const fn report_gas(&mut self, report: GasReport) {
        self.engine.report_gas(report);
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The transport, for the loop that feeds this driver.
    pub const fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The application, for the loop that feeds this driver.
    pub const fn application_mut(&mut self) -> &mut A {
        &mut self.application
    }

    /// Gives the ports back.
    pub fn into_parts(self) -> (S, T, C, A) {
        (self.store, self.transport, self.chain, self.application)
    }

    /// Takes out what would bring a closed channel back: its old states and vouchers are signed
    /// and would count again (threat A4). Looked up here, because history is the store's.
    fn admit(
        &self,
        input: Input,
        batch: &Batch,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Input>, StoreError> {
        match input {
            Input::Frame { token, mut envelopes } => {
                let mut known = Vec::new();
                for envelope in &envelopes {
                    known.push(match envelope.message.opens() {
                        Some(channel) => self.was_closed(channel, batch)?,
                        None => false,
                    });
                }
                let mut known = known.into_iter();
                envelopes.retain(|_| !known.next().unwrap_or(false));
                Ok(Some(Input::Frame { token, envelopes }))
            }
            Input::Request(id, request) => {
                if let Request::ExitLedger { ledger: channel } | Request::ExitPayment { channel } =
                    request
                    && self.was_closed(channel, batch)?
                {
                    effects.push(Effect::Reply(id, Err(RequestError::AlreadyClosed(channel))));
                    return Ok(None);
                }
                if let Some(channel) = self.new_channel(&request)
                    && self.was_closed(channel, batch)?
                {
                    let refusal = Err(RequestError::ChannelIdTaken(channel));
                    effects.push(Effect::Reply(id, refusal));
                    return Ok(None);
                }
                Ok(Some(Input::Request(id, request)))
            }
            other @ (Input::Payments(_)
            | Input::Chain(_)
            | Input::Answered(_)
            | Input::Delivered(..)
            | Input::Settled(..)
            | Input::Answer(..)
            | Input::Deadline) => Ok(Some(other)),
        }
    }

    fn new_channel(&self, request: &Request) -> Option<ChannelId> {
        self.engine.fixed_part(request).map(|fixed| fixed.channel_id())
    }

    fn was_closed(&self, channel: ChannelId, batch: &Batch) -> Result<bool, StoreError> {
        Ok(batch.archives(channel) || self.store.is_archived(channel)?)
    }

    fn dispatch(&mut self, effect: Effect) {
        match effect {
            Effect::Send(to, id, message) => self.transport.send(to, id, message),
            Effect::Forget(to, up_to) => self.transport.forget(to, up_to),
            Effect::Submit(id, call) => self.chain.submit(id, call),
            Effect::Withdraw(id) => self.chain.withdraw(id),
            Effect::Ack(token, answers) => self.transport.acknowledge(token, answers),
            Effect::Reply(id, response) => self.application.reply(id, response),
            Effect::Notify(update) => self.application.notify(update),
            Effect::Report(peer, offence) => self.transport.report(peer, offence),
        }
    }
}

/// Makes one input of payments that follow each other, so that what goes over one channel costs one
/// signature. What was asked before something else still happens before it.
fn paid_together(inputs: impl IntoIterator<Item = Input>) -> impl Iterator<Item = Input> {
    let mut inputs = inputs.into_iter();
    let mut behind = None;
    std::iter::from_fn(move || {
        let first = behind.take().or_else(|| inputs.next())?;
        let Input::Request(id, request @ (Request::Pay { .. } | Request::PayTo { .. })) = first
        else {
            return Some(first);
        };
        let mut payments = vec![(id, request)];
        while payments.len() < MAX_PAYMENTS {
            match inputs.next() {
                Some(Input::Request(
                    id,
                    request @ (Request::Pay { .. } | Request::PayTo { .. }),
                )) => {
                    payments.push((id, request));
                }
                other => {
                    behind = other;
                    break;
                }
            }
        }
        Some(Input::Payments(payments))
    })
}

type Outbox = (Vec<(Address, MessageId, Vec<u8>)>, Vec<(CallId, ChainCall)>);

fn outbox(rows: Vec<Write>) -> Outbox {
    let (mut messages, mut calls) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Write::Message(to, id, Some(message)) => messages.push((to, id, message)),
            Write::Call(id, Some(call)) => calls.push((id, call)),
            _ => {}
        }
    }
    messages.sort_by_key(|(to, id, _)| (*to, *id));
    calls.sort_by_key(|(id, _)| *id);
    (messages, calls)
}
