//! A question before what cannot be undone.

use std::io::{BufRead, IsTerminal, stderr, stdin};

use clap::Args;

use super::CliError;
use super::output::ask;

/// The flag of commands that ask.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Consent {
    /// Do it without asking, for scripts
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks for consent to `what`, such as `leaving ledger 0x628a1234`, unless it is given already.
    ///
    /// # Errors
    /// When the answer is no, or there is nobody to ask.
    pub(super) fn to(self, what: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() || !stderr().is_terminal() {
            return Err(CliError::Usage(format!(
                "nothing was done: {what} cannot be undone, and there is no terminal to ask on; add \
                 --yes to do it without a question"
            )));
        }
        ask(&format!("This cannot be undone: {what}. Go on? [y/N]"));
        if is_yes(stdin().lock())? { Ok(()) } else { Err(CliError::NotConfirmed) }
    }
}

/// Reads the answer. Everything but a clear yes is a no, also the end of the input.
fn is_yes(mut input: impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_consent() {
        for (answer, yes) in [
            ("y\n", true),
            ("Yes\n", true),
            (" y \n", true),
            ("y", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("no\ny\n", false),
            ("yep\n", false),
        ] {
            assert_eq!(is_yes(answer.as_bytes()).unwrap(), yes, "{answer:?}");
        }
    }
}
