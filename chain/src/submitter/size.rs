//! How large a transaction may be, in gas and in bytes (sans-IO).

use crate::journal::Settled;

/// Most gas of a transaction on Ethereum since EIP-7825. Chains with other rules seldom allow more.
const TX_GAS: u64 = 1 << 24;

/// What a transaction may take of a block, in quarters. One that fills it is only taken by
/// a producer who chooses it first.
const QUARTERS_OF_BLOCK: u64 = 3;

/// Nodes take no larger transaction into their pools (`txMaxSize` of go-ethereum, which the others
/// follow), though a block could hold it.
const TX_BYTES: u64 = 128 * 1024;

/// Far above what is in a transaction besides its data.
const ENVELOPE_BYTES: u64 = 256;

/// The contract's state may change between the estimate and the block.
const GAS_MARGIN_PERCENT: u64 = 30;

/// No transaction can be made of a request: it needs `needed` of what may be `cap`, in gas or in
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) needed: u64,
    pub(crate) cap: u64,
}

impl Excess {
    /// Of a request whose need is only known to exceed `cap`.
    pub(crate) const fn over(cap: u64) -> Self {
        Self { needed: cap.saturating_add(1), cap }
    }

    /// Of a transaction that nodes refuse for its gas limit, though their bound is not known.
    pub(crate) const fn refused(gas: u64) -> Self {
        Self { needed: gas, cap: gas.saturating_sub(1) }
    }
}

impl From<Excess> for Settled {
    fn from(Excess { needed, cap }: Excess) -> Self {
        Self::TooLarge(needed, cap)
    }
}

/// Most gas of a transaction where a block has `block_gas`.
pub(crate) const fn gas_cap(block_gas: u64) -> u64 {
    let share = block_gas / 4 * QUARTERS_OF_BLOCK;
    if share < TX_GAS { share } else { TX_GAS }
}

/// The gas limit for an estimate: with a margin, as far as there is room for one.
///
/// # Errors
/// When the estimate alone exceeds the cap.
pub(crate) const fn gas_limit(estimate: u64, cap: u64) -> Result<u64, Excess> {
    if estimate > cap {
        return Err(Excess { needed: estimate, cap });
    }
    let margin = estimate.saturating_mul(GAS_MARGIN_PERCENT) / 100;
    let wanted = estimate.saturating_add(margin);
    Ok(if wanted < cap { wanted } else { cap })
}

/// Whether a transaction with that much data gets into a pool.
///
/// # Errors
/// When it does not.
pub(crate) fn check_bytes(data: usize) -> Result<(), Excess> {
    let needed = u64::try_from(data).unwrap_or(u64::MAX).saturating_add(ENVELOPE_BYTES);
    if needed > TX_BYTES { Err(Excess { needed, cap: TX_BYTES }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_leave_the_cap_of_a_transaction() {
        assert_eq!(gas_cap(60_000_000), 16_777_216);
        assert_eq!(gas_cap(u64::MAX), 16_777_216);
        assert_eq!(gas_cap(10_000_000), 7_500_000);
        assert_eq!(gas_cap(0), 0);
    }

    #[test]
    fn margin_is_cut_off_at_the_cap() {
        assert_eq!(gas_limit(100_000, 16_777_216), Ok(130_000));
        assert_eq!(gas_limit(16_000_000, 16_777_216), Ok(16_777_216));
        assert_eq!(gas_limit(16_777_216, 16_777_216), Ok(16_777_216));
    }

    #[test]
    fn estimate_above_the_cap_is_no_transaction() {
        let excess = Excess { needed: 20_900_000, cap: 16_777_216 };
        assert_eq!(gas_limit(20_900_000, 16_777_216), Err(excess));
        assert_eq!(gas_limit(u64::MAX, 7), Err(Excess { needed: u64::MAX, cap: 7 }));
    }

    #[test]
    fn data_that_no_pool_takes_is_no_transaction() {
        assert_eq!(check_bytes(130_000), Ok(()));
        let excess = Excess { needed: 131_073 + 256, cap: 131_072 };
        assert_eq!(check_bytes(131_073), Err(excess));
    }

    #[test]
    fn excess_always_exceeds() {
        for excess in [Excess::over(5), Excess::over(0), Excess::refused(9)] {
            assert!(excess.needed > excess.cap, "{excess:?}");
        }
    }
}
