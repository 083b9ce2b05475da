//! What was measured, as a table and as JSON.

use std::time::Duration;

use harness::layers::{Layer, Series};
use serde_json::{Value, json};

use super::Bill;
use crate::VERSION;
use crate::table::table as aligned;

/// A line a layer.
pub(super) fn table(bill: &Bill) -> String {
    let base = bill.base();
    let rows: Vec<[String; 10]> =
        bill.layers.iter().map(|(layer, of, series)| row(*layer, of, series, base)).collect();
    let heading = [
        "LAYER",
        "FROM, TO",
        "GBIT/S",
        "RATIO",
        "CPU S/GB",
        "NS/PACKET",
        "RATIO",
        "TRIP P50",
        "P99",
        "RATIO",
    ];
    let mut text = format!(
        "{}\n{}, underlay of MTU {}; {} rounds in turns, {:.1} s\n\n",
        bill.machine,
        bill.lab,
        bill.mtu,
        bill.rounds,
        bill.took.as_secs_f64()
    );
    text += &aligned(heading, &rows);
    let lacks = bill.lacks.iter().map(|layer| format!("no {layer}: this lab has not {}\n", layer.needs()));
    text.extend(lacks);
    text += "\nOne TCP stream, and datagrams of 1400 bytes, each by itself through the kernel, from one CPU to another; round trips\n\
             of 64 bytes by UDP, one at a time, on one CPU. CPU time of both ends and of what carries impaired wires, kernel\n\
             included.\n";
    text
}

fn row(layer: Layer, of: &str, series: &Series, base: &Series) -> [String; 10] {
    let per_packet = series.nanos_per_packet();
    let base_packet = base.nanos_per_packet();
    let of_base = if base_packet > 0.0 { per_packet / base_packet } else { 0.0 };
    [
        layer.to_string(),
        of.to_owned(),
        format!("{:.2}", series.bits_per_second() / 1e9),
        format!("{:.2}", series.ratio(base)),
        format!("{:.2}", series.cpu_per_gigabyte()),
        format!("{per_packet:.0}"),
        format!("{of_base:.2}"),
        micros(series.trip(0.5)),
        micros(series.trip(0.99)),
        format!("{:.2}", series.latency_ratio(base)),
    ]
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

/// The same and more, for programs.
pub(super) fn json(bill: &Bill) -> Value {
    let base = bill.base();
    let layers: Vec<Value> =
        bill.layers.iter().map(|(layer, of, series)| entry(*layer, of, series, base)).collect();
    json!({
        "version": VERSION,
        "lab": bill.lab,
        "mtu": bill.mtu,
        "machine": bill.machine,
        "rounds": bill.rounds,
        "took_ms": u64::try_from(bill.took.as_millis()).unwrap_or(u64::MAX),
        "base": Layer::Veth,
        "layers": layers,
        "lacks": bill.lacks,
    })
}

fn entry(layer: Layer, of: &str, series: &Series, base: &Series) -> Value {
    let [from, to] = series.cpu_per_gigabyte_of_ends();
    let sum = |of: fn(&harness::layers::Sample) -> u64| series.0.iter().map(of).sum::<u64>();
    let each: Vec<f64> = series.0.iter().map(|sample| sample.streams.bits_per_second()).collect();
    json!({
        "layer": layer,
        "name": layer.to_string(),
        "of": of,
        "tcp": {
            "bits_per_second": series.bits_per_second(),
            "ratio": series.ratio(base),
            "samples": each,
            "cpu_s_per_gb": series.cpu_per_gigabyte(),
            "cpu_s_per_gb_from": from,
            "cpu_s_per_gb_to": to,
        },
        "datagrams": {
            "size": 1400,
            "per_second": series.packets_per_second(),
            "cpu_ns_per_packet": series.nanos_per_packet(),
            "sent": sum(|sample| sample.datagrams.sent),
            "lost": sum(|sample| sample.datagrams.lost()),
            "overflowed": sum(|sample| sample.datagrams.overflowed),
            "reordered": sum(|sample| sample.datagrams.arrivals.reordered),
        },
        "round_trips": {
            "size": 64,
            "ratio": series.latency_ratio(base),
            "p50_ns": u64::try_from(series.trip(0.5).as_nanos()).unwrap_or(u64::MAX),
            "unanswered": sum(|sample| sample.trips.unanswered),
            "latency": series.latency(),
        },
    })
}
