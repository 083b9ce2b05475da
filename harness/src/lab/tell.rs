//! What a Docker daemon would say of what happens in a lab, said when it does.

use std::sync::Arc;

use overlay::EndpointInfo;
use overlay::id::NetworkId;

use super::Lab;
use crate::container::Container;
use crate::error::Result;
use crate::events::DockerEvent;
use crate::process::State;

impl Lab {
    /// A network was created, or is gone; the host's engine was asked.
    pub(super) fn tell_network(&self, action: &str, id: NetworkId, name: &str, on: &str) {
        self.events().tell(DockerEvent::network(action, id, name, on), format_args!("{name} on {on}"));
    }

    /// A container was put on a network, or taken off it.
    pub(super) fn tell_endpoint(&self, action: &str, container: &Container, info: &EndpointInfo) {
        let (network, name, host) = (&info.network_name, container.name(), container.host.name());
        let event = DockerEvent::network(action, info.network, network, host)
            .with("container", format_args!("{:#}", container.this.id));
        self.events().tell(event, format_args!("{network}: {name} on {host}, {}", info.address.addr()));
    }

    /// A container was created, has started, or is gone.
    pub(super) fn tell_container(&self, action: &str, container: &Container) {
        let (name, host) = (container.name(), container.host.name());
        let event = DockerEvent::container(action, container.this.id, name, host);
        self.events().tell(event, format_args!("{name} on {host}"));
    }

    /// Starts a container's command, if it has one, and says so; and how it ended, when it has. A host that is down says nothing
    /// of its containers.
    pub(super) async fn start_command(&self, container: &Arc<Container>) -> Result<()> {
        if container.spec.command.is_empty() {
            self.tell_container("start", container);
            return Ok(());
        }
        let (id, name) = (container.this.id, container.name().to_owned());
        let (host, events) = (Arc::clone(&container.host), self.events().clone());
        let tell = move |state| {
            let event = |action| DockerEvent::container(action, id, &name, host.name());
            let place = format!("{name} on {}", host.name());
            match state {
                State::Running => events.tell(event("start"), place),
                State::Exited(code) if host.alive().is_ok() => {
                    events
                        .tell(event("die").with("exitCode", code), format_args!("{place}, exit code {code}"));
                }
                State::Exited(_) => {}
            }
        };
        container.start(tell).await
    }
}
