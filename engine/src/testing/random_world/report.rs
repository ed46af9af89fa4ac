//! Runs a world to its end, and says in one line what went wrong.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{RandomWorld, Scope, Tally};

use crate::types::Asset;

/// A world that ended well.
#[derive(Clone, Debug)]
pub struct Report {
    /// Stands for everything that has left any node.
    pub digest: u64,
    /// Steps until everything was over.
    pub steps: u64,
    /// What everybody has in the end, in coin.
    pub purses: Vec<String>,
    /// What has happened.
    pub tally: Tally,
}

/// A world in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which world.
    pub seed: u64,
    /// When.
    pub step: u64,
    /// What did not hold, and everything that was said about it.
    pub text: String,
}

impl Failure {
    /// What did not hold, in one line.
    #[must_use]
    pub fn property(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} step {}: {}", self.seed, self.step, self.property())
    }
}

/// The whole life of a world.
///
/// # Errors
/// The first property that does not hold. Whoever runs this in a process with a panic hook of the
/// usual kind sees its text on the error output as well.
pub fn run(seed: u64, steps: u64, scope: Scope) -> Result<Report, Failure> {
    run_world(RandomWorld::new(seed, scope), seed, steps)
}

/// The whole life of a world that is about to begin.
///
/// # Errors
/// See [`run`].
pub fn run_world(mut world: RandomWorld, seed: u64, steps: u64) -> Result<Report, Failure> {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        world.live(steps);
        world.wind_up();
    }));
    let step = world.world.steps();
    match ended {
        Ok(()) => Ok(Report {
            digest: world.world.digest(),
            steps: step,
            purses: world
                .world
                .parties()
                .map(|party| world.world.purse(party, Asset::NATIVE).to_string())
                .collect(),
            tally: world.tally.clone(),
        }),
        Err(panic) => {
            // What is left of the world is not looked at any more.
            world.world.leave_unfinished();
            world.world.expect_offences();
            Err(Failure { seed, step, text: said(panic.as_ref()) })
        }
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
