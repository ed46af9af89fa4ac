//! The program `nitro`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use node::cli::{Cli, CliError};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.wants_json();
    let Err(error) = run(cli) else { return ExitCode::SUCCESS };
    match error.downcast_ref::<CliError>() {
        Some(error) if json => eprintln!("{}", error.json()),
        _ => eprintln!("error: {error:#}"),
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
