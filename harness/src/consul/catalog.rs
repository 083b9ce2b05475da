//! `/v1/catalog/`, `/v1/health/`: nodes, services and checks, whoever registered them.

use super::agent::described;
use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use super::fields::{Fields, Wrong, undecodable};
use super::filter::Filter;
use super::request::Query;
use overlay::kv::store::{
    Catalog, Check, Health, Instance, Node, Registered, Registration, Service, Store, Watch,
};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Register,
    Deregister,
    Datacenters,
    Nodes,
    Services,
    Service,
    Node,
    HealthNode,
    HealthState,
    HealthChecks,
    HealthService,
}

pub(super) async fn answer(face: &Face, endpoint: Endpoint, asked: Asked) -> Answered {
    let (name, query) = (asked.name(), asked.query.clone());
    let datacenter = &face.config.datacenter;
    match endpoint {
        Endpoint::Register => {
            let mut fields = Fields::of_body(&asked.body().await?)?;
            check_place(face, &mut fields)?;
            let registration = registration(fields).map_err(undecodable)?;
            if registration.node.is_empty() || registration.about.is_none() {
                return Err(Answer::error(400, "Must provide node and address"));
            }
            face.store.with(|store| store.register(registration));
            return Ok(Answer::json(&query, &true));
        }
        Endpoint::Deregister => {
            let mut fields = Fields::of_body(&asked.body().await?)?;
            check_place(face, &mut fields)?;
            let mut said = |name| fields.string(&[name]).map(Option::unwrap_or_default).map_err(undecodable);
            let (node, service, check) = (said("node")?, said("serviceid")?, said("checkid")?);
            if node.is_empty() {
                return Err(Answer::error(400, "Must provide node"));
            }
            let what = match (service.is_empty(), check.is_empty()) {
                (false, _) => Registered::Service(service),
                (true, false) => Registered::Check(check),
                (true, true) => Registered::Node,
            };
            face.store.with(|store| store.deregister(&node, &what));
            return Ok(Answer::json(&query, &true));
        }
        Endpoint::Datacenters => return Ok(Answer::json(&query, &[datacenter])),
        _ => {}
    }
    let filter = filter(&query)?;
    let passing = passing(&query)?;
    let read = |catalog: &Catalog| match endpoint {
        Endpoint::Nodes => catalog.nodes().map(|(name, node)| node_row(name, node, datacenter)).collect(),
        Endpoint::Services => services(catalog),
        Endpoint::Service => {
            let its = catalog.instances(&name).filter(|instance| has_tags(instance, &query));
            its.map(|instance| instance_row(&instance, datacenter)).collect()
        }
        Endpoint::Node => catalog.node(&name).map_or(Value::Null, |node| {
            let services = node.services.iter().map(|(id, service)| (id.clone(), service_row(id, service)));
            json!({ "Node": node_row(&name, node, datacenter), "Services": services.collect::<Map<_, _>>() })
        }),
        Endpoint::HealthNode => checks(catalog).filter(|(node, ..)| *node == name).map(row_of).collect(),
        Endpoint::HealthState => {
            let is = |check: &Check| name == "any" || check.status.as_str() == name;
            checks(catalog).filter(|(_, _, (_, check))| is(check)).map(row_of).collect()
        }
        Endpoint::HealthChecks => {
            let of = |node: &Node, check: &Check| {
                node.services.get(&check.service).is_some_and(|of| of.name == name)
            };
            checks(catalog).filter(|(_, node, (_, check))| of(node, check)).map(row_of).collect()
        }
        _ => {
            let its = catalog.instances(&name).filter(|instance| has_tags(instance, &query));
            let its = its.filter(|instance| !passing || instance.health() == Health::Passing);
            its.map(|instance| health_row(&instance, datacenter)).collect()
        }
    };
    let picked = |store: &Store| match pick(read(store.catalog()), filter.as_ref()) {
        Ok(rows) => Answer::json(&query, &rows),
        Err(refused) => refused,
    };
    face.read(&asked, &Watch::Catalog, picked).await
}

/// `?filter=`
pub(super) fn filter(query: &Query) -> Result<Option<Filter>, Answer> {
    let text = query.get("filter").filter(|text| !text.is_empty());
    text.map(|text| Filter::parse(text).map_err(|why| unfit(&why))).transpose()
}

/// The rows that a filter picks, of a list or by name.
pub(super) fn pick(mut rows: Value, filter: Option<&Filter>) -> Result<Value, Answer> {
    let Some(filter) = filter else { return Ok(rows) };
    let mut wrong = None;
    let mut picks = |row: &Value| {
        filter.picks(row).unwrap_or_else(|why| {
            wrong = Some(why);
            false
        })
    };
    match &mut rows {
        Value::Array(list) => list.retain(|row| picks(row)),
        Value::Object(table) => table.retain(|_, row| picks(row)),
        _ => {}
    }
    wrong.map_or(Ok(rows), |why| Err(unfit(&why)))
}

fn unfit(why: &str) -> Answer {
    Answer::error(400, format!("Failed to create boolean expression evaluator: {why}"))
}

/// `?passing`, by presence or as Go reads a truth value.
fn passing(query: &Query) -> Result<bool, Answer> {
    match query.get("passing") {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(_) => Err(Answer::error(400, "Invalid value for ?passing")),
    }
}

/// Whether a service has all the tags that are asked for, in any case.
fn has_tags(instance: &Instance, query: &Query) -> bool {
    query.all("tag").all(|tag| instance.service.tags.iter().any(|its| its.eq_ignore_ascii_case(tag)))
}

