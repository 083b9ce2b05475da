//! Where captured packets go: to a client as a file, or into memory.

use std::io::{self, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::packet::{Captured, Packet};
use super::pcapng;

/// Bytes of packets that are kept in memory, about; older ones are forgotten.
const KEPT: usize = 64 << 20;
/// What a packet takes beside its bytes, about.
const EACH: usize = size_of::<Packet>();

/// Where packets go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// To whoever reads this, as a file. That it is closed or shut down there ends the capture.
    Stream(BufWriter<UnixStream>),
    /// Into memory.
    Memory(Arc<Kept>),
}

/// Packets in memory.
#[derive(Debug)]
pub(crate) struct Kept {
    all: Mutex<(Captured, usize)>,
    room: usize,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::with_room(KEPT)
    }
}

impl Kept {
    /// Of so many bytes of packets, about, the latest.
    pub(crate) fn with_room(room: usize) -> Kept {
        Kept { all: Mutex::default(), room }
    }

    fn lock(&self) -> MutexGuard<'_, (Captured, usize)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is so far.
    pub(crate) fn so_far(&self) -> Captured {
        self.lock().0.clone()
    }

    fn push(&self, packet: Packet) {
        let (captured, bytes) = &mut *self.lock();
        *bytes += EACH + packet.bytes.len();
        captured.packets.push(packet);
        if *bytes > self.room {
            // Half of them at once: to move all for each would take longer than to capture them.
            let half = captured.packets.len() / 2;
            let forgotten =
                captured.packets.drain(..half).map(|packet| EACH + packet.bytes.len()).sum::<usize>();
            *bytes -= forgotten;
            captured.forgotten += u64::try_from(half).unwrap_or(u64::MAX);
        }
    }
}

impl Sink {
    /// To whoever has the other end.
    pub(crate) fn stream(to: UnixStream) -> Sink {
        Sink::Stream(BufWriter::with_capacity(256 << 10, to))
    }

    /// What tells that nobody wants more.
    pub(super) fn reader(&self) -> Option<&UnixStream> {
        match self {
            Sink::Stream(stream) => Some(stream.get_ref()),
            Sink::Memory(_) => None,
        }
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => stream.write_all(&pcapng::section()),
            Sink::Memory(_) => Ok(()),
        }
    }

    pub(super) fn interface(&mut self, name: &str, snapshot: u32) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => stream.write_all(&pcapng::interface(name, snapshot)),
            Sink::Memory(kept) => {
                kept.lock().0.interfaces.push(name.to_owned());
                Ok(())
            }
        }
    }

    pub(super) fn packet(&mut self, packet: Packet) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => stream.write_all(&pcapng::packet(&packet)),
            Sink::Memory(kept) => {
                kept.push(packet);
                Ok(())
            }
        }
    }

    /// So many packets were lost in a namespace, of which one interface has that number.
    pub(super) fn lost(
        &mut self,
        namespace: &str,
        interface: u32,
        at: Duration,
        lost: u64,
    ) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => {
                let comment = (lost > 0).then(|| format!("of all interfaces of {namespace}"));
                stream.write_all(&pcapng::statistics(interface, at, lost, comment.as_deref()))
            }
            Sink::Memory(kept) => {
                kept.lock().0.lost += lost;
                Ok(())
            }
        }
    }

    /// So many namespaces could not be looked into.
    pub(super) fn unseen(&mut self, at: Duration, unseen: u64) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => {
                stream.write_all(&pcapng::statistics(0, at, 0, Some(&pcapng::unseen(unseen))))
            }
            Sink::Memory(kept) => {
                kept.lock().0.unseen = unseen;
                Ok(())
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => stream.flush(),
            Sink::Memory(_) => Ok(()),
        }
    }
}
