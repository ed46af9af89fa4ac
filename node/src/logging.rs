//! Sets up what the node writes about itself. Logs go to stderr; stdout is for answers.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, LogSection};

/// Libraries that tell at `info` what only their authors want to know. A configured directive for
/// one of them outranks this.
const QUIET: &str = "fjall=warn,lsm_tree=warn,libp2p_swarm=warn,libp2p_kad=error";

/// Starts logging. `RUST_LOG` is not read: the level has one source, the configuration.
///
/// # Errors
/// When logging was started before, or the level is none.
pub fn start(config: &LogSection) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.level)).map_err(|error| {
        LogError::Level { level: config.level.clone(), reason: error.to_string() }
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match config.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a level and no directives.
    #[error("log.level {level:?}: {reason}")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was started before.
    #[error("logging: {0}")]
    Twice(#[from] TryInitError),
}
