//! Connects to the endpoint and makes sure that it serves our chain and our contracts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::providers::RootProvider;
use alloy::rpc::client::{RpcClient, WsConnect};
use alloy::transports::http::{Http, reqwest};
use engine::state::Deployment;
use engine::types::BlockNumber;
use reqwest::Url;
use tokio::time::sleep;

use crate::error::ChainError;
use crate::pace::Pace;
use crate::rpc::{REQUEST_TIMEOUT, Redaction, Rpc};
use crate::whole::WholeBlocks;

/// A host that does not even answer the first packet is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an endpoint must say the same before it is taken for one that no time can repair.
const VERIFICATIONS: u32 = 3;

const VERIFICATION_WAIT: Duration = Duration::from_millis(250);

/// Where the chain is.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    url: Url,
    kind: Kind,
    secret: Arc<Redaction>,
    pace: Arc<Mutex<Pace>>,
    whole: Arc<Mutex<WholeBlocks>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    WebSocket,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, ChainError> {
        let url = Url::parse(text).map_err(|error| ChainError::Endpoint {
            endpoint: "(hidden)".to_owned(),
            reason: error.to_string(),
        })?;
        let shown = shown(&url);
        let kind = match url.scheme() {
            "http" | "https" => Kind::Http,
            "ws" | "wss" => Kind::WebSocket,
            other => {
                return Err(ChainError::Endpoint {
                    endpoint: shown,
                    reason: format!("scheme {other:?} is none of http, https, ws and wss"),
                });
            }
        };
        let secret = Arc::new(Redaction { hidden: printed_forms(&url), shown });
        Ok(Self {
            url,
            kind,
            secret,
            pace: Arc::new(Mutex::new(Pace::new())),
            whole: Arc::default(),
        })
    }

    /// The endpoint without what may be an access key.
    pub(crate) fn shown(&self) -> &str {
        &self.secret.shown
    }

    /// True for the same address.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.url == other.url
    }

    /// A new connection. Over HTTP nothing is sent yet.
    pub(crate) async fn connect(&self) -> Result<Rpc, ChainError> {
        let client = match self.kind {
            Kind::Http => self.http()?,
            Kind::WebSocket => Box::pin(self.web_socket()).await?,
        };
        let provider = RootProvider::new(client);
        let (secret, pace) = (Arc::clone(&self.secret), Arc::clone(&self.pace));
        let whole = Arc::clone(&self.whole);
        Ok(Rpc::new(provider, secret, pace, whole, self.kind == Kind::WebSocket))
    }

    fn http(&self) -> Result<RpcClient, ChainError> {
        let mut builder =
            reqwest::Client::builder().timeout(REQUEST_TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        if self.is_local() {
            // A proxy for the world outside must not be asked for this machine.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| ChainError::Endpoint {
            endpoint: self.shown().to_owned(),
            reason: error.to_string(),
        })?;
        Ok(RpcClient::new(Http::with_client(client, self.url.clone()), self.is_local()))
    }

    /// Reconnecting is left to the watcher, which must read the gap anyway.
    async fn web_socket(&self) -> Result<RpcClient, ChainError> {
        let connect = WsConnect::new(self.url.as_str()).with_max_retries(0);
        let unreachable = |message| ChainError::Unreachable { request: "the connection", message };
        match tokio::time::timeout(CONNECT_TIMEOUT, RpcClient::connect_pubsub(connect)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(unreachable(self.secret.apply(&error.to_string()))),
            Err(_) => {
                Err(ChainError::TimedOut { request: "the connection", limit: CONNECT_TIMEOUT })
            }
        }
    }

    /// True for an endpoint on this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }
}

/// Scheme, host and port.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// With and without the credentials, which some libraries take out.
fn printed_forms(url: &Url) -> Vec<String> {
    let mut bare = url.clone();
    // An address with a host takes both; one without has no credentials.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    vec![url.to_string(), bare.to_string()]
}

/// Refuses an endpoint of another chain, and addresses without a contract (gap C21): a deposit
/// to an empty address would succeed and be lost. One odd answer is no wrong setting.
pub(crate) async fn verify(
    rpc: &Rpc,
    deployment: &Deployment,
    start_block: u64,
) -> Result<(), ChainError> {
    for _ in 1..VERIFICATIONS {
        match check(rpc, deployment, start_block).await {
            Err(error) if !error.is_retryable() => sleep(VERIFICATION_WAIT).await,
            checked => return checked,
        }
    }
    check(rpc, deployment, start_block).await
}

async fn check(rpc: &Rpc, deployment: &Deployment, start_block: u64) -> Result<(), ChainError> {
    let found = rpc.chain_id().await?;
    if found != deployment.chain_id {
        return Err(ChainError::WrongChain { expected: deployment.chain_id, found });
    }
    let head = rpc.head().await?.block.number;
    if head.0 < start_block {
        // A node that still catches up has no contracts yet; that is no wrong setting.
        return Err(ChainError::Behind { head, needed: BlockNumber(start_block) });
    }
    for (setting, address) in [
        ("adjudicator", deployment.adjudicator),
        ("consensus_app", deployment.consensus_app),
        ("payment_app", deployment.payment_app),
    ] {
        if !rpc.has_code(address).await? {
            return Err(ChainError::NoCode { setting, address });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_access_key() {
        let endpoint = Endpoint::parse("wss://user:pass@node.example:8546/v2/key?auth=x").unwrap();
        assert_eq!(endpoint.shown(), "wss://node.example:8546");
        assert_eq!(endpoint.kind, Kind::WebSocket);
        for text in [
            "at wss://user:pass@node.example:8546/v2/key?auth=x",
            "at wss://node.example:8546/v2/key?auth=x",
        ] {
            assert_eq!(endpoint.secret.apply(text), "at wss://node.example:8546");
        }
    }

    #[tokio::test]
    async fn connects_to_secure_endpoints_without_a_crypto_provider_of_the_process() {
        let https = Endpoint::parse("https://127.0.0.1:1").unwrap().connect().await.unwrap();
        assert!(https.chain_id().await.unwrap_err().is_retryable());
        let wss = Endpoint::parse("wss://127.0.0.1:1").unwrap().connect().await;
        assert!(wss.unwrap_err().is_retryable());
    }

    #[test]
    fn refuses_what_is_no_endpoint() {
        for text in ["", "localhost", "ftp://node.example", "node.example:8545"] {
            assert!(matches!(Endpoint::parse(text), Err(ChainError::Endpoint { .. })), "{text}");
        }
    }
}
