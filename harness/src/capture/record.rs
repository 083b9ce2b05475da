//! The thread of a capture: it reads all rings, puts what it finds in the order in which it passed, and hands it on.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::watch;

use super::dissect::dissect;
use super::filter::Filter;
use super::notes::Notes;
use super::packet::Packet;
use super::request::Request;
use super::sink::Sink;
use super::source::{Source, Spot};
use crate::error::{Error, Kind, Result};
use crate::relay::Side;

/// A packet is handed on when it is so old: by then every ring has handed over what passed before it. The kernel does so after
/// [`kernel::capture::RETIRE`] milliseconds, when its timer is on time.
const HOLD: Duration = Duration::from_millis(5 * kernel::capture::RETIRE as u64);
/// How often packets that wait are looked after.
const LOOK: u16 = 10;
/// Memory of all rings, in bytes, unless they are so many that each has but what it has at least, in blocks; and what one has at most.
const ROOM: usize = 64 << 20;
const LEAST_BLOCKS: usize = 4;
const MOST_ROOM: usize = 8 << 20;
/// So much is taken of each packet where a filter looks into it, and to find what wires have noted of it: all headers, in a tunnel of
/// IPv4, with options.
const HEADERS: u32 = 192;

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// These namespaces, from now on.
    Look(Vec<Spot>),
    /// It is over.
    End,
}

/// A capture that goes on. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Recorder {
    orders: mpsc::Sender<Order>,
    bell: Arc<EventFd>,
    ended: watch::Receiver<bool>,
}

impl Recorder {
    /// Begins: when this returns, what passes from then on is captured.
    pub(crate) fn start(request: &Request, spots: Vec<Spot>, sink: Sink, notes: Notes) -> Result<Recorder> {
        let machine =
            |why: io::Error| Error::new(Kind::Machine, format_args!("cannot capture packets: {why}"));
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = Arc::new(bell.map_err(|errno| machine(errno.into()))?);
        let snapshot =
            request.snapshot.unwrap_or(kernel::capture::LONGEST).clamp(1, kernel::capture::LONGEST);
        let mut body = Body {
            sources: Vec::new(),
            numbers: HashMap::new(),
            held: Vec::new(),
            notes,
            filter: request.filter.clone(),
            snapshot,
            sink,
            left: request.count.unwrap_or(u64::MAX),
            unseen: 0,
            lost: Vec::new(),
        };
        body.sink.begin().map_err(machine)?;
        body.look(spots, true)?;
        let (orders, inbox) = mpsc::channel();
        let (end, ended) = watch::channel(false);
        let (deaf, until) = (Arc::clone(&bell), request.lasts.map(|lasts| Instant::now() + lasts));
        let run = move || {
            // Whoever reads has gone: there is nobody to tell.
            let _ = body.run(&inbox, &deaf, until);
            drop(body);
            end.send_replace(true);
        };
        thread::Builder::new().name("capture".into()).spawn(run).map_err(machine)?;
        Ok(Recorder { orders, bell, ended })
    }

    /// Tells the thread. That it has ended already is fine.
    pub(crate) fn tell(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // It counts up to more than anybody rings.
            let _ = self.bell.write(1);
        }
    }

    /// Returns when it is over.
    pub(crate) async fn ended(&self) {
        // That the thread is gone is its end, too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.tell(Order::End);
    }
}

#[derive(Debug)]
struct Body {
    sources: Vec<Source>,
    /// The numbers of interfaces that were handed on.
    numbers: HashMap<Arc<str>, u32>,
    /// What is not old enough yet, and by what it is found in the notes.
    held: Vec<(Packet, Option<(Side, u64)>)>,
    notes: Notes,
    filter: Filter,
    snapshot: u32,
    sink: Sink,
    /// How many packets are still wanted.
    left: u64,
    /// How many namespaces could not be looked into, when that was last tried.
    unseen: u64,
    /// What was lost in namespaces that are gone.
    lost: Vec<(String, Option<u32>, u64)>,
}

