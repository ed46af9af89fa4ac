//! The README, pasted line by line into the shells that people have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::cli::text;

/// Ports that nobody uses at the moment.
fn ports() -> String {
    let listeners: Vec<_> = (0..7).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port().to_string())
        .collect();
    ports.join(" ")
}

/// Pastes a file into a shell; none where there is no such shell.
fn paste(shell: &str, file: &Path) -> Option<Output> {
    let there = Command::new(shell).args(["-c", ":"]).stdout(Stdio::null()).status();
    if there.is_err() {
        eprintln!("SKIPPED: {shell} is not installed, so nobody knows whether it takes the README");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = Path::new(env!("CARGO_BIN_EXE_nitro"));
    let output = Command::new(root.join("scripts/readme.sh"))
        .args([shell.as_ref(), file.as_os_str()])
        .env("NITRO_FOLDER", program.parent().unwrap())
        .env("PORTS", ports())
        .stdin(Stdio::null())
        .output();
    Some(output.unwrap())
}

fn readme_works_in(shell: &str) {
    let Some(output) = paste(shell, Path::new("README.md")) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    assert!(told.contains("readme: every line works"), "{told}");
    for wanted in ["paid to me    2.25 ether", "paid in all  0.25 ether"] {
        assert!(said.contains(wanted), "{wanted:?} is missing in {said}\n{told}");
    }
}

#[test]
fn the_readme_can_be_pasted_into_bash() {
    readme_works_in("bash");
}

#[test]
fn the_readme_can_be_pasted_into_zsh() {
    readme_works_in("zsh");
}

/// The script that pastes notices what a shell refuses.
#[test]
fn a_line_that_a_shell_refuses_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines.md");
    for (line, shell, taken) in [
        ("true", "bash", true),
        ("true", "zsh", true),
        ("# a comment", "zsh", false),
        ("nitro ledger show <id>", "bash", false),
        ("nitro ledger show <id>", "zsh", false),
        ("nitro status", "bash", false),
        ("nitro status", "zsh", false),
    ] {
        fs::write(&file, format!("```sh\n{line}\n```\n")).unwrap();
        let Some(output) = paste(shell, &file) else { continue };
        assert_eq!(output.status.success(), taken, "{shell}: {line}: {}", text(&output.stderr));
    }
}
