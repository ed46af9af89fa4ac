//! The fake adjudicator of `engine::testing` against the real one: random calls by anybody, in
//! random order and at random times, on a ledger, its neighbour and two payment channels. After
//! every call both must have answered the same, logged the same, and keep the same.

use std::collections::BTreeMap;

use alloy::primitives::aliases::U48;
use alloy::primitives::{Log, LogData, U256};
use alloy::sol_types::{SolCall, SolEvent};
use chain::bindings::{
    IForceMove, IMultiAssetHolder, INitroTypes, NitroAdjudicator, exits_of, fixed_part,
    signature_to_contract, signed_variable_part,
};
use engine::chain::{ChainCall, ChainFact, Challenge, ChannelLog, Reclaim, Urgency};
use engine::crypto::Signer;
use engine::outcome::{
    Allocation, AllocationKind, Outcome, ReclaimStep, reclaim_effects, settle_effects,
    transfer_effects,
};
use engine::state::{FixedPart, SupportedState, VariablePart, challenge_hash};
use engine::testing::{Adjudicator, AssetReclaim, ContractCall, Random};
use engine::types::{Amount, Asset, B256, Bytes, ChannelId, TurnNumber};
use engine::vouchers::Voucher;

use crate::evm::Evm;
use crate::generate;
use crate::tally::Tally;

const SEQUENCES: u64 = 250;
const CALLS: usize = 40;

/// What everyone has of both assets.
const PURSE: u64 = 1_000_000;

/// Most that a payment channel locks; small, so that sums meet.
const CAPACITY: u64 = 10;

/// What the channels of a sequence hold.
#[derive(Clone, Copy)]
enum Coin {
    Native,
    Token,
}

/// A channel of the sequence, and everything that was signed or became of it.
struct Channel {
    fixed: FixedPart,
    signers: Vec<u8>,
    /// Outcomes that it was shown with or left with.
    outcomes: Vec<Outcome>,
}

impl Channel {
    fn id(&self) -> ChannelId {
        self.fixed.channel_id()
    }

    fn is_payment(&self, evm: &Evm) -> bool {
        self.fixed.app == evm.deployment.payment_app
    }
}

/// Both adjudicators, and what they are about.
struct Pair {
    evm: Evm,
    fake: Adjudicator,
    random: Random,
    asset: Asset,
    time: u64,
    /// Two ledgers, then two payment channels.
    channels: Vec<Channel>,
}

impl Pair {
    fn new(seed: u64, coin: Coin) -> Self {
        let (mut evm, mut random) = (Evm::new(), Random::new(seed));
        let mut fake = Adjudicator::new(evm.deployment);
        let token = Asset(evm.token);
        for key in 0..generate::KEYS {
            let owner = generate::account(key);
            evm.fund(owner, U256::from(PURSE));
            evm.give_tokens(owner, U256::from(PURSE));
            fake.endow(owner, Asset::NATIVE, PURSE.into());
            fake.endow(owner, token, PURSE.into());
        }
        let apps = [evm.deployment.consensus_app, evm.deployment.payment_app];
        let channels = [(0, vec![0, 1]), (0, vec![1, 2]), (1, vec![0, 1, 2]), (1, vec![0, 1])];
        let channels = channels.map(|(app, signers)| Channel {
            fixed: FixedPart {
                challenge_duration: u32::try_from(random.below(80)).unwrap(),
                ..generate::fixed(&mut random, apps[app], signers.clone())
            },
            signers,
            outcomes: Vec::new(),
        });
        let asset = match coin {
            Coin::Native => Asset::NATIVE,
            Coin::Token => token,
        };
        Self { evm, fake, random, asset, time: 1_000, channels: channels.into() }
    }

    fn pick_channel(&mut self) -> usize {
        *self.random.pick(&[0, 0, 0, 1, 2, 2, 3, 3])
    }

    fn payee(&mut self, channel: usize) -> Allocation {
        let signers = self.channels[channel].signers.clone();
        let payee = generate::account(*self.random.pick(&signers));
        let destination = match self.random.below(20) {
            0 => self.channels[1].id().into(),
            1 => generate::account(generate::KEYS - 1).into(),
            _ => payee.into(),
        };
        Allocation::simple(destination, self.balance())
    }

    fn balance(&mut self) -> Amount {
        match self.random.below(30) {
            0 => U256::MAX.into(),
            _ => self.random.below(3 * CAPACITY).into(),
        }
    }

