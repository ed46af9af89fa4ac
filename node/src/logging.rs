//! Sets up what the node writes about itself. Logs go to stderr; stdout is for answers.
//!
//! ```text
//!   any thread ── a line ──> bounded queue ──> its own thread ── write ──> stderr
//! ```
//!
//! Nobody waits for stderr, and nothing that happens to it, be it a full disk, a reader that is gone or
//! one that does not read, reaches whoever logs: a node that cannot tell about itself still defends
//! its channels. Lines that find no room, or are refused, are counted and told when that is possible.

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use memchr::memmem;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, LogSection};

/// Libraries that tell at `info` what only their authors want to know. A configured directive for
/// one of them outranks this.
/// Where a level is given by module only, the others stay at `info`.
const QUIET: &str = "info,fjall=warn,lsm_tree=warn,libp2p_swarm=warn,libp2p_kad=error";

/// Lines that may wait: some seconds at `debug`, a few megabytes.
const QUEUE: usize = 16_384;

/// How long the end of the process waits for the last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How often it looks whether the queue has room again.
const FLUSH_PAUSE: Duration = Duration::from_millis(5);

/// What is read in place of a secret.
const HIDDEN: &[u8] = b"(hidden)";

/// The way to the thread that writes; one in a process, as there is one stderr.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Starts logging. `RUST_LOG` is not read: the level has one source, the configuration. Panics are
/// logged from then on. No line ever holds one of the `secrets`, also those that libraries write,
/// which print whole requests at `trace`.
///
/// # Errors
/// When logging was started before, the level is none, or there is no thread to write.
pub fn start(config: &LogSection, secrets: Vec<String>) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.level)).map_err(|error| {
        LogError::Level { level: config.level.clone(), reason: error.to_string() }
    })?;
    let sink = match SINK.get() {
        Some(sink) => sink,
        None => {
            let sink = Sink::start(stderr())?;
            SINK.get_or_init(|| sink)
        }
    };
    sink.hide(secrets);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        // It would be told on stderr, by a macro that panics where stderr cannot be written.
        .log_internal_errors(false)
        .with_writer(sink);
    match config.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Keeps a text out of the log from now on.
pub fn hide(secret: &str) {
    if let Some(sink) = SINK.get() {
        sink.hide(vec![secret.to_owned()]);
    }
}

/// Waits for the lines that were logged so far, for a second at most: the last thing that a process
/// does.
pub fn flush() {
    if let Some(sink) = SINK.get() {
        sink.flush();
    }
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a level and no directives.
    #[error("log.level {level:?}: {reason}")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was started before.
    #[error("logging was started before")]
    Twice(#[from] TryInitError),
    /// No thread that writes.
    #[error("no thread for the log")]
    Thread(#[from] io::Error),
}

/// The hook of the standard library writes to stderr itself and waits for it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic_text(panic.payload());
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    // Empty unless RUST_BACKTRACE asks for one.
    let backtrace = Backtrace::capture();
    tracing::error!(thread, at, %backtrace, "panicked: {message}");
}

/// What a panic says.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("no reason given", String::as_str),
    }
}

/// Takes lines from any thread, without ever waiting or failing.
#[derive(Debug)]
struct Sink {
    messages: SyncSender<Message>,
    lost: AtomicU64,
    secrets: Arc<RwLock<Vec<String>>>,
}

enum Message {
    Line(Vec<u8>),
    /// Answered when all lines before it are written, or were refused.
    Flush(SyncSender<()>),
}

impl Sink {
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (messages, queue) = sync_channel(QUEUE);
        let secrets = Arc::<RwLock<Vec<String>>>::default();
        let hidden = Arc::clone(&secrets);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&queue, &hidden, out))?;
        Ok(Self { messages, lost: AtomicU64::new(0), secrets })
    }

    fn hide(&self, secrets: Vec<String>) {
        let mut known = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(secrets.into_iter().filter(|secret| !secret.is_empty()));
        // What is part of another one would leave the rest of that one.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.dedup();
    }

    fn put(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.messages.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let line = format!("{lost} lines of the log were lost: stderr took none\n");
            if self.messages.try_send(Message::Line(line.into_bytes())).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        let end = Instant::now() + FLUSH_LIMIT;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(refused)) = self.messages.try_send(message) {
            if Instant::now() >= end {
                return;
            }
            message = refused;
            std::thread::sleep(FLUSH_PAUSE);
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

fn write_all(queue: &Receiver<Message>, secrets: &RwLock<Vec<String>>, mut out: impl Write) {
    let mut refused: u64 = 0;
    for message in queue {
        match message {
            Message::Line(line) => {
                if refused > 0 {
                    let lines = format!("{refused} lines of the log could not be written\n");
                    if out.write_all(lines.as_bytes()).is_ok() {
                        refused = 0;
                    }
                }
                // The lock is free again before the line is written, which may take for ever.
                let line = masked(line, &secrets.read().unwrap_or_else(PoisonError::into_inner));
                if out.write_all(&line).is_err() {
                    refused = refused.saturating_add(1);
                }
            }
            Message::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

/// The line without the secrets.
fn masked(mut line: Vec<u8>, secrets: &[String]) -> Vec<u8> {
    for secret in secrets {
        if memmem::find(&line, secret.as_bytes()).is_none() {
            continue;
        }
        let mut masked = Vec::with_capacity(line.len());
        let mut rest = line.as_slice();
        while let Some(at) = memmem::find(rest, secret.as_bytes()) {
            masked.extend_from_slice(&rest[..at]);
            masked.extend_from_slice(HIDDEN);
            rest = &rest[at + secret.len()..];
        }
        masked.extend_from_slice(rest);
        line = masked;
    }
    line
}

/// One event, which is written at once.
#[derive(Debug)]
struct Line<'a>(&'a Sink);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    /// Takes nothing until the lock is free.
    struct Stuck(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_secret_is_in_no_line_whoever_writes_it() {
        let text = Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = Sink::start(Stuck(Arc::clone(&text))).unwrap();
        sink.hide(vec!["key".to_owned(), "/v3/key".to_owned(), String::new()]);
        sink.put(b"GET /v3/key HTTP/1.1, key=key and keys\n".to_vec());
        sink.put(b"nothing to hide\n".to_vec());
        sink.flush();
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        let hidden = "GET (hidden) HTTP/1.1, (hidden)=(hidden) and (hidden)s\n";
        assert_eq!(text, format!("{hidden}nothing to hide\n"));
    }

    #[test]
    fn whoever_logs_does_not_notice_that_nothing_can_be_written() {
        let sink = Sink::start(Broken).unwrap();
        for _ in 0..10 {
            assert!(writeln!(Line(&sink), "a line").is_ok());
        }
        sink.flush();
        assert!(writeln!(Line(&sink), "a line").is_ok());
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up_and_learns_how_much_it_missed() {
        let text = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = Sink::start(Stuck(std::sync::Arc::clone(&text))).unwrap();
        let stuck = text.lock().unwrap();
        // One line is in the writer's hands, so that one more than the queue's length finds room.
        for _ in 0..QUEUE + 3 {
            sink.put(b"line\n".to_vec());
        }
        drop(stuck);
        sink.flush();
        sink.put(b"line\n".to_vec());
        sink.flush();
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert!(text.contains("lines of the log were lost"), "{}", text.len());
    }
}
