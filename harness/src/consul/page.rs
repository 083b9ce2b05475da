//! The keys as a page for a browser.

use super::answer::{Answer, text};
use super::request::encode_path;
use overlay::kv::store::Store;
use std::fmt::Write as _;

const HEAD: &str = "<!doctype html>
<meta charset=\"utf-8\">
<title>Keys</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .2em 1.5em .2em 0; border-bottom: 1px solid #ddd; }
td { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
td.value { white-space: pre-wrap; }
</style>
<h1>Keys</h1>
";

/// The whole store on one page: a lab's is small.
pub(super) fn keys(store: &Store) -> Answer {
    let mut page = HEAD.to_owned();
    let mut rows = String::new();
    let mut count = 0_usize;
    for (key, entry) in store.list(b"") {
        count += 1;
        let (href, name) = (encode_path(key), escape(&text(key)));
        let value = match str::from_utf8(&entry.value) {
            Ok(value) => escape(value),
            Err(_) => format!("{} bytes", entry.value.len()),
        };
        let session = entry.session.as_deref().map(escape).unwrap_or_default();
        let index = entry.modify_index;
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td><a href=\"/v1/kv/{href}?pretty\">{name}</a><td class=\"value\">{value}<td>{index}<td>{session}"
        );
    }
    if count == 0 {
        page.push_str("<p>There are none.\n");
    } else {
        page.push_str("<table>\n<tr><th>Key<th>Value<th>Index<th>Session\n");
        page.push_str(&rows);
        page.push_str("</table>\n");
    }
    Answer::of(200, "text/html; charset=utf-8", page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
