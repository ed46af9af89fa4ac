//! What to offer per gas, and when to offer more (sans-IO).
//!
//! Without a deadline a transaction starts at what the chain asks and is raised by a fixed share
//! whenever it has waited too long. With a deadline the offer also climbs with the chain's own
//! clock (threat C6), so that everything that may be paid is on the table while there is still
//! time to be mined.
//!
//! ```text
//!  bound ┤            ┌──────────────────      everything from here on
//!        │        ╱
//!        │    ╱
//!  asked ┤╱
//!        └┬───────────┬───────────┬────── chain time
//!       seen     half of what   deadline
//!                was left, or less to leave the margin, but never less than a quarter
//! ```

use std::time::Duration;

use crate::config::{DeadlineBounds, FeeBounds};
use crate::journal::Attempt;

/// Nodes refuse a replacement that pays less than this much more.
const LEAST_BUMP_PERCENT: u32 = 10;

/// What the block's producer gets at last, in multiples of what is usual. Once everything is
/// offered nodes accept no further replacement, so that this must outbid the others for good.
const LAST_TIP_FACTOR: u128 = 10;

/// The same as a share of the bound: where nobody else pays for precedence, ten times nothing
/// buys none.
const LAST_TIP_DIVISOR: u128 = 10;

/// What one transaction offers, in wei per gas (EIP-1559).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    /// The most that is paid, base fee included.
    pub(crate) max: u128,
    /// Of this, for the block's producer.
    pub(crate) priority: u128,
}

impl Fees {
    /// What was offered.
    pub(crate) const fn of(attempt: &Attempt) -> Self {
        Self { max: attempt.max_fee, priority: attempt.priority_fee }
    }
}

/// What the chain asks at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Market {
    /// Base fee of the newest block.
    pub(crate) base: u128,
    /// What the endpoint suggests for the block's producer.
    pub(crate) priority: u128,
}

impl Market {
    /// What gets a transaction mined soon: it still fits when the base fee has doubled.
    pub(crate) const fn price(self) -> u128 {
        self.base.saturating_mul(2).saturating_add(self.priority)
    }
}

/// A call that runs against the chain's clock, in seconds of block timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// When this process first knew of the call. A restart begins anew with what is left.
    pub(crate) seen: u64,
    /// When the call becomes worthless.
    pub(crate) deadline: u64,
}

impl Run {
    /// True once half of the time there was is gone.
    pub(crate) const fn is_half_over(self, now: u64) -> bool {
        now.saturating_sub(self.seen) >= self.deadline.saturating_sub(now)
    }
}

/// All that is configured about fees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) ordinary: FeeBounds,
    pub(crate) deadlines: DeadlineBounds,
}

/// The chain asks for more than the configured bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the chain asks {needed} wei per gas, more than the bound of {bound}; raise the setting \
     `{setting}` or wait"
)]
pub(crate) struct TooExpensive {
    pub(crate) needed: u128,
    pub(crate) bound: u128,
    pub(crate) setting: &'static str,
}

/// What one transaction may cost at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    policy: Policy,
    market: Market,
    /// How far the way to the deadline's bound is gone, as a fraction.
    climb: Option<(u128, u128)>,
}

impl Schedule {
    /// The schedule at chain time `now`.
    pub(crate) fn new(policy: Policy, market: Market, run: Option<Run>, now: u64) -> Self {
        let climb = run.map(|run| climb(run, policy.deadlines.margin, now));
        Self { policy, market, climb }
    }

    /// True while something runs out.
    pub(crate) const fn presses(&self) -> bool {
        self.climb.is_some()
    }

    /// Fees of a first attempt: twice the base fee carries it through six full blocks.
    ///
    /// # Errors
    /// When not even the next block can be paid within the bound.
    pub(crate) fn first(&self) -> Result<Fees, TooExpensive> {
        let needed = self.market.base.saturating_add(1);
        if needed > self.bound() {
            return Err(self.too_expensive(needed));
        }
        Ok(self.topped(self.wanted()))
    }

    /// Fees of a replacement for `previous`.
    ///
    /// # Errors
    /// When a replacement that nodes accept does not fit the bound.
    pub(crate) fn bump(&self, previous: Fees) -> Result<Fees, TooExpensive> {
        let least = self.least_after(previous);
        let bound = self.bound();
        if least.max > bound {
            return Err(self.too_expensive(least.max));
        }
        let wanted = self.wanted();
        let max = wanted.max.max(least.max);
        let priority = wanted.priority.max(least.priority).min(max);
        Ok(self.topped(Fees { max, priority }))
    }

