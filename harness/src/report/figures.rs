//! Counters and sockets of a network namespace, from what `/proc/net` says there (proc(5)). The parsing is pure.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::Result;
use crate::host::blocking;
use crate::lab::Lab;

/// The states of TCP, by number (`include/net/tcp_states.h`).
const TCP: [&str; 12] = [
    "?",
    "established",
    "syn-sent",
    "syn-received",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "closed",
    "close-wait",
    "last-ack",
    "listening",
    "closing",
];

/// What is counted, and what is open.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) counters: String,
    pub(super) sockets: String,
}

/// Those of all namespaces of a lab, each under its name.
pub(super) async fn figures(lab: &Lab) -> Result<Figures> {
    let namespaces = lab.rooms(None)?;
    blocking(move || {
        let mut all = Figures::default();
        for (name, netns) in namespaces {
            let read = netns.run(|| {
                ["dev", "snmp", "netstat", "tcp", "tcp6", "udp", "udp6"].map(|file| {
                    fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default()
                })
            })?;
            let [dev, snmp, netstat, tcp, tcp6, udp, udp6] = read;
            // Writing to a string cannot fail.
            let _ = write!(all.counters, "{name}\n{}{}{}", devices(&dev), counted(&snmp), counted(&netstat));
            let _ = writeln!(all.sockets, "{name}");
            for (kind, text) in [("tcp", &tcp), ("tcp", &tcp6), ("udp", &udp), ("udp", &udp6)] {
                all.sockets += &sockets(kind, text);
            }
        }
        Ok(all)
    })
    .await
}

/// A line an interface: what came, what went, what was lost.
fn devices(text: &str) -> String {
    let line = |line: &str| {
        let (name, figures) = line.split_once(':')?;
        let figures: Vec<u64> = figures.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [rx_bytes, rx, rx_errors, rx_dropped, _, _, _, _, tx_bytes, tx, tx_errors, tx_dropped, ..] =
            figures[..]
        else {
            return None;
        };
        Some(format!(
            "  {}: in {rx} packets, {rx_bytes} bytes, {rx_dropped} dropped, {rx_errors} bad; \
             out {tx} packets, {tx_bytes} bytes, {tx_dropped} dropped, {tx_errors} bad\n",
            name.trim()
        ))
    };
    text.lines().filter_map(line).collect()
}

/// `Udp NoPorts 3`, a line for each counter that is not zero; of `/proc/net/snmp` and `/proc/net/netstat`, where a line of
/// names is followed by one of numbers.
fn counted(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut said = String::new();
    for pair in lines.chunks_exact(2) {
        let (Some((group, names)), Some((_, numbers))) = (pair[0].split_once(':'), pair[1].split_once(':'))
        else {
            continue;
        };
        for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()) {
            // Settings, not counters.
            let setting = matches!(
                name,
                "Forwarding" | "DefaultTTL" | "RtoAlgorithm" | "RtoMin" | "RtoMax" | "MaxConn"
            );
            if number != "0" && !setting {
                let _ = writeln!(said, "  {group} {name} {number}");
            }
        }
    }
    said
}

/// `tcp 10.0.0.5:8500 10.0.0.10:40122 established`, a line a socket, with what waits in its queues.
fn sockets(kind: &str, text: &str) -> String {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, queues, ..] = fields[..] else { return None };
        let (local, remote) = (address(local)?, address(remote)?);
        let state = usize::from_str_radix(state, 16).ok()?;
        let state = if kind == "tcp" { TCP.get(state).copied().unwrap_or("?") } else { "open" };
        let (out, into) = queues.split_once(':')?;
        let (out, into) = (u64::from_str_radix(out, 16).ok()?, u64::from_str_radix(into, 16).ok()?);
        let waiting = if (out, into) == (0, 0) {
            String::new()
        } else {
            format!(", {out} bytes to send, {into} to be read")
        };
        Some(format!("  {kind} {local} {remote} {state}{waiting}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// `0500000A:2134`: each four bytes of the address in the machine's order, the port as it is read.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words = (0..ip.len() / 8).map(|n| u32::from_str_radix(ip.get(n * 8..n * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> =
        words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?)).to_canonical(),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_named_in_words() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0500000A:2134 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
            1: 0500000A:2134 0A00000A:9CBA 01 00000010:00000002 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n";
        if cfg!(target_endian = "little") {
            assert_eq!(
                sockets("tcp", text),
                "  tcp 10.0.0.5:8500 0.0.0.0:0 listening\n  \
                 tcp 10.0.0.5:8500 10.0.0.10:40122 established, 16 bytes to send, 2 to be read\n"
            );
        }
        assert_eq!(sockets("tcp", "garbage\n1: x y z\n"), "");
    }

    #[test]
    fn counters_are_named_and_zeros_left_out() {
        assert_eq!(
            counted("Udp: InDatagrams NoPorts\nUdp: 0 3\nIp: Forwarding InReceives\nIp: 1 7\n"),
            "  Udp NoPorts 3\n  Ip InReceives 7\n"
        );
        assert_eq!(
            devices("Inter-| Receive\n face |bytes\n  eth0: 10 1 0 2 0 0 0 0 20 3 0 0 0 0 0 0\n"),
            "  eth0: in 1 packets, 10 bytes, 2 dropped, 0 bad; out 3 packets, 20 bytes, 0 dropped, 0 bad\n"
        );
    }
}
