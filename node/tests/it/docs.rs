//! The documents name what the program has.

use std::collections::BTreeSet;

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
