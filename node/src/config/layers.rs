//! Puts the configuration together from its layers, and remembers where each value came from, so
//! that a refusal names the place to change.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::settings::{Kind, SECTIONS, SETTINGS, Setting};
use super::{Config, network};
use crate::address::NATIVE;
use crate::data_dir::FileError;

/// Variables that are no settings of the file.
const OTHER_VARIABLES: [&str; 3] = ["NITRO_DATA_DIR", "NITRO_PASSPHRASE", "NITRO_PASSPHRASE_FILE"];

/// A configuration under construction. Later layers outrank earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody chose it.
    #[default]
    Default,
    /// A line of the file.
    File {
        /// The file.
        name: String,
        /// The line, counted from one.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default value"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration")]
    Unreadable(#[from] FileError),
    /// The file is not TOML.
    #[error("{name}, line {line}: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// The line, counted from one.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A value, or the name of a setting.
    #[error("{origin}: {key}: {reason}")]
    Setting {
        /// Where it came from.
        origin: Origin,
        /// Section and key.
        key: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// A setting that has no default.
    #[error(
        "{key} is not set; set it in config.toml, or give --set {key}=... or the environment \
         variable {}",
        variable(key)
    )]
    Missing {
        /// Section and key.
        key: &'static str,
    },
}

fn variable(key: &str) -> String {
    Setting::find(key).map(Setting::variable).unwrap_or_default()
}

/// A value that has the right type and makes no sense.
pub(super) struct Fault {
    key: &'static str,
    reason: String,
}

impl Fault {
    pub(super) fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }
}

impl Layers {
    /// Adds a file.
    ///
    /// # Errors
    /// When it cannot be read or holds something else than settings.
    pub fn file(self, path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| FileError::new(path, error))?;
        self.text(&path.display().to_string(), &text)
    }

    /// Adds the text of a file called `name`.
    ///
    /// # Errors
    /// When it holds something else than settings.
    pub fn text(mut self, name: &str, text: &str) -> Result<Self, ConfigError> {
        let parsed = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            name: name.to_owned(),
            line: line_of(text, error.span()),
            reason: error.message().to_owned(),
        })?;
        let table = parsed.get_ref();
        // The whole file is checked at once: positions are lost afterwards.
        if let Err(error) = toml::from_str::<Config>(text) {
            let line = line_of(text, error.span());
            let key = error.span().and_then(|span| key_at(table, &span)).unwrap_or_default();
            return Err(ConfigError::Setting {
                origin: Origin::File { name: name.to_owned(), line },
                key,
                reason: error.message().to_owned(),
            });
        }
        for (section, content) in table {
            let DeValue::Table(content) = content.get_ref() else { continue };
            for key in content.keys() {
                let line = line_of(text, Some(key.span()));
                let origin = Origin::File { name: name.to_owned(), line };
                self.origins.insert(format!("{}.{}", section.get_ref(), key.get_ref()), origin);
            }
        }
        // Settings are kept as TOML values, whose numbers end earlier than those of some settings.
        self.table = toml::from_str(text).map_err(|error| ConfigError::Setting {
            origin: Origin::File { name: name.to_owned(), line: line_of(text, error.span()) },
            key: error.span().and_then(|span| key_at(table, &span)).unwrap_or_default(),
            reason: format!("must be {} or less", i64::MAX),
        })?;
        Ok(self)
    }

    /// Adds environment variables; those that are no settings of a section are left alone.
    ///
    /// # Errors
    /// When one has a wrong value, or the name of a section and no setting.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        for (variable, text) in variables {
            let of_section = |(section, _): &(&str, &str)| {
                variable.starts_with(&format!("NITRO_{}_", section.to_uppercase()))
            };
            if OTHER_VARIABLES.contains(&variable.as_str()) || !SECTIONS.iter().any(of_section) {
                continue;
            }
            let setting = SETTINGS.iter().find(|setting| setting.variable() == variable);
            let origin = Origin::Environment(variable);
            let Some(setting) = setting else {
                let key = "no setting".to_owned();
                let allowed: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
                let reason = format!("expected one of {}", allowed.join(", "));
                return Err(ConfigError::Setting { origin, key, reason });
            };
            self = self.set(setting.key, &text, origin)?;
        }
        Ok(self)
    }

    /// Adds one value that is written as text.
    ///
    /// # Errors
    /// When there is no such setting, or the value is wrong.
    pub fn set(mut self, key: &str, text: &str, origin: Origin) -> Result<Self, ConfigError> {
        let refuse = |reason: String| ConfigError::Setting {
            origin: origin.clone(),
            key: key.to_owned(),
            reason,
        };
        let setting = Setting::find(key).ok_or_else(|| {
            let allowed: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
            refuse(format!("unknown setting, expected one of {}", allowed.join(", ")))
        })?;
        let value = value(setting.kind, text).map_err(refuse)?;
        let (section, name) = setting.parts();
        let entry = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(content) = entry {
            content.insert(name.to_owned(), value);
        }
        if let Err(error) = self.config() {
            return Err(refuse(error.message().to_owned()));
        }
        self.origins.insert(key.to_owned(), origin);
        Ok(self)
    }

    /// The configuration.
    ///
    /// # Errors
    /// When values have the right type and make no sense.
    pub fn finish(self) -> Result<Config, ConfigError> {
        let config = self.config().map_err(|error| ConfigError::Setting {
            origin: Origin::Default,
            key: String::new(),
            reason: error.message().to_owned(),
        })?;
        let checked = config
            .chain
            .check()
            .and_then(|()| config.rpc.check())
            .and_then(|()| config.policy.check())
            .and_then(|()| config.tower.check())
            .and_then(|()| config.log.check())
            .and_then(|()| check_numbers(&self.table))
            .and_then(|()| network::check(&config.p2p));
        checked.map_err(|fault| ConfigError::Setting {
            origin: self.origins.get(fault.key).cloned().unwrap_or_default(),
            key: fault.key.to_owned(),
            reason: fault.reason,
        })?;
        Ok(config)
    }

    fn config(&self) -> Result<Config, toml::de::Error> {
        self.table.clone().try_into()
    }
}

