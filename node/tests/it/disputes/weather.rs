//! A stale challenge, and an answer over the only endpoint of the node, which fails in one of the
//! ways of ordinary endpoints: the answer is given under each of them. How long it takes is told by
//!
//! ```sh
//! cargo test -p node --test it -- --ignored --nocapture disputes::weather
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use chain::testing::{Chance, Limit, Meddler, Meddling, lagging, limited, refusing};
use engine::types::TurnNumber;
use serde_json::{Value, json};

use super::cheater::{Records, opening};
use super::scene::{Coin, Scene};
use crate::support::{Network, account};

/// Blocks of the chain, in seconds.
const BLOCK: u64 = 1;
/// Blocks on top of a block before the node believes it.
const CONFIRMATIONS: u64 = 2;
/// The cheat's node and the one that must answer.
const CHEAT: usize = 0;
const HONEST: usize = 1;
/// Deeper than what the node believes.
const DEEP: u64 = 12;
/// The answer comes within this time unless it never comes.
const LIMIT: Duration = Duration::from_secs(170);
/// What the table aims at.
const AIM: Duration = Duration::from_secs(30);
/// How often the table measures each answer.
const ROUNDS: u32 = 3;

/// How the endpoint, or the chain behind it, fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Status429,
    Status503,
    RateLimitInJson,
    LostAnswers,
    SlowAnswers,
    Lag,
    Nulls,
    LostLogs,
    LostReceipts,
    FalseReceipts,
    WrongChainId,
    TwoASecond,
    DeepReorganisation,
    ForeignTransactions,
}

/// What the endpoint does with a request.
type Rule = Box<dyn FnMut(&str, &Value) -> Meddling + Send>;

impl Fault {
    const ALL: [Self; 15] = [
        Self::None,
        Self::Status429,
        Self::Status503,
        Self::RateLimitInJson,
        Self::LostAnswers,
        Self::SlowAnswers,
        Self::Lag,
        Self::Nulls,
        Self::LostLogs,
        Self::LostReceipts,
        Self::FalseReceipts,
        Self::WrongChainId,
        Self::TwoASecond,
        Self::DeepReorganisation,
        Self::ForeignTransactions,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Status429 => "30 % answered 429",
            Self::Status503 => "30 % answered 503",
            Self::RateLimitInJson => "30 % answered with a rate limit in JSON",
            Self::LostAnswers => "30 % of answers lost with their connection",
            Self::SlowAnswers => "30 % of answers take 4 s",
            Self::Lag => "half of all answers from a node up to 4 blocks behind",
            Self::Nulls => "30 % of blocks, receipts and transactions are null",
            Self::LostLogs => "30 % of answers without their logs",
            Self::LostReceipts => "half of all receipts lost",
            Self::FalseReceipts => "30 % of receipts false, the first transaction lost",
            Self::WrongChainId => "every third chain id wrong, 30 % answered 503",
            Self::TwoASecond => "2 requests a second",
            Self::DeepReorganisation => "12 blocks replaced just before",
            Self::ForeignTransactions => "others send from the account all the time",
        }
    }

    /// What the endpoint does. `block` is one of the chain, for lies.
    fn rule(self, block: &Value) -> Rule {
        let mut chance = Chance::new(7);
        let busy = |status| move || Meddling::Fail { status, retry_after: None, body: "later" };
        match self {
            Self::None | Self::DeepReorganisation | Self::ForeignTransactions => {
                Box::new(|_, _| Meddling::Pass)
            }
            Self::Status429 => Box::new(refusing(30, busy(429))),
            Self::Status503 => Box::new(refusing(30, busy(503))),
            Self::RateLimitInJson => Box::new(refusing(30, || {
                Meddling::Refuse("daily request count exceeded, request rate limited")
            })),
            Self::LostAnswers => Box::new(refusing(30, || Meddling::LoseAnswer)),
            Self::SlowAnswers => Box::new(refusing(30, || Meddling::Delay(Duration::from_secs(4)))),
            Self::Lag => Box::new(lagging(50, 4)),
            Self::Nulls => Box::new(move |method, _| {
                let may_be_null = matches!(
                    method,
                    "eth_getBlockByNumber"
                        | "eth_getTransactionReceipt"
                        | "eth_getTransactionByHash"
                );
                if may_be_null && chance.strikes(30) {
                    return Meddling::Answer(Value::Null);
                }
                Meddling::Pass
            }),
            Self::LostLogs => Box::new(move |method, _| {
                if method == "eth_getLogs" && chance.strikes(30) {
                    return Meddling::Answer(json!([]));
                }
                Meddling::Pass
            }),
            Self::LostReceipts => Box::new(move |method, _| {
                if method == "eth_getTransactionReceipt" && chance.strikes(50) {
                    return Meddling::Answer(Value::Null);
                }
                Meddling::Pass
            }),
            Self::FalseReceipts => {
                let (number, hash) = (block["number"].clone(), block["hash"].clone());
                let mut swallowed = false;
                Box::new(move |method, params| match method {
                    "eth_sendRawTransaction" if !swallowed => {
                        swallowed = true;
                        Meddling::Answer(json!(format!("0x{}", "00".repeat(32))))
                    }
                    "eth_getTransactionReceipt" if chance.strikes(30) => {
                        Meddling::Answer(receipt(&params[0], &number, &hash))
                    }
                    _ => Meddling::Pass,
                })
            }
            Self::WrongChainId => {
                let mut asked = 0;
                let mut fail = refusing(30, busy(503));
                Box::new(move |method, params| {
                    asked += u64::from(method == "eth_chainId");
                    if method == "eth_chainId" && asked % 3 == 0 {
                        return Meddling::Answer(json!("0x1"));
                    }
                    fail(method, params)
                })
            }
            Self::TwoASecond => Box::new(limited(Limit(2))),
        }
    }
}

