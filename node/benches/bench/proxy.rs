//! A link between two nodes that takes time, and counts what goes over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use p2p::Multiaddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::report::median;
use crate::support::TestNode;

/// Bytes that went over a link, both directions together.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connects two nodes over a link of its own, before either knows where the other is: the
/// connection that is up is the only one, and both use it.
pub(crate) async fn connect(from: &TestNode, to: &TestNode, delay: Duration) -> Meter {
    let direct = to.dial_address().await.to_string();
    let (_, rest) = direct.split_once("/tcp/").expect("it listens on tcp");
    let (port, peer) = rest.split_once('/').expect("its id follows");
    let target = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    let (listens, meter) = start(target, delay).await;
    let address: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}/{peer}", listens.port()).parse().expect("an address");
    from.handle().p2p().dial(address).await.expect("the peer answers");
    meter
}

/// How long a link with such a delay really takes, one way: timers and threads take their part.
pub(crate) async fn one_way(delay: Duration) -> Duration {
    const ROUNDS: usize = 21;
    let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = echo.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = echo.accept().await.expect("accepts");
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let mut stream = TcpStream::connect(start(target, delay).await.0).await.expect("connects");
    stream.set_nodelay(true).expect("a socket");
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        let (began, mut byte) = (Instant::now(), [7]);
        stream.write_all(&byte).await.expect("written");
        stream.read_exact(&mut byte).await.expect("read");
        trips.push(began.elapsed() / 2);
    }
    median(trips)
}

async fn start(target: SocketAddr, delay: Duration) -> (SocketAddr, Meter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let meter = Meter::default();
    let counted = meter.clone();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(target).await else { return };
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("a socket");
            }
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            carry(near_read, far_write, delay, counted.clone());
            carry(far_read, near_write, delay, counted.clone());
        }
    });
    (address, meter)
}

/// One direction: what is read leaves after the delay, in order, however much is under way.
fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    delay: Duration,
    meter: Meter,
) {
    let (entry, mut exit) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            meter.0.fetch_add(count as u64, Ordering::Relaxed);
            if entry.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, bytes)) = exit.recv().await {
            if !delay.is_zero() {
                tokio::time::sleep_until(due).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
