//! Rules as the kernel's expressions (`linux/netfilter/nf_tables.h`).
//!
//! A condition loads something into register 1 and compares it; the first comparison that fails
//! ends the rule.

use std::net::Ipv4Addr;

use super::wire::Attributes;
use super::{Action, Base, Match, Rule, masked};

/// `NFT_REG_1`, and `NFT_REG_2` for what needs two.
const REGISTER: u32 = 1;
const SECOND: u32 = 2;
/// `NFT_META_*`.
const META_PROTOCOL: u32 = 1;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_MARK: u32 = 3;
const META_L4PROTO: u32 = 16;
const META_SECPATH: u32 = 25;
/// `NFT_RT_XFRM`.
const ROUTE_XFRM: u32 = 4;
/// `NFT_CT_STATE`; established and related are bits 1 and 2 (`ip_conntrack_info` + 1).
const CT_STATE: u32 = 0;
const ESTABLISHED_OR_RELATED: u32 = 0b110;
/// `NFT_CT_STATUS`, and `IPS_DST_NAT` (`linux/netfilter/nf_conntrack_common.h`).
const CT_STATUS: u32 = 2;
const DESTINATION_CHANGED: u32 = 1 << 5;
/// `NFT_CMP_*`.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
/// `NFT_PAYLOAD_*`.
const LINK_HEADER: u32 = 0;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`, `NFTA_FIB_F_DADDR`, `RTN_LOCAL`.
const FIB_ADDRTYPE: u32 = 3;
const FIB_DADDR: u32 = 2;
const LOCAL: u32 = 2;
/// `NFT_NAT_DNAT`, `NFPROTO_IPV4`.
const DNAT: u32 = 1;
const IPV4: u32 = 2;
/// `NF_ACCEPT`, `NF_DROP`; register 0 holds the verdict.
const ACCEPT: u32 = 1;
const DROP: u32 = 0;
const VERDICT: u32 = 0;

/// The expressions of a rule, as the content of `NFTA_RULE_EXPRESSIONS`.
pub(super) fn expressions(rule: &Rule) -> Attributes {
    let mut list = Attributes::default();
    for condition in &rule.matches {
        push_match(&mut list, condition);
    }
    // Cheap, and `nft list ruleset` then shows which rule has been at work.
    list = list.nested(1, &element("counter", &Attributes::default()));
    match &rule.action {
        Action::Accept => list.nested(1, &verdict(ACCEPT)),
        Action::Drop => list.nested(1, &verdict(DROP)),
        Action::Masquerade => list.nested(1, &element("masq", &Attributes::default())),
        Action::Dnat(to) => {
            let address = immediate(REGISTER, &to.ip().octets());
            let port = immediate(SECOND, &to.port().to_be_bytes());
            let nat = Attributes::default().u32(1, DNAT).u32(2, IPV4).u32(3, REGISTER).u32(5, SECOND);
            list.nested(1, &address).nested(1, &port).nested(1, &element("nat", &nat))
        }
        Action::Mark(mark) => {
            // `NFTA_META_KEY`, `NFTA_META_SREG`.
            let set = element("meta", &Attributes::default().u32(2, META_MARK).u32(3, REGISTER));
            list.nested(1, &immediate(REGISTER, &mark.to_ne_bytes())).nested(1, &set)
        }
    }
}

fn push_match(list: &mut Attributes, condition: &Match) {
    let steps: Vec<Attributes> = match condition {
        Match::In(name) => vec![meta(META_IIFNAME), compare(EQUAL, &interface(name))],
        Match::NotIn(name) => vec![meta(META_IIFNAME), compare(NOT_EQUAL, &interface(name))],
        Match::Out(name) => vec![meta(META_OIFNAME), compare(EQUAL, &interface(name))],
        Match::NotOut(name) => vec![meta(META_OIFNAME), compare(NOT_EQUAL, &interface(name))],
        // Offsets of source and destination in the IPv4 header, RFC 791 §3.1.
        Match::Source(net) => address(12, *net),
        Match::Destination(net) => address(16, *net),
        Match::DestinationIsLocal => {
            let fib = Attributes::default().u32(1, REGISTER).u32(2, FIB_ADDRTYPE).u32(3, FIB_DADDR);
            vec![element("fib", &fib), compare(EQUAL, &LOCAL.to_ne_bytes())]
        }
        Match::Protocol(number) => vec![meta(META_L4PROTO), compare(EQUAL, &[*number])],
        // The destination port is bytes 2 and 3 of both TCP's and UDP's header.
        Match::DestinationPort(port) => {
            vec![payload(TRANSPORT_HEADER, 2, 2), compare(EQUAL, &port.to_be_bytes())]
        }
        Match::EtherType(number) => vec![meta(META_PROTOCOL), compare(EQUAL, &number.to_be_bytes())],
        Match::Payload { base, offset, value } => {
            let base = match base {
                Base::Link => LINK_HEADER,
                Base::Network => NETWORK_HEADER,
                Base::Transport => TRANSPORT_HEADER,
            };
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            vec![payload(base, *offset, length), compare(EQUAL, value)]
        }
        Match::Established => connection(CT_STATE, ESTABLISHED_OR_RELATED),
        Match::Redirected => connection(CT_STATUS, DESTINATION_CHANGED),
        // One byte, whether it is so.
        Match::CameInClear => vec![meta(META_SECPATH), compare(EQUAL, &[0])],
        Match::GoesInClear => {
            // `NFTA_RT_DREG`, `NFTA_RT_KEY`.
            let route = Attributes::default().u32(1, REGISTER).u32(2, ROUTE_XFRM);
            vec![element("rt", &route), compare(EQUAL, &[0])]
        }
    };
    for step in steps {
        *list = std::mem::take(list).nested(1, &step);
    }
}

/// One of these bits is set in what is known of the packet's connection.
fn connection(key: u32, bits: u32) -> Vec<Attributes> {
    let load = element("ct", &Attributes::default().u32(1, REGISTER).u32(2, key));
    vec![load, bitwise(&bits.to_ne_bytes()), compare(NOT_EQUAL, &0_u32.to_ne_bytes())]
}

/// `NFTA_LIST_ELEM`'s content: the expression's name and its attributes.
fn element(name: &str, data: &Attributes) -> Attributes {
    Attributes::default().text(1, name).nested(2, data)
}

fn meta(key: u32) -> Attributes {
    element("meta", &Attributes::default().u32(2, key).u32(1, REGISTER))
}

fn compare(operation: u32, value: &[u8]) -> Attributes {
    let value = Attributes::default().bytes(1, value);
    element("cmp", &Attributes::default().u32(1, REGISTER).u32(2, operation).nested(3, &value))
}

fn payload(base: u32, offset: u32, length: u32) -> Attributes {
    let load = Attributes::default().u32(1, REGISTER).u32(2, base).u32(3, offset).u32(4, length);
    element("payload", &load)
}

fn bitwise(mask: &[u8]) -> Attributes {
    let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    let zero = vec![0; mask.len()];
    let data = Attributes::default()
        .u32(1, REGISTER)
        .u32(2, REGISTER)
        .u32(3, length)
        .nested(4, &Attributes::default().bytes(1, mask))
        .nested(5, &Attributes::default().bytes(1, &zero));
    element("bitwise", &data)
}

fn immediate(register: u32, value: &[u8]) -> Attributes {
    let value = Attributes::default().bytes(1, value);
    element("immediate", &Attributes::default().u32(1, register).nested(2, &value))
}

fn verdict(code: u32) -> Attributes {
    let code = Attributes::default().nested(2, &Attributes::default().u32(1, code));
    element("immediate", &Attributes::default().u32(1, VERDICT).nested(2, &code))
}

/// Interface names are compared whole: 16 bytes, padded with zeros (`IFNAMSIZ`).
fn interface(name: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    padded
}

fn address(offset: u32, net: ipnet::Ipv4Net) -> Vec<Attributes> {
    let (network, mask): (Ipv4Addr, Ipv4Addr) = masked(net);
    let mut steps = vec![payload(NETWORK_HEADER, offset, 4)];
    if net.prefix_len() < 32 {
        steps.push(bitwise(&mask.octets()));
    }
    steps.push(compare(EQUAL, &network.octets()));
    steps
}
