//! What is wrong with the addresses of the section `[p2p]`. The network itself would leave out, without
//! a word, what nobody could ever dial.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use p2p::{Multiaddr, P2pConfig};

use super::layers::Fault;

const FORMS: &str = "expected /ip4/<address>/tcp/<port> or /ip4/<address>/udp/<port>/quic-v1, with \
                     /ip6/ or /dns/ instead of /ip4/ where that is so";

pub(super) fn check(config: &P2pConfig) -> Result<(), Fault> {
    for address in &config.listen {
        let fault = |reason: String| Fault::new("p2p.listen", format!("{address}: {reason}"));
        let place = Place::read(address).map_err(fault)?;
        if place.ip.is_none() {
            return Err(fault(
                "a name; give the IP address of an interface, or 0.0.0.0".to_owned(),
            ));
        }
        if place.peer.is_some() {
            return Err(fault("leave out /p2p/..., the node adds its own".to_owned()));
        }
    }
    for address in &config.external_addresses {
        let fault =
            |reason: &str| Fault::new("p2p.external_addresses", format!("{address}: {reason}"));
        let place = Place::read(address).map_err(|reason| fault(&reason))?;
        if place.peer.is_some() {
            return Err(fault("leave out /p2p/..., the node adds its own"));
        }
        check_dialable(&place).map_err(fault)?;
    }
    let known = [("p2p.boot_peers", &config.boot_peers), ("p2p.peers", &config.peers)];
    for (key, addresses) in known {
        for address in addresses {
            let fault = |reason: &str| Fault::new(key, format!("{address}: {reason}"));
            let place = Place::read(address).map_err(|reason| fault(&reason))?;
            if place.peer.is_none() {
                return Err(fault(
                    "must end in /p2p/PEER_ID, as the peer prints it when it starts",
                ));
            }
            check_dialable(&place).map_err(fault)?;
        }
    }
    let (retry, search) = (
        (config.retry_base_ms, config.retry_max_ms, "p2p.retry_max_ms", "retry_base_ms"),
        (config.search_base_ms, config.search_max_ms, "p2p.search_max_ms", "search_base_ms"),
    );
    for (base, max, key, name) in [retry, search] {
        if max < base {
            return Err(Fault::new(key, format!("{max} is below {name}, {base}")));
        }
    }
    Ok(())
}

fn check_dialable(place: &Place) -> Result<(), &'static str> {
    if place.port == 0 {
        return Err("port 0 cannot be dialled; give the port that is open");
    }
    if place.ip.is_some_and(|ip| ip.is_unspecified() || ip.is_multicast()) {
        return Err("no address of one machine; give the one under which it is reached");
    }
    Ok(())
}

/// A port that the node is to listen on and that another program has.
#[derive(Debug, thiserror::Error)]
#[error(
    "p2p.listen {address}: another program listens on that port, perhaps another node; stop it, or \
     give this one another port"
)]
pub struct PortTaken {
    address: Multiaddr,
}

/// Makes sure that nobody else listens where the node is to: the system would share a TCP port among
/// nodes of one user, and peers would reach now the one and now the other.
///
/// # Errors
/// When somebody does.
pub(crate) fn check_ports(listen: &[Multiaddr]) -> Result<(), PortTaken> {
    for address in listen {
        let Ok(Place { ip: Some(ip), port: port @ 1.., transport, .. }) = Place::read(address)
        else {
            continue;
        };
        let place = SocketAddr::new(ip, port);
        let free = match transport {
            Transport::Tcp => TcpListener::bind(place).map(drop),
            Transport::Quic => UdpSocket::bind(place).map(drop),
        };
        // Whatever else the system has to say, the network hears it, too.
        if free.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
            return Err(PortTaken { address: address.clone() });
        }
    }
    Ok(())
}

/// An address, taken apart.
struct Place {
    /// None for a name.
    ip: Option<IpAddr>,
    transport: Transport,
    port: u16,
    peer: Option<String>,
}

#[derive(Clone, Copy)]
enum Transport {
    Tcp,
    Quic,
}

impl Place {
    fn read(address: &Multiaddr) -> Result<Self, String> {
        let text = address.to_string();
        let mut parts = text.split('/').skip(1);
        let mut next = || parts.next().unwrap_or_default();
        let ip = match (next(), next()) {
            ("ip4" | "ip6", ip) => Some(ip.parse().map_err(|_| FORMS.to_owned())?),
            ("dns" | "dns4" | "dns6", _) => None,
            _ => return Err(FORMS.to_owned()),
        };
        let (transport, port) = match (next(), next()) {
            ("tcp", port) => (Transport::Tcp, port),
            ("udp", port) if next() == "quic-v1" => (Transport::Quic, port),
            _ => return Err(FORMS.to_owned()),
        };
        let port = port.parse().map_err(|_| FORMS.to_owned())?;
        let peer = match (next(), next(), next()) {
            ("", "", "") => None,
            ("p2p", peer, "") => Some(peer.to_owned()),
            (other, _, _) => {
                return Err(format!("/{other} is not served by this version; {FORMS}"));
            }
        };
        Ok(Self { ip, transport, port, peer })
    }
}
