//! Tells subscribers what changes, each from a bounded buffer of its own.
//!
//! The node never waits for a subscriber (gap T3): whoever is too slow misses changes, is told how
//! many, and is dropped when its connection takes nothing for a while.

use std::sync::Arc;
use std::time::Duration;

use engine::effect::Update;
use engine::types::{Amount, ChannelId, ObjectiveId};
use jsonrpsee::core::to_json_raw_value;
use jsonrpsee::server::{
    PendingSubscriptionSink, RegisterMethodError, RpcModule, SubscriptionMessage, SubscriptionSink,
};
use jsonrpsee::types::Params;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Api;
use super::error::Refusal;
use super::fields::Fields;
use super::types::{ChannelInfo, LedgerInfo, Notice, ObjectiveInfo};
use crate::address::asset_text;
use crate::amount::AmountText;

/// A connection that takes nothing for this long is as good as gone.
const SEND_LIMIT: Duration = Duration::from_secs(120);

pub(super) fn register(module: &mut RpcModule<Api>) -> Result<(), RegisterMethodError> {
    subscription(
        module,
        ["nitro_subscribeObjectives", "nitro_objectiveChanged", "nitro_unsubscribeObjectives"],
        |fields| Ok(Topic::Objectives(fields.optional_objective()?)),
    )?;
    subscription(
        module,
        ["nitro_subscribeLedgers", "nitro_ledgerChanged", "nitro_unsubscribeLedgers"],
        |fields| Ok(Topic::Ledgers(fields.optional_channel("ledger")?)),
    )?;
    subscription(
        module,
        ["nitro_subscribePayments", "nitro_paymentMade", "nitro_unsubscribePayments"],
        |fields| Ok(Topic::Payments(fields.optional_channel("channel")?)),
    )
}

/// What a subscriber wants to hear of: everything of a kind, or one thing.
#[derive(Clone, Copy, Debug)]
enum Topic {
    Objectives(Option<ObjectiveId>),
    Ledgers(Option<ChannelId>),
    Payments(Option<ChannelId>),
}

impl Topic {
    /// The notice for an update, if the topic covers it.
    fn notice(&self, update: &Update, price: Option<Amount>) -> Option<Notice> {
        let wanted = |wanted: &Option<ChannelId>, id: &ChannelId| wanted.is_none_or(|w| w == *id);
        match (self, update) {
            (Self::Objectives(id), Update::Objective(objective)) => {
                let wanted = id.is_none_or(|id| id == objective.id);
                wanted.then(|| Notice::Objective(ObjectiveInfo::from(objective)))
            }
            (Self::Objectives(id), Update::Refused { channel, reason }) => {
                let wanted = id.is_none_or(|id| id.channel() == *channel);
                wanted.then(|| Notice::Refused { channel: *channel, reason: reason.clone() })
            }
            (Self::Objectives(Some(id)), Update::Debt(debt)) => {
                debt.channels.get(&id.channel()).map(|amount| Notice::Owed {
                    channel: id.channel(),
                    asset: asset_text(debt.asset),
                    amount: AmountText(*amount),
                })
            }
            (Self::Ledgers(id), Update::Debt(debt)) => {
                let mut of = debt.channels.iter().filter(|(channel, _)| wanted(id, channel));
                of.next_back().map(|(channel, amount)| Notice::Owed {
                    channel: *channel,
                    asset: asset_text(debt.asset),
                    amount: AmountText(*amount),
                })
            }
            (Self::Ledgers(id), Update::Ledger(view)) => {
                wanted(id, &view.id).then(|| Notice::Ledger(LedgerInfo::new(view, price)))
            }
            (Self::Ledgers(id), Update::Challenged { channel, finalizes_at }) => {
                let notice =
                    || Notice::Challenged { channel: *channel, finalizes_at: *finalizes_at };
                wanted(id, channel).then(notice)
            }
            // An update does not say what kind of channel it is about: whoever listens to all
            // hears it once, with the ledgers.
            (Self::Payments(Some(id)), Update::Challenged { channel, finalizes_at }) => {
                let notice =
                    || Notice::Challenged { channel: *channel, finalizes_at: *finalizes_at };
                (id == channel).then(notice)
            }
            (Self::Ledgers(id), Update::LeftBehind { channel, holdings }) => wanted(id, channel)
                .then_some(Notice::LeftBehind {
                    channel: *channel,
                    holdings: AmountText(*holdings),
                }),
            (Self::Payments(id), Update::Payment(view)) => {
                wanted(id, &view.id).then(|| Notice::Channel(ChannelInfo::new(view, price)))
            }
            (Self::Payments(id), Update::Paid { channel, total, delta }) => wanted(id, channel)
                .then_some(Notice::Paid {
                    channel: *channel,
                    total: AmountText(*total),
                    delta: AmountText(*delta),
                }),
            (Self::Payments(id), Update::Surpassed { channel, remembered, total, proven }) => {
                wanted(id, channel).then_some(Notice::Surpassed {
                    channel: *channel,
                    remembered: AmountText(*remembered),
                    total: AmountText(*total),
                    proven: *proven,
                })
            }
            (Self::Payments(id), Update::Received { channel, total, delta }) => wanted(id, channel)
                .then_some(Notice::Received {
                    channel: *channel,
                    total: AmountText(*total),
                    delta: AmountText(*delta),
                }),
            (Self::Objectives(_) | Self::Ledgers(_) | Self::Payments(_), _) => None,
        }
    }
}

fn subscription(
    module: &mut RpcModule<Api>,
    [subscribe, notification, unsubscribe]: [&'static str; 3],
    topic: fn(&mut Fields) -> Result<Topic, Refusal>,
) -> Result<(), RegisterMethodError> {
    let serve =
        move |params: Params<'static>, pending: PendingSubscriptionSink, api: Arc<Api>, _| {
            async move {
                let read = || {
                    let mut fields = Fields::read(&params)?;
                    let topic = topic(&mut fields)?;
                    fields.finish()?;
                    Ok(topic)
                };
                let topic = match read() {
                    Ok(topic) => topic,
                    Err(refusal) => {
                        let refusal: Refusal = refusal;
                        return pending.reject(refusal).await;
                    }
                };
                // Listening before accepting: nothing is missed that happens after the answer.
                let updates = api.node.updates();
                if let Ok(sink) = pending.accept().await {
                    forward(&api, topic, updates, sink).await;
                }
            }
        };
    module.register_subscription(subscribe, notification, unsubscribe, serve)?;
    Ok(())
}

async fn forward(api: &Api, topic: Topic, mut updates: Receiver<Update>, sink: SubscriptionSink) {
    loop {
        let update = tokio::select! {
            biased;
            () = api.closing.cancelled() => return,
            () = sink.closed() => return,
            update = updates.recv() => update,
        };
        let notice = match update {
            Ok(update) => topic.notice(&update, api.gas_price()),
            Err(RecvError::Lagged(missed)) => Some(Notice::Lagged { missed }),
            Err(RecvError::Closed) => return,
        };
        let Some(notice) = notice else { continue };
        let Ok(message) = to_json_raw_value(&notice) else { return };
        if sink.send_timeout(SubscriptionMessage::from(message), SEND_LIMIT).await.is_err() {
            return;
        }
    }
}
