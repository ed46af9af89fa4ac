//! The follower of a ledger countersigns the leader's proposal, keeps its signature to itself and
//! shows the state on chain. The leader learns the state from the log and leaves with it.

use anyhow::{Context, Result, bail};
use engine::ledger::Ledger;
use engine::payment::PaymentChannel;
use engine::types::{B256, ChannelId};
use engine::wire::{self, Message, Seal};
use p2p::{Event, P2p, P2pConfig};
use tokio_util::sync::CancellationToken;

use super::Ground;
use crate::calls;
use crate::party::Party;
use crate::step;
use crate::villain::Villain;

const SCENE: &str = "hostage";

pub(super) async fn play(ground: &Ground<'_>) -> Result<()> {
    ground.title("Held hostage by a checkpoint");
    let court = ground.court;
    let irene = ground.node(SCENE, "irene", None, &[]).await?;
    let frank = ground.node(SCENE, "frank", Some(&irene), &[]).await?;
    let purses = [irene.purse(), frank.purse()];
    let books = ground.books(&purses).await?;
    step("Irene opens a ledger with Frank, who ends his node and speaks with his key alone");
    let ledger = irene.open_ledger(&frank, ground.deposit())?;
    let id: ChannelId = ledger.parse()?;
    // What he speaks for is what his node has seen, which may be a moment behind hers.
    court
        .until("Frank's ledger does not open", async || {
            Ok((frank.ledger(&ledger)?["status"] == "open").then_some(()))
        })
        .await?;
    let speaker = Villain::of(&frank, court)?;

    step("Irene opens a payment channel; Frank countersigns its guarantee, and does not say so");
    let signed = tokio::select! {
        signed = countersign(ground, [&irene, &frank], &speaker, id) => signed?,
        () = tokio::time::sleep(std::time::Duration::from_secs(60)) => bail!("no proposal comes"),
    };
    let state = signed.supported().context("both have signed it")?;
    let data = calls::checkpoint(&signed.fixed, &state)?;
    speaker.hand.attempt("checkpoints the proposed state", data).await?;
    court
        .until("Irene does not learn the state", async || {
            Ok((irene.ledger(&ledger)?["turn"] == state.state.turn.0).then_some(()))
        })
        .await?;
    println!("  irene has learned turn {} from the log", state.state.turn);

    step("Irene leaves");
    irene.exit_ledger(&ledger)?;
    court.until_turn(id.0, state.state.turn.0).await?;
    for target in signed.agreed.guarantees.keys() {
        let target: B256 = target.0;
        court.until_turn(target, 0).await?;
    }
    court.run_out().await?;
    irene.wait_out(&ledger)?;
    ground.reckon(&books, &purses, &[0, 0]).await
}

/// Takes Frank's place in the network, joins the channel that Irene asks for, and keeps the
/// signature on her proposal. Returns the ledger as Frank alone knows it.
async fn countersign(
    ground: &Ground<'_>,
    [irene, party]: [&Party; 2],
    frank: &Villain<'_>,
    id: ChannelId,
) -> Result<Ledger> {
    let shutdown = CancellationToken::new();
    let _ended = shutdown.clone().drop_guard();
    let config = P2pConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        boot_peers: vec![irene.peer_address.parse()?],
        ..P2pConfig::default()
    };
    let (network, mut events, _) = P2p::start(config, frank.key, shutdown).await?;
    irene.begin_channel(party, ground.capacity())?;
    let mut ledger = frank.ledger(id)?.clone();
    while let Some(event) = events.recv().await {
        let Event::Frame { from, token, messages } = event else { continue };
        network.ack(token)?;
        for message in messages {
            match wire::open(from, &message)?.message {
                Message::OpenPayment { fixed, asset, capacity, payer, seal: _ } => {
                    let channel = PaymentChannel::new(fixed.clone(), asset, capacity, 1);
                    let seal = Seal::sign(channel.prefund_hash(), &frank.signer);
                    let joined = Message::OpenPayment { fixed, asset, capacity, payer, seal };
                    network.send(from, 1, wire::encode(&joined))?;
                }
                Message::Propose { turn, change, seal, .. } => {
                    ledger
                        .countersign(turn, &change, seal.hash, seal.signature, &frank.signer)
                        .context("the proposal is fine")?;
                    println!("  frank has signed turn {turn}, and says nothing");
                    return Ok(ledger);
                }
                _ => {}
            }
        }
    }
    bail!("the network has ended")
}
