//! An error with its chain of reasons, each told once.

use std::error::Error;

/// The error and what led to it. Some errors, those of libraries above all, tell their cause in their
/// own text: that is not repeated.
#[must_use]
pub fn report(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(reason) = cause {
        let words = reason.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = reason.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("cannot start")]
        Plain(#[source] std::io::Error),
        #[error("cannot start: {0}")]
        Repeating(#[source] std::io::Error),
        #[error(transparent)]
        Passing(#[from] Box<Self>),
    }

    #[test]
    fn every_reason_is_told_and_none_twice() {
        let full = || std::io::Error::other("disk full");
        for error in [
            Sample::Plain(full()),
            Sample::Repeating(full()),
            Sample::Passing(Box::new(Sample::Repeating(full()))),
        ] {
            assert_eq!(report(&error), "cannot start: disk full");
        }
    }
}
