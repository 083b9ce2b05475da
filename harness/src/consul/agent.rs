//! `/v1/status/`, `/v1/agent/`: what an agent says of itself, and what is registered with it.

use super::answer::{Answer, Answered};
use super::catalog::{check_row, filter, pick, service_row};
use super::face::{Asked, Face};
use super::fields::{Fields, Wrong, undecodable};
use overlay::kv::store::{
    CONSUL, Check, Health, Node, Registered, Registration, SERF_HEALTH, SERVER_PORT, Service, Store,
};
use serde_json::{Value, json};

/// The API that this store speaks. Clients decide by it what to expect.
const API_VERSION: &str = "1.21.4";
/// What it is in truth, where Consul has the revision of its source.
const REVISION: &str = concat!("overlay-lab-", env!("CARGO_PKG_VERSION"));
/// Consul's gossip port.
const SERF_PORT: u16 = 8301;
/// What is said of a check that an agent would run by itself.
const NOT_RUN: &str = "this store runs no checks: it says what it is told";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Leader,
    Peers,
    AgentSelf,
    Members,
    Services,
    Service,
    Checks,
    RegisterService,
    DeregisterService,
    RegisterCheck,
    DeregisterCheck,
    /// Tells a check how it is.
    Tell(Health),
    UpdateCheck,
}

pub(super) async fn answer(face: &Face, endpoint: Endpoint, asked: Asked) -> Answered {
    use Endpoint::{
        AgentSelf, Checks, DeregisterCheck, DeregisterService, Leader, Members, Peers, RegisterCheck,
        RegisterService, Service as OneService, Services, Tell, UpdateCheck,
    };
    let (name, query) = (asked.name(), asked.query.clone());
    let empty = Answer::empty(200);
    match endpoint {
        Leader => Ok(Answer::json(&query, &face.store.with(|store| server(store)))),
        Peers => Ok(Answer::json(&query, &face.store.with(|store| vec![server(store)]))),
        AgentSelf => {
            Ok(Answer::json(&query, &face.store.with(|store| about(store, &face.config.datacenter))))
        }
        Members => {
            let members = face.store.with(|store| json!([member(store, &face.config.datacenter)]));
            Ok(Answer::json(&query, &members))
        }
        Services => face.store.with(|store| {
            let its = own(store).into_iter().flat_map(|node| &node.services).filter(|(id, _)| *id != CONSUL);
            let rows = its.map(|(id, service)| (id.clone(), local(id, service, &face.config.datacenter)));
            let rows = pick(Value::Object(rows.collect()), filter(&query)?.as_ref())?;
            Ok(Answer::json(&query, &rows))
        }),
        OneService => face.store.with(|store| {
            let found = own(store).and_then(|node| node.services.get(&name));
            let found = found.ok_or_else(|| Answer::error(404, format!("unknown service ID: {name}")))?;
            Ok(Answer::json(&query, &local(&name, found, &face.config.datacenter)))
        }),
        Checks => face.store.with(|store| {
            let own_name = &store.config().node;
            let node =
                own(store).into_iter().flat_map(|node| node.checks.iter().map(move |check| (node, check)));
            let its = node.filter(|(_, (id, _))| *id != SERF_HEALTH);
            let rows = its.map(|(node, (id, check))| (id.clone(), check_row(own_name, node, id, check)));
            let rows = pick(Value::Object(rows.collect()), filter(&query)?.as_ref())?;
            Ok(Answer::json(&query, &rows))
        }),
        RegisterService => {
            let (services, checks) = service(Fields::of_body(&asked.body().await?)?)?;
            register(face, services, checks);
            Ok(empty)
        }
        RegisterCheck => {
            let mut fields = Fields::of_body(&asked.body().await?)?;
            let of = fields.string(&["serviceid"]).map_err(undecodable)?.unwrap_or_default();
            let known = |store: &mut Store| own(store).is_some_and(|node| node.services.contains_key(&of));
            if !of.is_empty() && !face.store.with(known) {
                return Err(Answer::error(400, format!("ServiceID {of:?} does not exist")));
            }
            let (id, name) = names(&mut fields)?;
            let (Some(id), Some(name)) = (id.clone().or(name.clone()), name.or(id)) else {
                return Err(Answer::error(400, "Missing check name"));
            };
            let check = Check { name, service: of, ..check(fields)? };
            register(face, Vec::new(), vec![(id, check)]);
            Ok(empty)
        }
        DeregisterService => {
            deregister(face, &Registered::Service(name.clone()), "service", &name).map(|()| empty)
        }
        DeregisterCheck => deregister(face, &Registered::Check(name.clone()), "check", &name).map(|()| empty),
        Tell(health) => tell(face, &name, health, query.get("note").unwrap_or_default()).map(|()| empty),
        UpdateCheck => {
            let mut fields = Fields::of_body(&asked.body().await?)?;
            let output = fields.string(&["output"]).map_err(undecodable)?.unwrap_or_default();
            let health =
                health(&mut fields)?.ok_or_else(|| Answer::error(400, "Invalid check status: ''"))?;
            tell(face, &name, health, &output).map(|()| empty)
        }
    }
}

fn register(face: &Face, services: Vec<(String, Service)>, checks: Vec<(String, Check)>) {
    face.store.with(|store| {
        let node = store.config().node.clone();
        store.register(Registration { node, about: None, services, checks });
    });
}

fn deregister(face: &Face, what: &Registered, kind: &str, id: &str) -> Result<(), Answer> {
    let gone = face.store.with(|store| {
        let node = store.config().node.clone();
        store.deregister(&node, what)
    });
    if gone { Ok(()) } else { Err(unknown(kind, id)) }
}

