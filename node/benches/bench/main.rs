//! Figures of real nodes beside the limits of the machine, measured in the same run.
//!
//! A program and not a timed test: it prints and never fails because something is slow. Run it by
//! `scripts/bench.sh`; `docs/performance.md` says how to read it.

mod ledgers;
mod limits;
mod opening;
mod payments;
mod proxy;
mod report;
mod restart;
#[path = "../../tests/support/mod.rs"]
mod support;
mod wire;

use report::Report;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from))
        .enable_all()
        .build()
        .expect("a runtime");
    match arguments.split_first() {
        Some((first, rest)) if first == restart::CHILD => runtime.block_on(restart::child(rest)),
        _ => runtime.block_on(run(&arguments)),
    }
}

async fn run(arguments: &[String]) {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let chosen: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
    let runs = |name: &str| chosen.is_empty() || chosen.contains(&name);
    let mut report = Report::new(quick);
    // Everything else is told as a part of these.
    let limits = limits::measure(&mut report).await;
    if runs("payments") {
        payments::run(&mut report, &limits).await;
    }
    if runs("opening") {
        opening::run(&mut report).await;
    }
    if runs("wire") {
        wire::run(&mut report).await;
    }
    if runs("restart") {
        restart::run(&mut report).await;
    }
    report.finish();
}
