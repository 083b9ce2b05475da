//! `lab capture`: packets at any interfaces of a lab, into a file or as lines.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use harness::capture::pcapng::{Block, Reader};
use harness::capture::{Filter, Interfaces, Lines, Packet, Request};
use harness::control;
use nix::sys::signal::{SigSet, Signal};
use serde_json::json;

use crate::choose::Scope;
use crate::{VERSION, args, print};

/// Bytes that are read at once, at most.
const CHUNK: usize = 1 << 20;

/// `lab capture …`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "TARGET is a host, a container, an overlay on a host (docker0/demonet, docker0/1-620dd59483), `switch` or `internet`; \
                  with :IF, one interface of it. Names are taken as they are shown, too: docker0/1-620dd59483/vxlan1.\n\n\
                  Filters: arp, ip, ip6, icmp, icmp6, tcp, udp, vxlan; [src|dst] host A, net A/N, port N, also behind a protocol: \
                  `udp port 4789`; vni N; outer X, inner X; not, and, or, parentheses. A word holds of a packet if it holds of it or \
                  of the one in its tunnel.\n\nExamples:\n  \
                  lab capture --path C1 C0 --filter 'icmp and host 192.168.0.100'\n  \
                  lab capture docker0:eth0 -w underlay.pcapng --for 10s\n  \
                  lab capture --all -w - | wireshark -k -i -"
)]
pub(crate) struct Capture {
    /// Where; everywhere unless said.
    #[arg(value_name = "TARGET[:IF]", conflicts_with_all = ["all", "path"])]
    targets: Vec<String>,
    /// At all interfaces, and those that come meanwhile.
    #[arg(long, conflicts_with = "path")]
    all: bool,
    /// At those that a packet from the one to the other crosses.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    path: Option<Vec<String>>,
    /// Write a file of the format pcapng; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Only packets that are so.
    #[arg(long, short, value_name = "EXPR", default_value = "", hide_default_value = true)]
    filter: String,
    /// End after so long: `10s`.
    #[arg(long = "for", value_name = "TIME", value_parser = args::duration)]
    lasts: Option<Duration>,
    /// End after so many packets.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Keep so many bytes of each packet (default: all).
    #[arg(long, short, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    snapshot: Option<u32>,
}

pub(crate) fn main(scope: &Scope, verb: Capture) -> anyhow::Result<ExitCode> {
    let Capture { targets, path, write, filter, lasts, count, snapshot, .. } = verb;
    let filter: Filter = match filter.parse() {
        Ok(filter) => filter,
        Err(report) => {
            let coloured = io::stderr().is_terminal();
            print::note(if coloured { report.coloured() } else { report.plain() });
            return Ok(ExitCode::from(crate::EXIT_FAULT));
        }
    };
    let on = match path.as_deref() {
        Some([from, to]) => Interfaces::Path { from: from.clone(), to: to.clone() },
        _ if targets.is_empty() => Interfaces::All,
        _ => Interfaces::Of(targets),
    };
    let request = Request { on, filter, snapshot, count, lasts };
    // From now on these are waited for and kill nobody: what was captured is to be told.
    let ends = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    ends.thread_block().context("cannot wait for signals")?;
    let answer = scope.client()?.ask(&control::Request::Capture { request: Box::new(request) })?;
    let socket = answer.fds.into_iter().next().context("the lab's answer lacks something")?;
    let stream = UnixStream::from(socket);
    let end = stream.try_clone().context("cannot read packets")?;
    thread::spawn(move || {
        if ends.wait().is_ok() {
            // There is an end to what is read then.
            let _ = end.shutdown(Shutdown::Write);
        }
    });
    match write {
        Some(file) => save(stream, &file),
        None => show(scope.json, stream),
    }
}

/// Copies all of it, and says in the end what it was.
fn save(stream: UnixStream, file: &Path) -> anyhow::Result<ExitCode> {
    let to = if file.as_os_str() == "-" {
        None
    } else {
        Some(File::create(file).with_context(|| format!("cannot write {}", file.display()))?)
    };
    let reader = Reader::new(BufReader::with_capacity(CHUNK, Copying { from: stream, to }));
    let mut counts = Counts::default();
    for block in reader {
        let block = block.context("cannot copy packets")?;
        counts.add(&block);
    }
    print::note(counts);
    Ok(ExitCode::SUCCESS)
}

/// What is read is written, too, as much at once as there is: to a file, or to the standard output.
struct Copying {
    from: UnixStream,
    to: Option<File>,
}

impl Read for Copying {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        match &mut self.to {
            Some(file) => file.write_all(&bytes[..read])?,
            None => print::bytes(&bytes[..read])?,
        }
        Ok(read)
    }
}

/// A line each.
fn show(json: bool, stream: UnixStream) -> anyhow::Result<ExitCode> {
    let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let reader = Reader::new(BufReader::with_capacity(CHUNK, stream));
    let mut lines = Lines::new([], coloured);
    let (mut interfaces, mut counts) = (Vec::new(), Counts::default());
    for block in reader {
        let block = block.context("cannot read packets")?;
        counts.add(&block);
        match block {
            Block::Interface { name } => {
                lines.widen(&name);
                interfaces.push(name);
            }
            Block::Packet(packet) => {
                let number = usize::try_from(packet.interface).unwrap_or(usize::MAX);
                let name = interfaces.get(number).map_or("?", String::as_str);
                print::line(if json { as_json(name, &packet) } else { lines.line(name, &packet) })?;
            }
            Block::Statistics { .. } => {}
        }
    }
    print::note(counts);
    Ok(ExitCode::SUCCESS)
}

fn as_json(interface: &str, packet: &Packet) -> String {
    let at = packet.at;
    let line = json!({
        "version": VERSION, "at": format!("{}.{:09}", at.as_secs(), at.subsec_nanos()), "interface": interface,
        "outgoing": packet.outgoing, "length": packet.length, "layers": packet.layers(), "comment": packet.comment,
    });
    line.to_string()
}

/// What came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    interfaces: u64,
    packets: u64,
    lost: u64,
}

impl Counts {
    fn add(&mut self, block: &Block) {
        // The interfaces that there are come before any packet.
        if *self == Counts::default() {
            print::note("capturing; ^C ends it");
        }
        match block {
            Block::Interface { .. } => self.interfaces += 1,
            Block::Packet(_) => self.packets += 1,
            Block::Statistics { lost, .. } => self.lost += lost,
        }
    }
}

/// `4 packets at 12 interfaces, none lost`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} packets at {} interfaces, ", self.packets, self.interfaces)?;
        match self.lost {
            0 => f.write_str("none lost"),
            lost => write!(f, "{lost} more lost: there was no room for them; `-s 96` takes less"),
        }
    }
}
