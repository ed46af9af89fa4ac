//! What to offer per gas, and when to offer more (sans-IO).

use crate::config::FeeBounds;

/// Nodes refuse a replacement that pays less than this much more.
const LEAST_BUMP_PERCENT: u32 = 10;

/// What one transaction offers, in wei per gas (EIP-1559).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    /// The most that is paid, base fee included.
    pub(crate) max: u128,
    /// Of this, for the block's producer.
    pub(crate) priority: u128,
}

/// What the chain asks at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Market {
    /// Base fee of the newest block.
    pub(crate) base: u128,
    /// What the endpoint suggests for the block's producer.
    pub(crate) priority: u128,
}

/// The chain asks for more than the configured bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the chain asks {needed} wei per gas, more than the bound of {bound}; raise the setting \
     `max_fee_per_gas` or wait"
)]
pub(crate) struct TooExpensive {
    pub(crate) needed: u128,
    pub(crate) bound: u128,
}

/// Fees of a first attempt: twice the base fee carries it through six full blocks.
///
/// # Errors
/// When not even the next block can be paid within the bound.
pub(crate) fn first(market: Market, bounds: FeeBounds) -> Result<Fees, TooExpensive> {
    let bound = bounds.max_fee_per_gas;
    let needed = market.base.saturating_add(1);
    if needed > bound {
        return Err(TooExpensive { needed, bound });
    }
    let max = market.base.saturating_mul(2).saturating_add(market.priority).clamp(1, bound);
    Ok(Fees { max, priority: market.priority.min(max) })
}

/// Fees of a replacement for `previous`.
///
/// # Errors
/// When a replacement that nodes accept does not fit the bound.
pub(crate) fn bump(
    previous: Fees,
    market: Market,
    bounds: FeeBounds,
) -> Result<Fees, TooExpensive> {
    let bound = bounds.max_fee_per_gas;
    let least = raised(previous.max, bounds.bump_percent);
    if least > bound {
        return Err(TooExpensive { needed: least, bound });
    }
    let wanted = market.base.saturating_mul(2).saturating_add(market.priority);
    let max = wanted.clamp(least, bound);
    let priority = raised(previous.priority, bounds.bump_percent).max(market.priority);
    Ok(Fees { max, priority: priority.min(max) })
}

/// More by the given per cent, rounded up, and by at least one wei.
fn raised(fee: u128, percent: u32) -> u128 {
    let percent = u128::from(percent.max(LEAST_BUMP_PERCENT));
    let more = fee.saturating_mul(percent).div_ceil(100).max(1);
    fee.saturating_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: FeeBounds = FeeBounds {
        max_fee_per_gas: 1_000,
        bump_percent: 15,
        bump_after: std::time::Duration::from_secs(1),
    };

    #[test]
    fn first_offer_survives_a_doubled_base_fee() {
        let fees = first(Market { base: 100, priority: 7 }, BOUNDS).unwrap();
        assert_eq!(fees, Fees { max: 207, priority: 7 });
    }

    #[test]
    fn first_offer_stays_within_the_bound() {
        let fees = first(Market { base: 900, priority: 2_000 }, BOUNDS).unwrap();
        assert_eq!(fees, Fees { max: 1_000, priority: 1_000 });
    }

    #[test]
    fn refuses_to_offer_less_than_the_base_fee() {
        let market = Market { base: 1_000, priority: 0 };
        assert_eq!(first(market, BOUNDS), Err(TooExpensive { needed: 1_001, bound: 1_000 }));
    }

    #[test]
    fn replacement_pays_enough_more_on_both_fields() {
        let previous = Fees { max: 207, priority: 7 };
        let fees = bump(previous, Market { base: 50, priority: 7 }, BOUNDS).unwrap();
        assert_eq!(fees, Fees { max: 239, priority: 9 });
    }

    #[test]
    fn replacement_follows_the_market_when_it_rose_more() {
        let previous = Fees { max: 207, priority: 7 };
        let fees = bump(previous, Market { base: 300, priority: 20 }, BOUNDS).unwrap();
        assert_eq!(fees, Fees { max: 620, priority: 20 });
    }

    #[test]
    fn replacement_never_exceeds_the_bound() {
        let market = Market { base: 5_000, priority: 20 };
        assert_eq!(bump(Fees { max: 800, priority: 0 }, market, BOUNDS).unwrap().max, 1_000);
        let previous = Fees { max: 900, priority: 0 };
        assert_eq!(
            bump(previous, market, BOUNDS),
            Err(TooExpensive { needed: 1_035, bound: 1_000 })
        );
    }

    #[test]
    fn bump_below_the_nodes_rule_is_raised_to_it() {
        let bounds = FeeBounds { bump_percent: 0, ..BOUNDS };
        let fees =
            bump(Fees { max: 100, priority: 0 }, Market { base: 1, priority: 0 }, bounds).unwrap();
        assert_eq!(fees, Fees { max: 110, priority: 1 });
    }
}