impl Body {
    /// Looks into these namespaces, and no others any more. At the `first` time all of them have to be there.
    fn look(&mut self, spots: Vec<Spot>, first: bool) -> Result<()> {
        let announce = |why| Error::new(Kind::Machine, format_args!("cannot hand packets on: {why}"));
        // What waits where it is not looked any more is taken first.
        self.gather().map_err(announce)?;
        // One namespace may have several names, and of each the kernel is asked once: a lab may have more than a thousand.
        let (mut wanted, mut inodes) = (Vec::with_capacity(spots.len()), HashSet::new());
        for spot in spots {
            match spot.netns.inode() {
                Ok(inode) if inodes.insert(inode) => wanted.push((inode, spot)),
                Err(why) if first => return Err(why.into()),
                Ok(_) | Err(_) => {}
            }
        }
        let sources = std::mem::take(&mut self.sources).into_iter();
        let (known, gone): (Vec<_>, Vec<_>) = sources.partition(|source| inodes.contains(&source.inode()));
        for source in gone {
            self.lose(source);
        }
        let mut known: HashMap<u64, Source> =
            known.into_iter().map(|source| (source.inode(), source)).collect();
        let is_read = !self.filter.is_all() || self.notes.are_awaited();
        let kept = if is_read { self.snapshot.max(HEADERS) } else { self.snapshot };
        let room = room(wanted.len(), kept);
        self.unseen = 0;
        for (inode, spot) in wanted {
            if let Some(mut source) = known.remove(&inode) {
                if source.refresh(&spot) {
                    self.sources.push(source);
                    continue;
                }
                self.lose(source);
            }
            match Source::open(spot, inode, kept, room) {
                Ok(source) => self.sources.push(source),
                Err(why) if first => return Err(why),
                // It is coming or going; what comes is told of again.
                Err(_) => self.unseen += 1,
            }
        }
        let names: Vec<Arc<str>> = self.sources.iter().flat_map(Source::names).cloned().collect();
        names.iter().try_for_each(|name| self.number(name).map(drop)).map_err(announce)?;
        self.sink.flush().map_err(announce)
    }

    /// Looks into a namespace no more.
    fn lose(&mut self, mut gone: Source) {
        let number = gone.names().next().and_then(|name| self.numbers.get(name).copied());
        self.lost.push((gone.name().to_owned(), number, gone.lost()));
    }

    fn number(&mut self, name: &Arc<str>) -> io::Result<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(io::Error::other)?;
        self.sink.interface(name, self.snapshot)?;
        self.numbers.insert(Arc::clone(name), number);
        Ok(number)
    }

    fn run(
        &mut self,
        inbox: &mpsc::Receiver<Order>,
        bell: &EventFd,
        until: Option<Instant>,
    ) -> io::Result<()> {
        let mut end = until;
        let mut ending = false;
        loop {
            let wait = if self.held.is_empty() {
                Duration::from_secs(1)
            } else {
                Duration::from_millis(LOOK.into())
            };
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let called = self.wait(bell, left.map_or(wait, |left| left.min(wait)), ending)?;
            let (spots, is_over) = latest(inbox);
            if let Some(spots) = spots {
                // What is wrong with one of many namespaces is no reason to lose the others.
                let _ = self.look(spots, false);
            }
            // Who says so again does not hurry what is still to be handed over.
            if is_over && !ending {
                end = Some(Instant::now());
            }
            if called == Called::Hungup {
                end = Some(Instant::now());
            }
            self.gather()?;
            let over = end.is_some_and(|end| end <= Instant::now());
            if over && ending {
                self.hand_on(Duration::MAX)?;
                return self.finish();
            }
            if over {
                // What passed until now is handed over when the kernel's timers have gone off.
                ending = true;
                end = Some(Instant::now() + HOLD);
            }
            self.hand_on(now().saturating_sub(HOLD))?;
            if self.left == 0 {
                return self.finish();
            }
        }
    }

    /// Waits until a ring has something, somebody rings, or so long. Who reads is not looked after any more when it is `ending`.
    fn wait(&self, bell: &EventFd, time: Duration, ending: bool) -> io::Result<Called> {
        let mut fds = vec![PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        let reader = self.sink.reader().filter(|_| !ending);
        fds.extend(reader.map(|reader| PollFd::new(reader.as_fd(), PollFlags::POLLIN)));
        let watched = fds.len();
        fds.extend(self.sources.iter().map(|source| PollFd::new(source.ring().as_fd(), PollFlags::POLLIN)));
        // A millisecond more than less, so that time has passed afterwards.
        let time = PollTimeout::try_from(time.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, time) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let any = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
        if any(&fds[0]) {
            let _ = bell.read();
        }
        // Nothing is ever said there, so that only an end can be heard.
        Ok(if fds[1..watched].iter().any(any) { Called::Hungup } else { Called::Perhaps })
    }

    /// Takes what waits in all rings.
    fn gather(&mut self) -> io::Result<()> {
        let mut sources = std::mem::take(&mut self.sources);
        let mut done = Ok(());
        for source in &mut sources {
            source.each(|name, seen| {
                if done.is_err() || !(self.filter.is_all() || self.filter.fits(&dissect(seen.bytes))) {
                    return;
                }
                match self.number(name) {
                    Ok(interface) => {
                        let mut packet = Packet {
                            interface,
                            at: seen.at,
                            outgoing: seen.outgoing,
                            length: seen.length,
                            bytes: seen.bytes[..seen.bytes.len().min(self.snapshot as usize)].to_vec(),
                            comment: None,
                        };
                        packet.comment = self.notes.cut(name, &packet, seen.bytes);
                        let mark = self.notes.mark(name, &packet, seen.bytes);
                        self.held.push((packet, mark));
                    }
                    Err(why) => done = Err(why),
                }
            });
        }
        self.sources = sources;
        done
    }

    /// Hands on what passed before that, in order, as long as it is wanted.
    fn hand_on(&mut self, before: Duration) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        // Those of one interface are in order already, and those of one moment stay in it.
        self.held.sort_by_key(|(packet, _)| packet.at);
        let old = self.held.partition_point(|(packet, _)| packet.at < before);
        if old == 0 {
            return Ok(());
        }
        // By now a wire has had the time to say what it does to them.
        self.notes.catch_up();
        for (mut packet, mark) in self.held.drain(..old) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            if let Some(said) = mark.and_then(|mark| self.notes.of(mark, packet.at)) {
                packet.comment = Some(said);
            }
            self.sink.packet(packet)?;
        }
        self.sink.flush()
    }

    /// Says what was lost, and what was not seen.
    fn finish(&mut self) -> io::Result<()> {
        for source in &mut self.sources {
            let number = source.names().next().and_then(|name| self.numbers.get(name).copied());
            self.lost.push((source.name().to_owned(), number, source.lost()));
        }
        let at = now();
        for (namespace, number, lost) in &self.lost {
            if let Some(number) = number {
                self.sink.lost(namespace, *number, at, *lost)?;
            }
        }
        // Where there is no interface there is none to say it of.
        if self.unseen > 0 && !self.numbers.is_empty() {
            self.sink.unseen(at, self.unseen)?;
        }
        self.sink.flush()
    }
}

