//! The program `nitro`: parse, run, exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use node::cli::{Cli, CliError, say};
use node::logging;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.wants_json();
    let ended = run(cli);
    logging::flush();
    let Err(error) = ended else { return ExitCode::SUCCESS };
    match error.downcast_ref::<CliError>() {
        Some(error) if error.is_silent() => {}
        Some(error) if json => say(error.json()),
        _ => say(format_args!("error: {}", node::report(error.as_ref()))),
    }
    error.downcast_ref().map_or(ExitCode::FAILURE, CliError::exit_code)
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<()> {
    // Two providers are linked in; whoever first needs TLS would not know which one to take.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    Ok(Box::pin(cli.execute()).await?)
}
