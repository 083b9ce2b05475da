//! Numbers of protocols, and how long their headers are, each with its source.

/// `EtherType` of IPv4 (RFC 894).
pub const IPV4: u16 = 0x0800;
/// `EtherType` of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// `EtherType` of IPv6 (RFC 2464 §3).
pub const IPV6: u16 = 0x86dd;

/// Protocol of IP: ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// Protocol of IP: TCP (RFC 9293 §3.1).
pub const TCP: u8 = 6;
/// Protocol of IP: UDP (RFC 768).
pub const UDP: u8 = 17;
/// Protocol of IP: ESP (RFC 4303).
pub const ESP: u8 = 50;
/// Protocol of IP: `ICMPv6` (RFC 4443 §1).
pub const ICMPV6: u8 = 58;

/// Extension headers of IPv6: for each hop, of a route, of a fragment, for the destination (RFC 8200 §4.3, §4.4, §4.5, §4.6).
pub const HOP_BY_HOP: u8 = 0;
/// See [`HOP_BY_HOP`].
pub const ROUTING: u8 = 43;
/// See [`HOP_BY_HOP`].
pub const FRAGMENT: u8 = 44;
/// See [`HOP_BY_HOP`].
pub const DESTINATION: u8 = 60;

/// The UDP port of VXLAN (RFC 7348 §5).
pub const VXLAN: u16 = 4789;
/// The flag in a VXLAN header that says that the VNI is valid (RFC 7348 §5).
pub const VNI_VALID: u8 = 0x08;
/// The largest VNI: 24 bits (RFC 7348 §5).
pub const VNI_LAST: u32 = (1 << 24) - 1;

/// An Ethernet header without tags, in bytes (IEEE 802.3 §3.1.1).
pub const ETHERNET_HEADER: usize = 14;
/// An ARP packet for IPv4 on Ethernet (RFC 826).
pub const ARP_PACKET: usize = 28;
/// An IPv4 header without options (RFC 791 §3.1).
pub const IPV4_HEADER: usize = 20;
/// An IPv6 header (RFC 8200 §3).
pub const IPV6_HEADER: usize = 40;
/// A UDP header (RFC 768).
pub const UDP_HEADER: usize = 8;
/// A TCP header without options (RFC 9293 §3.1).
pub const TCP_HEADER: usize = 20;
/// An ICMP header (RFC 792).
pub const ICMP_HEADER: usize = 8;
/// A VXLAN header (RFC 7348 §5).
pub const VXLAN_HEADER: usize = 8;
/// What an ESP packet begins with, in clear: its SPI and its sequence number (RFC 4303 §2).
pub const ESP_HEADER: usize = 8;

/// The flag of an IPv4 packet that must not be cut (RFC 791 §3.1).
pub const DONT_FRAGMENT: u16 = 0x4000;
/// The flag of an IPv4 fragment behind which there are others (RFC 791 §3.1).
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Where in its packet an IPv4 fragment belongs: the low bits behind three flags (RFC 791 §3.1).
pub const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Neighbour solicitations and advertisements: their types of `ICMPv6` (RFC 4861 §4.3, §4.4).
pub const NEIGHBOURS: [u8; 2] = [135, 136];
/// Where these say whom they are about, in bytes behind the beginning of `ICMPv6` (RFC 4861 §4.3, §4.4).
pub const NEIGHBOURS_TARGET: usize = 8;

/// Where the checksum is, in bytes behind the beginning of a TCP header (RFC 9293 §3.1).
pub const TCP_CHECKSUM: usize = 16;
/// Where the checksum is, in bytes behind the beginning of a UDP header (RFC 768).
pub const UDP_CHECKSUM: usize = 6;
