//! The engine: decides what an input leads to, and applies what was decided.

use crate::apply::State;
use crate::chain::{ChainCall, GasReport};
use crate::crypto::Signer;
use crate::draft::Draft;
use crate::handlers;
use crate::input::Input;
use crate::policy::Policy;
use crate::query::StatusView;
use crate::state::Deployment;
use crate::step::{ChainCursor, Step, Write};
use crate::types::{Address, CallId, Timestamp};

/// The channel machine of one node.
pub struct Engine {
    deployment: Deployment,
    policy: Policy,
    signer: Box<dyn Signer>,
    gas: GasReport,
    state: State,
}

impl Engine {
    /// Restores an engine from its rows, by the same fold that applies live writes.
    #[must_use]
    pub fn restore<'a>(
        deployment: Deployment,
        policy: Policy,
        signer: Box<dyn Signer>,
        rows: impl IntoIterator<Item = &'a Write>,
    ) -> Self {
        let (gas, state) = (GasReport::default(), State::default());
        let mut engine = Self { deployment, policy, signer, gas, state };
        engine.apply(rows);
        engine
    }

    /// Handles one input: decides and applies. Nothing may leave before the writes are durable.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Step {
        let step = self.decide(now, input);
        self.apply(&step.writes);
        step
    }

    /// What an input leads to. Pure.
    pub fn decide(&self, now: Timestamp, input: Input) -> Step {
        let signer = self.signer.as_ref();
        let mut draft =
            Draft::new(now, &self.deployment, &self.policy, signer, self.gas, &self.state);
        handlers::decide(&mut draft, input);
        draft.finish()
    }

    /// The only mutator.
    pub fn apply<'a>(&mut self, writes: impl IntoIterator<Item = &'a Write>) {
        for write in writes {
            self.state.apply(write);
        }
    }

    /// Tells what the account has and what gas costs, as the clock tells the time.
    pub const fn report_gas(&mut self, report: GasReport) {
        self.gas = report;
    }

    /// When [`Input::Deadline`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.state.deadlines.first().map(|(at, _)| *at)
    }

    /// Submitted calls that are not wanted any more, see [`Chain::withdraw`](crate::ports::Chain).
    pub fn unwanted_calls(&self) -> impl Iterator<Item = CallId> {
        let ledgers = self.state.ledgers.values();
        ledgers.filter_map(|ledger| {
            let call = ledger.unwanted_call()?;
            matches!(self.state.calls.get(&call), Some(ChainCall::Deposit { .. })).then_some(call)
        })
    }

    /// Counters and the gas reserve.
    #[must_use]
    pub fn status(&self) -> StatusView {
        self.state.status_view(&self.gas)
    }

    /// The node's name.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// True while there are channels, open or just closed, or debts: then no block may be left out.
    #[must_use]
    pub fn follows_channels(&self) -> bool {
        let State { ledgers, payments, buried, debts, .. } = &self.state;
        !ledgers.is_empty() || !payments.is_empty() || !buried.is_empty() || !debts.is_empty()
    }

    /// How far the chain has been applied: where the watcher goes on after a restart.
    #[must_use]
    pub fn cursor(&self) -> &ChainCursor {
        &self.state.cursor
    }

    #[cfg(feature = "testing")]
    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    pub(crate) const fn deployment(&self) -> &Deployment {
        &self.deployment
    }
}
