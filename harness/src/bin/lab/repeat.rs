//! `lab repeat`: the same again and again, each time from another seed, several at a time; which seeds fail.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use harness::report::quoted;
use serde_json::json;

use crate::{EXIT_FAILED, VERSION, print};

/// Where a run takes its seed from.
const SEED: &str = "LAB_SEED";

/// What `lab repeat` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Repeat {
    /// A scenario file, played as `lab run` does.
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    file: Option<PathBuf>,
    /// Or a command, such as a test: `-- cargo test --features netns my_test`. It finds its seed in LAB_SEED.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// How often.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// So many at a time, to make them wait for each other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    stress: u16,
    /// The first run's seed; the others have the numbers after it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One run that is over.
struct Ran {
    seed: u64,
    /// The exit code, 128 and the number of a signal that ended it; none if it could not be started.
    code: Result<i32, String>,
    took: Duration,
}

pub(crate) fn main(json: bool, args: &Repeat) -> anyhow::Result<ExitCode> {
    let words = args.words()?;
    let logs = new_directory()?;
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    let (tell, told) = channel();
    let mut ran: Vec<Ran> = Vec::new();
    thread::scope(|scope| {
        for _ in 0..u64::from(args.stress).min(args.times) {
            let (tell, next, words, logs) = (tell.clone(), &next, &words, &logs);
            scope.spawn(move || work(args, next, words, logs, &tell));
        }
        drop(tell);
        for run in told {
            if run.code != Ok(0) && !json {
                let why = run.code.as_ref().map_or_else(Clone::clone, |code| format!("exit code {code}"));
                print::note(format_args!(
                    "seed {} failed: {why}; see {}",
                    run.seed,
                    log(&logs, run.seed).display()
                ));
            }
            ran.push(run);
        }
    });
    ran.sort_by_key(|run| run.seed);
    let mut times: Vec<Duration> = ran.iter().map(|run| run.took).collect();
    times.sort_unstable();
    let (median, took) = (times[times.len() / 2], begun.elapsed());
    let failed: Vec<&Ran> = ran.iter().filter(|run| run.code != Ok(0)).collect();
    if json {
        let failed: Vec<_> = failed.iter().map(|run| json!({ "seed": run.seed, "code": run.code.as_ref().ok(), "log": log(&logs, run.seed) })).collect();
        print::json(&json!({
            "version": VERSION,
            "command": words,
            "runs": ran.len(),
            "failed": failed,
            "median_ms": median.as_secs_f64() * 1000.0,
            "took_ms": took.as_secs_f64() * 1000.0,
        }))?;
    } else {
        let held = ran.len() - failed.len();
        print::line(format_args!(
            "{held} of {} held, {} at a time, each in {:.2} s (median), in {:.1} s",
            ran.len(),
            args.stress,
            median.as_secs_f64(),
            took.as_secs_f64()
        ))?;
        if let Some(first) = failed.first() {
            let seeds: Vec<String> = failed.iter().map(|run| run.seed.to_string()).collect();
            print::line(format_args!("failed with seed {}", seeds.join(", ")))?;
            print::line(format_args!("again       {SEED}={} {}", first.seed, args.shown()))?;
        }
    }
    if failed.is_empty() {
        std::fs::remove_dir_all(&logs).with_context(|| format!("cannot remove {}", logs.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(EXIT_FAILED))
}

/// Runs one after the other, until all have been.
fn work(args: &Repeat, next: &AtomicU64, words: &[String], logs: &Path, tell: &Sender<Ran>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= args.times {
            return;
        }
        let seed = args.seed.wrapping_add(number);
        let begun = Instant::now();
        let code = run(words, seed, &log(logs, seed)).map_err(|e| e.to_string());
        if tell.send(Ran { seed, code, took: begun.elapsed() }).is_err() {
            return;
        }
    }
}

/// What it printed is kept if it failed.
fn run(words: &[String], seed: u64, log: &Path) -> std::io::Result<i32> {
    let file = File::create(log)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(SEED, seed.to_string());
    let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
    if status.success() {
        std::fs::remove_file(log)?;
    }
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

fn log(logs: &Path, seed: u64) -> PathBuf {
    logs.join(format!("{seed}.log"))
}

/// For what failed runs printed; nobody else may enter it.
fn new_directory() -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("lab-repeat-{}-{}", std::process::id(), fastrand::u32(..)));
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

impl Repeat {
    /// What is run each time.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let Some(file) = &self.file else { return Ok(self.command.clone()) };
        let lab = std::env::current_exe()?.display().to_string();
        Ok(vec![lab, "run".to_owned(), file.display().to_string()])
    }

    /// As a person would type it.
    fn shown(&self) -> String {
        match &self.file {
            Some(file) => format!("lab run {}", quoted(&file.display().to_string())),
            None => self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }
}
