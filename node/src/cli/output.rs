//! Answers for people and, as JSON, for programs. The one place that writes to the terminal.

use std::borrow::Cow;
use std::io::{self, Write, stderr, stdout};

use serde::Serialize;

use super::CliError;
use super::layout::wrap;

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// One answer: JSON, or what `text` makes of it.
    ///
    /// # Errors
    /// When stdout does not take it. What was asked for is done nevertheless.
    pub(super) fn answer<T: Serialize>(
        self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json { self.line(answer) } else { self.text(&text(answer)) }
    }

    /// One answer on one line of JSON.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn line<T: Serialize>(self, answer: &T) -> Result<(), CliError> {
        let line = serde_json::to_string(answer).map_err(io::Error::from);
        write(&line.map_err(CliError::Unwritten)?)
    }

    /// One answer for people.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn text(self, text: &str) -> Result<(), CliError> {
        write(&wrap(&harmless(text)))
    }
}

fn write(text: &str) -> Result<(), CliError> {
    let mut out = stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    written.map_err(CliError::Unwritten)
}

/// Progress and errors, on stderr. What cannot be told there changes nothing of what is done.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(stderr().lock(), "{}", harmless(&text.to_string()));
}

/// A question, on stderr, with the cursor behind it.
pub(super) fn ask(question: &str) {
    let mut err = stderr().lock();
    let _ = write!(err, "{} ", harmless(question)).and_then(|()| err.flush());
}

/// The text without what moves a cursor or changes colours: peers choose the addresses under which
/// they are reached, and tokens the words with which they refuse, and neither may write over what is
/// said about money.
fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n';
    if text.contains(harmful) {
        Cow::Owned(text.replace(harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_does_not_steer_the_terminal() {
        let text = harmless("paid\n\u{1b}[2A\u{1b}[31m\rnot paid\u{9b}1A");
        assert_eq!(text, "paid\n\u{fffd}[2A\u{fffd}[31m\u{fffd}not paid\u{fffd}1A");
        assert_eq!(harmless("0x… pays 1 ether"), "0x… pays 1 ether");
    }
}
