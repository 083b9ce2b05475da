//! UDP datagrams, at a rate or as fast as they go: which of them arrived.
//!
//! Each carries the number of its run, whether it counts, and its own number: 16 bytes. Those of the warm-up are numbered apart, and
//! what is left of another run is no datagram of this one.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kernel::datagrams::{Inbox, MOST, Outbox, dropped};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Traffic;
use super::cost::Cost;
use super::cpus::{Cpus, End};
use super::pace::Pace;
use super::path::{Path, is_silence};
use super::sequence::{Arrivals, Sequence};
use super::span::{LOOK, Meter, Span, Stop, Window};
use super::streams::rate;
use crate::error::{Error, Kind, Result};

/// Shortest datagram: what it carries itself.
pub const SMALLEST: u32 = 16;
/// Longest datagram: what UDP over IPv4 holds, 65,535 bytes less two headers.
pub const LARGEST: u32 = 65_507;
/// Most datagrams that Linux takes in one message before 6.9 (`UDP_MAX_SEGMENTS`).
const SEGMENTS: usize = 64;
/// Most bytes of them together: headers of the widest kind find room beside.
const MESSAGE: usize = 65_000;
/// How long the next datagram is waited for, when all have been sent; and the first one.
const QUIET: Duration = Duration::from_millis(300);
const FIRST: Duration = Duration::from_secs(1);
/// How long those that are late are waited for in all.
const DRAIN: Duration = Duration::from_secs(5);
/// The kernel wakes a thread some 50 µs late, unless it is told: who has a shorter pause sends several at a time.
const PAUSE: Duration = Duration::from_micros(100);
/// Not known yet.
const UNSAID: u64 = u64::MAX;

/// UDP datagrams, from who asks for them to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams {
    /// How long each is, headers apart, in bytes: 16 to 65,507. What is longer than the path's MTU goes as fragments.
    pub size: u32,
    /// Bits a second, headers apart; as fast as they go unless said.
    pub rate: Option<u64>,
    /// Many are handed to the kernel as one message, which it cuts apart as late as it can (`UDP_SEGMENT`), and taken from it
    /// so (`UDP_GRO`), if they are no longer than the MTU: less cost each, and a veth carries them uncut. Otherwise each goes
    /// through the kernel by itself, many a system call.
    pub offload: bool,
    /// Where both ends run.
    pub cpus: Cpus,
}

impl Datagrams {
    /// As fast as they go.
    pub fn flat_out(size: u32) -> Datagrams {
        Datagrams { size, rate: None, offload: true, cpus: Cpus::Free }
    }

    /// At an even rate, each by itself.
    pub fn at(size: u32, bits_per_second: u64) -> Datagrams {
        Datagrams { size, rate: Some(bits_per_second), offload: false, cpus: Cpus::Free }
    }
}

/// What came of datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// How long they were sent.
    pub sending: Duration,
    /// How long they came: from the first to the last, at least as long as they were sent.
    pub coming: Duration,
    /// How long each was.
    pub size: u32,
    /// How many were sent. Those that the kernel refused to send for want of a way are among them.
    pub sent: u64,
    /// What came of them.
    pub arrivals: Arrivals,
    /// How many messages the receiver's socket had no room for, so that they were lost at the last step: the receiver was slower
    /// than the path. Counted from about the end of the warm-up on. Where datagrams are coalesced, a message is many.
    pub overflowed: u64,
    /// How many went in one message at most.
    pub at_once: u32,
    /// What they cost.
    pub cost: Cost,
}

impl Delivered {
    /// How many did not come.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrivals.unique)
    }

    /// The share that did not come, from 0 to 1; nothing of nothing is all of it.
    pub fn loss(&self) -> f64 {
        1.0 - share(self.arrivals.unique.min(self.sent), self.sent)
    }

    /// Bits a second that came, duplicates and headers apart.
    pub fn bits_per_second(&self) -> f64 {
        rate(self.arrivals.unique * u64::from(self.size), self.coming)
    }

    /// Bits a second that were sent, headers apart.
    pub fn sent_bits_per_second(&self) -> f64 {
        rate(self.sent * u64::from(self.size), self.sending)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share has no 53 significant bits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What tells the datagrams of a run from others of this process.
static RUNS: AtomicU32 = AtomicU32::new(0);

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label {
    run: u32,
    counts: bool,
    number: u64,
}

impl Label {
    fn write(self, datagram: &mut [u8]) {
        let bytes = self.run.to_be_bytes().into_iter().chain(u32::from(self.counts).to_be_bytes());
        let bytes = bytes.chain(self.number.to_be_bytes());
        datagram.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    }

    fn read(datagram: &[u8]) -> Option<Label> {
        let (run, rest) = datagram.split_first_chunk()?;
        let (counts, rest) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(*rest.first_chunk()?);
        Some(Label { run: u32::from_be_bytes(*run), counts: u32::from_be_bytes(*counts) == 1, number })
    }
}

/// One run of datagrams, as its two threads see it.
struct Run<'a> {
    asked: Datagrams,
    number: u32,
    window: &'a Window,
    /// How many have been sent that count, when that is known.
    sent: AtomicU64,
}