    /// An offer after which no replacement would fit the bound must be the best: against a
    /// deadline it is raised to the bound.
    fn topped(&self, fees: Fees) -> Fees {
        let bound = self.bound();
        if self.climb.is_none() || self.raised(fees.max) <= bound {
            return fees;
        }
        Fees { max: bound, priority: fees.priority.max(self.last_tip()).min(bound) }
    }

    /// True when `previous`, which was sent `waited` ago, should be replaced.
    pub(crate) fn is_due(&self, previous: Fees, waited: Duration) -> bool {
        let behind = self.climb.is_some() && {
            let (least, wanted) = (self.least_after(previous), self.wanted());
            wanted.max >= least.max || (wanted.max == self.bound() && previous.max < wanted.max)
        };
        behind || waited >= self.policy.ordinary.bump_after
    }

    /// Lowers a first offer to what the account can pay, which may still be enough. `None` when
    /// it is less than the next block asks.
    pub(crate) fn afford(&self, fees: Fees, most: u128) -> Option<Fees> {
        if fees.max <= most {
            return Some(fees);
        }
        let needed = self.market.base.saturating_add(1);
        // Only what climbs above the market; the ordinary offer is what gets mined.
        (self.climb.is_some() && most >= needed)
            .then(|| Fees { max: most, priority: fees.priority.min(most) })
    }

    /// Lowers a replacement to what the account can pay. `None` when nodes would not take that
    /// in place of `previous`, which then stays the best that there is.
    pub(crate) fn afford_bump(&self, previous: Fees, fees: Fees, most: u128) -> Option<Fees> {
        let max = fees.max.min(most);
        (max >= self.least_after(previous).max)
            .then(|| Fees { max, priority: fees.priority.min(max) })
    }

    /// What would be offered if nothing had been before.
    fn wanted(&self) -> Fees {
        let bound = self.bound();
        let priority = self.market.priority;
        let asked = self.market.price().clamp(1, bound.max(1));
        let Some(gone) = self.climb else {
            return Fees { max: asked, priority: priority.min(asked) };
        };
        let max = between(asked, bound, gone);
        let priority = between(priority, self.last_tip().max(priority), gone);
        Fees { max, priority: priority.min(max) }
    }

    fn last_tip(&self) -> u128 {
        let bound = self.bound();
        let usual = self.market.priority.saturating_mul(LAST_TIP_FACTOR);
        usual.max(bound / LAST_TIP_DIVISOR).min(bound)
    }

    fn bound(&self) -> u128 {
        let ordinary = self.policy.ordinary.max_fee_per_gas;
        match self.climb {
            Some(_) => ordinary.max(self.policy.deadlines.max_fee_per_gas),
            None => ordinary,
        }
    }

    fn least_after(&self, previous: Fees) -> Fees {
        Fees { max: self.raised(previous.max), priority: self.raised(previous.priority) }
    }

    /// More by the configured per cent, rounded up, and by at least one wei.
    fn raised(&self, fee: u128) -> u128 {
        let percent = u128::from(self.policy.ordinary.bump_percent.max(LEAST_BUMP_PERCENT));
        let more = fee.saturating_mul(percent).div_ceil(100).max(1);
        fee.saturating_add(more)
    }

    const fn too_expensive(&self, needed: u128) -> TooExpensive {
        let ordinary = self.policy.ordinary.max_fee_per_gas;
        let deadline = self.policy.deadlines.max_fee_per_gas;
        if self.climb.is_some() && deadline > ordinary {
            let setting = "deadline_max_fee_per_gas";
            TooExpensive { needed, bound: deadline, setting }
        } else {
            TooExpensive { needed, bound: ordinary, setting: "max_fee_per_gas" }
        }
    }
}

/// How far the climb is at `now`. It ends when half of what was left is gone, and sooner where less
/// than the margin would remain; but it takes a quarter of what was left, however short that was:
/// where everything is short, everything would cost the most from the start.
fn climb(run: Run, margin: Duration, now: u64) -> (u128, u128) {
    let left = run.deadline.saturating_sub(run.seen);
    let spare = left.saturating_sub(margin.as_secs());
    let whole = (left / 2).min(spare).max(left / 4);
    let gone = now.saturating_sub(run.seen);
    if gone >= whole { (1, 1) } else { (gone.into(), whole.into()) }
}

