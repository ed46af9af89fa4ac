//! Says again what was said before, at any time and in any order.

use crate::testing::{Party, Random, World};
use crate::types::Address;

/// Holds every message that it has seen between two parties.
#[derive(Debug, Default)]
pub struct Replayer {
    seen: Vec<(Address, Party, Vec<u8>)>,
}

impl Replayer {
    /// Takes down what now waits in the outboxes of all nodes for each other.
    pub fn watch(&mut self, world: &World) {
        for from in world.parties().filter(|party| world.is_up(*party)) {
            for to in world.parties() {
                for (_, message) in world.outbox(from, world.address(to)) {
                    let entry = (world.address(from), to, crate::wire::encode(&message));
                    if !self.seen.contains(&entry) {
                        self.seen.push(entry);
                    }
                }
            }
        }
    }

    /// How much it has seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// True when it has seen nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Says everything again, in an order of chance.
    pub fn replay(&self, world: &mut World, random: &mut Random) {
        let mut rest = self.seen.clone();
        while !rest.is_empty() {
            let index = usize::try_from(random.below(rest.len() as u64)).unwrap_or_default();
            let (from, to, message) = rest.swap_remove(index);
            world.inject_bytes(from, to, vec![message]);
            if random.chance(30) {
                world.run_until_quiet();
            }
        }
        world.run_until_quiet();
    }
}
