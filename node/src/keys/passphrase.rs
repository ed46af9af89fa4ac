//! Where the passphrase of the keystores comes from.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::data_dir::FileError;

/// Environment variable that holds the passphrase itself.
pub const PASSPHRASE_VARIABLE: &str = "NITRO_PASSPHRASE";

/// Protects the keystores. Never printed, and wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(text: impl Into<String>) -> Result<Self, PassphraseError> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() {
            return Err(PassphraseError::Empty);
        }
        Ok(Self(text))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let text = std::fs::read_to_string(path).map_err(|error| FileError::new(path, error))?;
        let text = Zeroizing::new(text);
        // Editors and echo end a file with a line break that nobody typed.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Self::new(line.strip_suffix('\r').unwrap_or(line))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

/// Whether a passphrase is chosen or repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It will protect new keystores, so a typing error would lock them: ask twice.
    Choose,
    /// It opens keystores that exist.
    Open,
}

/// Looks for a passphrase: the file that was named, then the environment, then the terminal.
///
/// # Errors
/// When there is none, or the two that were typed differ.
pub fn find(file: Option<&PathBuf>, purpose: Purpose) -> Result<Passphrase, PassphraseError> {
    if let Some(path) = file {
        return Passphrase::from_file(path);
    }
    if let Ok(text) = std::env::var(PASSPHRASE_VARIABLE) {
        return Passphrase::new(text);
    }
    if !std::io::stdin().is_terminal() {
        return Err(PassphraseError::NoTerminal);
    }
    let ask = |prompt| {
        let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Prompt)?;
        Passphrase::new(typed)
    };
    match purpose {
        Purpose::Open => ask("Passphrase: "),
        Purpose::Choose => {
            let first = ask("New passphrase: ")?;
            let again = ask("Once more: ")?;
            if first == again { Ok(first) } else { Err(PassphraseError::Differ) }
        }
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Would protect nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// A typing error.
    #[error("the two passphrases differ")]
    Differ,
    /// Nobody can be asked.
    #[error(
        "no passphrase: there is no terminal to ask at; use --passphrase-file, \
         NITRO_PASSPHRASE_FILE or NITRO_PASSPHRASE"
    )]
    NoTerminal,
    /// The terminal does not work.
    #[error("the passphrase cannot be read from the terminal: {0}")]
    Prompt(std::io::Error),
    /// The file that was named.
    #[error("passphrase file: {0}")]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        for (content, expected) in [("two words", "two words"), ("a\n", "a"), ("a \r\n", "a ")] {
            std::fs::write(&path, content).unwrap();
            let found = find(Some(&path), Purpose::Open).unwrap();
            assert_eq!(found.bytes(), expected.as_bytes());
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(find(Some(&path), Purpose::Open), Err(PassphraseError::Empty)));
        let absent = dir.path().join("absent");
        assert!(matches!(find(Some(&absent), Purpose::Open), Err(PassphraseError::File(_))));
    }

    #[test]
    fn shows_nothing_of_itself() {
        let shown = format!("{:?}", Passphrase::new("correct horse").unwrap());
        assert!(!shown.contains("horse"), "{shown}");
    }
}
