//! The end of a world: faults stop, and owners close or enforce everything they have.

use std::time::Duration;

use super::{RandomWorld, Scope};
use crate::input::Request;
use crate::testing::chain::ChainRules;
use crate::testing::network::Weather;
use crate::testing::world::Party;

/// Time for what is under way, before anything is asked for.
const REST: Duration = Duration::from_secs(2 * 3_600);

/// From one round of requests to the next.
const ROUND: Duration = Duration::from_secs(1_800);

/// Rounds before owners enforce what nobody closes with them, where they do.
const ROUNDS_OF_PATIENCE: u32 = 10;

/// Rounds in which villains that do not stop go on.
const ROUNDS_OF_VILLAINY: u32 = 12;

/// Deeper than any reorganisation that nodes reckon with, with blocks five minutes apart.
const BURIAL: Duration = Duration::from_secs(300 * 300);

/// What villains do once the faults have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// They are never heard of again.
    Vanish,
    /// They let their nodes do what is right.
    Repent,
    /// They go on for a while.
    GoOn,
}

impl RandomWorld {
    /// The faults end; everything is closed, and all money is back in purses.
    ///
    /// # Panics
    /// When something never ends, or somebody has less than what is due.
    pub fn wind_up(&mut self) {
        let ending = self.end_faults();
        self.world.run_for(REST);
        self.take_note();
        self.judge_agreement();
        self.expect_patience();
        let owners_enforce = self.scope != Scope::PLAIN && self.world.random().chance(50);
        // Everything that can follow one another, twice over: patience, a challenge of a ledger,
        // one of a payment channel, a withdrawal.
        let challenge = Duration::from_secs(self.world.longest_challenge());
        let most = 2 * (self.world.patience() + 2 * challenge + REST);
        let rounds = u32::try_from(most.as_secs() / ROUND.as_secs()).unwrap_or(u32::MAX);
        for round in 0..rounds {
            if self.nothing_left() {
                break;
            }
            self.ask_to_close(owners_enforce && round >= ROUNDS_OF_PATIENCE);
            if ending == Ending::GoOn {
                if round < ROUNDS_OF_VILLAINY {
                    for _ in 0..10 {
                        self.world.meddle();
                        self.world.run_for(Duration::from_secs(7));
                    }
                } else {
                    self.world.repent();
                }
            }
            self.world.run_for(ROUND);
            self.take_note();
        }
        self.world.repent();
        self.world.run_for(BURIAL);
        self.take_note();
        self.judge();
    }

    fn end_faults(&mut self) -> Ending {
        self.world.heal();
        self.world.disarm();
        self.world.set_weather(Weather::CALM);
        if self.scope == Scope::PLAIN {
            return Ending::Repent;
        }
        let calm = ChainRules { reorgs: 0, failures: 0, ..ChainRules::ROUGH };
        self.world.set_chain_rules(calm);
        self.end_spike();
        self.heal();
        if self.scope.villains == 0 {
            return Ending::Repent;
        }
        let endings = [Ending::Vanish, Ending::Repent, Ending::GoOn];
        let ending = *self.world.random().pick(&endings);
        match ending {
            Ending::Vanish => {
                let villains = self.world.parties().filter(|party| self.world.is_villain(*party));
                villains.collect::<Vec<_>>().into_iter().for_each(|party| self.world.banish(party));
                self.tally.count("villains vanish");
            }
            Ending::Repent => self.world.repent(),
            Ending::GoOn => self.tally.count("villains go on"),
        }
        ending
    }

    fn ask_to_close(&mut self, enforce: bool) {
        for party in self.honest() {
            self.ask_one(party, enforce);
        }
    }

    fn ask_one(&mut self, party: Party, enforce: bool) {
        for channel in self.world.payment_ids(party) {
            let asked = self.accepted(party, Request::ClosePayment { channel });
            if asked == 0 && enforce {
                self.accepted(party, Request::ExitPayment { channel });
            }
        }
        for ledger in self.world.ledger_ids(party) {
            self.accepted(party, Request::CloseLedger { ledger });
            if enforce {
                let asked = self.accepted(party, Request::ExitLedger { ledger });
                self.tally.add("exits asked", asked);
            }
        }
    }

    /// True when no honest node has anything left to do or to lose.
    pub(super) fn nothing_left(&self) -> bool {
        self.honest().into_iter().all(|party| {
            let counters = self.world.counters(party);
            (counters.ledgers, counters.payments, counters.objectives, counters.calls)
                == (0, 0, 0, 0)
        })
    }
}
