//! What holds in every world, whatever it does to its nodes. Checked after every turn.

use std::collections::BTreeMap;

use super::chain::FakeChain;
use super::fixtures;
use super::store::MemStore;
use super::world::{Out, RecordingSigner};
use crate::apply::State;
use crate::engine::Engine;
use crate::ledger::{Balances, Ledger, LedgerPhase};
use crate::payment::{PaymentChannel, PaymentPhase, Role};
use crate::ports::Store as _;
use crate::state::Deployment;
use crate::step::Row;
use crate::types::{Address, Amount, Asset, B256, ChannelId, TurnNumber, U256};
use crate::wire::{self, Message, Seal};

/// What the world remembers of a node over all its lives, to see whether it ever goes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The one state that this node has signed per channel and turn.
    signed: BTreeMap<(ChannelId, TurnNumber), B256>,
    ledgers: BTreeMap<ChannelId, LedgerMemory>,
    payments: BTreeMap<ChannelId, PaymentMemory>,
    worth_counted: WorthCounted,
}

/// When the records of a node are held against what it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WorthCounted {
    /// After every turn.
    #[default]
    Always,
    /// While the chain knows none of its channels.
    InPeace,
    /// Not at all: somebody looks at its purse when all is over.
    AtTheEnd,
}

#[derive(Clone, Copy, Debug)]
struct LedgerMemory {
    asset: Asset,
    deposit: Amount,
    total: Amount,
    balance: Amount,
    agreed: TurnNumber,
    signed: TurnNumber,
    live: bool,
}

#[derive(Clone, Copy, Debug)]
struct PaymentMemory {
    role: Role,
    asset: Asset,
    paid: Amount,
}

impl Memory {
    /// Takes note of what leaves a node.
    pub(crate) fn see(&mut self, me: Address, out: &Out) {
        let Out::Send(_, _, bytes) = out else { return };
        let message = wire::open(me, bytes).expect("own messages decode").message;
        let (channel, turn, seal) = match &message {
            Message::OpenLedger { fixed, seal, .. } | Message::OpenPayment { fixed, seal, .. } => {
                (fixed.channel_id(), TurnNumber::PREFUND, seal)
            }
            Message::LedgerPrefund { ledger, seal } => (*ledger, TurnNumber::PREFUND, seal),
            Message::LedgerPostfund { ledger, seal } => (*ledger, TurnNumber::POSTFUND, seal),
            Message::CloseLedger { ledger, turn, seal }
            | Message::Propose { ledger, turn, seal, .. }
            | Message::Countersign { ledger, turn, seal } => (*ledger, *turn, seal),
            Message::PaymentPostfund { channel, seal } => (*channel, TurnNumber::POSTFUND, seal),
            Message::Finalize { channel, seal, .. } => (*channel, TurnNumber::PAYMENT_FINAL, seal),
            Message::Voucher { .. }
            | Message::Refuse { .. }
            | Message::RequestFinal { .. }
            | Message::Decline { .. }
            | Message::TowerHello { .. }
            | Message::TowerTerms { .. }
            // A hand-over shows states that were signed before, or a redemption, which the payee
            // signs anew for every larger voucher.
            | Message::Guard { .. }
            | Message::Guarded { .. }
            | Message::GuardRefused { .. }
            | Message::Unguard { .. }
            | Message::Credited { .. } => return,
        };
        self.sign(me, channel, turn, seal);
    }

    /// A backup is restored: what the node has lost begins again from what the backup says.
    pub(crate) fn forget_payments(&mut self) {
        self.payments.clear();
    }

    /// Decides when the node's worth is counted from now on.
    pub(crate) const fn count_worth(&mut self, when: WorthCounted) {
        self.worth_counted = when;
    }

