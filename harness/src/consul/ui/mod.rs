//! `/ui/`: the key browser. Its files, and what it asks beyond Consul's own API.
//!
//! | path | is |
//! |---|---|
//! | `/ui/keys` | all keys, in byte order: `[key, ModifyIndex, bytes of value, session, whose the id in it is]`; the last two may be null; blocks as all reads do |
//! | `/ui/value/HEX` | one key, by its bytes in hexadecimal digits, with what a bit sequence in it means |
//! | `/ui/NAME.js` and other files | what the page consists of |
//! | anything else | the page: Consul's has an address for each key |
//!
//! Keys are percent-encoded here, so that one of any bytes is told from all others; Consul's JSON does not do that. What is
//! written is written by Consul's API. No file names another host, no style or script stands in the page, and a browser is
//! told to refuse whatever does not come from here (Content Security Policy, level 3).

mod meaning;

use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use super::request::encode_path;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use meaning::InUse;
use overlay::kv::store::{Entry, Watch};
use serde::Serialize;

/// Says under which path a door has put the store; see [`Door`](crate::live::Door).
pub(crate) const PREFIX: &str = "x-forwarded-prefix";
/// So many ids are named at most: their documents are read while the store waits.
const NAMED: usize = 1000;
/// Stands in the page for that path, which begins and ends in a slash.
const ROOT: &str = "{root}";

/// Stands there for the way to the lab's page, where there is a door.
const TABS: &str = "{tabs}";

const PAGE: &str = include_str!("index.html");
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Name, media type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("ui.css", CSS, include_str!("ui.css")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
    ("main.js", JS, include_str!("main.js")),
    ("store.js", JS, include_str!("store.js")),
    ("bytes.js", JS, include_str!("bytes.js")),
    ("tree.js", JS, include_str!("tree.js")),
    ("outline.js", JS, include_str!("outline.js")),
    ("json.js", JS, include_str!("json.js")),
    ("dom.js", JS, include_str!("dom.js")),
    ("value.js", JS, include_str!("value.js")),
    ("editor.js", JS, include_str!("editor.js")),
    ("sessions.js", JS, include_str!("sessions.js")),
];

/// What the browser may do with what it gets: nothing but to load these files and to ask this store. Trusted types make
/// HTML out of text impossible.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// A key with what is known of it.
#[derive(Serialize)]
struct Shown<'a> {
    key: String,
    /// Base64.
    value: String,
    /// As text: JavaScript's numbers end at 2^53.
    flags: String,
    session: Option<&'a str>,
    lock_index: u64,
    create_index: u64,
    modify_index: u64,
    in_use: Option<InUse>,
}

impl<'a> Shown<'a> {
    fn new(key: &[u8], entry: &'a Entry) -> Shown<'a> {
        Shown {
            key: encode_path(key),
            value: BASE64.encode(&entry.value),
            flags: entry.flags.to_string(),
            session: entry.session.as_deref(),
            lock_index: entry.lock_index,
            create_index: entry.create_index,
            modify_index: entry.modify_index,
            in_use: meaning::in_use(key, &entry.value),
        }
    }
}

pub(super) async fn answer(face: &Face, asked: Asked) -> Answered {
    let answer = match str::from_utf8(&asked.rest).unwrap_or_default() {
        "keys" => keys(face, &asked).await?,
        rest => match (rest.strip_prefix("value/"), FILES.iter().find(|(name, ..)| *name == rest)) {
            (Some(digits), _) => value(face, &asked, digits).await?,
            (None, Some((_, media, text))) => Answer::of(200, media, *text),
            (None, None) => Answer::of(200, HTML, page(&root(&asked))),
        },
    };
    Ok(answer
        .with("content-security-policy", POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
        .with("cross-origin-opener-policy", "same-origin")
        .with("cross-origin-resource-policy", "same-origin")
        .with("cache-control", "no-store"))
}

/// The page, for a browser that finds the store below that path.
fn page(root: &str) -> String {
    let tabs = format!(
        "  <nav class=\"tabs\" aria-label=\"Pages\">\n    <a href=\"{root}\">Picture</a>\n    \
         <a href=\"{root}ui/\" aria-current=\"page\">Keys</a>\n  </nav>\n"
    );
    PAGE.replace(ROOT, root).replace(TABS, if root == "/" { "" } else { &tabs })
}

async fn keys(face: &Face, asked: &Asked) -> Answered {
    let all = Watch::Prefix(Vec::new());
    let read = face.read(asked, &all, |store| {
        let mut left = NAMED;
        let mut name = |key: &[u8], value: &[u8]| {
            let name = (left > 0).then(|| meaning::name(key, value)).flatten();
            left -= usize::from(name.is_some());
            name
        };
        let row = |(key, entry): (&'_ Vec<u8>, &'_ Entry)| {
            let (index, size) = (entry.modify_index, entry.value.len());
            (encode_path(key), index, size, entry.session.clone(), name(key, &entry.value))
        };
        Answer::json(&asked.query, &store.list(b"").map(row).collect::<Vec<_>>())
    });
    read.await
}

async fn value(face: &Face, asked: &Asked, digits: &str) -> Answered {
    let key =
        bytes(digits).ok_or_else(|| Answer::error(400, "a key is named by two hexadecimal digits a byte"))?;
    let watch = Watch::Key(key.clone());
    let read = face.read(asked, &watch, |store| match store.get(&key) {
        None => Answer::empty(404),
        Some(entry) => Answer::json(&asked.query, &Shown::new(&key, entry)),
    });
    read.await
}

/// The bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

/// Under which path the browser finds the store. It is put into the page, so nothing but a door's own words is believed.
fn root(asked: &Asked) -> String {
    let said = asked.headers().get(PREFIX).and_then(|prefix| prefix.to_str().ok()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    if said.starts_with('/') && !said.contains("//") && said.bytes().all(plain) {
        format!("{said}/")
    } else {
        "/".to_owned()
    }
}
