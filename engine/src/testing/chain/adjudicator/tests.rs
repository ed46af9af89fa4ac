//! The life of a dispute, step by step. The compiled contract is compared elsewhere.

use super::*;
use crate::chain::{Reclaim, Urgency};
use crate::crypto::{Signature, Signer};
use crate::outcome::{Allocation, Outcome};
use crate::state::{VariablePart, challenge_hash};
use crate::testing::fixtures::{DEPLOYMENT, key};
use crate::types::Bytes;
use crate::vouchers::Voucher;

const DURATION: u32 = 100;
const NAMES: [&str; 2] = ["alice", "bob"];
const STRANGER: Address = Address::repeat_byte(9);

fn fixed(nonce: u32, app: Address) -> FixedPart {
    FixedPart {
        participants: NAMES.map(|name| key(name).address()).to_vec(),
        nonce: DEPLOYMENT.nonce(nonce),
        app,
        challenge_duration: DURATION,
    }
}

fn ledger() -> FixedPart {
    fixed(1, DEPLOYMENT.consensus_app)
}

fn payment() -> FixedPart {
    fixed(2, DEPLOYMENT.payment_app)
}

fn to(name: &str, amount: u64) -> Allocation {
    Allocation::simple(key(name).address().into(), amount.into())
}

/// Ten for the payment channel, the rest for alice and bob.
fn locked(alice: u64, bob: u64) -> Outcome {
    let [left, right] = NAMES.map(|name| key(name).address().into());
    let guarantee = Allocation::guarantee(payment().channel_id(), 10_u64.into(), left, right);
    Outcome::single(Asset::NATIVE, vec![to("alice", alice), to("bob", bob), guarantee])
}

fn split(alice: u64, bob: u64) -> Outcome {
    Outcome::single(Asset::NATIVE, vec![to("alice", alice), to("bob", bob)])
}

fn state(turn: u64, outcome: Outcome) -> VariablePart {
    VariablePart { outcome, app_data: Bytes::default(), turn: TurnNumber(turn), is_final: false }
}

fn sign(fixed: &FixedPart, state: VariablePart, names: &[&str]) -> SupportedState {
    let hash = state.hash(fixed.channel_id());
    let signatures = names.iter().map(|name| key(name).sign(hash)).collect();
    SupportedState { state, signatures }
}

fn challenge(fixed: FixedPart, state: VariablePart, challenger: &str) -> Challenge {
    let hash = challenge_hash(state.hash(fixed.channel_id()));
    let candidate = sign(&fixed, state, &NAMES);
    Challenge { fixed, proof: Vec::new(), candidate, challenger: key(challenger).sign(hash) }
}

fn redemption(paid: u64) -> Challenge {
    let fixed = payment();
    let voucher = Voucher::sign(fixed.channel_id(), paid.into(), &key("alice"));
    let app_data = Bytes(voucher.redemption_data());
    let outcome = split(10_u64.checked_sub(paid).unwrap(), paid);
    let state = VariablePart { app_data, ..state(2, outcome) };
    let postfund = sign(&fixed, super::tests::state(1, split(10, 0)), &NAMES);
    let challenger = key("bob").sign(challenge_hash(state.hash(fixed.channel_id())));
    let candidate = sign(&fixed, state, &["bob"]);
    Challenge { fixed, proof: vec![postfund], candidate, challenger }
}

fn all(challenges: &[Challenge]) -> ContractCall {
    let challenges = challenges.to_vec();
    ChainCall::Challenge { challenges, urgency: Urgency::default() }.into()
}

fn answer(fixed: FixedPart, candidate: SupportedState) -> ContractCall {
    let (proof, urgency) = (Vec::new(), Urgency::default());
    ChainCall::Checkpoint { fixed, proof, candidate, urgency }.into()
}

fn settle(outcome: Outcome, state_hash: B256, reclaims: Vec<Reclaim>) -> ContractCall {
    let (channel, urgency) = (ledger().channel_id(), Urgency::default());
    ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency }.into()
}

