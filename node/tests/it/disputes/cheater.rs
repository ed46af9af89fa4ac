//! What somebody can do who has a silent node's keys and records: show the chain any state that
//! was ever signed.

use std::collections::BTreeMap;

use alloy::sol_types::SolCall;
use chain::bindings::{
    IForceMove, INitroTypes, NitroAdjudicator, fixed_part, signature_to_contract,
    signed_variable_part,
};
use engine::chain::Challenge;
use engine::crypto::{LocalSigner, Signer};
use engine::ledger::{Balances, Ledger};
use engine::payment::PaymentChannel;
use engine::ports::Store;
use engine::state::{FixedPart, SupportedState, VariablePart, challenge_hash};
use engine::step::Write;
use engine::types::{Address, ChannelId, TurnNumber};
use store::FjallStore;

use super::scene::Scene;
use crate::support::TestNode;

/// The records of a node that is stopped.
pub(crate) struct Records {
    ledgers: BTreeMap<ChannelId, Ledger>,
    payments: BTreeMap<ChannelId, PaymentChannel>,
}

impl Records {
    /// Reads the store of a stopped node.
    pub(crate) fn of(node: &TestNode) -> Self {
        let path = node.settings.data_dir.join("store");
        let mut store = FjallStore::open(path, &store::Config::default()).expect("it is stopped");
        let mut records = Self { ledgers: BTreeMap::new(), payments: BTreeMap::new() };
        for write in store.load().expect("the store is whole") {
            match write {
                Write::Ledger(id, Some(row)) => drop(records.ledgers.insert(id, *row)),
                Write::Payment(id, Some(row)) => drop(records.payments.insert(id, *row)),
                _ => {}
            }
        }
        records
    }

    pub(crate) fn ledger(&self, id: ChannelId) -> &Ledger {
        self.ledgers.get(&id).expect("the ledger is open")
    }

    pub(crate) fn payment(&self, id: ChannelId) -> &PaymentChannel {
        self.payments.get(&id).expect("the payment channel is open")
    }
}

/// One of the first states of a ledger, which both have signed before anything was paid.
pub(crate) fn opening(ledger: &Ledger, turn: TurnNumber) -> VariablePart {
    let [leader, follower] = ledger.deposits;
    ledger.state(&Balances { turn, leader, follower, guarantees: BTreeMap::new() }, false)
}

impl Scene {
    /// Challenges by a stopped node with the newest that its records have of a ledger, and with the
    /// opening of a payment channel, as if nothing had been paid over it.
    pub(crate) fn unpaid(
        &self,
        by: usize,
        ledger: ChannelId,
        channel: ChannelId,
    ) -> [Challenge; 2] {
        let records = Records::of(&self.nodes[by]);
        let signer = self.signer(self.nodes[by].address);
        let ledger = records.ledger(ledger).challenge(&signer);
        let channel = records.payment(channel).challenge(None, &signer);
        [ledger, channel].map(|challenge| challenge.expect("everybody has signed it"))
    }

    pub(crate) fn signer(&self, address: Address) -> LocalSigner {
        let keys = self.nodes.iter().map(|node| node.settings.channel_key.0);
        let mut signers = keys.map(|key| LocalSigner::new(key).expect("a key"));
        signers.find(|signer| signer.address() == address).expect("a node of the scene")
    }

    /// The state as everybody has signed it: signatures are deterministic, so they are the same.
    pub(crate) fn signed(&self, fixed: &FixedPart, state: VariablePart) -> SupportedState {
        let hash = state.hash(fixed.channel_id());
        let sign = |address: &Address| self.signer(*address).sign(hash);
        SupportedState { signatures: fixed.participants.iter().map(sign).collect(), state }
    }

    /// A challenge by node number `by` with a state that everybody has signed.
    pub(crate) fn challenge(&self, by: usize, fixed: &FixedPart, state: VariablePart) -> Challenge {
        let candidate = self.signed(fixed, state);
        let hash = challenge_hash(candidate.state.hash(fixed.channel_id()));
        let challenger = self.signer(self.nodes[by].address).sign(hash);
        Challenge { fixed: fixed.clone(), proof: Vec::new(), candidate, challenger }
    }

    /// Registers challenges from the account of node number `by`.
    pub(crate) async fn register(&self, by: usize, challenges: &[Challenge]) {
        let challenges = challenges.iter().map(encoded).collect();
        self.call(by, NitroAdjudicator::challengeAllCall { challenges }.abi_encode()).await;
    }

    /// Concludes a ledger, without the payout, from the account of node number `by`.
    pub(crate) async fn conclude(&self, by: usize, fixed: &FixedPart, state: VariablePart) {
        let call = NitroAdjudicator::concludeCall {
            fixedPart: fixed_part(fixed),
            candidate: shown(&self.signed(fixed, state)),
        };
        self.call(by, call.abi_encode()).await;
    }

    /// Why the adjudicator does not take a state for a conclusion.
    pub(crate) async fn refused_conclusion(
        &self,
        fixed: &FixedPart,
        state: &SupportedState,
    ) -> String {
        let call = self.adjudicator().conclude(fixed_part(fixed), shown(state)).call().await;
        call.expect_err("it is refused").to_string()
    }

    async fn call(&self, by: usize, data: Vec<u8>) {
        let adjudicator = self.network.deployed.deployment.adjudicator;
        let account = u8::try_from(by + 1).expect("few nodes");
        self.network.transact(account, adjudicator, 0, data).await;
    }
}

fn encoded(challenge: &Challenge) -> IForceMove::Challenge {
    let Challenge { fixed, proof, candidate, challenger } = challenge;
    IForceMove::Challenge {
        fixedPart: fixed_part(fixed),
        proof: proof.iter().map(shown).collect(),
        candidate: shown(candidate),
        challengerSig: signature_to_contract(challenger),
    }
}

fn shown(state: &SupportedState) -> INitroTypes::SignedVariablePart {
    signed_variable_part(&state.state, &state.signatures).expect("turns are small")
}
