//! Faults that time heals: crashes, partitions, silence, dear gas, replaced blocks.

use std::time::Duration;

use super::RandomWorld;
use crate::chain::GasReport;
use crate::testing::chain::Orphans;
use crate::testing::world::{Crash, Party};
use crate::types::Amount;

/// Longest time that a process is off, in seconds. Whoever is off for a whole challenge loses what
/// it could have answered; that is not what these worlds are about.
const LONGEST_DOWNTIME: u64 = 1_200;

/// Longest time that simply passes, in seconds.
const LONGEST_PAUSE: u64 = 2_400;

/// How long gas is dear at most, and how long it is cheap again at least, in seconds: there is
/// time within every challenge to do what is worth it.
const LONGEST_SPIKE: u64 = 600;
const SHORTEST_CALM: u64 = 2_400;

/// Deepest reorganisation: more than the confirmations that nodes wait for.
const DEEPEST_REORG: u64 = 12;

impl RandomWorld {
    pub(super) fn crash(&mut self, party: Party) {
        let turn = self.world.turns(party) + self.world.random().below(6);
        let crashes = [Crash::BeforeCommit, Crash::AfterCommit, Crash::Dispatching(1)];
        let crash = *self.world.random().pick(&crashes);
        self.world.crash_at(party, turn, crash);
        self.tally.count("crashes");
    }

    pub(super) fn partition(&mut self, party: Party) {
        self.world.partition(&[party]);
        self.tally.count("partitions");
    }

    /// Off, or unheard, for long.
    pub(super) fn fall_silent(&mut self, party: Party) {
        if !self.scope.silence {
            return;
        }
        self.tally.count("silences");
        let now = self.world.now();
        match self.world.random().below(2) {
            // Who was off just now is on for as long.
            0 if self.next_off[party.0] > now => {}
            0 => {
                let downtime = self.world.random().between(60, LONGEST_DOWNTIME);
                self.next_off[party.0] = now.after(Duration::from_secs(2 * downtime));
                self.world.switch_off(party, Duration::from_secs(downtime));
            }
            _ => self.world.silence(party),
        }
    }

    /// Everybody is heard by everybody again.
    pub(super) fn heal(&mut self) {
        self.world.heal();
        self.world.parties().for_each(|party| self.world.unsilence(party));
    }

    pub(super) fn let_time_pass(&mut self) {
        if !self.scope.silence {
            return;
        }
        self.end_spike();
        let seconds = match self.world.random().below(4) {
            0 => self.world.random().below(LONGEST_PAUSE),
            _ => self.world.random().below(90),
        };
        self.world.run_for(Duration::from_secs(seconds));
    }

    /// Enforcing is dear for a while; never more than the account has.
    pub(super) fn change_gas_price(&mut self) {
        let now = self.world.now();
        if !self.scope.gas || now < self.next_spike {
            return;
        }
        self.tally.count("gas spikes");
        let length = Duration::from_secs(self.world.random().between(30, LONGEST_SPIKE));
        self.spike_until = Some(now.after(length));
        self.next_spike = now.after(length + Duration::from_secs(SHORTEST_CALM));
        // With amounts of a few hundred, nothing is worth a transaction.
        self.report_gas(1_u64.into());
    }

    /// Gas is cheap again, when it was dear for long enough.
    pub(super) fn end_spike_in_time(&mut self) {
        if self.spike_until.is_some_and(|end| end <= self.world.now()) {
            self.end_spike();
        }
    }

    /// Gas is cheap again.
    pub(super) fn end_spike(&mut self) {
        if self.spike_until.take().is_some() {
            self.report_gas(Amount::ZERO);
        }
    }

    fn report_gas(&mut self, price: Amount) {
        let balance = Some(Amount::from(u64::MAX));
        for party in self.world.parties() {
            self.world.report_gas(party, GasReport { balance, price });
        }
    }

    pub(super) fn reorganise(&mut self) {
        if !self.scope.reorgs {
            return;
        }
        let depth = self.world.random().between(1, DEEPEST_REORG) as usize;
        let orphans = match self.world.random().below(3) {
            0 => Orphans::MinedAgain,
            1 => Orphans::HeldBack(self.world.random().below(4)),
            // With the chain's help anybody takes a deposit back: only among honest nodes.
            _ if self.scope.villains == 0 => Orphans::Dropped,
            _ => Orphans::MinedAgain,
        };
        self.world.reorg(depth, orphans);
        self.tally.count("reorganisations");
    }
}
