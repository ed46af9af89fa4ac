//! Takes part up to a point, and is silent from then on.

use crate::testing::{Party, World};

/// A node that hears everything and whose words no longer arrive.
#[derive(Clone, Copy, Debug)]
pub struct Staller(pub Party);

impl Staller {
    /// Falls silent after so many steps of the world.
    pub fn stall_after(self, world: &mut World, steps: usize) {
        for _ in 0..steps {
            world.step();
        }
        world.silence(self.0);
    }

    /// Speaks again, with everything that it kept back.
    pub fn relent(self, world: &mut World) {
        world.unsilence(self.0);
    }
}
