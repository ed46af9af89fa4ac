//! What a program shows to be served.

use std::{fmt, io};

use rand::TryRngCore;
use rand::rngs::OsRng;
use subtle::ConstantTimeEq;

/// The token of one run of a node. Never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes the text that callers will have to show.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Draws a token that nobody can guess.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> io::Result<Self> {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// The text itself, to be written where only its owner reads it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell how much is right.
    pub(super) fn is(&self, found: &str) -> bool {
        self.0.as_bytes().ct_eq(found.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_right_only_as_a_whole() {
        let token = Token::new("abc");
        assert!(token.is("abc"));
        for wrong in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!token.is(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_token_is_drawn_twice_or_printed() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_eq!(one.reveal().len(), 64);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?}"), "Token(secret)");
    }
}
