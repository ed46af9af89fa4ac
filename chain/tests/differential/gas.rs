//! What enforcing a ledger takes, in gas and in bytes, against what `engine::policy::gas` says it
//! takes at most.
//!
//! The dearest case on purpose: nothing was stored before, both payees are new to the asset,
//! amounts and ids have hardly a zero byte, strangers have deposited into the payment channels and
//! paid some of it out, and the chain charges for calldata as Prague does.

use alloy::primitives::{U256, keccak256};
use engine::chain::{ChainCall, Challenge, Reclaim, Urgency};
use engine::crypto::{LocalSigner, Signer};
use engine::outcome::{Allocation, Outcome};
use engine::policy::gas;
use engine::state::{FixedPart, SupportedState, VariablePart, challenge_hash};
use engine::testing::ContractCall;
use engine::types::{Address, Amount, Asset, Bytes, Destination, TurnNumber};
use engine::vouchers::Voucher;
use revm::primitives::hardfork::SpecId;

use crate::encode::encode;
use crate::evm::Evm;
use crate::generate;

const DURATION: u32 = 3_600;
const NOW: u64 = 1_700_000_000;

/// Most that the formulas may be above a measurement, in percent of it.
const ROOM: u64 = 25;

/// Who sends the transactions and is paid nothing.
const SENDER: u8 = 5;

/// Who owns the ledger and is paid.
const OWNERS: [u8; 2] = [0, 1];

/// As many keys as it takes.
fn key(number: u8) -> LocalSigner {
    LocalSigner::new([number + 1; 32]).unwrap()
}

/// What somebody has somewhere, in no order.
fn amount(asset: Asset, number: u64) -> Amount {
    let hash = keccak256(number.to_be_bytes());
    // Less than all coin there is; less than a thousandth of our test token.
    let bytes = if asset.is_native() { &hash[20..] } else { &hash[29..] };
    Amount::from(U256::from_be_slice(bytes))
}

fn fixed(app: Address, signers: &[u8], nonce: u64) -> FixedPart {
    FixedPart {
        participants: signers.iter().map(|number| key(*number).address()).collect(),
        nonce: 0x7777_7777_0000_0000 + nonce,
        app,
        challenge_duration: DURATION,
    }
}

fn state(outcome: Outcome, turn: u64) -> VariablePart {
    VariablePart { outcome, app_data: Bytes::default(), turn: TurnNumber(turn), is_final: false }
}

fn sign(fixed: &FixedPart, state: VariablePart, signers: &[u8]) -> SupportedState {
    let hash = state.hash(fixed.channel_id());
    let signatures = signers.iter().map(|number| key(*number).sign(hash)).collect();
    SupportedState { state, signatures }
}

fn challenge(
    fixed: FixedPart,
    proof: Vec<SupportedState>,
    candidate: SupportedState,
    challenger: u8,
) -> Challenge {
    let hash = challenge_hash(candidate.state.hash(fixed.channel_id()));
    Challenge { fixed, proof, candidate, challenger: key(challenger).sign(hash) }
}

fn all(challenges: &[Challenge]) -> ContractCall {
    let challenges = challenges.to_vec();
    ChainCall::Challenge { challenges, urgency: Urgency::default() }.into()
}

/// A funded ledger with guarantees, and the channels that they are given for.
struct Scene {
    evm: Evm,
    ledger: Challenge,
    targets: Vec<Challenge>,
}

impl Scene {
    fn new(is_native: bool, guarantees: usize) -> Self {
        let mut evm = Evm::by_rules_of(SpecId::PRAGUE);
        let asset = if is_native { Asset::NATIVE } else { Asset(evm.token) };
        let [left, right]: [Destination; 2] = OWNERS.map(|number| key(number).address().into());
        // The ledger is a relay's: payer and payee are others.
        let [payer, payee]: [Destination; 2] = [3, 4].map(|number| key(number).address().into());
        let split = |[left, right]: [Destination; 2], number| {
            let [first, second] = [number, number + 1].map(|number| amount(asset, number));
            vec![Allocation::simple(left, first), Allocation::simple(right, second)]
        };
        let sum = |entries: &[Allocation]| {
            Amount::checked_sum(entries.iter().map(|entry| entry.amount)).unwrap()
        };
        let (mut allocations, mut targets) = (split([left, right], 1_000), Vec::new());
        for number in 0..guarantees as u64 {
            let fixed = fixed(evm.deployment.payment_app, &OWNERS, number);
            let balances = split([payer, payee], 2 * number);
            let locked = sum(&balances);
            allocations.push(Allocation::guarantee(fixed.channel_id(), locked, left, right));
            let postfund = sign(&fixed, state(Outcome::single(asset, balances), 1), &OWNERS);
            targets.push(challenge(fixed, Vec::new(), postfund, 0));
        }
        let total = sum(&allocations);
        let fixed = fixed(evm.deployment.consensus_app, &OWNERS, 1_000);
        let agreed = sign(&fixed, state(Outcome::single(asset, allocations), 70_000), &OWNERS);
        let ledger = challenge(fixed, Vec::new(), agreed, 0);
        let sender = generate::account(SENDER);
        let purse = total.to_u256() + U256::from(guarantees);
        if is_native {
            evm.fund(sender, purse);
        } else {
            evm.give_tokens(sender, purse);
        }
        evm.set_time(NOW);
        let mut scene = Self { evm, ledger, targets };
        let channel = scene.ledger.fixed.channel_id();
        let expected_held = Amount::ZERO;
        scene.send(&ContractCall::Deposit { channel, asset, expected_held, amount: total });
        scene
    }

