//! An endpoint that answers for a chain, but not always, and not always truthfully.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::providers::{Provider, RootProvider};
use alloy::transports::{RpcError, TransportError};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What to do with one request.
#[derive(Debug)]
pub enum Meddling {
    /// Ask the chain and give its answer.
    Pass,
    /// Refuse with these words.
    Refuse(&'static str),
    /// Give this answer without asking the chain.
    Answer(Value),
    /// Ask the chain the same with these parameters.
    AskFor(Value),
    /// Ask the chain and change its answer.
    Change(fn(&mut Value)),
    /// Ask the chain and close the connection instead of answering.
    LoseAnswer,
    /// Answer with a status of HTTP and a body that is no JSON.
    Fail {
        /// Such as 429 or 503.
        status: u16,
        /// Seconds after which the endpoint wants to be asked again.
        retry_after: Option<u64>,
        /// The words.
        body: &'static str,
    },
    /// Answer after that time.
    Delay(Duration),
    /// Answer as a node does that is this many blocks behind.
    Lag(u64),
}

/// Decides by method and parameters.
type Rule = Box<dyn FnMut(&str, &Value) -> Meddling + Send>;

/// The endpoint. Ends with its test.
#[derive(Debug)]
pub struct Meddler {
    /// Where it listens on loopback.
    pub port: u16,
    asked: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Meddler {
    /// An endpoint that answers for `chain` by `rule`.
    ///
    /// # Panics
    /// When it cannot listen: the test cannot go on.
    pub async fn start(
        chain: RootProvider,
        rule: impl FnMut(&str, &Value) -> Meddling + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (chain, rule, count) = (chain.clone(), Arc::clone(&rule), Arc::clone(&count));
                connections.spawn(async move { serve(stream, chain, rule, &count).await });
            }
        });
        Self { port, asked, task }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests that have come so far, those of failed ones included.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is sent back.
struct Reply {
    status: u16,
    retry_after: Option<u64>,
    body: String,
}

/// Serves one connection until it closes or an answer is lost.
async fn serve(
    stream: TcpStream,
    chain: RootProvider,
    rule: Arc<Mutex<Rule>>,
    asked: &AtomicU64,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read_request(&mut stream).await?;
        let method = request["method"].as_str()?.to_owned();
        asked.fetch_add(1, Ordering::Relaxed);
        let meddling = {
            let mut rule = rule.lock().unwrap_or_else(PoisonError::into_inner);
            rule(&method, &request["params"])
        };
        let reply = reply(&chain, method, &request, meddling).await?;
        let retry = reply.retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
        let head = format!(
            "HTTP/1.1 {} Said\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
            reply.status,
            retry.unwrap_or_default(),
            reply.body.len()
        );
        stream.write_all(format!("{head}{}", reply.body).as_bytes()).await.ok()?;
    }
}

/// Nothing where the answer is lost.
async fn reply(
    chain: &RootProvider,
    method: String,
    request: &Value,
    meddling: Meddling,
) -> Option<Reply> {
    let params = request["params"].clone();
    let ask = async |params: Value| {
        chain.raw_request::<Value, Value>(method.clone().into(), params).await
    };
    let answer = match meddling {
        Meddling::Pass => ask(params).await,
        Meddling::AskFor(other) => ask(other).await,
        Meddling::Answer(value) => Ok(value),
        Meddling::Refuse(words) => Err(RpcError::local_usage_str(words)),
        Meddling::Change(change) => ask(params).await.map(|mut value| {
            change(&mut value);
            value
        }),
        Meddling::LoseAnswer => {
            let _ = ask(params).await;
            return None;
        }
        Meddling::Fail { status, retry_after, body } => {
            return Some(Reply { status, retry_after, body: body.to_owned() });
        }
        Meddling::Delay(time) => {
            tokio::time::sleep(time).await;
            ask(params).await
        }
        Meddling::Lag(blocks) => lagging(chain, &method, params, blocks).await,
    };
    let error = match answer {
        Ok(result) => {
            let body = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
            return Some(Reply { status: 200, retry_after: None, body: body.to_string() });
        }
        Err(RpcError::ErrorResp(error)) => json!(error),
        Err(error) => json!({ "code": -32000, "message": error.to_string() }),
    };
    let body = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string();
    Some(Reply { status: 200, retry_after: None, body })
}

/// What a node answers that has no block of the last `blocks`.
async fn lagging(
    chain: &RootProvider,
    method: &str,
    mut params: Value,
    blocks: u64,
) -> Result<Value, TransportError> {
    let limit = chain.get_block_number().await?.saturating_sub(blocks);
    let at_limit = json!(format!("{limit:#x}"));
    let height = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let is_above = |value: &Value| height(value).is_some_and(|height| height > limit);
    match method {
        "eth_getBlockByNumber" if is_above(&params[0]) => return Ok(Value::Null),
        "eth_getBlockByNumber" if params[0] == "latest" => params[0] = at_limit,
        "eth_getLogs" if params[0]["blockHash"].is_string() => {
            let ask = json!([params[0]["blockHash"], false]);
            let block: Value = chain.raw_request("eth_getBlockByHash".into(), ask).await?;
            if is_above(&block["number"]) {
                return Err(RpcError::local_usage_str("unknown block"));
            }
        }
        "eth_getLogs" if is_above(&params[0]["fromBlock"]) => return Ok(json!([])),
        "eth_getLogs" if is_above(&params[0]["toBlock"]) => params[0]["toBlock"] = at_limit,
        "eth_getBalance" | "eth_getTransactionCount" | "eth_call" | "eth_estimateGas" => {
            if is_above(&params[1]) {
                return Err(RpcError::local_usage_str("header not found"));
            }
            if params[1] == "latest" {
                params[1] = at_limit;
            }
        }
        _ => {}
    }
    let answer: Value = chain.raw_request(method.to_owned().into(), params).await?;
    let is_recent = method == "eth_getTransactionReceipt" && is_above(&answer["blockNumber"]);
    Ok(if is_recent { Value::Null } else { answer })
}

/// The next request; nothing when the connection ends or says what is no request.
async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}
