//! The methods, thin: read the parameters, ask the node, convert the answer.

mod accounts;
mod channels;
mod ledgers;
mod network;
mod objectives;
mod payments;
mod status;
mod towers;

use std::future::Future;
use std::sync::Arc;

use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::objectives::{Objective, ObjectiveStatus};
use engine::step::ArchivedChannel;
use engine::types::{Amount, ChannelId, ObjectiveId};
use jsonrpsee::server::{RegisterMethodError, RpcModule};
use serde::Serialize;
use tokio::sync::SemaphorePermit;

use super::Api;
use super::convert::status_word;
use super::error::{INTERNAL, Refusal};
use super::fields::{Fields, Wait};
use super::types::{ObjectiveInfo, StartedInfo};
use crate::amount::AmountText;
use crate::handle::{CallError, WaitError};

/// How often an id that is taken is drawn again; once is already a rarity.
const ID_DRAWS: u32 = 8;

pub(super) fn register(module: &mut RpcModule<Api>) -> Result<(), RegisterMethodError> {
    method(module, "nitro_status", status::status)?;
    method(module, "nitro_version", status::version)?;
    method(module, "nitro_address", status::address)?;
    method(module, "nitro_balance", status::balance)?;
    method(module, "nitro_stop", status::stop)?;
    method(module, "nitro_debts", accounts::debts)?;
    method(module, "nitro_send", accounts::send)?;
    method(module, "nitro_claim", accounts::claim)?;
    method(module, "nitro_sendings", accounts::list)?;
    method(module, "nitro_sending", accounts::show)?;
    method(module, "nitro_cancelSending", accounts::take_back)?;
    method(module, "nitro_ledgers", ledgers::list)?;
    method(module, "nitro_ledger", ledgers::show)?;
    method(module, "nitro_openLedger", ledgers::open)?;
    method(module, "nitro_closeLedger", ledgers::close)?;
    method(module, "nitro_exitLedger", ledgers::exit)?;
    method(module, "nitro_channels", channels::list)?;
    method(module, "nitro_channel", channels::show)?;
    method(module, "nitro_openChannel", channels::open)?;
    method(module, "nitro_closeChannel", channels::close)?;
    method(module, "nitro_exitChannel", channels::exit)?;
    method(module, "nitro_pay", payments::pay)?;
    method(module, "nitro_createVoucher", payments::create_voucher)?;
    method(module, "nitro_receiveVoucher", payments::receive_voucher)?;
    method(module, "nitro_objectives", objectives::list)?;
    method(module, "nitro_objective", objectives::show)?;
    method(module, "nitro_waitObjective", objectives::wait)?;
    method(module, "nitro_cancelObjective", objectives::cancel)?;
    method(module, "nitro_peers", network::peers)?;
    method(module, "nitro_addPeer", network::add_peer)?;
    method(module, "nitro_resolvePeer", network::resolve_peer)?;
    method(module, "nitro_listenAddresses", network::listen_addresses)?;
    method(module, "nitro_towers", towers::list)?;
    method(module, "nitro_addTower", towers::add)?;
    method(module, "nitro_removeTower", towers::remove)?;
    method(module, "nitro_guarded", towers::guarded)
}

fn method<R, F, Fut>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    call: F,
) -> Result<(), RegisterMethodError>
where
    R: Serialize + Clone + 'static,
    F: Fn(Arc<Api>, Fields) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Refusal>> + Send,
{
    let serve = move |params: jsonrpsee::types::Params<'static>, api: Arc<Api>, _| async move {
        call(api, Fields::read(&params)?).await
    };
    module.register_async_method(name, serve)?;
    Ok(())
}

impl Api {
    /// Asks the engine; a refusal says more where the history knows more.
    async fn ask(&self, request: Request) -> Result<Response, Refusal> {
        self.node.request(request).await.map_err(|error| self.explain_call(error))
    }

    fn explain_call(&self, error: CallError) -> Refusal {
        match error {
            CallError::Refused(error) => self.explain(error),
            CallError::Stopped => Refusal::stopping(),
            CallError::Unknown => Refusal::outcome_unknown(),
            CallError::Undelivered => Refusal::undelivered(None),
            CallError::Uncredited(error) => Refusal::uncredited(error),
        }
    }

    /// What is unknown to the engine may be closed: that is another mistake.
    fn explain(&self, error: RequestError) -> Refusal {
        let archived = |id| self.node.archive().archived_channel(id).ok().flatten();
        match error {
            RequestError::UnknownLedger(id) => match archived(id) {
                Some(ArchivedChannel::Ledger(_)) => Refusal::already_closed("ledger", id),
                Some(ArchivedChannel::Payment(..)) | None => error.into(),
            },
            RequestError::UnknownPayment(id) => match archived(id) {
                Some(ArchivedChannel::Payment(..)) => Refusal::already_closed("channel", id),
                Some(ArchivedChannel::Ledger(_)) | None => error.into(),
            },
            RequestError::UnknownObjective(id) => {
                match self.node.archive().archived_objective(id).ok().flatten() {
                    Some(objective) => Refusal::already_ended(id, status_word(&objective)),
                    None => error.into(),
                }
            }
            other => other.into(),
        }
    }

