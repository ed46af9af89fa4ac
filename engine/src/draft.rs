//! The working copy of one step: reads fall through to the engine's state, changes stay here until
//! they are applied, and a refused input leaves nothing behind (gap L18).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::answers::Answer;
use crate::apply::State;
use crate::chain::{BlockRef, ChainCall, ChainFact, GasReport};
use crate::crypto::Signer;
use crate::effect::{Effect, Offence, Update};
use crate::error::RequestError;
use crate::guard::{self, Guarding, Tower};
use crate::handlers::credit_early_voucher;
use crate::ledger::{CallState, Ledger, LedgerPhase, MAX_PROPOSALS, SETTLED_DEPTH, Side};
use crate::objectives::{
    DeclineReason, Objective, ObjectiveStatus, WaitingFor, crank_cancelled, crank_checkpoint,
    crank_direct_defund, crank_direct_fund, crank_ledger_exit, crank_payment_exit,
    crank_virtual_defund, crank_virtual_fund, restore_deposit, start_direct_defund,
};
use crate::payment::{PaymentChannel, PaymentPhase};
use crate::policy::{Policy, gas};
use crate::query::{LedgerView, PaymentView};
use crate::quotas::Quotas;
use crate::state::Deployment;
use crate::step::{ArchivedChannel, Buried, ChainCursor, Paid, Step, Write};
use crate::types::{
    Address, Amount, Asset, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
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

    /// Is there coin to enforce every channel, and `ledgers` and `payments` more? The one moment to
    /// ask is before a channel is opened: afterwards a missing reserve is a loss.
    pub(crate) fn check_reserve(
        &self,
        ledgers: usize,
        payments: usize,
    ) -> Result<(), RequestError> {
        let ledgers = ledgers.saturating_add(self.fresh.at_stake);
        let payments = payments.saturating_add(self.fresh.own_funding);
        let needed = self.state.reserve(ledgers, payments, &self.gas);
        match self.gas.balance {
            Some(available) if available < needed => {
                Err(RequestError::GasReserve { needed, available })
            }
            Some(_) | None => Ok(()),
        }
    }

    // Quotas: what others can have for nothing is bounded for each of them and in all, with room
    // kept for the owner's own requests.

    /// May a peer open one more ledger?
    pub(crate) fn check_opening(&self, peer: Address) -> Result<(), DeclineReason> {
        let stored = self.state.ledgers_with(peer);
        let fresh = self.ledgers.iter().filter(|(id, _)| !self.state.ledgers.contains_key(*id));
        let theirs = stored.chain(fresh.map(|(id, _)| *id)).filter(|id| {
            self.ledger(*id).is_some_and(|ledger| {
                ledger.peer() == peer
                    && ledger.phase == LedgerPhase::Opening
                    && ledger.me == Side::Follower
            })
        });
        let all = self.state.quotas.opening.saturating_add(self.fresh.opening);
        let full = all >= self.policy.max_opening_ledgers
            || theirs.count() >= self.policy.max_opening_ledgers_per_peer;
        if full { Err(DeclineReason::Busy) } else { Ok(()) }
    }

    /// May one more payment channel wait for funds, asked for over that ledger, or by the owner?
    pub(crate) fn check_funding(&self, left: Option<ChannelId>) -> Result<(), DeclineReason> {
        let (stored, fresh) = (&self.state.quotas, &self.fresh);
        let theirs = stored.funding.saturating_add(fresh.funding);
        let own = stored.own_funding.saturating_add(fresh.own_funding);
        let max = self.policy.max_funding_payments;
        let mut full = theirs.saturating_add(own) >= max;
        if let Some(left) = left {
            let over = stored.funding_over(left).saturating_add(fresh.funding_over(left));
            full |= theirs >= Policy::share_of_peers(max);
            full |= over >= self.policy.max_funding_payments_per_ledger;
        }
        if full { Err(DeclineReason::Busy) } else { Ok(()) }
    }

    /// Least capacity of a payment channel over these ledgers at the present price of gas.
    pub(crate) fn least_capacity<'b>(
        &self,
        asset: Asset,
        hops: impl IntoIterator<Item = &'b Ledger>,
    ) -> Amount {
        // What is asked for counts as if it were there already, or many at once would pass.
        let carried = |hop: &Ledger| {
            let asked = [&self.state.quotas, &self.fresh].map(|quotas| quotas.funding_over(hop.id));
            hop.proposed().guarantees.len().saturating_add(asked.into_iter().sum::<usize>())
        };
        let beside = hops.into_iter().map(carried).max().unwrap_or_default();
        self.policy.least_capacity(asset, self.gas.cost(gas::PAYMENT), beside)
    }

    // Messages for peers without a ledger: they may not exist.

    fn is_waited_for(&self, peer: Address) -> bool {
        match self.waiting.get(&peer) {
            Some(changed) => changed.is_some(),
            None => self.state.waiting.contains_key(&peer),
        }
    }

    /// Messages wait for a peer for some time from now.
    pub(crate) fn wait_on(&mut self, peer: Address) {
        let until = self.now.after(self.policy.stranger_patience());
        self.waiting.insert(peer, Some(until));
    }

    pub(crate) fn stop_waiting(&mut self, peer: Address) {
        if self.is_waited_for(peer) {
            self.waiting.insert(peer, None);
        }
    }

    /// True for a peer with whom a channel is shared, and for watchtowers of this node.
    pub(crate) fn has_business_with(&self, peer: Address) -> bool {
        let stored = self.state.ledgers_with(peer).any(|id| self.ledger(id).is_some());
        let party = |channel: &PaymentChannel| channel.fixed.index_of(peer).is_some();
        stored || self.tower(peer).is_some() || self.state.payments.values().any(party)
    }

    /// May another message wait for each of these peers because somebody asks for it?
    pub(crate) fn has_room_for(&self, peers: &[Address]) -> bool {
        let policy = self.policy;
        let fits = |peer: &Address| {
            let max = if self.may_be_nobody(*peer) {
                policy.max_stranger_backlog
            } else {
                policy.max_backlog
            };
            self.backlog(*peer) < max
        };
        let is_new = |peer: &&Address| self.may_be_nobody(**peer) && !self.is_waited_for(**peer);
        let new = peers.iter().filter(is_new).count();
        let all = self.state.waiting.len().saturating_add(self.waiting.len());
        peers.iter().all(fits) && (new == 0 || all.saturating_add(new) <= policy.max_strangers)
    }

    /// Towers of this node are the owner's choice.
    fn may_be_nobody(&self, peer: Address) -> bool {
        self.is_stranger(peer) && self.tower(peer).is_none()
    }

    // Refusals.

    /// What was answered to whoever asked for the channel before.
    pub(crate) fn answer_to(&self, id: ChannelId) -> Option<DeclineReason> {
        let answer = match self.refusals.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.state.answers.get(&id),
        };
        answer.map(|answer| answer.reason)
    }

    /// Remembers a refusal; false when there is no room. Peers without a ledger have little, and
    /// leave half of all to those who have one.
    pub(crate) fn remember(&mut self, id: ChannelId, to: Address, reason: DeclineReason) -> bool {
        let policy = self.policy;
        let (each, all) = if self.is_stranger(to) {
            (policy.max_answers_per_stranger, policy.max_answers.div_ceil(2))
        } else {
            (policy.max_answers_per_peer, policy.max_answers)
        };
        let stored = self.state.answered.get(&to).copied().unwrap_or_default();
        let fresh = self.refused.get(&to).copied().unwrap_or_default();
        let total = self.state.answers.len().saturating_add(self.refusals.len());
        if stored.saturating_add(fresh) >= each || total >= all {
            return false;
        }
        self.refused.insert(to, fresh.saturating_add(1));
        let until = self.now.after(policy.answer_memory());
        self.refusals.insert(id, Some(Answer { to, reason, until }));
        true
    }

    pub(crate) fn forget_answer(&mut self, id: ChannelId) {
        self.refusals.insert(id, None);
    }

    /// True for a peer with whom no ledger is open or was: it may be one of a million names of
    /// somebody who has nothing to lose.
    pub(crate) fn is_stranger(&self, peer: Address) -> bool {
        !self
            .state
            .ledgers_with(peer)
            .any(|id| self.ledger(id).is_some_and(|ledger| ledger.phase != LedgerPhase::Opening))
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

    /// Moves a ledger out of the working set. Payment channels that it may have guaranteed look at
    /// what is left of them.
    pub(crate) fn archive_ledger(&mut self, id: ChannelId) {
        let Some(ledger) = self.ledger(id).cloned() else { return };
        self.ledgers.insert(id, None);
        self.touched.extend(ledger.targets());
        self.ended.insert(id);
        self.notify(Update::Ledger(Box::new(LedgerView::new(&ledger, false))));
        if self.backlog(ledger.peer()) > 0 && !self.is_waited_for(ledger.peer()) {
            self.wait_on(ledger.peer());
        }
        if ledger.is_void() {
            self.forgotten.insert(id);
            // For as long as somebody may honestly ask again.
            let _ = self.remember(id, ledger.peer(), DeclineReason::TimedOut);
            return;
        }
        // Followed in any case: a deposit that a reorganisation took back may be mined again.
        self.archive(id, ArchivedChannel::Ledger(ledger), true);
    }

    fn archive(&mut self, id: ChannelId, channel: ArchivedChannel, followed: bool) {
        if followed {
            let until = BlockNumber(self.cursor().number().0.saturating_add(SETTLED_DEPTH));
            self.buried.insert(id, Some(Box::new(Buried { channel: channel.clone(), until })));
        }
        self.appended.push(Write::ArchivedChannel(id, Box::new(channel)));
    }

    fn buried_mut(&mut self, id: ChannelId) -> Option<&mut Buried> {
        if !self.buried.contains_key(&id) {
            let stored = self.state.buried.get(&id)?.clone();
            self.buried.insert(id, Some(Box::new(stored)));
        }
        self.buried.get_mut(&id)?.as_deref_mut()
    }

    /// True when a closed ledger that was decided on chain could be paid out once more, and that is
    /// worth it: its deposits may be mined again after the payout found nothing.
    fn brings_something(&self, id: ChannelId) -> bool {
        let time = self.chain_time();
        let resolution = |target: ChannelId| match &self.buried(target)?.channel {
            ArchivedChannel::Payment(channel, _) => channel.resolution(time),
            ArchivedChannel::Ledger(_) => None,
        };
        let Some(Buried { channel: ArchivedChannel::Ledger(ledger), .. }) = self.buried(id) else {
            return false;
        };
        let settlement =
            ledger.settlement(&resolution).filter(|_| ledger.status().is_finalized(time));
        settlement.is_some_and(|settlement| {
            let cost = self.gas.cost(settlement.gas);
            self.policy.is_worth(ledger.asset, settlement.gain, cost)
        })
    }

    fn buried(&self, id: ChannelId) -> Option<&Buried> {
        match self.buried.get(&id) {
            Some(changed) => changed.as_deref(),
            None => self.state.buried.get(&id),
        }
    }

    /// Follows what happens to a closed channel, to know what a reorganisation takes back. A ledger
    /// that was given up, and holds something of this node's after all, goes on where it was.
    pub(crate) fn record_buried(&mut self, block: &BlockRef, id: ChannelId, fact: &ChainFact) {
        let Some(buried) = self.buried_mut(id) else { return };
        match &mut buried.channel {
            ArchivedChannel::Ledger(ledger) => {
                ledger.onchain.record(block, fact.clone(), ledger.asset);
                let deposited = matches!(fact, ChainFact::Deposited { .. });
                if deposited && (ledger.holds_mine() || self.brings_something(id)) {
                    self.revive(id);
                }
            }
            ArchivedChannel::Payment(channel, _) => {
                channel.onchain.record(block, fact.clone(), channel.asset);
            }
        }
    }

    /// Forgets the closed channels whose end no reorganisation reaches any more.
    pub(crate) fn forget_buried(&mut self, block: BlockNumber) {
        let last = ChannelId([0xff; 32].into());
        let deep: Vec<ChannelId> =
            self.state.burials.range(..=(block, last)).map(|(_, id)| *id).collect();
        for id in deep {
            self.buried.insert(id, None);
        }
    }

    /// Takes back what happened above `ancestor`. A closed channel that loses its end goes on where
    /// it was: nobody else would pay out again what was paid once. A ledger brings the payment
    /// channels along that it is settled with, whether they have lost anything or not.
    pub(crate) fn roll_back_buried(&mut self, ancestor: BlockNumber) {
        let ids: Vec<ChannelId> = self.state.buried.keys().copied().collect();
        for id in ids {
            let Some(buried) = self.buried_mut(id) else { continue };
            let changed = match &mut buried.channel {
                ArchivedChannel::Ledger(ledger) => ledger.onchain.roll_back(ancestor, ledger.asset),
                ArchivedChannel::Payment(channel, _) => {
                    channel.onchain.roll_back(ancestor, channel.asset)
                }
            };
            if changed {
                self.revive(id);
            }
        }
    }

    fn revive(&mut self, id: ChannelId) {
        let Some(buried) = self.buried_mut(id).map(|buried| buried.channel.clone()) else { return };
        self.buried.insert(id, None);
        match buried {
            ArchivedChannel::Ledger(ledger) => {
                let mut targets = ledger.targets();
                targets.append(&mut ledger.finalized_targets());
                self.revive_ledger(ledger);
                targets.into_iter().for_each(|target| self.revive(target));
            }
            ArchivedChannel::Payment(channel, paid) => self.revive_payment(channel, paid),
        }
    }

    fn revive_payment(&mut self, channel: PaymentChannel, paid: Option<Paid>) {
        let (id, exiting) = (channel.id, matches!(channel.phase, PaymentPhase::Exiting(_)));
        self.insert_payment(channel);
        if let Some(paid) = paid {
            self.set_paid(id, paid);
        }
        if exiting {
            self.start_exit(ObjectiveId::Exit(id));
        }
    }

    fn revive_ledger(&mut self, ledger: Ledger) {
        let (id, exiting) = (ledger.id, ledger.is_exiting());
        self.insert_ledger(ledger);
        if exiting {
            self.start_exit(ObjectiveId::Exit(id));
        } else {
            start_direct_defund(self, id);
        }
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

    /// Moves a payment channel out of the working set.
    pub(crate) fn archive_payment(&mut self, id: ChannelId) {
        let Some(channel) = self.payment(id).cloned() else { return };
        let paid = self.paid(id);
        self.payments.insert(id, None);
        self.paid.insert(id, None);
        self.ended.insert(id);
        self.notify(Update::Payment(Box::new(PaymentView::new(&channel, paid.as_ref(), false))));
        // Its ledger may live again without anything having been said of the channel itself.
        let exiting = matches!(channel.phase, PaymentPhase::Exiting(_));
        let followed = exiting || !channel.onchain.is_blank();
        self.archive(id, ArchivedChannel::Payment(channel, paid), followed);
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
        self.enqueue(to, message);
    }

    /// Like [`Draft::send`]; tells under which id the message can be followed.
    pub(crate) fn enqueue(&mut self, to: Address, message: &Message) -> MessageId {
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
        id
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
        let id = self.next_call;
        self.next_call = CallId(id.0.saturating_add(1));
        for channel in call.channels() {
            self.set_call(channel, CallState::InFlight(id));
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
