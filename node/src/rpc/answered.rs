//! Sees to it that whoever calls gets an answer.
//!
//! The server takes a call whose id it cannot read, such as -1 or 1.5, for one that wants no answer,
//! does nothing and says nothing. Here nothing is done without an answer: a call without an id that can
//! be read is refused, and the refusal says which ids there are.

use std::future::ready;

use jsonrpsee::core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT};
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use tower::Layer;

use super::error::RefusalData;

/// No JSON-RPC request (JSON-RPC's own code).
const INVALID_REQUEST: i32 = -32_600;

/// Puts [`Answered`] before a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnsweredLayer;

impl<S> Layer<S> for AnsweredLayer {
    type Service = Answered<S>;

    fn layer(&self, inner: S) -> Answered<S> {
        Answered(inner)
    }
}

/// A service that leaves no call without an answer.
#[derive(Clone, Debug)]
pub(super) struct Answered<S>(S);

impl<S> RpcServiceT for Answered<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        >,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.0.call(request)
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        for entry in batch.iter_mut() {
            if matches!(entry, Ok(BatchEntry::Notification(_))) {
                *entry = Err(BatchEntryErr::new(Id::Null, unreadable_id()));
            }
        }
        self.0.batch(batch)
    }

    fn notification<'a>(
        &self,
        _: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        ready(MethodResponse::error(Id::Null, unreadable_id()))
    }
}

fn unreadable_id() -> ErrorObjectOwned {
    let message = "id: must be a string, or a whole number from 0 to 18446744073709551615; nothing was \
                   done, and no method is served without an id";
    let data = RefusalData {
        field: Some("id".to_owned()),
        reason: "malformed_id".to_owned(),
        ..RefusalData::default()
    };
    ErrorObjectOwned::owned(INVALID_REQUEST, message, Some(data))
}
