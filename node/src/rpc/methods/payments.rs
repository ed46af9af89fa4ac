//! Payments and vouchers.

use std::sync::Arc;

use engine::effect::Response;
use engine::input::Request;
use engine::vouchers::Voucher;

use super::{Api, unexpected};
use crate::amount::AmountText;
use crate::handle::CallError;
use crate::rpc::error::Refusal;
use crate::rpc::fields::Fields;
use crate::rpc::types::{PaidInfo, ReceivedInfo, VoucherInfo};

/// The hot path: one look at the parameters, one request, no look at the history unless refused.
pub(super) async fn pay(api: Arc<Api>, mut fields: Fields) -> Result<PaidInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let amount = fields.amount("amount")?;
    let total = fields.optional_amount("total")?;
    let wait = fields.wait()?;
    fields.finish()?;
    let _place = api.place_to_wait(wait)?;
    let payment = api.node.make_payment(channel, amount, total).await;
    let payment = payment.map_err(|error| api.explain_call(error))?;
    if wait.wait {
        // From here on the payment is made, whatever comes.
        let delivered = tokio::time::timeout(wait.timeout, api.node.delivered(&payment));
        let delivered = api.closing.run_until_cancelled(delivered).await;
        match delivered {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(CallError::Uncredited(error)))) => return Err(Refusal::uncredited(error)),
            _ => return Err(Refusal::undelivered(api.node.credited(channel))),
        }
    }
    Ok(PaidInfo {
        channel,
        amount: AmountText(amount),
        total: AmountText(payment.total),
        remaining: AmountText(payment.remaining),
        delivered: wait.wait,
        repeated: payment.repeated,
    })
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
