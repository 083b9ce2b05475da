//! `/v1/status`, `/v1/agent`, `/v1/catalog`, `/v1/health`: a datacenter of one node, which is always healthy.
//!
//! Nothing can be registered here, so all of it is fixed when the store starts; queries block for their time.

use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use overlay::kv::store::{SERF_HEALTH, Watch};
use serde_json::{Value, json};

/// The API that this store speaks. Clients decide by it what to expect.
const API_VERSION: &str = "1.21.4";
/// What it is in truth, where Consul has the revision of its source.
const REVISION: &str = concat!("overlay-lab-", env!("CARGO_PKG_VERSION"));
/// Consul's server port. Nobody listens there; clients only ask whether there is a leader.
const SERVER_PORT: u16 = 8300;
/// Consul's gossip port.
const SERF_PORT: u16 = 8301;
/// What the node's own entries are said to be made at.
const INDEX: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Leader,
    Peers,
    AgentSelf,
    Members,
    AgentServices,
    AgentChecks,
    Datacenters,
    Nodes,
    Services,
    Service,
    Node,
    HealthNode,
    HealthState,
    HealthOfService,
}

pub(super) async fn read(face: &Face, endpoint: Endpoint, asked: &Asked) -> Answered {
    let node = Node {
        name: face.store.with(|store| store.config().node.clone()),
        address: face.config.address.to_string(),
        datacenter: face.config.datacenter.clone(),
    };
    let name = asked.name();
    let is_blocking = !matches!(
        endpoint,
        Endpoint::Leader
            | Endpoint::Peers
            | Endpoint::AgentSelf
            | Endpoint::Members
            | Endpoint::AgentServices
            | Endpoint::AgentChecks
            | Endpoint::Datacenters
    );
    let value = match endpoint {
        Endpoint::Leader => json!(node.server()),
        Endpoint::Peers => json!([node.server()]),
        Endpoint::AgentSelf => node.agent_self(),
        Endpoint::Members => json!([node.member()]),
        Endpoint::AgentServices | Endpoint::AgentChecks => json!({}),
        Endpoint::Datacenters => json!([node.datacenter]),
        Endpoint::Nodes => json!([node.row()]),
        Endpoint::Services => json!({ "consul": [] }),
        Endpoint::Service if name == "consul" => json!([node.service_row()]),
        Endpoint::Node if name == node.name => {
            json!({ "Node": node.row(), "Services": { "consul": service() } })
        }
        Endpoint::Node => Value::Null,
        Endpoint::HealthNode if name == node.name => json!([node.check()]),
        Endpoint::HealthState if name == "any" || name == "passing" => json!([node.check()]),
        Endpoint::Service | Endpoint::HealthNode | Endpoint::HealthState | Endpoint::HealthOfService => {
            json!([])
        }
    };
    let answer = Answer::json(&asked.query, &value);
    if is_blocking { face.read(asked, &Watch::Catalog, |_| answer).await } else { Ok(answer) }
}

/// The only node.
struct Node {
    name: String,
    address: String,
    datacenter: String,
}

impl Node {
    /// Where a Consul would listen for other servers.
    fn server(&self) -> String {
        format!("{}:{SERVER_PORT}", self.address)
    }

    /// Made from the name (FNV-1a), so that the same store has the same.
    fn id(&self) -> String {
        let hash = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let hex = format!("{hash:016x}");
        format!("{}-{}-{}-0000-000000000000", &hex[..8], &hex[8..12], &hex[12..])
    }

    fn agent_self(&self) -> Value {
        json!({
            "Config": {
                "Datacenter": self.datacenter,
                "PrimaryDatacenter": self.datacenter,
                "NodeName": self.name,
                "NodeID": self.id(),
                "Revision": REVISION,
                "Server": true,
                "Version": API_VERSION,
            },
            "Coord": null,
            "DebugConfig": {},
            "Member": self.member(),
            "Meta": { "implementation": REVISION },
            "Stats": { "consul": { "leader": "true", "leader_addr": self.server(), "server": "true" } },
        })
    }

    fn member(&self) -> Value {
        json!({
            "Name": self.name,
            "Addr": self.address,
            "Port": SERF_PORT,
            "Tags": {
                "bootstrap": "1",
                "build": format!("{API_VERSION}:{REVISION}"),
                "dc": self.datacenter,
                "id": self.id(),
                "port": SERVER_PORT.to_string(),
                "role": "consul",
            },
            "Status": 1,
            "ProtocolMin": 1,
            "ProtocolMax": 5,
            "ProtocolCur": 2,
            "DelegateMin": 2,
            "DelegateMax": 5,
            "DelegateCur": 4,
        })
    }

    fn row(&self) -> Value {
        json!({
            "ID": self.id(),
            "Node": self.name,
            "Address": self.address,
            "Datacenter": self.datacenter,
            "TaggedAddresses": { "lan": self.address, "wan": self.address },
            "Meta": {},
            "CreateIndex": INDEX,
            "ModifyIndex": INDEX,
        })
    }

    fn service_row(&self) -> Value {
        json!({
            "ID": self.id(),
            "Node": self.name,
            "Address": self.address,
            "Datacenter": self.datacenter,
            "NodeMeta": {},
            "ServiceID": "consul",
            "ServiceName": "consul",
            "ServiceTags": [],
            "ServiceAddress": "",
            "ServiceMeta": {},
            "ServicePort": SERVER_PORT,
            "CreateIndex": INDEX,
            "ModifyIndex": INDEX,
        })
    }

    fn check(&self) -> Value {
        json!({
            "Node": self.name,
            "CheckID": SERF_HEALTH,
            "Name": "Serf Health Status",
            "Status": "passing",
            "Notes": "",
            "Output": "Agent alive and reachable",
            "ServiceID": "",
            "ServiceName": "",
            "ServiceTags": [],
            "Type": "",
            "CreateIndex": INDEX,
            "ModifyIndex": INDEX,
        })
    }
}

/// Consul registers itself as a service; so does this.
fn service() -> Value {
    json!({
        "ID": "consul",
        "Service": "consul",
        "Tags": [],
        "Address": "",
        "Meta": null,
        "Port": SERVER_PORT,
        "EnableTagOverride": false,
        "CreateIndex": INDEX,
        "ModifyIndex": INDEX,
    })
}
