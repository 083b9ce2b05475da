//! What a container's `/etc/resolv.conf` says, and what the C library does with it (resolv.conf(5)). Pure.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::docker;

/// `--dns`, `--dns-search` and `--dns-option`, as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolv {
    /// Who is asked for names that no container has; empty: the host's name servers.
    pub servers: Vec<Ipv4Addr>,
    /// In which domains a name is looked for that is not found as it stands; `.` alone: in none.
    pub search: Vec<String>,
    /// Options of the C library's resolver, such as `ndots:1`.
    pub options: Vec<String>,
}

/// What cannot be given. In Docker's words, as far as it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResolv {
    /// A search domain that is no name.
    #[error("{0} is not a valid domain: write letters, digits and `-`, with dots between, or `.` for none")]
    Domain(String),
    /// An option that would be two, or none.
    #[error("{0:?} is not one option: write it without spaces, such as `timeout:1`")]
    Option(String),
    /// `ndots` without a number.
    #[error("invalid ndots option {0}: write `ndots:` and a number, such as `ndots:1`")]
    Ndots(String),
}

/// What Docker sets if nobody else does: a name is asked for as it stands first, however few dots it has.
const NDOTS: &str = "ndots:0";

impl Resolv {
    /// Whether all of it can be given to a container.
    pub fn check(&self) -> Result<(), BadResolv> {
        if let Some(wrong) = self.search.iter().find(|domain| *domain != "." && !is_domain(domain)) {
            return Err(BadResolv::Domain(wrong.clone()));
        }
        let is_one = |option: &String| {
            !option.is_empty() && !option.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if let Some(wrong) = self.options.iter().find(|option| !is_one(option)) {
            return Err(BadResolv::Option(wrong.clone()));
        }
        match self.ndots_option() {
            Some(option) if number(option).is_none() => Err(BadResolv::Ndots(option.to_owned())),
            _ => Ok(()),
        }
    }

    /// The number of dots from which on a name is asked for as it stands first. None: nobody has said.
    pub fn ndots(&self) -> Option<usize> {
        self.ndots_option().and_then(number)
    }

    fn ndots_option(&self) -> Option<&str> {
        self.options.iter().map(String::as_str).find(|option| option.contains("ndots"))
    }

    fn domains(&self) -> impl Iterator<Item = &str> {
        let alone = matches!(&self.search[..], [only] if only == ".");
        self.search.iter().map(String::as_str).filter(move |_| !alone)
    }

    /// The file, in Docker's order (20.10: `sandbox_dns_unix.go`, `rebuildDNS`; `resolvconf.Build`).
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let domains: Vec<&str> = self.domains().collect();
        if !domains.is_empty() {
            lines.push(format!("search {}", domains.join(" ")));
        }
        lines.push(format!("nameserver {}", docker::NAME_SERVER));
        let own = self.ndots().is_none().then_some(NDOTS);
        let options: Vec<&str> = self.options.iter().map(String::as_str).chain(own).collect();
        lines.push(format!("options {}", options.join(" ")));
        lines.join("\n") + "\n"
    }

    /// The names that a program asks for in turn which looks for this one, until one is found: as it stands and in each domain. With
    /// a dot at its end a name is whole.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut all: Vec<String> =
            self.domains().map(|domain| format!("{name}.{}", domain.trim_end_matches('.'))).collect();
        let first = name.matches('.').count() >= self.ndots().unwrap_or_default();
        all.insert(if first { 0 } else { all.len() }, name.to_owned());
        all
    }
}

fn number(ndots: &str) -> Option<usize> {
    ndots.strip_prefix("ndots:")?.parse().ok()
}

/// What the `docker` command takes for a domain (20.10: `opts.ValidateDNSSearch`).
fn is_domain(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    name.len() < 255 && name.contains(|c: char| c.is_ascii_alphabetic()) && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolv(search: &[&str], options: &[&str]) -> Resolv {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        Resolv { servers: Vec::new(), search: texts(search), options: texts(options) }
    }

    #[test]
    fn the_file_is_dockers() {
        for (search, options, text) in [
            (&[][..], &[][..], "nameserver 127.0.0.11\noptions ndots:0\n"),
            (
                &["example.com", "demonet"],
                &["timeout:1", "rotate"],
                "search example.com demonet\nnameserver 127.0.0.11\noptions timeout:1 rotate ndots:0\n",
            ),
            (&["."], &["ndots:2"], "nameserver 127.0.0.11\noptions ndots:2\n"),
        ] {
            assert_eq!(resolv(search, options).text(), text);
        }
    }

    #[test]
    fn a_name_is_looked_for_where_the_c_library_does() {
        for (search, options, name, candidates) in [
            (&[][..], &[][..], "C0", &["C0"][..]),
            (&["demonet"], &[], "C0", &["C0", "C0.demonet"]),
            (&["demonet"], &["ndots:1"], "C0", &["C0.demonet", "C0"]),
            (&["demonet"], &["ndots:1"], "C0.other", &["C0.other", "C0.other.demonet"]),
            (&["a.", "b"], &["ndots:2"], "x.y", &["x.y.a", "x.y.b", "x.y"]),
            (&["demonet"], &["ndots:5"], "C0.", &["C0."]),
            (&["."], &["ndots:1"], "C0", &["C0"]),
        ] {
            assert_eq!(resolv(search, options).candidates(name), candidates, "{search:?} {options:?}");
        }
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        for (search, options, complaint) in [
            (&["a_b"][..], &[][..], "a_b is not a valid domain"),
            (&[""], &[], " is not a valid domain"),
            (&["1.2"], &[], "1.2 is not a valid domain"),
            (&["x\nnameserver 8.8.8.8"], &[], "x\nnameserver 8.8.8.8 is not a valid domain"),
            (&[], &["ndots"], "invalid ndots option ndots"),
            (&[], &["ndots:x"], "invalid ndots option ndots:x"),
            (&[], &["ndots:-1"], "invalid ndots option ndots:-1"),
            (&[], &["rotate debug"], "\"rotate debug\" is not one option"),
            (&[], &[""], "\"\" is not one option"),
        ] {
            let said = resolv(search, options).check().map_err(|why| why.to_string());
            let Err(said) = said else { panic!("{search:?} {options:?} can be given") };
            assert!(said.starts_with(&format!("{complaint}: ")), "{said}");
        }
        for (search, options) in [(&["."][..], &[][..]), (&["a.b.", "x-1.org"], &["ndots:15", "edns0"])] {
            assert_eq!(resolv(search, options).check(), Ok(()));
        }
    }
}
