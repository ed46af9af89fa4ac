//! Where somebody comes from, as coarsely as an attacker can choose freely.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Instant,
};

use libp2p::{Multiaddr, multiaddr::Protocol};

/// One machine or one home: an IPv4 address, or the IPv6 network that every customer is given and
/// within which addresses are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Host(IpAddr);

/// Neighbouring hosts, which are rented together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Block(IpAddr);

/// Bits of an IPv6 address that say which host it is.
const V6_HOST_BITS: u32 = 64;
/// Bits of an IPv6 address that say which block it is in: what a provider gives a business.
const V6_BLOCK_BITS: u32 = 48;
/// Bits of an IPv4 address that say which block it is in.
const V4_BLOCK_BITS: u32 = 24;

impl Host {
    /// The host at the beginning of an address; none if it is a name or no address of a network.
    pub(crate) fn of(address: &Multiaddr) -> Option<Self> {
        match address.iter().next()? {
            Protocol::Ip4(ip) => Some(Self::from(IpAddr::V4(ip))),
            Protocol::Ip6(ip) => Some(Self::from(IpAddr::V6(ip))),
            _ => None,
        }
    }

    pub(crate) fn block(self) -> Block {
        Block(match self.0 {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(high(ip.to_bits(), V4_BLOCK_BITS))),
            IpAddr::V6(ip) => IpAddr::V6(high_v6(ip, V6_BLOCK_BITS)),
        })
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        // An IPv4 address that came in through an IPv6 socket is the same host.
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6(high_v6(ip, V6_HOST_BITS)),
        })
    }
}

/// The guest that gives way to one more from `newcomer`: the one who has been there longest of the
/// most crowded host in the most crowded block. None if there is no guest. Guests under a name crowd
/// nobody, since it was us who went there.
///
/// A flood from one place thus turns over its own guests only, and one from everywhere leaves each
/// the time that it takes to fill the house.
pub(crate) fn most_crowding<G>(
    guests: impl Iterator<Item = (G, Option<Host>, Instant)> + Clone,
    newcomer: Option<Host>,
) -> Option<G> {
    let (mut hosts, mut blocks) = (HashMap::new(), HashMap::new());
    for host in guests.clone().map(|(_, host, _)| host).chain([newcomer]).flatten() {
        *hosts.entry(host).or_insert(0_usize) += 1;
        *blocks.entry(host.block()).or_insert(0_usize) += 1;
    }
    let crowding = |host: Host| (blocks.get(&host.block()), hosts.get(&host));
    guests
        .max_by_key(|(_, host, since)| (host.map(crowding), Reverse(*since)))
        .map(|(guest, _, _)| guest)
}

const fn high(bits: u32, count: u32) -> u32 {
    bits & (u32::MAX << (u32::BITS - count))
}

const fn high_v6(ip: Ipv6Addr, count: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (u128::BITS - count)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn host(ip: &str) -> Host {
        Host::from(ip.parse::<IpAddr>().unwrap())
    }

    fn leaving(guests: &[&str], newcomer: &str) -> Option<usize> {
        let start = Instant::now();
        let guests = guests.iter().enumerate().map(|(position, ip)| {
            (position, Some(host(ip)), start + Duration::from_secs(position as u64))
        });
        most_crowding(guests, Some(host(newcomer)))
    }

    #[test]
    fn free_addresses_of_one_customer_are_one_host() {
        assert_eq!(host("2001:db8:1:2::1"), host("2001:db8:1:2:ffff::9"));
        assert_ne!(host("2001:db8:1:2::1"), host("2001:db8:1:3::1"));
        assert_eq!(host("2001:db8:1:2::1").block(), host("2001:db8:1:ff::1").block());
        assert_ne!(host("2001:db8:1::1").block(), host("2001:db8:2::1").block());
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("192.0.2.1").block(), host("192.0.2.255").block());
        assert_ne!(host("192.0.2.1").block(), host("192.0.3.1").block());
    }

    #[test]
    fn the_oldest_of_the_most_crowded_place_gives_way() {
        let guests = ["198.51.100.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "203.0.113.1"];
        assert_eq!(leaving(&guests, "198.51.100.9"), Some(2));
        // One more makes the other host of the block the fuller one.
        assert_eq!(leaving(&guests[..3], "192.0.2.1"), Some(1));
        assert_eq!(leaving(&[], "192.0.2.1"), None);
    }

    #[test]
    fn a_flood_from_one_place_turns_over_only_itself() {
        let mut guests = vec!["198.51.100.1"; 1];
        guests.extend(["192.0.2.1"; 3]);
        assert_eq!(leaving(&guests, "192.0.2.1"), Some(1));
        assert_eq!(leaving(&guests, "203.0.113.1"), Some(1));
    }

    #[test]
    fn where_all_are_alone_the_oldest_has_had_its_turn() {
        assert_eq!(leaving(&["198.51.100.1", "192.0.2.1"], "203.0.113.1"), Some(0));
    }
}
