//! Payments and vouchers.

use std::sync::Arc;

use engine::effect::Response;
use engine::input::Request;
use engine::vouchers::Voucher;

use super::{Api, unexpected};
use crate::amount::AmountText;
use crate::handle::CallError;
use crate::rpc::error::{Refusal, TIMED_OUT};
use crate::rpc::fields::Fields;
use crate::rpc::types::{PaidInfo, ReceivedInfo, VoucherInfo};

/// The hot path: one look at the parameters, one request, no look at the history unless refused.
pub(super) async fn pay(api: Arc<Api>, mut fields: Fields) -> Result<PaidInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let amount = fields.amount("amount")?;
    let wait = fields.wait()?;
    fields.finish()?;
    let payment = api.node.pay(channel, amount, wait.wait);
    let paid = if wait.wait {
        tokio::select! {
            biased;
            () = api.closing.cancelled() => return Err(Refusal::stopping()),
            paid = tokio::time::timeout(wait.timeout, payment) => paid.map_err(|_| undelivered())?,
        }
    } else {
        payment.await
    };
    let (voucher, remaining) = paid.map_err(|error| match error {
        CallError::Refused(error) => api.explain(error),
        CallError::Stopped => Refusal::stopping(),
    })?;
    Ok(PaidInfo {
        channel,
        amount: AmountText(amount),
        total: AmountText(voucher.total),
        remaining: AmountText(remaining),
        delivered: wait.wait,
    })
}

fn undelivered() -> Refusal {
    let message = "the payment is made, but the payee has not confirmed it yet; it is delivered \
                   once the payee answers, so do not pay again";
    Refusal::field(TIMED_OUT, "timeout_secs", "undelivered", message)
}

pub(super) async fn create_voucher(
    api: Arc<Api>,
    mut fields: Fields,
) -> Result<VoucherInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let amount = fields.amount("amount")?;
    fields.finish()?;
    match api.ask(Request::CreateVoucher { channel, amount }).await? {
        Response::Voucher { voucher, .. } => Ok(VoucherInfo::from(&voucher)),
        _ => Err(unexpected()),
    }
}

pub(super) async fn receive_voucher(
    api: Arc<Api>,
    mut fields: Fields,
) -> Result<ReceivedInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let total = fields.amount("total")?;
    let signature = fields.signature("signature")?;
    fields.finish()?;
    let voucher = Voucher { channel, total, signature };
    let signer = signature
        .recover(voucher.hash())
        .map_err(|error| Refusal::param("signature", "malformed_signature", error))?;
    match api.ask(Request::ReceiveVoucher { voucher, signer }).await? {
        Response::Voucher { total, delta, .. } => Ok(ReceivedInfo::new(channel, total, delta)),
        _ => Err(unexpected()),
    }
}