type Row<'a> = (&'a str, &'a Node, (&'a String, &'a Check));

fn checks(catalog: &Catalog) -> impl Iterator<Item = Row<'_>> {
    catalog.nodes().flat_map(|(name, node)| node.checks.iter().map(move |check| (name, node, check)))
}

fn row_of((name, node, (id, check)): Row) -> Value {
    check_row(name, node, id, check)
}

/// All services, with the tags of all of that name.
fn services(catalog: &Catalog) -> Value {
    let mut all: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for service in catalog.nodes().flat_map(|(_, node)| node.services.values()) {
        let tags = all.entry(&service.name).or_default();
        tags.extend(service.tags.iter().map(String::as_str));
        tags.sort_unstable();
        tags.dedup();
    }
    json!(all)
}

fn node_row(name: &str, node: &Node, datacenter: &str) -> Value {
    json!({
        "ID": node.id,
        "Node": name,
        "Address": node.address,
        "Datacenter": datacenter,
        "TaggedAddresses": { "lan": node.address, "wan": node.address },
        "Meta": node.meta,
        "CreateIndex": node.create_index,
        "ModifyIndex": node.modify_index,
    })
}

/// A service by itself.
pub(super) fn service_row(id: &str, service: &Service) -> Value {
    json!({
        "ID": id,
        "Service": service.name,
        "Tags": service.tags,
        "Address": service.address,
        "Meta": service.meta,
        "Port": service.port,
        "Weights": { "Passing": 1, "Warning": 1 },
        "EnableTagOverride": service.enable_tag_override,
        "CreateIndex": service.create_index,
        "ModifyIndex": service.modify_index,
    })
}

/// A service with the node that it is on, as the catalog lists them.
fn instance_row(instance: &Instance, datacenter: &str) -> Value {
    let Instance { node_name, node, id, service } = instance;
    json!({
        "ID": node.id,
        "Node": node_name,
        "Address": node.address,
        "Datacenter": datacenter,
        "TaggedAddresses": { "lan": node.address, "wan": node.address },
        "NodeMeta": node.meta,
        "ServiceKind": "",
        "ServiceID": id,
        "ServiceName": service.name,
        "ServiceTags": service.tags,
        "ServiceAddress": service.address,
        "ServiceWeights": { "Passing": 1, "Warning": 1 },
        "ServiceMeta": service.meta,
        "ServicePort": service.port,
        "ServiceEnableTagOverride": service.enable_tag_override,
        "CreateIndex": service.create_index,
        "ModifyIndex": service.modify_index,
    })
}

/// The same with how it is.
fn health_row(instance: &Instance, datacenter: &str) -> Value {
    let Instance { node_name, node, id, service } = *instance;
    let checks = instance.checks().map(|(id, check)| check_row(node_name, node, id, check));
    json!({
        "Node": node_row(node_name, node, datacenter),
        "Service": service_row(id, service),
        "Checks": checks.collect::<Vec<_>>(),
    })
}

/// A check with the node and the service that it is of.
pub(super) fn check_row(node_name: &str, node: &Node, id: &str, check: &Check) -> Value {
    let service = node.services.get(&check.service);
    json!({
        "Node": node_name,
        "CheckID": id,
        "Name": check.name,
        "Status": check.status,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service,
        "ServiceName": service.map(|service| service.name.as_str()).unwrap_or_default(),
        "ServiceTags": service.map(|service| service.tags.clone()).unwrap_or_default(),
        "Type": if check.ttl.is_some() { "ttl" } else { "" },
        "Definition": {},
        "CreateIndex": check.create_index,
        "ModifyIndex": check.modify_index,
    })
}

/// A body, too, may name a datacenter.
fn check_place(face: &Face, fields: &mut Fields) -> Result<(), Answer> {
    match fields.string(&["datacenter"]).map_err(undecodable)? {
        Some(other) if !other.is_empty() && other != face.config.datacenter => {
            Err(Answer::error(500, "No path to datacenter"))
        }
        _ => Ok(()),
    }
}

/// What the body of a registration says.
fn registration(mut fields: Fields) -> Result<Registration, Wrong> {
    let mut said = |name| fields.string(&[name]).map(Option::unwrap_or_default);
    let (node, id, address) = (said("node")?, said("id")?, said("address")?);
    let meta = fields.texts(&["nodemeta"])?;
    let mut registration = Registration {
        about: (!address.is_empty()).then_some((id, address, meta)),
        node,
        ..Registration::default()
    };
    if let Some(mut service) = fields.object(&["service"])? {
        let name = service.string(&["service"])?.unwrap_or_default();
        let id = service.string(&["id"])?.filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
        registration.services.push((id, described(name, service)?));
    }
    let mut checks = Vec::new();
    checks.extend(fields.object(&["check"])?);
    checks.extend(fields.objects(&["checks"])?);
    for mut check in checks {
        let name = check.string(&["name"])?.unwrap_or_default();
        let id = check.string(&["checkid"])?.filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
        let status = check.string(&["status"])?.and_then(|word| Health::parse(&word)).unwrap_or_default();
        let check = Check {
            name,
            status,
            notes: check.string(&["notes"])?.unwrap_or_default(),
            output: check.string(&["output"])?.unwrap_or_default(),
            service: check.string(&["serviceid"])?.unwrap_or_default(),
            ..Check::default()
        };
        registration.checks.push((id, check));
    }
    Ok(registration)
}
