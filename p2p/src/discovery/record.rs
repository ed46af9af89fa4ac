//! Signed address records: where the owner of an Ethereum address can be reached.
//!
//! ```text
//! key    "/nitro/address/" address(20)
//! value  version(1) public key(33) milliseconds(8) count(1) { length(1) multiaddr }* signature(64)
//! ```
//!
//! The value holds the key and not its names: the Ethereum address and the peer id are both
//! derived from it, so a record in which they disagree cannot be written. A record counts only
//! if its key *is* that of the address under which it was asked for, and the signature covers
//! every byte before it. Otherwise anyone could put himself in another's place in the table.

use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use libp2p::{Multiaddr, PeerId, kad, multiaddr::Protocol};
use secp256k1::{PublicKey, SecretKey, ecdsa::Signature};

use crate::identity::{address_of_key, peer_id_of};

/// A record older than this is refused: its owner has been away too long.
pub const MAX_AGE: Duration = Duration::from_secs(6 * 3600);
/// Clocks differ; a timestamp further ahead would outlive every honest correction.
pub const MAX_AHEAD: Duration = Duration::from_secs(10 * 60);
/// A node has a few interfaces and two transports.
pub const MAX_ADDRESSES: usize = 8;
/// Room for a long DNS name.
pub const MAX_ADDRESS_BYTES: usize = 128;
/// The largest value.
pub const MAX_RECORD_BYTES: usize =
    HEADER_BYTES + MAX_ADDRESSES * (1 + MAX_ADDRESS_BYTES) + SIGNATURE_BYTES;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 33 + 8 + 1;
const SIGNATURE_BYTES: usize = 64;
const KEY_PREFIX: &[u8] = b"/nitro/address/";
/// No other preimage that the channel key signs begins like this.
const SIGNING_DOMAIN: &[u8] = b"nitro address record 1\0";

/// Where the owner of a key says it can be reached. Only valid ones exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRecord {
    public_key: PublicKey,
    timestamp: u64,
    addresses: Vec<Multiaddr>,
    signature: Signature,
}

/// Why bytes are no record for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The table key is not that of an address record.
    #[error("not a key of an address record")]
    Key,
    /// Too long, too short, or bytes left over.
    #[error("malformed record")]
    Malformed,
    /// A version that this node does not know.
    #[error("unknown record version {0}")]
    Version(u8),
    /// The public key is not on the curve.
    #[error("invalid public key")]
    PublicKey,
    /// The record belongs to another address than the one asked for.
    #[error("the record is that of {0}")]
    Owner(Address),
    /// None, too many, or one that nobody could dial.
    #[error("unusable listen addresses")]
    Addresses,
    /// Not a low-s signature of the owner's key over the record.
    #[error("invalid signature")]
    Signature,
    /// Too old, or from a time that has not come.
    #[error("timestamp {0} is out of range")]
    Timestamp(u64),
}

