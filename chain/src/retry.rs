//! Whether and when one request is made again (sans-IO).
//!
//! Endpoints refuse, break off and answer from nodes that lag, each for a moment. Asking again at
//! once is cheaper than what follows from giving up: a round of work that begins anew.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::ChainError;
use crate::refusal::Refusal;

/// How often one request is made. With three of ten failing, one in a thousand fails for good.
const TRIES: u32 = 6;

/// How often it is made where the endpoint says what nobody understands.
const UNCLEAR_TRIES: u32 = 3;

const FIRST_WAIT: Duration = Duration::from_millis(100);

const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The tries of one request.
#[derive(Debug)]
pub(crate) struct Retry {
    request: &'static str,
    tries: u32,
    backoff: Backoff,
}

impl Retry {
    pub(crate) fn new(request: &'static str) -> Self {
        Self { request, tries: 0, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) }
    }

    /// How long to wait before the request is made again, if it is. The endpoint may have said
    /// when it wants to hear of it.
    pub(crate) fn after(&mut self, error: &ChainError, hint: Option<Duration>) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        let most = match error {
            // A transaction may have been taken although no answer came: the next answer would be
            // about that one.
            ChainError::Unreachable { .. } if self.is_send() => 0,
            ChainError::Unreachable { .. } => TRIES,
            ChainError::Refused { kind: Refusal::Busy, .. } => TRIES,
            ChainError::Refused { kind: Refusal::Unclear, .. } if self.may_be_unclear() => {
                UNCLEAR_TRIES
            }
            // Among them what has taken its time already.
            _ => 0,
        };
        (self.tries < most).then(|| self.backoff.next().max(hint.unwrap_or_default()))
    }

    /// Words that nobody understands mean that a range is too long, or are counted.
    fn may_be_unclear(&self) -> bool {
        self.request != "eth_getLogs" && !self.is_send()
    }

    fn is_send(&self) -> bool {
        self.request == "eth_sendRawTransaction"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(request: &'static str, error: &ChainError) -> usize {
        let mut retry = Retry::new(request);
        1 + std::iter::from_fn(|| retry.after(error, None)).count()
    }

    #[test]
    fn repeats_what_may_pass_and_nothing_else() {
        let refused =
            |kind| ChainError::Refused { request: "eth_call", kind, message: String::new() };
        let gone = ChainError::Unreachable { request: "eth_call", message: String::new() };
        assert_eq!(tries("eth_call", &gone), 6);
        assert_eq!(tries("eth_call", &refused(Refusal::Busy)), 6);
        assert_eq!(tries("eth_call", &refused(Refusal::Unclear)), 3);
        assert_eq!(tries("eth_getLogs", &refused(Refusal::Unclear)), 1);
        assert_eq!(tries("eth_getLogs", &refused(Refusal::Busy)), 6);
        assert_eq!(tries("eth_sendRawTransaction", &refused(Refusal::NonceTooLow)), 1);
        assert_eq!(tries("eth_sendRawTransaction", &refused(Refusal::Busy)), 6);
        assert_eq!(tries("eth_sendRawTransaction", &gone), 1);
    }

    #[test]
    fn waits_as_long_as_the_endpoint_asks() {
        let busy = ChainError::Refused {
            request: "eth_call",
            kind: Refusal::Busy,
            message: String::new(),
        };
        let asked = Duration::from_secs(7);
        assert_eq!(Retry::new("eth_call").after(&busy, Some(asked)), Some(asked));
    }
}
