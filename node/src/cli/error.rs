//! Why a command could not be done, with its exit code.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::words::task;
use crate::config::ConfigError;
use crate::data_dir::FileError;
use crate::descriptors::TooFewDescriptors;
use crate::keys::{KeyError, PassphraseError};
use crate::logging::LogError;
use crate::node::NodeError;
use crate::report::report;
use crate::rpc::types::ObjectiveInfo;
use crate::rpc::{INTERRUPTED, OUTCOME_UNKNOWN, RefusalData, RpcError, STOPPING, TIMED_OUT};

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// There is nowhere to look for the folder of the node.
    #[error("there is no home folder; give --data-dir")]
    NoHome,
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The owner was asked, and did not say yes.
    #[error("nothing was done")]
    NotConfirmed,
    /// A short id that fits nothing, or several.
    #[error("{0}")]
    Meant(String),
    /// The node refused.
    #[error("{message}")]
    Refused {
        /// Stable code of the refusal.
        code: i32,
        /// For people.
        message: String,
        /// For programs.
        data: RefusalData,
    },
    /// What was begun will not be reached.
    #[error(
        "{} was declined: {}", task(&.0.objective), .0.reason.as_deref().unwrap_or("no reason given")
    )]
    Declined(Box<ObjectiveInfo>),
    /// Nobody answers.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is lost, and with it whether anything was done.
    #[error(
        "it is not known whether this was done: {0}. Look before you repeat it: nitro channel show \
         or ledger show, and objective list; a payment with --total can simply be repeated"
    )]
    Unknown(String),
    /// It was done, and nobody can be told.
    #[error("it is done, but the answer cannot be written")]
    Unwritten(#[source] std::io::Error),
    /// The node stopped by itself.
    #[error("the node stopped: {0}")]
    Fatal(String),
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The passphrase of the keys.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Starting the node.
    #[error(transparent)]
    Node(Box<NodeError>),
    /// Starting the RPC server.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] chain::ChainError),
    /// Open files.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// Logging.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The terminal or the system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        Self::Node(Box::new(error))
    }
}

impl CliError {
    /// The same for something that goes on under this objective.
    pub(super) fn after(self, objective: &str) -> Self {
        match self {
            Self::Unreachable(why) => Self::Refused {
                code: INTERRUPTED,
                message: format!(
                    "{objective} is begun and goes on, but its end cannot be seen: {why}; look \
                     later with nitro objective show"
                ),
                data: RefusalData {
                    reason: "interrupted".to_owned(),
                    objective: Some(objective.to_owned()),
                    ..RefusalData::default()
                },
            },
            other => other,
        }
    }

    /// True when nothing is wrong that anybody needs to hear of.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.code() == 0
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Refused { code, .. } if *code == STOPPING => 3,
            Self::Refused { code, .. } if [TIMED_OUT, INTERRUPTED].contains(code) => 4,
            Self::Unknown(_) => 5,
            Self::Refused { code, .. } if *code == OUTCOME_UNKNOWN => 5,
            // Whoever read the answer has read enough of it, such as `head`.
            Self::Unwritten(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Self::Unwritten(_) => 6,
            Self::NoHome
            | Self::NotConfirmed
            | Self::Meant(_)
            | Self::Refused { .. }
            | Self::Declined(_)
            | Self::Fatal(_)
            | Self::Config(_)
            | Self::Key(_)
            | Self::Passphrase(_)
            | Self::File(_)
            | Self::Node(_)
            | Self::Rpc(_)
            | Self::Chain(_)
            | Self::Descriptors(_)
            | Self::Log(_)
            | Self::Io(_) => 1,
        }
    }

    /// 0 is success; see the help text for the others.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.code().into()
    }

    /// The error for programs; codes and data are those of the RPC server.
    #[must_use]
    pub fn json(&self) -> Value {
        let (code, data) = match self {
            Self::Refused { code, data, .. } => (Some(*code), json!(data)),
            Self::Declined(objective) => (None, json!(objective)),
            _ => (None, Value::Null),
        };
        let exit_code = self.code();
        json!({ "error": {
            "code": code, "message": report(self), "data": data, "exit_code": exit_code,
        } })
    }
}