    fn ledger_outcome(&mut self, ledger: usize) -> Outcome {
        let mut allocations = vec![self.payee(ledger), self.payee(ledger)];
        if self.random.chance(80) {
            // As honest ledgers have it: one for each participant.
            for (entry, signer) in allocations.iter_mut().zip(&self.channels[ledger].signers) {
                entry.destination = generate::account(*signer).into();
            }
        }
        for target in [2, 3] {
            if self.random.chance(50) {
                let ends = self.channels[ledger].signers.clone();
                let [left, right] = [ends[0], ends[1]].map(|key| generate::account(key).into());
                let id = self.channels[target].id();
                let lock = Allocation::guarantee(id, CAPACITY.into(), left, right);
                let at = generate::index(&mut self.random, allocations.len() + 1);
                allocations
                    .insert(if self.random.chance(80) { allocations.len() } else { at }, lock);
            }
        }
        let mut outcome = Outcome::single(self.asset, allocations);
        if self.random.chance(5) {
            let asset = if self.random.chance(50) { self.asset } else { Asset::NATIVE };
            let more = vec![self.payee(ledger)];
            outcome.0.extend(Outcome::single(asset, more).0);
        }
        outcome
    }

    fn payment_outcome(&self, channel: usize, paid: u64) -> Outcome {
        let signers = &self.channels[channel].signers;
        let to =
            |key: u8, amount: u64| Allocation::simple(generate::account(key).into(), amount.into());
        let (payer, payee) = (signers[0], signers[signers.len() - 1]);
        let allocations = vec![to(payer, CAPACITY - paid), to(payee, paid)];
        Outcome::single(self.asset, allocations)
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
            let outcome = self.ledger_outcome(at);
            let (turn, is_final) = (self.random.below(7), self.random.chance(20));
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

    fn final_state(&mut self, at: usize) -> SupportedState {
        let outcome = if self.channels[at].is_payment(&self.evm) {
            let paid = self.random.below(CAPACITY + 1);
            self.payment_outcome(at, paid)
        } else {
            self.ledger_outcome(at)
        };
        self.channels[at].outcomes.push(outcome.clone());
        let state = VariablePart {
            outcome,
            app_data: Bytes::default(),
            turn: TurnNumber(self.random.below(7)),
            is_final: self.random.chance(95),
        };
        let (fixed, signers) = (self.channels[at].fixed.clone(), self.channels[at].signers.clone());
        generate::sign(&mut self.random, &fixed, state, &signers, 5)
    }

    /// What is final there, or rarely something else.
    fn known(&mut self, at: usize) -> (Outcome, B256) {
        let channel = &self.channels[at];
        let status = self.fake.status(channel.id());
        let known = channel
            .outcomes
            .iter()
            .find(|outcome| status.is_some_and(|status| status.outcome_hash == outcome.hash()));
        match known.cloned().filter(|_| !self.random.chance(5)) {
            Some(outcome) => (outcome, status.map(|status| status.state_hash).unwrap_or_default()),
            None if channel.outcomes.is_empty() => (Outcome::default(), B256::ZERO),
            None => {
                let outcome = self.random.pick(&channel.outcomes).clone();
                (outcome, status.map(|status| status.state_hash).unwrap_or_default())
            }
        }
    }

    /// The reclaims of some guarantees of an outcome, mostly all of them.
    fn reclaims(&mut self, outcome: &Outcome) -> Vec<Reclaim> {
        let (mut reclaims, mut done) = (Vec::new(), 0);
        let allocations = outcome.0.first().map(|exit| exit.allocations.clone());
        for (position, entry) in (0_u64..).zip(allocations.unwrap_or_default()) {
            let target = self.channels.iter().position(|one| one.id().0 == entry.destination.0);
            let is_lock = entry.kind == AllocationKind::GUARANTEE;
            let Some(target) = target.filter(|_| is_lock && self.random.chance(85)) else {
                continue;
            };
            let (target_outcome, target_state) = self.known(target);
            let wrong = self.random.chance(6).then(|| self.random.below(4));
            let index = wrong.unwrap_or(position - done);
            reclaims.push(Reclaim { index, target_state, target_outcome });
            done += 1;
        }
        reclaims
    }

    fn any_call(&mut self) -> ContractCall {
        let at = self.pick_channel();
        let (channel, fixed) = (self.channels[at].id(), self.channels[at].fixed.clone());
        let urgency = Urgency::default();
        match self.random.below(16) {
            0..=2 => {
                let held = self.fake.held(self.asset, channel);
                let expected_held = if self.random.chance(60) {
                    held
                } else {
                    held.saturating_sub(5_u64.into())
                        .checked_add(self.random.below(8).into())
                        .unwrap()
                };
                let (asset, amount) = (self.asset, self.random.below(40).into());
                if self.random.chance(30) {
                    ContractCall::Deposit { channel, asset, expected_held, amount }
                } else {
                    ChainCall::Deposit { channel, asset, expected_held, amount }.into()
                }
            }
            3..=6 => {
                let count = self.random.between(1, 3);
                let mut challenges = Vec::new();
                for _ in 0..count {
                    let at = self.pick_channel();
                    challenges.push(self.challenge(at));
                }
                if count == 1 {
                    ContractCall::Challenge(challenges.remove(0))
                } else {
                    ChainCall::Challenge { challenges, urgency }.into()
                }
            }
            7 => {
                let (proof, candidate) = self.signed(at);
                ChainCall::Checkpoint { fixed, proof, candidate, urgency }.into()
            }
            8 => {
                let SupportedState { state, signatures } = self.final_state(at);
                ChainCall::Conclude { fixed, state, signatures, urgency }.into()
            }
            9 => {
                let SupportedState { state, signatures } = self.final_state(at);
                ChainCall::ConcludeAndTransfer { fixed, state, signatures }.into()
            }
            10..=12 => {
                let (outcome, state_hash) = self.known(at);
                let reclaims = self.reclaims(&outcome);
                ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency }.into()
            }
            13 => {
                let (outcome, state_hash) = self.known(at);
                match self.reclaims(&outcome).into_iter().next() {
                    Some(reclaim) => {
                        let reclaim = reclaim.into();
                        ContractCall::Reclaim { channel, outcome, state_hash, reclaim }
                    }
                    None => ContractCall::TransferAll { channel, outcome, state_hash },
                }
            }
            14 => {
                let (outcome, state_hash) = self.known(at);
                ContractCall::TransferAll { channel, outcome, state_hash }
            }
            _ => {
                let (outcome, state_hash) = self.known(at);
                let mut indices: Vec<u64> = (0..4).filter(|_| self.random.chance(40)).collect();
                if self.random.chance(5) {
                    indices.reverse();
                }
                let asset_index = u64::from(self.random.chance(5));
                ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices }
            }
        }
    }

    /// Outcomes that a payout or reclaim may leave, for the calls that come after it.
    fn remember(&mut self, call: &ContractCall, before: &Adjudicator) {
        let left = match call {
            ContractCall::Node(ChainCall::Settle { channel, outcome, reclaims, .. }) => {
                Some((*channel, settled(before, *channel, outcome, reclaims)))
            }
            ContractCall::TransferAll { channel, outcome, .. } => {
                Some((*channel, settled(before, *channel, outcome, &[])))
            }
            ContractCall::Node(ChainCall::ConcludeAndTransfer { fixed, state, .. }) => {
                let channel = fixed.channel_id();
                Some((channel, settled(before, channel, &state.outcome, &[])))
            }
            ContractCall::Transfer { asset_index, channel, outcome, indices, .. } => {
                let mut outcome = outcome.clone();
                let exit = &mut outcome.0[usize::try_from(*asset_index).unwrap()];
                let held = before.held(exit.asset, *channel);
                let effects = transfer_effects(held, &exit.allocations, indices).unwrap();
                exit.allocations = effects.remaining;
                Some((*channel, outcome))
            }
            ContractCall::Reclaim { channel, outcome, reclaim, .. } => {
                let mut outcome = outcome.clone();
                let [at, from, index] =
                    [reclaim.asset_index, reclaim.target_asset_index, reclaim.reclaim.index]
                        .map(|index| usize::try_from(index).unwrap());
                let target = &reclaim.reclaim.target_outcome.0[from].allocations;
                let source = &mut outcome.0[at].allocations;
                *source = reclaim_effects(source, target, index).unwrap();
                Some((*channel, outcome))
            }
            _ => None,
        };
        let Some((id, outcome)) = left else { return };
        let channel = self.channels.iter_mut().find(|channel| channel.id() == id).unwrap();
        channel.outcomes.push(outcome);
    }

    /// One call of one account on both sides.
    fn step(&mut self, tally: &mut Tally) {
        if self.random.chance(40) {
            self.time += self.random.below(30);
            self.evm.set_time(self.time);
        }
        let call = self.any_call();
        let key = u8::try_from(self.random.below(u64::from(generate::KEYS))).unwrap();
        let sender = generate::account(key);
        let before = self.fake.clone();
        let ours = self.fake.execute(sender, self.time, &call);
        let (value, data) = encode(&call);
        let theirs = self.evm.execute(sender, value, data);
        tally.note(&ours);
        for log in ours.iter().flatten() {
            tally.note_done(name(&log.fact));
        }
        let ours = ours.map(|logs| logs.iter().map(log_data).collect::<Vec<_>>());
        let theirs = theirs.map(|logs| self.told(logs));
        assert_eq!(ours, theirs, "at {} {call:?}", self.time);
        if ours.is_ok() {
            self.remember(&call, &before);
            self.compare_storage(&call);
        }
    }

    /// What the adjudicator logs about channels.
    fn told(&self, logs: Vec<Log>) -> Vec<LogData> {
        let ours = logs.into_iter().filter(|log| log.address == self.evm.deployment.adjudicator);
        ours.map(|log| log.data).collect()
    }

    fn compare_storage(&mut self, call: &ContractCall) {
        for channel in &self.channels {
            let id = channel.id();
            let stored = self.evm.ask(&NitroAdjudicator::statusOfCall(id.0)).unwrap();
            assert_eq!(self.fake.status_word(id), stored, "status of {id:?} after {call:?}");
            let held = self
                .evm
                .ask(&NitroAdjudicator::holdingsCall { _0: self.asset.0, _1: id.0 })
                .unwrap();
            let kept = self.fake.held(self.asset, id).to_u256();
            assert_eq!(kept, held, "held for {id:?} after {call:?}");
        }
    }

    fn compare_purses(&mut self) {
        let token = Asset(self.evm.token);
        let mut total = BTreeMap::new();
        for key in 0..generate::KEYS {
            let owner = generate::account(key);
            let (coin, tokens) = (self.evm.balance(owner), self.evm.tokens(owner));
            for (asset, found) in [(Asset::NATIVE, coin), (token, tokens)] {
                assert_eq!(self.fake.purse(owner, asset).to_u256(), found, "{asset} of {owner}");
                *total.entry(asset).or_insert(U256::ZERO) += found;
            }
        }
        let all = U256::from(PURSE) * U256::from(generate::KEYS);
        assert!(total.values().all(|sum| *sum <= all), "{total:?}");
    }
}

