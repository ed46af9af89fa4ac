//! Worlds in which everybody does anything at any time, decided by a seed.
//!
//! ```text
//!  live: owners ask, nature disturbs, strangers and villains meddle
//!  wind up: faults end, everything is closed or enforced, days pass
//!  judge: everyone has what is due, nothing is left, nobody honest was blamed
//! ```
//!
//! What a world has is its [`Scope`]; what happened in it is counted in its [`Tally`], so that a
//! test can tell that the interesting situations were met and not only that nothing failed.

mod due;
mod judge;
mod nature;
mod rehearsal;
mod report;
mod scope;
mod stranger;
mod tally;
mod user;
mod wind_up;

use std::collections::BTreeSet;

use due::Dues;
pub use report::{Failure, Report, run, run_world};
pub use scope::Scope;
use stranger::Stranger;
pub use tally::Tally;

use super::properties::WorthCounted;
use super::world::{Climate, Party, Setup, World};
use crate::types::{ChannelId, Timestamp};

/// Nodes of a plain world, around a circle.
const NAMES: [&str; 4] = ["alice", "irene", "ivan", "bob"];

/// Nodes of any other world: two villains leave an honest one between them and two honest
/// neighbours.
const MORE_NAMES: [&str; 5] = ["alice", "irene", "ivan", "bob", "carol"];

/// Steps of the world after each thing of chance, at most.
const STEPS_BETWEEN: usize = 20;

/// A world and what chance does to it.
pub struct RandomWorld {
    world: World,
    scope: Scope,
    tally: Tally,
    dues: Dues,
    stranger: Stranger,
    /// When gas is cheap again, and when it may be dear next.
    spike_until: Option<Timestamp>,
    next_spike: Timestamp,
    /// When each node may be off for long next.
    next_off: Vec<Timestamp>,
    /// Once patience is expected: where it was lost before.
    lost_patience: Option<BTreeSet<(Party, ChannelId)>>,
}

impl RandomWorld {
    /// A world that is about to begin.
    #[must_use]
    pub fn new(seed: u64, scope: Scope) -> Self {
        let setup = Setup::new(seed).climate(Climate::ROUGH);
        let setup = if scope == Scope::PLAIN {
            setup.nodes(&NAMES)
        } else {
            scope.add_nodes(setup, seed, &MORE_NAMES)
        };
        let mut world = setup.build();
        // Judged at the end, more strictly than a world judges itself.
        world.forbid_blame();
        world.leave_unfinished();
        let plain = scope == Scope::PLAIN;
        world.count_worth(if plain { WorthCounted::InPeace } else { WorthCounted::AtTheEnd });
        let stranger = Stranger::arrive(&mut world);
        let dues = Dues::new(world.parties().count());
        let (now, count) = (world.now(), world.parties().count());
        Self {
            world,
            scope,
            tally: Tally::default(),
            dues,
            stranger,
            spike_until: None,
            next_spike: now,
            next_off: vec![now; count],
            lost_patience: None,
        }
    }

    /// Lets chance rule for so many steps.
    pub fn live(&mut self, steps: u64) {
        while self.world.steps() < steps {
            if self.scope == Scope::PLAIN {
                self.act_plainly();
            } else {
                self.act();
            }
            for _ in 0..self.pause() {
                self.world.step();
            }
            self.take_note();
            self.end_spike_in_time();
        }
    }

    /// Prints every turn that has to do with this, see [`World::watch`].
    pub fn watch(&mut self, text: &str) {
        self.world.watch(text);
    }

    /// The world.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// What has happened.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// One thing of chance in a world without anything new. Most are refused, because they make
    /// no sense at that moment.
    fn act_plainly(&mut self) {
        let party = self.anybody();
        match self.world.random().below(100) {
            0..10 => self.ask_for_ledger(party),
            10..35 => self.ask_for_channel(party),
            35..75 => self.pay(party),
            75..88 => self.close_channel(party),
            88..91 => self.close_ledger(party),
            91..95 => self.crash(party),
            95..97 => self.partition(party),
            _ => self.world.heal(),
        }
    }

    /// One thing of chance.
    fn act(&mut self) {
        let party = self.anybody();
        match self.world.random().below(1_000) {
            0..80 => self.ask_for_ledger(party),
            80..260 => self.ask_for_channel(party),
            260..500 => self.pay(party),
            500..580 => self.close_channel(party),
            580..600 => self.close_ledger(party),
            600..625 => self.crash(party),
            625..635 => self.partition(party),
            635..675 => self.heal(),
            675..690 => self.fall_silent(party),
            690..697 => self.exit_ledger(party),
            697..705 => self.exit_payment(party),
            705..730 => self.cancel(party),
            730..775 => self.meet_stranger(),
            775..785 => self.change_gas_price(),
            785..793 => self.reorganise(),
            793..850 => self.let_time_pass(),
            850..856 => self.rehearse(party),
            _ => self.meddle(),
        }
    }

    fn pause(&mut self) -> usize {
        match self.scope {
            Scope::PLAIN => STEPS_BETWEEN,
            _ => self.world.random().below(STEPS_BETWEEN as u64) as usize,
        }
    }

    fn anybody(&mut self) -> Party {
        let count = self.world.parties().count();
        Party(self.world.random().below(count as u64) as usize)
    }

    /// Villains have their turn.
    fn meddle(&mut self) {
        self.world.meddle();
    }

    fn honest(&self) -> Vec<Party> {
        self.world.parties().filter(|party| !self.world.is_villain(*party)).collect()
    }
}
