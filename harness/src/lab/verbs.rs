//! What a lab can be asked to do while it is up: each verb once, whoever asks.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use overlay::dns::Resolv;
use overlay::model::{Mac, Publish};
use overlay::{CreateNetwork, JoinOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::build::taken;
use super::{Lab, Slot};
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::topology;

/// `docker container run`, as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What it is called; drawn, if not given.
    pub name: Option<String>,
    /// The host it runs on.
    pub on: String,
    /// The networks it is put on, in that order.
    pub networks: Vec<String>,
    /// The address asked for on the first of them.
    pub ip: Option<Ipv4Addr>,
    /// The MAC asked for on the first of them, as Docker has it.
    pub mac: Option<Mac>,
    /// The IPv6 address asked for on the first of them.
    pub ip6: Option<Ipv6Addr>,
    /// Further names on the first of them.
    pub aliases: Vec<String>,
    /// The ports that the host gives away for it.
    pub publish: Vec<Publish>,
    /// How it looks for names.
    pub dns: Resolv,
    /// What runs in it; a bare sandbox if empty.
    pub command: Vec<String>,
    /// The command's environment.
    pub env: BTreeMap<String, String>,
}

/// `docker network connect`, as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The container.
    pub container: String,
    /// The network.
    pub network: String,
    /// The address asked for.
    pub ip: Option<Ipv4Addr>,
    /// The MAC asked for.
    pub mac: Option<Mac>,
    /// The IPv6 address asked for.
    pub ip6: Option<Ipv6Addr>,
    /// Further names on that network.
    pub aliases: Vec<String>,
}

/// A line of `network ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkLine {
    /// 64 hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// `overlay` or `bridge`.
    pub driver: String,
    /// `global` or `local`.
    pub scope: String,
}

impl Lab {
    /// Creates a network, on that host's engine; its id.
    pub async fn create_network(&self, on: &str, request: CreateNetwork) -> Result<String> {
        let name = request.name.clone();
        let id = self.known_host(on)?.engine()?.create_network(request).await?;
        self.tell_network("create", id, &name, on);
        Ok(format!("{id:#}"))
    }

    /// The networks that a host's engine knows.
    pub async fn networks(&self, on: &str) -> Result<Vec<NetworkLine>> {
        let lines = self.known_host(on)?.engine()?.networks().await?;
        let line = |network: overlay::NetworkSummary| NetworkLine {
            id: format!("{:#}", network.id),
            name: network.name,
            driver: network.driver.to_owned(),
            scope: network.scope.to_owned(),
        };
        Ok(lines.into_iter().map(line).collect())
    }

    /// A network, as Docker's inspect shows it: an array of one.
    pub async fn inspect_network(&self, on: &str, name: &str) -> Result<Value> {
        let shown = self.known_host(on)?.engine()?.inspect_network(name).await?;
        serde_json::to_value([shown]).map_err(|e| Error::new(Kind::Machine, e))
    }

    /// The same with its endpoints on other hosts, as that host sees them.
    pub async fn inspect_network_verbosely(&self, on: &str, name: &str) -> Result<Value> {
        let shown = self.known_host(on)?.engine()?.inspect_network_verbosely(name).await?;
        serde_json::to_value([shown]).map_err(|e| Error::new(Kind::Machine, e))
    }

    /// Removes a network.
    pub async fn remove_network(&self, on: &str, name: &str) -> Result<String> {
        let gone = self.known_host(on)?.engine()?.remove_network(name).await?;
        self.tell_network("destroy", gone.id, &gone.name, on);
        Ok(format!("{:#}", gone.id))
    }

    /// Gives an encrypted network a new key; returns when all of its hosts send by it and the old one is gone: the new one's number.
    pub async fn rotate_keys(&self, on: &str, name: &str) -> Result<u32> {
        Ok(self.known_host(on)?.engine()?.rotate_keys(name).await?)
    }

    /// Puts a container on a network; returns when all engines know.
    pub async fn connect(&self, connect: Connect) -> Result<()> {
        let Connect { container, network, ip, ip6, mac, aliases } = connect;
        let asked = JoinOptions { ip, ip6, mac, aliases, ..JoinOptions::default() };
        let its = self.known_container(&container)?;
        let info = self.join(&its, &network, asked).await?;
        self.tell_endpoint("connect", &its, &info);
        self.changed(&container).await
    }

    /// Takes a container off a network.
    pub async fn disconnect(&self, container: &str, network: &str) -> Result<()> {
        let its = self.known_container(container)?;
        if let Some(info) = its.disconnect(network).await? {
            self.tell_endpoint("disconnect", &its, &info);
        }
        self.changed(container).await
    }

    async fn changed(&self, container: &str) -> Result<()> {
        self.known_container(container)?.host.pin()?;
        // An overlay that its last container has left is gone.
        self.dismiss_answerers()?;
        self.settle().await
    }

