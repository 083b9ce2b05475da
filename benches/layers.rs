//! What layers cost, from a loopback to an overlay across hosts over an impaired wire, on underlays of three MTUs: streams, round
//! trips, datagrams, in wall time and in CPU time.
//!
//! All of them are measured first, in turns, so that ratios hold while the machine drifts; then criterion is told the samples, one
//! a round, and compares them with those of its last run. Behind its lines come the tables: medians, and ratios of samples of
//! one round.

#![expect(clippy::print_stdout, reason = "tables of ratios, which criterion has none of")]

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use benches::enter;
use criterion::{Criterion, SamplingMode, Throughput};
use harness::layers::{Effort, Layer, Machine, Sample, Series, Stack};
use tokio::runtime::Runtime;

/// Of underlays: Ethernet's, jumbo frames, and as much as there can be.
const MTUS: [u32; 3] = [1500, 9000, 65_535];
/// Samples of each; criterion wants ten at least.
const ROUNDS: usize = 10;
/// How long a sample is taken.
const SAMPLE: Duration = Duration::from_millis(400);
/// The unit of streams.
const MIB: u64 = 1 << 20;

fn main() -> ExitCode {
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    enter(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let all = if small {
            measure(&runtime, 1, Duration::from_millis(24))
        } else {
            measure(&runtime, ROUNDS, SAMPLE)
        };
        let mut criterion = Criterion::default().configure_from_args();
        for (mtu, layers) in &all {
            tell(&mut criterion, *mtu, layers);
        }
        criterion.final_summary();
        println!("{}\n", Machine::here());
        for (mtu, layers) in &all {
            table(*mtu, layers);
        }
    })
}

type Layers = Vec<(Layer, Series)>;

/// Samples of all layers of labs of all MTUs, in turns.
fn measure(runtime: &Runtime, rounds: usize, sample: Duration) -> Vec<(u32, Layers)> {
    let up = |mtu| {
        let topology = Stack::topology(mtu).expect("the names are right");
        runtime.block_on(Stack::up(topology)).expect("the lab comes up")
    };
    let stacks = MTUS.map(up);
    let mut all: Vec<(u32, Layers)> = MTUS
        .iter()
        .zip(&stacks)
        .map(|(mtu, stack)| (*mtu, stack.layers().map(|(layer, _)| (layer, Series::default())).collect()))
        .collect();
    for _ in 0..rounds {
        for (stack, (_, layers)) in stacks.iter().zip(&mut all) {
            for (layer, series) in layers {
                let sample = runtime.block_on(stack.sample(*layer, &Effort::of(sample)));
                series.0.push(sample.expect("the lab has that layer"));
            }
        }
    }
    all
}

/// What criterion is told of a sample: a name, how much the time is of, the time.
type Told = (&'static str, Throughput, fn(&Sample) -> Duration);

fn tell(criterion: &mut Criterion, mtu: u32, layers: &Layers) {
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    const BITS: f64 = MIB as f64 * 8.0;
    let told: [Told; 4] = [
        ("stream, wall time of a MiB", Throughput::Bytes(MIB), |sample| {
            seconds(BITS / sample.streams.bits_per_second().max(1.0))
        }),
        ("stream, CPU time of a MiB", Throughput::Bytes(MIB), |sample| {
            seconds(sample.cpu_per_gigabyte() * BITS / 8e9)
        }),
        ("round trip, wall time", Throughput::Elements(1), |sample| sample.trips.latency.mean()),
        ("datagram of 1400 bytes, CPU time", Throughput::Elements(1), |sample| {
            seconds(sample.nanos_per_packet() / 1e9)
        }),
    ];
    for (what, unit, of) in told {
        let mut group = criterion.benchmark_group(format!("MTU {mtu}, {what}"));
        // The samples are there: nothing is warmed up, and each is one iteration.
        group.sampling_mode(SamplingMode::Flat).sample_size(ROUNDS).nresamples(10_000);
        group
            .warm_up_time(Duration::from_nanos(1))
            .measurement_time(Duration::from_nanos(1))
            .throughput(unit);
        for (layer, series) in layers {
            // Round and round, so that as many samples as there are, are all of them, wherever it begins.
            let next = Cell::new(0);
            group.bench_function(layer.to_string(), |bencher| {
                bencher.iter_custom(|times| {
                    let at = next.replace(next.get() + 1) % series.0.len();
                    let one = of(&series.0[at]).max(Duration::from_nanos(1));
                    one * u32::try_from(times).unwrap_or(u32::MAX)
                });
            });
        }
        group.finish();
    }
}

/// None, where nothing was measured.
fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or_default()
}

fn table(mtu: u32, layers: &Layers) {
    let of =
        |wanted: Layer| layers.iter().find(|(layer, _)| *layer == wanted).map(|(_, series)| series.clone());
    let veth = of(Layer::Veth).unwrap_or_default();
    let underlay = of(Layer::Underlay).unwrap_or_default();
    println!("Underlay of MTU {mtu}; {} rounds in turns:\n", veth.0.len());
    println!(
        "| layer | Gbit/s | of veth | of underlay | CPU s/GB | CPU ns a packet | packets/s | trip p50, µs | p99 | p99.9 | of veth | of underlay |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (layer, series) in layers {
        let micros = |share| series.trip(share).as_secs_f64() * 1e6;
        println!(
            "| {layer} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} |",
            series.bits_per_second() / 1e9,
            series.ratio(&veth),
            series.ratio(&underlay),
            series.cpu_per_gigabyte(),
            series.nanos_per_packet(),
            series.packets_per_second(),
            micros(0.5),
            micros(0.99),
            micros(0.999),
            series.latency_ratio(&veth),
            series.latency_ratio(&underlay),
        );
    }
    println!();
}
