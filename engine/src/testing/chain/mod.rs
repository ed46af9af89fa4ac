//! A chain without consensus: one miner, one contract, and reorgs on demand.
//!
//! Follows the rules of the chain service: blocks and receipts are told once they are confirmed,
//! a reorg below what was told is told as one, a call is known by its id and settles once.

mod adjudicator;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use adjudicator::{
    Adjudicator, AssetReclaim, ChannelStatus, ContractCall, reclaim_text, support_text,
};

use super::Random;
use crate::chain::{
    Block, BlockRef, ChainCall, ChainEvent, ChainFact, ChannelLog, DebtLog, Receipt,
};
use crate::state::Deployment;
use crate::step::ChainCursor;
use crate::types::{Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, Timestamp};

/// How the chain behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainRules {
    /// From block to block, in milliseconds, while something waits for blocks.
    pub block_time: u64,
    /// Blocks on top of one before it is told.
    pub confirmations: u64,
    /// Blocks that a call waits at most before it is mined.
    pub max_wait: u64,
    /// Calls that revert for no reason of the contract, in percent.
    pub failures: u64,
    /// Blocks after which the newest are replaced, in percent.
    pub reorgs: u64,
}

impl ChainRules {
    /// Every call is in the next block.
    pub const CALM: Self =
        Self { block_time: 1_000, confirmations: 2, max_wait: 0, failures: 0, reorgs: 0 };
    /// Calls wait, some fail, and unconfirmed blocks are replaced now and then.
    pub const ROUGH: Self =
        Self { block_time: 1_000, confirmations: 3, max_wait: 5, failures: 15, reorgs: 10 };
}

/// From block to block while nobody waits for any, so that hours pass quickly.
const IDLE_BLOCK_TIME: u64 = 300_000;

/// Blocks that a copy of the chain has: more than any follower is behind, or any reorg deep.
const FORKED_BLOCKS: usize = 200;

/// What becomes of the calls in replaced blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They are mined again.
    MinedAgain,
    /// They stay away for this many blocks.
    HeldBack(u64),
    /// Those whose end was told are never seen again, for their senders have forgotten them; the
    /// others are sent again.
    Dropped,
}

/// Names a call over all senders.
type CallKey = (Address, CallId);

#[derive(Clone, Debug)]
struct Transaction {
    sender: Address,
    /// None for a stranger's call.
    id: Option<CallId>,
    call: ContractCall,
    not_before: BlockNumber,
    /// True once it was in a block, which a reorganisation may have taken back.
    was_mined: bool,
}

