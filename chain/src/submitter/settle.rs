//! Decides what becomes of a transaction from what is seen of it (sans-IO).

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

/// Whether the schedule of the fees asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// It does.
    Due,
    /// What is offered is enough for now.
    Early,
}

/// Whether the endpoint has a transaction that is in no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has, in one form at least.
    Pooled,
    /// It has none of its forms.
    Lost,
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
    Bump(Standing),
    /// It can never be mined; send the call under a new nonce.
    Lost,
}

/// The verdict on a transaction, of which a replacement is `due` or not.
pub(crate) fn verdict(
    sighting: Sighting,
    head: u64,
    confirmations: u64,
    due: Replacement,
) -> Verdict {
    match sighting {
        Sighting::Mined(inclusion) => match head.checked_sub(inclusion.block) {
            Some(depth) if depth >= confirmations => Verdict::Deep(inclusion),
            Some(_) | None => Verdict::Shallow(inclusion),
        },
        Sighting::Pooled if due == Replacement::Due => Verdict::Bump(Standing::Pooled),
        // An endpoint also drops what pays too little, so that a lost one may need more too.
        Sighting::Unknown if due == Replacement::Due => Verdict::Bump(Standing::Lost),
        Sighting::Pooled | Sighting::NonceUsed { confirmed: false } => Verdict::Wait,
        Sighting::Unknown => Verdict::Resend,
        Sighting::NonceUsed { confirmed: true } => Verdict::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::Replacement::{Due, Early};
    use super::*;

    fn mined(block: u64) -> Sighting {
        Sighting::Mined(inclusion(block))
    }

    fn inclusion(block: u64) -> Inclusion {
        Inclusion { block, hash: B256::ZERO, success: true }
    }

    fn after(sighting: Sighting, due: Replacement) -> Verdict {
        verdict(sighting, 100, 3, due)
    }

    #[test]
    fn counts_only_at_the_confirmation_depth() {
        assert_eq!(after(mined(97), Early), Verdict::Deep(inclusion(97)));
        assert_eq!(after(mined(98), Early), Verdict::Shallow(inclusion(98)));
    }

    #[test]
    fn block_above_a_stale_head_is_not_deep() {
        assert_eq!(after(mined(104), Early), Verdict::Shallow(inclusion(104)));
    }

    #[test]
    fn without_confirmations_the_newest_block_counts() {
        let verdict = verdict(mined(100), 100, 0, Replacement::Early);
        assert_eq!(verdict, Verdict::Deep(inclusion(100)));
    }

    #[test]
    fn pays_more_only_when_it_is_due() {
        assert_eq!(after(Sighting::Pooled, Early), Verdict::Wait);
        assert_eq!(after(Sighting::Pooled, Due), Verdict::Bump(Standing::Pooled));
    }

    #[test]
    fn dropped_transaction_goes_out_again() {
        assert_eq!(after(Sighting::Unknown, Early), Verdict::Resend);
        assert_eq!(after(Sighting::Unknown, Due), Verdict::Bump(Standing::Lost));
    }

    #[test]
    fn used_nonce_is_believed_at_depth_only() {
        assert_eq!(after(Sighting::NonceUsed { confirmed: false }, Early), Verdict::Wait);
        assert_eq!(after(Sighting::NonceUsed { confirmed: true }, Early), Verdict::Lost);
    }
}
