//! Reads a topology from a file.

use std::path::Path;
use std::{fs, io};

use super::check::{Checker, check};
use super::file::read_tables;
use super::model::Topology;
use super::report::Report;

/// What a lab is called if neither its file nor the file's name say.
const NAMELESS: &str = "lab";

/// Why a topology could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The file has mistakes; shown with carets.
    #[error("{0}")]
    Wrong(Box<Report>),
}

/// Reads and checks a topology file.
pub fn load(path: &Path) -> Result<Topology, Error> {
    let shown = path.display().to_string();
    let source = fs::read_to_string(path).map_err(|source| Error::Read { path: shown.clone(), source })?;
    parse(&shown, &source).map_err(|report| Error::Wrong(Box::new(report)))
}

/// Checks the text of a topology file; `path` is what its mistakes are shown under and, by its stem,
/// what the lab is called if the text does not say.
pub fn parse(path: &str, source: &str) -> Result<Topology, Report> {
    let parsed = read_tables(source);
    let mut checker = Checker::new(parsed.mistakes);
    if !parsed.lost
        && let Some(topology) = check(&mut checker, parsed.file, &stem(path), digest(source))
    {
        return Ok(topology);
    }
    Err(Report::new(path, source, checker.mistakes))
}

/// The file's stem, as far as it can be a lab's name.
fn stem(path: &str) -> String {
    let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let name: String = stem.chars().map(|c| if fits(c) { c } else { '-' }).take(63).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

/// FNV-1a, 64 bits, in hex. It tells an edited file from the one that a lab was made of; it is no
/// defence against anybody (<http://www.isthe.com/chongo/tech/comp/fnv/>).
pub(super) fn digest(source: &str) -> String {
    let hash = source.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("foobar"), "85944171f73967e8");
    }

    #[test]
    fn a_lab_is_called_after_its_file() {
        assert_eq!(stem("scenarios/two-host.toml"), "two-host");
        assert_eq!(stem("/x/zwei Hosts.toml"), "zwei-Hosts");
        assert_eq!(stem("…"), "lab");
    }
}
