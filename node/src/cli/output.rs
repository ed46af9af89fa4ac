//! Answers for people, as tables, and for programs, as JSON. The one place that writes to the
//! terminal.

use std::io::{self, Write, stderr, stdout};

use engine::types::{Amount, U256};
use serde::Serialize;

use super::CliError;
use crate::address::NATIVE;
use crate::amount::AmountText;

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
        self.text(&line.map_err(CliError::Unwritten)?)
    }

    /// One answer for people.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn text(self, text: &str) -> Result<(), CliError> {
        let mut out = stdout().lock();
        let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
        written.map_err(CliError::Unwritten)
    }
}

/// Progress and errors, on stderr. What cannot be told there changes nothing of what is done.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Names and values, one pair a line.
pub(super) fn record<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Columns under their names, or a sentence when there is nothing.
pub(super) fn table<const N: usize>(
    names: [&str; N],
    rows: Vec<[String; N]>,
    nothing: &str,
) -> String {
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut widths = names.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| -> String {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let names = names.map(|name| name.to_uppercase());
    std::iter::once(&names).chain(&rows).map(line).collect()
}

/// An amount with the largest unit that suits it; exact in every case. Tokens have no unit.
pub(super) fn money(asset: &str, AmountText(amount): AmountText) -> String {
    const GWEI: u64 = 1_000_000_000;
    if asset != NATIVE {
        return amount.to_string();
    }
    if amount < Amount::from(GWEI) {
        return format!("{amount} wei");
    }
    // A thousandth of an ether: below it, gwei are easier to read.
    if amount < Amount::from(GWEI * 1_000_000) {
        return format!("{} gwei", decimal(amount, 9));
    }
    format!("{} ether", decimal(amount, 18))
}

/// The amount with its point moved to the left.
fn decimal(amount: Amount, decimals: usize) -> String {
    let unit = U256::from(10).pow(U256::from(decimals));
    let (whole, rest) = amount.to_u256().div_rem(unit);
    let rest = format!("{rest:0>decimals$}");
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { whole.to_string() } else { format!("{whole}.{rest}") }
}

/// A value that may be absent.
pub(super) fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::parse_amount;

    #[test]
    fn amounts_are_exact_in_every_unit() {
        for (wei, text) in [
            ("0", "0 wei"),
            ("999999999", "999999999 wei"),
            ("1000000000", "1 gwei"),
            ("1500000001", "1.500000001 gwei"),
            ("1000000000000000", "0.001 ether"),
            ("1500000000000000000", "1.5 ether"),
            ("1000000000000000001", "1.000000000000000001 ether"),
        ] {
            let amount = parse_amount(wei).unwrap();
            assert_eq!(money(NATIVE, AmountText(amount)), text);
            assert_eq!(parse_amount(text), Ok(amount));
        }
        assert_eq!(money("0x12", AmountText(1_000_000_000_u64.into())), "1000000000");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![["a".to_owned(), "b".to_owned()], ["long".to_owned(), "c".to_owned()]];
        assert_eq!(table(["id", "x"], rows, "nothing"), "ID    X\na     b\nlong  c\n");
        assert_eq!(table::<1>(["id"], vec![], "nothing"), "nothing");
    }
}
