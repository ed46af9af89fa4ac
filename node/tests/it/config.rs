//! Every fault of the configuration is named with its place and with what is allowed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use node::config::{Kind, Layers, Origin, SETTINGS, StaleAnswer};

fn error(text: &str) -> String {
    let layers = Layers::default().text("config.toml", text);
    layers.and_then(Layers::finish).unwrap_err().to_string()
}

fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{word:?} is missing in {error:?}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
    let found = error("[chain]\nconfirmations = 1\nendpont = \"http://x\"\n");
    assert_says(&found, &["config.toml, line 3", "endpont", "endpoint", "chain_id"]);
    let found = error("\n[chian]\nendpoint = \"http://x\"\n");
    assert_says(&found, &["config.toml, line 2", "chian", "chain", "policy"]);
    let found = error("[p2p]\n\n\nlisten_on = []\n");
    assert_says(&found, &["config.toml, line 4", "p2p.listen_on", "boot_peers"]);
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_line() {
    for (text, words) in [
        ("[chain]\n\nconfirmations = \"six\"", &["line 3", "chain.confirmations", "u64"][..]),
        ("[chain]\nmax_fee_per_gas = \"1.5\"", &["line 2", "chain.max_fee_per_gas", "fraction"]),
        ("[chain]\nadjudicator = \"0x12\"", &["line 2", "chain.adjudicator", "40 hex digits"]),
        ("[chain]\nchain_id = -1", &["line 2", "chain.chain_id"]),
        ("[p2p]\nlisten = [\"nowhere\"]", &["line 2", "p2p.listen"]),
        ("[rpc]\nlisten = \"4005\"", &["line 2", "rpc.listen"]),
        (
            "[policy]\nstale_answer = \"ignore\"",
            &["line 2", "policy.stale_answer", "exit", "checkpoint"],
        ),
        ("[policy]\npatience_secs = \"a day\"", &["line 2", "policy.patience_secs", "u64"]),
        ("[policy]\ndust = { native = \"-1\" }", &["line 2", "policy.dust", "negative"]),
        ("[chain]\nmore_endpoints = \"http://x\"", &["line 2", "chain.more_endpoints", "sequence"]),
        ("[log]\nformat = \"xml\"", &["line 2", "log.format", "text", "json"]),
        ("[policy.max_peer_deposit]\nnative = \"-1\"", &["line 2", "max_peer_deposit", "negative"]),
        (
            "[policy]\nmax_peer_deposit = { dollars = \"1\" }",
            &["line 2", "max_peer_deposit", "dollars", "native"],
        ),
    ] {
        assert_says(&error(text), words);
    }
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_line() {
    for (text, words) in [
        (
            "[rpc]\n\nlisten = \"0.0.0.0:4005\"",
            &["line 3", "rpc.listen", "0.0.0.0:4005", "127.0.0.1"][..],
        ),
        ("[chain]\nbump_percent = 5", &["line 2", "chain.bump_percent", "10"]),
        ("[chain]\nendpoint = \"localhost\"", &["line 2", "chain.endpoint", "http://"]),
        ("[policy]\nmin_challenge_duration_secs = 0", &["line 2", "min_challenge_duration_secs"]),
        ("[policy]\npatience_secs = 0", &["line 2", "policy.patience_secs", "more than zero"]),
        (
            "[chain]\nmore_endpoints = [\"http://one\", \"two\"]",
            &["line 2", "chain.more_endpoints", "endpoint number 2", "http://"],
        ),
        (
            "[chain]\nendpoint = \"http://one\"\nmore_endpoints = [\"http://one\"]",
            &["line 3", "chain.more_endpoints", "twice"],
        ),
        ("[chain]\nquorum = 2", &["line 2", "chain.quorum", "between 1 and 1"]),
        ("[chain]\nquorum = 0", &["line 2", "chain.quorum", "between 1 and 1"]),
        (
            "[chain]\ndeadline_max_fee_per_gas = \"1gwei\"",
            &["line 2", "chain.deadline_max_fee_per_gas", "max_fee_per_gas"],
        ),
        ("[log]\nlevel = \"=\"", &["line 2", "log.level"]),
    ] {
        assert_says(&error(text), words);
    }
}

const PEER: &str = "/p2p/16Uiu2HAkytdw1ZspytRVPC4nX7Jhcj8CDp5tdbXEU6Brmc7ANKyJ";

#[test]
fn a_number_that_is_too_large_does_not_undo_the_others() {
    let found = error("[chain]\nconfirmations = 3\nstart_block = 9223372036854775808\n");
    assert_says(&found, &["line 3", "chain.start_block", "9223372036854775807 or less"]);
    for key in ["chain.start_block", "policy.max_backlog"] {
        let set = Layers::default().set(key, "18446744073709551615", Origin::Default);
        assert_says(&set.unwrap_err().to_string(), &[key, "9223372036854775807"]);
    }
}

#[test]
fn no_time_or_limit_is_zero_or_longer_than_ten_years_unless_that_makes_sense() {
    for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Number) {
        let set = |value: &str| {
            let layers = Layers::default().set(setting.key, value, Origin::Default);
            layers.and_then(Layers::finish).map_err(|error| error.to_string())
        };
        match set("0") {
            Ok(_) => assert!(setting.may_be_zero, "{} may be zero", setting.key),
            Err(error) => assert_says(&error, &[setting.key]),
        }
        if setting.key.ends_with("_ms") || setting.key.ends_with("_secs") {
            assert_says(&set("9223372036854775807").unwrap_err(), &[setting.key]);
        }
    }
}

