//! An overlay network of a lab.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::lab::Lab;

/// An overlay network, as the engines know it.
#[derive(Clone, Debug)]
pub struct Network {
    lab: Lab,
    /// Whose engine is asked.
    on: String,
    name: String,
    id: String,
}

impl Lab {
    /// The network of that name. A name that is none is an error that lists those there are.
    pub async fn network(&self, name: &str) -> Result<Network> {
        let mut known = Vec::new();
        for host in self.hosts().filter(|host| host.engine().is_ok()) {
            let networks = self.networks(host.name()).await?;
            if let Some(found) = networks.iter().find(|network| network.name == name) {
                let (on, id) = (host.name().to_owned(), found.id.clone());
                return Ok(Network { lab: self.clone(), on, name: name.to_owned(), id });
            }
            known.extend(networks.into_iter().map(|network| network.name));
        }
        known.sort();
        known.dedup();
        Err(Error::no_such("network", name, known.iter().map(String::as_str)))
    }
}

impl Network {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 64 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives it a new key, if it is encrypted; returns when all of its hosts send by it and the old one is gone. The new one's number.
    pub async fn rotate_keys(&self) -> Result<u32> {
        self.lab.rotate_keys(&self.on, &self.id).await
    }

    /// What `docker network inspect` says of it, on the host whose engine was asked: the object, not the array around it.
    pub async fn inspect(&self) -> Result<Value> {
        let mut shown = self.lab.inspect_network(&self.on, &self.id).await?;
        Ok(shown.get_mut(0).map(Value::take).unwrap_or_default())
    }
}
