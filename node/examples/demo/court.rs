//! The adjudicator, what its logs tell everybody, and the clock of its chain.

use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use anyhow::{Context, Result};
use chain::bindings::{NitroAdjudicator, supported_state};
use chain::testing::Anvil;
use engine::state::SupportedState;
use engine::types::Address;
use serde_json::{Value, json};

/// Seconds of the chain to answer a challenge, as nodes are configured by themselves. The chain's
/// clock is moved; nobody waits that long.
pub(crate) const CHALLENGE: u64 = 86_400;
/// No step takes that long unless something hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the chain is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Time between blocks where they come by themselves.
const BLOCK: Duration = Duration::from_millis(500);

/// The adjudicator and the clock of its chain.
pub(crate) struct Court<'a> {
    pub(crate) chain: &'a Anvil,
    pub(crate) adjudicator: Address,
}

/// Blocks come until this is dropped.
pub(crate) struct Mining(tokio::task::JoinHandle<()>);

impl Drop for Mining {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the newest challenge of a channel has told everybody.
pub(crate) struct Shown {
    pub(crate) proof: Vec<SupportedState>,
    pub(crate) candidate: SupportedState,
}

impl Court<'_> {
    /// Turn and end of what is registered for a channel.
    pub(crate) async fn status(&self, channel: B256) -> Result<(u64, u64)> {
        let adjudicator = NitroAdjudicator::new(self.adjudicator, &self.chain.rpc);
        let status = adjudicator.unpackStatus(channel).call().await?;
        Ok((status.turnNumRecord.to(), status.finalizesAt.to()))
    }

    /// Waits until a challenge with at least that turn runs for a channel.
    pub(crate) async fn until_turn(&self, channel: B256, turn: u64) -> Result<()> {
        self.until("nobody challenges", async || {
            let (registered, finalizes_at) = self.status(channel).await?;
            Ok((registered >= turn && finalizes_at > 0).then_some(()))
        })
        .await
    }

    /// Looks again and again until there is something.
    pub(crate) async fn until<T>(
        &self,
        otherwise: &'static str,
        look: impl AsyncFn() -> Result<Option<T>>,
    ) -> Result<T> {
        let mut looks = tokio::time::interval(LOOK);
        let found = async {
            loop {
                looks.tick().await;
                if let Some(found) = look().await? {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(LIMIT, found).await.context(otherwise)?
    }

    /// What the adjudicator holds for a channel.
    pub(crate) async fn held(&self, asset: Address, channel: B256) -> Result<u128> {
        let adjudicator = NitroAdjudicator::new(self.adjudicator, &self.chain.rpc);
        Ok(u128::try_from(adjudicator.holdings(asset, channel).call().await?)?)
    }

    /// What the newest challenge of a channel has shown, which anybody can read.
    pub(crate) async fn shown(&self, channel: B256) -> Result<Shown> {
        let filter = Filter::new()
            .address(self.adjudicator)
            .event_signature(NitroAdjudicator::ChallengeRegistered::SIGNATURE_HASH)
            .topic1(channel)
            .from_block(0);
        let logs = self.chain.rpc.get_logs(&filter).await?;
        let log = logs.last().context("nobody has challenged it")?;
        let event = NitroAdjudicator::ChallengeRegistered::decode_log(&log.inner)?.data;
        Ok(Shown {
            proof: event.proof.into_iter().map(supported_state).collect(),
            candidate: supported_state(event.candidate),
        })
    }

    /// Moves the chain's clock until every challenge has run out.
    pub(crate) async fn run_out(&self) -> Result<()> {
        self.skip().await?;
        self.mine().await
    }

    /// The next block will come when every challenge has run out; what is sent first is in it.
    pub(crate) async fn skip(&self) -> Result<()> {
        self.ask("evm_increaseTime", json!([CHALLENGE])).await?;
        println!("  the chain's clock moves on by {CHALLENGE} s");
        Ok(())
    }

    pub(crate) async fn mine(&self) -> Result<()> {
        self.ask("anvil_mine", json!(["0x1"])).await.map(drop)
    }

    /// Lets blocks come by themselves until the answer is dropped, as they do on any chain but a
    /// quiet development chain: a call that was refused is made again when the chain has moved.
    pub(crate) fn keep_mining(&self) -> Mining {
        let rpc = self.chain.rpc.clone();
        Mining(tokio::spawn(async move {
            let mut blocks = tokio::time::interval(BLOCK);
            loop {
                blocks.tick().await;
                let mined: Result<Value, _> =
                    rpc.raw_request("anvil_mine".into(), json!(["0x1"])).await;
                if mined.is_err() {
                    return;
                }
            }
        }))
    }

    /// Whether each transaction gets a block of its own at once.
    pub(crate) async fn mine_at_once(&self, at_once: bool) -> Result<()> {
        self.ask("evm_setAutomine", json!([at_once])).await.map(drop)
    }

    pub(crate) async fn ask(&self, method: &'static str, params: Value) -> Result<Value> {
        Ok(self.chain.rpc.raw_request(method.into(), params).await?)
    }
}
