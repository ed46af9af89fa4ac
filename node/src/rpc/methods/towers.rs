//! Watchtowers: those of this node, and what it guards for others.

use std::sync::Arc;
use std::time::Duration;

use engine::effect::{Response, Update};
use engine::guard::{Terms, TowerRefusal};
use engine::input::Request;
use engine::types::Address;
use p2p::ResolveError;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Api, unexpected};
use crate::rpc::error::{PEER_NOT_FOUND, PEER_UNREACHABLE, Refusal, TOWER_REFUSED};
use crate::rpc::fields::Fields;
use crate::rpc::types::{GuardedInfo, TowerInfo};

/// How long a tower may take to say whether it serves: a few round trips and a synced commit.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn list(api: Arc<Api>, fields: Fields) -> Result<Vec<TowerInfo>, Refusal> {
    fields.finish()?;
    towers(&api, Request::ListTowers).await
}

/// Asks the tower whether it serves; it is added when it does, and otherwise nothing has changed.
pub(super) async fn add(api: Arc<Api>, mut fields: Fields) -> Result<TowerInfo, Refusal> {
    let tower = fields.address("tower")?;
    fields.finish()?;
    if tower != api.node.address() {
        locate(&api, tower).await?;
    }
    let known = towers(&api, Request::ListTowers).await?;
    let is_new = !known.iter().any(|known| known.tower.0 == tower);
    // Listening before asking: an answer in between is not missed.
    let mut updates = api.node.updates();
    towers(&api, Request::AddTower { tower }).await?;
    let answer = tokio::select! {
        biased;
        () = api.closing.cancelled() => return Err(Refusal::stopping()),
        answer = tokio::time::timeout(ANSWER_LIMIT, answer(&mut updates, tower)) => answer,
    };
    let refusal = match answer {
        Ok(Some(Ok(_))) => {
            let known = towers(&api, Request::ListTowers).await?;
            return known.into_iter().find(|known| known.tower.0 == tower).ok_or_else(unexpected);
        }
        Ok(Some(Err(reason))) => {
            Refusal::field(TOWER_REFUSED, "tower", "tower_refused", format!("{tower}: {reason}"))
        }
        Ok(None) => Refusal::stopping(),
        Err(_) => {
            let message = format!(
                "{tower} does not answer; see with `nitro peer list` whether it is connected, and \
                 try again when it runs"
            );
            Refusal::field(PEER_UNREACHABLE, "tower", "tower_silent", message)
        }
    };
    if is_new {
        // One that has refused is gone already.
        let _ = api.ask(Request::RemoveTower { tower }).await;
    }
    Err(refusal)
}

/// A tower whose place nobody knows cannot be asked.
async fn locate(api: &Api, tower: Address) -> Result<(), Refusal> {
    match api.node.p2p().resolve(tower).await {
        Ok(_) => Ok(()),
        Err(ResolveError::NotFound) => {
            let message = format!(
                "unknown tower {tower}: nobody knows where it is; add its network address first \
                 with `nitro peer add /ip4/192.0.2.1/tcp/3005/p2p/PEER_ID`"
            );
            Err(Refusal::field(PEER_NOT_FOUND, "tower", "unknown_tower", message))
        }
        Err(ResolveError::Stopped(_)) => Err(Refusal::stopping()),
    }
}

/// The tower's answer; none when the node stops.
async fn answer(
    updates: &mut Receiver<Update>,
    tower: Address,
) -> Option<Result<Terms, TowerRefusal>> {
    loop {
        match updates.recv().await {
            Ok(Update::Tower { tower: from, answer }) if from == tower => return Some(answer),
            // Who misses the answer is told that there was none, and may ask again.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

pub(super) async fn remove(api: Arc<Api>, mut fields: Fields) -> Result<TowerInfo, Refusal> {
    let tower = fields.address("tower")?;
    fields.finish()?;
    let removed = towers(&api, Request::RemoveTower { tower }).await?;
    removed.into_iter().next().ok_or_else(unexpected)
}

pub(super) async fn guarded(api: Arc<Api>, fields: Fields) -> Result<GuardedInfo, Refusal> {
    fields.finish()?;
    let count = api.node.guarded().await;
    let (clients, channels) = count.map_or((0, 0), |count| (count.clients, count.channels));
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Ok(GuardedInfo {
        serving: count.is_some(),
        clients: number(clients),
        channels: number(channels),
    })
}

async fn towers(api: &Api, request: Request) -> Result<Vec<TowerInfo>, Refusal> {
    match api.ask(request).await? {
        Response::Towers(views) => Ok(views.iter().map(TowerInfo::from).collect()),
        _ => Err(unexpected()),
    }
}
