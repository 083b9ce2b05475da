//! `/v1/session/`: making, reading, renewing and ending sessions.

use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use super::fields::{Fields, Wrong, undecodable, wrong};
use overlay::kv::store::{GoDuration, Session, SessionRequest, Watch};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A number less than this is a lock-delay in seconds, else in nanoseconds (Consul, `lockDelayMinThreshold`).
const LOCK_DELAY_SECONDS_BELOW: u64 = 1000;

/// A session as Consul writes it, in its order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    node: &'a str,
    lock_delay: i64,
    behavior: &'static str,
    #[serde(rename = "TTL")]
    ttl: &'a str,
    node_checks: &'a [String],
    service_checks: Option<Vec<ServiceCheck<'a>>>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> Row<'a> {
    fn new(session: &'a Session) -> Row<'a> {
        Row {
            id: &session.id,
            name: &session.name,
            node: &session.node,
            lock_delay: GoDuration::from(session.lock_delay).nanos(),
            behavior: session.behavior.as_str(),
            ttl: &session.ttl,
            node_checks: &session.node_checks,
            service_checks: (!session.service_checks.is_empty()).then(|| {
                session.service_checks.iter().map(|id| ServiceCheck { id, namespace: "" }).collect()
            }),
            create_index: session.create_index,
            modify_index: session.create_index,
        }
    }
}

/// A check of a service that a session depends on.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceCheck<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    namespace: &'static str,
}

#[derive(Serialize)]
struct Made {
    #[serde(rename = "ID")]
    id: String,
}

pub(super) async fn create(face: &Face, asked: Asked) -> Answered {
    let query = asked.query.clone();
    let request = match asked.declared_length() {
        None | Some(0) => SessionRequest::default(),
        Some(_) => request(&asked.body().await?).map_err(undecodable)?,
    };
    let made = face.store.with(|store| store.create_session(request).map(|session| session.id.clone()));
    let id = made.map_err(|refusal| Answer::error(500, refusal.to_string()))?;
    Ok(Answer::json(&query, &Made { id }))
}

pub(super) fn destroy(face: &Face, asked: &Asked) -> Answered {
    let id = id(asked)?;
    face.store.with(|store| store.destroy_session(&id));
    Ok(Answer::json(&asked.query, &true))
}

pub(super) fn renew(face: &Face, asked: &Asked) -> Answered {
    let id = id(asked)?;
    face.store.with(|store| match store.renew_session(&id) {
        Some(session) => Ok(Answer::json(&asked.query, &[Row::new(session)])),
        None => Err(Answer::error(404, format!("Session id '{id}' not found"))),
    })
}

pub(super) async fn info(face: &Face, asked: &Asked) -> Answered {
    let id = id(asked)?;
    let watch = Watch::Session(id.to_ascii_lowercase());
    let read = face.read(asked, &watch, |store| {
        Answer::json(&asked.query, &store.session(&id).into_iter().map(Row::new).collect::<Vec<_>>())
    });
    read.await
}

pub(super) async fn on_node(face: &Face, asked: &Asked) -> Answered {
    if asked.rest.is_empty() {
        return Err(Answer::error(400, "Missing node name"));
    }
    let node = asked.name();
    let read = face.read(asked, &Watch::Sessions, |store| {
        let rows: Vec<Row> = store.sessions().filter(|session| session.node == node).map(Row::new).collect();
        Answer::json(&asked.query, &rows)
    });
    read.await
}

pub(super) async fn list(face: &Face, asked: &Asked) -> Answered {
    let read = face.read(asked, &Watch::Sessions, |store| {
        Answer::json(&asked.query, &store.sessions().map(Row::new).collect::<Vec<_>>())
    });
    read.await
}

fn id(asked: &Asked) -> Result<String, Answer> {
    if asked.rest.is_empty() { Err(Answer::error(400, "Missing session")) } else { Ok(asked.name()) }
}

/// Reads the body of a create.
fn request(body: &[u8]) -> Result<SessionRequest, Wrong> {
    let mut fields = Fields::parse(body)?;
    let mut request = SessionRequest {
        node: fields.string(&["node"])?,
        name: fields.string(&["name"])?.unwrap_or_default(),
        ttl: fields.string(&["ttl"])?.unwrap_or_default(),
        behavior: fields.string(&["behavior"])?.unwrap_or_default(),
        ..SessionRequest::default()
    };
    if let Some((_, delay)) = fields.take(&["lockdelay"]) {
        request.lock_delay = lock_delay(&delay)?;
    }
    if let Some(checks) = fields.strings(&["nodechecks", "checks"])? {
        request.node_checks = checks;
    }
    for mut check in fields.objects(&["servicechecks"])? {
        request.service_checks.push(check.string(&["id"])?.unwrap_or_default());
    }
    Ok(request)
}

fn lock_delay(value: &Value) -> Result<Duration, Wrong> {
    match value {
        Value::String(text) => {
            let delay = GoDuration::parse(text).map_err(|error| error.to_string())?;
            Ok(delay.positive().unwrap_or_default())
        }
        Value::Number(number) => {
            let number = number.as_u64().ok_or_else(|| wrong("LockDelay", value))?;
            let seconds = number < LOCK_DELAY_SECONDS_BELOW;
            Ok(if seconds { Duration::from_secs(number) } else { Duration::from_nanos(number) })
        }
        other => Err(wrong("LockDelay", other)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn a_lock_delay_is_a_duration_or_a_small_number_of_seconds_or_nanoseconds() {
        for (json, delay) in [
            (r#""1ms""#, Duration::from_millis(1)),
            ("5", Duration::from_secs(5)),
            ("0", Duration::ZERO),
            ("999", Duration::from_secs(999)),
            ("15000000000", Duration::from_secs(15)),
        ] {
            let body = format!("{{\"lockdelay\": {json}}}");
            assert_eq!(request(body.as_bytes()).unwrap().lock_delay, delay, "{json}");
        }
    }

    #[test]
    fn wrong_types_are_refused_and_unknown_fields_are_not() {
        assert!(request(br#"{"TTL": 10}"#).unwrap_err().contains("TTL"));
        assert!(request(b"[]").is_err());
        assert!(request(b"not json").is_err());
        let asked = request(br#"{"ttl": "10s", "ID": "mine", "Checks": [], "Color": {}}"#).unwrap();
        assert_eq!((asked.ttl.as_str(), asked.node_checks.len()), ("10s", 0));
    }
}