/// The point between two fees, rounded up so that the end is reached.
fn between(from: u128, to: u128, (gone, whole): (u128, u128)) -> u128 {
    let way = to.saturating_sub(from);
    if gone >= whole {
        return from.saturating_add(way);
    }
    let part = match way.checked_mul(gone) {
        Some(product) => product.div_ceil(whole),
        None => (way / whole).saturating_mul(gone),
    };
    from.saturating_add(part.min(way))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: FeeBounds =
        FeeBounds { max_fee_per_gas: 1_000, bump_percent: 15, bump_after: Duration::from_secs(60) };

    const DEADLINES: DeadlineBounds =
        DeadlineBounds { max_fee_per_gas: 50_000, margin: Duration::from_secs(600) };

    const RUN: Run = Run { seen: 10_000, deadline: 14_000 };

    fn policy(ordinary: FeeBounds) -> Policy {
        Policy { ordinary, deadlines: DEADLINES }
    }

    fn calm(market: Market) -> Schedule {
        Schedule::new(policy(BOUNDS), market, None, 0)
    }

    fn market(base: u128, priority: u128) -> Market {
        Market { base, priority }
    }

    #[test]
    fn first_offer_survives_a_doubled_base_fee() {
        let fees = calm(market(100, 7)).first().unwrap();
        assert_eq!(fees, Fees { max: 207, priority: 7 });
    }

    #[test]
    fn first_offer_stays_within_the_bound() {
        let fees = calm(market(900, 2_000)).first().unwrap();
        assert_eq!(fees, Fees { max: 1_000, priority: 1_000 });
    }

    #[test]
    fn refuses_to_offer_less_than_the_base_fee() {
        let refused = calm(market(1_000, 0)).first().unwrap_err();
        assert_eq!((refused.needed, refused.bound), (1_001, 1_000));
        assert!(refused.to_string().contains("`max_fee_per_gas`"));
    }

    #[test]
    fn replacement_pays_enough_more_on_both_fields() {
        let fees = calm(market(50, 7)).bump(Fees { max: 207, priority: 7 }).unwrap();
        assert_eq!(fees, Fees { max: 239, priority: 9 });
    }

    #[test]
    fn replacement_follows_the_market_when_it_rose_more() {
        let fees = calm(market(300, 20)).bump(Fees { max: 207, priority: 7 }).unwrap();
        assert_eq!(fees, Fees { max: 620, priority: 20 });
    }

    #[test]
    fn replacement_never_exceeds_the_bound() {
        let schedule = calm(market(5_000, 20));
        assert_eq!(schedule.bump(Fees { max: 800, priority: 0 }).unwrap().max, 1_000);
        let refused = schedule.bump(Fees { max: 900, priority: 0 }).unwrap_err();
        assert_eq!((refused.needed, refused.bound), (1_035, 1_000));
    }

    #[test]
    fn bump_below_the_nodes_rule_is_raised_to_it() {
        let bounds = FeeBounds { bump_percent: 0, ..BOUNDS };
        let schedule = Schedule::new(policy(bounds), market(1, 0), None, 0);
        let fees = schedule.bump(Fees { max: 100, priority: 0 }).unwrap();
        assert_eq!(fees, Fees { max: 110, priority: 1 });
    }

    #[test]
    fn without_a_deadline_only_waiting_makes_a_replacement_due() {
        let schedule = calm(market(900, 20));
        let previous = Fees { max: 20, priority: 1 };
        assert!(!schedule.is_due(previous, Duration::from_secs(59)));
        assert!(schedule.is_due(previous, Duration::from_secs(60)));
    }

    #[test]
    fn deadline_starts_low_and_goes_above_the_ordinary_bound() {
        let at = |now| Schedule::new(policy(BOUNDS), market(100, 7), Some(RUN), now);
        assert_eq!(at(10_000).first().unwrap(), Fees { max: 207, priority: 7 });
        let half_way = at(11_000).first().unwrap();
        assert!(half_way.max > BOUNDS.max_fee_per_gas && half_way.max < 30_000, "{half_way:?}");
        let fees = at(12_000).first().unwrap();
        assert_eq!(fees, Fees { max: 50_000, priority: 5_000 });
    }

    #[test]
    fn margin_counts_where_half_of_what_is_left_would_be_later() {
        let run = Run { seen: 10_000, deadline: 11_000 };
        let at = |now| Schedule::new(policy(BOUNDS), market(100, 7), Some(run), now);
        assert!(at(10_300).first().unwrap().max < 50_000);
        assert_eq!(at(10_400).first().unwrap().max, 50_000);
    }

    #[test]
    fn climb_within_the_margin_starts_low_and_is_over_in_time() {
        for left in [4, 12, 60, 300, 600] {
            let run = Run { seen: 10_000, deadline: 10_000 + left };
            let at = |now| Schedule::new(policy(BOUNDS), market(100, 7), Some(run), now);
            assert_eq!(at(10_000).first().unwrap().max, 207, "{left} s");
            assert_eq!(at(10_000 + left / 4).first().unwrap().max, 50_000, "{left} s");
        }
        let nothing = Run { seen: 10_000, deadline: 10_000 };
        let late = Schedule::new(policy(BOUNDS), market(100, 7), Some(nothing), 10_000);
        assert_eq!(late.first().unwrap().max, 50_000);
    }

    #[test]
    fn account_that_cannot_pay_everything_offers_what_it_has() {
        let schedule = Schedule::new(policy(BOUNDS), market(100, 7), Some(RUN), 12_000);
        let fees = schedule.first().unwrap();
        assert_eq!(schedule.afford(fees, 900), Some(Fees { max: 900, priority: 900 }));
        assert_eq!(schedule.afford(fees, 100), None);
        let ordinary = calm(market(100, 7));
        assert_eq!(ordinary.afford(ordinary.first().unwrap(), 206), None);
    }

    #[test]
    fn replacement_that_cannot_be_paid_is_not_made() {
        let schedule = Schedule::new(policy(BOUNDS), market(100, 7), Some(RUN), 12_000);
        let previous = Fees { max: 200, priority: 200 };
        let fees = schedule.bump(previous).unwrap();
        let lowered = Some(Fees { max: 230, priority: 230 });
        assert_eq!(schedule.afford_bump(previous, fees, 230), lowered);
        assert_eq!(schedule.afford_bump(previous, fees, 229), None);
        assert_eq!(schedule.afford_bump(previous, fees, u128::MAX), Some(fees));
    }

    /// A sequence without meaning, the same in every run.
    fn noise(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    /// What was offered, at which chain time.
    fn climbed(seed: u64) -> (Run, Policy, Vec<(u64, Fees)>) {
        let mut pick = noise(seed);
        let seen = 1_000 + pick(1_000_000);
        let run = Run { seen, deadline: seen + pick(100_000) };
        let ordinary = FeeBounds {
            max_fee_per_gas: 1 + u128::from(pick(1 << 40)),
            bump_percent: u32::try_from(pick(40)).unwrap(),
            bump_after: Duration::from_secs(1 + pick(600)),
        };
        let deadlines = DeadlineBounds {
            max_fee_per_gas: 1 + u128::from(pick(1 << 44)),
            margin: Duration::from_secs(pick(20_000)),
        };
        let policy = Policy { ordinary, deadlines };
        let bound = ordinary.max_fee_per_gas.max(deadlines.max_fee_per_gas);
        let mut now = run.seen;
        let mut sent: Vec<(u64, Fees)> = Vec::new();
        while now < run.deadline + 100 {
            let base = u128::from(pick(1 << 42)) % bound;
            let schedule =
                Schedule::new(policy, market(base, u128::from(pick(1 << 34))), Some(run), now);
            let last = sent.last().copied();
            let waited = Duration::from_secs(last.map_or(0, |(at, _)| now - at));
            let next = match last {
                None => schedule.first().ok(),
                Some((_, fees)) if schedule.is_due(fees, waited) => schedule.bump(fees).ok(),
                Some(_) => None,
            };
            sent.extend(next.map(|fees| (now, fees)));
            now += 12;
        }
        (run, policy, sent)
    }

    #[test]
    fn offers_only_grow_and_by_what_nodes_demand() {
        for seed in 0..300 {
            let (_, _, sent) = climbed(seed);
            for pair in sent.windows(2) {
                let ((_, old), (_, new)) = (pair[0], pair[1]);
                assert!(new.max * 10 >= old.max * 11, "seed {seed}: {old:?} then {new:?}");
                assert!(new.priority * 10 >= old.priority * 11, "seed {seed}");
            }
        }
    }

    #[test]
    fn offers_never_exceed_the_bound() {
        for seed in 0..300 {
            let (_, policy, sent) = climbed(seed);
            let bound = policy.ordinary.max_fee_per_gas.max(policy.deadlines.max_fee_per_gas);
            assert!(
                sent.iter().all(|(_, fees)| fees.max <= bound && fees.priority <= fees.max),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn everything_is_offered_a_block_after_the_climb_ends() {
        for seed in 0..300 {
            let (run, policy, sent) = climbed(seed);
            let bound = policy.ordinary.max_fee_per_gas.max(policy.deadlines.max_fee_per_gas);
            let left = run.deadline - run.seen;
            let spare = left.saturating_sub(policy.deadlines.margin.as_secs());
            let end = run.seen + (left / 2).min(spare).max(left / 4);
            let offered = sent.iter().rfind(|(at, _)| *at < end + 12);
            assert_eq!(offered.map(|(_, fees)| fees.max), Some(bound), "seed {seed}");
        }
    }
}