/// A contract that holds thirty for the ledger.
fn funded() -> Adjudicator {
    let mut contract = Adjudicator::new(DEPLOYMENT);
    contract.endow(STRANGER, Asset::NATIVE, 100_u64.into());
    deposit(&mut contract, 0, 30).unwrap();
    contract
}

fn deposit(contract: &mut Adjudicator, expected: u64, amount: u64) -> Result<Amount, String> {
    let (channel, asset) = (ledger().channel_id(), Asset::NATIVE);
    let call = ChainCall::Deposit {
        channel,
        asset,
        expected_held: expected.into(),
        amount: amount.into(),
    };
    contract.execute(STRANGER, 1, &call.into())?;
    Ok(contract.held(asset, channel))
}

fn run(contract: &mut Adjudicator, time: u64, call: &ContractCall) -> Result<usize, String> {
    contract.execute(STRANGER, time, call).map(|logs| logs.len())
}

fn purse(contract: &Adjudicator, name: &str) -> Amount {
    contract.purse(key(name).address(), Asset::NATIVE)
}

#[test]
fn a_deposit_fills_up_and_never_overflows() {
    let mut contract = funded();
    assert_eq!(deposit(&mut contract, 0, 30), Ok(30_u64.into()), "once more");
    assert_eq!(deposit(&mut contract, 20, 15), Ok(35_u64.into()), "a gift was counted");
    assert_eq!(deposit(&mut contract, 36, 1), Err("held < expectedHeld".into()));
    assert_eq!(contract.purse(STRANGER, Asset::NATIVE), 65_u64.into());
    assert_eq!(contract.total(Asset::NATIVE), Some(100_u64.into()));
}

#[test]
fn a_challenge_runs_until_it_is_answered() {
    let mut contract = funded();
    let id = ledger().channel_id();
    run(&mut contract, 10, &all(&[challenge(ledger(), state(5, split(20, 10)), "alice")])).unwrap();
    let status = contract.status(id).unwrap();
    assert_eq!((status.turn, status.finalizes_at), (TurnNumber(5), 110));
    assert!(!status.is_finalized(109) && status.is_finalized(110));
    let newer = sign(&ledger(), state(6, split(10, 20)), &NAMES);
    let same = sign(&ledger(), state(5, split(10, 20)), &NAMES);
    let late = run(&mut contract.clone(), 110, &answer(ledger(), newer.clone()));
    assert_eq!(late, Err("Channel finalized.".into()));
    let refused = run(&mut contract, 109, &answer(ledger(), same));
    assert_eq!(refused, Err("turnNumRecord not increased.".into()));
    run(&mut contract, 109, &answer(ledger(), newer)).unwrap();
    assert_eq!(contract.status(id).unwrap().finalizes_at, 0);
}

#[test]
fn a_challenge_that_is_no_news_is_passed_over() {
    let mut contract = funded();
    let (ours, other) = (
        challenge(ledger(), state(5, split(20, 10)), "bob"),
        challenge(payment(), state(1, split(10, 0)), "bob"),
    );
    assert_eq!(run(&mut contract, 10, &all(std::slice::from_ref(&ours))), Ok(1));
    assert_eq!(run(&mut contract, 11, &all(&[ours.clone(), other.clone()])), Ok(1));
    assert_eq!(run(&mut contract, 12, &all(&[ours.clone(), other.clone()])), Ok(0));
    assert_eq!(run(&mut contract, 999, &all(&[ours.clone(), other])), Ok(0));
    let alone = ContractCall::Challenge(ours.clone());
    assert_eq!(run(&mut contract, 12, &alone), Err("turnNumRecord not increased.".into()));
    // What is wrong reverts all.
    let mut contract = funded();
    let forged = Challenge { challenger: Signature([0; 65]), ..redemption(4) };
    assert_eq!(run(&mut contract, 12, &all(&[ours, forged])), Err("Invalid signature".into()));
    assert_eq!(contract.status(ledger().channel_id()), None);
}

