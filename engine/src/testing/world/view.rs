//! What a test can see of a node.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Party, World};
use crate::effect::Offence;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::objectives::{Objective, ObjectiveStatus};
use crate::payment::{PaymentChannel, Role};
use crate::query::StatusView;
use crate::step::{ArchivedChannel, Write};
use crate::testing::fixtures;
use crate::testing::store::MemStore;
use crate::types::{Address, Amount, Asset, ChannelId, ObjectiveId};

impl World {
    /// The engine of a node that runs.
    ///
    /// # Panics
    /// When the node is down.
    #[must_use]
    pub fn engine(&self, party: Party) -> &Engine {
        self.nodes[party.0].driver.as_ref().expect("the node runs").engine()
    }

    /// True when the process runs.
    #[must_use]
    pub fn is_up(&self, party: Party) -> bool {
        self.nodes[party.0].driver.is_some()
    }

    /// What a node is called.
    #[must_use]
    pub fn name(&self, party: Party) -> &str {
        &self.nodes[party.0].name
    }

    /// What a node has reported about its peers and nobody has taken yet.
    #[must_use]
    pub fn offences(&self, party: Party) -> &[(Address, Offence)] {
        &self.nodes[party.0].offences
    }

    /// Objectives that run at a node.
    #[must_use]
    pub fn objective_ids(&self, party: Party) -> Vec<ObjectiveId> {
        self.engine(party).state().objectives.keys().copied().collect()
    }

