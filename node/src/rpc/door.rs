//! The ways in: a TCP port of this machine, and a socket file in the folder of the node.
//!
//! Whoever can open the socket file owns the folder, and can read every key in it: there is nothing
//! to show. It is what the command line uses, which so never sends the token to a port that somebody
//! else has taken over.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::server::{Methods, StopHandle, TowerServiceBuilder, serve_with_graceful_shutdown};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;
use tower::layer::util::{Identity, Stack};
use tracing::{debug, warn};

use super::answered::AnsweredLayer;
use super::guard::{Guard, Rules};
use super::hall::Hall;

/// How long nobody is let in after a failure of the system, such as want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Only the owner may connect.
const SOCKET_MODE: u32 = 0o600;

/// The longest path that every system takes for a socket.
const MAX_SOCKET_PATH: usize = 100;

/// Serves the connections of one listener.
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) rules: Arc<Rules>,
    pub(super) hall: Arc<Hall>,
    pub(super) service: TowerServiceBuilder<Stack<AnsweredLayer, Identity>, Identity>,
    pub(super) methods: Methods,
}

/// Where connections come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    /// With the id of the user whose socket it is.
    Unix(UnixListener, u32),
}

type Stream = Either<TcpStream, UnixStream>;

impl Door {
    /// Lets programs in until the server stops.
    pub(super) async fn serve(self, stop: StopHandle) {
        let stopped = stop.clone().shutdown();
        tokio::pin!(stopped);
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopped => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(stream) => {
                    failing = false;
                    self.attend(stream, &stop);
                }
                Err(error) => {
                    // Told once: it repeats as fast as this loop turns.
                    if !failing {
                        warn!(%error, "rpc: nobody can be let in");
                    }
                    failing = true;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn attend(&self, stream: Stream, stop: &StopHandle) {
        let visitor = self.hall.receive();
        let service = self.service.clone().build(self.methods.clone(), stop.clone());
        let guard = Guard::new(Arc::clone(&self.rules), Arc::clone(&visitor), service);
        let stop = stop.clone();
        tokio::spawn(async move {
            let serving = serve_with_graceful_shutdown(stream, guard, stop.shutdown());
            tokio::select! {
                biased;
                served = serving => {
                    if let Err(error) = served {
                        debug!(%error, "rpc: a connection has ended");
                    }
                }
                () = visitor.is_turned_away() => {
                    debug!("rpc: a connection that shows no token is closed");
                }
            }
        });
    }
}

impl Listener {
    /// Listens on a file, in place of one that an earlier run has left. The caller is the only
    /// process that uses the folder.
    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let short = ShortPath::new(path)?;
        let listener = UnixListener::bind(&short.path)?;
        fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
        Ok(Self::Unix(listener, fs::metadata(path)?.uid()))
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Either::Left(stream))
            }
            Self::Unix(listener, owner) => loop {
                let (stream, _) = listener.accept().await?;
                // The mode of the file was another one for a moment.
                let user = stream.peer_cred()?.uid();
                if user == *owner || user == 0 {
                    return Ok(Either::Right(stream));
                }
                debug!(user, "rpc: another user is turned away");
            },
        }
    }
}

/// Connects to the socket file of a node.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::new(path)?;
    UnixStream::connect(&short.path).await
}

/// A name for a socket that is short enough for the system, which takes about a hundred bytes.
struct ShortPath {
    path: PathBuf,
    /// Names the folder while it is open.
    _folder: Option<File>,
}

impl ShortPath {
    fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = File::open(parent)?;
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        if !short.exists() {
            let reason = "the path is too long for a socket; choose a shorter --data-dir";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(Self { path: short.join(name), _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_no_obstacle_and_only_the_owner_may_connect() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a".repeat(120));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("rpc.sock");
        // What an earlier run has left is in nobody's way.
        for _ in 0..2 {
            let listener = Listener::unix(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
            let (connected, accepted) = tokio::join!(connect(&path), listener.accept());
            assert!(connected.is_ok() && accepted.is_ok());
        }
    }
}