#[test]
fn a_ledger_is_settled_with_what_the_voucher_is_worth() {
    let mut contract = funded();
    let (frozen, redeemed) = (challenge(ledger(), state(5, locked(12, 8)), "bob"), redemption(4));
    run(&mut contract, 10, &all(&[frozen.clone(), redeemed.clone()])).unwrap();
    let state_hash = frozen.candidate.state.hash(ledger().channel_id());
    let reclaim = Reclaim {
        index: 2,
        target_state: redeemed.candidate.state.hash(payment().channel_id()),
        target_outcome: split(6, 4),
    };
    let call = settle(locked(12, 8), state_hash, vec![reclaim.clone()]);
    assert_eq!(run(&mut contract, 109, &call), Err("Channel not finalized.".into()));
    let other = settle(locked(8, 12), state_hash, vec![reclaim]);
    assert_eq!(run(&mut contract, 110, &other), Err("incorrect fingerprint".into()));
    assert_eq!(run(&mut contract, 110, &call), Ok(2));
    assert_eq!(
        (purse(&contract, "alice"), purse(&contract, "bob")),
        (18_u64.into(), 12_u64.into())
    );
    assert!(contract.status(ledger().channel_id()).unwrap().is_closed);
    assert_eq!(contract.status_word(ledger().channel_id()), B256::ZERO);
    assert_eq!(contract.total(Asset::NATIVE), Some(100_u64.into()));
}

#[test]
fn a_guarantee_that_nobody_reclaims_keeps_its_share() {
    let mut contract = funded();
    let frozen = challenge(ledger(), state(5, locked(12, 8)), "bob");
    run(&mut contract, 10, &all(std::slice::from_ref(&frozen))).unwrap();
    let state_hash = frozen.candidate.state.hash(ledger().channel_id());
    let everything = ContractCall::TransferAll {
        channel: ledger().channel_id(),
        outcome: locked(12, 8),
        state_hash,
    };
    let refused = run(&mut contract, 110, &everything);
    assert_eq!(refused, Err("cannot transfer a guarantee".into()));
    run(&mut contract, 110, &settle(locked(12, 8), state_hash, Vec::new())).unwrap();
    assert_eq!((purse(&contract, "alice"), purse(&contract, "bob")), (12_u64.into(), 8_u64.into()));
    assert_eq!(contract.held(Asset::NATIVE, ledger().channel_id()), 10_u64.into());
    // Later, with the outcome that is left.
    let redeemed = redemption(4);
    run(&mut contract, 200, &all(std::slice::from_ref(&redeemed))).unwrap();
    let reclaim = Reclaim {
        index: 2,
        target_state: redeemed.candidate.state.hash(payment().channel_id()),
        target_outcome: split(6, 4),
    };
    run(&mut contract, 300, &settle(locked(0, 0), state_hash, vec![reclaim])).unwrap();
    assert_eq!(
        (purse(&contract, "alice"), purse(&contract, "bob")),
        (18_u64.into(), 12_u64.into())
    );
}

#[test]
fn a_surplus_keeps_the_status_and_an_unpayable_payee_stops_nobody() {
    let mut contract = funded();
    contract.block_payee(key("alice").address());
    let state = VariablePart { is_final: true, ..state(2, split(15, 10)) };
    let signed = sign(&ledger(), state.clone(), &NAMES);
    let fixed = ledger();
    let call = ChainCall::ConcludeAndTransfer { fixed, state, signatures: signed.signatures };
    assert_eq!(run(&mut contract, 10, &call.clone().into()), Ok(3));
    assert_eq!((purse(&contract, "alice"), purse(&contract, "bob")), (Amount::ZERO, 10_u64.into()));
    let claim = ContractCall::Claim { asset: Asset::NATIVE, payee: key("alice").address() };
    assert_eq!(run(&mut contract, 11, &claim), Err("payee cannot be paid".into()));
    assert_eq!(contract.claimable(key("alice").address(), Asset::NATIVE), 15_u64.into());
    assert_eq!(contract.held(Asset::NATIVE, ledger().channel_id()), 5_u64.into());
    assert_eq!(run(&mut contract, 11, &call.into()), Err("Channel finalized.".into()));
    assert_eq!(contract.total(Asset::NATIVE), Some(100_u64.into()));
}

