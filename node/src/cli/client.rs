//! Talks to the running node.

use std::io::ErrorKind;
use std::time::Duration;

use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CliError;
use crate::data_dir::DataDir;
use crate::rpc::types::Notice;
use crate::rpc::{OUTCOME_UNKNOWN, RefusalData};

/// Longer than the longest wait that the node allows: the node's own time limit decides.
const REQUEST_LIMIT: Duration = Duration::from_secs(2 * 86_400);
/// A node on this machine answers at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// As large as the largest answer of the default configuration.
const MAX_ANSWER_BYTES: u32 = 32 << 20;

/// A connection to the node of a folder.
pub(super) struct Client {
    inner: WsClient,
}

/// Named parameters of a call; what is absent is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Args(Vec<(&'static str, Value)>);

impl Args {
    pub(super) fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        if !value.is_null() {
            self.0.push((name, value));
        }
        self
    }

    fn params(self) -> ObjectParams {
        let mut params = ObjectParams::new();
        for (name, value) in self.0 {
            // A JSON value can always be written as JSON.
            let _ = params.insert(name, value);
        }
        params
    }
}

/// One named parameter.
pub(super) fn arg(name: &'static str, value: impl Serialize) -> Args {
    Args::default().with(name, value)
}

impl Client {
    /// Connects to the node that runs on a folder, by the socket in it: only the owner of the folder
    /// can make that socket, so nobody else is talked to. A port can be anybody's once its node was
    /// killed.
    pub(super) async fn connect(dir: &DataDir) -> Result<Self, CliError> {
        let path = dir.rpc_socket();
        let stream = crate::rpc::connect(&path).await.map_err(|error| {
            CliError::Unreachable(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                    "no node runs on {}; start one with nitro run, or name its folder with \
                     --data-dir",
                    dir.path().display()
                ),
                _ => format!("{}: {error}", path.display()),
            })
        })?;
        let inner = WsClientBuilder::new()
            .request_timeout(REQUEST_LIMIT)
            .connection_timeout(CONNECT_LIMIT)
            .max_response_size(MAX_ANSWER_BYTES)
            // The name is for the protocol; nobody looks it up.
            .build_with_stream("ws://localhost", stream)
            .await
            .map_err(|error| CliError::Unreachable(format!("{}: {error}", path.display())))?;
        Ok(Self { inner })
    }

    /// Calls a method that changes nothing.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        args: Args,
    ) -> Result<T, CliError> {
        self.inner.request(method, args.params()).await.map_err(|error| match explain(error) {
            // Nothing was to be done.
            CliError::Refused { code: OUTCOME_UNKNOWN, message, .. } => {
                CliError::Unreachable(message)
            }
            other => other,
        })
    }

    /// Calls a method that changes something. When the answer is lost, that is said: the caller must
    /// not take it for a refusal.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        method: &str,
        args: Args,
    ) -> Result<T, CliError> {
        self.inner.request(method, args.params()).await.map_err(|error| match explain(error) {
            CliError::Unreachable(why) => CliError::Unknown(why),
            other => other,
        })
    }

    /// Subscribes to changes.
    pub(super) async fn subscribe(
        &self,
        topic: &str,
        args: Args,
    ) -> Result<Subscription<Notice>, CliError> {
        let (subscribe, unsubscribe) =
            (format!("nitro_subscribe{topic}"), format!("nitro_unsubscribe{topic}"));
        self.inner.subscribe(&subscribe, args.params(), &unsubscribe).await.map_err(explain)
    }
}

fn explain(error: ClientError) -> CliError {
    match error {
        ClientError::Call(refusal) => refused(refusal),
        other => CliError::Unreachable(other.to_string()),
    }
}

fn refused(refusal: ErrorObjectOwned) -> CliError {
    let data = refusal.data().and_then(|data| serde_json::from_str::<RefusalData>(data.get()).ok());
    let message = refusal.message().to_owned();
    CliError::Refused { code: refusal.code(), message, data: data.unwrap_or_default() }
}
