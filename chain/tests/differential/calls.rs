//! Random calls of anybody about the channels of a sequence: mostly what somebody would really
//! do, often out of turn, now and then nonsense.

use engine::chain::{ChainCall, Challenge, Reclaim, Urgency};
use engine::crypto::Signer;
use engine::outcome::{Allocation, AllocationKind, Outcome, SingleAssetExit};
use engine::state::{SupportedState, VariablePart, challenge_hash};
use engine::testing::{AssetReclaim, ContractCall};
use engine::types::{Amount, Asset, B256, Bytes, ChannelId, TurnNumber, U256};
use engine::vouchers::Voucher;

use crate::evm::Evm;
use crate::generate;
use crate::sequences::Pair;

/// Most that a payment channel locks; small, so that sums meet.
const CAPACITY: u64 = 10;

impl Pair {
    fn pick_channel(&mut self) -> usize {
        *self.random.pick(&[0, 0, 0, 1, 2, 2, 3, 3, 4])
    }

    fn other_asset(&self) -> Asset {
        if self.asset.is_native() { Asset(self.evm.token) } else { Asset::NATIVE }
    }

    fn any_asset(&mut self, others: u64) -> Asset {
        if self.random.chance(others) { self.other_asset() } else { self.asset }
    }

    fn payee(&mut self, channel: usize, asset: Asset) -> Allocation {
        let signers = self.channels[channel].signers.clone();
        let payee = generate::account(*self.random.pick(&signers));
        let destination = match self.random.below(20) {
            0 => self.channels[1].id().into(),
            1 => generate::account(generate::KEYS - 1).into(),
            // Tokens do not ask their owner.
            2 if asset.is_native() => Evm::UNPAYABLE.into(),
            _ => payee.into(),
        };
        let mut entry = Allocation::simple(destination, self.balance());
        if self.random.chance(5) {
            entry.kind = AllocationKind(u8::try_from(self.random.below(256)).unwrap());
        }
        if self.random.chance(8) {
            entry.metadata = generate::bytes(&mut self.random, 80);
        }
        entry
    }

    fn balance(&mut self) -> Amount {
        match self.random.below(30) {
            0 => U256::MAX.into(),
            1..=3 => Amount::ZERO,
            _ => self.random.below(3 * CAPACITY).into(),
        }
    }

    fn guarantee(&mut self, ledger: usize, target: usize) -> Allocation {
        let ends = self.channels[ledger].signers.clone();
        let [left, right] = [ends[0], ends[1]].map(|key| generate::account(key).into());
        let locked = if self.random.chance(95) { CAPACITY } else { self.random.below(CAPACITY) };
        Allocation::guarantee(self.channels[target].id(), locked.into(), left, right)
    }

    /// What a ledger has of one asset.
    fn ledger_exit(&mut self, ledger: usize, asset: Asset, locks: u64) -> SingleAssetExit {
        let signers = self.channels[ledger].signers.clone();
        let more = if self.random.chance(40) { self.random.below(4) } else { 0 };
        let payees = signers.len() as u64 + more;
        let mut allocations: Vec<_> = (0..payees).map(|_| self.payee(ledger, asset)).collect();
        if self.random.chance(80) {
            // As honest ledgers have it: one for each participant.
            for (entry, signer) in allocations.iter_mut().zip(&signers) {
                entry.destination = generate::account(*signer).into();
            }
        }
        for target in [2, 3] {
            if !self.random.chance(locks) {
                continue;
            }
            let odd = self.random.chance(5);
            let target =
                if odd { generate::index(&mut self.random, self.channels.len()) } else { target };
            let lock = self.guarantee(ledger, target);
            let at = generate::index(&mut self.random, allocations.len() + 1);
            let at = if self.random.chance(80) { allocations.len() } else { at };
            allocations.insert(at, lock);
        }
        Outcome::single(asset, allocations).0.remove(0)
    }

    fn ledger_outcome(&mut self, ledger: usize, locks: u64) -> Outcome {
        let mut outcome = Outcome(vec![self.ledger_exit(ledger, self.asset, locks)]);
        if self.random.chance(8) {
            let asset = self.any_asset(70);
            let more = self.ledger_exit(ledger, asset, locks / 2);
            let at = generate::index(&mut self.random, 2);
            outcome.0.insert(at, more);
        }
        if self.random.chance(1) {
            outcome.0.clear();
        }
        outcome
    }

    /// Exactly what the ledger holds, for the first two.
    fn whole_outcome(&mut self, ledger: usize) -> Outcome {
        let held = self.fake.held(self.asset, self.channels[ledger].id());
        let mut exit = self.ledger_exit(ledger, self.asset, 0);
        exit.allocations.iter_mut().for_each(|entry| entry.amount = Amount::ZERO);
        let first = Amount::from(self.random.below(CAPACITY)).min(held);
        exit.allocations[0].amount = first;
        exit.allocations[1].amount = held.saturating_sub(first);
        Outcome(vec![exit])
    }

