//! `/v1/event/`: what clients tell each other in passing. It is of no other use here, and kept by no store.

use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use super::request::ReadOptions;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// How many are remembered (Consul, `eventBuf`).
const REMEMBERED: usize = 256;

/// The latest events.
#[derive(Debug, Default)]
pub(super) struct Latest {
    events: Mutex<VecDeque<(String, Value)>>,
    /// The newest event's id, as the number that stands for it.
    newest: watch::Sender<u64>,
}

impl Latest {
    /// Adds one: its id, and how many came before it.
    fn add(&self, name: &str, event: impl FnOnce(&str, u64) -> Value) -> Value {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let number = events.back().and_then(|(_, last)| last["LTime"].as_u64()).unwrap_or(0) + 1;
        let (high, low) = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
        let hex = format!("{high:016x}{low:016x}");
        let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let event = event(&id, number);
        events.push_back((name.to_owned(), event.clone()));
        if events.len() > REMEMBERED {
            events.pop_front();
        }
        // Consul's index of events: the halves of the newest one's id, together.
        self.newest.send_replace(high ^ low);
        event
    }
}

pub(super) async fn fire(face: &Face, asked: Asked) -> Answered {
    let (name, query) = (asked.name(), asked.query.clone());
    if name.is_empty() {
        return Err(Answer::error(400, "Missing name"));
    }
    let payload = asked.body().await?;
    let said = |name| query.get(name).unwrap_or_default();
    let event = face.events.add(&name, |id, number| {
        json!({
            "ID": id,
            "Name": name,
            "Payload": (!payload.is_empty()).then(|| BASE64.encode(&payload)),
            "NodeFilter": said("node"),
            "ServiceFilter": said("service"),
            "TagFilter": said("tag"),
            "Version": 1,
            "LTime": number,
        })
    });
    Ok(Answer::json(&query, &event))
}

pub(super) async fn list(face: &Face, asked: &Asked) -> Answered {
    let options = ReadOptions::parse(&asked.query, asked.headers())?;
    if options.index != 0 {
        let mut newest = face.events.newest.subscribe();
        let wait = face.store.patience(options.wait);
        // Not by order: numbers of events are no sequence.
        let _ = tokio::time::timeout(wait, newest.wait_for(|newest| (*newest).max(1) != options.index)).await;
    }
    let only = asked.query.get("name").filter(|name| !name.is_empty());
    let events = face.events.events.lock().unwrap_or_else(PoisonError::into_inner);
    let rows: Vec<&Value> = events
        .iter()
        .filter(|(name, _)| only.is_none_or(|only| only == name))
        .map(|(_, event)| event)
        .collect();
    let index = (*face.events.newest.borrow()).max(1);
    Ok(Answer::json(&asked.query, &rows).read_at(index, options.consistency))
}
