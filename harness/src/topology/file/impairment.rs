//! The tables of impaired wires as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use super::word_or::{Example, WordOr};

/// What a wire does to frames.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImpairmentTable {
    /// Whose wire; only where a fault is made.
    pub(crate) host: Option<At<String>>,
    /// How much later each frame arrives.
    pub(crate) delay: Option<At<String>>,
    /// How much the delay varies.
    pub(crate) jitter: Option<At<WordOr<JitterTable>>>,
    /// Frames that do not arrive.
    pub(crate) loss: Option<At<WordOr<PickTable>>>,
    /// Frames that arrive twice.
    pub(crate) duplicate: Option<At<WordOr<PickTable>>>,
    /// Frames that skip the delay.
    pub(crate) reorder: Option<At<WordOr<PickTable>>>,
    /// Frames of which a bit is flipped.
    pub(crate) corrupt: Option<At<WordOr<PickTable>>>,
    /// How fast the wire is.
    pub(crate) rate: Option<At<WordOr<RateTable>>>,
    /// Longer packets do not pass, and nobody is told; in bytes.
    pub(crate) mtu: Option<At<u32>>,
    /// Nothing passes until it is released.
    pub(crate) hold: Option<At<bool>>,
    /// Only frames that match.
    pub(crate) only: Option<At<FilterTable>>,
    /// From the host to the switch; then nothing else is said.
    pub(crate) up: Option<Box<At<ImpairmentTable>>>,
    /// From the switch to the host; then nothing else is said.
    pub(crate) down: Option<Box<At<ImpairmentTable>>>,
}

/// How much a delay varies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JitterTable {
    /// How far a delay strays.
    pub(crate) spread: At<String>,
    /// `uniform`, `normal` or `pareto`; `uniform` unless said.
    pub(crate) distribution: Option<At<String>>,
    /// How much a delay resembles the one before it; `0%` unless said.
    pub(crate) correlation: Option<At<String>>,
}

/// Which frames something happens to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PickTable {
    /// Every n-th.
    Every(At<u64>),
    /// Exactly these, counted from 1.
    Exactly(Vec<At<u64>>),
    /// In bursts, by Gilbert and Elliott.
    Bursts(BurstsTable),
}

/// Bursts, by Gilbert and Elliott.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BurstsTable {
    /// How probably a burst begins with a frame.
    pub(crate) begin: At<String>,
    /// How probably it ends with one.
    pub(crate) end: At<String>,
    /// How probably it happens to a frame in a burst; `100%` unless said.
    pub(crate) bad: Option<At<String>>,
    /// How probably it happens to another frame; `0%` unless said.
    pub(crate) good: Option<At<String>>,
}

/// How fast a wire is, and what waits before it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateTable {
    /// Bits a second: `50mbit`.
    pub(crate) rate: At<String>,
    /// What may wait: `64kB`, or a number of packets.
    pub(crate) queue: Option<At<WordOr<PacketsTable>>>,
}

/// So many packets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PacketsTable {
    /// How many.
    pub(crate) packets: At<u64>,
}

/// Frames by what they carry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterTable {
    /// Only what is encapsulated for this overlay network.
    pub(crate) network: Option<At<String>>,
    /// Only what is encapsulated with this VNI.
    pub(crate) vni: Option<At<u32>>,
    /// Only what is encapsulated, of any network.
    pub(crate) encapsulated: Option<At<bool>>,
    /// `arp`, `icmp`, `icmpv6`, `tcp` or `udp`.
    pub(crate) protocol: Option<At<String>>,
    /// Only from or to this address; inside the tunnel, if one is said.
    pub(crate) address: Option<At<String>>,
    /// Only from or to this port of TCP or UDP.
    pub(crate) port: Option<At<u16>>,
}

impl Example for JitterTable {
    const EXAMPLE: &'static str =
        "a time such as \"2ms\", or a table such as { spread = \"2ms\", distribution = \"normal\" }";
}

impl Example for PickTable {
    const EXAMPLE: &'static str = "a share such as \"30%\", or a table such as { every = 4 }, { exactly = [3, 7] } or { bursts = { begin = \"1%\", end = \"25%\" } }";
}

impl Example for RateTable {
    const EXAMPLE: &'static str =
        "a rate such as \"50mbit\", or a table such as { rate = \"50mbit\", queue = \"64kB\" }";
}

impl Example for PacketsTable {
    const EXAMPLE: &'static str = "a size such as \"64kB\", or a table such as { packets = 100 }";
}
