//! A node with its RPC server, and ways to talk to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::Duration;

use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::ws_client::{HeaderMap, HeaderValue, WsClient, WsClientBuilder};
use node::NodeHandle;
use node::config::RpcSection;
use node::rpc::{RefusalData, RpcOptions, RpcServer, Token};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7";

/// A served node.
pub(crate) struct Served {
    pub(crate) server: RpcServer,
    pub(crate) client: WsClient,
    /// Cancelled by `nitro_stop`.
    pub(crate) stop: CancellationToken,
}

/// A refusal as a client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: i32,
    pub(crate) field: Option<String>,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Served {
    pub(crate) async fn start(node: NodeHandle) -> Self {
        Self::start_with(node, RpcSection::default()).await
    }

    pub(crate) async fn start_with(node: NodeHandle, mut section: RpcSection) -> Self {
        section.listen = "127.0.0.1:0".parse().unwrap();
        let stop = CancellationToken::new();
        let options = RpcOptions {
            token: Token::new(TOKEN),
            socket: None,
            challenge_duration: 3_600,
            stop: stop.clone(),
        };
        let server = RpcServer::start(&section, options, node).await.unwrap();
        let client = connect(server.address()).await;
        Self { server, client, stop }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) async fn call(&self, method: &str, args: &Value) -> Result<Value, Refused> {
        call(&self.client, method, args).await
    }

    /// Calls what must succeed.
    pub(crate) async fn ok(&self, method: &str, args: Value) -> Value {
        self.call(method, &args).await.unwrap_or_else(|refused| panic!("{method}: {refused:?}"))
    }

    /// Calls what must be refused.
    pub(crate) async fn refused(&self, method: &str, args: Value) -> Refused {
        self.call(method, &args).await.expect_err(method)
    }
}

/// Connects with the right token.
pub(crate) async fn connect(address: SocketAddr) -> WsClient {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap());
    WsClientBuilder::new().set_headers(headers).build(format!("ws://{address}")).await.unwrap()
}

pub(crate) fn params(args: &Value) -> ObjectParams {
    let mut params = ObjectParams::new();
    for (name, value) in args.as_object().unwrap() {
        params.insert(name, value).unwrap();
    }
    params
}

async fn call(client: &WsClient, method: &str, args: &Value) -> Result<Value, Refused> {
    match client.request(method, params(args)).await {
        Ok(answer) => Ok(answer),
        Err(ClientError::Call(error)) => {
            let data: RefusalData =
                serde_json::from_str(error.data().expect("a refusal has data").get()).unwrap();
            let (code, message) = (error.code(), error.message().to_owned());
            Err(Refused { code, field: data.field, reason: data.reason, message })
        }
        Err(other) => panic!("{method}: {other}"),
    }
}

/// Sends text as it is, and returns what comes back until the server is silent or done.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        // An answer comes at once; the silence after it is the end of a kept connection.
        let patience = if answer.is_empty() { 10_000 } else { 200 };
        let read = tokio::time::timeout(Duration::from_millis(patience), stream.read(&mut chunk));
        match read.await {
            Ok(Ok(size @ 1..)) => answer.extend_from_slice(&chunk[..size]),
            _ => return String::from_utf8_lossy(&answer).into_owned(),
        }
    }
}