impl AddressRecord {
    /// Signs a record for the owner of `secret`. Addresses that cannot be dialled are left
    /// out, and so are those beyond the bound; `None` if nothing remains.
    pub fn sign(
        secret: &SecretKey,
        addresses: impl IntoIterator<Item = Multiaddr>,
        now_ms: u64,
    ) -> Option<Self> {
        let addresses: Vec<_> =
            addresses.into_iter().filter(is_dialable).take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return None;
        }
        let public_key = PublicKey::from_secret_key(secret);
        let body = encode_body(&public_key, now_ms, &addresses);
        let signature = secp256k1::ecdsa::sign(message(&body), secret);
        Some(Self { public_key, timestamp: now_ms, addresses, signature })
    }

    /// Checks bytes found under the key of `owner`.
    pub fn decode(owner: Address, bytes: &[u8], now_ms: u64) -> Result<Self, RecordError> {
        let record = Self::decode_kept(owner, bytes)?;
        if is_timely(record.timestamp, now_ms) {
            Ok(record)
        } else {
            Err(RecordError::Timestamp(record.timestamp))
        }
    }

    /// Checks a record of `owner` that was timely when it was put away: the last that is known of
    /// somebody, however old, is better than nothing.
    pub fn decode_kept(owner: Address, bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_BYTES || bytes.len() < HEADER_BYTES + SIGNATURE_BYTES {
            return Err(RecordError::Malformed);
        }
        let (body, signature) = bytes.split_at(bytes.len() - SIGNATURE_BYTES);
        let (header, list) = body.split_at(HEADER_BYTES);
        if header[0] != VERSION {
            return Err(RecordError::Version(header[0]));
        }
        let public_key =
            PublicKey::from_slice(&header[1..34]).map_err(|_| RecordError::PublicKey)?;
        let named = address_of_key(&public_key);
        if named != owner {
            return Err(RecordError::Owner(named));
        }
        let timestamp = header[34..42].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let addresses = decode_addresses(header[42], list)?;
        // Verification refuses high-s, so that a record has exactly one valid encoding.
        let signature = Signature::from_compact(signature).map_err(|_| RecordError::Signature)?;
        secp256k1::ecdsa::verify(&signature, message(body), &public_key)
            .map_err(|_| RecordError::Signature)?;
        Ok(Self { public_key, timestamp, addresses, signature })
    }

    /// The bytes kept in the table.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = encode_body(&self.public_key, self.timestamp, &self.addresses);
        bytes.extend_from_slice(&self.signature.serialize_compact());
        bytes
    }

    /// The owner.
    pub fn address(&self) -> Address {
        address_of_key(&self.public_key)
    }

    /// The owner's peer id.
    pub fn peer_id(&self) -> PeerId {
        peer_id_of(&self.public_key.serialize()).expect("a parsed key gives a peer id")
    }

    /// When it was signed, in milliseconds since 1970. The newest record of an owner counts.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Where the owner listens.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    /// How long the record may still be used.
    pub fn remaining(&self, now_ms: u64) -> Duration {
        let end = self.timestamp.saturating_add(millis(MAX_AGE));
        Duration::from_millis(end.saturating_sub(now_ms)).min(MAX_AGE)
    }
}

/// The key in the table for the record of `owner`.
pub fn key_of(owner: Address) -> kad::RecordKey {
    kad::RecordKey::new(&[KEY_PREFIX, owner.as_slice()].concat())
}

/// The address whose record belongs under a key of the table.
pub fn owner_of(key: &kad::RecordKey) -> Result<Address, RecordError> {
    key.as_ref()
        .strip_prefix(KEY_PREFIX)
        .and_then(|bytes| Address::try_from(bytes).ok())
        .ok_or(RecordError::Key)
}

/// Whether an address names one host and one port, without detours.
pub(crate) fn is_dialable(address: &Multiaddr) -> bool {
    check(address).is_ok()
}

/// Why an address cannot be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDialable {
    #[error("it begins with neither /ip4, /ip6, /dns, /dns4 nor /dns6")]
    Host,
    #[error("no host has this IP address")]
    NoHost,
    #[error("after the host comes /tcp/<port> or /udp/<port>/quic-v1, and nothing else")]
    Transport,
    #[error("port 0 is none that others can connect to")]
    Port,
    #[error("it is longer than {MAX_ADDRESS_BYTES} bytes")]
    Length,
}

/// Whether an address names one host and one port, without detours, and what is wrong if not.
pub(crate) fn check(address: &Multiaddr) -> Result<(), NotDialable> {
    let mut parts = address.iter();
    let is_host = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => return Err(NotDialable::Host),
    };
    let transport = (parts.next(), parts.next(), parts.next());
    let ((Some(Protocol::Tcp(port)), None, None)
    | (Some(Protocol::Udp(port)), Some(Protocol::QuicV1), None)) = transport
    else {
        return Err(NotDialable::Transport);
    };
    if !is_host {
        return Err(NotDialable::NoHost);
    }
    if port == 0 {
        return Err(NotDialable::Port);
    }
    if address.len() > MAX_ADDRESS_BYTES { Err(NotDialable::Length) } else { Ok(()) }
}

