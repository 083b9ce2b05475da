//! Which requests of a trace are meant. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Traced;
use crate::scenario::fits;
use crate::topology::HostName;

/// Requests by who made them, how, and of what. What is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// From this host.
    pub host: Option<HostName>,
    /// From this container, as it says itself.
    pub container: Option<String>,
    /// By this method: `PUT`.
    pub method: Option<String>,
    /// Of a key that this glob fits.
    pub key: Option<String>,
    /// Of a key that this glob does not fit.
    pub not_key: Option<String>,
    /// That would write the key.
    pub writes: bool,
    /// With this status.
    pub status: Option<u16>,
}

impl Sought {
    /// Whether a request is meant. Of a transaction, one operation has to be.
    pub fn fits(&self, traced: &Traced) -> bool {
        self.host.as_ref().is_none_or(|host| traced.host.as_ref() == Some(host))
            && self.container.as_ref().is_none_or(|container| traced.container.as_ref() == Some(container))
            && self.method.as_ref().is_none_or(|method| traced.method.eq_ignore_ascii_case(method))
            && self.status.is_none_or(|status| traced.status == Some(status))
            && (!self.has_key() || traced.keys().any(|(key, writes)| self.fits_key(key, writes)))
    }

    fn has_key(&self) -> bool {
        self.writes || self.key.is_some() || self.not_key.is_some()
    }

    fn fits_key(&self, key: &str, writes: bool) -> bool {
        (writes || !self.writes)
            && self.key.as_ref().is_none_or(|glob| fits(glob, key))
            && self.not_key.as_ref().is_none_or(|glob| !fits(glob, key))
    }
}

/// `requests by docker1, PUT, of docker/*`
impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.writes { "writes" } else { "requests" })?;
        if let Some(host) = &self.host {
            write!(f, " by {host}")?;
        }
        if let Some(container) = &self.container {
            write!(f, " by container {container}")?;
        }
        if let Some(method) = &self.method {
            write!(f, " by {method}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " of {key}")?;
        }
        if let Some(key) = &self.not_key {
            write!(f, " of other keys than {key}")?;
        }
        self.status.map_or(Ok(()), |status| write!(f, " with status {status}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::consul::Operation;

    fn asked(method: &str, key: Option<&str>, operations: &[(&str, &str, bool)]) -> Traced {
        let operation = |(verb, key, writes): &(&str, &str, bool)| Operation {
            verb: (*verb).to_owned(),
            key: (*key).to_owned(),
            writes: *writes,
        };
        Traced {
            at: String::new(),
            host: Some("docker1".parse().unwrap()),
            container: None,
            address: [10, 0, 0, 11].into(),
            method: method.to_owned(),
            target: "/v1/…".to_owned(),
            key: key.map(str::to_owned),
            operations: operations.iter().map(operation).collect(),
            index: None,
            status: Some(200),
            took_us: 1234,
        }
    }

    #[test]
    fn requests_are_sought_by_who_how_and_what() {
        let put = asked("PUT", Some("docker/nodes"), &[]);
        let sought = |change: fn(&mut Sought)| {
            let mut sought = Sought::default();
            change(&mut sought);
            sought.fits(&put)
        };
        assert!(sought(|_| ()));
        assert!(sought(|s| s.host = Some("docker1".parse().unwrap())));
        assert!(!sought(|s| s.host = Some("docker0".parse().unwrap())));
        assert!(!sought(|s| s.container = Some("C0".into())));
        assert!(sought(|s| s.method = Some("put".into())) && !sought(|s| s.method = Some("GET".into())));
        assert!(
            sought(|s| s.key = Some("docker/*".into())) && !sought(|s| s.not_key = Some("docker/*".into()))
        );
        assert!(sought(|s| s.status = Some(200)) && !sought(|s| s.status = Some(500)));
    }

    #[test]
    fn of_a_transaction_one_operation_is_what_is_sought() {
        let outside = Sought { not_key: Some("docker/*".into()), writes: true, ..Sought::default() };
        let checks = asked("PUT", None, &[("set", "docker/a", true), ("check-index", "other", false)]);
        assert!(!outside.fits(&checks));
        assert!(outside.fits(&asked("PUT", None, &[("set", "docker/a", true), ("delete", "other", true)])));
        assert!(
            outside.fits(&asked("DELETE", Some(""), &[])) && !outside.fits(&asked("GET", Some("other"), &[]))
        );
        assert!(!outside.fits(&asked("PUT", None, &[])), "a session is no key");
    }

    #[test]
    fn both_are_said_in_a_line() {
        let txn = asked("PUT", None, &[("set", "docker/a", true), ("check-index", "b", false)]);
        assert_eq!(txn.to_string(), "docker1 PUT /v1/… 200, 1.234 ms: set docker/a, check-index b");
        let host = Some("docker1".parse().unwrap());
        let sought = Sought { host, key: Some("docker/*".into()), writes: true, ..Sought::default() };
        assert_eq!(sought.to_string(), "writes by docker1 of docker/*");
    }
}
