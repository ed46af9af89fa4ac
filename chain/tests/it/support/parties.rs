//! Channels and calls of the tests.

use alloy::primitives::B256;
use chain::AccountKey;
use engine::chain::{ChainCall, Challenge, Urgency};
use engine::crypto::{LocalSigner, Signer};
use engine::outcome::{Allocation, Outcome};
use engine::state::{Deployment, FixedPart, SupportedState, VariablePart, challenge_hash};
use engine::types::{Address, Amount, Asset, Bytes, ChannelId, TurnNumber};

use super::ACCOUNTS;

/// The key of one of the funded accounts.
pub(crate) fn key(account: usize) -> AccountKey {
    AccountKey::new(ACCOUNTS[account].0)
}

/// A channel that nobody concludes.
pub(crate) fn channel(tag: u8) -> ChannelId {
    ChannelId(B256::repeat_byte(tag))
}

pub(crate) fn deposit(channel: ChannelId, asset: Asset, held: u64, amount: u64) -> ChainCall {
    ChainCall::Deposit {
        channel,
        asset,
        expected_held: Amount::from(held),
        amount: Amount::from(amount),
    }
}

/// A ledger channel of two and the call that closes it, signed by both.
pub(crate) fn conclusion(
    deployment: &Deployment,
    nonce: u64,
    payee: Address,
    amount: u64,
) -> (ChannelId, ChainCall) {
    let signers = [1, 2].map(|byte| LocalSigner::new([byte; 32]).unwrap());
    let fixed = FixedPart {
        participants: signers.iter().map(Signer::address).collect(),
        nonce,
        app: deployment.consensus_app,
        challenge_duration: 60,
    };
    let allocation = Allocation::simple(payee.into(), Amount::from(amount));
    let state = VariablePart {
        outcome: Outcome::single(Asset::NATIVE, vec![allocation]),
        app_data: Bytes::default(),
        turn: TurnNumber(2),
        is_final: true,
    };
    let hash = state.hash(fixed.channel_id());
    let signatures = signers.iter().map(|signer| signer.sign(hash)).collect();
    (fixed.channel_id(), ChainCall::ConcludeAndTransfer { fixed, state, signatures })
}

/// A challenge with a state that both have signed, by the first of them.
pub(crate) fn challenge(deployment: &Deployment, nonce: u64) -> ChainCall {
    let (channel, conclude) = conclusion(deployment, nonce, Address::repeat_byte(0x55), 9);
    let ChainCall::ConcludeAndTransfer { fixed, state, signatures } = conclude else {
        panic!("not a conclusion")
    };
    let challenger = LocalSigner::new([1; 32]).unwrap().sign(challenge_hash(state.hash(channel)));
    let candidate = SupportedState { state, signatures };
    let challenges = vec![Challenge { fixed, proof: vec![], candidate, challenger }];
    ChainCall::Challenge { challenges, urgency: Urgency::default() }
}

/// A ledger channel, the call that closes it without paying out, and the one that pays.
pub(crate) fn settlement(deployment: &Deployment, nonce: u64) -> (ChannelId, ChainCall, ChainCall) {
    let payee = Address::repeat_byte(0x55);
    let (channel, conclude) = conclusion(deployment, nonce, payee, 9);
    let ChainCall::ConcludeAndTransfer { fixed, state, signatures } = conclude else {
        panic!("not a conclusion")
    };
    let outcome = state.outcome.clone();
    let urgency = Urgency::default();
    let conclude = ChainCall::Conclude { fixed, state, signatures, urgency };
    let (state_hash, reclaims) = (B256::ZERO, vec![]);
    let settle = ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency };
    (channel, conclude, settle)
}
