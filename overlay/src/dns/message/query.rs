//! What a client asks, and a reply to it.

use super::flag::{AA, CD, OPCODE, QR, RA, RCODE, RD, TC};
use super::name::{counts, labels, number, text, wire_len};
use super::record::{Raw, Record};
use super::word::{Rcode, Type};
use super::{HEADER, IN};

/// What a UDP message holds without EDNS (RFC 1035, 2.3.4), and at least with it (RFC 6891, 6.2.3).
pub(in crate::dns) const PLAIN: usize = 512;

/// What a UDP datagram holds at most over IPv4 (RFC 791, 3.1, less both headers).
const DATAGRAM: usize = 65_507;

/// What we say that we can receive by UDP: what passes any path in one piece (RFC 9715, 3.1).
const RECEIVABLE: u16 = 1232;

/// The pseudo-record of EDNS (RFC 6891, 6.1.1).
const OPT: u16 = 41;

/// A query that can be answered.
#[derive(Debug)]
pub(in crate::dns) struct Query<'a> {
    bytes: &'a [u8],
    /// Where the question ends.
    end: usize,
    /// The name in text; none if no text means it.
    pub(in crate::dns) name: Option<String>,
    pub(in crate::dns) kind: Type,
    class: u16,
    /// What the client can receive by UDP, if it says so.
    edns: Option<u16>,
}

/// Why a query cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dns) enum Unfit {
    /// It is none, or nobody could be told.
    Silence,
    /// It can be refused.
    Refuse(Rcode),
}

impl<'a> Query<'a> {
    /// Reads one.
    pub(in crate::dns) fn read(bytes: &'a [u8]) -> Result<Query<'a>, Unfit> {
        if bytes.len() < HEADER || bytes[2] & QR != 0 {
            return Err(Unfit::Silence);
        }
        if bytes[2] & OPCODE != 0 {
            return Err(Unfit::Refuse(Rcode::NOTIMP));
        }
        let malformed = Unfit::Refuse(Rcode::FORMERR);
        let (query, version) = Query::parts(bytes).ok_or(malformed)?;
        if version != 0 {
            return Err(Unfit::Refuse(Rcode::BADVERS));
        }
        Ok(query)
    }

    fn parts(bytes: &'a [u8]) -> Option<(Query<'a>, u8)> {
        let [questions, answers, authorities, others] = counts(bytes)?;
        if questions != 1 {
            return None;
        }
        let (labels, at) = labels(bytes, HEADER)?;
        // Compressed against what? There is only the header before it.
        if wire_len(&labels) != at - HEADER {
            return None;
        }
        let (kind, class) = (number(bytes, at)?, number(bytes, at + 2)?);
        let end = at + 4;
        let (mut at, mut edns, mut version) = (end, None, 0);
        let records = u32::from(answers) + u32::from(authorities) + u32::from(others);
        for _ in 0..records {
            let record = Raw::read(bytes, at)?;
            if record.kind == OPT && edns.replace(record.class).is_some() {
                return None;
            }
            if record.kind == OPT {
                version = record.ttl.to_be_bytes()[1];
            }
            at = record.end;
        }
        let query = Query { bytes, end, name: text(&labels), kind: Type(kind), class, edns };
        Some((query, version))
    }

    /// Whether it is about the internet, as all are.
    pub(in crate::dns) fn is_in(&self) -> bool {
        self.class == IN
    }

    /// How long a reply by UDP may be.
    pub(in crate::dns) fn limit(&self) -> usize {
        self.edns.map_or(PLAIN, |size| usize::from(size).clamp(PLAIN, DATAGRAM))
    }

    /// A reply, no longer than `limit`: records that do not fit are left out, and it says so.
    pub(in crate::dns) fn reply(
        &self,
        code: Rcode,
        authority: bool,
        records: &[Record],
        limit: usize,
    ) -> Vec<u8> {
        let mut reply = head(self.bytes, code);
        if authority {
            reply[2] |= AA;
        }
        reply.extend(&self.bytes[HEADER..self.end]);
        reply[5] = 1;
        let opt = self.edns.map(|_| opt(code));
        let room = limit.saturating_sub(opt.map_or(0, |opt| opt.len()));
        let mut count = 0_u16;
        for record in records.iter().filter_map(Record::encode) {
            if reply.len() + record.len() > room {
                reply[2] |= TC;
                break;
            }
            reply.extend(record);
            count += 1;
        }
        reply[6..8].copy_from_slice(&count.to_be_bytes());
        if let Some(opt) = opt {
            reply.extend(opt);
            reply[11] = 1;
        }
        reply
    }
}

/// A refusal of a query, readable or not, that has a header.
pub(in crate::dns) fn refusal(query: &[u8], code: Rcode) -> Vec<u8> {
    match Query::parts(query) {
        Some((query, _)) => query.reply(code, false, &[], PLAIN),
        None => head(query, code),
    }
}

/// That the reply to a query does not fit: the client has to come by TCP.
pub(in crate::dns) fn too_long(query: &[u8]) -> Vec<u8> {
    let mut reply = refusal(query, Rcode::NOERROR);
    reply[2] |= TC;
    reply
}

/// The header of a reply. The flags are Docker's: QR and RA, and RD as asked (20.10: `resolver.go`, `setCommonFlags`).
fn head(query: &[u8], code: Rcode) -> Vec<u8> {
    let mut head = vec![0; HEADER];
    head[..2].copy_from_slice(&query[..2]);
    head[2] = QR | (query[2] & (OPCODE | RD));
    head[3] = RA | (query[3] & CD) | (code.0.to_be_bytes()[1] & RCODE);
    head
}

/// The record of EDNS: the root, the type, what we can receive, the upper bits of the code, no options.
pub(super) fn opt(code: Rcode) -> [u8; 11] {
    let ([_, kind], [size_high, size_low]) = (OPT.to_be_bytes(), RECEIVABLE.to_be_bytes());
    let [_, upper] = (code.0 >> 4).to_be_bytes();
    [0, 0, kind, size_high, size_low, upper, 0, 0, 0, 0, 0]
}
