//! TCP segments in frames, in VXLAN or not.

use std::net::Ipv4Addr;

/// A TCP segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) source: Ipv4Addr,
    flags: u8,
}

impl Segment {
    /// Whether it has FIN (1) or RST (4) set, RFC 9293 §3.1.
    pub(crate) fn is_end(&self) -> bool {
        self.flags & (1 | 4) != 0
    }
}

/// The segment in a frame, if there is one.
pub(crate) fn tcp(frame: &[u8]) -> Option<Segment> {
    // IPv4 behind Ethernet.
    if frame.get(12..14)? != [8, 0] {
        return None;
    }
    let ip = frame.get(14..)?;
    let source: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
    let inner = ip.get(usize::from(ip[0] & 0xf) * 4..)?;
    match ip.get(9)? {
        6 => Some(Segment { source: source.into(), flags: *inner.get(13)? }),
        // VXLAN, port 4789: UDP and its own header, eight bytes each (RFC 7348 §5).
        17 if inner.get(2..4)? == 4789_u16.to_be_bytes() => tcp(inner.get(16..)?),
        _ => None,
    }
}
