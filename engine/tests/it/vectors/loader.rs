//! Reads the vector file into the engine's types.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::LazyLock;

use engine::crypto::{LocalSigner, Signature, Signer};
use engine::outcome::{Allocation, AllocationKind, Outcome, SingleAssetExit};
use engine::state::{FixedPart, VariablePart};
use engine::types::{Address, Amount, Asset, B256, Bytes, Destination, TurnNumber};
use serde_json::Value;

/// One vector; every value is reached by name and a missing one fails the test.
pub(crate) struct Vector {
    pub(crate) name: String,
    inputs: Value,
    expected: Value,
}

static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(|| {
    let file: Value = serde_json::from_str(include_str!("../../vectors/go-nitro.json")).unwrap();
    let entries = file["vectors"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| Vector {
            name: text(&entry["name"]).to_owned(),
            inputs: entry["inputs"].clone(),
            expected: entry["expected"].clone(),
        })
        .collect()
});

thread_local! {
    /// What this test has read; a test runs on one thread.
    static READ: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// The vector of that name.
pub(crate) fn vector(name: &str) -> &'static Vector {
    let found = VECTORS.iter().find(|vector| vector.name == name);
    read(found.unwrap_or_else(|| panic!("no vector {name}")))
}

/// All vectors whose name begins with `prefix`; there must be some.
pub(crate) fn family(prefix: &str) -> Vec<&'static Vector> {
    let found: Vec<_> =
        VECTORS.iter().filter(|vector| vector.name.starts_with(prefix)).map(read).collect();
    assert!(!found.is_empty(), "no vector begins with {prefix}");
    found
}

fn read(vector: &'static Vector) -> &'static Vector {
    READ.with_borrow_mut(|names| names.insert(&vector.name));
    vector
}

/// Names that this test has read so far.
pub(crate) fn names_read() -> BTreeSet<&'static str> {
    READ.with_borrow(Clone::clone)
}

/// Every name in the file.
pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
    VECTORS.iter().map(|vector| vector.name.as_str())
}

impl Vector {
    pub(crate) fn input(&self, key: &str) -> &Value {
        self.inputs.get(key).unwrap_or_else(|| panic!("{}: no input {key}", self.name))
    }

    pub(crate) fn expected(&self, key: &str) -> &Value {
        self.expected.get(key).unwrap_or_else(|| panic!("{}: expects no {key}", self.name))
    }

    /// The whole of what is expected, where it has no keys.
    pub(crate) fn expectation(&self) -> &Value {
        &self.expected
    }

    /// The signer of the input `privateKey`.
    pub(crate) fn signer(&self) -> LocalSigner {
        signer(self.input("privateKey"))
    }
}

/// The signer of one of the actors, whose addresses are checked elsewhere: this is no reading.
pub(crate) fn signer_of(address: Address) -> LocalSigner {
    let actors = VECTORS.iter().filter(|vector| vector.name.starts_with("actor."));
    actors
        .map(Vector::signer)
        .find(|signer| signer.address() == address)
        .unwrap_or_else(|| panic!("no key for {address}"))
}

pub(crate) fn signer(value: &Value) -> LocalSigner {
    LocalSigner::new(word(value).0).unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

pub(crate) fn amount(value: &Value) -> Amount {
    number(value).into()
}

pub(crate) fn address(value: &Value) -> Address {
    Address::from_str(text(value)).unwrap()
}

/// A word; short ones are padded on the left, as the file says.
pub(crate) fn word(value: &Value) -> B256 {
    let digits = text(value).strip_prefix("0x").unwrap();
    B256::from_str(&format!("{digits:0>64}")).unwrap()
}

pub(crate) fn destination(value: &Value) -> Destination {
    Destination(word(value))
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    hex::decode(text(value).strip_prefix("0x").unwrap()).unwrap()
}

pub(crate) fn signature(value: &Value) -> Signature {
    Signature(hex(value).try_into().unwrap())
}

/// A state in the reference's JSON.
pub(crate) fn state(value: &Value) -> (FixedPart, VariablePart) {
    let fixed = FixedPart {
        participants: list(&value["Participants"]).iter().map(address).collect(),
        nonce: number(&value["ChannelNonce"]),
        app: address(&value["AppDefinition"]),
        challenge_duration: number(&value["ChallengeDuration"]).try_into().unwrap(),
    };
    let variable = VariablePart {
        outcome: outcome(&value["Outcome"]),
        app_data: bytes(Some(&value["AppData"])),
        turn: TurnNumber(number(&value["TurnNum"])),
        is_final: value["IsFinal"].as_bool().unwrap(),
    };
    (fixed, variable)
}

pub(crate) fn outcome(value: &Value) -> Outcome {
    Outcome(list(value).iter().map(exit).collect())
}

fn exit(value: &Value) -> SingleAssetExit {
    let metadata = field(value, "AssetMetadata");
    SingleAssetExit {
        asset: Asset(address(field(value, "Asset").unwrap())),
        asset_type: small_number(metadata.and_then(|metadata| field(metadata, "AssetType"))),
        metadata: bytes(metadata.and_then(|metadata| field(metadata, "Metadata"))),
        allocations: allocations(field(value, "Allocations").unwrap()),
    }
}

/// Allocations, in which the file leaves out kinds of 0 and empty metadata.
pub(crate) fn allocations(value: &Value) -> Vec<Allocation> {
    list(value).iter().map(allocation).collect()
}

fn allocation(value: &Value) -> Allocation {
    Allocation {
        destination: destination(field(value, "Destination").unwrap()),
        amount: amount(field(value, "Amount").unwrap()),
        kind: AllocationKind(small_number(field(value, "AllocationType"))),
        metadata: bytes(field(value, "Metadata")),
    }
}

/// States and exits of the file differ in the case of their keys.
fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let fields = value.as_object().unwrap().iter();
    fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn small_number(value: Option<&Value>) -> u8 {
    value.map_or(0, |value| number(value).try_into().unwrap())
}

/// Bytes as hex with a prefix, as base64, or as null.
fn bytes(value: Option<&Value>) -> Bytes {
    match value {
        None | Some(Value::Null) => Bytes::default(),
        Some(value) if text(value).starts_with("0x") => Bytes(hex(value)),
        Some(value) => Bytes(base64(text(value))),
    }
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |byte: u8| ALPHABET.iter().position(|letter| *letter == byte).unwrap() as u32;
    let quartet = |letters: &[u8]| {
        let bits = letters.iter().fold(0, |bits, letter| bits << 6 | sextet(*letter));
        let bits = bits << (6 * (4 - letters.len()));
        bits.to_be_bytes()[1..letters.len()].to_vec()
    };
    text.trim_end_matches('=').as_bytes().chunks(4).flat_map(quartet).collect()
}
