//! One record of a message.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::IN;
use super::name::{encode_name, labels, number, text};
use super::word::Type;

/// The name at the beginning of the question, as a pointer: right behind the header (RFC 1035, 4.1.4).
const QUESTION_NAME: [u8; 2] = [0xc0, 12];

/// A record, or a part of it that is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// For how many seconds it holds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name, without a dot at its end.
    Ptr(String),
}

impl Record {
    /// As a record of the name in the question. None: it has a name that cannot be written.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let (kind, data) = match &self.data {
            Data::A(ip) => (Type::A, ip.octets().to_vec()),
            Data::Aaaa(ip) => (Type::AAAA, ip.octets().to_vec()),
            Data::Ptr(name) => (Type::PTR, encode_name(name)?),
        };
        let len = u16::try_from(data.len()).ok()?;
        let mut bytes = QUESTION_NAME.to_vec();
        bytes.extend(kind.0.to_be_bytes());
        bytes.extend(IN.to_be_bytes());
        bytes.extend(self.ttl.to_be_bytes());
        bytes.extend(len.to_be_bytes());
        bytes.extend(data);
        Some(bytes)
    }
}

/// A record as it stands in a message.
pub(super) struct Raw {
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    /// Where its data begin and end.
    data: usize,
    pub(super) end: usize,
}

impl Raw {
    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Raw> {
        let (_, at) = labels(bytes, at)?;
        let (high, low) = (number(bytes, at + 4)?, number(bytes, at + 6)?);
        let data = at + 10;
        let end = data + usize::from(number(bytes, at + 8)?);
        let raw = Raw {
            kind: number(bytes, at)?,
            class: number(bytes, at + 2)?,
            ttl: u32::from(high) << 16 | u32::from(low),
            data,
            end,
        };
        (end <= bytes.len()).then_some(raw)
    }

    pub(super) fn meaning(&self, bytes: &[u8]) -> Option<Record> {
        let data = bytes.get(self.data..self.end)?;
        let data = match Type(self.kind) {
            Type::A => Data::A(<[u8; 4]>::try_from(data).ok()?.into()),
            Type::AAAA => Data::Aaaa(<[u8; 16]>::try_from(data).ok()?.into()),
            Type::PTR => Data::Ptr(text(&labels(bytes, self.data)?.0)?),
            _ => return None,
        };
        Some(Record { ttl: self.ttl, data })
    }
}
