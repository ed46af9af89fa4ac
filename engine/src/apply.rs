//! The only place where engine state changes: live turns and start-up fold the same writes.

use std::collections::{BTreeMap, BTreeSet};

use crate::answers::Answer;
use crate::chain::ChainCall;
use crate::debts::Debt;
use crate::guard::{Guarding, Tower};
use crate::ledger::{CallState, ChannelMode, Ledger, WithdrawalTurn};
use crate::objectives::Objective;
use crate::payment::{PaymentChannel, PaymentPhase};
use crate::quotas::Quotas;
use crate::sending::Sending;
use crate::step::{Buried, ChainCursor, Paid, Write};
use crate::types::{
    Address, Asset, B256, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
};

/// The working set in memory: open channels, running objectives, the outbox, and indexes.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) ledgers: BTreeMap<ChannelId, Ledger>,
    pub(crate) payments: BTreeMap<ChannelId, PaymentChannel>,
    pub(crate) paid: BTreeMap<ChannelId, Paid>,
    /// Closed channels that the chain can still bring back.
    pub(crate) buried: BTreeMap<ChannelId, Buried>,
    pub(crate) objectives: BTreeMap<ObjectiveId, Objective>,
    pub(crate) outbox: BTreeMap<Address, Backlog>,
    pub(crate) calls: BTreeMap<CallId, ChainCall>,
    pub(crate) next_call: CallId,
    pub(crate) cursor: ChainCursor,
    /// Watchtowers of this node.
    pub(crate) towers: BTreeMap<Address, Tower>,
    /// What each watchtower has of each channel.
    pub(crate) guards: BTreeMap<(Address, ChannelId), Guarding>,
    /// What the adjudicator owes this node.
    pub(crate) debts: BTreeMap<Asset, Debt>,
    /// What the owner has had sent.
    pub(crate) sendings: BTreeMap<B256, Sending>,
    /// Index: those that are on their way.
    pub(crate) running_sendings: BTreeSet<B256>,
    /// Index: ledgers by counterparty and asset. One of them lives; others are being closed.
    pub(crate) by_peer: BTreeSet<(Address, Asset, ChannelId)>,
    /// Index: what is due when.
    pub(crate) deadlines: BTreeSet<(Timestamp, Due)>,
    /// Index: channels that go on once a block is applied.
    pub(crate) awaiting_block: BTreeSet<(BlockNumber, ChannelId)>,
    /// Index: when which challenge runs out, in seconds of the chain's clock.
    pub(crate) finalizing: BTreeSet<(u64, ChannelId)>,
    /// Index: channels with something that is not worth its price, looked at with every block.
    pub(crate) deferred: BTreeSet<ChannelId>,
    /// Payment channels that wait for funds, by the ledgers under them.
    pub(crate) funding: BTreeSet<(ChannelId, ChannelId)>,
    /// Index: from which block on which closed channel may be forgotten.
    pub(crate) burials: BTreeSet<(BlockNumber, ChannelId)>,
    /// Refusals that can still matter.
    pub(crate) answers: BTreeMap<ChannelId, Answer>,
    /// Peers without a ledger for whom messages wait, and until when.
    pub(crate) waiting: BTreeMap<Address, Timestamp>,
    /// Index: how many refusals are remembered for whom.
    pub(crate) answered: BTreeMap<Address, usize>,
    /// Index: how much of what is bounded is in use.
    pub(crate) quotas: Quotas,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// Give an objective up.
    Objective(ObjectiveId),
    /// Withdraw from a ledger in the place of participant 0.
    Withdrawal(ChannelId),
    /// Enforce a channel whose peers do not answer.
    Patience(ChannelId),
    /// Forget what was answered.
    Answer(ChannelId),
    /// Forget what waits for a peer.
    Waiting(Address),
    /// Ask the follower of a ledger again for what it has refused.
    Again(ChannelId),
}

/// What a channel of either kind waits for.
struct Waits {
    block: Option<BlockNumber>,
    expiry: Option<u64>,
    patience: Option<Timestamp>,
    deferred: bool,
}

