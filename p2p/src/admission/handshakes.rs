//! Connections on which nobody has proved a key yet.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    },
};
use tokio::sync::{oneshot, watch};

use super::host::{Host, most_crowding};
use crate::metrics::Metrics;

/// Seven round trips of a second each, on the worst of lines, take longer than this only by a little;
/// who says nothing holds a place no longer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The part of all places for hosts where partners are: one in four.
const FAMILIAR_SHARE: usize = 4;

type Connection = (PeerId, StreamMuxerBox);

/// A transport that bounds how many incoming handshakes are under way.
///
/// A newcomer is never turned away: when all places are taken, somebody else's handshake ends. Silent
/// connections, which cost an attacker nothing but packets, can therefore not hold the door shut, as
/// they could if the first to come were the last to leave.
pub(crate) struct Handshakes {
    inner: Boxed<Connection>,
    pending: Vec<Handshake>,
    places: usize,
    /// Where partners have been.
    familiar: watch::Receiver<HashSet<Host>>,
    metrics: Arc<Metrics>,
}

struct Handshake {
    host: Host,
    since: Instant,
    /// Closed when the handshake is over; dropped to end it.
    stay: oneshot::Sender<()>,
}

impl Handshakes {
    pub(crate) fn new(
        inner: Boxed<Connection>,
        places: usize,
        familiar: watch::Receiver<HashSet<Host>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { inner, pending: Vec::new(), places: places.max(1), familiar, metrics }
    }

    /// Takes one in; the handshake ends early when what is returned is closed.
    fn admit(&mut self, host: Host, now: Instant) -> oneshot::Receiver<()> {
        self.pending.retain(|handshake| !handshake.stay.is_closed());
        if self.pending.len() >= self.places
            && let Some(position) = self.leaving(host)
        {
            self.metrics.handshakes_dismissed.increment();
            drop(self.pending.swap_remove(position));
        }
        let (stay, dismissed) = oneshot::channel();
        self.pending.push(Handshake { host, since: now, stay });
        dismissed
    }

    /// Who makes room: a stranger, as long as hosts of partners have no more than their share.
    fn leaving(&self, newcomer: Host) -> Option<usize> {
        let familiar = self.familiar.borrow();
        let guests = self
            .pending
            .iter()
            .enumerate()
            .map(|(position, handshake)| (position, Some(handshake.host), handshake.since));
        let strangers =
            guests.clone().filter(|(_, host, _)| host.is_none_or(|host| !familiar.contains(&host)));
        let is_share_kept =
            self.pending.len() - strangers.clone().count() <= self.places / FAMILIAR_SHARE;
        let stranger = is_share_kept.then(|| most_crowding(strangers, Some(newcomer))).flatten();
        stranger.or_else(|| most_crowding(guests, Some(newcomer)))
    }
}

impl Transport for Handshakes {
    type Output = Connection;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Connection>>;
    type Dial = <Boxed<Connection> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Poll::Ready(event) = Pin::new(&mut self.inner).poll(context) else {
            return Poll::Pending;
        };
        let dismissed = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => {
                // Both transports name the other side's address; anything else would be one crowd.
                let nowhere = || Host::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let host = Host::of(send_back_addr).unwrap_or_else(nowhere);
                Some(self.admit(host, Instant::now()))
            }
            _ => None,
        };
        Poll::Ready(event.map_upgrade(|upgrade| {
            let dismissed = dismissed.expect("only who comes in has a handshake before it");
            Box::pin(bounded(upgrade, dismissed)) as Self::ListenerUpgrade
        }))
    }
}

async fn bounded(
    handshake: impl Future<Output = io::Result<Connection>>,
    dismissed: oneshot::Receiver<()>,
) -> io::Result<Connection> {
    tokio::select! {
        biased;
        done = tokio::time::timeout(TIMEOUT, handshake) => {
            done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
        _ = dismissed => Err(io::Error::other("made room for another handshake")),
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::transport::dummy::DummyTransport;

    use super::*;

    fn host(ip: [u8; 4]) -> Host {
        Host::from(IpAddr::from(ip))
    }

    fn handshakes(places: usize, familiar: &[Host]) -> Handshakes {
        let (_, familiar) = watch::channel(familiar.iter().copied().collect());
        Handshakes::new(DummyTransport::new().boxed(), places, familiar, Arc::default())
    }

    fn is_dismissed(handshake: &mut oneshot::Receiver<()>) -> bool {
        !matches!(handshake.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    #[tokio::test]
    async fn a_flood_from_one_host_ends_none_but_its_own_handshakes() {
        let mut door = handshakes(8, &[]);
        let now = Instant::now();
        let mut honest = door.admit(host([198, 51, 100, 1]), now);
        let mut flood: Vec<_> = (1..=100)
            .map(|index| door.admit(host([192, 0, 2, 1]), now + Duration::from_millis(index)))
            .collect();
        assert!(!is_dismissed(&mut honest));
        let left: Vec<_> = flood.iter_mut().map(|one| !is_dismissed(one)).collect();
        assert!(left[93..].iter().all(|left| *left) && !left[..93].contains(&true));
    }

    #[tokio::test]
    async fn finished_handshakes_take_no_place() {
        let mut door = handshakes(2, &[]);
        let now = Instant::now();
        let mut first = door.admit(host([192, 0, 2, 1]), now);
        for _ in 0..10 {
            drop(door.admit(host([192, 0, 2, 2]), now));
        }
        assert!(!is_dismissed(&mut first));
    }

    #[tokio::test]
    async fn hosts_of_partners_keep_their_share_under_a_flood_from_everywhere() {
        let partner = host([203, 0, 113, 1]);
        let mut door = handshakes(8, &[partner]);
        let now = Instant::now();
        let mut two = [door.admit(partner, now), door.admit(partner, now)];
        let flood: Vec<_> =
            (0..=255).map(|block| door.admit(host([192, 0, block, 1]), now)).collect();
        assert!(!two.iter_mut().any(is_dismissed));
        drop(flood);
        // Who floods from a partner's host has no more than that share against others.
        let mut honest = door.admit(host([198, 51, 100, 1]), now);
        let flood: Vec<_> = (0..100).map(|_| door.admit(partner, now)).collect();
        assert!(!is_dismissed(&mut honest));
        drop(flood);
    }
}
