//! When a process is ready: a fact, not a time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::{Machine, Netns};
use tokio::net::UnixDatagram;

use crate::error::{Error, Kind, Result};
use crate::lab::Place;
use crate::process::Log;

/// Between two looks at what the kernel tells nobody of.
const PAUSE: Duration = Duration::from_millis(5);
/// `TCP_LISTEN` (`net/tcp_states.h`), as `/proc/net/tcp` shows it.
const LISTEN: &str = "0A";

/// The fact that a process is ready by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It has printed a line with this in it, on either output.
    Line(String),
    /// Somebody listens on this TCP port there, IPv4 or IPv6.
    Port(u16),
    /// This file is there, as the process sees the file system.
    File(PathBuf),
    /// It has said so itself, as systemd's services do: `READY=1` to the datagram socket that `$NOTIFY_SOCKET` names
    /// (sd_notify(3)).
    Notify,
}

impl Ready {
    /// It has printed a line with `text` in it.
    pub fn line(text: impl Into<String>) -> Ready {
        Ready::Line(text.into())
    }

    /// Somebody listens on that TCP port there.
    pub fn port(port: u16) -> Ready {
        Ready::Port(port)
    }

    /// That file is there.
    pub fn file(path: impl Into<PathBuf>) -> Ready {
        Ready::File(path.into())
    }

    /// It says so: see [`Ready::Notify`].
    pub fn notify() -> Ready {
        Ready::Notify
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(text) => write!(f, "a line with {text:?} was printed"),
            Self::Port(port) => write!(f, "somebody listened on TCP port {port}"),
            Self::File(path) => write!(f, "{} was there", path.display()),
            Self::Notify => f.write_str("READY=1 was said to $NOTIFY_SOCKET"),
        }
    }
}

/// Looks out for the fact; set up before the process is started, so that nothing is missed.
pub(super) enum Watch {
    Line(String),
    Port(Netns, u16),
    File(PathBuf),
    Notify { socket: UnixDatagram, path: String },
}

/// Numbers the sockets of one machine.
static SOCKETS: AtomicU64 = AtomicU64::new(0);

impl Watch {
    pub(super) fn new(ready: &Ready, machine: &Arc<Machine>, place: &Place) -> Result<Watch> {
        // The machine's files, as seen from here.
        let root = PathBuf::from(format!("/proc/{}/root", machine.pid()));
        Ok(match ready {
            Ready::Line(text) => Watch::Line(text.clone()),
            Ready::Port(port) => Watch::Port(place.netns()?, *port),
            Ready::File(path) => Watch::File(root.join(path.strip_prefix("/").unwrap_or(path))),
            Ready::Notify => {
                let path = format!("/run/notify-{}", SOCKETS.fetch_add(1, Ordering::Relaxed));
                let socket = UnixDatagram::bind(root.join(&path[1..])).map_err(|why| {
                    Error::new(Kind::Machine, format_args!("cannot make {path} on {}: {why}", place.name()))
                })?;
                Watch::Notify { socket, path }
            }
        })
    }

    /// What the process has to be told.
    pub(super) fn env(&self) -> Option<(String, String)> {
        match self {
            Watch::Notify { path, .. } => Some(("NOTIFY_SOCKET".to_owned(), path.clone())),
            _ => None,
        }
    }

    /// Waits until it is so; for ever, if it never is.
    pub(super) async fn wait(self, log: &Log) -> Result<()> {
        match self {
            Watch::Line(text) => {
                let mut from = 0;
                loop {
                    let (lines, next) = log.follow(from).await;
                    if lines.iter().any(|line| line.text.contains(&text)) {
                        return Ok(());
                    }
                    if lines.is_empty() {
                        // Nothing more will come; that the process has ended is for others to see.
                        std::future::pending::<()>().await;
                    }
                    from = next;
                }
            }
            Watch::Port(netns, port) => {
                while !netns.run(move || listens(port))? {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            }
            Watch::File(path) => {
                while !path.exists() {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            }
            Watch::Notify { socket, .. } => {
                let mut text = [0; 4096];
                loop {
                    let read = socket.recv(&mut text).await.map_err(|why| Error::new(Kind::Machine, why))?;
                    if text[..read].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Whether somebody in this thread's namespace listens on that port.
fn listens(port: u16) -> bool {
    let table =
        |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    [table("tcp"), table("tcp6")].iter().any(|table| is_listening(table, port))
}

/// `sl local_address rem_address st …`, the address as `0100007F:1F90`, all in hex (proc_pid_net(5)).
fn is_listening(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        matches!(words[..], [_, local, _, LISTEN] if local.ends_with(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_listens_is_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n   \
                     1: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n";
        assert!(is_listening(table, 8080));
        assert!(!is_listening(table, 80));
        assert!(!is_listening(table, 54321));
    }
}