    fn send(&mut self, call: &ContractCall) {
        let (value, data) = encode(call);
        self.evm.execute(generate::account(SENDER), value, data).unwrap();
    }

    fn cost(&mut self, call: &ContractCall) -> u64 {
        let (value, data) = encode(call);
        self.evm.cost(generate::account(SENDER), value, data)
    }

    /// Everything is final from here on, and not untouched.
    fn finalize(&mut self) {
        self.send(&all(std::slice::from_ref(&self.ledger)));
        for some in self.targets.clone().chunks(20) {
            self.send(&all(some));
        }
        self.evm.set_time(NOW + u64::from(DURATION));
        for target in self.targets.clone() {
            self.meddle(&target);
        }
    }

    /// A stranger pays a unit to the first participant of a payment channel, out of the channel.
    fn meddle(&mut self, target: &Challenge) {
        let channel = target.fixed.channel_id();
        let outcome = target.candidate.state.outcome.clone();
        let state_hash = target.candidate.state.hash(channel);
        let asset = outcome.0[0].asset;
        let (expected_held, amount) = (Amount::ZERO, 1_u64.into());
        self.send(&ContractCall::Deposit { channel, asset, expected_held, amount });
        let (asset_index, indices) = (0, vec![0]);
        self.send(&ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices });
    }

    fn settle(&self, reclaims: usize) -> ContractCall {
        let reclaim = |target: &Challenge| Reclaim {
            index: 2,
            target_state: target.candidate.state.hash(target.fixed.channel_id()),
            target_outcome: target.candidate.state.outcome.clone(),
        };
        let channel = self.ledger.fixed.channel_id();
        let state = &self.ledger.candidate.state;
        ChainCall::Settle {
            channel,
            outcome: state.outcome.clone(),
            state_hash: state.hash(channel),
            reclaims: self.targets[..reclaims].iter().map(reclaim).collect(),
            urgency: Urgency::default(),
        }
        .into()
    }
}

/// Enough, and not much more.
fn check(what: &str, measured: u64, reckoned: u64) {
    println!("| {what} | {measured} | {reckoned} | {}% |", (reckoned * 100) / measured);
    assert!(reckoned >= measured, "{what} takes {measured}, more than {reckoned}");
    let most = measured + (measured * ROOM) / 100;
    assert!(reckoned <= most, "{what} takes {measured}, far less than {reckoned}");
}

#[test]
fn a_ledger_is_enforced_for_what_the_policy_reckons_with() {
    for (is_native, asset) in [(true, "coin"), (false, "tokens")] {
        for guarantees in [0, 1, 2, 5, 10, 20, 50, 100, 200] {
            let mut scene = Scene::new(is_native, guarantees);
            let measured = scene.cost(&all(std::slice::from_ref(&scene.ledger)));
            let what = format!("challenge with {guarantees} guarantees, {asset}");
            check(&what, measured, gas::challenge(guarantees));
            scene.finalize();
            for reclaims in [0, 1, 2, 5, 10, 20, 50, 100, 200] {
                if reclaims > guarantees {
                    break;
                }
                let measured = scene.cost(&scene.settle(reclaims));
                let what = format!("settlement of {reclaims} out of {guarantees}, {asset}");
                check(&what, measured, gas::settle(guarantees, reclaims));
                let (_, data) = encode(&scene.settle(reclaims));
                let what = format!("bytes of a settlement of {reclaims} out of {guarantees}");
                check(&what, data.len() as u64, gas::settle_bytes(guarantees, reclaims) as u64);
            }
        }
    }
}

/// What a payment channel takes when it is challenged beside its ledger with a voucher.
fn redemption(evm: &Evm, relays: u8) -> Challenge {
    let signers: Vec<u8> = (0..relays + 2).collect();
    let fixed = fixed(evm.deployment.payment_app, &signers, 7);
    let (payer, payee) = (key(0).address(), key(relays + 1).address());
    let [capacity, paid] = [1, 2].map(|number| amount(Asset::NATIVE, number));
    let capacity = capacity.checked_add(paid).unwrap();
    let split = |payer_amount, payee_amount| {
        let to = |payee: Address, amount| Allocation::simple(payee.into(), amount);
        Outcome::single(Asset::NATIVE, vec![to(payer, payer_amount), to(payee, payee_amount)])
    };
    let postfund = sign(&fixed, state(split(capacity, Amount::ZERO), 1), &signers);
    let voucher = Voucher::sign(fixed.channel_id(), paid, &key(0));
    let app_data = Bytes(voucher.redemption_data());
    let redeemed = state(split(capacity.checked_sub(paid).unwrap(), paid), 2);
    let redeemed = sign(&fixed, VariablePart { app_data, ..redeemed }, &[relays + 1]);
    challenge(fixed, vec![postfund], redeemed, relays + 1)
}

#[test]
fn a_payment_channel_is_enforced_for_what_the_policy_reckons_with() {
    let mut with = Scene::new(true, 1);
    let mut without = Scene::new(true, 0);
    let alone = without.cost(&all(std::slice::from_ref(&without.ledger)));
    without.finalize();
    with.finalize();
    let settle = with.cost(&with.settle(1)) - without.cost(&without.settle(0));
    // As many as the policy allows.
    for relays in 0..=8 {
        let mut scene = Scene::new(true, 1);
        let both = [scene.ledger.clone(), redemption(&scene.evm, relays)];
        let measured = scene.cost(&all(&both)) - alone + settle;
        println!("| payment channel with {relays} relays | {measured} | {} |", gas::PAYMENT);
        assert!(measured <= gas::PAYMENT, "{relays} relays: {measured}");
    }
}
