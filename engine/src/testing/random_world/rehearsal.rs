//! Leaves a copy of the world to one node: whatever the others do or leave undone from now on, its
//! own engine must get it out with what it is due.

use std::time::Duration;

use super::RandomWorld;
use super::due::{self, ASSETS};
use crate::input::Request;
use crate::objectives::ObjectiveStatus;
use crate::testing::world::Party;

/// From one look at the copy to the next.
const STRIDE: Duration = Duration::from_secs(1_800);

impl RandomWorld {
    /// Plays out, on a copy, that everybody else falls silent now.
    ///
    /// # Panics
    /// When the node does not end with what it is due.
    pub(super) fn rehearse(&mut self, party: Party) {
        if !self.scope.rehearsals || self.world.is_villain(party) || !self.world.is_up(party) {
            return;
        }
        self.tally.count("rehearsals");
        self.end_spike();
        // What is told on the way into the copy counts there.
        self.take_note();
        let mut copy = self.world.fork(party);
        let mut dues = self.dues.clone();
        let asked = copy.random().chance(70);
        let meddling = copy.random().chance(50);
        let challenge = Duration::from_secs(copy.longest_challenge());
        let most = 2 * (copy.patience() + 2 * challenge) + Duration::from_secs(8 * 3_600);
        for round in 0..most.as_secs() / STRIDE.as_secs() {
            if asked || round > 0 {
                leave(&mut copy, party);
            }
            for _ in 0..4 {
                if meddling {
                    copy.meddle();
                }
                copy.run_for(STRIDE / 4);
            }
            for update in copy.take_updates(party) {
                dues.take_note(party, &update);
            }
            if copy.ledger_ids(party).is_empty() && copy.payment_ids(party).is_empty() {
                break;
            }
        }
        copy.repent();
        copy.run_for(STRIDE);
        for asset in ASSETS {
            let (has, due) = (due::has(&copy, party, asset), dues.of(&copy, party, asset));
            assert!(
                has >= due,
                "{} left alone ends with {has} of {due} {}\n{}{}\nbefore:\n{}",
                copy.name(party),
                if asset.is_native() { "coins" } else { "tokens" },
                dues.describe(&copy, party, asset),
                copy.describe(),
                self.world.describe()
            );
        }
    }
}

/// Everything that an owner can do alone.
fn leave(copy: &mut crate::testing::World, party: Party) {
    for id in copy.objective_ids(party) {
        let running = matches!(copy.status(party, id), Some(ObjectiveStatus::Running(_)));
        if running {
            let _ = copy.try_request(party, Request::Cancel { objective: id });
        }
    }
    if !copy.is_up(party) {
        return;
    }
    for ledger in copy.ledger_ids(party) {
        let _ = copy.try_request(party, Request::ExitLedger { ledger });
    }
}