impl Transaction {
    /// True for a node's deposit of what the account does not have: it is not sent.
    fn lacks_coin(&self, state: &Adjudicator) -> bool {
        match &self.call {
            ContractCall::Node(ChainCall::Deposit { asset, amount, .. }) if self.id.is_some() => {
                state.purse(self.sender, *asset) < *amount
            }
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Mined {
    block: BlockRef,
    logs: Vec<ChannelLog>,
    debts: Vec<DebtLog>,
    transactions: Vec<(Transaction, Result<(), String>)>,
    /// Shared with the block before where nothing happened.
    after: Arc<Adjudicator>,
}

/// The chain and its mempool.
#[derive(Debug)]
pub struct FakeChain {
    rules: ChainRules,
    random: Random,
    genesis: Arc<Adjudicator>,
    endowed: BTreeMap<Asset, Amount>,
    blocks: Vec<Mined>,
    mempool: Vec<Transaction>,
    /// Logs for the next block that no call of ours makes, such as a challenge.
    announced: Vec<ChannelLog>,
    /// Blocks that each follower has been told.
    told: BTreeMap<Address, Vec<BlockRef>>,
    settled: BTreeMap<CallKey, Receipt>,
    /// Reclaims that fit into one transaction.
    max_reclaims: Option<usize>,
    last_block: Timestamp,
    forks: u64,
}

impl FakeChain {
    /// A chain that begins now, with nothing on it.
    #[must_use]
    pub fn new(deployment: Deployment, rules: ChainRules, random: Random, now: Timestamp) -> Self {
        let mut chain = Self {
            rules,
            random,
            genesis: Arc::new(Adjudicator::new(deployment)),
            endowed: BTreeMap::new(),
            blocks: Vec::new(),
            mempool: Vec::new(),
            announced: Vec::new(),
            told: BTreeMap::new(),
            settled: BTreeMap::new(),
            max_reclaims: None,
            last_block: now,
            forks: 0,
        };
        chain.mine(now);
        chain
    }

    /// Changes the rules from now on.
    pub const fn set_rules(&mut self, rules: ChainRules) {
        self.rules = rules;
    }

    /// From now on a settlement with more reclaims is larger than a transaction may be.
    pub const fn cap_reclaims(&mut self, max: usize) {
        self.max_reclaims = Some(max);
    }

    /// Gives somebody money that was always there.
    pub fn endow(&mut self, owner: Address, asset: Asset, amount: Amount) {
        let endowed = self.endowed.entry(asset).or_default();
        *endowed = endowed.checked_add(amount).expect("less than 2^256 of anything");
        Arc::make_mut(&mut self.genesis).endow(owner, asset, amount);
        for block in &mut self.blocks {
            Arc::make_mut(&mut block.after).endow(owner, asset, amount);
        }
    }

    /// What an account has outside of channels.
    #[must_use]
    pub fn purse(&self, owner: Address, asset: Asset) -> Amount {
        self.state().purse(owner, asset)
    }

    /// What is held for a channel.
    #[must_use]
    pub fn held(&self, asset: Asset, channel: ChannelId) -> Amount {
        self.state().held(asset, channel)
    }

    /// What a payee is owed that could not be paid.
    #[must_use]
    pub fn claimable(&self, payee: Address, asset: Asset) -> Amount {
        self.state().claimable(payee, asset)
    }

    /// What a channel has paid to an account over its life.
    #[must_use]
    pub fn paid(&self, channel: ChannelId, payee: Address) -> Amount {
        self.state().paid(channel, payee)
    }

    /// What the contract has stored about a channel, also once it is closed; none for one that it
    /// was never told of.
    #[must_use]
    pub fn status(&self, channel: ChannelId) -> Option<ChannelStatus> {
        self.state().status(channel)
    }

    /// True when the channel's outcome is final in the newest block.
    #[must_use]
    pub fn is_finalized(&self, channel: ChannelId) -> bool {
        let now = self.head().timestamp;
        self.status(channel).is_some_and(|status| status.is_finalized(now))
    }

    /// All money of an asset that was ever given out.
    #[must_use]
    pub fn endowed(&self, asset: Asset) -> Amount {
        self.endowed.get(&asset).copied().unwrap_or_default()
    }

    /// All money of an asset; the same in every block.
    ///
    /// # Panics
    /// When there is more than 2^256 of it.
    #[must_use]
    pub fn total(&self, asset: Asset) -> Amount {
        self.state().total(asset).expect("less than 2^256 of anything")
    }

    /// Calls of the kinds that nodes make, mined and successful, with their senders.
    #[must_use]
    pub fn successes(&self) -> Vec<(Address, ChainCall)> {
        self.transactions(true)
    }

    /// Calls of the kinds that nodes make, mined and reverted, with their senders.
    #[must_use]
    pub fn reverts(&self) -> Vec<(Address, ChainCall)> {
        self.transactions(false)
    }

    fn transactions(&self, successful: bool) -> Vec<(Address, ChainCall)> {
        let mined = self.blocks.iter().flat_map(|block| &block.transactions);
        mined
            .filter(|(_, result)| result.is_ok() == successful)
            .filter_map(|(transaction, _)| match &transaction.call {
                ContractCall::Node(call) => Some((transaction.sender, call.clone())),
                _ => None,
            })
            .collect()
    }

    /// Why the calls of an account were refused, in the order in which they were mined.
    #[must_use]
    pub fn refusals(&self, sender: Address) -> Vec<String> {
        let mined = self.blocks.iter().flat_map(|block| &block.transactions);
        mined
            .filter(|(transaction, _)| transaction.sender == sender)
            .filter_map(|(_, result)| result.clone().err())
            .collect()
    }

    /// Calls of a node that were mined and refused, with the reasons.
    #[must_use]
    pub fn refused_calls(&self, sender: Address) -> Vec<(&ChainCall, &str)> {
        let mined = self.blocks.iter().flat_map(|block| &block.transactions);
        mined
            .filter(|(transaction, _)| transaction.sender == sender)
            .filter_map(|(transaction, result)| match (&transaction.call, result) {
                (ContractCall::Node(call), Err(reason)) => Some((call, reason.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The newest calls of anybody, as the chain publishes them, refused ones included.
    #[must_use]
    pub fn calldata(&self, most: usize) -> Vec<ContractCall> {
        let mined = self.blocks.iter().rev().flat_map(|block| &block.transactions);
        mined.take(most).map(|(transaction, _)| transaction.call.clone()).collect()
    }

    /// Logs from a block on, confirmed or not.
    pub fn logs_from(&self, number: u64) -> impl Iterator<Item = (ChannelId, &ChainFact)> {
        let mined = self.blocks.iter().filter(move |mined| mined.block.number.0 >= number);
        mined.flat_map(|mined| &mined.logs).map(|log| (log.channel, &log.fact))
    }

    /// Channels for which something is held.
    #[must_use]
    pub fn channels_with_holdings(&self) -> Vec<ChannelId> {
        self.state().channels_with_holdings()
    }

    /// How the chain behaves.
    #[must_use]
    pub const fn rules(&self) -> ChainRules {
        self.rules
    }

    /// The chain as it is now, with a future of its own. Old blocks are left out: nobody asks for
    /// them any more.
    #[must_use]
    pub(crate) fn fork(&self, rules: ChainRules, random: Random) -> Self {
        let old = self.blocks.len().saturating_sub(FORKED_BLOCKS);
        Self {
            rules,
            random,
            genesis: self.genesis.clone(),
            endowed: self.endowed.clone(),
            blocks: self.blocks[old..].to_vec(),
            mempool: self.mempool.clone(),
            announced: self.announced.clone(),
            told: BTreeMap::new(),
            settled: self.settled.clone(),
            last_block: self.last_block,
            forks: self.forks + 1,
            max_reclaims: self.max_reclaims,
        }
    }

    /// Calls that wait to be mined.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mempool.len()
    }

    /// Takes a call of a node. The same id is the same call, also after a restart of the node;
    /// one that is settled already settles again.
    pub fn submit(&mut self, sender: Address, id: CallId, call: ChainCall) -> Option<Receipt> {
        if let Some(receipt) = self.settled.get(&(sender, id)) {
            return Some(receipt.clone());
        }
        let pending = self.mempool.iter().chain(
            self.blocks.iter().flat_map(|block| block.transactions.iter().map(|(known, _)| known)),
        );
        if pending.into_iter().any(|known| known.sender == sender && known.id == Some(id)) {
            return None;
        }
        if let Some(receipt) = self.too_large(&call) {
            self.settled.insert((sender, id), receipt.clone());
            return Some(receipt);
        }
        let wait = self.random.below(self.rules.max_wait + 1);
        let not_before = BlockNumber(self.head().number.0 + 1 + wait);
        let call = ContractCall::Node(call);
        let id = Some(id);
        let transaction = Transaction { sender, id, call, not_before, was_mined: false };
        self.mempool.push(transaction);
        None
    }

    /// Gives a call back that its account has made no transaction of: it waits for its turn, or for
    /// coin.
    pub fn withdraw(&mut self, sender: Address, id: CallId) -> Option<Receipt> {
        let next = BlockNumber(self.head().number.0 + 1);
        let state = Arc::clone(self.blocks.last().map_or(&self.genesis, |block| &block.after));
        let unsent = |known: &Transaction| known.not_before > next || known.lacks_coin(&state);
        let position = self.mempool.iter().position(|known| {
            known.sender == sender && known.id == Some(id) && !known.was_mined && unsent(known)
        })?;
        self.mempool.remove(position);
        self.settled.insert((sender, id), Receipt::Withdrawn);
        Some(Receipt::Withdrawn)
    }

    fn too_large(&self, call: &ChainCall) -> Option<Receipt> {
        let ChainCall::Settle { reclaims, .. } = call else { return None };
        let max = self.max_reclaims.filter(|max| reclaims.len() > *max)?;
        Some(Receipt::TooLarge { needed: reclaims.len() as u64, cap: max as u64 })
    }

    /// A call of somebody who is no node, or of a cheat behind its node's back, mined before all
    /// others.
    pub fn front_run(&mut self, sender: Address, call: impl Into<ContractCall>) {
        self.mempool.insert(0, Self::foreign(sender, call.into()));
    }

    /// A call of somebody who is no node, or of a cheat behind its node's back, mined in the next
    /// block after those that wait already.
    pub fn call(&mut self, sender: Address, call: impl Into<ContractCall>) {
        self.mempool.push(Self::foreign(sender, call.into()));
    }

    const fn foreign(sender: Address, call: ContractCall) -> Transaction {
        Transaction { sender, id: None, call, not_before: BlockNumber(0), was_mined: false }
    }

    /// From now on this payee takes nothing, and may claim what it is owed.
    pub fn block_payee(&mut self, payee: Address) {
        Arc::make_mut(&mut self.genesis).block_payee(payee);
        for block in &mut self.blocks {
            Arc::make_mut(&mut block.after).block_payee(payee);
        }
    }

    /// From now on this payee takes what it is paid again.
    pub fn unblock_payee(&mut self, payee: Address) {
        Arc::make_mut(&mut self.genesis).unblock_payee(payee);
        for block in &mut self.blocks {
            Arc::make_mut(&mut block.after).unblock_payee(payee);
        }
    }

    /// Lets the adjudicator say in the next block what no call of anybody makes it say.
    pub fn announce(&mut self, channel: ChannelId, fact: ChainFact) {
        self.announced.push(ChannelLog { channel, fact });
    }

    /// Keeps every waiting call out of the next blocks.
    pub fn hold_back(&mut self, blocks: u64) {
        let not_before = BlockNumber(self.head().number.0 + 1 + blocks);
        for transaction in &mut self.mempool {
            transaction.not_before = transaction.not_before.max(not_before);
        }
    }

    /// Replaces the newest blocks by one longer chain; what becomes of their calls is told.
    pub fn reorg(&mut self, now: Timestamp, depth: usize, orphans: Orphans) {
        let depth = depth.min(self.blocks.len() - 1);
        let removed = self.blocks.split_off(self.blocks.len() - depth);
        self.forks += 1;
        let height = self.head().number.0;
        let back = removed.into_iter().flat_map(|block| block.transactions);
        let mut transactions: Vec<Transaction> = back.map(|(transaction, _)| transaction).collect();
        match orphans {
            Orphans::MinedAgain => {}
            Orphans::HeldBack(blocks) => {
                for transaction in &mut transactions {
                    transaction.not_before = BlockNumber(height + depth as u64 + 2 + blocks);
                }
            }
            Orphans::Dropped => {
                let settled = &self.settled;
                transactions.retain(|transaction| {
                    transaction
                        .id
                        .is_some_and(|id| !settled.contains_key(&(transaction.sender, id)))
                });
            }
        }
        transactions.append(&mut self.mempool);
        self.mempool = transactions;
        for _ in 0..=depth {
            self.mine(now);
        }
    }

    /// When the next block is due. `awaited` tells whether a node waits for blocks.
    #[must_use]
    pub fn next_due(&self, awaited: bool) -> Timestamp {
        let busy = awaited || !self.is_quiet();
        let time = if busy { self.rules.block_time } else { IDLE_BLOCK_TIME };
        Timestamp(self.last_block.0 + time)
    }

    /// True when every call is mined and everything that happened is confirmed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let recent = self.blocks.iter().rev().take(self.confirmation_count());
        self.mempool.is_empty()
            && self.announced.is_empty()
            && recent
                .into_iter()
                .all(|block| block.transactions.is_empty() && block.logs.is_empty())
    }

    fn confirmation_count(&self) -> usize {
        usize::try_from(self.rules.confirmations).unwrap_or(usize::MAX)
    }

    /// Mines the next block, and replaces some where the rules say so.
    pub fn tick(&mut self, now: Timestamp) {
        self.mine(now);
        if self.random.chance(self.rules.reorgs) {
            // Never as deep as what was told.
            let most = self.rules.confirmations.min(self.blocks.len() as u64 - 1);
            let depth = usize::try_from(self.random.between(1, most.max(1))).unwrap_or(1);
            let orphans = match self.random.below(2) {
                0 => Orphans::MinedAgain,
                _ => Orphans::HeldBack(self.random.below(4)),
            };
            self.reorg(now, depth, orphans);
        }
    }

    fn mine(&mut self, now: Timestamp) {
        self.last_block = now;
        let head = self.blocks.last().map(|block| block.block);
        let number = BlockNumber(head.map_or(0, |head| head.number.0 + 1));
        let mut after = Arc::clone(self.blocks.last().map_or(&self.genesis, |block| &block.after));
        let (mut logs, mut transactions) = (std::mem::take(&mut self.announced), Vec::new());
        let mut debts = Vec::new();
        let (due, later) = std::mem::take(&mut self.mempool)
            .into_iter()
            .partition::<Vec<_>, _>(|transaction| transaction.not_before <= number);
        self.mempool = later;
        for mut transaction in due {
            if transaction.lacks_coin(&after) {
                self.mempool.push(transaction);
                continue;
            }
            transaction.was_mined = true;
            let failed = transaction.id.is_some() && self.random.chance(self.rules.failures);
            let result = if failed {
                Err("out of gas".to_owned())
            } else {
                Arc::make_mut(&mut after).tell(transaction.sender, now.0 / 1_000, &transaction.call)
            };
            transactions.push((
                transaction,
                result.map(|mut found| {
                    logs.append(&mut found.logs);
                    debts.append(&mut found.debts);
                }),
            ));
        }
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.0.to_be_bytes());
        hash[8..16].copy_from_slice(&self.forks.to_be_bytes());
        let block = BlockRef { number, hash: B256::from(hash), timestamp: now.0 / 1_000 };
        self.blocks.push(Mined { block, logs, debts, transactions, after });
    }

    /// The contract after the newest block.
    pub(crate) fn contract(&self) -> &Adjudicator {
        self.state()
    }

    fn state(&self) -> &Adjudicator {
        self.blocks.last().map_or(&self.genesis, |block| &block.after)
    }

    /// The newest block, confirmed or not.
    #[must_use]
    pub fn head(&self) -> BlockRef {
        self.blocks.last().map(|block| block.block).unwrap_or_default()
    }

    /// A node follows the chain from where it has stored that it is.
    pub fn follow(&mut self, node: Address, cursor: &ChainCursor) {
        self.told.insert(node, cursor.recent.clone());
    }

    /// A node that has ended follows no more.
    pub fn unfollow(&mut self, node: Address) {
        self.told.remove(&node);
    }

    /// What is new for a follower: confirmed blocks, or a reorg of what it was told.
    pub fn news(&mut self, node: Address) -> Vec<ChainEvent> {
        let Some(mut told) = self.told.remove(&node) else { return Vec::new() };
        let mut ancestor = None;
        while told.last().is_some_and(|last| !self.stands(last)) {
            told.pop();
            ancestor = Some(told.last().copied().unwrap_or_else(|| self.first()));
        }
        let next = told.last().map_or(0, |last| last.number.0 + 1);
        let confirmed = self.head().number.0.saturating_sub(self.rules.confirmations);
        let blocks: Vec<Block> = self
            .blocks
            .iter()
            .filter(|mined| (next..=confirmed).contains(&mined.block.number.0))
            .map(|mined| Block {
                block: mined.block,
                logs: mined.logs.clone(),
                debts: mined.debts.clone(),
            })
            .collect();
        told.extend(blocks.iter().map(|block| block.block));
        self.told.insert(node, told);
        match ancestor {
            Some(ancestor) => vec![ChainEvent::Reorg { ancestor, blocks }],
            None => blocks.into_iter().map(ChainEvent::Block).collect(),
        }
    }

    fn first(&self) -> BlockRef {
        self.blocks.first().map(|block| block.block).unwrap_or_default()
    }

    fn stands(&self, block: &BlockRef) -> bool {
        self.blocks.iter().rev().any(|mined| mined.block == *block)
    }

    /// Calls whose end is confirmed and was not told before.
    pub fn settlements(&mut self) -> Vec<(Address, CallId, Receipt)> {
        let confirmed = self.head().number.0.saturating_sub(self.rules.confirmations);
        let mut fresh = Vec::new();
        for mined in self.blocks.iter().filter(|mined| mined.block.number.0 <= confirmed) {
            for (transaction, result) in &mined.transactions {
                let Some(id) = transaction.id else { continue };
                let key = (transaction.sender, id);
                if self.settled.contains_key(&key) {
                    continue;
                }
                let receipt = match result {
                    Ok(()) => Receipt::Succeeded { block: mined.block.number },
                    Err(reason) => Receipt::Reverted { reason: reason.clone() },
                };
                self.settled.insert(key, receipt.clone());
                fresh.push((transaction.sender, id, receipt));
            }
        }
        fresh
    }
}
