//! The working copy of one step: reads fall through to the engine's state, changes stay here until
//! they are applied, and a refused input leaves nothing behind (gap L18).

mod bounds;
mod burial;
mod debts;
mod sendings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::answers::Answer;
use crate::apply::State;
use crate::chain::{ChainCall, GasReport};
use crate::crypto::Signer;
use crate::debts::Debt;
use crate::effect::{Effect, Offence, Update};
use crate::guard::{self, Guarding, Tower};
use crate::handlers::credit_early_voucher;
use crate::ledger::{CallState, Ledger, LedgerPhase, MAX_PROPOSALS};
use crate::objectives::{
    DeclineReason, Objective, ObjectiveStatus, WaitingFor, crank_cancelled, crank_checkpoint,
    crank_direct_defund, crank_direct_fund, crank_ledger_exit, crank_payment_exit,
    crank_virtual_defund, crank_virtual_fund, restore_deposit,
};
use crate::payment::{PaymentChannel, PaymentPhase};
use crate::policy::Policy;
use crate::query::{LedgerView, PaymentView};
use crate::quotas::Quotas;
use crate::sending::Sending;
use crate::state::Deployment;
use crate::step::{Buried, ChainCursor, Paid, Step, Write};
use crate::types::{
    Address, Amount, Asset, B256, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
};
use crate::vouchers::Voucher;
use crate::wire::{self, Message};

/// Cranks of one channel in one step. A ledger is cranked about once per payment channel over it, of
/// which there are a few hundred at most.
const MAX_CRANKS: usize = 10_000;

