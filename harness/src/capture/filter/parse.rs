//! A filter, read; or the first mistake in it, and where.

use kernel::header::VNI_LAST;
use std::ops::Range;
use std::str::FromStr;

use super::{End, Expression, Of, Term, Word};
use crate::topology::{Mistake, quote};

/// Expressions within expressions; more are none that anybody writes.
const DEEPEST: usize = 50;

type Wrong = Box<Mistake>;

fn wrong<T>(mistake: Mistake) -> Result<T, Wrong> {
    Err(Box::new(mistake))
}

const WORDS: &str = "`arp`, `ip`, `ip6`, `icmp`, `icmp6`, `tcp`, `udp`, `vxlan`, `esp`, `host A`, `net A/N`, `port N`, `vni N`, `inner X`, `outer X`, `not X`, or `(`";

/// `None`: there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, Wrong> {
    let mut reader = Reader { text, tokens: tokens(text), at: 0, depth: 0 };
    if reader.tokens.is_empty() {
        return Ok(None);
    }
    let expression = reader.any()?;
    match reader.next() {
        None => Ok(Some(expression)),
        Some(token) => {
            let word = &text[token.clone()];
            let title = format!("{} does not belong here", quote(word));
            if word == ")" {
                return wrong(Mistake::new(title, &token, "closes nothing"));
            }
            let mistake = Mistake::new(title, &token, "a word too many");
            wrong(mistake.help("between two conditions stands `and` or `or`"))
        }
    }
}

type Token = Range<usize>;

/// Words, and each parenthesis and `!` by itself.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut begun = None;
    let alone = |c: char| matches!(c, '(' | ')' | '!');
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_whitespace() || alone(c) {
            tokens.extend(begun.take().map(|begun| begun..at));
            if alone(c) {
                tokens.push(at..at + 1);
            }
        } else if begun.is_none() {
            begun = Some(at);
        }
    }
    tokens
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| &self.text[token.clone()])
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// The next word, if it is one of these.
    fn take(&mut self, words: &[&str]) -> bool {
        let is = words.contains(&self.peek());
        self.at += usize::from(is);
        is
    }

    /// The last word, for what is missing behind it.
    fn end(&self) -> Token {
        self.tokens.last().cloned().unwrap_or_default()
    }

    fn any(&mut self) -> Result<Expression, Wrong> {
        let mut all = vec![self.all()?];
        while self.take(&["or", "||"]) {
            all.push(self.all()?);
        }
        Ok(alone_or(all, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, Wrong> {
        let mut all = vec![self.one()?];
        while self.take(&["and", "&&"]) {
            all.push(self.one()?);
        }
        Ok(alone_or(all, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, Wrong> {
        let Some(token) = self.next() else {
            let mistake = Mistake::new("something is missing", &self.end(), "what follows this?");
            return wrong(mistake.help(format!("one of {WORDS}")));
        };
        if self.depth >= DEEPEST {
            return wrong(Mistake::new("that is too deep", &token, "too many within each other"));
        }
        self.depth += 1;
        let one = self.one_of(&token);
        self.depth -= 1;
        one
    }

    fn one_of(&mut self, token: &Token) -> Result<Expression, Wrong> {
        let text = self.text;
        match &text[token.clone()] {
            "not" | "!" => Ok(Expression::Not(Box::new(self.one()?))),
            "inner" => Ok(Expression::Inner(Box::new(self.one()?))),
            "outer" => Ok(Expression::Outer(Box::new(self.one()?))),
            "(" => {
                let within = self.any()?;
                if !self.take(&[")"]) {
                    return wrong(Mistake::new("a parenthesis is not closed", token, "opened here"));
                }
                Ok(within)
            }
            "vni" => {
                let (vni, token) = self.value::<u32>("vni", "a number such as 256")?;
                if vni > VNI_LAST {
                    let title = format!("{vni} is not a VNI");
                    return wrong(Mistake::new(title, &token, format!("0 to {VNI_LAST}")));
                }
                Ok(Expression::Vni(vni))
            }
            word => {
                let protocol = match word {
                    "arp" => Some(Word::Arp),
                    "ip" => Some(Word::Ip),
                    "ip6" => Some(Word::Ip6),
                    "icmp" => Some(Word::Icmp),
                    "icmp6" => Some(Word::Icmp6),
                    "tcp" => Some(Word::Tcp),
                    "udp" => Some(Word::Udp),
                    "vxlan" => Some(Word::Vxlan),
                    "esp" => Some(Word::Esp),
                    _ => None,
                };
                if protocol.is_none() {
                    self.at -= 1;
                }
                self.term(protocol, token)
            }
        }
    }

    /// What may follow a protocol: which end, and what that is.
    fn term(&mut self, protocol: Option<Word>, token: &Token) -> Result<Expression, Wrong> {
        let end = match self.peek() {
            "src" => End::From,
            "dst" => End::To,
            _ => End::Either,
        };
        self.at += usize::from(end != End::Either);
        let of = match self.peek() {
            "host" => Some(Of::Host(self.named("host", "an address such as 192.168.0.100")?)),
            "net" => Some(Of::Net(self.named("net", "a subnet such as 192.168.0.0/24")?)),
            "port" => Some(Of::Port(self.named("port", "a number such as 4789")?)),
            _ => None,
        };
        if of.is_none() && end != End::Either {
            let at = self.tokens.get(self.at).cloned().unwrap_or_else(|| self.end());
            let mistake = Mistake::new("which end of what?", &at, "`host`, `net` or `port`");
            return wrong(mistake.help("write `src host A`, `dst net A/N` or `dst port N`"));
        }
        if of.is_none() && protocol.is_none() {
            let title = format!("{} is no condition", quote(&self.text[token.clone()]));
            return wrong(Mistake::new(title, token, "unknown").help(format!("one of {WORDS}")));
        }
        if let (Some(word), Some(Of::Port(_))) = (protocol, of)
            && !matches!(word, Word::Tcp | Word::Udp | Word::Ip | Word::Ip6 | Word::Vxlan)
        {
            return wrong(Mistake::new("ARP, ICMP and ESP have no ports", token, "of these no packet"));
        }
        Ok(Expression::Is(Term { protocol, end, of }))
    }

    fn named<T: FromStr>(&mut self, word: &str, what: &str) -> Result<T, Wrong> {
        self.at += 1;
        self.value(word, what).map(|(value, _)| value)
    }

    fn value<T: FromStr>(&mut self, word: &str, what: &str) -> Result<(T, Token), Wrong> {
        let Some(token) = self.next() else {
            return wrong(Mistake::new(format!("`{word}` needs {what}"), &self.end(), "nothing follows"));
        };
        if let Ok(value) = self.text[token.clone()].parse() {
            return Ok((value, token));
        }
        let title = format!("`{word}` needs {what}, not {}", quote(&self.text[token.clone()]));
        wrong(Mistake::new(title, &token, "not one"))
    }
}

fn alone_or(mut all: Vec<Expression>, of: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => only,
        (last, _) => of(all.into_iter().chain(last).collect()),
    }
}