    /// Payment channels that the node was ever part of, with the best voucher of each.
    pub(crate) fn vouchers(
        &self,
    ) -> impl Iterator<Item = (ChannelId, Role, Asset, Amount)> + use<'_> {
        self.payments.iter().map(|(id, known)| (*id, known.role, known.asset, known.paid))
    }

    /// Ledgers of an asset that the node ever had: what it put in, and what it had there last.
    pub(crate) fn ledgers(
        &self,
        asset: Asset,
    ) -> impl Iterator<Item = (ChannelId, Amount, Amount)> + use<'_> {
        let all = self.ledgers.iter().filter(move |(_, known)| known.asset == asset);
        all.map(|(id, known)| (*id, known.deposit, known.balance))
    }

    fn sign(&mut self, me: Address, channel: ChannelId, turn: TurnNumber, seal: &Seal) {
        assert!(seal.proves(seal.hash, me), "a node sends its own signature: {channel:?} {turn}");
        let known = *self.signed.entry((channel, turn)).or_insert(seal.hash);
        assert_eq!(known, seal.hash, "two signed states of {channel:?} at turn {turn}");
    }
}

/// Checks one node after its turn.
pub(crate) fn check_node(
    name: &str,
    deployment: Deployment,
    engine: &Engine,
    signer: &RecordingSigner,
    store: &MemStore,
    chain: &FakeChain,
    memory: &mut Memory,
) {
    check_fold(name, deployment, engine, signer, store);
    let state = engine.state();
    for ledger in state.ledgers.values() {
        check_ledger(name, signer, ledger, memory);
    }
    for (id, known) in &mut memory.ledgers {
        // A reorganisation may bring one back whose end is not buried deep yet.
        known.live = state.ledgers.contains_key(id) || state.buried.contains_key(id);
    }
    for channel in state.payments.values() {
        check_payment(name, state, channel, memory);
    }
    let mut channels = state.ledgers.keys().chain(state.payments.keys());
    let skipped = match memory.worth_counted {
        WorthCounted::Always => false,
        WorthCounted::InPeace => channels.any(|id| chain.status(*id).is_some()),
        WorthCounted::AtTheEnd => true,
    };
    if skipped {
        return;
    }
    // What was not worth taking is still there.
    let taken = |ledger: ChannelId, asset: Asset| {
        let paid = chain.paid(ledger, engine.address());
        paid.checked_add(chain.held(asset, ledger)).expect("less than 2^256 of anything")
    };
    check_worth(name, state, memory, &taken);
}

/// A restart changes no answer: what is stored folds to what is in memory.
fn check_fold(
    name: &str,
    deployment: Deployment,
    engine: &Engine,
    signer: &RecordingSigner,
    store: &MemStore,
) {
    let rows = store.clone().load().expect("rows in memory are readable");
    let policy = fixtures::policy();
    let restored = Engine::restore(deployment, policy, Box::new(signer.clone()), &rows);
    let (live, restored) = (engine.state(), restored.state());
    // Message ids begin anew in a new process; only what waits is compared.
    let waiting = |state: &State| -> Vec<(Address, u64, u64)> {
        let some = state.outbox.iter().filter(|(_, backlog)| backlog.len() > 0);
        some.map(|(peer, backlog)| (*peer, backlog.first, backlog.next)).collect()
    };
    assert_eq!(waiting(live), waiting(restored), "{name}: outbox after a restart");
    assert_eq!(live.ledgers, restored.ledgers, "{name}: ledgers after a restart");
    assert_eq!(live.payments, restored.payments, "{name}: payment channels after a restart");
    assert_eq!(live.paid, restored.paid, "{name}: vouchers after a restart");
    assert_eq!(live.buried, restored.buried, "{name}: closed channels after a restart");
    assert_eq!(live.burials, restored.burials, "{name}: their burials after a restart");
    assert_eq!(live.deferred, restored.deferred, "{name}: what is put off after a restart");
    assert_eq!(live.objectives, restored.objectives, "{name}: objectives after a restart");
    assert_eq!(live.calls, restored.calls, "{name}: calls after a restart");
    assert_eq!(live.next_call, restored.next_call, "{name}: call ids after a restart");
    assert_eq!(live.cursor, restored.cursor, "{name}: cursor after a restart");
    assert_eq!(live.by_peer, restored.by_peer, "{name}: index of peers after a restart");
    assert_eq!(live.deadlines, restored.deadlines, "{name}: deadlines after a restart");
    assert_eq!(live.awaiting_block, restored.awaiting_block, "{name}: waits after a restart");
    assert_eq!(live.finalizing, restored.finalizing, "{name}: challenges after a restart");
    assert_eq!(live.answers, restored.answers, "{name}: refusals after a restart");
    assert_eq!(live.waiting, restored.waiting, "{name}: patience with strangers after a restart");
    assert_eq!(live.answered, restored.answered, "{name}: index of refusals after a restart");
    assert_eq!(live.quotas, restored.quotas, "{name}: quotas after a restart");
    for (peer, backlog) in &live.outbox {
        for id in backlog.first..backlog.next {
            let row = Row::Message(*peer, crate::types::MessageId(id));
            assert!(store.row(row).is_some(), "{name}: message {id} is in the outbox and stored");
        }
    }
}