    /// Wei per gas at present; none while the chain has not been heard.
    pub(crate) fn gas_price(&self) -> Option<Amount> {
        self.node.chain().gas().map(|report| report.price_per_gas)
    }

    /// Begins an objective, and waits for its end when that is asked for.
    async fn begin(&self, request: Request, wait: Wait) -> Result<StartedInfo, Refusal> {
        // Before anything is begun: a refusal changes nothing.
        let _place = self.place_to_wait(wait)?;
        let Response::Started(id) = self.ask(request).await? else { return Err(unexpected()) };
        let result = if wait.wait { Some(self.follow(id, wait).await?) } else { None };
        Ok(StartedInfo { objective: id.to_string(), channel: id.channel(), result })
    }

    /// Opens a channel under a random id; draws again when the id is taken.
    async fn open(
        &self,
        wait: Wait,
        request: impl Fn(u32) -> Request,
    ) -> Result<StartedInfo, Refusal> {
        for _ in 1..ID_DRAWS {
            match self.begin(request(rand::random()), wait).await {
                Err(refusal) if refusal.data.reason == "channel_id_taken" => {}
                other => return other,
            }
        }
        self.begin(request(rand::random()), wait).await
    }

    /// A place among the calls that wait, for those that do.
    fn place_to_wait(&self, wait: Wait) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        if !wait.wait {
            return Ok(None);
        }
        self.waiting.try_acquire().map(Some).map_err(|_| Refusal::too_many_waiting())
    }

    async fn wait(&self, id: ObjectiveId, wait: Wait) -> Result<ObjectiveInfo, Refusal> {
        let _place = self.place_to_wait(wait)?;
        self.follow(id, wait).await
    }

    /// An objective, with what of its payout is owed still.
    async fn objective_info(&self, objective: &Objective) -> Result<ObjectiveInfo, Refusal> {
        let mut info = ObjectiveInfo::from(objective);
        if objective.status == ObjectiveStatus::Completed {
            let Response::Debts(debts) = self.ask(Request::ListDebts).await? else {
                return Err(unexpected());
            };
            let channel = objective.id.channel();
            let owed = debts.iter().find_map(|debt| debt.channels.get(&channel));
            info.owed = owed.map(|amount| AmountText(*amount));
        }
        Ok(info)
    }

    async fn follow(&self, id: ObjectiveId, wait: Wait) -> Result<ObjectiveInfo, Refusal> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(Refusal::interrupted(id)),
            end = self.node.wait_objective(id, wait.timeout) => match end {
                Ok(objective) => self.objective_info(&objective).await,
                Err(WaitError::Stopped) => Err(Refusal::interrupted(id)),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// The engine answered something else than it was asked, which no caller can cause.
fn unexpected() -> Refusal {
    Refusal::new(INTERNAL, "internal", "the engine gave another kind of answer")
}

/// The parameters of a list: what runs, or a page of what is closed.
struct Listing {
    closed: bool,
    after: Option<ChannelId>,
    limit: usize,
}

impl Listing {
    /// Entries of a page unless the call says otherwise.
    const DEFAULT_LIMIT: u64 = 100;
    /// Largest page.
    const MAX_LIMIT: u64 = 1_000;

    fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let closed = fields.flag("closed")?;
        let after = fields.optional_channel("after")?;
        let limit =
            fields.optional_number("limit", Self::MAX_LIMIT)?.unwrap_or(Self::DEFAULT_LIMIT);
        if !closed && after.is_some() {
            let message = "only closed channels are listed in pages; add closed: true";
            return Err(Refusal::param("after", "not_closed", message));
        }
        Ok(Self { closed, after, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }

    /// The page of archived channels that `pick` keeps.
    fn page<T>(
        &self,
        api: &Api,
        pick: impl Fn(&ArchivedChannel) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        const ROWS: usize = 256;
        let (mut found, mut after) = (Vec::new(), self.after);
        loop {
            let rows = api.node.archive().archived_channels(after, ROWS)?;
            for (_, row) in &rows {
                if found.len() == self.limit {
                    return Ok(found);
                }
                found.extend(pick(row));
            }
            match rows.last() {
                Some((id, _)) if rows.len() == ROWS => after = Some(*id),
                _ => return Ok(found),
            }
        }
    }
}
