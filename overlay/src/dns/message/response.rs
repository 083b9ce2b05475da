//! What a server replies, and the query before it.

use std::net::IpAddr;

use super::flag::{AA, QR, RCODE, RD, TC};
use super::name::{counts, encode_name, labels};
use super::query::opt;
use super::record::{Raw, Record};
use super::word::{Rcode, Type};
use super::{HEADER, IN};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, with or without a dot at its end.
    pub name: String,
    /// Which records of it.
    pub kind: Type,
}

impl Question {
    /// The question for the name of an address (RFC 1035, 3.5; RFC 3596, 2.5).
    pub fn backwards(address: IpAddr) -> Question {
        let name = match address {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(ip) => {
                let digits = format!("{:032x}", u128::from(ip));
                let backwards: Vec<String> = digits.chars().rev().map(String::from).collect();
                format!("{}.ip6.arpa", backwards.join("."))
            }
        };
        Question { name, kind: Type::PTR }
    }

    /// Whether it can be sent: no part of its name is empty or longer than 63 bytes, nor the whole longer than 255.
    pub fn is_sendable(&self) -> bool {
        encode_name(&self.name).is_some()
    }

    /// A query with this question, which wants recursion and says what we can receive. None: the name cannot be one.
    pub(in crate::dns) fn encode(&self, id: u16) -> Option<Vec<u8>> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend([RD, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        bytes.extend(encode_name(&self.name)?);
        bytes.extend(self.kind.0.to_be_bytes());
        bytes.extend(IN.to_be_bytes());
        bytes.extend(opt(Rcode::NOERROR));
        Some(bytes)
    }
}

/// What a server has replied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// How.
    pub code: Rcode,
    /// It is the one who knows.
    pub is_authoritative: bool,
    /// There is more than would fit.
    pub is_truncated: bool,
    /// The addresses and names in its answer; others are left out.
    pub answers: Vec<Record>,
}

impl Response {
    /// Reads the reply to a query. None: it is not the reply to this one, or cannot be read.
    pub fn read(query: &[u8], bytes: &[u8]) -> Option<Response> {
        let [questions, answers, ..] = counts(bytes)?;
        if bytes.get(..2) != query.get(..2) || bytes[2] & QR == 0 {
            return None;
        }
        let mut response = Response {
            code: Rcode(u16::from(bytes[3] & RCODE)),
            is_authoritative: bytes[2] & AA != 0,
            is_truncated: bytes[2] & TC != 0,
            answers: Vec::new(),
        };
        let mut at = HEADER;
        for _ in 0..questions {
            at = labels(bytes, at)?.1 + 4;
        }
        for _ in 0..answers {
            let record = Raw::read(bytes, at)?;
            at = record.end;
            response.answers.extend(record.meaning(bytes));
        }
        Some(response)
    }
}
