//! An endpoint that answers for a chain, but not always truthfully.

use std::sync::{Arc, Mutex};

use alloy::providers::{Provider, RootProvider};
use alloy::transports::RpcError;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What to do with one request.
pub(crate) enum Meddling {
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
}

/// Decides by method and parameters.
type Rule = Box<dyn FnMut(&str, &Value) -> Meddling + Send>;

/// The endpoint. Ends with its test.
pub(crate) struct Meddler {
    pub(crate) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Meddler {
    pub(crate) async fn start(
        chain: RootProvider,
        rule: impl FnMut(&str, &Value) -> Meddling + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, chain.clone(), Arc::clone(&rule)));
            }
        });
        Self { port, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection until it closes or an answer is lost.
async fn serve(stream: TcpStream, chain: RootProvider, rule: Arc<Mutex<Rule>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        let method = request["method"].as_str().unwrap().to_owned();
        let params = request["params"].clone();
        let meddling = (rule.lock().unwrap())(&method, &params);
        let params = if let Meddling::AskFor(other) = &meddling { other.clone() } else { params };
        let ask = chain.raw_request::<Value, Value>(method.into(), params);
        let answer = match meddling {
            Meddling::Pass | Meddling::AskFor(_) => ask.await,
            Meddling::Answer(value) => Ok(value),
            Meddling::Refuse(words) => Err(RpcError::local_usage_str(words)),
            Meddling::Change(change) => ask.await.map(|mut value| {
                change(&mut value);
                value
            }),
            Meddling::LoseAnswer => {
                ask.await.unwrap();
                return;
            }
        };
        let body = match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
            Err(RpcError::ErrorResp(error)) => {
                json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })
            }
            Err(error) => json!({
                "jsonrpc": "2.0",
                "id": request["id"],
                "error": { "code": -32000, "message": error.to_string() },
            }),
        }
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

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
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}
