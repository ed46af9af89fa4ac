//! Whose records these are.

use engine::state::Deployment;
use engine::types::Address;
use serde::{Deserialize, Serialize};

/// The node and the contracts that every record of a store is about. With another key or other
/// contracts each signature in it would count for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The address of the channel key.
    pub address: Address,
    /// The chain and its contracts.
    pub deployment: Deployment,
}

impl Identity {
    /// What is different in `other`, in words; empty when they are the same.
    #[must_use]
    pub fn differences(&self, other: &Self) -> String {
        let (ours, theirs) = (&self.deployment, &other.deployment);
        let addresses = [
            ("channel address", self.address, other.address),
            ("chain.adjudicator", ours.adjudicator, theirs.adjudicator),
            ("chain.consensus_app", ours.consensus_app, theirs.consensus_app),
            ("chain.payment_app", ours.payment_app, theirs.payment_app),
        ];
        let chain = ("chain.chain_id", ours.chain_id.to_string(), theirs.chain_id.to_string());
        let texts =
            addresses.map(|(name, ours, theirs)| (name, ours.to_string(), theirs.to_string()));
        let different = std::iter::once(chain).chain(texts).filter(|(_, a, b)| a != b);
        let words = different.map(|(name, ours, theirs)| format!("{name} {ours}, not {theirs}"));
        words.collect::<Vec<_>>().join("; ")
    }
}