    fn payment_outcome(&self, channel: usize, paid: u64) -> Outcome {
        let signers = &self.channels[channel].signers;
        let to =
            |key: u8, amount: u64| Allocation::simple(generate::account(key).into(), amount.into());
        let (payer, payee) = (signers[0], signers[signers.len() - 1]);
        let allocations = vec![to(payer, CAPACITY - paid), to(payee, paid)];
        Outcome::single(self.asset, allocations)
    }

    /// What everybody in a payment channel may sign, though no honest node would.
    fn odd_payment_outcome(&mut self, channel: usize) -> Outcome {
        let paid = self.random.below(CAPACITY + 1);
        let mut outcome = self.payment_outcome(channel, paid);
        match self.random.below(8) {
            0 => {
                let asset = self.any_asset(70);
                let mut more = self.payment_outcome(channel, paid).0.remove(0);
                more.asset = asset;
                let at = generate::index(&mut self.random, 2);
                outcome.0.insert(at, more);
            }
            1 => {
                let target = generate::index(&mut self.random, self.channels.len());
                let lock = self.guarantee(channel, target);
                outcome.0[0].allocations.push(lock);
            }
            2 => {
                let more = self.payee(channel, self.asset);
                outcome.0[0].allocations.push(more);
            }
            3 => {
                outcome.0[0].allocations.pop();
            }
            _ => {}
        }
        outcome
    }

    /// Turns around the one that is stored, or low ones.
    fn turn(&mut self, at: usize) -> TurnNumber {
        let stored = self.fake.status(self.channels[at].id()).map_or(0, |status| status.turn.0);
        TurnNumber(if self.random.chance(50) {
            stored + self.random.below(3)
        } else {
            self.random.below(7)
        })
    }

    /// A state that is mostly supported, with what supports it.
    fn signed(&mut self, at: usize) -> (Vec<SupportedState>, SupportedState) {
        let plain = |outcome, turn, is_final| VariablePart {
            outcome,
            app_data: Bytes::default(),
            turn: TurnNumber(turn),
            is_final,
        };
        let (fixed, signers) = (self.channels[at].fixed.clone(), self.channels[at].signers.clone());
        if !self.channels[at].is_payment(&self.evm) {
            let outcome = self.ledger_outcome(at, 50);
            let (turn, is_final) = (self.turn(at).0, self.random.chance(20));
            self.channels[at].outcomes.push(outcome.clone());
            let state = plain(outcome, turn, is_final);
            return (Vec::new(), generate::sign(&mut self.random, &fixed, state, &signers, 5));
        }
        let paid = self.random.below(CAPACITY + 1);
        let turn = self.random.below(4);
        let funding = plain(self.payment_outcome(at, 0), turn.min(1), false);
        if turn < 2 {
            self.channels[at].outcomes.push(funding.outcome.clone());
            return (Vec::new(), generate::sign(&mut self.random, &fixed, funding, &signers, 5));
        }
        let voucher = Voucher::sign(fixed.channel_id(), paid.into(), generate::key(signers[0]));
        let redemption = VariablePart {
            app_data: Bytes(voucher.redemption_data()),
            ..plain(self.payment_outcome(at, paid), 2, false)
        };
        self.channels[at].outcomes.push(redemption.outcome.clone());
        let payee = [signers[signers.len() - 1]];
        let proof = generate::sign(&mut self.random, &fixed, funding, &signers, 2);
        (vec![proof], generate::sign(&mut self.random, &fixed, redemption, &payee, 5))
    }

    fn challenge(&mut self, at: usize) -> Challenge {
        let fixed = self.channels[at].fixed.clone();
        let (proof, candidate) = self.signed(at);
        let hash = challenge_hash(candidate.state.hash(fixed.channel_id()));
        let signers = self.channels[at].signers.clone();
        let challenger = match self.random.below(40) {
            0 => generate::KEYS - 1,
            _ => *self.random.pick(&signers),
        };
        Challenge { fixed, proof, candidate, challenger: generate::key(challenger).sign(hash) }
    }