fn encode_body(public_key: &PublicKey, timestamp: u64, addresses: &[Multiaddr]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAX_RECORD_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&public_key.serialize());
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.push(addresses.len() as u8);
    for address in addresses {
        bytes.push(address.len() as u8);
        bytes.extend_from_slice(address.as_ref());
    }
    bytes
}

fn decode_addresses(count: u8, mut list: &[u8]) -> Result<Vec<Multiaddr>, RecordError> {
    let count = usize::from(count);
    if count == 0 || count > MAX_ADDRESSES {
        return Err(RecordError::Addresses);
    }
    let mut addresses = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, rest) = list.split_first().ok_or(RecordError::Malformed)?;
        let (bytes, rest) =
            rest.split_at_checked(usize::from(*length)).ok_or(RecordError::Malformed)?;
        let address = Multiaddr::try_from(bytes.to_vec()).map_err(|_| RecordError::Addresses)?;
        // The second condition refuses a longer spelling of the same address.
        if !is_dialable(&address) || address.as_ref() != bytes {
            return Err(RecordError::Addresses);
        }
        addresses.push(address);
        list = rest;
    }
    if list.is_empty() { Ok(addresses) } else { Err(RecordError::Malformed) }
}

fn message(body: &[u8]) -> secp256k1::Message {
    let digest: B256 = keccak256([SIGNING_DOMAIN, body].concat());
    secp256k1::Message::from_digest(digest.0)
}

fn is_timely(timestamp: u64, now_ms: u64) -> bool {
    timestamp <= now_ms.saturating_add(millis(MAX_AHEAD))
        && timestamp.saturating_add(millis(MAX_AGE)) > now_ms
}

