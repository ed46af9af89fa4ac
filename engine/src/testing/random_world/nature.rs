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
        match self.world.random().below(2) {
            0 => {
                let downtime = self.world.random().between(60, LONGEST_DOWNTIME);
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
        let seconds = match self.world.random().below(4) {
            0 => self.world.random().below(LONGEST_PAUSE),
            _ => self.world.random().below(90),
        };
        self.world.run_for(Duration::from_secs(seconds));
    }

    /// Enforcing is dear for a while, or cheap again; never more than the account has.
    pub(super) fn change_gas_price(&mut self) {
        if !self.scope.gas {
            return;
        }
        let dear = self.world.random().chance(40);
        // The dearest makes enforcing a payment channel cost some hundred units of the coin.
        let price: Amount = if dear { 1_u64.into() } else { Amount::ZERO };
        self.tally.add("gas spikes", u64::from(dear));
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
