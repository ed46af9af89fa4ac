//! The working copy of one step: reads fall through to the engine's state, changes stay here until
//! they are applied, and a refused input leaves nothing behind (gap L18).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::apply::State;
use crate::chain::ChainCall;
use crate::crypto::Signer;
use crate::effect::{Effect, Offence, Update};
use crate::ledger::{CallState, Ledger, LedgerPhase};
use crate::objectives::{
    DeclineReason, Objective, ObjectiveStatus, WaitingFor, crank_cancelled, crank_direct_defund,
    crank_direct_fund, crank_virtual_defund, crank_virtual_fund, restore_deposit,
};
use crate::payment::{PaymentChannel, PaymentPhase};
use crate::policy::Policy;
use crate::query::{LedgerView, PaymentView};
use crate::state::Deployment;
use crate::step::{ArchivedChannel, ChainCursor, Paid, Step, Write};
use crate::types::{Address, Asset, CallId, ChannelId, MessageId, ObjectiveId, Timestamp};
use crate::wire::{self, Message};

pub(crate) struct Draft<'a> {
    pub(crate) now: Timestamp,
    pub(crate) deployment: &'a Deployment,
    pub(crate) policy: &'a Policy,
    pub(crate) signer: &'a dyn Signer,
    state: &'a State,
    ledgers: BTreeMap<ChannelId, Option<Box<Ledger>>>,
    payments: BTreeMap<ChannelId, Option<Box<PaymentChannel>>>,
    paid: BTreeMap<ChannelId, Option<Paid>>,
    objectives: BTreeMap<ObjectiveId, Option<Objective>>,
    next_message: BTreeMap<Address, u64>,
    next_call: CallId,
    cursor: Option<ChainCursor>,
    /// Channels whose crank is due.
    touched: BTreeSet<ChannelId>,
    /// Rows that are only ever added.
    appended: Vec<Write>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        now: Timestamp,
        deployment: &'a Deployment,
        policy: &'a Policy,
        signer: &'a dyn Signer,
        state: &'a State,
    ) -> Self {
        Self {
            now,
            deployment,
            policy,
            signer,
            state,
            ledgers: BTreeMap::new(),
            payments: BTreeMap::new(),
            paid: BTreeMap::new(),
            objectives: BTreeMap::new(),
            next_message: BTreeMap::new(),
            next_call: state.next_call,
            cursor: None,
            touched: BTreeSet::new(),
            appended: Vec::new(),
            effects: Vec::new(),
        }
    }

    pub(crate) fn me(&self) -> Address {
        self.signer.address()
    }

    pub(crate) fn state(&self) -> &'a State {
        self.state
    }

    // Reading.

    pub(crate) fn ledger(&self, id: ChannelId) -> Option<&Ledger> {
        match self.ledgers.get(&id) {
            Some(changed) => changed.as_deref(),
            None => self.state.ledgers.get(&id),
        }
    }

    pub(crate) fn payment(&self, id: ChannelId) -> Option<&PaymentChannel> {
        match self.payments.get(&id) {
            Some(changed) => changed.as_deref(),
            None => self.state.payments.get(&id),
        }
    }

    pub(crate) fn paid(&self, id: ChannelId) -> Option<Paid> {
        match self.paid.get(&id) {
            Some(changed) => *changed,
            None => self.state.paid.get(&id).copied(),
        }
    }

    pub(crate) fn objective(&self, id: ObjectiveId) -> Option<Objective> {
        match self.objectives.get(&id) {
            Some(changed) => *changed,
            None => self.state.objectives.get(&id).copied(),
        }
    }

    pub(crate) fn cursor(&self) -> &ChainCursor {
        self.cursor.as_ref().unwrap_or(&self.state.cursor)
    }

    /// The ledger shared with a peer for an asset, in any phase.
    pub(crate) fn ledger_with(&self, peer: Address, asset: Asset) -> Option<&Ledger> {
        let fresh = self
            .ledgers
            .values()
            .flatten()
            .find(|ledger| ledger.peer() == peer && ledger.asset == asset);
        fresh
            .map(Box::as_ref)
            .or_else(|| self.state.by_peer.get(&(peer, asset)).and_then(|id| self.ledger(*id)))
    }

    pub(crate) fn is_known(&self, id: ChannelId) -> bool {
        self.ledger(id).is_some() || self.payment(id).is_some()
    }

    pub(crate) fn backlog(&self, peer: Address) -> u64 {
        let Some(backlog) = self.state.outbox.get(&peer) else { return 0 };
        let next = self.next_message.get(&peer).copied().unwrap_or(backlog.next);
        next.saturating_sub(backlog.first)
    }

    // Changing.

    pub(crate) fn ledger_mut(&mut self, id: ChannelId) -> Option<&mut Ledger> {
        self.touched.insert(id);
        let entry = self.ledgers.entry(id);
        entry.or_insert_with(|| self.state.ledgers.get(&id).cloned().map(Box::new)).as_deref_mut()
    }

    pub(crate) fn payment_mut(&mut self, id: ChannelId) -> Option<&mut PaymentChannel> {
        self.touched.insert(id);
        let entry = self.payments.entry(id);
        entry.or_insert_with(|| self.state.payments.get(&id).cloned().map(Box::new)).as_deref_mut()
    }

    pub(crate) fn insert_ledger(&mut self, ledger: Ledger) {
        self.touched.insert(ledger.id);
        self.ledgers.insert(ledger.id, Some(Box::new(ledger)));
    }

    pub(crate) fn insert_payment(&mut self, channel: PaymentChannel) {
        self.touched.insert(channel.id);
        self.payments.insert(channel.id, Some(Box::new(channel)));
    }

    pub(crate) fn set_paid(&mut self, id: ChannelId, paid: Paid) {
        self.paid.insert(id, Some(paid));
    }

    pub(crate) fn set_cursor(&mut self, cursor: ChainCursor) {
        self.cursor = Some(cursor);
    }

    /// Moves a ledger out of the working set.
    pub(crate) fn archive_ledger(&mut self, id: ChannelId) {
        let Some(ledger) = self.ledger(id).cloned() else { return };
        self.ledgers.insert(id, None);
        self.notify(Update::Ledger(Box::new(LedgerView::new(&ledger, false))));
        let row = Box::new(ArchivedChannel::Ledger(ledger));
        self.appended.push(Write::ArchivedChannel(id, row));
    }

    /// Moves a payment channel out of the working set.
    pub(crate) fn archive_payment(&mut self, id: ChannelId) {
        let Some(channel) = self.payment(id).cloned() else { return };
        let paid = self.paid(id);
        self.payments.insert(id, None);
        self.paid.insert(id, None);
        self.notify(Update::Payment(Box::new(PaymentView::new(&channel, paid.as_ref(), false))));
        let row = Box::new(ArchivedChannel::Payment(channel, paid));
        self.appended.push(Write::ArchivedChannel(id, row));
    }

    // Objectives.

    pub(crate) fn start_objective(
        &mut self,
        id: ObjectiveId,
        waiting: WaitingFor,
        timeout: Duration,
    ) {
        let objective = Objective {
            id,
            status: ObjectiveStatus::Running(waiting),
            started: self.now,
            deadline: self.now.after(timeout),
        };
        self.objectives.insert(id, Some(objective));
        self.notify(Update::Objective(objective));
    }

    /// Says what a running objective waits for.
    pub(crate) fn wait_for(&mut self, id: ObjectiveId, waiting: WaitingFor) {
        let status = ObjectiveStatus::Running(waiting);
        let Some(objective) = self.objective(id).filter(|objective| objective.status != status)
        else {
            return;
        };
        let objective = Objective { status, ..objective };
        self.objectives.insert(id, Some(objective));
        self.notify(Update::Objective(objective));
    }

    pub(crate) fn complete(&mut self, id: ObjectiveId) {
        self.end_objective(id, ObjectiveStatus::Completed);
    }

    pub(crate) fn decline(&mut self, id: ObjectiveId, by: Address, reason: DeclineReason) {
        self.end_objective(id, ObjectiveStatus::Declined { by, reason });
    }

    /// Ends an objective once; ending it again changes nothing (gap C15).
    fn end_objective(&mut self, id: ObjectiveId, status: ObjectiveStatus) {
        let Some(objective) = self.objective(id) else { return };
        let objective = Objective { status, ..objective };
        self.objectives.insert(id, None);
        self.appended.push(Write::ArchivedObjective(id, objective));
        self.notify(Update::Objective(objective));
    }

    // Effects.

    pub(crate) fn send(&mut self, to: Address, message: &Message) {
        self.enqueue(to, message);
    }

    /// Like [`Draft::send`]; tells under which id the message can be followed.
    pub(crate) fn enqueue(&mut self, to: Address, message: &Message) -> MessageId {
        let stored = self.state.outbox.get(&to).map_or(0, |backlog| backlog.next);
        let next = self.next_message.entry(to).or_insert(stored);
        let id = MessageId(*next);
        *next = next.saturating_add(1);
        let bytes = wire::encode(message);
        self.appended.push(Write::Message(to, id, Some(bytes.clone())));
        self.effects.push(Effect::Send(to, id, bytes));
        id
    }

    pub(crate) fn send_all(&mut self, to: impl IntoIterator<Item = Address>, message: &Message) {
        for peer in to {
            self.send(peer, message);
        }
    }

    /// Submits a call for a ledger, which may have only one on its way.
    pub(crate) fn submit(&mut self, ledger: ChannelId, call: ChainCall) {
        let id = self.next_call;
        self.next_call = CallId(id.0.saturating_add(1));
        if let Some(ledger) = self.ledger_mut(ledger) {
            ledger.call = CallState::InFlight(id);
        }
        self.appended.push(Write::Call(id, Some(call.clone())));
        self.effects.push(Effect::Submit(id, call));
    }

    pub(crate) fn remove(&mut self, write: Write) {
        self.appended.push(write);
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn notify(&mut self, update: Update) {
        self.effects.push(Effect::Notify(update));
    }

    pub(crate) fn report(&mut self, peer: Address, offence: Offence) {
        self.effects.push(Effect::Report(peer, offence));
    }

    // Progress.

    pub(crate) fn touch(&mut self, id: ChannelId) {
        self.touched.insert(id);
    }

    /// Cranks every touched channel until nothing more is due. Ends, because each crank that
    /// touches something has signed, proposed, submitted or archived, and none does so twice.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            if let Some(phase) = self.ledger(id).map(|ledger| ledger.phase) {
                match phase {
                    LedgerPhase::Opening => crank_direct_fund(self, id),
                    LedgerPhase::Open => restore_deposit(self, id),
                    LedgerPhase::Closing => crank_direct_defund(self, id),
                }
            } else if let Some(phase) = self.payment(id).map(|channel| channel.phase) {
                match phase {
                    PaymentPhase::Funding => crank_virtual_fund(self, id),
                    PaymentPhase::Open => {}
                    PaymentPhase::Closing => crank_virtual_defund(self, id),
                    PaymentPhase::Cancelled(_) => crank_cancelled(self, id),
                }
            }
        }
    }

    /// The step: all changed rows and all effects.
    pub(crate) fn finish(mut self) -> Step {
        self.settle();
        self.notify_changes();
        let mut writes = Vec::new();
        writes.extend(self.ledgers.into_iter().map(|(id, row)| Write::Ledger(id, row)));
        writes.extend(self.payments.into_iter().map(|(id, row)| Write::Payment(id, row)));
        writes.extend(self.paid.into_iter().map(|(id, row)| Write::Paid(id, row)));
        writes.extend(self.objectives.into_iter().map(|(id, row)| Write::Objective(id, row)));
        writes.extend(self.cursor.map(Write::Cursor));
        if self.next_call != self.state.next_call {
            writes.push(Write::NextCall(self.next_call));
        }
        writes.append(&mut self.appended);
        Step { writes, effects: self.effects }
    }

    fn notify_changes(&mut self) {
        let mut updates = Vec::new();
        for ledger in self.ledgers.values().flatten() {
            let view = LedgerView::new(ledger, true);
            let before = self.state.ledgers.get(&ledger.id);
            if before.map(|before| LedgerView::new(before, true)).as_ref() != Some(&view) {
                updates.push(Update::Ledger(Box::new(view)));
            }
        }
        for channel in self.payments.values().flatten() {
            let before = self.state.payments.get(&channel.id).map(|before| before.phase);
            if before != Some(channel.phase) {
                let paid = self.paid(channel.id);
                let view = PaymentView::new(channel, paid.as_ref(), true);
                updates.push(Update::Payment(Box::new(view)));
            }
        }
        for update in updates {
            self.notify(update);
        }
    }
}
