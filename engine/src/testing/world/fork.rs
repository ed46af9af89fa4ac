//! A copy of a world, to see what would become of one node.

use std::collections::BTreeMap;

use super::{Climate, Network, Party, Random, Rehearsed, World};
use crate::testing::chain::ChainRules;

impl World {
    /// The world as it is now, left to one node: all others are off for good, and whatever was on
    /// the wire is lost. Villains keep what they know. The node starts again on what its disk
    /// holds; what it does from here on changes nothing in this world.
    #[must_use]
    pub fn fork(&self, party: Party) -> Self {
        let mut random = Random::new(self.digest ^ self.steps);
        let network = Network::new(Climate::CALM.weather, random.fork());
        let rules = ChainRules { reorgs: 0, ..self.chain.rules() };
        let mut copy = Self {
            now: self.now,
            deployment: self.deployment,
            nodes: self.nodes.iter().map(super::Node::copy).collect(),
            network,
            chain: self.chain.fork(rules, random.fork()),
            random,
            climate: self.climate,
            digest: self.digest,
            steps: self.steps,
            sent: 0,
            may_be_unfinished: true,
            may_misbehave: true,
            forbids_blame: self.forbids_blame,
            watched: self.watched.clone(),
            malformed: 0,
            rehearsed: Rehearsed::default(),
            puppets: BTreeMap::new(),
            ring: self.ring.clone(),
        };
        copy.restart(party);
        copy
    }
}