fn check_ledger(name: &str, signer: &RecordingSigner, ledger: &Ledger, memory: &mut Memory) {
    let id = ledger.id;
    let total = ledger.agreed.total().expect("a ledger of less than 2^256");
    let before = *memory.ledgers.entry(id).or_insert_with(|| LedgerMemory {
        asset: ledger.asset,
        deposit: ledger.agreed.of(ledger.me),
        total,
        balance: ledger.agreed.of(ledger.me),
        agreed: ledger.agreed.turn,
        signed: ledger.signed_turn,
        live: true,
    });
    assert!(before.live, "{name}: {id:?} is back from the archive");
    assert_eq!(total, before.total, "{name}: money in {id:?} is conserved");
    assert_eq!(ledger.proposed().total(), Some(total), "{name}: also in proposals of {id:?}");
    assert!(before.agreed <= ledger.agreed.turn, "{name}: agreed turn of {id:?} fell");
    assert!(before.signed <= ledger.signed_turn, "{name}: signed turn of {id:?} fell");
    if before.agreed < ledger.agreed.turn {
        check_support(name, signer, ledger);
    }
    for pending in &ledger.pending {
        let known = memory.signed.entry((id, pending.turn)).or_insert(pending.hash);
        assert_eq!(*known, pending.hash, "{name}: two states of {id:?} at {}", pending.turn);
    }
    memory.ledgers.insert(
        id,
        LedgerMemory {
            balance: ledger.agreed.of(ledger.me),
            agreed: ledger.agreed.turn,
            signed: ledger.signed_turn,
            ..before
        },
    );
}

/// The agreed state can be enforced: both have signed exactly it.
fn check_support(name: &str, signer: &RecordingSigner, ledger: &Ledger) {
    let hash = ledger.agreed_hash();
    assert!(signer.has_signed(hash), "{name}: agreed to what it has not signed");
    for (participant, signature) in ledger.fixed.participants.iter().zip(ledger.signatures) {
        let signed = signature.and_then(|signature| signature.recover(hash).ok());
        assert_eq!(signed, Some(*participant), "{name}: agreed state of {:?}", ledger.id);
    }
}

fn check_payment(name: &str, state: &State, channel: &PaymentChannel, memory: &mut Memory) {
    let id = channel.id;
    let paid = state.paid.get(&id).map(|paid| paid.total).unwrap_or_default();
    let role = channel.role();
    let before =
        memory.payments.entry(id).or_insert(PaymentMemory { role, asset: channel.asset, paid });
    assert!(before.paid <= paid, "{name}: voucher total of {id:?} fell");
    before.paid = paid;
    assert!(paid <= channel.capacity, "{name}: more than the capacity of {id:?} is paid");
    if let Some(final_state) = &channel.final_state {
        assert!(final_state.paid <= channel.capacity, "{name}: {id:?} closes above its capacity");
        let enough = role != Role::Payee || final_state.paid >= paid;
        assert!(enough, "{name}: {id:?} closes below the vouchers received");
    }
    if channel.phase != PaymentPhase::Open {
        return;
    }
    for hop in channel.left.iter().chain(&channel.right) {
        let guaranteed = guaranteed(state, *hop, id);
        assert_eq!(guaranteed, Some(channel.capacity), "{name}: {id:?} is open and guaranteed");
    }
}

fn guaranteed(state: &State, hop: ChannelId, target: ChannelId) -> Option<Amount> {
    Some(state.ledgers.get(&hop)?.agreed.guarantees.get(&target)?.amount)
}