pub(crate) struct Draft<'a> {
    pub(crate) now: Timestamp,
    pub(crate) deployment: &'a Deployment,
    pub(crate) policy: &'a Policy,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) gas: GasReport,
    state: &'a State,
    ledgers: BTreeMap<ChannelId, Option<Box<Ledger>>>,
    payments: BTreeMap<ChannelId, Option<Box<PaymentChannel>>>,
    paid: BTreeMap<ChannelId, Option<Paid>>,
    buried: BTreeMap<ChannelId, Option<Box<Buried>>>,
    objectives: BTreeMap<ObjectiveId, Option<Objective>>,
    towers: BTreeMap<Address, Option<Tower>>,
    guards: BTreeMap<(Address, ChannelId), Option<Box<Guarding>>>,
    debts: BTreeMap<Asset, Option<Box<Debt>>>,
    sendings: BTreeMap<B256, Option<Sending>>,
    next_message: BTreeMap<Address, u64>,
    next_call: CallId,
    cursor: Option<ChainCursor>,
    /// Channels that this step has ended. The driver's look into the archive comes before the
    /// step, so what ends in it is known only here.
    ended: BTreeSet<ChannelId>,
    /// Ledgers that this step has ended and that leave no trace, see [`Ledger::is_void`].
    forgotten: BTreeSet<ChannelId>,
    /// What this step has used up.
    fresh: Quotas,
    waiting: BTreeMap<Address, Option<Timestamp>>,
    refusals: BTreeMap<ChannelId, Option<Answer>>,
    refused: BTreeMap<Address, usize>,
    /// Channels whose crank is due.
    touched: BTreeSet<ChannelId>,
    /// Payments that no voucher has been signed for yet.
    paying: BTreeMap<ChannelId, Vec<Amount>>,
    /// Said in the acknowledgement of the frame that is handled.
    answers: Vec<Vec<u8>>,
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
        gas: GasReport,
        state: &'a State,
    ) -> Self {
        Self {
            now,
            deployment,
            policy,
            signer,
            gas,
            state,
            ledgers: BTreeMap::new(),
            payments: BTreeMap::new(),
            paid: BTreeMap::new(),
            buried: BTreeMap::new(),
            objectives: BTreeMap::new(),
            towers: BTreeMap::new(),
            guards: BTreeMap::new(),
            debts: BTreeMap::new(),
            sendings: BTreeMap::new(),
            next_message: BTreeMap::new(),
            next_call: state.next_call,
            cursor: None,
            ended: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            fresh: Quotas::default(),
            waiting: BTreeMap::new(),
            refusals: BTreeMap::new(),
            refused: BTreeMap::new(),
            touched: BTreeSet::new(),
            paying: BTreeMap::new(),
            answers: Vec::new(),
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

    /// The voucher that pays the payee most, also one that came before the channel was open.
    pub(crate) fn best_voucher(&self, id: ChannelId) -> Option<Voucher> {
        let early = self.payment(id).and_then(|channel| {
            channel.early_voucher.filter(|early| early.total <= channel.capacity)
        });
        self.paid(id).and_then(|paid| paid.voucher).or(early)
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

    /// The chain's clock, in seconds: challenges run on it, not on ours (threat C6).
    pub(crate) fn chain_time(&self) -> u64 {
        self.cursor().head().map_or(0, |block| block.timestamp)
    }

    /// The ledger shared with a peer for an asset, in any phase; one that lives rather than one that
    /// is being closed.
    pub(crate) fn ledger_with(&self, peer: Address, asset: Asset) -> Option<&Ledger> {
        let all = (peer, asset, ChannelId::default())..=(peer, asset, ChannelId([0xff; 32].into()));
        let stored = self.state.by_peer.range(all).map(|(_, _, id)| *id);
        let shared = stored.chain(self.ledgers.keys().copied()).filter_map(|id| self.ledger(id));
        shared
            .filter(|ledger| ledger.peer() == peer && ledger.asset == asset)
            .max_by_key(|ledger| matches!(ledger.phase, LedgerPhase::Opening | LedgerPhase::Open))
    }

    pub(crate) fn is_known(&self, id: ChannelId) -> bool {
        self.ledger(id).is_some() || self.payment(id).is_some()
    }

    /// True for an id under which nothing can be opened: its channel lives, or has ended in this
    /// step (threat A4). What ended before, the driver keeps out.
    pub(crate) fn is_taken(&self, id: ChannelId) -> bool {
        self.is_known(id) || self.ended.contains(&id)
    }

    pub(crate) fn backlog(&self, peer: Address) -> u64 {
        let Some(backlog) = self.state.outbox.get(&peer) else { return 0 };
        let next = self.next_message.get(&peer).copied().unwrap_or(backlog.next);
        next.saturating_sub(backlog.first)
    }

    pub(crate) fn tower(&self, tower: Address) -> Option<Tower> {
        match self.towers.get(&tower) {
            Some(changed) => *changed,
            None => self.state.towers.get(&tower).copied(),
        }
    }

    pub(crate) fn guarding(&self, tower: Address, channel: ChannelId) -> Option<Guarding> {
        match self.guards.get(&(tower, channel)) {
            Some(changed) => changed.as_deref().cloned(),
            None => self.state.guards.get(&(tower, channel)).cloned(),
        }
    }

    /// All watchtowers of this node.
    pub(crate) fn towers(&self) -> Vec<(Address, Tower)> {
        let known: BTreeSet<&Address> =
            self.state.towers.keys().chain(self.towers.keys()).collect();
        known.into_iter().filter_map(|tower| Some((*tower, self.tower(*tower)?))).collect()
    }

    /// What a watchtower has of all channels.
    pub(crate) fn guards_of(&self, tower: Address) -> Vec<(ChannelId, Guarding)> {
        let all = (tower, ChannelId::default())..=(tower, ChannelId([0xff; 32].into()));
        let known = self.state.guards.range(all.clone()).map(|(key, _)| key);
        let channels: BTreeSet<ChannelId> =
            known.chain(self.guards.range(all).map(|(key, _)| key)).map(|key| key.1).collect();
        channels.into_iter().filter_map(|id| Some((id, self.guarding(tower, id)?))).collect()
    }

    /// Channels that this step has changed or closed.
    pub(crate) fn changed_channels(&self) -> BTreeSet<ChannelId> {
        let channels = self.ledgers.keys().chain(self.payments.keys());
        channels.chain(self.paid.keys()).copied().collect()
    }

    /// All channels of the working set.
    pub(crate) fn channels(&self) -> BTreeSet<ChannelId> {
        let stored = self.state.ledgers.keys().chain(self.state.payments.keys()).copied();
        let channels = stored.chain(self.changed_channels());
        channels.filter(|id| self.is_known(*id)).collect()
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

    pub(crate) fn set_call(&mut self, id: ChannelId, call: CallState) {
        if let Some(ledger) = self.ledger_mut(id) {
            ledger.call = call;
        } else if let Some(channel) = self.payment_mut(id) {
            channel.call = call;
        }
    }

    /// The call that a channel has on its way.
    pub(crate) fn call(&self, id: ChannelId) -> CallState {
        let ledger = self.ledger(id).map(|ledger| ledger.call);
        ledger.or_else(|| self.payment(id).map(|channel| channel.call)).unwrap_or(CallState::None)
    }

    /// From now on the peers have a while to do their part, unless the while has begun already.
    pub(crate) fn be_patient(&mut self, id: ChannelId) {
        let until = self.now.after(self.policy.patience);
        if self.ledger(id).is_some_and(|ledger| ledger.patience.is_none()) {
            if let Some(ledger) = self.ledger_mut(id) {
                ledger.patience = Some(until);
            }
        } else if self.payment(id).is_some_and(|channel| channel.patience.is_none())
            && let Some(channel) = self.payment_mut(id)
        {
            channel.patience = Some(until);
        }
    }

    pub(crate) fn insert_ledger(&mut self, ledger: Ledger) {
        debug_assert!(!self.is_taken(ledger.id), "a channel id comes once");
        self.fresh.add_ledger(&ledger);
        self.touched.insert(ledger.id);
        self.ledgers.insert(ledger.id, Some(Box::new(ledger)));
    }

    pub(crate) fn insert_payment(&mut self, channel: PaymentChannel) {
        debug_assert!(!self.is_taken(channel.id), "a channel id comes once");
        self.fresh.add_payment(&channel);
        self.touched.insert(channel.id);
        self.payments.insert(channel.id, Some(Box::new(channel)));
    }

    pub(crate) fn set_paid(&mut self, id: ChannelId, paid: Paid) {
        self.paid.insert(id, Some(paid));
    }

    /// A payment whose voucher is signed once all payments of the input are known.
    pub(crate) fn pay(&mut self, id: ChannelId, amount: Amount) {
        self.paying.entry(id).or_default().push(amount);
    }

    pub(crate) fn is_paying(&self, id: ChannelId) -> bool {
        self.paying.contains_key(&id)
    }

    pub(crate) fn take_paying(&mut self) -> BTreeMap<ChannelId, Vec<Amount>> {
        std::mem::take(&mut self.paying)
    }

    pub(crate) fn set_tower(&mut self, tower: Address, row: Option<Tower>) {
        self.towers.insert(tower, row);
    }

    pub(crate) fn set_guarding(
        &mut self,
        tower: Address,
        channel: ChannelId,
        row: Option<Guarding>,
    ) {
        self.guards.insert((tower, channel), row.map(Box::new));
    }

    pub(crate) fn set_cursor(&mut self, cursor: ChainCursor) {
        self.cursor = Some(cursor);
    }

    /// The follower of a ledger has answered: payment channels go on whose guarantees waited for room
    /// among the proposals.
    pub(crate) fn touch_waiting(&mut self, hop: ChannelId) {
        let Some(ledger) = self.ledger(hop) else { return };
        let last = ChannelId([0xff; 32].into());
        let asked = self.state.funding.range((hop, ChannelId::default())..=(hop, last));
        let asked = asked.map(|(_, id)| *id).filter(|id| !ledger.may_guarantee(*id));
        let closing = ledger.agreed.guarantees.keys().copied().filter(|id| {
            let phase = self.payment(*id).map(|channel| channel.phase);
            !matches!(phase, None | Some(PaymentPhase::Open)) && !ledger.has_pending(*id)
        });
        let due: Vec<ChannelId> =
            asked.take(MAX_PROPOSALS).chain(closing.take(MAX_PROPOSALS)).collect();
        due.into_iter().for_each(|id| self.touch(id));
    }

    /// Says whether a channel has something left to do that is not worth its price now.
    pub(crate) fn defer(&mut self, id: ChannelId, deferred: bool) {
        if self.ledger(id).is_some_and(|ledger| ledger.deferred != deferred) {
            self.ledgers
                .entry(id)
                .or_insert_with(|| self.state.ledgers.get(&id).cloned().map(Box::new));
            if let Some(Some(ledger)) = self.ledgers.get_mut(&id) {
                ledger.deferred = deferred;
            }
        } else if self.payment(id).is_some_and(|channel| channel.deferred != deferred) {
            self.payments
                .entry(id)
                .or_insert_with(|| self.state.payments.get(&id).cloned().map(Box::new));
            if let Some(Some(channel)) = self.payments.get_mut(&id) {
                channel.deferred = deferred;
            }
        }
    }

    // Objectives.

    /// Starts an exit: the chain's clock bounds it, so it has no deadline of its own.
    pub(crate) fn start_exit(&mut self, id: ObjectiveId) {
        self.start_objective(id, WaitingFor::Challenge, Duration::MAX);
    }

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
        let stored = self.state.outbox.get(&to).map_or(0, |backlog| backlog.next);
        let next = self.next_message.entry(to).or_insert(stored);
        let id = MessageId(*next);
        *next = next.saturating_add(1);
        // Whom to tell as a tower is the owner's choice.
        let asked = !message.is_for_tower() && self.may_be_nobody(to);
        if asked && !self.is_waited_for(to) {
            self.wait_on(to);
        }
        let bytes = wire::encode(message);
        self.appended.push(Write::Message(to, id, Some(bytes.clone())));
        self.effects.push(Effect::Send(to, id, bytes));
    }

    pub(crate) fn send_all(&mut self, to: impl IntoIterator<Item = Address>, message: &Message) {
        for peer in to {
            self.send(peer, message);
        }
    }

    /// Answers a frame in its acknowledgement, so that whoever asks for what is refused costs no
    /// row, even if it does not exist. What is beyond the bound, or answers no frame, is not said:
    /// whoever waits for it gives up in time.
    pub(crate) fn answer(&mut self, message: &Message) {
        let bytes = wire::encode(message);
        let said = self.answers.iter().map(Vec::len).fold(bytes.len(), usize::saturating_add);
        if said <= wire::MAX_ANSWER_BYTES {
            self.answers.push(bytes);
        }
    }

    pub(crate) fn take_answers(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.answers)
    }

    /// Submits a call. Each of its channels may have only one on its way.
    pub(crate) fn submit(&mut self, call: ChainCall) {
        let _ = self.submit_as(call);
    }

    /// The same, with the id that its end is told under.
    pub(crate) fn submit_as(&mut self, call: ChainCall) -> CallId {
        let id = self.next_call;
        self.next_call = CallId(id.0.saturating_add(1));
        for channel in call.channels() {
            self.set_call(channel, CallState::InFlight(id));
        }
        self.appended.push(Write::Call(id, Some(call.clone())));
        self.effects.push(Effect::Submit(id, call));
        id
    }

    /// Asks for the deposit of an opening back that is given up, should it wait still: for coin, or
    /// for its turn. Once it is back, or there, what was given up is brought to its end.
    pub(crate) fn withdraw_deposit(&mut self, id: ChannelId) {
        let Some(call) = self.ledger(id).and_then(Ledger::unwanted_call) else { return };
        let fresh = self.appended.iter().find_map(|write| match write {
            Write::Call(known, row) if *known == call => row.as_ref(),
            _ => None,
        });
        let row = fresh.or_else(|| self.state.calls.get(&call));
        if matches!(row, Some(ChainCall::Deposit { .. })) {
            self.effects.push(Effect::Withdraw(call));
        }
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
    /// Should two cranks ask each other for ever after all, the node goes on without them: they
    /// are asked again when something happens.
    pub(crate) fn settle(&mut self) {
        let mut cranks: BTreeMap<ChannelId, usize> = BTreeMap::new();
        while let Some(id) = self.touched.pop_first() {
            let count = cranks.entry(id).or_default();
            *count = count.saturating_add(1);
            if *count > MAX_CRANKS {
                debug_assert!(false, "{id} is cranked for ever");
                continue;
            }
            if let Some(phase) = self.ledger(id).map(|ledger| ledger.phase) {
                match phase {
                    LedgerPhase::Opening => crank_direct_fund(self, id),
                    LedgerPhase::Open => {
                        crank_checkpoint(self, id);
                        restore_deposit(self, id);
                    }
                    LedgerPhase::Closing => crank_direct_defund(self, id),
                    LedgerPhase::Exiting(_) => crank_ledger_exit(self, id),
                }
            } else if let Some(phase) = self.payment(id).map(|channel| channel.phase) {
                match phase {
                    PaymentPhase::Funding => crank_virtual_fund(self, id),
                    PaymentPhase::Open => credit_early_voucher(self, id),
                    PaymentPhase::Closing => crank_virtual_defund(self, id),
                    PaymentPhase::Cancelled(_) => crank_cancelled(self, id),
                    PaymentPhase::Exiting(_) => crank_payment_exit(self, id),
                }
            }
        }
    }

    /// The step: all changed rows and all effects.
    pub(crate) fn finish(mut self) -> Step {
        self.settle();
        self.prolong_funded();
        guard::hand_over(&mut self);
        self.notify_changes();
        let mut writes = Vec::new();
        writes.extend(self.ledgers.into_iter().map(|(id, row)| Write::Ledger(id, row)));
        writes.extend(self.payments.into_iter().map(|(id, row)| Write::Payment(id, row)));
        writes.extend(self.paid.into_iter().map(|(id, row)| Write::Paid(id, row)));
        writes.extend(self.buried.into_iter().map(|(id, row)| Write::Buried(id, row)));
        writes.extend(self.objectives.into_iter().map(|(id, row)| Write::Objective(id, row)));
        writes.extend(self.waiting.into_iter().map(|(peer, row)| Write::Waiting(peer, row)));
        writes.extend(self.refusals.into_iter().map(|(id, row)| Write::Answer(id, row)));
        writes.extend(self.towers.into_iter().map(|(tower, row)| Write::Tower(tower, row)));
        let guards = self.guards.into_iter();
        writes.extend(guards.map(|((tower, id), row)| Write::Guard(tower, id, row)));
        writes.extend(self.debts.into_iter().map(|(asset, row)| Write::Debt(asset, row)));
        writes.extend(self.sendings.into_iter().map(|(key, row)| Write::Sending(key, row)));
        writes.extend(self.cursor.map(Write::Cursor));
        if self.next_call != self.state.next_call {
            writes.push(Write::NextCall(self.next_call));
        }
        let forgotten = self.forgotten;
        self.appended.retain(|write| match write {
            Write::ArchivedObjective(id, _) => !forgotten.contains(&id.channel()),
            _ => true,
        });
        writes.append(&mut self.appended);
        Step { writes, effects: self.effects }
    }

    /// An opening in which somebody has deposited has the time that deposits take; one in which
    /// nobody has is given up soon, because it costs who asks nothing.
    fn prolong_funded(&mut self) {
        let funded =
            self.ledgers.values().flatten().filter(|ledger| {
                ledger.phase == LedgerPhase::Opening && !ledger.onchain.is_blank()
            });
        let ids: Vec<ObjectiveId> = funded.map(|l| ObjectiveId::DirectFund(l.id)).collect();
        for id in ids {
            let Some(objective) = self.objective(id) else { continue };
            let deadline = objective.started.after(self.policy.ledger_funding_timeout);
            if objective.deadline < deadline {
                self.objectives.insert(id, Some(Objective { deadline, ..objective }));
            }
        }
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
            let paid = self.paid(channel.id);
            let view = PaymentView::new(channel, paid.as_ref(), true);
            let before = self.state.payments.get(&channel.id);
            let before = before.map(|before| PaymentView::new(before, paid.as_ref(), true));
            if before.as_ref() != Some(&view) {
                updates.push(Update::Payment(Box::new(view)));
            }
        }
        for update in updates {
            self.notify(update);
        }
    }
}
