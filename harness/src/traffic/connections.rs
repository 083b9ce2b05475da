//! Connections, one after the other: opened, greeted with a byte, closed. How many a second.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Traffic;
use super::cost::Cost;
use super::latency::Latency;
use super::path::{PATIENCE, Path, is_silence, prepare};
use super::span::{Meter, Span, Stop, Window};
use crate::error::{Error, Kind, Result};

/// Most that are opened at once.
const MOST: u32 = 64;
/// How many greeted connections are kept until they are reset: those of the last ten milliseconds or more, at any rate that a
/// path with such a round trip allows.
const KEPT: usize = 512;

/// TCP connections: each is opened, a byte comes from the other end, and it is reset, so that no port waits for its end
/// (`TIME_WAIT`); then the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many are opened at a time, 1 to 64.
    pub at_once: u32,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections { at_once: 1 }
    }
}

/// What came of connections.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Connected {
    /// How long it was counted.
    pub lasted: Duration,
    /// How long each took that came about, from the first packet to the byte.
    pub latency: Latency,
    /// How many did not come about: refused, or not within two seconds or the time in which they had begun.
    pub failed: u64,
    /// What it cost.
    pub cost: Cost,
}

impl Connected {
    /// How many came about a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate has no 53 significant bits")]
    pub fn per_second(&self) -> f64 {
        if self.lasted.is_zero() { 0.0 } else { self.latency.count() as f64 / self.lasted.as_secs_f64() }
    }
}

impl Traffic for Connections {
    type Found = Connected;

    /// Opens and closes them. It blocks, for the whole span and two seconds at most.
    fn run(&self, path: &Path, span: Span, stop: &Stop) -> Result<Connected> {
        let (listener, to) = path.listen()?;
        let window = Window::new(span, stop);
        let done = Stop::default();
        let spawned = |why| Error::new(Kind::Machine, why);
        let panicked = |_| Error::new(Kind::Machine, "a thread of the traffic panicked");
        let greeting = {
            let (window, done) = (window.clone(), done.clone());
            thread::Builder::new().name("greets".into()).spawn(move || greet(&listener, &window, &done))
        };
        let greeting = greeting.map_err(spawned)?;
        let mut dialling = Vec::new();
        for _ in 0..self.at_once.clamp(1, MOST) {
            let window = window.clone();
            // A thread is in the namespace of the one that started it: each connection has a socket that is made there.
            let started = path.from().run(move || {
                thread::Builder::new()
                    .stack_size(128 << 10)
                    .name("dials".into())
                    .spawn(move || dial(to, &window))
            });
            match started {
                Ok(Ok(thread)) => dialling.push(thread),
                Ok(Err(why)) => {
                    done.stop();
                    return Err(spawned(why));
                }
                Err(why) => {
                    done.stop();
                    return Err(why.into());
                }
            }
        }
        let cost = window.watch();
        let mut connected = Connected { lasted: span.lasts, cost, ..Connected::default() };
        let ended: Vec<_> = dialling.into_iter().map(thread::JoinHandle::join).collect();
        done.stop();
        for ended in ended {
            let ended = ended.map_err(panicked)?;
            connected.latency.add(&ended.latency);
            connected.failed += ended.failed;
            connected.cost.from += ended.cost.from;
        }
        connected.cost.to = greeting.join().map_err(panicked)?;
        Ok(connected)
    }
}

fn dial(to: SocketAddr, window: &Window) -> Connected {
    let (mut meter, mut connected) = (Meter::new(), Connected::default());
    loop {
        let begun = Instant::now();
        meter.tick(window, begun);
        if window.is_over(begun) {
            break;
        }
        let opened = open(to, window);
        if window.counts(begun) {
            match opened {
                Ok(()) => connected.latency.record(begun.elapsed()),
                Err(_) => connected.failed += 1,
            }
        }
        if opened.is_err() {
            // Where nobody listens it would be refused some hundred thousand times a second.
            window.sleep_until(Instant::now() + Duration::from_millis(1));
        }
    }
    connected.cost.from = meter.cost();
    connected
}

fn open(to: SocketAddr, window: &Window) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    prepare(&stream)?;
    let begun = Instant::now();
    loop {
        match stream.read(&mut [0]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(why) if is_silence(&why) && begun.elapsed() < PATIENCE && !window.is_over(Instant::now()) => {
            }
            Err(why) => return Err(why),
        }
    }
}

/// Greets until the others have ended; the CPU time that it took.
fn greet(listener: &TcpListener, window: &Window, done: &Stop) -> Duration {
    let mut meter = Meter::new();
    // Those that have been greeted, until they are reset by who dialled: closed here they would wait for their end.
    let mut open: VecDeque<TcpStream> = VecDeque::new();
    while !done.stopped() && !window.stopped() {
        let accepted = listener.accept();
        meter.tick(window, Instant::now());
        if let Ok((mut stream, _)) = accepted {
            let greeted = prepare(&stream).and_then(|()| stream.write_all(b"x"));
            if greeted.is_ok() {
                open.push_back(stream);
            }
        }
        if open.len() > KEPT {
            open.pop_front();
        }
    }
    meter.cost()
}