impl Waits {
    const fn of_ledger(ledger: &Ledger) -> Self {
        Self::of(ledger.call, ledger.status().mode, ledger.patience, ledger.deferred)
    }

    const fn of_payment(channel: &PaymentChannel) -> Self {
        Self::of(channel.call, channel.status().mode, channel.patience, channel.deferred)
    }

    const fn of(
        call: CallState,
        mode: ChannelMode,
        patience: Option<Timestamp>,
        deferred: bool,
    ) -> Self {
        let block = match call {
            CallState::Until(block) => Some(block),
            CallState::None | CallState::InFlight(_) => None,
        };
        let expiry = match mode {
            ChannelMode::Challenge { finalizes_at } => Some(finalizes_at),
            ChannelMode::Open | ChannelMode::Concluded => None,
        };
        Self { block, expiry, patience, deferred }
    }
}

/// Messages that wait for one peer: ids `first..next`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) first: u64,
    pub(crate) next: u64,
}

impl Backlog {
    pub(crate) const fn len(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }
}

impl State {
    /// All ledgers shared with a peer.
    pub(crate) fn ledgers_with(&self, peer: Address) -> impl Iterator<Item = ChannelId> + '_ {
        let least = (peer, Asset(Address::ZERO), ChannelId::default());
        let most = (peer, Asset(Address::repeat_byte(0xff)), ChannelId([0xff; 32].into()));
        self.by_peer.range(least..=most).map(|(_, _, id)| *id)
    }

    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::Ledger(id, row) => self.apply_ledger(*id, row.as_deref()),
            Write::Payment(id, row) => self.apply_payment(*id, row.as_deref()),
            Write::Paid(id, row) => set(&mut self.paid, *id, *row),
            Write::Buried(id, row) => self.apply_buried(*id, row.as_deref()),
            Write::Objective(id, row) => self.apply_objective(*id, *row),
            Write::Message(to, id, row) => self.apply_message(*to, *id, row.is_some()),
            Write::Call(id, row) => set(&mut self.calls, *id, row.clone()),
            Write::NextCall(id) => self.next_call = *id,
            Write::Cursor(cursor) => self.cursor = cursor.clone(),
            Write::Answer(id, row) => self.apply_answer(*id, *row),
            Write::Waiting(peer, row) => self.apply_waiting(*peer, *row),
            Write::Tower(tower, row) => set(&mut self.towers, *tower, *row),
            Write::Guard(tower, channel, row) => {
                set(&mut self.guards, (*tower, *channel), row.as_deref().cloned());
            }
            Write::Debt(asset, row) => set(&mut self.debts, *asset, row.as_deref().cloned()),
            Write::Sending(key, row) => {
                if row.as_ref().is_some_and(|sending| sending.end.is_none()) {
                    self.running_sendings.insert(*key);
                } else {
                    self.running_sendings.remove(key);
                }
                set(&mut self.sendings, *key, row.clone());
            }
            // History is the store's.
            Write::ArchivedChannel(..) | Write::ArchivedObjective(..) => {}
        }
    }

    fn apply_ledger(&mut self, id: ChannelId, row: Option<&Ledger>) {
        if let Some(old) = self.ledgers.remove(&id) {
            self.by_peer.remove(&(old.peer(), old.asset, id));
            self.stop_waiting(id, &Waits::of_ledger(&old));
            if let WithdrawalTurn::After(at) = old.withdrawal {
                self.deadlines.remove(&(at, Due::Withdrawal(id)));
            }
            for wait in old.refusals.values().filter_map(|refusal| refusal.wait) {
                self.deadlines.remove(&(wait, Due::Again(id)));
            }
            self.quotas.remove_ledger(&old);
        }
        let Some(new) = row else { return };
        self.by_peer.insert((new.peer(), new.asset, id));
        self.start_waiting(id, &Waits::of_ledger(new));
        if let WithdrawalTurn::After(at) = new.withdrawal {
            self.deadlines.insert((at, Due::Withdrawal(id)));
        }
        let waits = new.refusals.values().filter_map(|refusal| refusal.wait);
        self.deadlines.extend(waits.map(|wait| (wait, Due::Again(id))));
        self.quotas.add_ledger(new);
        self.ledgers.insert(id, new.clone());
    }

    fn apply_payment(&mut self, id: ChannelId, row: Option<&PaymentChannel>) {
        if let Some(old) = self.payments.remove(&id) {
            self.stop_waiting(id, &Waits::of_payment(&old));
            self.quotas.remove_payment(&old);
            for hop in old.left.into_iter().chain(old.right) {
                self.funding.remove(&(hop, id));
            }
        }
        let Some(new) = row else { return };
        self.start_waiting(id, &Waits::of_payment(new));
        self.quotas.add_payment(new);
        if new.phase == PaymentPhase::Funding {
            let hops = new.left.into_iter().chain(new.right);
            self.funding.extend(hops.map(|hop| (hop, id)));
        }
        self.payments.insert(id, new.clone());
    }

    fn start_waiting(&mut self, id: ChannelId, waits: &Waits) {
        self.awaiting_block.extend(waits.block.map(|block| (block, id)));
        self.finalizing.extend(waits.expiry.map(|expiry| (expiry, id)));
        self.deadlines.extend(waits.patience.map(|until| (until, Due::Patience(id))));
        self.deferred.extend(waits.deferred.then_some(id));
    }

    fn stop_waiting(&mut self, id: ChannelId, waits: &Waits) {
        waits.block.map(|block| self.awaiting_block.remove(&(block, id)));
        waits.expiry.map(|expiry| self.finalizing.remove(&(expiry, id)));
        waits.patience.map(|until| self.deadlines.remove(&(until, Due::Patience(id))));
        self.deferred.remove(&id);
    }

    fn apply_buried(&mut self, id: ChannelId, row: Option<&Buried>) {
        if let Some(old) = self.buried.remove(&id) {
            self.burials.remove(&(old.until, id));
        }
        if let Some(new) = row {
            self.burials.insert((new.until, id));
            self.buried.insert(id, new.clone());
        }
    }

    fn apply_waiting(&mut self, peer: Address, row: Option<Timestamp>) {
        if let Some(old) = self.waiting.remove(&peer) {
            self.deadlines.remove(&(old, Due::Waiting(peer)));
        }
        if let Some(until) = row {
            self.deadlines.insert((until, Due::Waiting(peer)));
            self.waiting.insert(peer, until);
        }
    }

    fn apply_answer(&mut self, id: ChannelId, row: Option<Answer>) {
        if let Some(old) = self.answers.remove(&id) {
            self.deadlines.remove(&(old.until, Due::Answer(id)));
            let left = self.answered.get(&old.to).map_or(0, |count| count.saturating_sub(1));
            set(&mut self.answered, old.to, Some(left).filter(|left| *left > 0));
        }
        if let Some(new) = row {
            self.deadlines.insert((new.until, Due::Answer(id)));
            let count = self.answered.entry(new.to).or_default();
            *count = count.saturating_add(1);
            self.answers.insert(id, new);
        }
    }

    fn apply_objective(&mut self, id: ObjectiveId, row: Option<Objective>) {
        if let Some(old) = self.objectives.remove(&id) {
            self.deadlines.remove(&(old.deadline, Due::Objective(id)));
        }
        if let Some(new) = row {
            self.deadlines.insert((new.deadline, Due::Objective(id)));
            self.objectives.insert(id, new);
        }
    }

    /// Rows are added at the end and removed at the front, so two numbers describe them.
    fn apply_message(&mut self, to: Address, id: MessageId, present: bool) {
        let after = id.0.saturating_add(1);
        let backlog = self.outbox.entry(to).or_insert(Backlog { first: id.0, next: id.0 });
        if present {
            if backlog.len() == 0 {
                backlog.first = id.0;
            }
            backlog.next = backlog.next.max(after);
        } else {
            backlog.first = backlog.first.max(after);
        }
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => {
            map.insert(key, value);
        }
        None => {
            map.remove(&key);
        }
    }
}
