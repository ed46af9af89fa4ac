//! Writes the configuration file with an explanation of every setting.

use super::Config;
use super::settings::{SECTIONS, SETTINGS, Setting};

/// The file for `config`: every setting with its explanation and default; what equals the default
/// stands there as a comment.
#[must_use]
pub fn template(config: &Config) -> String {
    let chosen = toml::Table::try_from(config).unwrap_or_default();
    let defaults = toml::Table::try_from(Config::default()).unwrap_or_default();
    let mut text = String::from(
        "# Configuration of a Nitro node.\n\
         #\n\
         # A line that begins with # shows a default. Every setting can also be given in the\n\
         # environment (NITRO_<SECTION>_<KEY>) or as a flag (--set section.key=value); a flag\n\
         # outranks the environment, which outranks this file.\n\
         #\n\
         # Amounts are smallest units (\"1000\") or have a unit (\"10gwei\", \"1.5ether\").\n",
    );
    for (section, meaning) in SECTIONS {
        text.push_str(&format!("\n# {meaning}\n[{section}]\n"));
        for setting in SETTINGS.iter().filter(|setting| setting.parts().0 == section) {
            text.push_str(&paragraph(setting, &chosen, &defaults));
        }
    }
    text
}

fn paragraph(setting: &Setting, chosen: &toml::Table, defaults: &toml::Table) -> String {
    let (section, key) = setting.parts();
    let value = |table: &toml::Table| table.get(section)?.get(key).cloned();
    let mut text = String::from("\n");
    for line in setting.text {
        text.push_str(&format!("# {line}\n"));
    }
    let (value, default) = (value(chosen), value(defaults));
    match (value, setting.example) {
        (Some(value), _) if Some(&value) != default.as_ref() => {
            text.push_str(&format!("{key} = {value}\n"));
        }
        (Some(value), _) => text.push_str(&format!("# {key} = {value}\n")),
        (None, Some(example)) => text.push_str(&format!("# {key} = {example}\n")),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::address::AddressText;
    use crate::config::Layers;

    #[test]
    fn the_list_of_settings_and_the_structs_agree() {
        let mut full = Config::default();
        let address = Some(AddressText(engine::types::Address::repeat_byte(1)));
        full.chain.chain_id = Some(1);
        full.chain.adjudicator = address;
        full.chain.consensus_app = address;
        full.chain.payment_app = address;
        full.chain.payout_address = address;
        full.store.witness = Some("commits".into());
        let table = toml::Table::try_from(&full).unwrap();
        let mut found = BTreeSet::new();
        for (section, keys) in &table {
            for key in keys.as_table().unwrap().keys() {
                found.insert(format!("{section}.{key}"));
            }
        }
        let listed: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn the_written_file_is_read_back() {
        let mut config = Config::default();
        config.chain.chain_id = Some(31_337);
        config.chain.adjudicator = Some(AddressText(engine::types::Address::repeat_byte(0xad)));
        config.policy.max_peer_deposit.0.insert(engine::types::Asset::NATIVE, 10_u64.into());
        config.rpc.listen = "127.0.0.1:0".parse().unwrap();
        let text = template(&config);
        let read = Layers::default().text("config.toml", &text).unwrap().finish().unwrap();
        assert_eq!(read, config);
    }

    #[test]
    fn every_commented_default_is_the_default() {
        let text = template(&Config::default());
        // Uncomment the settings: lines of the form `# key = value` for a known key.
        let keys: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.parts().1).collect();
        let uncommented: String = text
            .lines()
            .map(|line| {
                let setting = line.strip_prefix("# ").filter(|rest| {
                    rest.split_once(" = ").is_some_and(|(key, _)| keys.contains(key))
                });
                format!("{}\n", setting.unwrap_or(line))
            })
            .collect();
        assert_eq!(
            uncommented
                .lines()
                .filter(|line| line.contains(" = ") && !line.starts_with('#'))
                .count(),
            SETTINGS.len()
        );
        let mut read =
            Layers::default().text("config.toml", &uncommented).unwrap().finish().unwrap();
        let defaults = Config::default();
        read.chain.chain_id = None;
        read.chain.adjudicator = None;
        read.chain.consensus_app = None;
        read.chain.payment_app = None;
        read.chain.payout_address = None;
        read.store.witness = None;
        assert_eq!(read, defaults);
    }
}
