//! Decides what becomes of a transaction from what is seen of it (sans-IO).

use std::time::Duration;

use engine::types::B256;

/// What the endpoint says about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// In a block.
    Mined(Inclusion),
    /// In the endpoint's pool.
    Pooled,
    /// Not known to the endpoint, and its nonce is free.
    Unknown,
    /// Its nonce is used by a transaction that is not one of ours, or that the endpoint cannot
    /// find at the moment.
    NonceUsed {
        /// True when that holds at the confirmed height too.
        confirmed: bool,
    },
}

/// The block that holds a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inclusion {
    /// Height of the block.
    pub(crate) block: u64,
    /// Hash of the block.
    pub(crate) hash: B256,
    /// False when it was reverted.
    pub(crate) success: bool,
}

/// What to do about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again later.
    Wait,
    /// In a block, but not deep enough to count.
    Shallow(Inclusion),
    /// Deep enough, provided that the block's hash is the one at its height.
    Deep(Inclusion),
    /// Hand the same bytes to the endpoint again: it has lost them (gap C14).
    Resend,
    /// Offer a higher fee.
    Bump,
    /// It can never be mined; send the call under a new nonce.
    Lost,
}

/// The verdict on a transaction that was last sent `waited` ago.
pub(crate) fn verdict(
    sighting: Sighting,
    head: u64,
    confirmations: u64,
    waited: Duration,
    bump_after: Duration,
) -> Verdict {
    match sighting {
        Sighting::Mined(inclusion) => match head.checked_sub(inclusion.block) {
            Some(depth) if depth >= confirmations => Verdict::Deep(inclusion),
            Some(_) | None => Verdict::Shallow(inclusion),
        },
        // An endpoint also drops what pays too little, so that a lost one may need more too.
        Sighting::Pooled | Sighting::Unknown if waited >= bump_after => Verdict::Bump,
        Sighting::Pooled | Sighting::NonceUsed { confirmed: false } => Verdict::Wait,
        Sighting::Unknown => Verdict::Resend,
        Sighting::NonceUsed { confirmed: true } => Verdict::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUMP_AFTER: Duration = Duration::from_secs(60);

    fn mined(block: u64) -> Sighting {
        Sighting::Mined(inclusion(block))
    }

    fn inclusion(block: u64) -> Inclusion {
        Inclusion { block, hash: B256::ZERO, success: true }
    }

    fn after(sighting: Sighting, waited: u64) -> Verdict {
        verdict(sighting, 100, 3, Duration::from_secs(waited), BUMP_AFTER)
    }

    #[test]
    fn counts_only_at_the_confirmation_depth() {
        assert_eq!(after(mined(97), 0), Verdict::Deep(inclusion(97)));
        assert_eq!(after(mined(98), 0), Verdict::Shallow(inclusion(98)));
    }

    #[test]
    fn block_above_a_stale_head_is_not_deep() {
        assert_eq!(after(mined(104), 0), Verdict::Shallow(inclusion(104)));
    }

    #[test]
    fn without_confirmations_the_newest_block_counts() {
        let verdict = verdict(mined(100), 100, 0, Duration::ZERO, BUMP_AFTER);
        assert_eq!(verdict, Verdict::Deep(inclusion(100)));
    }

    #[test]
    fn pays_more_only_after_waiting() {
        assert_eq!(after(Sighting::Pooled, 59), Verdict::Wait);
        assert_eq!(after(Sighting::Pooled, 60), Verdict::Bump);
    }

    #[test]
    fn dropped_transaction_goes_out_again() {
        assert_eq!(after(Sighting::Unknown, 59), Verdict::Resend);
        assert_eq!(after(Sighting::Unknown, 60), Verdict::Bump);
    }

    #[test]
    fn used_nonce_is_believed_at_depth_only() {
        assert_eq!(after(Sighting::NonceUsed { confirmed: false }, 0), Verdict::Wait);
        assert_eq!(after(Sighting::NonceUsed { confirmed: true }, 0), Verdict::Lost);
    }
}
