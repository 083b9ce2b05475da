//! `lab run`: plays scenarios, each in a lab of its own that ends with it.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use harness::report::{self, Github, Human, Junit, Paint, json_line, summary};
use harness::scenario::{Counts, RunEvent, Verdict};
use harness::stage::{self, Order, Stage, Stopper};
use harness::{Error, Kind};
use nix::sys::signal::{SigSet, Signal};

use crate::keep::Kept;
use crate::print;
use crate::shard::Shard;

/// 128 and the number of SIGINT, as a shell says it.
const EXIT_INTERRUPTED: u8 = 130;

/// What the process in which a scenario is played is called by.
pub(crate) const WORD: &str = "__play";

/// What `lab run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Scenario files; see `scenarios/`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Keep the lab of a scenario that fails, as it is then, until `lab down` or ^C.
    #[arg(long)]
    keep: bool,
    /// Play so many at a time.
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    jobs: usize,
    /// Play only this share of the files: `1/4` to `4/4` are all of them, each once.
    #[arg(long, value_name = "N/M")]
    shard: Option<Shard>,
    /// Write JUnit's XML there, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Leave what there was to see at a failure in a directory there, and not in the temporary one.
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| *jobs > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

/// What the display is told.
enum Told {
    /// A lab is coming up, which can be stopped.
    Started(Stopper),
    /// Something happened in the run of a file.
    Event(usize, RunEvent),
    /// A signal asks for the end.
    Interrupted,
}

pub(crate) fn main(json: bool, args: &Run) -> anyhow::Result<ExitCode> {
    let files = args.shard.map_or_else(|| args.files.clone(), |shard| shard.share(&args.files));
    if let (Some(shard), true) = (args.shard, files.is_empty()) {
        print::note(format_args!("lab: share {shard} has none of the {} files", args.files.len()));
    }
    let bundles = args.bundles.clone().unwrap_or_else(env::temp_dir);
    fs::create_dir_all(&bundles).with_context(|| format!("cannot make {}", bundles.display()))?;
    let (tell, told) = channel();
    // Before there are other threads, which are to have them blocked, too.
    watch_signals(tell.clone())?;
    let queue = Queue {
        files: &files,
        bundles: &bundles,
        keep: args.keep,
        next: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let begun = Instant::now();
    let ended = thread::scope(|scope| {
        for _ in 0..args.jobs.min(files.len()) {
            let (queue, tell) = (&queue, tell.clone());
            scope.spawn(move || queue.work(&tell));
        }
        let mut display = Display::new(json, args, &files);
        let ended = display.follow(&told);
        // Nothing, unless the display has failed or was interrupted: then no lab may be left, or come up.
        queue.over.store(true, Ordering::SeqCst);
        display.stop(&told);
        ended.map(|interrupted| (interrupted, display))
    });
    let (interrupted, display) = ended?;
    if interrupted {
        print::note("lab: interrupted; the labs are down");
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    display.close(begun.elapsed())
}

/// The display listens no more.
struct Unheard;

/// The files that wait to be played.
struct Queue<'a> {
    files: &'a [PathBuf],
    /// Where what there was to see at a failure is left.
    bundles: &'a Path,
    /// Labs in which a step fails stay.
    keep: bool,
    next: AtomicUsize,
    /// Nothing more is to be played.
    over: AtomicBool,
}

impl Queue<'_> {
    /// Plays one file after the other.
    fn work(&self, tell: &Sender<Told>) {
        while !self.over.load(Ordering::SeqCst)
            && let number = self.next.fetch_add(1, Ordering::SeqCst)
            && let Some(file) = self.files.get(number)
        {
            let Ok(()) = self.play(number, file, tell) else { return };
        }
    }

    fn play(&self, number: usize, file: &Path, tell: &Sender<Told>) -> Result<(), Unheard> {
        let begun = Instant::now();
        let tell = |told| tell.send(told).map_err(|_| Unheard);
        match open(file, self.bundles, self.keep) {
            Ok((stopper, stage, mut kept)) => {
                tell(Told::Started(stopper))?;
                // Either the display has heard of this lab and stops it, or we see here that it is over.
                if self.over.load(Ordering::SeqCst) {
                    return Ok(());
                }
                for event in stage {
                    if let (RunEvent::Kept { .. }, Some(kept)) = (&event, &mut kept) {
                        // Should it fail, the lab is said to be still coming up; it can be asked all the same.
                        let _ = kept.ready();
                    }
                    tell(Told::Event(number, event))?;
                }
                Ok(())
            }
            Err(why) => {
                let verdict = Verdict::Broken { why: why.to_string() };
                let end = RunEvent::End { verdict, counts: Counts::default(), took: begun.elapsed() };
                tell(Told::Event(number, end))
            }
        }
    }
}

fn open(file: &Path, bundles: &Path, keep: bool) -> Result<(Stopper, Stage, Option<Kept>), Error> {
    let text = fs::read_to_string(file)
        .map_err(|e| Error::new(Kind::Input, format_args!("cannot read {}: {e}", file.display())))?;
    let order = Order::new(file, text)?;
    let mut kept = if keep { Some(Kept::claim(file, &order)?) } else { None };
    let stage = Stage::open(command()?, &order, bundles.to_owned(), kept.as_ref().map(|kept| &kept.keep))?;
    if let Some(kept) = &mut kept {
        kept.belongs_to(stage.pid())?;
    }
    Ok((stage.stopper()?, stage, kept))
}