/// What the sender says in the end.
struct Sent {
    at_once: usize,
    sending: Duration,
    cost: Duration,
}

/// What the sink says in the end.
struct Came {
    arrivals: Arrivals,
    overflowed: u64,
    first_to_last: Duration,
    cost: Duration,
}

impl Traffic for Datagrams {
    type Found = Delivered;

    /// Sends them and waits for them. It blocks, for the whole span and until nothing comes any more, five seconds at most.
    fn run(&self, path: &Path, span: Span, stop: &Stop) -> Result<Delivered> {
        let asked = Datagrams { size: self.size.clamp(SMALLEST, LARGEST), ..*self };
        let (near, far) = path.datagrams()?;
        let failed =
            |why: io::Error| Error::new(Kind::Machine, format_args!("cannot receive datagrams: {why}"));
        if asked.offload {
            Inbox::coalescing(&far).map_err(failed)?;
        }
        let window = Window::new(span, stop);
        let run = Run {
            asked,
            number: RUNS.fetch_add(1, Ordering::Relaxed),
            window: &window,
            sent: AtomicU64::new(UNSAID),
        };
        let panicked = |_| Error::new(Kind::Machine, "a thread of the traffic panicked");
        thread::scope(|scope| {
            let start = |name: &str| thread::Builder::new().stack_size(128 << 10).name(name.into());
            let spawned = |why| Error::new(Kind::Machine, why);
            let sink = start("sink").spawn_scoped(scope, || run.sink(&far)).map_err(spawned)?;
            let sender = start("sender").spawn_scoped(scope, || run.send(&near));
            if sender.is_err() {
                stop.stop();
            }
            let spent = window.watch();
            let sent = sender.map_err(spawned)?.join().map_err(panicked)?;
            let came = sink.join().map_err(panicked)?;
            Ok(Delivered {
                sending: sent.sending,
                coming: came.first_to_last.max(span.lasts),
                size: asked.size,
                sent: run.sent.load(Ordering::Acquire),
                arrivals: came.arrivals,
                overflowed: came.overflowed,
                at_once: u32::try_from(sent.at_once).unwrap_or_default(),
                cost: Cost { from: sent.cost, to: came.cost, ..spent },
            })
        })
    }
}

