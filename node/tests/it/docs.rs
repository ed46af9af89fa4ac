//! The documents name what the program has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const RPC: &str = include_str!("../../../docs/rpc.md");

/// The words of a text that begin with `prefix`.
fn words<'a>(text: &'a str, prefix: &'a str) -> BTreeSet<&'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(prefix) && word.len() > prefix.len())
        .collect()
}

#[test]
fn every_method_is_described_and_every_described_method_exists() {
    let methods = include_str!("../../src/rpc/methods/mod.rs");
    let subscriptions = include_str!("../../src/rpc/subscriptions.rs");
    let mut found = words(methods, "nitro_");
    found.extend(words(subscriptions, "nitro_"));
    assert!(found.len() > 30, "{found:?}");
    assert_eq!(words(RPC, "nitro_"), found);
}

#[test]
fn every_code_and_reason_is_described() {
    let errors = include_str!("../../src/rpc/error.rs");
    let codes: BTreeSet<_> = errors
        .split(|c: char| !c.is_ascii_digit() && c != '_')
        .filter(|word| word.len() == 5 && word.contains("_0"))
        .map(|word| word.replace('_', ""))
        .collect();
    assert!(codes.len() > 30, "{codes:?}");
    for code in codes {
        assert!(RPC.contains(&format!("| {code} |")), "code {code} is not described");
    }
    let fields = include_str!("../../src/rpc/fields.rs");
    let amounts = include_str!("../../src/amount.rs");
    let addresses = include_str!("../../src/address.rs");
    for line in [errors, fields, amounts, addresses].iter().flat_map(|text| text.lines()) {
        // Reasons are the only words in quotes with an underscore and nothing else.
        for word in line.split('"').skip(1).step_by(2) {
            let reason =
                word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(!reason || RPC.contains(&format!("`{word}`")), "{word} is not described");
        }
    }
}

/// An interactive zsh knows no comments, and takes `<id>` in any shell for a redirection.
#[test]
fn what_a_document_gives_to_paste_can_be_pasted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [root.clone(), root.join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let mut pasted = 0;
    for path in files.filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            for line in block.lines() {
                let comment = line.starts_with('#') || line.contains(" #");
                let placeholder = line.split('<').skip(1).any(|rest| {
                    rest.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.contains('>')
                });
                assert!(!comment && !placeholder, "{}: {line}", path.display());
                pasted += 1;
            }
        }
    }
    assert!(pasted > 50, "{pasted}");
}
