//! TCP streams as fast as they go: how much arrived.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::Traffic;
use super::cost::Cost;
use super::cpus::{Cpus, End};
use super::path::{Path, is_silence};
use super::span::{Meter, Span, Stop, Window};
use crate::error::{Error, Kind, Result};

/// What is written and read at a time, as `iperf3` does.
const CHUNK: usize = 128 << 10;
/// Most streams a way: two threads and two chunks each.
pub const MOST_STREAMS: u32 = 128;
/// What a segment holds where the kernel does not say: 1500 bytes less 52 of headers with timestamps.
const SEGMENT: u32 = 1448;

/// Which way streams go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From who asks for them to the other end, which is dialled in either case.
    #[default]
    Forth,
    /// From the other end.
    Back,
    /// So many each way.
    Both,
}

/// TCP streams, as fast as they go, without `TCP_NODELAY`, as `iperf3` has them unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// How many a way, 1 to 128.
    pub count: u32,
    /// Which way.
    pub way: Way,
    /// Where both ends run.
    pub cpus: Cpus,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams { count: 1, way: Way::Forth, cpus: Cpus::Free }
    }
}

/// What came of streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// How long it was counted.
    pub lasted: Duration,
    /// Bytes that arrived at the other end, and at the one that asked; without headers.
    pub bytes: [u64; 2],
    /// The bytes of each stream, those that go forth first.
    pub each: Vec<u64>,
    /// How many full segments these bytes make, rounded up. How many packets there were on the wire is less than that where the
    /// kernel hands over many in one, and more where acknowledgements count.
    pub segments: u64,
    /// What it cost.
    pub cost: Cost,
}

impl Carried {
    /// All bytes that arrived.
    pub fn all(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// Bits a second, both ways together, without headers.
    pub fn bits_per_second(&self) -> f64 {
        rate(self.all(), self.lasted)
    }

    /// With what came of another run, of the same request.
    #[must_use]
    pub fn and(self, other: &Carried) -> Carried {
        let each = self.each.iter().zip(&other.each).map(|(one, other)| one + other).collect();
        Carried {
            lasted: self.lasted + other.lasted,
            bytes: [self.bytes[0] + other.bytes[0], self.bytes[1] + other.bytes[1]],
            each,
            segments: self.segments + other.segments,
            cost: self.cost.and(other.cost),
        }
    }
}

/// Bits a second.
#[expect(clippy::cast_precision_loss, reason = "a rate has no 53 significant bits")]
pub(super) fn rate(bytes: u64, lasted: Duration) -> f64 {
    if lasted.is_zero() { 0.0 } else { bytes as f64 * 8.0 / lasted.as_secs_f64() }
}

/// One stream: its ends, and whether it goes forth.
struct Stream {
    near: TcpStream,
    far: TcpStream,
    forth: bool,
}

/// What a thread has moved, and what that cost it.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    bytes: u64,
    cost: Duration,
}

impl Traffic for Streams {
    type Found = Carried;

    /// Opens them, lets them run, closes them. That no connection comes about is an error of kind
    /// [`Refused`](Kind::Refused). It blocks, for the whole span and for two seconds a connection at most.
    fn run(&self, path: &Path, span: Span, stop: &Stop) -> Result<Carried> {
        let ways: &[bool] = match self.way {
            Way::Forth => &[true],
            Way::Back => &[false],
            Way::Both => &[true, false],
        };
        let (listener, to) = path.listen()?;
        let mut streams = Vec::new();
        for forth in ways {
            for _ in 0..self.count.clamp(1, MOST_STREAMS) {
                if stop.stopped() {
                    return Ok(Carried::default());
                }
                let (near, far) = path.connect(&listener, to)?;
                // As of whoever says nothing about it, iperf3 among them. With TCP_NODELAY half as much more was seen on a veth.
                for end in [&near, &far] {
                    end.set_nodelay(false).map_err(|why| Error::new(Kind::Machine, why))?;
                }
                streams.push(Stream { near, far, forth: *forth });
            }
        }
        drop(listener);
        let segment =
            streams.first().and_then(|one| SockRef::from(&one.near).tcp_mss().ok()).unwrap_or(SEGMENT);
        let window = Window::new(span, stop);
        thread::scope(|scope| {
            let mut running = Vec::new();
            for stream in streams {
                let Stream { near, far, forth } = stream;
                let (source, drain) = if forth { (near, far) } else { (far, near) };
                let (at_source, at_drain) = if forth { (End::Near, End::Far) } else { (End::Far, End::Near) };
                let (window, cpus) = (&window, self.cpus);
                let start = || thread::Builder::new().stack_size(128 << 10);
                let sink = start().name("sink".into()).spawn_scoped(scope, move || {
                    cpus.place(at_drain);
                    sink(drain, window)
                });
                let sender = start().name("sender".into()).spawn_scoped(scope, move || {
                    cpus.place(at_source);
                    send(source, window)
                });
                running.push((forth, sender, sink));
            }
            let cost = window.watch();
            let mut carried = Carried { lasted: span.lasts, cost, ..Carried::default() };
            for (forth, sender, sink) in running {
                let ended = |thread: std::io::Result<thread::ScopedJoinHandle<'_, Moved>>| {
                    let thread = thread.map_err(|why| Error::new(Kind::Machine, why))?;
                    thread.join().map_err(|_| Error::new(Kind::Machine, "a thread of the traffic panicked"))
                };
                let (sent, came) = (ended(sender)?, ended(sink)?);
                carried.bytes[usize::from(!forth)] += came.bytes;
                carried.each.push(came.bytes);
                carried.segments += came.bytes.div_ceil(u64::from(segment.max(1)));
                let (from, to) = if forth { (sent.cost, came.cost) } else { (came.cost, sent.cost) };
                carried.cost.from += from;
                carried.cost.to += to;
            }
            Ok(carried)
        })
    }
}

fn send(mut stream: TcpStream, window: &Window) -> Moved {
    let (chunk, mut meter) = (vec![0x5a; CHUNK], Meter::new());
    let mut moved = Moved::default();
    loop {
        let now = Instant::now();
        meter.tick(window, now);
        if window.is_over(now) {
            break;
        }
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(why) if is_silence(&why) => {}
            // The other end is gone, which it sees in what arrives.
            Err(_) => break,
        }
    }
    moved.cost = meter.cost();
    // The sink reads what is under way until its own window is over: closing now would take it away.
    window.sleep_until(window.ends);
    moved
}

fn sink(mut stream: TcpStream, window: &Window) -> Moved {
    let (mut chunk, mut meter) = (vec![0; CHUNK], Meter::new());
    let mut moved = Moved::default();
    loop {
        let read = stream.read(&mut chunk);
        let now = Instant::now();
        meter.tick(window, now);
        match read {
            Ok(0) => break,
            Ok(read) if window.counts(now) => moved.bytes += u64::try_from(read).unwrap_or_default(),
            Ok(_) => {}
            Err(why) if is_silence(&why) => {}
            Err(_) => break,
        }
        if window.is_over(now) {
            break;
        }
    }
    moved.cost = meter.cost();
    moved
}