/// A node never has less than it put in, less what it paid, plus what it was paid: no neighbour
/// can make a relay pay more than it gets (invariant 6).
fn check_worth(
    name: &str,
    state: &State,
    memory: &Memory,
    taken: &dyn Fn(ChannelId, Asset) -> Amount,
) {
    let (mut worth, mut due) = (U256::ZERO, U256::ZERO);
    for (id, known) in &memory.ledgers {
        due += known.deposit.to_u256();
        worth += match state.ledgers.get(id) {
            Some(ledger) => worth_of(name, state, ledger),
            // A settlement pays what was reclaimed, too.
            None => known.balance.max(taken(*id, known.asset)).to_u256(),
        };
    }
    for known in memory.payments.values() {
        match known.role {
            Role::Payer => worth += known.paid.to_u256(),
            Role::Payee => due += known.paid.to_u256(),
            Role::Relay => {}
        }
    }
    assert!(worth >= due, "{name}: {worth} left of {due}\n{memory:#?}\n{state:#?}");
}

fn worth_of(name: &str, state: &State, ledger: &Ledger) -> U256 {
    let mut worth = ledger.agreed.of(ledger.me).to_u256();
    for (id, guarantee) in &ledger.agreed.guarantees {
        let channel = state.payments.get(id);
        let channel = channel
            .unwrap_or_else(|| panic!("{name}: {id:?} is guaranteed and unknown\n{ledger:#?}"));
        let paid = state.paid.get(id).map(|paid| paid.total).unwrap_or_default();
        let agreed = channel.final_state.as_ref().filter(|_| channel.is_finalized());
        let time = state.cursor.head().map_or(0, |block| block.timestamp);
        let resolved = channel.resolution(time).map(|resolution| resolution.paid);
        let closed = resolved.or_else(|| agreed.map(|state| state.paid));
        let elsewhere =
            |hop: Option<ChannelId>| hop.is_some_and(|hop| guaranteed(state, hop, *id).is_some());
        let share = match (guarantee.left == ledger.me, channel.role()) {
            (true, Role::Payer) => guarantee.amount.saturating_sub(resolved.unwrap_or(paid)),
            // What is locked on the right comes back, less what is claimed on the left.
            (true, _) => match closed {
                Some(paid) if resolved.is_some() || !elsewhere(channel.left) => {
                    guarantee.amount.saturating_sub(paid)
                }
                _ => guarantee.amount,
            },
            (false, Role::Payee) => resolved.unwrap_or(paid),
            (false, _) => match closed {
                Some(paid) if resolved.is_some() || !elsewhere(channel.right) => paid,
                _ => Amount::ZERO,
            },
        };
        worth += share.to_u256();
    }
    worth
}

/// Both sides of a ledger mean the same: the follower has agreed to what the leader has agreed
/// to or proposed.
pub(crate) fn check_pairs(moved: &str, engines: &[(&str, &Engine)]) {
    for (leader_name, leader) in engines {
        for (follower_name, follower) in engines {
            if leader_name == follower_name || ![leader_name, follower_name].contains(&&moved) {
                continue;
            }
            for ledger in leader.state().ledgers.values() {
                let other = follower.state().ledgers.get(&ledger.id);
                let Some(other) =
                    other.filter(|_| ledger.fixed.participants[0] == leader.address())
                else {
                    continue;
                };
                if ledger.phase != LedgerPhase::Opening {
                    let names = (leader_name, follower_name);
                    assert!(
                        proposed(ledger).contains(&other.agreed),
                        "{names:?} differ: {other:?}"
                    );
                }
            }
        }
    }
}

/// What a leader has agreed to, and every step of its proposals.
fn proposed(ledger: &Ledger) -> Vec<Balances> {
    let mut steps = vec![ledger.agreed.clone()];
    for pending in &ledger.pending {
        let last = steps.last().expect("at least the agreed one");
        let next = last.apply(&pending.change, pending.turn).expect("it applied when proposed");
        steps.push(next);
    }
    steps
}

/// Money on chain moves and is never made or lost.
pub(crate) fn check_chain(chain: &FakeChain) {
    for asset in [Asset::NATIVE, fixtures::TOKEN] {
        assert_eq!(chain.total(asset), chain.endowed(asset), "money on chain is conserved");
    }
}