/// How much memory each of so many rings has, if so much of each packet is kept.
fn room(rings: usize, kept: u32) -> usize {
    (ROOM / rings.max(1)).clamp(LEAST_BLOCKS * kernel::capture::block(kept), MOST_ROOM)
}

/// What there is to do: the namespaces that are meant now, if that was said anew, and whether it is over. A lab says them as often as
/// something happens; those of before need not be looked into.
fn latest(inbox: &mpsc::Receiver<Order>) -> (Option<Vec<Spot>>, bool) {
    let (mut spots, mut is_over) = (None, false);
    for order in inbox.try_iter() {
        match order {
            Order::Look(these) => spots = Some(these),
            Order::End => is_over = true,
        }
    }
    (spots, is_over)
}

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// There may be something to do.
    Perhaps,
    /// Whoever reads wants no more.
    Hungup,
}

/// By the clock of the stamps.
pub(super) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::cuts::Cuts;
    use super::*;

    #[test]
    fn only_the_latest_look_is_worked_off_and_no_end_is_missed() {
        let (orders, inbox) = mpsc::channel();
        assert!(matches!(latest(&inbox), (None, false)));
        let here = kernel::Netns::current("a").expect("that of this thread");
        let spot = Spot { name: "a".into(), netns: here, links: None };
        for order in [Order::Look(vec![spot; 3]), Order::End, Order::Look(Vec::new())] {
            orders.send(order).expect("it is heard");
        }
        let (spots, is_over) = latest(&inbox);
        assert_eq!((spots.map(|spots| spots.len()), is_over), (Some(0), true));
        assert!(matches!(latest(&inbox), (None, false)));
    }

    #[test]
    fn many_rings_of_short_snapshots_take_little_memory_each() {
        assert_eq!(room(1, 512), MOST_ROOM);
        assert_eq!(room(64, 512), 1 << 20);
        assert_eq!(room(1400, 512), 256 << 10);
        assert_eq!(room(1400, kernel::capture::LONGEST), 1 << 20);
    }

    #[test]
    fn who_ends_it_twice_gets_no_less() {
        let notes = Notes::new(crate::relay::Log::default().read(), BTreeMap::new(), Cuts::default());
        let mut body = Body {
            sources: Vec::new(),
            numbers: HashMap::new(),
            held: Vec::new(),
            notes,
            filter: Filter::default(),
            snapshot: 96,
            sink: Sink::Memory(Arc::default()),
            left: u64::MAX,
            unseen: 0,
            lost: Vec::new(),
        };
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).expect("a bell");
        let (orders, inbox) = mpsc::channel();
        let begun = Instant::now();
        thread::scope(|scope| {
            let bell = &bell;
            let run = scope.spawn(move || body.run(&inbox, bell, None));
            while !run.is_finished() {
                // Perhaps it is over by now.
                let _ = orders.send(Order::End);
                bell.write(1).expect("it is rung");
                thread::yield_now();
            }
        });
        assert!(begun.elapsed() >= HOLD, "{:?}", begun.elapsed());
    }
}
