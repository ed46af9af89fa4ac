//! Sends on what the adjudicator pays to the channel account, where its owner wants it elsewhere.
//!
//! Nothing of the protocol changes: outcomes name the channel account, whose key nobody else has, and
//! what has arrived there is sent on by an ordinary transfer, which it pays for itself.

use std::time::Duration;

use engine::chain::Account;
use engine::effect::{Response, Update};
use engine::input::Request;
use engine::sending::Order;
use engine::types::{Address, Amount, Asset, B256};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, info};

use crate::handle::NodeHandle;
use crate::orders::Wish;

/// What nobody tells of, such as coin from elsewhere, is noticed within that time.
const EVERY: Duration = Duration::from_secs(1_800);

/// The fee is at most this part of what is sent on; of the account's coin where that is a token.
const SHARE: u64 = 100;

/// Runs until the node stops.
pub(crate) async fn run(handle: NodeHandle, to: Address) {
    let mut updates = handle.updates();
    let stop = handle.stop.clone();
    let work = async {
        loop {
            // Tokens first: they are paid for by the coin, which is sent on once none of them is left.
            let mut is_coin_free = true;
            for asset in handle.policy().assets().into_iter().rev() {
                if is_coin_free || !asset.is_native() {
                    is_coin_free &= !send_on(&handle, asset, to).await;
                }
            }
            if tokio::time::timeout(EVERY, paid(&mut updates)).await.is_ok_and(|open| !open) {
                return;
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Waits until the channel account may have been paid; false when nobody tells any more.
async fn paid(updates: &mut Receiver<Update>) -> bool {
    loop {
        match updates.recv().await {
            Ok(Update::Ledger(view)) if view.phase.is_none() => return true,
            Ok(Update::Debt(debt)) if debt.owed.is_zero() => return true,
            // How a transfer of its own ends is no reason to try again: what is refused today would be
            // refused without a pause.
            Err(RecvError::Lagged(_)) => return true,
            Ok(_) => {}
            Err(RecvError::Closed) => return false,
        }
    }
}

/// Sends all of an asset on, should it be worth the fee; true when it does.
async fn send_on(handle: &NodeHandle, asset: Asset, to: Address) -> bool {
    // Fresh every time: what is on its way is known to the engine, and not sent twice.
    let key = B256::from(rand::random::<[u8; 32]>());
    let wish = Wish { key, from: Account::Channel, asset, to, amount: None, force: false };
    let stays = |error: &dyn std::fmt::Display| {
        debug!(%asset, %error, "what was paid out stays where it is for now");
        false
    };
    let order = match handle.order(wish).await {
        Ok(quote) if quote.is_refused => return stays(&"the token or the payee refuses"),
        Ok(quote) => quote.order,
        Err(error) => return stays(&error),
    };
    if !is_worth(handle, &order) {
        return false;
    }
    match handle.request(Request::Send(Box::new(order))).await {
        Ok(Response::Sending(key, _)) => {
            info!(%key, %asset, %to, "sending on what was paid out");
            true
        }
        Ok(_) => false,
        Err(error) => stays(&error),
    }
}

fn is_worth(handle: &NodeHandle, order: &Order) -> bool {
    let policy = handle.policy();
    if policy.is_dust(order.asset, order.balance) || order.coin < order.fee {
        return false;
    }
    // What a token is worth is what the policy says of dust; its fee must leave coin for others.
    let measure = if order.asset.is_native() { order.balance } else { order.coin };
    order.balance > Amount::ZERO && order.fee.saturating_mul(SHARE) <= measure
}
