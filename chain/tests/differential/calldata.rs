//! Calldata that no honest encoder writes. The contracts hash and pass on states as they lie in
//! calldata, so a form that they take must mean to every reader what was signed.
//!
//! A valid call has some of its bytes changed. Whatever the contract then still takes, a strict
//! decoder reads as a call that the fake adjudicator takes too, with the same logs and storage.

use alloy::primitives::{LogData, U256};
use alloy::sol_types::SolCall;
use chain::bindings::{
    INitroTypes, NitroAdjudicator, fixed_part, signature_to_contract, signed_variable_part,
};
use engine::chain::Challenge;
use engine::crypto::Signer;
use engine::outcome::{Allocation, Outcome};
use engine::state::{SupportedState, VariablePart, challenge_hash};
use engine::testing::{Adjudicator, ContractCall, Random};
use engine::types::{Asset, Bytes, TurnNumber};
use engine::vouchers::Voucher;

use crate::decode::decode;
use crate::encode::log_data;
use crate::evm::Evm;
use crate::generate;
use crate::tally::Tally;

const CASES: usize = 12_000;

const TIME: u64 = 1_700_000_000;

fn signed(state: &SupportedState) -> INitroTypes::SignedVariablePart {
    signed_variable_part(&state.state, &state.signatures).unwrap()
}

fn encode(challenge: &Challenge) -> Vec<u8> {
    NitroAdjudicator::challengeCall {
        fixedPart: fixed_part(&challenge.fixed),
        proof: challenge.proof.iter().map(signed).collect(),
        candidate: signed(&challenge.candidate),
        challengerSig: signature_to_contract(&challenge.challenger),
    }
    .abi_encode()
}

/// A ledger state with everything in it, or a redemption.
fn any_challenge(random: &mut Random, evm: &Evm) -> Challenge {
    let (proof, state, fixed, signers) = if random.chance(50) {
        let fixed = generate::fixed(random, evm.deployment.consensus_app, vec![0, 1]);
        let mut outcome = generate::outcome(random);
        for exit in &mut outcome.0 {
            exit.asset_type %= 4;
        }
        let app_data = generate::bytes(random, 70);
        let turn = generate::turn(random);
        let state = VariablePart { outcome, app_data, turn, is_final: random.chance(50) };
        (Vec::new(), state, fixed, vec![0, 1])
    } else {
        let fixed = generate::fixed(random, evm.deployment.payment_app, vec![0, 1]);
        let to =
            |key, amount: u64| Allocation::simple(generate::account(key).into(), amount.into());
        let state = |turn, paid: u64| VariablePart {
            outcome: Outcome::single(Asset::NATIVE, vec![to(0, 30 - paid), to(1, paid)]),
            app_data: Bytes::default(),
            turn: TurnNumber(turn),
            is_final: false,
        };
        let postfund = generate::sign(random, &fixed, state(1, 0), &[0, 1], 0);
        let voucher = Voucher::sign(fixed.channel_id(), 12_u64.into(), generate::key(0));
        let app_data = Bytes(voucher.redemption_data());
        (vec![postfund], VariablePart { app_data, ..state(2, 12) }, fixed, vec![1])
    };
    let candidate = generate::sign(random, &fixed, state, &signers, 0);
    let hash = challenge_hash(candidate.state.hash(fixed.channel_id()));
    Challenge { fixed, proof, candidate, challenger: generate::key(1).sign(hash) }
}

/// Changes some words, mostly those that are offsets, lengths or small numbers.
pub(crate) fn disturb(random: &mut Random, data: &mut Vec<u8>) {
    for _ in 0..random.between(1, 2) {
        let words = (data.len() - 4) / 32;
        let at = 4 + 32 * generate::index(random, words);
        match random.below(8) {
            // Dirty high bits.
            0 => data[at + generate::index(random, 32)] ^= 1 << random.below(8),
            // Dirty padding, or an offset or a length that is a little off.
            1 | 2 => data[at + 31] = data[at + 31].wrapping_add(32),
            3 => data[at + 31] = data[at + 31].wrapping_sub(32),
            4 => data[at + 31] ^= 1,
            // The same word twice, so that two offsets point to one place.
            5 => {
                let from = 4 + 32 * generate::index(random, words);
                data.copy_within(from..from + 32, at);
            }
            // A gap, or something missing.
            6 => {
                data.splice(at..at, [0; 32]);
            }
            _ => {
                data.drain(at..at + 32);
            }
        }
    }
    match random.below(12) {
        0 => data.truncate(data.len() - generate::index(random, 64).min(data.len() - 4)),
        // What follows the arguments is nobody's.
        1..=3 => data.extend([7; 33]),
        _ => {}
    }
}

/// What is read in calldata that was `length` bytes before somebody disturbed it. The contract
/// ignores what follows the arguments, which a strict decoder may not.
pub(crate) fn read(data: &[u8], length: usize) -> Option<ContractCall> {
    decode(data).or_else(|| decode(data.get(..length)?))
}

#[test]
fn what_is_taken_means_what_was_signed() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(7), Tally::default());
    evm.set_time(TIME);
    let sender = generate::account(0);
    for case in 0..CASES {
        let challenge = any_challenge(&mut random, &evm);
        let mut data = encode(&challenge);
        let whole = Some(ContractCall::Challenge(challenge));
        assert_eq!(decode(&data), whole, "the decoder reads all there is");
        let original = data.clone();
        if random.chance(75) {
            disturb(&mut random, &mut data);
        } else if random.chance(50) {
            data.extend([7; 40]);
        }
        let theirs = evm.execute(sender, U256::ZERO, data.clone());
        tally.note(&theirs);
        let Ok(logs) = theirs else { continue };
        if data != original {
            tally.note_done("another form was taken");
        }
        let text = || format!("case {case}: {}", alloy::primitives::hex::encode(&data));
        let call = read(&data, original.len())
            .unwrap_or_else(|| panic!("taken, but not readable, {}", text()));
        let mut fake = Adjudicator::new(evm.deployment);
        let ours = fake
            .execute(sender, TIME, &call)
            .unwrap_or_else(|error| panic!("taken, but refused as read ({error}), {}", text()));
        let logs: Vec<LogData> = logs.into_iter().map(|log| log.data).collect();
        assert_eq!(ours.iter().map(log_data).collect::<Vec<_>>(), logs, "{}", text());
        let ContractCall::Challenge(Challenge { fixed, .. }) = call else {
            panic!("another call, {}", text());
        };
        let id = fixed.channel_id();
        let stored = evm.ask(&NitroAdjudicator::statusOfCall(id.0)).unwrap();
        assert_eq!(fake.status(id).unwrap().word(), stored, "{}", text());
    }
    tally.assert_balanced();
    tally.assert_done(&["another form was taken"]);
}
