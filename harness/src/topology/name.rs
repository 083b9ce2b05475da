//! Names of hosts, containers, networks and processes, each checked once, where it enters.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest label of a host name (RFC 1035 §2.3.4); Linux allows 64 (`HOST_NAME_MAX`).
const LONGEST_HOST: usize = 63;

/// Longest name we take for a container or a network. Docker sets no limit; its names end up in
/// DNS, where a whole name has at most 253 characters (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;

/// Networks that every Docker host has of its own, or reads as something else (Docker 20.10
/// refuses to create them; `docker_gwbridge` is made by the overlay driver).
const NETWORKS_OF_DOCKER: [&str; 5] = ["bridge", "host", "none", "default", "docker_gwbridge"];

/// Names that would mean something else on the underlay: the machine itself, and the outside world
/// behind its gateway.
const HOSTS_OF_UNDERLAY: [&str; 3] = ["localhost", "internet", "gateway"];

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text).map(|()| Self(text.to_owned())).map_err(NameError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

name!(
    /// The name of a host: a label of letters, digits and inner hyphens, at most 63 of them
    /// (RFC 1123 §2.1), since it becomes the host's `hostname` and a line of `/etc/hosts`.
    HostName,
    check_host
);

name!(
    /// The name of a container, by Docker's rule `[a-zA-Z0-9][a-zA-Z0-9_.-]+`
    /// (`daemon/names/names.go`, 17.03 to 20.10).
    ContainerName,
    check_container
);

name!(
    /// The name of a network. Docker takes nearly any text here; a name that can be typed and looked
    /// up in DNS is wanted: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    NetworkName,
    check_network
);

name!(
    /// The name of a long-running process of a host, by the same rule as a network's.
    ProcessName,
    check_process
);

fn check_process(text: &str) -> Result<(), String> {
    check_docker(text, "a process", 1)
}

fn check_host(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.is_empty() {
        return Err("a host needs a name".into());
    }
    if text.len() > LONGEST_HOST {
        return Err(format!("a host's name has at most {LONGEST_HOST} characters"));
    }
    if !text.chars().all(inner) || text.starts_with('-') || text.ends_with('-') {
        return Err("a host's name has letters, digits and inner hyphens only".into());
    }
    if HOSTS_OF_UNDERLAY.contains(&text) {
        return Err(format!("`{text}` is reserved on the underlay"));
    }
    Ok(())
}

fn check_container(text: &str) -> Result<(), String> {
    check_docker(text, "a container", 2)
}

fn check_network(text: &str) -> Result<(), String> {
    check_docker(text, "a network", 1)?;
    if NETWORKS_OF_DOCKER.contains(&text) {
        return Err(format!("`{text}` is one of Docker's own networks"));
    }
    Ok(())
}

/// Docker's charset for names: a letter or digit, then those, `_`, `.` and `-`.
fn check_docker(text: &str, what: &str, shortest: usize) -> Result<(), String> {
    if text.len() < shortest {
        let plural = if shortest == 1 { "" } else { "s" };
        return Err(format!("{what}'s name has at least {shortest} character{plural}"));
    }
    if text.len() > LONGEST_NAME {
        return Err(format!("{what}'s name has at most {LONGEST_NAME} characters"));
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(inner) {
        return Err(format!(
            "{what}'s name starts with a letter or digit; letters, digits, `_`, `.` and `-` follow"
        ));
    }
    Ok(())
}