fn command() -> Result<Command, Error> {
    let lab = env::current_exe()
        .map_err(|e| Error::new(Kind::Machine, format_args!("cannot find lab's own executable: {e}")))?;
    let mut command = Command::new(lab);
    command.arg(WORD).stdout(Stdio::null());
    Ok(command)
}

/// Signals that ask for the end are told of, instead of ending us at once: the labs go first.
fn watch_signals(tell: Sender<Told>) -> anyhow::Result<()> {
    let mut asked = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        asked.add(signal);
    }
    asked.thread_block().context("cannot block signals")?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        if asked.wait().is_ok() {
            let _ = tell.send(Told::Interrupted);
        }
    })?;
    Ok(())
}

/// Shows all runs.
struct Display<'a> {
    args: &'a Run,
    json: bool,
    paint: Paint,
    files: Vec<Shown>,
    junit: Junit,
    stoppers: Vec<Stopper>,
    left: usize,
}

/// The run of one file, as far as it is shown.
struct Shown {
    name: String,
    human: Human,
    /// Where GitHub Actions reads along.
    github: Option<Github>,
    /// What waits for its end, so that runs at one time do not mix.
    text: String,
    verdict: Option<Verdict>,
}

impl<'a> Display<'a> {
    fn new(json: bool, args: &'a Run, files: &[PathBuf]) -> Display<'a> {
        let coloured = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let paint = if coloured { Paint::Coloured } else { Paint::Plain };
        let left = files.len();
        let files = files.iter().map(|file| {
            let (name, github) = (file.display().to_string(), if json { None } else { github(file) });
            Shown { human: Human::new(&name, paint), name, github, text: String::new(), verdict: None }
        });
        let (junit, stoppers) = (Junit::default(), Vec::new());
        Display { args, json, paint, files: files.collect(), junit, stoppers, left }
    }

    /// Shows what it is told until every file has ended; whether that was by a signal.
    fn follow(&mut self, told: &Receiver<Told>) -> anyhow::Result<bool> {
        while self.left > 0 {
            match told.recv()? {
                Told::Started(stopper) => self.stoppers.push(stopper),
                Told::Event(number, event) => self.show(number, &event)?,
                Told::Interrupted => return Ok(true),
            }
        }
        Ok(false)
    }

    fn show(&mut self, number: usize, event: &RunEvent) -> io::Result<()> {
        let shown = &mut self.files[number];
        self.junit.take(&shown.name, event);
        if self.json {
            print::line(json_line(&shown.name, event))?;
        } else {
            let text = shown.human.show(event);
            shown.text += &match &mut shown.github {
                Some(github) => github.show(event, &text),
                None => text,
            };
        }
        if let RunEvent::End { verdict, .. } = event {
            shown.verdict = Some(verdict.clone());
            self.left -= 1;
        }
        if self.args.jobs == 1 || shown.verdict.is_some() {
            print::text(std::mem::take(&mut shown.text))?;
        }
        Ok(())
    }

    /// Ends every lab that it was told of.
    fn stop(&self, told: &Receiver<Told>) {
        self.stoppers.iter().for_each(Stopper::stop);
        for told in told.try_iter() {
            if let Told::Started(stopper) = told {
                stopper.stop();
            }
        }
    }

    /// The summary, the XML, the exit code.
    fn close(self, took: Duration) -> anyhow::Result<ExitCode> {
        let verdicts: Vec<(String, Verdict)> =
            self.files.into_iter().filter_map(|shown| Some((shown.name, shown.verdict?))).collect();
        if verdicts.len() > 1 && !self.json {
            print::text(format_args!("\n{}", summary(&verdicts, took, self.paint)))?;
        }
        if let Some(path) = &self.args.junit {
            fs::write(path, self.junit.xml()).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let code = verdicts.iter().map(|(_, verdict)| verdict.code()).max();
        Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
    }
}

/// How GitHub Actions is shown the run of a file, where it runs us.
fn github(file: &Path) -> Option<Github> {
    env::var_os("GITHUB_ACTIONS").filter(|set| set == "true")?;
    let here = env::current_dir().unwrap_or_default();
    let workspace = env::var_os("GITHUB_WORKSPACE").map_or_else(|| here.clone(), PathBuf::from);
    // What cannot be read is complained about when it is to be played.
    let source = fs::read_to_string(file).unwrap_or_default();
    let token = fastrand::Rng::new().u64(..);
    let place = report::place(file, &here, &workspace);
    Some(Github::new(&file.display().to_string(), &place, &source, &format!("lab-{token:016x}")))
}

/// The process in which a scenario is played.
pub(crate) fn inside() -> anyhow::Result<ExitCode> {
    // As the process that holds a lab: netlink and namespaces block for milliseconds.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let verdict = runtime.block_on(stage::inside()).map_err(|why| anyhow!(why))?;
    Ok(ExitCode::from(verdict.code()))
}
