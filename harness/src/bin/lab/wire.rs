//! `lab fault wire`: a wire that is worse than before.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use harness::fault::{Fault, Filter, Impairment, Jitter, Pick, Protocol, Rate, Tunnel, Way, parse_protocol};
use harness::topology::{HostName, NetworkName};

use crate::args::duration;

/// `lab fault wire HOST …`.
#[derive(Debug, Args)]
pub(crate) struct Wire {
    /// Whose wire.
    host: HostName,
    /// Only from the host to the switch.
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// Only from the switch to the host.
    #[arg(long)]
    down: bool,
    /// How much later each frame arrives: `10ms`.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s", hide_default_value = true)]
    delay: Duration,
    /// How much the delay varies: `2ms`, `2ms,normal`, `2ms,pareto,25%` (correlated with the one before).
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true)]
    jitter: Jitter,
    /// Frames that do not arrive: `30%`, `every=4`, `exactly=3,7,19`, `bursts=1%/25%` (begin and end, by Gilbert and Elliott).
    #[arg(long, value_name = "WHICH", default_value = "0%", hide_default_value = true)]
    loss: Pick,
    /// Frames that arrive twice.
    #[arg(long, value_name = "WHICH", default_value = "0%", hide_default_value = true)]
    duplicate: Pick,
    /// Frames that skip the delay.
    #[arg(long, value_name = "WHICH", default_value = "0%", hide_default_value = true)]
    reorder: Pick,
    /// Frames of which a bit is flipped.
    #[arg(long, value_name = "WHICH", default_value = "0%", hide_default_value = true)]
    corrupt: Pick,
    /// How fast the wire is, and what may wait before it: `50mbit`, `50mbit,64kB`, `50mbit,100packets`.
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Longer packets do not pass, and nobody is told; in bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..))]
    mtu: Option<u32>,
    /// Nothing passes until it is healed.
    #[arg(long)]
    hold: bool,
    #[command(flatten)]
    only: Only,
}

/// Frames by what they carry.
#[derive(Debug, Args)]
pub(crate) struct Only {
    /// Only what is encapsulated for this overlay network.
    #[arg(long, conflicts_with_all = ["vni", "encapsulated"])]
    network: Option<NetworkName>,
    /// Only what is encapsulated with this VNI.
    #[arg(long, value_parser = clap::value_parser!(u32).range(..1 << 24), conflicts_with = "encapsulated")]
    vni: Option<u32>,
    /// Only what is encapsulated.
    #[arg(long)]
    encapsulated: bool,
    /// Only arp, icmp, icmpv6, tcp or udp; of the inner packet, if a tunnel is said.
    #[arg(long, value_parser = parse_protocol)]
    protocol: Option<Protocol>,
    /// Only from or to this address; one of IPv6 needs a tunnel.
    #[arg(long)]
    address: Option<IpAddr>,
    /// Only from or to this port of TCP or UDP.
    #[arg(long)]
    port: Option<u16>,
}

impl Only {
    pub(crate) fn filter(self) -> Filter {
        let inside = match (self.network, self.vni) {
            (Some(network), _) => Some(Tunnel::Network(network)),
            (_, Some(vni)) => Some(Tunnel::Vni(vni)),
            _ => self.encapsulated.then_some(Tunnel::Any),
        };
        Filter { inside, protocol: self.protocol, address: self.address, port: self.port }
    }
}

impl Wire {
    pub(crate) fn fault(self) -> Fault {
        let way = match (self.up, self.down) {
            (true, _) => Way::Up,
            (_, true) => Way::Down,
            _ => Way::Both,
        };
        let only = Some(self.only.filter()).filter(|only| *only != Filter::default());
        let impairment = Impairment {
            delay: self.delay,
            jitter: self.jitter,
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder,
            corrupt: self.corrupt,
            rate: self.rate,
            mtu: self.mtu,
            hold: self.hold,
            only,
        };
        Fault::Wire { host: self.host, way, impairment: Box::new(impairment) }
    }
}
