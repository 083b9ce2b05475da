//! `/v1/kv/`: reading, writing, deleting.

use super::answer::{Answer, Answered, text};
use super::face::{Asked, Face};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use overlay::kv::store::{Entry, Refusal, Watch};
use serde::Serialize;
use std::borrow::Cow;

/// An entry as Consul writes it, in its order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row<'a> {
    lock_index: u64,
    key: Cow<'a, str>,
    flags: u64,
    /// Base64; null when it is empty.
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> Row<'a> {
    pub(super) fn new(key: &'a [u8], entry: &'a Entry) -> Row<'a> {
        Row {
            lock_index: entry.lock_index,
            key: text(key),
            flags: entry.flags,
            value: (!entry.value.is_empty()).then(|| BASE64.encode(&entry.value)),
            session: entry.session.as_deref(),
            create_index: entry.create_index,
            modify_index: entry.modify_index,
        }
    }
}

pub(super) async fn read(face: &Face, asked: Asked) -> Answered {
    let (query, key) = (&asked.query, &asked.rest);
    if query.has("keys") {
        let watch = Watch::Prefix(key.clone());
        let separator = query.get("separator").or(query.get("seperator")).unwrap_or_default();
        let read = face.read(&asked, &watch, |store| {
            let keys = store.keys(key, separator.as_bytes());
            if keys.is_empty() && !key.is_empty() {
                return Answer::empty(404);
            }
            Answer::json(query, &keys.iter().map(|key| text(key)).collect::<Vec<_>>())
        });
        return read.await;
    }
    if query.has("recurse") {
        let watch = Watch::Prefix(key.clone());
        let read = face.read(&asked, &watch, |store| {
            face.listings.get(store.index(), (key, query.has("pretty")), || {
                let rows: Vec<Row> = store.list(key).map(|(key, entry)| Row::new(key, entry)).collect();
                if rows.is_empty() { Answer::empty(404) } else { Answer::json(query, &rows) }
            })
        });
        return read.await;
    }
    if key.is_empty() {
        return Err(Answer::error(400, "Missing key name"));
    }
    let watch = Watch::Key(key.clone());
    let read = face.read(&asked, &watch, |store| match store.get(key) {
        None => Answer::empty(404),
        Some(entry) if query.has("raw") => Answer::of(200, "text/plain", entry.value.clone())
            .with("x-content-type-options", "nosniff")
            .with("content-security-policy", "sandbox"),
        Some(entry) => Answer::json(query, &[Row::new(key, entry)]),
    });
    read.await
}

/// Refuses two parameters that cannot be meant together.
fn check_conflict(asked: &Asked, names: &[&str]) -> Result<(), Answer> {
    if names.iter().filter(|name| asked.query.has(name)).count() > 1 {
        return Err(Answer::error(400, format!("Conflicting flags: {}\n", asked.query.sorted())));
    }
    Ok(())
}

pub(super) async fn write(face: &Face, asked: Asked) -> Answered {
    if asked.rest.is_empty() {
        return Err(Answer::error(400, "Missing key name"));
    }
    check_conflict(&asked, &["cas", "acquire", "release"])?;
    let flags = asked.query.number("flags")?.unwrap_or(0);
    let index = asked.query.number("cas")?;
    let (key, query) = (asked.rest.clone(), asked.query.clone());
    let value = asked.body().await?;
    let done = face.store.with(|store| {
        if let Some(index) = index {
            Ok(store.cas(&key, value, flags, index))
        } else if let Some(session) = query.get("acquire") {
            store.acquire(&key, value, flags, session)
        } else if let Some(session) = query.get("release") {
            store.release(&key, value, flags, session)
        } else {
            store.put(&key, value, flags);
            Ok(true)
        }
    });
    let failed = |refusal: Refusal| Answer::error(500, format!("raft apply failed: {refusal}"));
    Ok(Answer::json(&query, &done.map_err(failed)?))
}

pub(super) fn delete(face: &Face, asked: &Asked) -> Answered {
    check_conflict(asked, &["recurse", "cas"])?;
    let recurse = asked.query.has("recurse");
    if asked.rest.is_empty() && !recurse {
        return Err(Answer::error(400, "Missing key name"));
    }
    let index = asked.query.number("cas")?;
    let done = face.store.with(|store| {
        if let Some(index) = index {
            return store.delete_cas(&asked.rest, index);
        }
        if recurse {
            store.delete_tree(&asked.rest);
        } else {
            store.delete(&asked.rest);
        }
        true
    });
    Ok(Answer::json(&asked.query, &done))
}
