//! Where in a lab: a host, a container or the outside world, as people name it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use kernel::{Machine, Netns};

use super::Lab;
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::scenario::{INTERNET, Target};

/// A host or a container of a lab, or its outside world.
#[derive(Clone, Debug)]
pub struct Place(Which);

#[derive(Clone, Debug)]
enum Which {
    Host(Arc<Host>),
    Container(Arc<Container>),
    Internet(Netns),
}

impl Lab {
    /// The host or container that `text` names: `docker0`, `C0`; `host:X` or `container:X` where both exist; or `internet`, the
    /// outside world.
    pub fn place(&self, text: &str) -> Result<Place> {
        let host = |name: &str| Ok(Place(Which::Host(Arc::clone(self.known_host(name)?))));
        let container = |name: &str| Ok(Place(Which::Container(self.known_container(name)?)));
        if let Some(name) = text.strip_prefix("host:") {
            return host(name);
        }
        if let Some(name) = text.strip_prefix("container:") {
            return container(name);
        }
        if text == INTERNET {
            return self.internet();
        }
        let is_host = self.0.hosts.contains_key(text);
        let is_container = self.slots().iter().any(|slot| slot.name() == text);
        match (is_host, is_container) {
            (true, false) => host(text),
            (false, true) => container(text),
            (true, true) => Err(Error::new(
                Kind::NoSuch,
                format_args!("`{text}` is a host and a container; say `host:{text}` or `container:{text}`"),
            )),
            (false, false) => {
                let slots = self.slots().clone();
                let known =
                    self.0.hosts.keys().map(String::as_str).chain(slots.iter().map(super::Slot::name));
                Err(Error::no_such("host or container", text, known))
            }
        }
    }

    /// The place that a checked target names.
    pub fn at(&self, target: &Target) -> Result<Place> {
        Ok(Place(match target {
            Target::Host(name) => Which::Host(Arc::clone(self.known_host(name.as_str())?)),
            Target::Container(name) => Which::Container(self.known_container(name.as_str())?),
            Target::Internet => return self.internet(),
        }))
    }

    fn internet(&self) -> Result<Place> {
        let none =
            || Error::new(Kind::NoSuch, "this lab has no outside world; give its underlay an `internet`");
        self.outside().map(|netns| Place(Which::Internet(netns.clone()))).ok_or_else(none)
    }
}

impl Place {
    /// Its name.
    pub fn name(&self) -> &str {
        match &self.0 {
            Which::Host(host) => host.name(),
            Which::Container(container) => container.name(),
            Which::Internet(_) => INTERNET,
        }
    }

    /// Its network namespace.
    pub fn netns(&self) -> Result<Netns> {
        match &self.0 {
            Which::Host(host) => Ok(host.alive()?.netns.clone()),
            Which::Container(container) => container.netns(),
            Which::Internet(netns) => Ok(netns.clone()),
        }
    }

    /// Its machine, made now if nothing has run there yet.
    pub async fn machine(&self) -> Result<Arc<Machine>> {
        match &self.0 {
            Which::Host(host) => host.machine().await,
            Which::Container(container) => container.machine().await,
            Which::Internet(_) => Err(Error::new(Kind::Input, "nothing runs in the outside world")),
        }
    }

    /// The container, if it is one.
    pub(crate) fn container(&self) -> Option<&Arc<Container>> {
        match &self.0 {
            Which::Container(container) => Some(container),
            Which::Host(_) | Which::Internet(_) => None,
        }
    }

    /// The address of a host on the underlay.
    pub(crate) fn host_ip(&self) -> Option<Ipv4Addr> {
        match &self.0 {
            Which::Host(host) => Some(host.ip()),
            Which::Container(_) | Which::Internet(_) => None,
        }
    }
}
