//! What a random world has in it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Setup;
use crate::policy::{Policy, StaleAnswer};
use crate::testing::{Random, fixtures};

/// What may happen beside opening, paying, closing, crashes and partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Owners enforce channels by command.
    pub exits: bool,
    /// Owners give up what they have begun.
    pub cancels: bool,
    /// Ledgers of a token stand beside those of the coin.
    pub tokens: bool,
    /// Nodes are off, cut off or unheard for long.
    pub silence: bool,
    /// Strangers use the contract with other people's channels.
    pub strangers: bool,
    /// Gas is dear for a while.
    pub gas: bool,
    /// Blocks are replaced, also some that were told already.
    pub reorgs: bool,
    /// Now and then a copy of the world is left to one node, which must get out with what it is
    /// due.
    pub rehearsals: bool,
    /// Nodes whose owners do whatever a key allows; two of them share all knowledge.
    pub villains: usize,
}

/// How long nodes of a random world wait for silent peers: shorter than the default, so that a
/// world of a few virtual days sees what comes of it.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// Challenges last an hour to six.
pub(super) const MAX_CHALLENGE_DURATION: u32 = 6 * 3_600;

impl Scope {
    /// Nothing but honest nodes, one asset, crashes and partitions.
    pub const PLAIN: Self = Self {
        exits: false,
        cancels: false,
        tokens: false,
        silence: false,
        strangers: false,
        gas: false,
        reorgs: false,
        rehearsals: false,
        villains: 0,
    };

    /// Everything, with so many villains.
    #[must_use]
    pub const fn everything(villains: usize) -> Self {
        Self {
            exits: true,
            cancels: true,
            tokens: true,
            silence: true,
            strangers: true,
            gas: true,
            reorgs: true,
            rehearsals: true,
            villains,
        }
    }

    /// Everything; the seed decides how many villains there are, from none to two.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self::everything((seed % 3) as usize)
    }

    /// Switches one part on; false when there is none of that name.
    pub fn add(&mut self, part: &str) -> bool {
        let part = match part {
            "exits" => &mut self.exits,
            "cancels" => &mut self.cancels,
            "tokens" => &mut self.tokens,
            "silence" => &mut self.silence,
            "strangers" => &mut self.strangers,
            "gas" => &mut self.gas,
            "reorgs" => &mut self.reorgs,
            "rehearsals" => &mut self.rehearsals,
            _ => return false,
        };
        *part = true;
        true
    }

    /// Nodes with policies of chance; the villains sit so that someone honest is between them.
    pub(super) fn add_nodes(self, mut setup: Setup, seed: u64, names: &[&str]) -> Setup {
        // A sequence of its own: the world's is drawn from by the world.
        let mut random = Random::new(!seed);
        let first = random.below(names.len() as u64) as usize;
        let villains: Vec<usize> =
            (0..self.villains).map(|index| (first + 2 * index) % names.len()).collect();
        for (index, name) in names.iter().enumerate() {
            let answer =
                if random.chance(30) { StaleAnswer::Checkpoint } else { StaleAnswer::Exit };
            let policy = Policy {
                patience: PATIENCE,
                max_challenge_duration: MAX_CHALLENGE_DURATION,
                stale_answer: answer,
                dust: BTreeMap::new(),
                ..fixtures::policy()
            };
            setup = if villains.contains(&index) {
                setup.villain(name, policy)
            } else {
                setup.node(name, policy)
            };
        }
        setup
    }
}
