//! Running containers: each with a name that no other has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kernel::{Batch, Netns, Rtnl};
use overlay::ContainerRef;
use overlay::id::{ContainerId, SandboxId};

use super::{Lab, Slot};
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::host::blocking;
use crate::topology;

impl Lab {
    /// Runs a container: its namespace, its networks, its command.
    pub(crate) async fn run_container(&self, spec: &topology::Container) -> Result<Arc<Container>> {
        let host = Arc::clone(self.known_host(spec.on.as_str())?);
        let this = self.new_container(spec).await?;
        let container = Arc::new(Container::new(spec.clone(), Arc::clone(&host), this));
        {
            // Looked and listed in one go, or two at once could both have the name. Listed before it is built, so that a
            // crash of its host in between takes it along.
            let mut slots = self.slots();
            if let Some(slot) = slots.iter().find(|slot| slot.name() == spec.name.as_str()) {
                return Err(taken(slot));
            }
            slots.push(Slot::Up(Arc::clone(&container)));
        }
        match self.start_container(&container).await {
            Ok(()) => {
                self.events().say("container", format_args!("container {} runs on {}", spec.name, spec.on));
                Ok(container)
            }
            Err(error) => {
                // What it failed for is what counts; of the container nothing may stay.
                let _ = self.take_off(&container).await;
                self.forget(&container);
                Err(error)
            }
        }
    }

    async fn start_container(&self, container: &Container) -> Result<()> {
        container.host.alive()?.sandboxes.insert_container(container.this.clone());
        for attachment in &container.spec.networks {
            container.connect(attachment.network.as_str(), attachment.ip, attachment.aliases.clone()).await?;
        }
        container.host.pin()?;
        container.start().await
    }

    /// An id, a sandbox and a namespace with nothing but its loopback.
    async fn new_container(&self, spec: &topology::Container) -> Result<ContainerRef> {
        let name = spec.name.as_str();
        // Counted, so that one that is run again under its old name is another.
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        let mut rng = fastrand::Rng::with_seed(self.seed_of(&format!("container {name} {number}")));
        let label = name.to_owned();
        let netns = blocking(move || {
            let netns = Netns::new(&label)?;
            Rtnl::new(&netns)?.apply(&Batch::new().up(1, "lo"))?;
            Ok(netns)
        });
        Ok(ContainerRef {
            id: ContainerId::random(&mut rng),
            name: name.to_owned(),
            sandbox: SandboxId::random(&mut rng),
            netns: netns.await?,
            publish: spec.publish.clone(),
            dns: spec.dns.clone(),
        })
    }
}

/// The name is another container's, in Docker's words.
pub(super) fn taken(slot: &Slot) -> Error {
    let by = match slot {
        Slot::Up(container) => format!("container \"{:#}\"", container.this.id),
        Slot::Lost(spec) => format!("a container that was lost with host {}", spec.on),
    };
    let name = slot.name();
    let said = format_args!(
        "Conflict. The container name \"/{name}\" is already in use by {by}. You have to remove (or rename) that \
         container to be able to reuse that name."
    );
    Error::new(Kind::Refused, said)
}
