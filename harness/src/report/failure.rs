//! What there was to see when a step failed: collected inside the lab, written outside.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::figures::{Figures, figures};
use super::timeline::{picture, timeline};
use super::{Human, Paint, in_short};
use crate::error::Result;
use crate::events::Event;
use crate::lab::Lab;
use crate::process::Stream;
use crate::scenario::RunEvent;

/// How long one part may take to collect: what failed may be what is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many names are tried for a directory.
const NAMES: u32 = 10_000;

/// Files by name; a name has at most one folder in front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    files: BTreeMap<String, String>,
    /// Those that are no text, in base64.
    #[serde(default)]
    encoded: BTreeMap<String, String>,
}

impl Bundle {
    /// Looks at everything in the lab, which was made from `file` (a name only). What cannot be had says so in its place.
    pub async fn collect(lab: &Lab, file: &str, history: &[RunEvent]) -> Bundle {
        let mut bundle = Bundle::default();
        let mut human = Human::new(file, Paint::Plain);
        let shown = history.iter().map(|event| human.show(event)).collect();
        bundle.add("run.txt", shown);
        bundle.add("run.jsonl", lines(history));
        let (said, forgotten) = lab.all_said();
        bundle.add("timeline.txt", timeline(lab, &said, forgotten).await);
        bundle.add("timeline.svg", picture(lab, &said));
        bundle.add("events.jsonl", lines(&lab.events().since(0).0));
        bundle.add("trace.jsonl", lines(&lab.trace().since(0).0));
        bundle.add("faults.jsonl", lines(&lab.faults()));
        if lab.heard().is_some() {
            let told: Vec<&Event> = said.iter().filter(|event| event.change.is_some()).collect();
            bundle.add("netlink.jsonl", lines(&told));
        }
        bundle.ask("lab.json", async { pretty(&lab.report().await?) }).await;
        bundle.ask("inspect.json", async { pretty(&lab.inspect(None).await?) }).await;
        bundle.ask("store.json", store(lab)).await;
        match timeout(PATIENCE, figures(lab)).await {
            Ok(Ok(Figures { counters, sockets })) => {
                bundle.add("counters.txt", counters);
                bundle.add("sockets.txt", sockets);
            }
            Ok(Err(why)) => bundle.add("counters.txt", format!("cannot be had: {why}\n")),
            Err(_) => bundle.add("counters.txt", late()),
        }
        bundle.add("summary.txt", in_short(lab).await);
        match timeout(PATIENCE, lab.recorded()).await {
            Ok(Ok(Some(packets))) => bundle.add_bytes("packets.pcapng", &packets.pcapng()),
            Ok(Ok(None)) => {}
            Ok(Err(why)) => bundle.add("packets.txt", format!("cannot be had: {why}\n")),
            Err(_) => bundle.add("packets.txt", late()),
        }
        for (name, log) in lab.logs().await {
            let mut text = String::new();
            for line in log.since(0).0 {
                text.push_str(if line.stream == Stream::Stdout { "out  " } else { "err  " });
                text.push_str(&line.text);
                text.push('\n');
            }
            bundle.add(&format!("logs/{name}.log"), text);
        }
        bundle
    }

    async fn ask(&mut self, name: &str, part: impl Future<Output = Result<String>>) {
        let text = match timeout(PATIENCE, part).await {
            Ok(Ok(text)) => text,
            Ok(Err(why)) => format!("cannot be had: {why}\n"),
            Err(_) => late(),
        };
        self.add(name, text);
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, text: String) {
        self.files.insert(name.to_owned(), text);
    }

    /// Adds a file that is no text.
    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.encoded.insert(name.to_owned(), STANDARD.encode(bytes));
    }

    /// Writes the files into a new directory below `parent` that nobody else may enter; its path.
    pub fn write(&self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let private = || {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder
        };
        let directory = (0..NAMES)
            .map(|number| parent.join(format!("lab-{name}-{}-{number}", std::process::id())))
            .find_map(|path| match private().create(&path) {
                Ok(()) => Some(Ok(path)),
                // Somebody's, perhaps one that was laid for us: never used.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => None,
                Err(e) => Some(Err(io::Error::new(e.kind(), format!("cannot make {}: {e}", path.display())))),
            });
        let directory = directory.unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))?;
        let bytes = self.encoded.iter().map(|(name, text)| {
            let bytes = STANDARD.decode(text).map_err(io::Error::other)?;
            Ok::<_, io::Error>((name, bytes))
        });
        let texts = self.files.iter().map(|(name, text)| Ok((name, text.as_bytes().to_vec())));
        for file in texts.chain(bytes) {
            let (name, bytes) = file?;
            let path = directory.join(name);
            if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
                private().create(folder)?;
            }
            fs::write(&path, bytes)?;
        }
        Ok(directory)
    }
}

fn late() -> String {
    format!("cannot be had: no answer within {} s\n", PATIENCE.as_secs())
}

fn lines(all: &[impl Serialize]) -> String {
    all.iter()
        .filter_map(|one| serde_json::to_string(one).ok())
        .flat_map(|line| [line, "\n".into()])
        .collect()
}

fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map_err(|e| crate::error::Error::new(crate::error::Kind::Machine, e))
}

/// Every key of the store and its value, which is mostly JSON itself.
async fn store(lab: &Lab) -> Result<String> {
    let pairs = lab.kv()?.list("").await?.pairs;
    let text = |pair: &overlay::kv::Pair| String::from_utf8_lossy(&pair.value).into_owned();
    let value = |pair: &overlay::kv::Pair| {
        serde_json::from_slice(&pair.value).unwrap_or_else(|_| serde_json::Value::String(text(pair)))
    };
    pretty(&pairs.iter().map(|pair| (pair.key.clone(), value(pair))).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_bundle_is_a_new_directory_of_our_own() {
        let parent = tempfile::tempdir().unwrap();
        let files = [("run.txt", "FAIL"), ("logs/C0.log", "out  hello\n")];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let mut bundle = Bundle { files: files.into(), ..Bundle::default() };
        bundle.add_bytes("packets.pcapng", &[0xff, 0, 0x0a]);
        let first = bundle.write(parent.path(), "x").unwrap();
        let second = bundle.write(parent.path(), "x").unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(first.join("logs/C0.log")).unwrap(), "out  hello\n");
        assert_eq!(fs::read(first.join("packets.pcapng")).unwrap(), [0xff, 0, 0x0a]);
        let why = bundle.write(&parent.path().join("none"), "x").unwrap_err().to_string();
        assert!(why.starts_with("cannot make "), "{why}");
    }
}