#[test]
fn one_contract_is_not_given_for_another() {
    let address = |digit: &str| format!("\"0x{}\"", digit.repeat(40));
    for (one, two, three, key) in [
        ("1", "2", "1", "chain.payment_app: is the address of chain.adjudicator"),
        ("1", "2", "2", "chain.payment_app: is the address of chain.consensus_app"),
        ("1", "1", "2", "chain.consensus_app: is the address of chain.adjudicator"),
    ] {
        let text = format!(
            "[chain]\nadjudicator = {}\nconsensus_app = {}\npayment_app = {}\n",
            address(one),
            address(two),
            address(three)
        );
        assert_says(&error(&text), &[key, "nitro deploy"]);
    }
}

#[test]
fn a_wrong_level_does_not_silence_the_log() {
    for level in ["inof", "info,debg", "verbose", "p2p", ""] {
        let found = error(&format!("[log]\nlevel = \"{level}\"\n"));
        assert_says(&found, &["line 2", "log.level", "error, warn, info, debug, trace"]);
    }
    for level in ["INFO", "info,p2p=debug", "p2p=debug", "off"] {
        let layers = Layers::default().text("x", &format!("[log]\nlevel = \"{level}\"\n"));
        assert!(layers.and_then(Layers::finish).is_ok(), "{level}");
    }
}

#[test]
fn an_address_that_nobody_could_dial_is_refused_and_not_left_out() {
    for (key, address, word) in [
        ("external_addresses", format!("/ip4/192.0.2.1/tcp/3005{PEER}"), "leave out /p2p/"),
        ("external_addresses", "/ip4/192.0.2.1/tcp/0".to_owned(), "port 0"),
        ("external_addresses", "/ip4/0.0.0.0/tcp/3005".to_owned(), "under which it is reached"),
        ("external_addresses", "/dns/node.example/tcp/80/ws".to_owned(), "/ws is not served"),
        ("external_addresses", "/ip4/192.0.2.1/udp/3005".to_owned(), "quic-v1"),
        ("listen", "/ip4/0.0.0.0/tcp/80/ws".to_owned(), "/ws is not served"),
        ("listen", format!("/ip4/0.0.0.0/tcp/3005{PEER}"), "leave out /p2p/"),
        ("listen", "/dns/node.example/tcp/3005".to_owned(), "IP address"),
        ("boot_peers", "/ip4/192.0.2.1/tcp/3005".to_owned(), "must end in /p2p/"),
        ("peers", format!("/ip4/192.0.2.1/tcp/0{PEER}"), "port 0"),
        ("peers", format!("/ip4/192.0.2.1/tcp/80/ws{PEER}"), "/ws is not served"),
    ] {
        let found = error(&format!("[p2p]\n{key} = [\"{address}\"]\n"));
        assert_says(&found, &["line 2", &format!("p2p.{key}"), &address, word]);
    }
    let right = format!(
        "[p2p]\nlisten = [\"/ip4/0.0.0.0/tcp/0\", \"/ip6/::/udp/3005/quic-v1\"]\n\
         external_addresses = [\"/dns4/node.example/tcp/3005\", \"/ip6/2001:db8::1/tcp/1\"]\n\
         peers = [\"/ip4/192.0.2.1/udp/3005/quic-v1{PEER}\"]\n"
    );
    assert!(Layers::default().text("x", &right).and_then(Layers::finish).is_ok());
}

#[test]
fn broken_toml_is_named_with_its_line() {
    assert_says(&error("[chain]\nendpoint = \n"), &["config.toml, line 2"]);
}

