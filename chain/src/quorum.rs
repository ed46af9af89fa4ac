//! Whether the other endpoints confirm what one of them says (sans-IO, threat C4).
//!
//! Safety goes first among those that answer: what a majority of them does not confirm is not
//! told to the engine. Where nobody else answers at all, the default lets the one that does go
//! on alone, since a node that stops looking at the chain loses to every old state; the setting
//! `quorum` turns that around for operators who would rather stop.

/// What one endpoint says about a statement of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    /// The same.
    Agrees,
    /// Something else.
    Differs,
    /// It answers, and does not know of it. Counts as an answer: whoever invents a block far
    /// ahead of everybody must not be believed because nobody has it yet.
    Lacks,
    /// No answer, and none to expect.
    Silent,
}

impl Vote {
    /// The vote of an endpoint that found something on what another has found.
    pub(crate) fn on<T: PartialEq>(found: &T, stated: &T) -> Self {
        if found == stated { Self::Agrees } else { Self::Differs }
    }
}

/// What becomes of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Enough endpoints say so, and none says otherwise.
    Agreed,
    /// Enough endpoints say so; some say otherwise, which the operator must hear.
    Disputed,
    /// Too few say so, and some say otherwise.
    Refused,
    /// Too few say so yet.
    Short,
}

impl Decision {
    /// True when the statement may be relied on.
    pub(crate) const fn holds(self) -> bool {
        matches!(self, Self::Agreed | Self::Disputed)
    }
}

/// The decision on a statement, of which whoever made it is convinced. `least` endpoints must
/// say so even where fewer answer.
pub(crate) fn decide(votes: &[Vote], least: usize) -> Decision {
    let count = |vote| votes.iter().filter(|other| **other == vote).count();
    let agree = 1 + count(Vote::Agrees);
    let differ = count(Vote::Differs);
    let enough = agree >= needed(agree + differ + count(Vote::Lacks), least);
    match (enough, differ) {
        (true, 0) => Decision::Agreed,
        (true, _) => Decision::Disputed,
        (false, 0) => Decision::Short,
        (false, _) => Decision::Refused,
    }
}

/// The height up to which enough endpoints have blocks; `None` when too few answer.
pub(crate) fn height(mut heads: Vec<u64>, least: usize) -> Option<u64> {
    let needed = needed(heads.len(), least);
    heads.sort_unstable_by(|one, other| other.cmp(one));
    heads.get(needed.saturating_sub(1)).copied()
}

/// A majority of those that answer, and never fewer than configured.
fn needed(answering: usize, least: usize) -> usize {
    (answering / 2 + 1).max(least)
}

#[cfg(test)]
mod tests {
    use super::Vote::{Agrees, Differs, Lacks, Silent};
    use super::*;

    #[test]
    fn single_endpoint_is_believed() {
        assert_eq!(decide(&[], 1), Decision::Agreed);
    }

    #[test]
    fn one_of_two_needs_the_other() {
        assert_eq!(decide(&[Agrees], 1), Decision::Agreed);
        assert_eq!(decide(&[Differs], 1), Decision::Refused);
        assert_eq!(decide(&[Lacks], 1), Decision::Short);
    }

    #[test]
    fn silence_of_the_others_does_not_stop_the_node_unless_configured() {
        assert_eq!(decide(&[Silent, Silent], 1), Decision::Agreed);
        assert_eq!(decide(&[Silent, Silent], 2), Decision::Short);
        assert_eq!(decide(&[Agrees, Silent], 2), Decision::Agreed);
    }

    #[test]
    fn lone_liar_convinces_nobody() {
        for others in [[Differs, Differs], [Lacks, Lacks], [Differs, Lacks]] {
            assert!(!decide(&others, 1).holds(), "{others:?}");
        }
        assert!(!decide(&[Differs, Silent], 1).holds());
    }

    #[test]
    fn lone_liar_does_not_stop_the_others() {
        assert_eq!(decide(&[Agrees, Differs], 1), Decision::Disputed);
        assert_eq!(decide(&[Agrees, Lacks], 1), Decision::Agreed);
    }

    #[test]
    fn statement_holds_only_with_a_majority_of_the_answers() {
        let all = [Agrees, Differs, Lacks, Silent];
        for (a, b, c) in (0..64).map(|n| (all[n % 4], all[n / 4 % 4], all[n / 16])) {
            let votes = [a, b, c];
            let answers = 1 + votes.iter().filter(|vote| **vote != Silent).count();
            let agree = 1 + votes.iter().filter(|vote| **vote == Agrees).count();
            assert_eq!(decide(&votes, 1).holds(), agree * 2 > answers, "{votes:?}");
        }
    }

    #[test]
    fn height_is_what_a_majority_has() {
        assert_eq!(height(vec![7], 1), Some(7));
        assert_eq!(height(vec![7, 9], 1), Some(7));
        assert_eq!(height(vec![1_000_000, 7, 9], 1), Some(9));
        assert_eq!(height(vec![0, 7, 9], 1), Some(7));
        assert_eq!(height(vec![], 1), None);
        assert_eq!(height(vec![7], 2), None);
    }
}
