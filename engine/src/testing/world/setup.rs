//! How a world begins.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::Owner;
use super::{Network, Node, Party, Random, Rehearsed, World};
use crate::crypto::LocalSigner;
use crate::policy::Policy;
use crate::state::Deployment;
use crate::testing::adversaries::Ring;
use crate::testing::chain::{ChainRules, FakeChain};
use crate::testing::fixtures;
use crate::testing::network::Weather;
use crate::types::{Address, Amount, Asset, Timestamp};

/// What the world does to its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climate {
    /// The network.
    pub weather: Weather,
    /// The chain.
    pub rules: ChainRules,
    /// Longest wait before a turn, in milliseconds: inputs that come meanwhile share its commit.
    pub turn_delay: u64,
    /// From a crash until the process starts again.
    pub downtime: Duration,
}

impl Climate {
    /// Nothing goes wrong, and everything takes the same time.
    pub const CALM: Self = Self {
        weather: Weather::CALM,
        rules: ChainRules::CALM,
        turn_delay: 0,
        downtime: Duration::from_millis(700),
    };

    /// Everything goes wrong that time heals.
    pub const ROUGH: Self = Self {
        weather: Weather::ROUGH,
        rules: ChainRules::ROUGH,
        turn_delay: 40,
        downtime: Duration::from_millis(2_500),
    };
}

/// A world to be.
#[derive(Clone, Debug)]
pub struct Setup {
    seed: u64,
    climate: Climate,
    deployment: Deployment,
    nodes: Vec<(String, Policy, Owner)>,
}

impl Setup {
    /// A world of that seed, calm and empty.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let deployment = fixtures::DEPLOYMENT;
        Self { seed, climate: Climate::CALM, deployment, nodes: Vec::new() }
    }

    /// What the world does to its nodes.
    #[must_use]
    pub const fn climate(mut self, climate: Climate) -> Self {
        self.climate = climate;
        self
    }

    /// Adds nodes with the usual policy.
    #[must_use]
    pub fn nodes(mut self, names: &[&str]) -> Self {
        let policy = fixtures::policy();
        self.nodes
            .extend(names.iter().map(|name| ((*name).to_owned(), policy.clone(), Owner::Honest)));
        self
    }

    /// Adds a node with a policy of its own.
    #[must_use]
    pub fn node(mut self, name: &str, policy: Policy) -> Self {
        self.nodes.push((name.to_owned(), policy, Owner::Honest));
        self
    }

    /// Adds a node whose owner does whatever its key allows, see [`crate::testing::adversaries`].
    /// Nothing is promised to it, and nothing that it says or shows is checked.
    #[must_use]
    pub fn villain(mut self, name: &str, policy: Policy) -> Self {
        self.nodes.push((name.to_owned(), policy, Owner::Villain));
        self
    }

    /// Begins. Everyone has [`fixtures::PURSE`] of each asset.
    #[must_use]
    pub fn build(self) -> World {
        let mut random = Random::new(self.seed);
        let now = Timestamp(1_700_000_000_000);
        let network = Network::new(self.climate.weather, random.fork());
        let chain = FakeChain::new(self.deployment, self.climate.rules, random.fork(), now);
        let mut world = World {
            now,
            deployment: self.deployment,
            nodes: Vec::new(),
            network,
            chain,
            random,
            climate: self.climate,
            digest: 0xcbf2_9ce4_8422_2325,
            steps: 0,
            sent: 0,
            may_be_unfinished: false,
            may_misbehave: false,
            forbids_blame: false,
            watched: None,
            malformed: 0,
            rehearsed: Rehearsed::default(),
            puppets: BTreeMap::new(),
            ring: None,
        };
        let villains = self.nodes.iter().filter(|(_, _, owner)| *owner == Owner::Villain);
        let keys: Vec<LocalSigner> = villains.map(|(name, ..)| fixtures::key(name)).collect();
        if !keys.is_empty() {
            let random = world.random.fork();
            world.ring = Some(Ring::new(self.deployment, keys, random));
        }
        for (name, policy, owner) in self.nodes {
            world.add(&name, fixtures::key(&name), policy, owner);
        }
        world
    }
}

impl World {
    /// A calm world of nodes with the usual policy.
    #[must_use]
    pub fn calm(names: &[&str]) -> Self {
        Setup::new(0).nodes(names).build()
    }

    /// A rough world of nodes with the usual policy.
    #[must_use]
    pub fn rough(seed: u64, names: &[&str]) -> Self {
        Setup::new(seed).climate(Climate::ROUGH).nodes(names).build()
    }

    fn add(&mut self, name: &str, key: LocalSigner, policy: Policy, owner: Owner) {
        let node = Node::new(name, key, policy, owner);
        let address = node.address();
        for asset in [Asset::NATIVE, fixtures::TOKEN] {
            self.chain.endow(address, asset, Amount::from(fixtures::PURSE));
        }
        self.nodes.push(node);
        self.restart(Party(self.nodes.len() - 1));
    }

    /// The node of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn party(&self, name: &str) -> Party {
        let position = self.nodes.iter().position(|node| node.name == name);
        Party(position.unwrap_or_else(|| panic!("nobody is called {name}")))
    }

    /// The address of a node.
    #[must_use]
    pub fn address(&self, party: Party) -> Address {
        self.nodes[party.0].address()
    }

    /// Every node.
    pub fn parties(&self) -> impl Iterator<Item = Party> + use<> {
        (0..self.nodes.len()).map(Party)
    }
}
