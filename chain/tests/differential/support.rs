//! Which states a channel's app supports, against the adjudicator with the real apps.

use chain::bindings::{NitroAdjudicator, fixed_part, signed_variable_part};
use engine::outcome::{Allocation, AllocationKind, Outcome, SingleAssetExit};
use engine::state::{FixedPart, SupportedState, VariablePart, is_supported};
use engine::testing::{Random, support_text};
use engine::types::{Address, Amount, Asset, Bytes, TurnNumber};
use engine::vouchers::Voucher;

use crate::evm::Evm;
use crate::generate;
use crate::tally::Tally;

const LEDGER_CASES: usize = 8_000;
const FUNDING_CASES: usize = 6_000;
const REDEMPTION_CASES: usize = 12_000;

/// The same question to both sides; panics when they differ.
fn compare(
    evm: &mut Evm,
    tally: &mut Tally,
    fixed: &FixedPart,
    proof: &[SupportedState],
    candidate: &SupportedState,
) {
    let signed = |state: &SupportedState| {
        signed_variable_part(&state.state, &state.signatures).expect("a turn of 48 bits")
    };
    let call = NitroAdjudicator::stateIsSupportedCall {
        fixedPart: fixed_part(fixed),
        proof: proof.iter().map(signed).collect(),
        candidate: signed(candidate),
    };
    let ours = is_supported(&evm.deployment, fixed, proof, candidate).map_err(support_text);
    let theirs = evm.ask(&call).map(|answer| assert!(answer._0, "{}", answer._1));
    tally.note(&ours);
    // What does not decode has no text, and in what order the contract finds that out and other
    // faults depends on its compiler.
    let same = if ours == Err(String::new()) { theirs.is_err() } else { ours == theirs };
    assert!(same, "{ours:?} but {theirs:?}: {fixed:?}\n{proof:?}\n{candidate:?}");
}

fn everyone(fixed: &FixedPart) -> Vec<u8> {
    (0..generate::KEYS).filter(|key| fixed.index_of(generate::account(*key)).is_some()).collect()
}

#[test]
fn a_ledger_state_is_supported_by_both_or_by_neither() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(4), Tally::default());
    for _ in 0..LEDGER_CASES {
        let app = match random.below(50) {
            0 => Address::repeat_byte(1),
            _ => evm.deployment.consensus_app,
        };
        let participants = generate::participants(&mut random);
        let fixed = generate::fixed(&mut random, app, participants);
        let state = VariablePart {
            outcome: generate::outcome(&mut random),
            app_data: generate::bytes(&mut random, 70),
            turn: generate::turn(&mut random),
            is_final: random.chance(30),
        };
        let signers = everyone(&fixed);
        let candidate = generate::sign(&mut random, &fixed, state, &signers, 50);
        let proof = if random.chance(4) { vec![candidate.clone()] } else { Vec::new() };
        compare(&mut evm, &mut tally, &fixed, &proof, &candidate);
    }
    tally.assert_balanced();
    tally.assert_met(&["", "|proof|!=0", "!unanimous", "Invalid signature"]);
}

#[test]
fn a_funding_state_is_supported_by_both_or_by_neither() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(5), Tally::default());
    for _ in 0..FUNDING_CASES {
        let (app, participants) = (evm.deployment.payment_app, generate::participants(&mut random));
        let fixed = generate::fixed(&mut random, app, participants);
        let state = VariablePart {
            outcome: generate::outcome(&mut random),
            app_data: generate::bytes(&mut random, 70),
            turn: generate::turn(&mut random),
            is_final: random.chance(30),
        };
        let signers = everyone(&fixed);
        let candidate = generate::sign(&mut random, &fixed, state, &signers, 40);
        compare(&mut evm, &mut tally, &fixed, &[], &candidate);
    }
    tally.assert_balanced();
    tally.assert_met(&[
        "!unanimous; |proof|=0",
        "bad candidate turnNum; |proof|=0",
        "Invalid signature",
    ]);
}

/// A redemption with everything right.
struct Redemption {
    fixed: FixedPart,
    postfund: VariablePart,
    state: VariablePart,
    voucher: Voucher,
}

