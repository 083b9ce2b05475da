//! Every file of `scenarios/`, played: a trial each, named by its path, in a lab of its own.
//!
//! `main` is ours: in the process that was started inside a lab's namespaces it plays, elsewhere it runs the trials.
//! Without the feature `netns` there are none.

#![expect(clippy::print_stdout, reason = "a trial that skips steps says so")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness::report::{Human, Paint};
use harness::scenario::{RunEvent, StepEnd, Verdict};
use harness::stage::{self, Order, Stage};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if kernel::entry::inside() {
        return play();
    }
    let arguments = Arguments::from_args();
    let trials = if cfg!(feature = "netns") { trials() } else { Vec::new() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Inside: the outer says what to play.
fn play() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(stage::inside()) {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn trials() -> Vec<Trial> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(!files.is_empty(), "there are no scenarios in {}", folder.display());
    files.sort();
    let name = |file: &PathBuf| format!("scenarios/{}", file.strip_prefix(&folder).unwrap_or(file).display());
    files.into_iter().map(|file| Trial::test(name(&file), move || trial(&file))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

/// Passes only if the inner said that every step was played and held.
fn trial(file: &Path) -> Result<(), Failed> {
    let order = Order::new(file, fs::read_to_string(file)?)?;
    let stage = Stage::open(Command::new(env::current_exe()?), &order, env::temp_dir(), None)?;
    let mut human = Human::new(&file.display().to_string(), Paint::Plain);
    let (mut shown, mut end) = (String::new(), None);
    for event in stage {
        shown += &human.show(&event);
        match event {
            RunEvent::Done { name, end: StepEnd::Skipped { reason }, .. } => {
                println!("skipped: {}: {name}: {reason}", file.display());
            }
            RunEvent::End { verdict, counts, .. } => end = Some((verdict, counts)),
            _ => {}
        }
    }
    match end {
        Some((Verdict::Skipped { reason }, _)) => {
            println!("skipped: {}: {reason}", file.display());
            Ok(())
        }
        Some((Verdict::Held, counts)) if counts.held + counts.skipped == order.topology()?.steps.len() => {
            Ok(())
        }
        _ => Err(shown.into()),
    }
}
