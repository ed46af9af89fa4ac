//! Hashes of channels, states, outcomes and challenges, as the contract writes them down.

use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use chain::bindings::{NitroAdjudicator, fixed_part, signature_to_contract, signed_variable_part};
use engine::crypto::Signer;
use engine::state::{VariablePart, challenge_hash};
use engine::testing::{ChannelStatus, Random};

use crate::evm::Evm;
use crate::generate;

const CASES: usize = 8_000;

/// A contract that takes a challenge has found the same channel id, state hash and challenge hash,
/// or the signatures would be a stranger's; what it stores has the same outcome hash.
#[test]
fn a_challenge_is_stored_under_the_same_hashes() {
    let (mut evm, mut random) = (Evm::new(), Random::new(3));
    let app = evm.deployment.consensus_app;
    evm.set_time(1_700_000_000);
    for case in 0..CASES {
        let fixed = generate::fixed(&mut random, app, vec![0]);
        let mut outcome = generate::outcome(&mut random);
        for exit in &mut outcome.0 {
            exit.asset_type %= 4;
        }
        let state = VariablePart {
            outcome,
            app_data: generate::bytes(&mut random, 100),
            turn: generate::turn(&mut random),
            is_final: random.chance(50),
        };
        let channel = fixed.channel_id();
        let state_hash = state.hash(channel);
        let signature = generate::key(0).sign(state_hash);
        let challenger = generate::key(0).sign(challenge_hash(state_hash));
        let call = NitroAdjudicator::challengeCall {
            fixedPart: fixed_part(&fixed),
            proof: Vec::new(),
            candidate: signed_variable_part(&state, &[signature]).unwrap(),
            challengerSig: signature_to_contract(&challenger),
        };
        let done = evm.execute(generate::account(0), U256::ZERO, call.abi_encode());
        assert!(done.is_ok(), "case {case}: {done:?} to {state:?}");
        let finalizes_at = 1_700_000_000 + u64::from(fixed.challenge_duration);
        let status = ChannelStatus::challenged(&state, channel, finalizes_at);
        let stored = evm.ask(&NitroAdjudicator::statusOfCall(channel.0)).unwrap();
        assert_eq!(stored, status.word(), "case {case}: {state:?}");
    }
}