const fn millis(duration: Duration) -> u64 {
    duration.as_secs() * 1000
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn secret(byte: u8) -> SecretKey {
        SecretKey::from_secret_bytes([byte; 32]).unwrap()
    }

    fn record(byte: u8) -> AddressRecord {
        let listen = ["/ip4/10.0.0.1/tcp/3005", "/dns4/node.example/udp/3005/quic-v1"];
        let listen = listen.map(|address| address.parse().unwrap());
        AddressRecord::sign(&secret(byte), listen, NOW).unwrap()
    }

    /// Signs any body as the owner could, however absurd.
    fn signed(body: &[u8], byte: u8) -> Vec<u8> {
        let signature = secp256k1::ecdsa::sign(message(body), &secret(byte));
        [body, &signature.serialize_compact()].concat()
    }

    #[test]
    fn a_record_leads_from_the_address_to_the_peer() {
        let record = record(1);
        let decoded = AddressRecord::decode(record.address(), &record.encode(), NOW).unwrap();
        assert_eq!(decoded, record);
        assert_eq!(crate::address_of(&decoded.peer_id()), Some(record.address()));
        assert_eq!(owner_of(&key_of(record.address())), Ok(record.address()));
    }

    #[test]
    fn refuses_a_valid_record_under_the_key_of_another() {
        let (mine, victim) = (record(1), record(2).address());
        let decoded = AddressRecord::decode(victim, &mine.encode(), NOW);
        assert_eq!(decoded, Err(RecordError::Owner(mine.address())));
    }

    #[test]
    fn refuses_a_record_that_names_the_victim_but_is_signed_by_another() {
        let victim = record(2);
        let bytes = victim.encode();
        let forged = signed(&bytes[..bytes.len() - SIGNATURE_BYTES], 1);
        let decoded = AddressRecord::decode(victim.address(), &forged, NOW);
        assert_eq!(decoded, Err(RecordError::Signature));
    }

    #[test]
    fn refuses_a_change_of_any_byte() {
        let record = record(1);
        let bytes = record.encode();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(AddressRecord::decode(record.address(), &changed, NOW).is_err(), "{index}");
            assert!(AddressRecord::decode(record.address(), &bytes[..index], NOW).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(AddressRecord::decode(record.address(), &longer, NOW).is_err());
    }

    proptest! {
        /// Even an owner who signs nonsense gets an error or a record with one encoding.
        #[test]
        fn decoding_what_an_owner_signed_is_total_and_canonical(
            count in 0..10_u8,
            list in vec(prop_oneof![0..12_u8, any::<u8>()], 0..60),
        ) {
            let body = encode_body(&PublicKey::from_secret_key(&secret(1)), NOW, &[]);
            let body = [&body[..HEADER_BYTES - 1], &[count], &list].concat();
            let bytes = signed(&body, 1);
            if let Ok(decoded) = AddressRecord::decode(record(1).address(), &bytes, NOW) {
                prop_assert_eq!(decoded.encode(), bytes);
            }
        }

        #[test]
        fn decoding_anything_is_total(bytes in vec(any::<u8>(), 0..1200)) {
            prop_assert!(AddressRecord::decode(record(1).address(), &bytes, NOW).is_err());
        }
    }

    #[test]
    fn refuses_the_high_s_twin_of_a_signature() {
        let record = record(1);
        let mut bytes = record.encode();
        let start = bytes.len() - 32;
        let order = alloy_primitives::U256::from_be_slice(&secp256k1::constants::CURVE_ORDER);
        let s = alloy_primitives::U256::from_be_slice(&bytes[start..]);
        bytes[start..].copy_from_slice(&(order - s).to_be_bytes::<32>());
        let decoded = AddressRecord::decode(record.address(), &bytes, NOW);
        assert_eq!(decoded, Err(RecordError::Signature));
    }

    #[test]
    fn refuses_timestamps_out_of_range() {
        let record = record(1);
        let at = |now| AddressRecord::decode(record.address(), &record.encode(), now);
        assert!(at(NOW - millis(MAX_AHEAD)).is_ok());
        assert_eq!(at(NOW - millis(MAX_AHEAD) - 1), Err(RecordError::Timestamp(NOW)));
        assert!(at(NOW + millis(MAX_AGE) - 1).is_ok());
        assert_eq!(at(NOW + millis(MAX_AGE)), Err(RecordError::Timestamp(NOW)));
        let forever = AddressRecord { timestamp: u64::MAX, ..record.clone() };
        assert!(AddressRecord::decode(record.address(), &forever.encode(), NOW).is_err());
        assert_eq!(
            AddressRecord::decode_kept(record.address(), &record.encode()),
            Ok(record.clone())
        );
        assert_eq!(record.remaining(NOW), MAX_AGE);
        assert_eq!(record.remaining(NOW + millis(MAX_AGE)), Duration::ZERO);
    }

    #[test]
    fn refuses_lists_that_are_empty_too_long_or_not_dialable() {
        let owner = record(1).address();
        let public_key = PublicKey::from_secret_key(&secret(1));
        let decode = |addresses: &[Multiaddr]| {
            let body = encode_body(&public_key, NOW, addresses);
            AddressRecord::decode(owner, &signed(&body, 1), NOW)
        };
        let good: Multiaddr = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
        assert!(decode(&vec![good.clone(); MAX_ADDRESSES]).is_ok());
        assert_eq!(decode(&[]), Err(RecordError::Addresses));
        assert!(decode(&vec![good; MAX_ADDRESSES + 1]).is_err());
        for bad in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/10.0.0.1/tcp/0",
            "/ip4/10.0.0.1",
            "/memory/5",
            "/ip4/10.0.0.1/tcp/1/ws",
            "/unix/tmp",
        ] {
            assert_eq!(decode(&[bad.parse().unwrap()]), Err(RecordError::Addresses), "{bad}");
        }
    }

    #[test]
    fn signs_only_what_others_will_accept() {
        let unusable: Multiaddr = "/ip4/0.0.0.0/tcp/3005".parse().unwrap();
        assert!(AddressRecord::sign(&secret(1), [unusable], NOW).is_none());
        let many = (1..100).map(|port| format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap());
        let record = AddressRecord::sign(&secret(1), many, NOW).unwrap();
        assert_eq!(record.addresses().len(), MAX_ADDRESSES);
        assert!(AddressRecord::decode(record.address(), &record.encode(), NOW).is_ok());
    }
}
