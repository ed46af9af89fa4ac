//! Web pages: a WebSocket of theirs carries the token as a sub-protocol, and comes from an origin that
//! is named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use node::config::RpcSection;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::cli::{Place, word};
use crate::served::{Served, TOKEN};
use crate::support::Network;

const PAGE: &str = "http://localhost:3000";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket as a page does: it names its origin and sub-protocols and nothing else. Gives the
/// socket and what was chosen, or the status of the refusal.
async fn open(address: SocketAddr, origin: &str, offered: &str) -> Result<(Socket, String), u16> {
    let mut request = format!("ws://{address}").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("origin", origin.parse().unwrap());
    headers.insert("sec-websocket-protocol", offered.parse().unwrap());
    match connect_async(request).await {
        Ok((socket, answer)) => {
            let chosen = answer.headers()["sec-websocket-protocol"].to_str().unwrap().to_owned();
            let all = format!("{answer:?}");
            assert!(!all.contains(TOKEN), "the token comes back: {all}");
            Ok((socket, chosen))
        }
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn version(socket: &mut Socket) -> Value {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"nitro_version"}"#;
    socket.send(Message::text(call)).await.unwrap();
    loop {
        // Pings are answered on the way.
        if let Message::Text(answer) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(answer.as_str()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_named_connects_with_the_token_as_a_sub_protocol() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let section = RpcSection { allowed_origins: vec![PAGE.to_owned()], ..RpcSection::default() };
    let served = Served::start_with(node.handle(), section).await;
    let address = served.address();
    let token = format!("token.{TOKEN}");
    for offered in [
        format!("nitro, {token}"),
        format!("{token},nitro"),
        format!("other, nitro,  {token} , another"),
    ] {
        let (mut socket, chosen) = open(address, PAGE, &offered).await.unwrap();
        assert_eq!(chosen, "nitro", "{offered}");
        assert_eq!(version(&mut socket).await["result"]["name"], "nitro");
    }

    for offered in [
        "nitro".to_owned(),
        token.clone(),
        format!("nitro, {TOKEN}"),
        format!("nitro, token.{}", &TOKEN[1..]),
        format!("nitro, {token}0"),
        "nitro, token.".to_owned(),
        format!("nitro, Token.{TOKEN}"),
        format!("nitro {token}"),
    ] {
        assert_eq!(open(address, PAGE, &offered).await.err(), Some(401), "{offered}");
    }
    let right = format!("nitro, {token}");
    for foreign in
        ["http://localhost:3001", "https://localhost:3000", "http://evil.example", "null"]
    {
        assert_eq!(open(address, foreign, &right).await.err(), Some(403), "{foreign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_let_in_unless_it_is_named_and_the_token_is_not_logged() {
    let network = Network::start().await;
    let place = Place::new(&network);
    assert!(place.init("node", "k1", &[]).status.success());
    let allow = format!("rpc.allowed_origins={PAGE}");
    for (settings, status) in [(vec![], Some(403)), (vec!["--set", allow.as_str()], None)] {
        let args = [&["run", "--json", "--log-level", "trace"], &settings[..]].concat();
        let log = fs::File::create(place.path("node.log")).unwrap();
        let mut node = place.ready("node", place.command("node", &args).stderr(log));
        let address = word(&node.ready, "rpc").parse().unwrap();
        let token = fs::read_to_string(place.path("node/rpc.token")).unwrap();
        let token = token.trim();
        let opened = open(address, PAGE, &format!("nitro, token.{token}")).await;
        assert_eq!(opened.err(), status, "{settings:?}");
        let wrong = open(address, PAGE, &format!("nitro, token.{}", &token[1..])).await;
        assert_eq!(wrong.err(), Some(status.unwrap_or(401)), "{settings:?}");
        place.json("node", &["stop"]);
        assert_eq!(node.exit_code(), Some(0));
        assert!(!place.log("node").contains(&token[1..]), "the token is in the log");
    }
}