fn tell(face: &Face, id: &str, health: Health, output: &str) -> Result<(), Answer> {
    let has_ttl = |store: &mut Store| {
        let check = own(store).and_then(|node| node.checks.get(id));
        check.map(|check| check.ttl.is_some())
    };
    match face.store.with(has_ttl) {
        None => Err(unknown("check", id)),
        Some(false) => Err(Answer::error(500, format!("CheckID {id:?} does not have associated TTL"))),
        Some(true) => {
            face.store.with(|store| store.tell(id, health, output));
            Ok(())
        }
    }
}

fn unknown(kind: &str, id: &str) -> Answer {
    let text = format!("Unknown {kind} ID {id:?}. Ensure that the {kind} ID is passed, not the {kind} name.");
    Answer::error(404, text)
}

/// A service and its checks, from the body of a registration.
#[expect(clippy::type_complexity, reason = "both by id")]
fn service(mut fields: Fields) -> Result<(Vec<(String, Service)>, Vec<(String, Check)>), Answer> {
    let mut said = |names: &[&str]| fields.string(names).map_err(undecodable);
    let name = said(&["name"])?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Answer::error(400, "Missing service name"))?;
    let id = said(&["id"])?.filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
    let mut of = Vec::new();
    of.extend(fields.object(&["check"]).map_err(undecodable)?);
    of.extend(fields.objects(&["checks"]).map_err(undecodable)?);
    let alone = of.len() == 1;
    let mut checks = Vec::new();
    for (number, mut fields) in (1..).zip(of) {
        let (own_id, own_name) = names(&mut fields)?;
        let numbered = if alone { format!("service:{id}") } else { format!("service:{id}:{number}") };
        let check = Check {
            name: own_name.unwrap_or_else(|| format!("Service '{name}' check")),
            service: id.clone(),
            ..check(fields)?
        };
        checks.push((own_id.unwrap_or(numbered), check));
    }
    let service = described(name, fields).map_err(undecodable)?;
    Ok((vec![(id, service)], checks))
}

/// A service from its fields.
pub(super) fn described(name: String, mut fields: Fields) -> Result<Service, Wrong> {
    Ok(Service {
        name,
        tags: fields.strings(&["tags"])?.unwrap_or_default(),
        address: fields.string(&["address"])?.unwrap_or_default(),
        port: fields.port(&["port"])?,
        meta: fields.texts(&["meta"])?,
        enable_tag_override: fields.flag(&["enabletagoverride"])?,
        ..Service::default()
    })
}

/// The id and the name that a check is given, if it is.
fn names(fields: &mut Fields) -> Result<(Option<String>, Option<String>), Answer> {
    let mut said =
        |names: &[&str]| Ok(fields.string(names).map_err(undecodable)?.filter(|text| !text.is_empty()));
    Ok((said(&["checkid", "id"])?, said(&["name"])?))
}

/// A check from its fields.
fn check(mut fields: Fields) -> Result<Check, Answer> {
    let ttl = fields.duration(&["ttl"]).map_err(undecodable)?;
    let is_run =
        ["http", "tcp", "udp", "grpc", "args", "script", "dockercontainerid", "aliasservice", "aliasnode"];
    if ttl.is_none() && !is_run.iter().any(|kind| fields.has(kind)) {
        return Err(Answer::error(400, "Invalid check: TTL must be > 0 for TTL checks"));
    }
    Ok(Check {
        status: health(&mut fields)?.unwrap_or_default(),
        notes: fields.string(&["notes"]).map_err(undecodable)?.unwrap_or_default(),
        output: if ttl.is_some() { String::new() } else { NOT_RUN.to_owned() },
        ttl,
        ..Check::default()
    })
}

fn health(fields: &mut Fields) -> Result<Option<Health>, Answer> {
    let word = fields.string(&["status"]).map_err(undecodable)?.filter(|word| !word.is_empty());
    let health = |word: String| {
        Health::parse(&word).ok_or_else(|| Answer::error(400, format!("Invalid check status: '{word}'")))
    };
    word.map(health).transpose()
}

/// The store's own node.
fn own(store: &Store) -> Option<&Node> {
    store.catalog().node(&store.config().node)
}

/// Where a Consul would listen for other servers. Nobody does here; clients only ask whether there is a leader.
fn server(store: &Store) -> String {
    format!("{}:{SERVER_PORT}", store.config().address)
}

/// A service as its agent shows it.
fn local(id: &str, service: &Service, datacenter: &str) -> Value {
    let mut row = service_row(id, service);
    if let Value::Object(fields) = &mut row {
        fields.remove("CreateIndex");
        fields.remove("ModifyIndex");
        fields.insert("Datacenter".to_owned(), json!(datacenter));
    }
    row
}

fn about(store: &Store, datacenter: &str) -> Value {
    json!({
        "Config": {
            "Datacenter": datacenter,
            "PrimaryDatacenter": datacenter,
            "NodeName": store.config().node,
            "NodeID": own(store).map(|node| node.id.as_str()),
            "Revision": REVISION,
            "Server": true,
            "Version": API_VERSION,
        },
        "Coord": null,
        "DebugConfig": {},
        "Member": member(store, datacenter),
        "Meta": { "implementation": REVISION },
        "Stats": { "consul": { "leader": "true", "leader_addr": server(store), "server": "true" } },
    })
}

fn member(store: &Store, datacenter: &str) -> Value {
    json!({
        "Name": store.config().node,
        "Addr": store.config().address,
        "Port": SERF_PORT,
        "Tags": {
            "bootstrap": "1",
            "build": format!("{API_VERSION}:{REVISION}"),
            "dc": datacenter,
            "id": own(store).map(|node| node.id.as_str()),
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