#[test]
fn later_layers_outrank_earlier_ones() {
    let variable = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let layers = Layers::default()
        .text("config.toml", "[chain]\nconfirmations = 1\nmax_range = 2\nstart_block = 3\n")
        .unwrap()
        .environment([
            variable("NITRO_CHAIN_CONFIRMATIONS", "10"),
            variable("NITRO_CHAIN_MAX_RANGE", "20"),
            variable("NITRO_P2P_BOOT_PEERS", ""),
            variable("NITRO_POLICY_MAX_PEER_DEPOSIT", "10gwei"),
            variable("NITRO_PASSPHRASE", "secret"),
            variable("HOME", "/root"),
        ])
        .unwrap()
        .set("chain.confirmations", "100", Origin::Flag("--set".to_owned()))
        .unwrap();
    let config = layers.finish().unwrap();
    assert_eq!(config.chain.confirmations, 100);
    assert_eq!(config.chain.max_range, 20);
    assert_eq!(config.chain.start_block, 3);
    assert_eq!(config.chain.poll_interval_ms, 4_000);
    let deposit = config.policy.max_peer_deposit.0[&engine::types::Asset::NATIVE];
    assert_eq!(deposit.to_string(), "10000000000");
}

#[test]
fn what_disputes_need_is_read_from_every_layer() {
    let file = "[policy]\nstale_answer = \"checkpoint\"\ndust = { native = \"10gwei\" }\n\
                [chain]\nmore_endpoints = [\"https://one.example/secret\"]\nquorum = 2\n";
    let variable = ("NITRO_POLICY_DUST".to_owned(), "3gwei".to_owned());
    let config = Layers::default()
        .text("config.toml", file)
        .and_then(|layers| layers.environment([variable]))
        .and_then(|layers| layers.set("policy.patience_secs", "60", Origin::Default))
        .and_then(|layers| {
            let more = "https://one.example/secret,wss://two.example";
            layers.set("chain.more_endpoints", more, Origin::Default)
        })
        .and_then(Layers::finish)
        .unwrap();
    assert_eq!(config.policy.stale_answer, StaleAnswer::Checkpoint);
    assert_eq!(config.policy.patience_secs, 60);
    assert_eq!(config.policy.dust.0[&engine::types::Asset::NATIVE].to_string(), "3000000000");
    assert_eq!(config.chain.more_endpoints.len(), 2);
    assert!(!config.masked().contains("secret"), "an endpoint may hold an access key");
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let variable = |key: &str, value: &str| {
        let layers = Layers::default().environment([(key.to_owned(), value.to_owned())]);
        layers.and_then(Layers::finish).unwrap_err().to_string()
    };
    assert_says(
        &variable("NITRO_CHAIN_ENDPONT", "x"),
        &["NITRO_CHAIN_ENDPONT", "NITRO_CHAIN_ENDPOINT"],
    );
    assert_says(&variable("NITRO_CHAIN_CHAIN_ID", "x"), &["NITRO_CHAIN_CHAIN_ID", "whole number"]);
    assert_says(&variable("NITRO_RPC_LISTEN", "[::]:1"), &["NITRO_RPC_LISTEN", "rpc.listen"]);
    let flag = Layers::default().set("chain.foo", "1", Origin::Flag("--set".to_owned()));
    assert_says(&flag.unwrap_err().to_string(), &["--set", "chain.foo", "chain.endpoint"]);
}

#[test]
fn tells_which_setting_is_missing() {
    let config = Layers::default().set("chain.chain_id", "1", Origin::Default).unwrap();
    let error = config.finish().unwrap().chain.deployment().unwrap_err().to_string();
    assert_says(&error, &["chain.adjudicator", "NITRO_CHAIN_ADJUDICATOR"]);
}

#[test]
fn only_origins_that_are_named_can_be_allowed() {
    let read = |origin: &str| {
        Layers::default()
            .text("config.toml", &format!("[rpc]\nallowed_origins = [\"{origin}\"]\n"))
            .and_then(Layers::finish)
    };
    for origin in [
        "http://localhost:3000",
        "https://app.example",
        "http://[::1]:3000",
        "HTTP://Localhost:3000",
        "moz-extension://0b2d9e4c",
    ] {
        assert!(read(origin).is_ok(), "{origin}: {:?}", read(origin));
    }
    for origin in [
        "*",
        "null",
        "",
        "localhost:3000",
        "http://*",
        "https://*.example",
        "http://localhost:3000/",
        "http://localhost:80",
        "file://",
        "moz-extension://*",
        "http://a@b.example",
    ] {
        let error = read(origin).unwrap_err().to_string();
        assert!(error.contains("rpc.allowed_origins"), "{origin}: {error}");
    }
}
