//! Types of records and codes of replies, and the words for them.

use std::fmt;
use std::str::FromStr;

/// A type of records, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type(pub u16);

impl Type {
    /// An IPv4 address (RFC 1035, 3.2.2).
    pub const A: Type = Type(1);
    /// The name of an address (RFC 1035, 3.2.2).
    pub const PTR: Type = Type(12);
    /// Who takes mail (RFC 1035, 3.2.2).
    pub const MX: Type = Type(15);
    /// A text (RFC 1035, 3.2.2).
    pub const TXT: Type = Type(16);
    /// Whatever there is (RFC 1035, 3.2.3).
    pub const ANY: Type = Type(255);
    /// An IPv6 address (RFC 3596, 2.1).
    pub const AAAA: Type = Type(28);

    /// Where a service is (RFC 2782).
    pub const SRV: Type = Type(33);

    const WORDS: [(&str, Type); 6] = [
        ("A", Type::A),
        ("AAAA", Type::AAAA),
        ("PTR", Type::PTR),
        ("MX", Type::MX),
        ("TXT", Type::TXT),
        ("SRV", Type::SRV),
    ];
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Type::WORDS.iter().find(|(_, kind)| kind == self) {
            Some((word, _)) => f.write_str(word),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Type, String> {
        let found = Type::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found
            .map(|(_, kind)| *kind)
            .ok_or_else(|| "one of `A`, `AAAA`, `PTR`, `MX`, `TXT` and `SRV`".to_owned())
    }
}

/// How a server answers, by its number (RFC 1035, 4.1.1; RFC 6891, 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rcode(pub u16);

impl Rcode {
    /// It could be answered.
    pub const NOERROR: Rcode = Rcode(0);
    /// The query could not be read.
    pub const FORMERR: Rcode = Rcode(1);
    /// The server cannot say.
    pub const SERVFAIL: Rcode = Rcode(2);
    /// There is no such name.
    pub const NXDOMAIN: Rcode = Rcode(3);
    /// The server does not do this.
    pub const NOTIMP: Rcode = Rcode(4);
    /// The server will not say.
    pub const REFUSED: Rcode = Rcode(5);
    /// The version of EDNS is not known.
    pub const BADVERS: Rcode = Rcode(16);
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Rcode::NOERROR => "NOERROR",
            Rcode::FORMERR => "FORMERR",
            Rcode::SERVFAIL => "SERVFAIL",
            Rcode::NXDOMAIN => "NXDOMAIN",
            Rcode::NOTIMP => "NOTIMP",
            Rcode::REFUSED => "REFUSED",
            Rcode::BADVERS => "BADVERS",
            Rcode(other) => return write!(f, "RCODE{other}"),
        })
    }
}
