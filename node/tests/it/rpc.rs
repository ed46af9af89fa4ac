//! Who may use the server, what its limits are, and what subscribers hear.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::Duration;

use engine::types::{Address, Asset};
use futures::future::join_all;
use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use node::config::RpcSection;
use node::rpc::types::Notice;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::served::{Served, TOKEN, connect, params, raw};
use crate::support::{LIMIT, Network};

/// A call of `nitro_version` with these headers.
fn post(headers: &str) -> String {
    post_body(headers, r#"{"jsonrpc":"2.0","id":1,"method":"nitro_version"}"#)
}

/// Sends a body with the right token.
async fn call(address: SocketAddr, body: &str) -> String {
    let headers = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    raw(address, &post_body(&headers, body)).await
}

fn post_body(headers: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn upgrade(headers: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

async fn status(address: SocketAddr, request: &str) -> u16 {
    let answer = raw(address, request).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_the_token_or_from_elsewhere() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let section = RpcSection {
        allowed_origins: vec!["http://localhost:3000".to_owned()],
        ..RpcSection::default()
    };
    let served = Served::start_with(node.handle(), section).await;
    let address = served.address();
    let host = format!("Host: {address}\r\n");
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let half = &TOKEN[..32];
    for (headers, post_status, upgrade_status) in [
        (format!("{host}{bearer}"), 200, 101),
        (format!("Host: localhost\r\n{bearer}"), 200, 101),
        (format!("{host}Authorization: bearer {TOKEN}\r\n"), 200, 101),
        (host.clone(), 401, 401),
        (format!("{host}Authorization: Bearer {half}\r\n"), 401, 401),
        (format!("{host}Authorization: Bearer {TOKEN}0\r\n"), 401, 401),
        (format!("{host}Authorization: Bearer\r\n"), 401, 401),
        (format!("{host}Authorization: Basic {TOKEN}\r\n"), 401, 401),
        (format!("{host}Authorization: {TOKEN}\r\n"), 401, 401),
        (format!("Host: evil.example\r\n{bearer}"), 403, 403),
        (format!("Host: 127.0.0.1.evil.example\r\n{bearer}"), 403, 403),
        (format!("{host}Host: evil.example\r\n{bearer}"), 403, 403),
        (bearer.clone(), 403, 403),
        (format!("{host}{bearer}Origin: http://evil.example\r\n"), 403, 403),
        (format!("{host}{bearer}Origin: null\r\n"), 403, 403),
        (format!("{host}{bearer}Origin: http://{address}\r\n"), 403, 403),
        (format!("{host}{bearer}Origin: http://localhost:3000\r\n"), 200, 101),
        (format!("{host}Origin: http://localhost:3000\r\n"), 401, 401),
    ] {
        assert_eq!(status(address, &post(&headers)).await, post_status, "POST {headers}");
        assert_eq!(status(address, &upgrade(&headers)).await, upgrade_status, "GET {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_page_is_told_so_and_others_are_not() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let origin = "http://localhost:3000";
    let section = RpcSection { allowed_origins: vec![origin.to_owned()], ..RpcSection::default() };
    let served = Served::start_with(node.handle(), section).await;
    let ask = |origin: &str| {
        format!("OPTIONS / HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\n\r\n", served.address())
    };
    let answer = raw(served.address(), &ask(origin)).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000"), "{answer}");
    let answer = raw(served.address(), &ask("http://localhost:3001")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!answer.contains("access-control"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_the_server_goes_on() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let section = RpcSection {
        max_connections: 2,
        max_request_bytes: 1_000,
        max_batch: 3,
        max_subscriptions: 2,
        ..RpcSection::default()
    };
    let served = Served::start_with(node.handle(), section).await;

    let long = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    );
    let answer = raw(served.address(), &long).await;
    assert!(answer.contains("413") || answer.contains("-32007"), "{answer}");

    let one = r#"{"jsonrpc":"2.0","id":1,"method":"nitro_version"}"#;
    let answer = call(served.address(), &format!("[{one},{one},{one}]")).await;
    assert_eq!(answer.matches("result").count(), 3, "{answer}");
    let answer = call(served.address(), &format!("[{one},{one},{one},{one}]")).await;
    assert!(answer.contains("-32010"), "{answer}");

    let mut subscriptions = Vec::new();
    for _ in 0..2 {
        subscriptions.push(subscribe(&served, "Payments", json!({})).await);
    }
    let third = served.client.subscribe::<Notice, _>(
        "nitro_subscribePayments",
        params(&json!({})),
        "nitro_unsubscribePayments",
    );
    let error = third.await.unwrap_err();
    assert!(error.to_string().contains("-32006"), "{error}");

    let second = connect(served.address()).await;
    let answer = call(served.address(), one).await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    drop(second);
    served.ok("nitro_version", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_with_the_standard_codes() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let served = Served::start(node.handle()).await;
    for (body, code) in [
        ("", "-32700"),
        ("{", "-32700"),
        ("[]", "-32600"),
        ("{}", "-32700"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nitro_nothing"}"#, "-32601"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nitro_pay","params":[1,2]}"#, "-32602"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nitro_pay","params":"x"}"#, "-32"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nitro_pay"}"#, "-32602"),
    ] {
        let answer = call(served.address(), body).await;
        assert!(answer.contains(&format!("\"code\":{code}")), "{body}: {answer}");
    }
    // One object in a list is what many clients make of named parameters.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"nitro_ledgers","params":[{"closed":true}]}"#;
    let answer = call(served.address(), body).await;
    assert!(answer.contains(r#""result":[]"#), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_describes_itself_and_stops_when_asked() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let served = Served::start(node.handle()).await;
    let name = node.address.to_checksum(None);
    assert_eq!(served.ok("nitro_address", json!({})).await["address"], name);
    let status = loop {
        let status = served.ok("nitro_status", json!({})).await;
        // The first look at the chain takes a moment.
        if status["chain"]["connected"] == true {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status["address"], name);
    assert_eq!(status["chain"]["chain_id"], 31_337);
    let listen = served.ok("nitro_listenAddresses", json!({})).await;
    assert_eq!(status["listen_addresses"], listen);
    let balance = served.ok("nitro_balance", json!({})).await;
    assert_eq!(balance["address"], status["chain"]["account"]);
    assert_eq!(balance["amount"], "10000000000000000000000");
    assert!(!served.stop.is_cancelled());
    assert_eq!(served.ok("nitro_stop", json!({})).await, true);
    assert!(served.stop.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_opened_used_and_closed_by_rpc() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let (a, b) = (Served::start(alice.handle()).await, Served::start(bob.handle()).await);
    let bob_name = bob.address.to_checksum(None);

    let args = json!({ "peer": bob_name, "amount": "1ether", "peer_amount": "2000000000 gwei", "wait": true });
    let started = a.ok("nitro_openLedger", args).await;
    assert_eq!(started["result"]["status"], "completed");
    let ledger = started["channel"].clone();
    let found = a.ok("nitro_ledger", json!({ "ledger": ledger })).await;
    assert_eq!(found["my_balance"], "1000000000000000000");
    assert_eq!(found["peer_balance"], "2000000000000000000");
    assert_eq!((&found["status"], &found["asset"]), (&json!("open"), &json!("native")));
    assert_eq!(found["peer"], bob_name);

    let args = json!({ "payee": bob_name, "amount": "1000", "wait": true, "timeout_secs": 60 });
    let channel = a.ok("nitro_openChannel", args).await["channel"].clone();
    let args = json!({ "channel": channel, "amount": "7", "wait": true });
    let paid = a.ok("nitro_pay", args).await;
    assert_eq!(
        paid,
        json!({ "channel": channel, "amount": "7", "total": "7", "remaining": "993",
            "delivered": true, "repeated": false })
    );
    let voucher = a.ok("nitro_createVoucher", json!({ "channel": channel, "amount": "0x3" })).await;
    assert_eq!(voucher["total"], "10");
    let received = b.ok("nitro_receiveVoucher", voucher.clone()).await;
    assert_eq!((&received["total"], &received["delta"]), (&json!("10"), &json!("3")));
    assert_eq!(
        b.ok("nitro_receiveVoucher", voucher).await["delta"],
        "0",
        "a repetition adds nothing"
    );

    let closing = a.ok("nitro_closeChannel", json!({ "channel": channel, "wait": true })).await;
    assert_eq!(closing["result"]["kind"], "close_channel");
    let closing = a.ok("nitro_closeLedger", json!({ "ledger": ledger, "wait": true })).await;
    assert_eq!(closing["result"]["status"], "completed");

    assert_eq!(a.ok("nitro_ledgers", json!({})).await, json!([]));
    let closed = a.ok("nitro_ledgers", json!({ "closed": true })).await;
    assert_eq!((&closed[0]["ledger"], &closed[0]["status"]), (&ledger, &json!("closed")));
    let closed = a.ok("nitro_channels", json!({ "closed": true, "ledger": ledger })).await;
    assert_eq!((&closed[0]["channel"], &closed[0]["paid"]), (&channel, &json!("10")));
    assert_eq!(
        a.ok("nitro_channels", json!({ "closed": true, "after": channel })).await,
        json!([])
    );
    let objective = a.ok("nitro_objective", json!({ "objective": closing["objective"] })).await;
    assert_eq!(objective, closing["result"]);
    let waited = json!({ "objective": closing["objective"], "timeout_secs": 1 });
    assert_eq!(a.ok("nitro_waitObjective", waited).await, closing["result"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_in_time_and_names_what_goes_on() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let mut alice = network.node(1, &[&bob]).await;
    let a = Served::start(alice.handle()).await;
    let bob_name = bob.address.to_checksum(None);
    let mut bob = bob;
    bob.stop().await;
    let args = json!({ "peer": bob_name, "amount": "5", "wait": true, "timeout_secs": 0 });
    let refused = a.refused("nitro_openLedger", args).await;
    assert_eq!((refused.code, refused.reason.as_str()), (3_002, "timed_out"));
    let running = a.ok("nitro_objectives", json!({})).await;
    assert!(refused.message.contains(running[0]["objective"].as_str().unwrap()), "{refused:?}");

    // A stop of the server does not wait for those who wait.
    let id = running[0]["objective"].clone();
    let client = connect(a.address()).await;
    let waiting = tokio::spawn(async move {
        let args = params(&json!({ "objective": id, "timeout_secs": 3_600 }));
        client.request::<Value, _>("nitro_waitObjective", args).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    timeout(LIMIT, a.server.shutdown()).await.expect("the server stops");
    let error = timeout(LIMIT, waiting).await.expect("the call ends").unwrap().unwrap_err();
    assert!(error.to_string().contains("stopping"), "{error}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_what_they_asked_for() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let (a, b) = (Served::start(alice.handle()).await, Served::start(bob.handle()).await);
    let mut objectives = subscribe(&a, "Objectives", json!({})).await;
    let mut ledgers = subscribe(&b, "Ledgers", json!({})).await;
    let ledger = alice.open_ledger(&bob, Asset::NATIVE, 1_000, 0).await;
    let id = format!("DirectFunding-{ledger}");
    until(&mut objectives, |notice| {
        matches!(notice, Notice::Objective(o) if o.objective == id && o.status == "completed")
    })
    .await;
    until(
        &mut ledgers,
        |notice| matches!(notice, Notice::Ledger(l) if l.ledger == ledger && l.status == "open"),
    )
    .await;

    let mine = alice.open_payment(&[&bob], Asset::NATIVE, 100).await;
    let other = alice.open_payment(&[&bob], Asset::NATIVE, 100).await;
    let mut paid = subscribe(&a, "Payments", json!({ "channel": mine.to_string() })).await;
    let mut received = subscribe(&b, "Payments", json!({ "channel": mine.to_string() })).await;
    alice.pay(other, 50).await;
    alice.pay(mine, 3).await;
    let notice = timeout(LIMIT, paid.next()).await.unwrap().unwrap().unwrap();
    assert!(
        matches!(&notice, Notice::Paid { channel, delta, .. } if *channel == mine && delta.0 == 3_u64.into()),
        "{notice:?}"
    );
    let notice = timeout(LIMIT, received.next()).await.unwrap().unwrap().unwrap();
    assert!(
        matches!(&notice, Notice::Received { channel, total, .. } if *channel == mine && total.0 == 3_u64.into()),
        "{notice:?}"
    );

    for (topic, args, field) in [
        ("Payments", json!({ "channel": "0x12" }), "channel"),
        ("Ledgers", json!({ "channel": mine.to_string() }), "channel"),
        ("Objectives", json!({ "objective": 5 }), "objective"),
    ] {
        let names = [format!("nitro_subscribe{topic}"), format!("nitro_unsubscribe{topic}")];
        let refused = a.client.subscribe::<Notice, _>(&names[0], params(&args), &names[1]).await;
        let Err(ClientError::Call(error)) = refused else { panic!("{topic} is not refused") };
        assert_eq!(error.code(), -32_602, "{error}");
        assert!(error.message().starts_with(&format!("{field}: ")), "{error}");
    }
}

/// A subscriber that stops reading must hold up nobody, and be told what it missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_that_it_lags_and_blocks_nobody() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let alice = network.node(1, &[&bob]).await;
    let section = RpcSection { max_queue: 1, ..RpcSection::default() };
    let served = Served::start_with(alice.handle(), section).await;
    alice.open_ledger(&bob, Asset::NATIVE, 1_000_000, 0).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 1_000_000).await;

    let socket = TcpSocket::new_v4().unwrap();
    // Little room in the kernel, so that few notices fill it.
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut slow = socket.connect(served.address()).await.unwrap();
    let headers = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    slow.write_all(upgrade(&headers).as_bytes()).await.unwrap();
    let mut answer = [0; 1_024];
    assert!(slow.read(&mut answer).await.unwrap() > 0);
    // Many subscriptions fill what lies between the node and the subscriber soon.
    let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"nitro_subscribePayments"}"#;
    for _ in 0..20 {
        slow.write_all(&text_frame(subscribe)).await.unwrap();
        assert!(slow.read(&mut answer).await.unwrap() > 0);
    }

    // More than the node keeps for a slow subscriber, and than fits on the way to it.
    for _ in 0..18 {
        let payments = (0..1_000).map(|_| alice.handle()).map(|handle| async move {
            handle.pay(channel, 1_u64.into(), false).await.unwrap();
        });
        timeout(LIMIT, join_all(payments)).await.expect("payments go on");
        served.ok("nitro_version", json!({})).await;
    }
    let lagged = br#""event":"lagged""#;
    let (mut heard, mut chunk) = (Vec::new(), vec![0; 65_536]);
    while !heard.windows(lagged.len()).any(|window| window == lagged) {
        let read = timeout(Duration::from_secs(5), slow.read(&mut chunk)).await;
        let size = read.expect("the subscriber is told that it lags").unwrap();
        assert!(size > 0, "the connection ended");
        // What came before cannot hold the words any more, but for a beginning of them.
        heard.drain(..heard.len().saturating_sub(lagged.len()));
        heard.extend_from_slice(&chunk[..size]);
    }
}

/// A masked WebSocket text frame of less than 126 bytes.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

async fn subscribe(served: &Served, topic: &str, args: Value) -> Subscription<Notice> {
    let names = [format!("nitro_subscribe{topic}"), format!("nitro_unsubscribe{topic}")];
    served.client.subscribe(&names[0], params(&args), &names[1]).await.unwrap()
}

async fn until(subscription: &mut Subscription<Notice>, wanted: impl Fn(&Notice) -> bool) {
    let found = async {
        while let Some(notice) = subscription.next().await {
            if wanted(&notice.unwrap()) {
                return true;
            }
        }
        false
    };
    assert!(timeout(LIMIT, found).await.expect("the notice comes"), "the subscription ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_leave_others_their_connections() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let served = Served::start(node.handle()).await;
    // Nobody has this address, so the opening goes on.
    let stranger = json!({"peer": Address::repeat_byte(7).to_string(), "amount": "1"});
    let begun = served.ok("nitro_openLedger", stranger).await;
    let wait = |limit: u64| json!({"objective": begun["objective"], "timeout_secs": limit});
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let (client, wait) = (connect(served.address()).await, wait(600));
        waiting.push(tokio::spawn(async move {
            client.request::<Value, _>("nitro_waitObjective", params(&wait)).await
        }));
    }
    let other = connect(served.address()).await;
    let answer: Value = other.request("nitro_status", params(&json!({}))).await.unwrap();
    assert_eq!(answer["objectives"], 1);

    // Half of the connections may wait; what comes then is refused before anything is begun.
    let section = RpcSection { max_connections: 4, ..RpcSection::default() };
    let small = Served::start_with(node.handle(), section).await;
    let hold = [(); 2].map(|()| (small.address(), wait(600)));
    for (address, wait) in hold {
        waiting.push(tokio::spawn(async move {
            let client = connect(address).await;
            // Refused while the question below takes the place for a moment.
            loop {
                let end = client.request::<Value, _>("nitro_waitObjective", params(&wait)).await;
                if end.is_ok() {
                    return end;
                }
            }
        }));
    }
    let full = async {
        while small.refused("nitro_waitObjective", wait(0)).await.code != 3_006 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, full).await.expect("no more calls wait");
    let open = json!({"peer": Address::repeat_byte(8).to_string(), "amount": "1", "wait": true});
    assert_eq!(small.refused("nitro_openLedger", open).await.reason, "too_many_waiting");
    assert_eq!(small.ok("nitro_status", json!({})).await["objectives"], 1);
    waiting.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_an_id_that_cannot_be_read_is_answered_and_not_done() {
    let network = Network::start().await;
    let node = network.node(1, &[]).await;
    let served = Served::start(node.handle()).await;
    let mut socket = TcpStream::connect(served.address()).await.unwrap();
    let headers = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    socket.write_all(upgrade(&headers).as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    assert!(socket.read(&mut answer).await.unwrap() > 0);
    for id in ["-1", "1.5", "18446744073709551616", "1e3"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"nitro_version"}}"#);
        let whole = r#"{"jsonrpc":"2.0","id":7,"method":"nitro_version"}"#;
        let single = call(served.address(), &body).await;
        let batch = call(served.address(), &format!("[{body},{whole}]")).await;
        assert!(batch.contains(r#""id":7,"result""#), "{batch}");
        socket.write_all(&text_frame(&body)).await.unwrap();
        let mut over_socket = String::new();
        while !over_socket.contains("}}") {
            let read = timeout(LIMIT, socket.read(&mut answer)).await;
            let size = read.expect("it is answered").unwrap();
            assert!(size > 0, "the connection has ended: {over_socket}");
            over_socket.push_str(&String::from_utf8_lossy(&answer[..size]));
        }
        for answer in [single, batch, over_socket] {
            for part in [r#""id":null"#, "-32600", "id: must be a string", r#""field":"id""#] {
                assert!(answer.contains(part), "{id}: {answer}");
            }
        }
    }
    // The largest and the least, and texts, come back as they are.
    for id in ["0", "18446744073709551615", "\"-1\"", "null"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"nitro_version"}}"#);
        let answer = call(served.address(), &body).await;
        assert!(answer.contains(&format!(r#""id":{id},"result""#)), "{answer}");
    }
}