    /// What everybody has signed as the end, the first time or once more.
    fn final_state(&mut self, at: usize, locks: u64) -> SupportedState {
        if self.random.chance(15) && !self.channels[at].finals.is_empty() {
            return self.random.pick(&self.channels[at].finals).clone();
        }
        let outcome = if self.channels[at].is_payment(&self.evm) {
            self.odd_payment_outcome(at)
        } else if self.random.chance(30) {
            self.whole_outcome(at)
        } else {
            self.ledger_outcome(at, locks)
        };
        self.channels[at].outcomes.push(outcome.clone());
        let state = VariablePart {
            outcome,
            app_data: Bytes::default(),
            turn: self.turn(at),
            is_final: self.random.chance(95),
        };
        let (fixed, signers) = (self.channels[at].fixed.clone(), self.channels[at].signers.clone());
        let signed = generate::sign(&mut self.random, &fixed, state, &signers, 5);
        self.channels[at].finals.push(signed.clone());
        signed
    }

    /// Any outcome that the channel was ever shown with, or what is no outcome at all, and the
    /// state hash that is stored.
    fn any_known(&mut self, at: usize) -> (Outcome, B256) {
        let channel = &self.channels[at];
        let stored = self.fake.status(channel.id()).map(|status| status.state_hash);
        let mut outcome = match channel.outcomes.len() {
            0 => Outcome::default(),
            _ => self.random.pick(&channel.outcomes).clone(),
        };
        if let Some(exit) = outcome.0.first_mut().filter(|_| self.random.chance(20)) {
            exit.asset_type = 4;
        }
        (outcome, stored.unwrap_or_default())
    }

    /// What is left to pay there, or rarely something else.
    fn left(&mut self, at: usize) -> (Outcome, B256) {
        match self.observer.known(self.channels[at].id()).cloned() {
            Some(known) if self.random.chance(2) => (known.first, known.state_hash),
            Some(known) if self.random.chance(95) => (known.left, known.state_hash),
            _ => self.any_known(at),
        }
    }

    /// What became final there, or rarely something else.
    fn first(&mut self, at: usize) -> (Outcome, B256) {
        match self.observer.known(self.channels[at].id()).cloned() {
            Some(known) if self.random.chance(4) => (known.left, known.state_hash),
            Some(known) if self.random.chance(95) => (known.first, known.state_hash),
            _ => self.any_known(at),
        }
    }

    /// The reclaims of some guarantees of an outcome, mostly all of them.
    fn reclaims(&mut self, outcome: &Outcome) -> Vec<AssetReclaim> {
        let mut reclaims = Vec::new();
        for (asset_index, exit) in (0_u64..).zip(&outcome.0) {
            let mut done = 0;
            for (position, entry) in (0_u64..).zip(&exit.allocations) {
                let target = self.channels.iter().position(|one| one.id().0 == entry.destination.0);
                let is_lock = entry.kind == AllocationKind::GUARANTEE;
                let Some(target) = target.filter(|_| is_lock && self.random.chance(85)) else {
                    continue;
                };
                let (target_outcome, target_state) = self.first(target);
                let wrong = self.random.chance(6).then(|| self.random.below(4));
                let index = wrong.unwrap_or(position - done);
                let same = target_outcome.0.iter().position(|found| found.asset == exit.asset);
                let target_asset_index = match self.random.chance(3) {
                    true => self.random.below(3),
                    false => same.unwrap_or(0) as u64,
                };
                let wrong = self.random.chance(2).then(|| self.random.below(3));
                reclaims.push(AssetReclaim {
                    asset_index: wrong.unwrap_or(asset_index),
                    target_asset_index,
                    reclaim: Reclaim { index, target_state, target_outcome },
                });
                done += 1;
            }
        }
        reclaims
    }

