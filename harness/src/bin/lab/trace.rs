//! `lab trace`: one packet, from interface to interface.

use std::process::ExitCode;

use harness::control::Request;
use harness::trace::{Journey, Probe, Protocol};

use crate::choose::Scope;
use crate::{EXIT_FAILED, print};

/// `lab trace …`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "All of the lab is captured while the packet is on its way. The exit code is 0 if an answer came.\n\nExamples:\n  \
                  lab trace C1 C0\n  \
                  lab trace C1 192.168.0.100 --tcp 80\n  \
                  lab trace docker0 consul --size 1400"
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
}

pub(crate) fn main(scope: &Scope, verb: Trace) -> anyhow::Result<ExitCode> {
    let Trace { from, to, tcp, udp, size } = verb;
    let protocol = match (tcp, udp) {
        (Some(port), _) => Protocol::Tcp(port),
        (None, Some(port)) => Protocol::Udp(port),
        (None, None) => Protocol::Icmp,
    };
    let request = Request::Probe { from, to, probe: Probe { protocol, size } };
    let journey: Journey = scope.client()?.get(&request)?;
    if scope.json {
        print::json(&journey)?;
    } else {
        print::text(&journey)?;
    }
    Ok(if journey.is_answered() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}