    /// The longest that any node waits for silent peers.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.nodes.iter().map(|node| node.policy.patience).max().unwrap_or_default()
    }

    /// The longest challenge of any channel that a node knows, in seconds.
    #[must_use]
    pub fn longest_challenge(&self) -> u64 {
        let running = self.nodes.iter().filter_map(|node| Some(node.driver.as_ref()?.engine()));
        let durations = running.flat_map(|engine| {
            let ledgers = engine.state().ledgers.values().map(|ledger| &ledger.fixed);
            let payments = engine.state().payments.values().map(|channel| &channel.fixed);
            ledgers.chain(payments).map(|fixed| u64::from(fixed.challenge_duration))
        });
        durations.max().unwrap_or_else(|| u64::from(fixtures::CHALLENGE_DURATION))
    }

    /// Live rows on the disk of a node, without messages to nodes that are off.
    #[must_use]
    pub fn rows(&self, party: Party) -> usize {
        let off = |to: Address| self.find(to).is_some_and(|party| !self.is_up(party));
        let rows = self.nodes[party.0].store.rows().into_iter();
        rows.filter(|row| !matches!(row, Write::Message(to, ..) if off(*to))).count()
    }

    /// Payment channels that a node was ever part of: its role, the asset, and its best voucher.
    pub(in crate::testing) fn vouchers(
        &self,
        party: Party,
    ) -> Vec<(ChannelId, Role, Asset, Amount)> {
        self.nodes[party.0].memory.vouchers().collect()
    }

    /// Ledgers of an asset that a node ever had: what it put in, and what it had there last.
    pub(in crate::testing) fn ledgers_ever(
        &self,
        party: Party,
        asset: Asset,
    ) -> Vec<(ChannelId, Amount, Amount)> {
        self.nodes[party.0].memory.ledgers(asset).collect()
    }

    /// The disk of a node.
    #[must_use]
    pub fn store(&self, party: Party) -> &MemStore {
        &self.nodes[party.0].store
    }

    /// Turns of a node that had something to commit, over all its lives.
    #[must_use]
    pub fn turns(&self, party: Party) -> u64 {
        self.nodes[party.0].turns
    }

    /// A ledger that is not closed.
    #[must_use]
    pub fn ledger(&self, party: Party, id: ChannelId) -> Option<&Ledger> {
        self.engine(party).state().ledgers.get(&id)
    }

    /// A payment channel that is not closed.
    #[must_use]
    pub fn payment(&self, party: Party, id: ChannelId) -> Option<&PaymentChannel> {
        self.engine(party).state().payments.get(&id)
    }

    /// Ledgers that are not closed.
    #[must_use]
    pub fn ledger_ids(&self, party: Party) -> Vec<ChannelId> {
        self.engine(party).state().ledgers.keys().copied().collect()
    }

    /// Payment channels that are not closed.
    #[must_use]
    pub fn payment_ids(&self, party: Party) -> Vec<ChannelId> {
        self.engine(party).state().payments.keys().copied().collect()
    }

    /// What was paid over a channel that is not closed, as far as this node knows.
    #[must_use]
    pub fn paid(&self, party: Party, id: ChannelId) -> Amount {
        self.engine(party).state().paid.get(&id).map(|paid| paid.total).unwrap_or_default()
    }

    /// An objective, running or ended; none if there never was one.
    #[must_use]
    pub fn objective(&self, party: Party, id: ObjectiveId) -> Option<Objective> {
        let running = self.nodes[party.0].driver.as_ref();
        let running = running.and_then(|driver| driver.engine().state().objectives.get(&id));
        running.copied().or_else(|| self.nodes[party.0].store.archived_objective(id))
    }

    /// How far an objective is.
    #[must_use]
    pub fn status(&self, party: Party, id: ObjectiveId) -> Option<ObjectiveStatus> {
        self.objective(party, id).map(|objective| objective.status)
    }

    /// Counters of a node.
    #[must_use]
    pub fn counters(&self, party: Party) -> StatusView {
        self.engine(party).status()
    }

    /// A closed channel as the archive has it.
    #[must_use]
    pub fn archived(&self, party: Party, id: ChannelId) -> Option<ArchivedChannel> {
        self.nodes[party.0].store.archived_channels().into_iter().find(|channel| match channel {
            ArchivedChannel::Ledger(ledger) => ledger.id == id,
            ArchivedChannel::Payment(payment, _) => payment.id == id,
        })
    }

    /// What a node has outside of channels.
    #[must_use]
    pub fn purse(&self, party: Party, asset: Asset) -> Amount {
        self.chain.purse(self.address(party), asset)
    }

    /// The free balance of a node in an open ledger.
    ///
    /// # Panics
    /// When the ledger is not open there.
    #[must_use]
    pub fn balance(&self, party: Party, id: ChannelId) -> Amount {
        let ledger = self.ledger(party, id).expect("an open ledger");
        ledger.agreed.of(ledger.me)
    }

    /// Everything a reader of a failed run wants to know.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("time {:?}, block {:?}\n", self.now, self.chain.head().number);
        for node in &self.nodes {
            let up = if node.driver.is_some() { "up" } else { "down" };
            let _ =
                writeln!(text, "{} {:?} ({up}, {} turns)", node.name, node.address(), node.turns);
            for (call, reason) in self.chain.refused_calls(node.address()) {
                let _ = writeln!(text, "  refused: {reason}: {:?}", call.channels());
            }
            for row in node.store.rows() {
                let _ = match row {
                    Write::Ledger(_, Some(ledger)) => writeln!(
                        text,
                        "  ledger {:?} {:?} {:?} turn {} signed {} pending {:?} closing {:?} call \
                         {:?} {:?} {:?} {:?}",
                        ledger.id,
                        ledger.me,
                        ledger.phase,
                        ledger.agreed.turn,
                        ledger.signed_turn,
                        ledger.pending.iter().map(|pending| pending.change).collect::<Vec<_>>(),
                        ledger.closing.map(|closing| closing.turn),
                        ledger.call,
                        ledger.withdrawal,
                        ledger.status(),
                        ledger.agreed,
                    ),
                    Write::Payment(_, Some(payment)) => writeln!(
                        text,
                        "  payment {:?} {:?} {:?} declined {:?}",
                        payment.id,
                        payment.role(),
                        payment.phase,
                        payment.declined_by
                    ),
                    Write::Objective(_, Some(objective)) => writeln!(text, "  {objective:?}"),
                    Write::Call(id, Some(_)) => writeln!(text, "  call {id:?}"),
                    Write::Message(to, id, Some(_)) => writeln!(text, "  message {id:?} to {to}"),
                    _ => Ok(()),
                };
            }
        }
        text
    }
}