    fn settle(&mut self, at: usize) -> ContractCall {
        let channel = self.channels[at].id();
        let (outcome, state_hash) = self.left(at);
        let reclaims = self.reclaims(&outcome);
        let is_first = |one: &AssetReclaim| one.asset_index == 0 && one.target_asset_index == 0;
        if reclaims.iter().all(is_first) {
            let reclaims = reclaims.into_iter().map(|one| one.reclaim).collect();
            let urgency = Urgency::default();
            return ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency }.into();
        }
        ContractCall::Settle { channel, outcome, state_hash, reclaims }
    }

    fn transfer(&mut self, at: usize) -> ContractCall {
        let channel = self.channels[at].id();
        let (outcome, state_hash) = self.left(at);
        let asset_index = if self.random.chance(8) { self.random.below(3) } else { 0 };
        let exit = usize::try_from(asset_index).ok().and_then(|index| outcome.0.get(index));
        let allocations = exit.map(|exit| exit.allocations.clone()).unwrap_or_default();
        let mut indices = Vec::new();
        let chances = *self.random.pick(&[25, 50, 80]);
        for (index, entry) in (0_u64..).zip(&allocations) {
            let is_lock = entry.kind == AllocationKind::GUARANTEE;
            if self.random.chance(if is_lock { 4 } else { chances }) {
                indices.push(index);
            }
        }
        match self.random.below(25) {
            0 => indices.reverse(),
            1 => indices.push(allocations.len() as u64),
            2 => indices.push(u64::MAX),
            3 => indices.clear(),
            _ => {}
        }
        ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices }
    }

    fn expected(&mut self, asset: Asset, channel: ChannelId) -> Amount {
        let held = self.fake.held(asset, channel);
        if self.random.chance(70) {
            return held;
        }
        held.saturating_sub(5_u64.into()).checked_add(self.random.below(8).into()).unwrap()
    }

    fn deposit(&mut self, at: usize) -> ContractCall {
        let asset = self.any_asset(15);
        let mut channel = self.channels[at].id();
        if self.random.chance(1) {
            channel = ChannelId(B256::with_last_byte(1));
        }
        match self.random.below(4) {
            0 => {
                let count = self.random.below(4);
                let mut entries = Vec::new();
                for _ in 0..count {
                    let at = self.pick_channel();
                    let channel = self.channels[at].id();
                    let expected = self.expected(asset, channel);
                    entries.push((channel, expected, self.random.below(20).into()));
                }
                ContractCall::DepositBatch { asset, entries }
            }
            1 => {
                let expected_held = self.expected(asset, channel);
                let amount = self.random.below(80).into();
                ContractCall::Deposit { channel, asset, expected_held, amount }
            }
            _ => {
                let expected_held = self.expected(asset, channel);
                let amount = self.random.below(80).into();
                ChainCall::Deposit { channel, asset, expected_held, amount }.into()
            }
        }
    }

    fn challenges(&mut self, at: usize) -> ContractCall {
        let count = self.random.between(1, 3);
        let mut challenges = vec![self.challenge(at)];
        for _ in 1..count {
            let at = self.pick_channel();
            challenges.push(self.challenge(at));
        }
        if count == 1 {
            ContractCall::Challenge(challenges.remove(0))
        } else {
            ChainCall::Challenge { challenges, urgency: Urgency::default() }.into()
        }
    }

    fn checkpoint(&mut self, at: usize) -> ContractCall {
        let (proof, candidate) = self.signed(at);
        let (fixed, urgency) = (self.channels[at].fixed.clone(), Urgency::default());
        ChainCall::Checkpoint { fixed, proof, candidate, urgency }.into()
    }

    fn conclude(&mut self, at: usize) -> ContractCall {
        let SupportedState { state, signatures } = self.final_state(at, 50);
        let (fixed, urgency) = (self.channels[at].fixed.clone(), Urgency::default());
        ChainCall::Conclude { fixed, state, signatures, urgency }.into()
    }

    fn conclude_and_transfer(&mut self, at: usize) -> ContractCall {
        let SupportedState { state, signatures } = self.final_state(at, 10);
        let fixed = self.channels[at].fixed.clone();
        ChainCall::ConcludeAndTransfer { fixed, state, signatures }.into()
    }

    fn transfer_all(&mut self, at: usize) -> ContractCall {
        let channel = self.channels[at].id();
        let (outcome, state_hash) = self.left(at);
        ContractCall::TransferAll { channel, outcome, state_hash }
    }

    fn reclaim(&mut self, at: usize) -> ContractCall {
        let channel = self.channels[at].id();
        let (outcome, state_hash) = self.left(at);
        match self.reclaims(&outcome).into_iter().next() {
            Some(reclaim) => ContractCall::ReclaimAsset { channel, outcome, state_hash, reclaim },
            None => ContractCall::TransferAll { channel, outcome, state_hash },
        }
    }

    fn claim(&mut self) -> ContractCall {
        let asset = self.any_asset(15);
        let payee = if self.random.chance(80) { Evm::UNPAYABLE } else { generate::account(0) };
        ContractCall::Claim { asset, payee }
    }

    /// Anything that anybody might send, mostly what the channel's state invites to.
    pub(crate) fn any_call(&mut self) -> ContractCall {
        let at = self.pick_channel();
        let status = self.fake.status(self.channels[at].id());
        let step = match status {
            _ if self.random.chance(25) => self.random.below(100),
            Some(status) if status.is_closed => *self.random.pick(&[0, 75]),
            Some(status) if status.is_finalized(self.time) => self.random.between(0, 69),
            _ => *self.random.pick(&[0, 0, 70, 70, 80, 80, 80, 80, 90, 95]),
        };
        match step {
            0..=14 => self.deposit(at),
            15..=34 => self.settle(at),
            35..=44 => self.reclaim(at),
            45..=64 => self.transfer(at),
            65..=67 => self.transfer_all(at),
            68..=69 => self.claim(),
            70..=74 => self.checkpoint(at),
            75..=79 => self.conclude_and_transfer(at),
            80..=89 => self.challenges(at),
            _ => self.conclude(at),
        }
    }
}
