//! Flows to published ports: which of them go where no rule would send them now. Pure.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use kernel::conntrack::Flow;

use crate::model::Binding;

/// Whether a flow goes astray: to a container that has the port no more, or past the one that has it now. Docker forgets what
/// goes to or comes from the address of a container whose ports come or go (20.10: `clearEndpointConnections`); a flow that was
/// sent to the host itself while nobody had the port goes on as it began there.
///
/// `subnet` is the gateway bridge's, `published` has each container's address there, `own` are the host's addresses.
pub(super) fn is_astray(
    flow: &Flow,
    subnet: Ipv4Net,
    published: &[(Binding, Ipv4Addr)],
    own: &[Ipv4Addr],
) -> bool {
    if !flow.to.ip().is_loopback() && !own.contains(flow.to.ip()) {
        return false;
    }
    let due = published.iter().find(|(binding, _)| {
        binding.protocol.number() == flow.protocol
            && binding.host_port == flow.to.port()
            && (binding.host_ip.is_unspecified() || binding.host_ip == *flow.to.ip())
    });
    match due {
        Some((binding, container)) => flow.at != SocketAddrV4::new(*container, binding.port),
        None => flow.at != flow.to && subnet.contains(flow.at.ip()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use crate::model::Protocol;

    #[test]
    fn a_flow_is_astray_that_no_rule_would_send_there() {
        let subnet = "172.18.0.0/16".parse().unwrap();
        let own = [Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(172, 18, 0, 1)];
        let udp = |host_ip: [u8; 4]| Binding {
            port: 53,
            protocol: Protocol::Udp,
            host_ip: host_ip.into(),
            host_port: 5353,
        };
        let c0 = Ipv4Addr::new(172, 18, 0, 2);
        let everywhere = [(udp([0; 4]), c0)];
        let one_address = [(udp([10, 0, 0, 10]), c0)];
        let loopback = [(udp([127, 0, 0, 1]), c0)];
        for (protocol, to, at, published, astray, why) in [
            (17, "10.0.0.10:5353", "172.18.0.2:53", &everywhere[..], false, "it goes where it is sent"),
            (17, "127.0.0.1:5353", "172.18.0.2:53", &everywhere, false, "so does the host's own"),
            (17, "10.0.0.10:5353", "172.18.0.3:53", &everywhere, true, "to one that had the port before"),
            (17, "10.0.0.10:5353", "172.18.0.2:80", &everywhere, true, "to a port that it was before"),
            (
                17,
                "10.0.0.10:5353",
                "10.0.0.10:5353",
                &everywhere,
                true,
                "to the host, before it was published",
            ),
            (17, "10.0.0.10:5353", "172.18.0.2:53", &[], true, "to one that has gone"),
            (17, "10.0.0.10:5353", "10.0.0.10:5353", &[], false, "to the host, whose port it is"),
            (
                17,
                "172.18.0.1:5353",
                "172.18.0.2:53",
                &one_address,
                true,
                "by an address that is not published",
            ),
            (17, "10.0.0.10:5353", "10.0.0.10:5353", &loopback, false, "to the host, which has the rest"),
            (6, "10.0.0.10:5353", "10.0.0.10:5353", &everywhere, false, "another protocol"),
            (17, "10.0.0.10:5354", "10.0.0.10:5354", &everywhere, false, "another port"),
            (17, "10.0.0.10:5354", "10.0.0.77:5354", &[], false, "somebody else's redirection"),
            (17, "8.8.8.8:5353", "8.8.8.8:5353", &everywhere, false, "through the host, to others"),
            (17, "172.18.0.2:5353", "172.18.0.2:5353", &everywhere, false, "to the container itself"),
        ] {
            let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 40000);
            let flow = Flow { protocol, from, to: to.parse().unwrap(), at: at.parse().unwrap() };
            assert_eq!(is_astray(&flow, subnet, published, &own), astray, "{why}: {flow:?}");
        }
    }
}