impl Run<'_> {
    fn outbox(&self, together: bool) -> Outbox {
        let size = usize::try_from(self.asked.size).unwrap_or_default();
        let each = if together { (MESSAGE / size).clamp(1, SEGMENTS) } else { 1 };
        // A few messages of many, or many of one; of long ones fewer, since they are as many bytes.
        let messages = if each > 1 { 4 } else { (MESSAGE * 4 / size).clamp(1, MOST) };
        Outbox::new(messages, each, size)
    }

    fn send(&self, socket: &UdpSocket) -> Sent {
        self.asked.cpus.place(End::Near);
        let mut outbox = self.outbox(self.asked.offload);
        let (mut meter, begun) = (Meter::new(), Instant::now());
        let pace = self.asked.rate.map(|rate| Pace::new(u64::from(self.asked.size) * 8, rate));
        // Numbers of the warm-up, then those that count.
        let mut sent = [0_u64; 2];
        loop {
            let now = Instant::now();
            meter.tick(self.window, now);
            if self.window.is_over(now) {
                break;
            }
            let counts = now >= self.window.begins;
            let (number, since) = if counts { (sent[1], self.window.begins) } else { (sent[0], begun) };
            let room = outbox.messages() * outbox.datagrams_each();
            let due = match pace {
                None => room,
                Some(pace) => {
                    let due = pace.due(now - since).saturating_sub(number);
                    if due == 0 {
                        let next = since + pace.at(number).max(now - since + PAUSE.min(pace.at(1)));
                        thread::sleep(next.min(self.window.ends).saturating_duration_since(now).min(LOOK));
                        continue;
                    }
                    usize::try_from(due).unwrap_or(room).min(room)
                }
            };
            for (number, datagram) in (number..).zip(outbox.datagrams_mut().take(due)) {
                Label { run: self.number, counts, number }.write(datagram);
            }
            let went = match outbox.send(socket, due) {
                Ok(went) => went,
                Err(why) if is_silence(&why) => 0,
                // Longer than the path carries uncut: each by itself then.
                Err(why) if outbox.datagrams_each() > 1 && is_too_much(&why) => {
                    outbox = self.outbox(false);
                    0
                }
                // There is no way there, or nobody: it is sent and lost.
                Err(_) => 1,
            };
            sent[usize::from(counts)] += u64::try_from(went).unwrap_or_default();
        }
        self.sent.store(sent[1], Ordering::Release);
        let sending = self.window.ends - self.window.begins;
        Sent { at_once: outbox.datagrams_each(), sending, cost: meter.cost() }
    }

    fn sink(&self, socket: &UdpSocket) -> Came {
        self.asked.cpus.place(End::Far);
        let size = usize::try_from(self.asked.size).unwrap_or_default();
        let mut inbox = if self.asked.offload { Inbox::new(16, 65_535) } else { Inbox::new(MOST, size + 1) };
        let (mut meter, mut sequence) = (Meter::new(), Sequence::default());
        let (mut first, mut last) = (None, None);
        // What had been dropped when the warm-up was over.
        let mut before = None;
        let drops = |before: Option<u32>| match before {
            Some(before) => u64::from(dropped(socket).unwrap_or(before).wrapping_sub(before)),
            None => 0,
        };
        loop {
            let received = inbox.receive(socket);
            let now = Instant::now();
            meter.tick(self.window, now);
            if before.is_none() && now >= self.window.begins {
                before = dropped(socket).ok();
            }
            let silent = received.as_ref().is_err_and(is_silence);
            match received {
                Ok(()) => {
                    let ours =
                        inbox.datagrams().filter(|datagram| datagram.len() == size).filter_map(Label::read);
                    for label in ours.filter(|label| label.run == self.number && label.counts) {
                        sequence.arrive(label.number);
                        first = first.or(Some(now));
                        last = Some(now);
                    }
                }
                Err(why) if is_silence(&why) => {}
                Err(_) => break,
            }
            if self.window.stopped() {
                break;
            }
            let sent = self.sent.load(Ordering::Acquire);
            if sent != UNSAID {
                let patience = if last.is_some() { QUIET } else { FIRST };
                let waited = now.saturating_duration_since(
                    last.map_or(self.window.ends, |last| last.max(self.window.ends)),
                );
                let late = now.saturating_duration_since(self.window.ends);
                let arrivals = sequence.arrivals();
                // Duplicates of the last ones may still come where there were any.
                let all = arrivals.unique >= sent && arrivals.duplicates == 0;
                // As many have been dropped here as are missing, and nothing comes any more.
                let dropped = silent && arrivals.unique + drops(before) >= sent;
                if all || dropped || waited > patience || late > DRAIN {
                    break;
                }
            }
        }
        let first_to_last = first.zip(last).map(|(first, last)| last - first).unwrap_or_default();
        let cost = meter.cost();
        Came { arrivals: sequence.arrivals(), overflowed: drops(before), first_to_last, cost }
    }
}

/// Whether a message of several datagrams is what the kernel does not take: since they are longer than the MTU, or the device or
/// the kernel cannot cut it apart.
fn is_too_much(why: &io::Error) -> bool {
    let known = [Errno::EINVAL, Errno::EMSGSIZE, Errno::EIO, Errno::EOPNOTSUPP];
    why.raw_os_error().is_some_and(|number| known.contains(&Errno::from_raw(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_it_was_written() {
        let label = Label { run: 7, counts: true, number: u64::MAX - 1 };
        let mut datagram = [0; 20];
        label.write(&mut datagram);
        assert_eq!(Label::read(&datagram), Some(label));
        assert_eq!(Label::read(&datagram[..15]), None);
    }

    #[test]
    fn nothing_of_nothing_is_lost_altogether() {
        assert!((Delivered::default().loss() - 1.0).abs() < f64::EPSILON);
        let half = Delivered {
            sent: 4,
            arrivals: Arrivals { unique: 2, ..Arrivals::default() },
            ..Delivered::default()
        };
        assert!((half.loss() - 0.5).abs() < f64::EPSILON);
        assert_eq!(half.lost(), 2);
    }
}
