//! A chain endpoint as it is configured. Providers put access keys into its path, its query or its
//! user name, so that none of that is ever printed.

use std::fmt;

use alloy::transports::http::reqwest::Url;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Shorter parts, such as `v3` or `rpc`, are no keys, and are also parts of other words.
const SHORTEST_KEY: usize = 8;
/// The same for a user name or password, which are seldom parts of anything else.
const SHORTEST_PASSWORD: usize = 4;

/// The address of a chain endpoint. Shown without what may be a key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointText(String);

impl EndpointText {
    /// The address with everything in it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port.
    pub(super) fn masked(&self) -> Self {
        let Some((scheme, rest)) = self.0.split_once("://") else { return Self::from("(hidden)") };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let shown = format!("{scheme}://{host}");
        let is_more = rest.len() != host.len() && rest != format!("{host}/");
        Self(if is_more { format!("{shown}/(hidden)") } else { shown })
    }

    /// Every form in which a library may print what may be a key: in an address, in the first line of
    /// a request, in a header.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let Ok(url) = Url::parse(&self.0) else { return vec![self.0.clone()] };
        let mut secrets = Vec::new();
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        if !user.is_empty() || !password.is_empty() {
            let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
            let (plain_user, plain_password) = (decoded(user), decoded(password));
            let header = STANDARD.encode(format!("{plain_user}:{plain_password}"));
            let both = format!("{user}:{password}");
            let parts = [user.to_owned(), password.to_owned(), plain_user, plain_password, both];
            secrets.extend(
                parts.into_iter().chain([header]).filter(|part| part.len() >= SHORTEST_PASSWORD),
            );
        }
        let query = url.query().unwrap_or_default();
        let pairs = url.query_pairs().flat_map(|(name, value)| [name, value]);
        let segments = url.path_segments().into_iter().flatten();
        let whole = [url.path(), query].map(str::to_owned);
        let parts = query.split(['&', '=']).chain(segments).map(str::to_owned);
        let parts = parts.chain(pairs.map(|part| part.into_owned())).chain(whole);
        secrets.extend(parts.filter(|part| part.len() >= SHORTEST_KEY));
        secrets
    }
}

impl From<&str> for EndpointText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for EndpointText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_without_what_may_be_a_key() {
        for (endpoint, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
            ("wss://node.example/v3/secret", "wss://node.example/(hidden)"),
            ("https://node.example?key=secret", "https://node.example/(hidden)"),
            ("https://user:secret@node.example:99", "https://node.example:99/(hidden)"),
            ("secret", "(hidden)"),
        ] {
            assert_eq!(format!("{:?}", EndpointText::from(endpoint)), shown);
        }
    }

    #[test]
    fn every_form_of_a_key_is_known() {
        let endpoint = "https://us%65r:pass%20word@node.example/v3/0123456789abcdef?key=fedcba98";
        let secrets = EndpointText::from(endpoint).secrets();
        for form in [
            "user",
            "pass%20word",
            "pass word",
            "dXNlcjpwYXNzIHdvcmQ=",
            "/v3/0123456789abcdef",
            "0123456789abcdef",
            "key=fedcba98",
            "fedcba98",
        ] {
            assert!(secrets.iter().any(|secret| secret == form), "{form} in {secrets:?}");
        }
        assert_eq!(EndpointText::from("http://127.0.0.1:8545/rpc").secrets(), [""; 0]);
    }
}