fn settled(
    before: &Adjudicator,
    channel: ChannelId,
    outcome: &Outcome,
    reclaims: &[Reclaim],
) -> Outcome {
    let mut outcome = outcome.clone();
    let mut paid: BTreeMap<Asset, Amount> = BTreeMap::new();
    for (position, exit) in outcome.0.iter_mut().enumerate() {
        let steps: Vec<_> = reclaims
            .iter()
            .filter(|_| position == 0)
            .map(|reclaim| ReclaimStep {
                index: usize::try_from(reclaim.index).unwrap(),
                target: &reclaim.target_outcome.0[0].allocations,
            })
            .collect();
        let already = paid.entry(exit.asset).or_default();
        let held = before.held(exit.asset, channel).checked_sub(*already).unwrap();
        let effects = settle_effects(held, &exit.allocations, &steps).unwrap();
        *already = already.checked_add(effects.paid).unwrap();
        exit.allocations = effects.remaining;
    }
    outcome
}

fn signed(state: &SupportedState) -> INitroTypes::SignedVariablePart {
    signed_variable_part(&state.state, &state.signatures).unwrap()
}

/// Value and calldata of a call.
fn encode(call: &ContractCall) -> (U256, Vec<u8>) {
    let value = |asset: &Asset, amount: &Amount| {
        if asset.is_native() { amount.to_u256() } else { U256::ZERO }
    };
    match call {
        ContractCall::Node(call) => encode_ours(call),
        ContractCall::Deposit { channel, asset, expected_held, amount } => {
            let call = NitroAdjudicator::depositCall {
                asset: asset.0,
                channelId: channel.0,
                expectedHeld: expected_held.to_u256(),
                amount: amount.to_u256(),
            };
            (value(asset, amount), call.abi_encode())
        }
        ContractCall::DepositBatch { asset, entries } => {
            unimplemented!("{asset} {entries:?}")
        }
        ContractCall::Challenge(challenge) => {
            let Challenge { fixed, proof, candidate, challenger } = challenge;
            let call = NitroAdjudicator::challengeCall {
                fixedPart: fixed_part(fixed),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
                challengerSig: signature_to_contract(challenger),
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices } => {
            let call = NitroAdjudicator::transferCall {
                assetIndex: U256::from(*asset_index),
                fromChannelId: channel.0,
                outcomeBytes: outcome.encode().into(),
                stateHash: *state_hash,
                indices: indices.iter().map(|index| U256::from(*index)).collect(),
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::TransferAll { channel, outcome, state_hash } => {
            let call = NitroAdjudicator::transferAllAssetsCall {
                channelId: channel.0,
                outcome: exits_of(outcome),
                stateHash: *state_hash,
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Reclaim { channel, outcome, state_hash, reclaim } => {
            let call = NitroAdjudicator::reclaimCall {
                reclaimArgs: IMultiAssetHolder::ReclaimArgs {
                    sourceChannelId: channel.0,
                    sourceStateHash: *state_hash,
                    sourceOutcomeBytes: outcome.encode().into(),
                    sourceAssetIndex: U256::from(reclaim.asset_index),
                    indexOfTargetInSource: U256::from(reclaim.reclaim.index),
                    targetStateHash: reclaim.reclaim.target_state,
                    targetOutcomeBytes: reclaim.reclaim.target_outcome.encode().into(),
                    targetAssetIndex: U256::from(reclaim.target_asset_index),
                },
            };
            (U256::ZERO, call.abi_encode())
        }
        ContractCall::Settle { channel, outcome, state_hash, reclaims } => {
            (U256::ZERO, encode_settle(*channel, outcome, *state_hash, reclaims))
        }
    }
}

fn encode_ours(call: &ChainCall) -> (U256, Vec<u8>) {
    let whole = |state: &VariablePart, signatures: &[engine::crypto::Signature]| {
        signed_variable_part(state, signatures).unwrap()
    };
    let data = match call {
        ChainCall::Deposit { channel, asset, expected_held, amount } => {
            let target = expected_held.checked_add(*amount).unwrap();
            let call = NitroAdjudicator::depositUpToCall {
                asset: asset.0,
                channelId: channel.0,
                expectedHeld: expected_held.to_u256(),
                targetHeld: target.to_u256(),
            };
            let value = if asset.is_native() { amount.to_u256() } else { U256::ZERO };
            return (value, call.abi_encode());
        }
        ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
            NitroAdjudicator::concludeAndTransferAllAssetsCall {
                fixedPart: fixed_part(fixed),
                candidate: whole(state, signatures),
            }
            .abi_encode()
        }
        ChainCall::Challenge { challenges, urgency: _ } => {
            let entry = |challenge: &Challenge| IForceMove::Challenge {
                fixedPart: fixed_part(&challenge.fixed),
                proof: challenge.proof.iter().map(signed).collect(),
                candidate: signed(&challenge.candidate),
                challengerSig: signature_to_contract(&challenge.challenger),
            };
            let challenges = challenges.iter().map(entry).collect();
            NitroAdjudicator::challengeAllCall { challenges }.abi_encode()
        }
        ChainCall::Checkpoint { fixed, proof, candidate, urgency: _ } => {
            NitroAdjudicator::checkpointCall {
                fixedPart: fixed_part(fixed),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
            }
            .abi_encode()
        }
        ChainCall::Conclude { fixed, state, signatures, urgency: _ } => {
            NitroAdjudicator::concludeCall {
                fixedPart: fixed_part(fixed),
                candidate: whole(state, signatures),
            }
            .abi_encode()
        }
        ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency: _ } => {
            let reclaims: Vec<_> = reclaims.iter().cloned().map(AssetReclaim::from).collect();
            encode_settle(*channel, outcome, *state_hash, &reclaims)
        }
    };
    (U256::ZERO, data)
}

fn encode_settle(
    channel: ChannelId,
    outcome: &Outcome,
    state_hash: B256,
    reclaims: &[AssetReclaim],
) -> Vec<u8> {
    let entry = |reclaim: &AssetReclaim| NitroAdjudicator::Reclaim {
        sourceAssetIndex: U256::from(reclaim.asset_index),
        indexOfTargetInSource: U256::from(reclaim.reclaim.index),
        targetStateHash: reclaim.reclaim.target_state,
        targetOutcome: exits_of(&reclaim.reclaim.target_outcome),
        targetAssetIndex: U256::from(reclaim.target_asset_index),
    };
    NitroAdjudicator::settleCall {
        channelId: channel.0,
        outcome: exits_of(outcome),
        stateHash: state_hash,
        reclaims: reclaims.iter().map(entry).collect(),
    }
    .abi_encode()
}

const fn name(fact: &ChainFact) -> &'static str {
    match fact {
        ChainFact::Deposited { .. } => "deposit",
        ChainFact::AllocationUpdated { .. } => "payout",
        ChainFact::ChallengeRegistered { .. } => "challenge",
        ChainFact::ChallengeCleared { .. } => "answer",
        ChainFact::Checkpointed { .. } => "checkpoint",
        ChainFact::Concluded { .. } => "conclusion",
        ChainFact::Reclaimed { .. } => "reclaim",
        ChainFact::StateCheckpointed { .. } => "checkpointed state",
        ChainFact::StateConcluded { .. } => "concluded state",
        ChainFact::GuaranteeReclaimed { .. } => "reclaimed guarantee",
        ChainFact::AllocationsPaid { .. } => "paid allocations",
    }
}

/// A log of the fake as the contract writes it.
pub(crate) fn log_data(log: &ChannelLog) -> LogData {
    let id = log.channel.0;
    let (turn, time) =
        (|turn: TurnNumber| U48::from(turn.0), |timestamp: u64| U48::from(timestamp));
    match &log.fact {
        ChainFact::Deposited { asset, holdings } => NitroAdjudicator::Deposited {
            destination: id,
            asset: asset.0,
            destinationHoldings: holdings.to_u256(),
        }
        .encode_log_data(),
        ChainFact::AllocationUpdated { asset_index, initial, holdings } => {
            NitroAdjudicator::AllocationUpdated {
                channelId: id,
                assetIndex: U256::from(*asset_index),
                initialHoldings: initial.to_u256(),
                finalHoldings: holdings.to_u256(),
            }
            .encode_log_data()
        }
        ChainFact::ChallengeRegistered { finalizes_at, proof, candidate } => {
            NitroAdjudicator::ChallengeRegistered {
                channelId: id,
                finalizesAt: time(*finalizes_at),
                proof: proof.iter().map(signed).collect(),
                candidate: signed(candidate),
            }
            .encode_log_data()
        }
        ChainFact::ChallengeCleared { turn: newer } => {
            NitroAdjudicator::ChallengeCleared { channelId: id, newTurnNumRecord: turn(*newer) }
                .encode_log_data()
        }
        ChainFact::Checkpointed { turn: newer } => {
            NitroAdjudicator::Checkpointed { channelId: id, newTurnNumRecord: turn(*newer) }
                .encode_log_data()
        }
        ChainFact::Concluded { finalizes_at } => {
            NitroAdjudicator::Concluded { channelId: id, finalizesAt: time(*finalizes_at) }
                .encode_log_data()
        }
        ChainFact::Reclaimed { asset_index } => {
            let index = U256::from(*asset_index);
            NitroAdjudicator::Reclaimed { channelId: id, assetIndex: index }.encode_log_data()
        }
        ChainFact::StateCheckpointed { .. }
        | ChainFact::StateConcluded { .. }
        | ChainFact::GuaranteeReclaimed { .. }
        | ChainFact::AllocationsPaid { .. } => LogData::empty(),
    }
}

#[test]
fn the_fake_adjudicator_does_what_the_real_one_does_with_coin() {
    play(0, Coin::Native);
}

#[test]
fn the_fake_adjudicator_does_what_the_real_one_does_with_tokens() {
    play(SEQUENCES, Coin::Token);
}

fn play(first_seed: u64, coin: Coin) {
    let mut tally = Tally::default();
    for seed in first_seed..first_seed + SEQUENCES {
        let mut pair = Pair::new(seed, coin);
        pair.evm.set_time(pair.time);
        for _ in 0..CALLS {
            pair.step(&mut tally);
        }
        pair.compare_purses();
    }
    tally.assert_balanced();
    tally.assert_done(&["deposit", "payout", "challenge", "answer", "checkpoint", "conclusion"]);
    tally.assert_done(&["reclaim"]);
    tally.assert_met(&[
        "held < expectedHeld",
        "held != expectedHeld",
        "Channel finalized.",
        "Channel not finalized.",
        "incorrect fingerprint",
        "turnNumRecord decreased.",
        "turnNumRecord not increased.",
        "Challenger is not a participant",
        "Invalid signature",
        "State must be final",
        "!unanimous",
        "Indices must be sorted",
        "cannot transfer a guarantee",
        "not a guarantee allocation",
    ]);
}
