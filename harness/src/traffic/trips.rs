//! Requests and their answers, one after the other: how long each took.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Traffic;
use super::cost::Cost;
use super::cpus::{Cpus, End as Side};
use super::latency::Latency;
use super::path::{Path, is_silence};
use super::span::{Meter, Span, Stop, Window};
use crate::error::{Error, Kind, Result};

/// How long an answer by UDP is waited for. TCP sends again by itself.
const ANSWER: Duration = Duration::from_secs(1);
/// Shortest request: a number.
const SMALLEST: usize = 8;
/// Longest request.
const LARGEST: usize = 65_507;

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Over one connection.
    Tcp,
    /// A datagram each, from one socket.
    Udp,
}

/// Requests and answers of one length, one after the other, as fast as answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trips {
    /// How they are sent.
    pub protocol: Protocol,
    /// How long they are, headers apart, in bytes: 8 to 65,507.
    pub size: u32,
    /// Where both ends run.
    pub cpus: Cpus,
}

impl Default for Trips {
    /// By UDP, of 64 bytes, wherever the kernel puts both ends.
    fn default() -> Trips {
        Trips { protocol: Protocol::Udp, size: 64, cpus: Cpus::Free }
    }
}

/// What came of requests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answered {
    /// How long it was counted.
    pub lasted: Duration,
    /// The round trips of those that were answered.
    pub latency: Latency,
    /// How many had no answer within a second.
    pub unanswered: u64,
    /// What it cost.
    pub cost: Cost,
}

impl Answered {
    /// With what came of another run.
    #[must_use]
    pub fn and(mut self, other: &Answered) -> Answered {
        self.latency.add(&other.latency);
        Answered {
            lasted: self.lasted + other.lasted,
            unanswered: self.unanswered + other.unanswered,
            cost: self.cost.and(other.cost),
            latency: self.latency,
        }
    }
}

/// What a request is sent by, and answered by.
trait End: Send {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits a little for the bytes of one message. An error of `WouldBlock`: it has not come (whole) yet.
    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize>;
}

struct Datagram {
    socket: UdpSocket,
    /// Whom the last one came from.
    peer: Option<SocketAddr>,
}

struct Stream {
    stream: TcpStream,
    /// How much of a message has come.
    come: usize,
}

impl End for Datagram {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.peer {
            Some(peer) => self.socket.send_to(bytes, peer),
            None => self.socket.send(bytes),
        }
        .map(drop)
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let (read, from) = self.socket.recv_from(bytes)?;
        // A connected socket sends to where it is connected to.
        if self.peer.is_some() {
            self.peer = Some(from);
        }
        Ok(read)
    }
}

impl End for Stream {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        let begun = Instant::now();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(why) if is_silence(&why) && begun.elapsed() < ANSWER => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.come < bytes.len() {
            match self.stream.read(&mut bytes[self.come..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.come += read,
            }
        }
        Ok(std::mem::take(&mut self.come))
    }
}

impl Traffic for Trips {
    type Found = Answered;

    /// Sends them and waits for their answers. That no connection comes about is an error of kind
    /// [`Refused`](Kind::Refused). It blocks, for the whole span and a second at most.
    fn run(&self, path: &Path, span: Span, stop: &Stop) -> Result<Answered> {
        let size = usize::try_from(self.size).unwrap_or(LARGEST).clamp(SMALLEST, LARGEST);
        match self.protocol {
            Protocol::Tcp => {
                let (listener, to) = path.listen()?;
                let (near, far) = path.connect(&listener, to)?;
                let [near, far] = [near, far].map(|stream| Stream { stream, come: 0 });
                trips((near, far), self.cpus, size, span, stop)
            }
            Protocol::Udp => {
                let (near, far) = path.datagrams()?;
                let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
                let near = Datagram { socket: near, peer: None };
                let far = Datagram { socket: far, peer: Some(nobody) };
                trips((near, far), self.cpus, size, span, stop)
            }
        }
    }
}

fn trips<E: End>((near, far): (E, E), cpus: Cpus, size: usize, span: Span, stop: &Stop) -> Result<Answered> {
    let window = Window::new(span, stop);
    // Ends the far end when the near one has ended.
    let done = Stop::default();
    thread::scope(|scope| {
        let start = |name: &str| thread::Builder::new().stack_size(128 << 10).name(name.into());
        let spawned = |why| Error::new(Kind::Machine, why);
        let panicked = |_| Error::new(Kind::Machine, "a thread of the traffic panicked");
        let answering = start("answers")
            .spawn_scoped(scope, || {
                cpus.place(Side::Far);
                answer(far, size, &window, &done)
            })
            .map_err(spawned)?;
        let asking = start("asks").spawn_scoped(scope, || {
            cpus.place(Side::Near);
            let asked = ask(near, size, &window);
            done.stop();
            asked
        });
        if asking.is_err() {
            done.stop();
        }
        let spent = window.watch();
        let mut answered = asking.map_err(spawned)?.join().map_err(panicked)?;
        answered.lasted = span.lasts;
        let to = answering.join().map_err(panicked)?;
        answered.cost = Cost { from: answered.cost.from, to, ..spent };
        Ok(answered)
    })
}

fn ask(mut end: impl End, size: usize, window: &Window) -> Answered {
    let (mut request, mut reply) = (vec![0x5a; size], vec![0; size]);
    let (mut meter, mut answered) = (Meter::new(), Answered::default());
    let mut number = 0_u64;
    'requests: loop {
        let begun = Instant::now();
        meter.tick(window, begun);
        if window.is_over(begun) {
            break;
        }
        let counts = window.counts(begun);
        number += 1;
        request[..SMALLEST].copy_from_slice(&number.to_be_bytes());
        if let Err(why) = end.send(&request)
            && !is_refusal(&why)
        {
            answered.unanswered += u64::from(counts);
            break;
        }
        loop {
            match end.receive(&mut reply) {
                // An answer that was given up comes after all.
                Ok(_) if reply[..SMALLEST] != request[..SMALLEST] => {}
                Ok(_) => {
                    if counts {
                        answered.latency.record(begun.elapsed());
                    }
                    continue 'requests;
                }
                Err(why) if is_silence(&why) || is_refusal(&why) => {}
                Err(_) => {
                    answered.unanswered += u64::from(counts);
                    break 'requests;
                }
            }
            if begun.elapsed() > ANSWER || window.stopped() {
                answered.unanswered += u64::from(counts);
                continue 'requests;
            }
        }
    }
    answered.cost.from = meter.cost();
    answered
}

/// Says that there is no way there, or nobody, for now.
fn is_refusal(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(why.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) || is_silence(why)
}

/// Answers until the other end has ended; the CPU time that it took.
fn answer(mut end: impl End, size: usize, window: &Window, done: &Stop) -> Duration {
    let (mut bytes, mut meter) = (vec![0; size], Meter::new());
    while !done.stopped() && !window.stopped() {
        let read = end.receive(&mut bytes);
        meter.tick(window, Instant::now());
        match read {
            Ok(read) => {
                // Whom it cannot be sent to has no answer.
                let _ = end.send(&bytes[..read]);
            }
            Err(why) if is_refusal(&why) => {}
            Err(_) => break,
        }
    }
    meter.cost()
}