fn conclude(fixed: FixedPart, state: VariablePart) -> ContractCall {
    let signatures = sign(&fixed, state.clone(), &NAMES).signatures;
    let urgency = Urgency::default();
    ChainCall::Conclude { fixed, state, signatures, urgency }.into()
}

fn conclude_and_pay(fixed: FixedPart, state: VariablePart) -> ContractCall {
    let signatures = sign(&fixed, state.clone(), &NAMES).signatures;
    ChainCall::ConcludeAndTransfer { fixed, state, signatures }.into()
}

fn last(turn: u64, outcome: Outcome) -> VariablePart {
    VariablePart { is_final: true, ..state(turn, outcome) }
}

fn pay_all(outcome: Outcome) -> ContractCall {
    let (channel, state_hash) = (ledger().channel_id(), B256::ZERO);
    ContractCall::TransferAll { channel, outcome, state_hash }
}

#[test]
fn a_paid_channel_shows_nothing_and_stays_final() {
    let mut contract = funded();
    run(&mut contract, 10, &conclude(ledger(), last(7, split(20, 10)))).unwrap();
    let shown = contract.status(ledger().channel_id()).unwrap();
    assert_eq!((shown.turn, &shown.word()[..6]), (TurnNumber(7), &[0; 6][..]));
    run(&mut contract, 11, &pay_all(split(20, 10))).unwrap();
    assert_eq!(contract.status_word(ledger().channel_id()), B256::ZERO);
    let again = run(&mut contract, 12, &pay_all(split(0, 0)));
    assert_eq!(again, Err("Channel not finalized.".into()));
    let newer = sign(&ledger(), state(9, split(10, 20)), &NAMES);
    let finalized = Err("Channel finalized.".to_owned());
    assert_eq!(run(&mut contract, 12, &answer(ledger(), newer)), finalized);
    let challenge = challenge(ledger(), state(9, split(10, 20)), "alice");
    assert_eq!(run(&mut contract, 12, &ContractCall::Challenge(challenge)), finalized);
    assert_eq!(run(&mut contract, 12, &conclude(ledger(), last(9, split(10, 20)))), finalized);
}

#[test]
fn what_comes_later_is_paid_by_a_later_final_state() {
    let mut contract = funded();
    run(&mut contract, 10, &conclude(ledger(), last(7, split(20, 10)))).unwrap();
    let first = contract.status(ledger().channel_id()).unwrap();
    let early = run(&mut contract, 10, &conclude_and_pay(ledger(), last(8, split(30, 0))));
    assert_eq!(early, Err("Channel finalized.".into()), "not before the first is paid");
    run(&mut contract, 11, &pay_all(split(20, 10))).unwrap();
    deposit(&mut contract, 0, 5).unwrap();
    let replayed = run(&mut contract, 12, &conclude_and_pay(ledger(), last(7, split(5, 0))));
    assert_eq!(replayed, Err("Channel finalized.".into()));
    run(&mut contract, 12, &conclude_and_pay(ledger(), last(9, split(3, 4)))).unwrap();
    assert_eq!(
        (purse(&contract, "alice"), purse(&contract, "bob")),
        (23_u64.into(), 12_u64.into())
    );
    let status = contract.status(ledger().channel_id()).unwrap();
    assert_eq!(status.turn, TurnNumber(9));
    assert_eq!(status.final_outcome_hash, first.final_outcome_hash);
    assert_eq!(contract.status_word(ledger().channel_id()), B256::ZERO);
}