/// Longer than any time that makes sense, and far from where sums of times overflow.
const TEN_YEARS_SECS: i64 = 10 * 365 * 86_400;

/// What holds for every number unless its setting says otherwise. A limit of zero allows nothing, and
/// a time of zero is over before it begins: nobody means that.
fn check_numbers(table: &Table) -> Result<(), Fault> {
    for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Number) {
        let (section, name) = setting.parts();
        let found = table.get(section).and_then(|section| section.get(name));
        let Some(number) = found.and_then(Value::as_integer) else { continue };
        if number == 0 && !setting.may_be_zero {
            return Err(Fault::new(setting.key, "must be more than zero"));
        }
        let most = match name.rsplit('_').next() {
            Some("secs") => TEN_YEARS_SECS,
            Some("ms" | "millis") => TEN_YEARS_SECS.saturating_mul(1_000),
            _ => i64::MAX,
        };
        if number > most {
            return Err(Fault::new(
                setting.key,
                format!("must be {most} or less, which is ten years"),
            ));
        }
    }
    Ok(())
}

/// The TOML value that a text stands for.
fn value(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Number => {
            let number = text
                .parse()
                .map_err(|_| format!("{text:?} is not a whole number of {} or less", i64::MAX))?;
            Ok(Value::Integer(number))
        }
        Kind::Flag => {
            let flag = text.parse().map_err(|_| format!("{text:?} is not true or false"))?;
            Ok(Value::Boolean(flag))
        }
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        Kind::Deposits => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let pairs = parts.map(|part| part.split_once('=').unwrap_or((NATIVE, part)));
            let entry = |(asset, amount): (&str, &str)| {
                (asset.trim().to_owned(), Value::String(amount.trim().to_owned()))
            };
            Ok(Value::Table(pairs.map(entry).collect()))
        }
    }
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The key whose name or value holds the position of an error.
fn key_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let holds = |range: Range<usize>| range.start <= span.start && span.start < range.end;
        let inner = match value.get_ref() {
            DeValue::Table(table) => key_at(table, span),
            _ => None,
        };
        let name_of = |name: &Spanned<_>| -> String { format!("{}", name.get_ref()) };
        match inner {
            Some(inner) => Some(format!("{}.{inner}", name_of(name))),
            None => (holds(name.span()) || holds(value.span())).then(|| name_of(name)),
        }
    })
}
