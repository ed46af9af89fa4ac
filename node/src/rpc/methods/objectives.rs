//! Runs of protocols.

use std::sync::Arc;

use engine::effect::Response;
use engine::input::Request;

use super::{Api, unexpected};
use crate::handle::WaitError;
use crate::rpc::error::Refusal;
use crate::rpc::fields::{Fields, Wait};
use crate::rpc::types::ObjectiveInfo;

pub(super) async fn list(api: Arc<Api>, fields: Fields) -> Result<Vec<ObjectiveInfo>, Refusal> {
    fields.finish()?;
    let Response::Objectives(objectives) = api.ask(Request::ListObjectives).await? else {
        return Err(unexpected());
    };
    Ok(objectives.iter().map(ObjectiveInfo::from).collect())
}

pub(super) async fn show(api: Arc<Api>, mut fields: Fields) -> Result<ObjectiveInfo, Refusal> {
    let id = fields.objective()?;
    fields.finish()?;
    api.objective_info(&api.node.look_up(id).await?).await
}

pub(super) async fn wait(api: Arc<Api>, mut fields: Fields) -> Result<ObjectiveInfo, Refusal> {
    let id = fields.objective()?;
    let timeout = fields.timeout()?;
    fields.finish()?;
    api.wait(id, Wait { wait: true, timeout }).await
}

pub(super) async fn cancel(api: Arc<Api>, mut fields: Fields) -> Result<ObjectiveInfo, Refusal> {
    let id = fields.objective()?;
    fields.finish()?;
    api.ask(Request::Cancel { objective: id }).await?;
    match api.node.look_up(id).await {
        Ok(objective) => Ok(ObjectiveInfo::from(&objective)),
        // It is given up; that it was begun and goes on is what everybody else is told.
        Err(WaitError::Stopped) => Err(Refusal::outcome_unknown()),
        Err(error) => Err(error.into()),
    }
}