fn any_redemption(random: &mut Random, app: Address) -> Redemption {
    let mut participants = generate::participants(random);
    if participants.is_empty() && random.chance(90) {
        participants.push(0);
    }
    let payer = participants.first().copied().unwrap_or(0);
    let payee = participants.last().copied().unwrap_or(0);
    let fixed = generate::fixed(random, app, participants);
    let capacity = generate::amount(random);
    let paid = match random.below(4) {
        0 => Amount::ZERO,
        1 => capacity,
        _ => generate::amount(random).min(capacity),
    };
    let to = |key: u8, amount| Allocation::simple(generate::account(key).into(), amount);
    let left = capacity.checked_sub(paid).unwrap();
    // What the payee has before is not looked at.
    let before = if random.chance(90) { Amount::ZERO } else { generate::amount(random) };
    let asset = if random.chance(70) { Asset::NATIVE } else { Asset(Address::repeat_byte(7)) };
    let state = |turn, payer_amount, payee_amount| VariablePart {
        outcome: Outcome::single(asset, vec![to(payer, payer_amount), to(payee, payee_amount)]),
        app_data: Bytes::default(),
        turn: TurnNumber(turn),
        is_final: false,
    };
    let (postfund, state) = (state(1, capacity, before), state(2, left, paid));
    let voucher = Voucher::sign(fixed.channel_id(), paid, generate::key(payer));
    Redemption { fixed, postfund, state, voucher }
}

fn spoil_exit(random: &mut Random, exit: &mut SingleAssetExit) {
    let at = generate::index(random, exit.allocations.len());
    match random.below(9) {
        0 => exit.asset = Asset(Address::repeat_byte(8)),
        1 => exit.asset_type = u8::try_from(random.below(6)).unwrap(),
        2 => exit.metadata = generate::bytes(random, 4),
        3 => exit.allocations.push(generate::allocation(random)),
        4 => {
            exit.allocations.pop();
        }
        5 => exit.allocations[at].destination = generate::destination(random),
        6 => exit.allocations[at].kind = AllocationKind::GUARANTEE,
        7 => exit.allocations[at].metadata = generate::bytes(random, 40),
        _ => exit.allocations[at].amount = generate::amount(random),
    }
}

/// One thing that is wrong, in the redemption or in its proof.
fn spoil(random: &mut Random, redemption: &mut Redemption) {
    match random.below(8) {
        0 => redemption.state.turn = generate::turn(random),
        1 => redemption.postfund.turn = generate::turn(random),
        2 => redemption.state.outcome = generate::outcome(random),
        3 => redemption.postfund.outcome = generate::outcome(random),
        4 => {
            let (signer, total) = (generate::index(random, 6), redemption.voucher.total);
            let signer = generate::key(u8::try_from(signer).unwrap());
            let total = if random.chance(50) { total } else { generate::amount(random) };
            redemption.voucher = Voucher::sign(redemption.voucher.channel, total, signer);
        }
        5 => {
            let broken = generate::broken(random, redemption.voucher.signature);
            redemption.voucher.signature = broken;
        }
        _ => spoil_exit(random, &mut redemption.state.outcome.0[0]),
    }
}

#[test]
fn a_redemption_is_supported_by_both_or_by_neither() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(6), Tally::default());
    for _ in 0..REDEMPTION_CASES {
        let mut redemption = any_redemption(&mut random, evm.deployment.payment_app);
        if random.chance(60) {
            spoil(&mut random, &mut redemption);
        }
        let Redemption { fixed, postfund, mut state, voucher } = redemption;
        state.app_data = Bytes(voucher.redemption_data());
        if random.chance(8) {
            match random.below(3) {
                0 => state.app_data.0.truncate(generate::index(&mut random, 128)),
                1 => state.app_data.0.extend(generate::bytes(&mut random, 40).0),
                _ => state.app_data.0[generate::index(&mut random, 64)] ^= 1,
            }
        }
        let signers = everyone(&fixed);
        let payee = fixed.participants.last().and_then(|payee| fixed.index_of(*payee));
        let payee: Vec<u8> = payee.map(|at| signers[at]).into_iter().collect();
        let proof = generate::sign(&mut random, &fixed, postfund, &signers, 15);
        let candidate = generate::sign(&mut random, &fixed, state, &payee, 15);
        let proof = match random.below(30) {
            0 => vec![proof.clone(), proof],
            _ => vec![proof],
        };
        compare(&mut evm, &mut tally, &fixed, &proof, &candidate);
    }
    tally.assert_balanced();
    tally.assert_met(&[
        "",
        "bad proof length",
        "bad proof[0].turnNum; |proof|=1",
        "postfund !unanimous; |proof|=1",
        "bad candidate turnNum; |proof|=1",
        "redemption not signed by Bob",
        "Invalid signature",
        "invalid signature for voucher",
        "only native asset allowed",
        "asset metadata may not change",
        "exactly two allocations required",
        "destinations may not change",
        "allocation types may not change",
        "allocation metadata may not change",
        "Alice not adjusted correctly",
        "Bob not adjusted correctly",
        "Panic(0x11)",
    ]);
}
