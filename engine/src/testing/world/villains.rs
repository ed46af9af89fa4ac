//! Where villains stand between their nodes and the world, see [`crate::testing::adversaries`].

use super::node::Owner;
use super::{Out, Party, World};
use crate::chain::Receipt;
use crate::input::Input;
use crate::testing::adversaries::{Fate, Plan};
use crate::testing::chain::ContractCall;
use crate::testing::random_world::Tally;
use crate::types::Address;
use crate::wire::Envelope;

impl World {
    /// True for a node whose owner is a villain.
    #[must_use]
    pub fn is_villain(&self, party: Party) -> bool {
        self.nodes[party.0].owner == Owner::Villain
    }

    /// Some villain does one thing of chance.
    pub fn meddle(&mut self) {
        let honest: Vec<Address> = self
            .parties()
            .filter(|party| !self.is_villain(*party))
            .map(|party| self.address(party))
            .collect();
        if let Some(ring) = &mut self.ring {
            ring.act(self.now, &self.chain, &honest);
            self.carry_out_plans();
        }
    }

    /// From now on villains do nothing but what their nodes do.
    pub fn repent(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.repent();
        }
    }

    /// Ends a process for good.
    pub fn banish(&mut self, party: Party) {
        self.crash(party);
        self.nodes[party.0].restart_at = None;
    }

    /// What villains have done since this was last asked.
    pub(in crate::testing) fn take_villainy(&mut self) -> Tally {
        self.ring.as_mut().map(|ring| ring.take_tally()).unwrap_or_default()
    }

    /// True when the contract would take a call now.
    #[must_use]
    pub fn would_accept(&self, sender: Address, call: &ContractCall) -> bool {
        let time = self.chain.head().timestamp.max(self.now.0 / 1_000);
        self.chain.contract().clone().execute(sender, time, call).is_ok()
    }

    pub(super) fn carry_out_plans(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        for plan in ring.due(self.now) {
            match plan {
                Plan::Say { from, to, message } => {
                    self.network.inject(self.now, from, to, vec![message]);
                }
                Plan::Settle { sender, call } => {
                    let Some(party) = self.find(sender) else { continue };
                    let reason = "withheld by its owner".to_owned();
                    self.put(party, Input::Settled(call, Receipt::Reverted { reason }));
                }
                Plan::Call { sender, first: true, call } => self.chain.front_run(sender, *call),
                Plan::Call { sender, first: false, call } => self.chain.call(sender, *call),
            }
        }
    }

    /// Takes out of a frame what a villain does not let its node hear.
    pub(super) fn keep_from_villain(
        &mut self,
        from: Address,
        to: Address,
        envelopes: &mut Vec<Envelope>,
    ) {
        let Some(ring) = self.ring.as_mut().filter(|ring| ring.has(to)) else { return };
        envelopes.retain(|envelope| ring.hears(self.now, from, to, &envelope.message));
    }

    /// What leaves a villain's node, as far as the villain lets it.
    pub(super) fn let_villain_out(&mut self, party: Party, out: Out) -> Option<Out> {
        let from = self.address(party);
        let ring = self.ring.as_mut()?;
        match out {
            Out::Send(to, id, message) => match ring.says(self.now, from, to, &message) {
                Fate::Sent => Some(Out::Send(to, id, message)),
                Fate::Kept => {
                    // To its own node it says that the message has arrived.
                    let delivered = Input::Delivered(to, id);
                    self.put(party, delivered);
                    None
                }
            },
            Out::Submit(id, _) if !ring.submits(self.now, from, id) => None,
            Out::Ack(..) if !ring.acknowledges(from) => None,
            Out::Ack(token, answers) => Some(Out::Ack(token, ring.answers(from, answers))),
            other => Some(other),
        }
    }
}