    /// Runs a container; its id.
    pub async fn run(&self, run: Run) -> Result<String> {
        let bad = |e: topology::NameError| Error::new(Kind::Input, e);
        run.dns.check().map_err(|why| Error::new(Kind::Input, why))?;
        let anonymous = run.name.is_none();
        let name = run.name.unwrap_or_else(|| self.draw_name());
        let mut networks = Vec::new();
        for (number, network) in run.networks.iter().enumerate() {
            let first = number == 0;
            networks.push(topology::Attachment {
                network: network.parse().map_err(bad)?,
                ip: run.ip.filter(|_| first),
                mac: run.mac.filter(|_| first),
                ip6: run.ip6.filter(|_| first),
                aliases: if first { run.aliases.clone() } else { Vec::new() },
            });
        }
        let spec = topology::Container {
            name: name.parse().map_err(bad)?,
            on: run.on.parse().map_err(bad)?,
            networks,
            publish: run.publish,
            command: run.command,
            env: run.env,
            dns: run.dns,
            anonymous,
        };
        let container = self.run_container(&spec).await?;
        self.settle().await?;
        Ok(format!("{:#}", container.this.id))
    }

    /// Calls a container otherwise. It goes on, with its hostname, its addresses and its aliases; others find it by the new name,
    /// and nobody by the old one, as soon as their engines have heard of it.
    pub async fn rename_container(&self, name: &str, to: &str) -> Result<()> {
        let new: topology::ContainerName = to.parse().map_err(|e| Error::new(Kind::Input, e))?;
        let container = self.known_container(name)?;
        if to == name {
            return Err(Error::new(
                Kind::Input,
                "Renaming a container with the same name as its current name",
            ));
        }
        container.host.alive()?;
        let renamed = Arc::new(container.renamed(new));
        self.replace(&container, &renamed)?;
        if !container.networks().is_empty() {
            let done = match container.host.engine() {
                Ok(engine) => engine.rename(&container.this, to).await.map_err(Error::from),
                Err(none) => Err(none),
            };
            if let Err(why) = done {
                // What it failed for is what counts; the old name was free all the time, but for one who took it meanwhile.
                let _ = self.replace(&renamed, &container);
                return Err(why);
            }
        }
        self.settle().await?;
        self.events().say("container", format_args!("container {name} is called {to}"));
        Ok(())
    }

    /// Puts a container in the place of another. That a third one has its name is an error.
    fn replace(&self, old: &Arc<Container>, new: &Arc<Container>) -> Result<()> {
        let mut slots = self.slots();
        if let Some(other) = slots.iter().find(|slot| slot.name() == new.name()) {
            return Err(taken(other));
        }
        for slot in slots.iter_mut() {
            if matches!(slot, Slot::Up(up) if Arc::ptr_eq(up, old)) {
                *slot = Slot::Up(Arc::clone(new));
            }
        }
        Ok(())
    }

    /// Stops a container and takes it off its networks.
    pub async fn remove_container(&self, name: &str) -> Result<()> {
        if self.drop_lost(name) {
            return Ok(());
        }
        let container = self.known_container(name)?;
        container.stop().await;
        if container.spec.command.is_empty() {
            // Of a command that has ended, who has waited for it says so.
            self.tell_container("die", &container);
        }
        self.take_off(&container).await?;
        self.forget(&container);
        self.tell_container("destroy", &container);
        self.settle().await
    }

    /// Crosses out a container that was lost with its host; whether there was one.
    pub(super) fn drop_lost(&self, name: &str) -> bool {
        let mut slots = self.slots();
        let before = slots.len();
        slots.retain(|slot| !(slot.name() == name && matches!(slot, Slot::Lost(_))));
        slots.len() < before
    }

    /// Ends what runs in a container and takes it off its networks.
    pub(super) async fn take_off(&self, container: &Container) -> Result<()> {
        container.stop().await;
        for (network, _) in container.networks() {
            match container.disconnect(&network).await {
                Ok(Some(info)) => self.tell_endpoint("disconnect", container, &info),
                // A store that has lost the network knows of nothing to leave; the kernel is cleaned up with the sandbox.
                Err(gone) if gone.kind() == Kind::NoSuch => {}
                left => drop(left?),
            }
        }
        container.host.alive()?.sandboxes.remove(&container.this.sandbox.namespace());
        container.host.pin()?;
        self.dismiss_answerers()
    }

    /// Crosses a container out.
    pub(super) fn forget(&self, container: &Arc<Container>) {
        self.slots().retain(|slot| !matches!(slot, Slot::Up(other) if Arc::ptr_eq(other, container)));
    }

    /// A name that no container has.
    fn draw_name(&self) -> String {
        let mut rng = fastrand::Rng::with_seed(self.seed_of("names of containers"));
        loop {
            let name = format!("c{:08x}", rng.u32(..));
            if self.slots().iter().all(|slot| slot.name() != name) {
                return name;
            }
        }
    }

    /// A container's settings, as Docker's inspect shows them.
    pub async fn inspect_container(&self, name: &str) -> Result<Value> {
        let container = self.known_container(name)?;
        let settings = container.host.engine()?.inspect_container(&container.this).await?;
        let settings = serde_json::to_value(settings).map_err(|e| Error::new(Kind::Machine, e))?;
        let mut config = serde_json::json!({ "Hostname": container.hostname, "Cmd": container.spec.command });
        // That of `--mac-address`, which is for the first network; left out without it, as in Docker.
        if let Some(mac) = container.spec.networks.first().and_then(|first| first.mac) {
            config["MacAddress"] = mac.to_string().into();
        }
        Ok(serde_json::json!([{
            "Id": format!("{:#}", container.this.id),
            "Name": format!("/{}", container.name()),
            "Config": config,
            "NetworkSettings": settings,
        }]))
    }
}
