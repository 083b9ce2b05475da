//! The table `expect` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::topology::{At, Example, WordOr};

/// What is expected of a step. Which keys may stand here depends on the verb.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectTable {
    /// ping: the share of requests without an answer; throughput: of datagrams that do not arrive: `0%`, `<=10%`, `>50%`.
    pub(crate) loss: Option<At<String>>,
    /// ping: the median round trip: `<5ms`, `>=10ms`.
    pub(crate) rtt: Option<At<String>>,
    /// throughput: the bits a second that arrive: `>=100mbit`.
    pub(crate) rate: Option<At<String>>,
    /// throughput: the share of datagrams that arrive twice, of those that were sent.
    pub(crate) duplicates: Option<At<String>>,
    /// throughput: the share of datagrams that others have overtaken, of those that were sent.
    pub(crate) reordered: Option<At<String>>,
    /// exec: the exit status.
    pub(crate) status: Option<At<i32>>,
    /// exec: what it printed.
    pub(crate) stdout: Option<At<TextTable>>,
    /// exec: what it printed to its standard error.
    pub(crate) stderr: Option<At<TextTable>>,
    /// tcp: whether the connection came about.
    pub(crate) connected: Option<At<bool>>,
    /// udp: whether an answer came.
    pub(crate) answered: Option<At<bool>>,
    /// tcp, udp: the answer.
    pub(crate) reply: Option<At<TextTable>>,
    /// kv.get: whether the key is there.
    pub(crate) exists: Option<At<bool>>,
    /// kv.get: its value.
    pub(crate) value: Option<At<TextTable>>,
    /// kv.ls: each of these globs fits some key.
    pub(crate) keys: Option<At<Vec<String>>>,
    /// kv.ls: none of these globs fits any key.
    pub(crate) no_keys: Option<At<Vec<String>>>,
    /// kv.trace, capture: how many such requests or packets: `0`, `>=1`.
    pub(crate) count: Option<At<String>>,
    /// diff: each of these globs fits some change, and each change fits one of them.
    pub(crate) changes: Option<At<Vec<String>>>,
    /// diff: these changes may be there, too.
    pub(crate) besides: Option<At<Vec<String>>>,
    /// events: each of these globs fits some event.
    pub(crate) events: Option<At<Vec<String>>>,
    /// events: none of these globs fits any event.
    pub(crate) no_events: Option<At<Vec<String>>>,
    /// network.ls, network.inspect: what is shown.
    pub(crate) output: Option<At<TextTable>>,
    /// resolve: these addresses, in any order.
    pub(crate) addresses: Option<At<Vec<At<String>>>>,
    /// resolve: these names, in any order.
    pub(crate) names: Option<At<Vec<String>>>,
    /// network, container, make, unmake, resolve, kv.put, kv.rm: fails, with this error; a word is the whole error.
    pub(crate) error: Option<At<WordOr<TextTable>>>,
}

/// Conditions on a text; all that are given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextTable {
    /// Is found in the text.
    pub(crate) contains: Option<String>,
    /// A glob (`*`, `?`) that fits a whole line of the text.
    pub(crate) matches: Option<String>,
    /// Is the text, but for white space at its end.
    pub(crate) equals: Option<String>,
    /// Is part of the text read as JSON: objects may have more keys, arrays have as many elements.
    pub(crate) json: Option<At<serde_json::Value>>,
}

impl Example for TextTable {
    const EXAMPLE: &'static str =
        "an error such as \"NXDOMAIN\", or a table such as { contains = \"exists\" }";
}
