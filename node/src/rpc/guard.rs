//! Decides who may talk to the server, before anything of a request is read.
//!
//! - **Host**: only loopback names. A web page that makes its own name resolve to this machine
//!   (DNS rebinding) still sends that name.
//! - **Origin**: browsers name the page that asks. None is allowed unless it is configured.
//! - **Authorization**: `Bearer` and the token of the data folder, for WebSockets as well. A web page can
//!   set no headers of a WebSocket but its sub-protocols: there the token is one of them, beside the
//!   one that is spoken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use jsonrpsee::ws_client::{HeaderMap, HeaderValue};
use tower::Service;

use super::hall::Visitor;
use super::token::Token;

/// The header in which a WebSocket names what it can speak.
const SUBPROTOCOLS: &str = "sec-websocket-protocol";
/// What is spoken over a WebSocket: JSON-RPC, as without any sub-protocol.
const SUBPROTOCOL: &str = "nitro";
/// Stands before the token among the sub-protocols.
const TOKEN_PREFIX: &str = "token.";

/// Who is served.
#[derive(Debug)]
pub(super) enum Rules {
    /// Whoever can connect: only the owner can.
    Trusting,
    /// Whoever shows the token, and is no web page from elsewhere.
    Strict {
        /// What must be shown.
        token: Token,
        /// Pages that may connect.
        allowed_origins: Vec<String>,
    },
}

/// One guarded connection.
#[derive(Clone, Debug)]
pub(super) struct Guard<S> {
    rules: Arc<Rules>,
    visitor: Arc<Visitor>,
    inner: S,
}

impl<S> Guard<S> {
    pub(super) const fn new(rules: Arc<Rules>, visitor: Arc<Visitor>, inner: S) -> Self {
        Self { rules, visitor, inner }
    }
}

impl<S, B> Service<HttpRequest<B>> for Guard<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        let headers = request.headers();
        let origin = match self.rules.check_source(headers, request.uri().host()) {
            Ok(origin) => origin,
            Err(refusal) => return Box::pin(async move { Ok(refusal.into_response()) }),
        };
        if origin.is_some() && request.method().as_str() == "OPTIONS" {
            // A browser asks before it sends a header such as Authorization.
            return Box::pin(async move { Ok(share(respond(204, ""), origin)) });
        }
        if let Err(refusal) = self.rules.check_token(headers) {
            return Box::pin(async move { Ok(share(refusal.into_response(), origin)) });
        }
        let speaks = is_websocket(headers) && offered(headers).any(|name| name == SUBPROTOCOL);
        // Nobody behind this point needs them, and what is not there is neither logged nor answered.
        request.headers_mut().remove("authorization");
        request.headers_mut().remove(SUBPROTOCOLS);
        // A WebSocket keeps what is noted with the request that opens it, and so the room.
        request.extensions_mut().insert(Arc::clone(&self.visitor));
        let (visitor, mut inner) = (Arc::clone(&self.visitor), self.inner.clone());
        Box::pin(async move {
            if !visitor.enter().await {
                return Ok(share(Refused::Room.into_response(), origin));
            }
            let mut response = inner.call(request).await?;
            if speaks && response.status().as_u16() == 101 {
                // Browsers close a WebSocket that answers with none of the protocols they offered.
                let spoken = HeaderValue::from_static(SUBPROTOCOL);
                response.headers_mut().insert(SUBPROTOCOLS, spoken);
            }
            Ok(share(response, origin))
        })
    }
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Host,
    Origin,
    Token,
    Room,
}

impl Refused {
    fn into_response(self) -> HttpResponse {
        match self {
            Self::Host => respond(403, "this server answers to loopback names only\n"),
            Self::Origin => respond(403, "this origin is not in the setting rpc.allowed_origins\n"),
            Self::Token => respond(
                401,
                "send the header Authorization: Bearer <content of rpc.token in the data folder>; a \
                 web page opens its WebSocket with the sub-protocols nitro and token.<the same>\n",
            ),
            Self::Room => respond(429, "rpc.max_connections are in use; close one and try again\n"),
        }
    }
}

impl Rules {
    /// The allowed origin that asks, if it is a browser that does.
    fn check_source(
        &self,
        headers: &HeaderMap,
        uri_host: Option<&str>,
    ) -> Result<Option<HeaderValue>, Refused> {
        let Self::Strict { allowed_origins, .. } = self else { return Ok(None) };
        // Two hosts mean that somebody on the way may have read the other one.
        if headers.get_all("host").iter().count() > 1 {
            return Err(Refused::Host);
        }
        let host = headers.get("host").map(|host| host.to_str().map_err(|_| Refused::Host));
        match (host.transpose()?, uri_host) {
            (None, None) => return Err(Refused::Host),
            (host, uri_host) => {
                let loopback = |host: Option<&str>| host.is_none_or(is_loopback);
                if !loopback(host) || !loopback(uri_host) {
                    return Err(Refused::Host);
                }
            }
        }
        let Some(origin) = headers.get("origin") else { return Ok(None) };
        let text = origin.to_str().map_err(|_| Refused::Origin)?;
        if allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) {
            return Ok(Some(origin.clone()));
        }
        Err(Refused::Origin)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Self::Strict { token: expected, .. } = self else { return Ok(()) };
        let found = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = found.and_then(|value| value.split_once(' ')).filter(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && expected.is(token.trim())
        });
        let in_header = token.is_some();
        let as_protocol = || is_websocket(headers) && offers_token(headers, expected);
        if in_header || as_protocol() { Ok(()) } else { Err(Refused::Token) }
    }
}

/// True when `nitro` is offered beside the token: the token itself is never chosen, and a browser that
/// is answered with no protocol gives up.
fn offers_token(headers: &HeaderMap, expected: &Token) -> bool {
    let token =
        |name: &str| name.strip_prefix(TOKEN_PREFIX).is_some_and(|token| expected.is(token));
    offered(headers).any(|name| name == SUBPROTOCOL) && offered(headers).any(token)
}

/// The sub-protocols that a WebSocket offers.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SUBPROTOCOLS).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get("upgrade").and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// True for names of this machine, with any port: a tunnel may have another one.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn respond(status: u16, text: &'static str) -> HttpResponse {
    let response = HttpResponse::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(HttpBody::from(text));
    response.unwrap_or_default()
}

/// Lets the page at `origin` read the answer.
fn share(mut response: HttpResponse, origin: Option<HeaderValue>) -> HttpResponse {
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert("access-control-allow-origin", origin);
        headers.insert("vary", HeaderValue::from_static("origin"));
        let names = HeaderValue::from_static("authorization, content-type");
        headers.insert("access-control-allow-headers", names);
        headers.insert("access-control-allow-methods", HeaderValue::from_static("POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["127.0.0.1", "127.0.0.1:4005", "localhost:80", "LOCALHOST", "[::1]:4005", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:4005",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost.evil.example",
            "[::2]",
            "0.0.0.0",
            "::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
