//! `lab trace`: one packet, from interface to interface.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use harness::control::Request;
use harness::graph::Graph;
use harness::trace::{Journey, Probe, Protocol};

use crate::choose::Scope;
use crate::{EXIT_FAILED, print};

/// `lab trace …`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "All of the lab is captured while the packet is on its way. The exit code is 0 if an answer came.\n\nExamples:\n  \
                  lab trace C1 C0\n  \
                  lab trace C1 192.168.0.100 --tcp 80\n  \
                  lab trace docker0 consul --size 1400\n  \
                  lab trace C1 C0 --svg way.svg"
)]
pub(crate) struct Trace {
    /// A host or a container.
    from: String,
    /// An address, a host, a container, a container on a network: `C0@demonet`; or a DNS name.
    to: String,
    /// The first packet of a connection to that port, and not an echo request.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["udp", "size"])]
    tcp: Option<u16>,
    /// A datagram to that port.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    udp: Option<u16>,
    /// Bytes that it carries (default: 56).
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(16..=65000))]
    size: Option<u16>,
    /// Draw its way on the picture of `lab graph`, there; or print that, and no lines, if no file is said or it is `-`.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    svg: Option<PathBuf>,
}

pub(crate) fn main(scope: &Scope, verb: Trace) -> anyhow::Result<ExitCode> {
    let Trace { from, to, tcp, udp, size, svg } = verb;
    let protocol = match (tcp, udp) {
        (Some(port), _) => Protocol::Tcp(port),
        (None, Some(port)) => Protocol::Udp(port),
        (None, None) => Protocol::Icmp,
    };
    let request = Request::Probe { from, to, probe: Probe { protocol, size } };
    let mut client = scope.client()?;
    let journey: Journey = client.get(&request)?;
    if let Some(file) = &svg {
        let graph: Graph = client.get(&Request::Graph)?;
        let picture = graph.show_journey(&journey);
        if file.as_os_str() == "-" {
            print::text(picture)?;
        } else {
            fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    if svg.is_some_and(|file| file.as_os_str() == "-") {
        // Nothing else is to stand in the picture.
    } else if scope.json {
        print::json(&journey)?;
    } else {
        print::text(&journey)?;
    }
    Ok(if journey.is_answered() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}
