//! `lab bench`: what the layers of a lab cost, measured in turns: a table, a chart, JSON.

mod chart;
mod show;

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use harness::layers::{Effort, Layer, Machine, Series, Stack};
use harness::topology::{self, Topology};
use kernel::entry::{Inner, Life};
use serde::{Deserialize, Serialize};

use crate::{EXIT_FAILED, args, print};

/// The argument that the inner's half is started with.
pub(crate) const WORD: &str = "__bench";
/// Shorter samples say nothing: a stream has to find its window.
const SHORTEST: Duration = Duration::from_millis(60);

/// What `lab bench` takes.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
#[command(
    after_help = "Layers are measured in turns, so that ratios hold while the machine drifts. Ratios are to a bare veth pair, which \
                  is 1.00. CPU time is that of this process, in which both ends are."
)]
pub(crate) struct Bench {
    /// A scenario, of which the lab is built and no step is played (default: two hosts, three containers, one overlay).
    scenario: Option<PathBuf>,
    /// How long is measured, in all.
    #[arg(long = "for", value_name = "TIME", default_value = "6s", value_parser = args::duration)]
    lasts: Duration,
    /// How many times each layer has its turn.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// The underlay's MTU (default: 1500, or as the scenario says).
    #[arg(long, value_name = "BYTES", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(118..=65535))]
    mtu: Option<u32>,
    /// Draw a chart there: throughput by layer, and how round trips are distributed.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What the inner's half is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    json: bool,
    bench: Bench,
}

/// What was measured.
struct Bill {
    lab: String,
    mtu: u32,
    machine: Machine,
    rounds: u32,
    took: Duration,
    /// The layers, and what each has shown.
    layers: Vec<(Layer, String, Series)>,
    lacks: Vec<Layer>,
}

impl Bill {
    /// What all layers are held against.
    fn base(&self) -> &Series {
        static NONE: Series = Series(Vec::new());
        self.layers.iter().find(|(layer, ..)| *layer == Layer::Veth).map_or(&NONE, |(.., series)| series)
    }
}

pub(crate) fn main(json: bool, bench: &Bench) -> anyhow::Result<ExitCode> {
    // Mistakes are shown here, where they are typed.
    read(bench)?;
    if let Some(path) = &bench.svg {
        fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
    }
    let order = serde_json::to_string(&Order { json, bench: bench.clone() })?;
    let mut command = Command::new(env::current_exe()?);
    command.args([WORD, &order]);
    let status = Inner::spawn(command, Life::Attached, None)?.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::from(EXIT_FAILED), ExitCode::from))
}

/// What the lab is to be made of.
fn read(bench: &Bench) -> anyhow::Result<Topology> {
    let Some(path) = &bench.scenario else { return Ok(Stack::topology(bench.mtu.unwrap_or(1500))?) };
    topology::load(path).map_err(|error| match error {
        topology::Error::Wrong(report) if io::stderr().is_terminal() => anyhow!("\n{}", report.coloured()),
        error => anyhow!("{error}"),
    })
}

/// The inner's half.
pub(crate) fn inside() -> anyhow::Result<ExitCode> {
    let order = env::args().nth(2).context("this is not for people: `lab bench` starts it")?;
    let Order { json, bench } = serde_json::from_str(&order)?;
    let topology = read(&bench)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bill = runtime.block_on(measure(topology, &bench))?;
    if json {
        print::json(&show::json(&bill))?;
    } else {
        print::text(show::table(&bill))?;
    }
    if let Some(path) = &bench.svg {
        fs::write(path, chart::draw(&bill)).with_context(|| format!("cannot write {}", path.display()))?;
        print::note(format_args!("the chart is in {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(topology: Topology, bench: &Bench) -> anyhow::Result<Bill> {
    let (lab, mtu) = (topology.name.clone(), topology.underlay.mtu);
    progress("the lab comes up");
    let stack = Stack::up(topology).await?;
    let mut layers: Vec<_> =
        stack.layers().map(|(layer, of)| (layer, of.to_owned(), Series::default())).collect();
    let samples = bench.rounds * u32::try_from(layers.len()).unwrap_or(1);
    let effort = Effort::of((bench.lasts / samples.max(1)).max(SHORTEST));
    let begun = Instant::now();
    for round in 1..=bench.rounds {
        for (layer, _, series) in &mut layers {
            progress(&format!("round {round} of {}: {layer}", bench.rounds));
            let sample = stack.sample(*layer, &effort).await;
            series.0.push(sample.with_context(|| format!("cannot measure {layer}"))?);
        }
        if !io::stderr().is_terminal() {
            print::note(format_args!("round {round} of {}: {} layers", bench.rounds, layers.len()));
        }
    }
    progress("");
    let (lacks, took, machine) = (stack.lacks(), begun.elapsed(), Machine::here());
    Ok(Bill { lab, mtu, machine, rounds: bench.rounds, took, layers, lacks })
}

/// What is being done, over what was; for people who watch.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        print::over(text);
    }
}
