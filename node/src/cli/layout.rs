//! How answers stand on the terminal: records, tables and sentences that fit 80 columns.
//!
//! A single word that is longer, such as a multiaddress, is never cut or broken, because it is there
//! to be copied: it stands alone on its line.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// What every terminal shows on one line.
pub(super) const WIDTH: usize = 80;

/// Names and values, one pair a line; a long value goes on under its beginning.
pub(super) fn record<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let indent = " ".repeat(width + 2);
    let row = |(name, value): &(&str, String)| {
        let lines: Vec<_> =
            value.lines().flat_map(|line| wrapped(line, WIDTH - indent.len(), "")).collect();
        format!("{name:width$}  {}\n", lines.join(&format!("\n{indent}")))
    };
    pairs.iter().map(row).collect()
}

/// A row of a table, and what stands below it.
pub(super) struct Row<const N: usize> {
    pub(super) cells: [String; N],
    pub(super) notes: Vec<String>,
}

impl<const N: usize> From<[String; N]> for Row<N> {
    fn from(cells: [String; N]) -> Self {
        Self { cells, notes: Vec::new() }
    }
}

/// Columns under their names, or a sentence when there is nothing.
pub(super) fn table<const N: usize>(names: [&str; N], rows: &[Row<N>], nothing: &str) -> String {
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut widths = names.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| -> String {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(&names.map(str::to_uppercase));
    for row in rows {
        text.push_str(&line(&row.cells));
        for note in &row.notes {
            text.push_str(&format!("{}\n", wrap(&format!("  {note}"))));
        }
    }
    // Addresses are shortened in the middle, and everybody knows that.
    let is_cut = |cell: &String| cell.contains(CUT) && !cell.starts_with("0x");
    if rows.iter().flat_map(|row| &row.cells).any(is_cut) {
        text.push_str("(… stands for digits that have no room here; show and --json have them)\n");
    }
    text
}

/// Stands for what has no room.
pub(super) const CUT: char = '…';

/// Breaks the lines that are too long between words, and indents what follows as their beginning.
pub(super) fn wrap(text: &str) -> String {
    let fit = |line: &str| {
        if line.chars().count() <= WIDTH {
            return line.to_owned();
        }
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        wrapped(line, WIDTH, &indent).join("\n")
    };
    text.lines().map(fit).collect::<Vec<_>>().join("\n")
}

fn wrapped(line: &str, width: usize, indent: &str) -> Vec<String> {
    let options = Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(line.trim_start_matches(' '), options).into_iter().map(String::from).collect()
}

/// A value that may be absent.
pub(super) fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "b"], ["long", "c"]].map(|row| Row::from(row.map(str::to_owned)));
        assert_eq!(table(["id", "x"], &rows, "nothing"), "ID    X\na     b\nlong  c\n");
        assert_eq!(table::<1>(["id"], &[], "nothing"), "nothing");
    }

    #[test]
    fn long_values_go_on_under_their_beginning() {
        let long = ["word"; 20].join(" ");
        let text = record([("a", "b".to_owned()), ("name", long)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines.len()), ("a     b", 3));
        assert!(lines[2].starts_with("      word"), "{text}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn what_is_to_be_copied_is_never_broken() {
        let address = format!("/dns4/{}/tcp/1", "a".repeat(90));
        let text = wrap(&format!("  reached at {address} from anywhere"));
        assert_eq!(text, format!("  reached at\n  {address}\n  from anywhere"));
        assert_eq!(wrap(&format!("  {address}")), format!("  {address}"));
    }
}