#[test]
fn two_who_are_paid_in_full_leave_nothing_behind() {
    let mut contract = funded();
    let logs = contract.execute(STRANGER, 10, &conclude_and_pay(ledger(), last(7, split(20, 10))));
    let forgotten =
        |log: &ChannelLog| matches!(log.fact, ChainFact::StateConcluded { kept, .. } if !kept);
    assert!(logs.unwrap().iter().any(forgotten));
    assert_eq!(contract.status(ledger().channel_id()), None);
}

/// A payment channel that was paid itself, and reclaimed for its ledger afterwards.
#[test]
fn a_target_counts_as_it_was_finalized() {
    let mut contract = funded();
    let id = payment().channel_id();
    contract.endow(STRANGER, Asset::NATIVE, 1_u64.into());
    let gift = ContractCall::Deposit {
        channel: id,
        asset: Asset::NATIVE,
        expected_held: Amount::ZERO,
        amount: 1_u64.into(),
    };
    run(&mut contract, 10, &gift).unwrap();
    run(&mut contract, 10, &conclude(ledger(), last(7, locked(12, 8)))).unwrap();
    run(&mut contract, 10, &conclude(payment(), last(7, split(6, 4)))).unwrap();
    let payout = ContractCall::Transfer {
        asset_index: 0,
        channel: id,
        outcome: split(6, 4),
        state_hash: B256::ZERO,
        indices: vec![0],
    };
    run(&mut contract, 11, &payout).unwrap();
    let reclaim = |target_outcome| Reclaim { index: 2, target_state: B256::ZERO, target_outcome };
    let reduced = settle(locked(12, 8), B256::ZERO, vec![reclaim(split(5, 4))]);
    assert_eq!(run(&mut contract, 12, &reduced), Err("incorrect fingerprint".into()));
    run(&mut contract, 12, &settle(locked(12, 8), B256::ZERO, vec![reclaim(split(6, 4))])).unwrap();
    assert_eq!(purse(&contract, "alice"), 19_u64.into(), "with the one that was paid before");
}

#[test]
fn a_channel_that_guarantees_others_is_no_target() {
    let mut contract = funded();
    let [left, right] = NAMES.map(|name| key(name).address().into());
    let guarantee = Allocation::guarantee(ledger().channel_id(), 20_u64.into(), left, right);
    let outer = Outcome::single(Asset::NATIVE, vec![to("alice", 1), to("bob", 1), guarantee]);
    run(&mut contract, 10, &conclude(ledger(), last(7, locked(12, 8)))).unwrap();
    run(&mut contract, 10, &conclude(payment(), last(7, outer.clone()))).unwrap();
    let reclaim = Reclaim { index: 2, target_state: B256::ZERO, target_outcome: locked(12, 8) };
    let call = ContractCall::Reclaim {
        channel: payment().channel_id(),
        outcome: outer,
        state_hash: B256::ZERO,
        reclaim,
    };
    assert_eq!(run(&mut contract, 11, &call), Err("target guarantees others".into()));
}

#[test]
fn a_payout_that_the_sum_does_not_tell_is_told() {
    let mut contract = funded();
    let outcome =
        || Outcome::single(Asset::NATIVE, vec![to("alice", 10), to("bob", 10), to("alice", 10)]);
    run(&mut contract, 10, &conclude(ledger(), last(7, outcome()))).unwrap();
    let pay = |indices: &[u64]| {
        let call = ContractCall::Transfer {
            asset_index: 0,
            channel: ledger().channel_id(),
            outcome: outcome(),
            state_hash: B256::ZERO,
            indices: indices.to_vec(),
        };
        run(&mut contract.clone(), 11, &call)
    };
    assert_eq!(pay(&[0]), Ok(1), "the first of three");
    assert_eq!(pay(&[1]), Ok(2), "as much as the first");
    assert_eq!(pay(&[0, 2]), Ok(2), "two of three");
    assert_eq!(pay(&[]), Ok(1), "everybody");
    assert_eq!(pay(&[3]), Err("Panic(0x32)".into()), "there are three");
}