/// A receipt for a transaction that is not in that block.
fn receipt(transaction: &Value, number: &Value, hash: &Value) -> Value {
    json!({
        "transactionHash": transaction, "transactionIndex": "0x0", "blockHash": hash,
        "blockNumber": number, "from": format!("0x{}", "11".repeat(20)),
        "to": format!("0x{}", "22".repeat(20)), "cumulativeGasUsed": "0x1", "gasUsed": "0x1",
        "contractAddress": null, "logs": [], "logsBloom": format!("0x{}", "0".repeat(512)),
        "status": "0x1", "effectiveGasPrice": "0x1", "type": "0x2",
    })
}

/// Has somebody who has the key of an account send coin from it until this is dropped.
struct Stranger(tokio::task::JoinHandle<()>);

impl Stranger {
    fn start(network: &Network, index: u8) -> Self {
        let rpc = network.anvil.rpc.clone();
        let transfer =
            TransactionRequest::default().from(account(index)).to(account(0)).value(U256::from(1));
        Self(tokio::spawn(async move {
            let mut pause = tokio::time::interval(Duration::from_millis(700));
            loop {
                pause.tick().await;
                // Where the node was faster with a nonce, the next one is tried.
                let _ = rpc.send_transaction(transfer.clone()).await;
            }
        }))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lets the node live with an endpoint that fails, cheats it, and awaits the answer. Answers how
/// long it took since the challenge was mined.
async fn answer_under(fault: Fault) -> Duration {
    let mut scene = Scene::start(Coin::Native, 2).await;
    let ledger = scene.paid_ledger(25).await;
    let newest = scene.nodes[HONEST].ledger(ledger).await.turn.0;
    scene.stop(CHEAT).await;
    let network = &scene.network;
    network.mine(2 * DEEP).await;
    network.set("evm_setAutomine", json!([false])).await;
    network.set("evm_setIntervalMining", json!([BLOCK])).await;
    let block: Value = network
        .anvil
        .rpc
        .raw_request("eth_getBlockByNumber".into(), json!(["latest", false]))
        .await
        .expect("the chain answers");

    let meddler = Meddler::start(network.anvil.rpc.clone(), fault.rule(&block)).await;
    let honest = &mut scene.nodes[HONEST];
    honest.settings.chain.endpoint = meddler.url();
    honest.settings.chain.confirmations = CONFIRMATIONS;
    honest.settings.chain.poll_interval = Duration::from_millis(1_000 * BLOCK / 3);
    honest.restart().await;
    let head = scene.network.head().await;
    scene.nodes[HONEST].until_block(head).await;

    let records = Records::of(&scene.nodes[CHEAT]);
    let record = records.ledger(ledger);
    let stale = scene.challenge(CHEAT, &record.fixed, opening(record, TurnNumber::POSTFUND));
    if fault == Fault::DeepReorganisation {
        scene.network.reorganise(DEEP).await;
    }
    let _stranger = (fault == Fault::ForeignTransactions)
        .then(|| Stranger::start(&scene.network, u8::try_from(HONEST + 1).expect("few nodes")));
    scene.register(CHEAT, &[stale]).await;
    let since = Instant::now();
    scene.until_turn_within(LIMIT, ledger, newest).await;
    since.elapsed()
}

/// The answer comes; how soon is not asked on a machine that others use too.
async fn an_answer_is_given_under(fault: Fault) {
    answer_under(fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_in_good_weather() {
    an_answer_is_given_under(Fault::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_three_of_ten_requests_are_answered_429() {
    an_answer_is_given_under(Fault::Status429).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_three_of_ten_requests_are_answered_503() {
    an_answer_is_given_under(Fault::Status503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_three_of_ten_requests_meet_a_rate_limit_in_json() {
    an_answer_is_given_under(Fault::RateLimitInJson).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_three_of_ten_answers_are_lost() {
    an_answer_is_given_under(Fault::LostAnswers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_answers_are_slow() {
    an_answer_is_given_under(Fault::SlowAnswers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_nodes_lag() {
    an_answer_is_given_under(Fault::Lag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_what_exists_is_null() {
    an_answer_is_given_under(Fault::Nulls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_logs_are_lost() {
    an_answer_is_given_under(Fault::LostLogs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_receipts_are_lost() {
    an_answer_is_given_under(Fault::LostReceipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_receipts_are_false() {
    an_answer_is_given_under(Fault::FalseReceipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_where_the_chain_id_is_wrong_now_and_then() {
    an_answer_is_given_under(Fault::WrongChainId).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_at_two_requests_a_second() {
    an_answer_is_given_under(Fault::TwoASecond).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_after_a_deep_reorganisation() {
    an_answer_is_given_under(Fault::DeepReorganisation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_beside_transactions_that_the_node_did_not_send() {
    an_answer_is_given_under(Fault::ForeignTransactions).await;
}

/// The table of docs/testing.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for some minutes, and prints"]
async fn how_long_answers_take() {
    println!("| the endpoint | median | longest | |\n| --- | ---: | ---: | --- |");
    for fault in Fault::ALL {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(answer_under(fault).await);
        }
        times.sort_unstable();
        let seconds = |index: usize| times[index].as_secs_f64();
        let (median, longest) = (seconds(times.len() / 2), seconds(times.len() - 1));
        let met = if longest <= AIM.as_secs_f64() { "met" } else { "missed" };
        println!("| {} | {median:.1} s | {longest:.1} s | {met} |", fault.name());
    }
}

/// Requests of a node with an open ledger and nothing to do, on a chain with blocks of twelve
/// seconds. An hour is extrapolated from ten minutes, once the node has found the chain's rhythm.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for ten minutes, and prints"]
async fn how_much_an_idle_node_asks() {
    const WINDOW: Duration = Duration::from_secs(600);
    const SETTLING: Duration = Duration::from_secs(120);
    let mut scene = Scene::start(Coin::Native, 2).await;
    scene.paid_ledger(25).await;
    let network = &scene.network;
    network.set("evm_setAutomine", json!([false])).await;
    network.set("evm_setIntervalMining", json!([12])).await;
    let asked = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let count = Arc::clone(&asked);
    let meddler = Meddler::start(network.anvil.rpc.clone(), move |method, _| {
        *count.lock().expect("nobody panics").entry(method.to_owned()).or_default() += 1;
        Meddling::Pass
    })
    .await;
    let honest = &mut scene.nodes[HONEST];
    honest.settings.chain.endpoint = meddler.url();
    honest.settings.chain.confirmations = chain::DEFAULT_CONFIRMATIONS;
    honest.settings.chain.poll_interval = chain::DEFAULT_POLL_INTERVAL;
    honest.restart().await;
    let head = scene.network.head().await;
    scene.nodes[HONEST].until_block(head).await;
    tokio::time::sleep(SETTLING).await;
    asked.lock().expect("nobody panics").clear();
    tokio::time::sleep(WINDOW).await;
    let asked = asked.lock().expect("nobody panics").clone();
    let hourly = asked.values().sum::<u64>() * 3_600 / WINDOW.as_secs();
    println!(
        "an idle node makes {hourly} requests in an hour, {} in a day: {asked:?}",
        hourly * 24
    );
}
