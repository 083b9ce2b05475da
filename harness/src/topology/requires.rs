//! What the machine has to have: root, programs, and of which version.

use kernel::probe::features;

use super::check::Checker;
use super::file::{At, HostTable, RequiresTable, WordOr};
use super::model::{Needed, Requires};
use super::report::{Mistake, quote};

/// Checks what a file requires; nothing, if it does not say.
pub(super) fn check_requires(checker: &mut Checker, table: Option<&RequiresTable>) -> Requires {
    let Some(table) = table else { return Requires::default() };
    let programs = table.programs.iter().filter_map(|entry| match &entry.value {
        WordOr::Word(name) => check_program(checker, &entry.with(name.clone()), None),
        WordOr::Table(program) => check_program(checker, &program.name, Some(&program.version)),
    });
    let programs = programs.collect();
    let kernel = table.kernel.iter().filter_map(|feature| check_feature(checker, feature)).collect();
    Requires { programs, root: table.root, kernel }
}

fn check_feature(checker: &mut Checker, feature: &At<String>) -> Option<String> {
    if features().any(|known| known == feature.value) {
        return Some(feature.value.clone());
    }
    let title = format!("{} is no feature of a kernel that is known here", quote(feature));
    let known = features().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    let mistake = Mistake::new(title, &feature.span, "`lab doctor` has no such line");
    checker.mistake(mistake.help(format!("known are {known}")));
    None
}

fn check_program(checker: &mut Checker, name: &At<String>, version: Option<&At<String>>) -> Option<Needed> {
    let word = !name.is_empty() && !name.contains('\0') && !name.contains(char::is_whitespace);
    if !word || name.contains('/') && !name.starts_with('/') {
        let title = format!("{} is not a program", quote(name));
        let mistake = Mistake::new(title, &name.span, "neither a name nor an absolute path");
        checker.mistake(mistake.help("write `dockerd`, which is looked for in PATH, or `/usr/bin/docker`"));
        return None;
    }
    if let Some(version) = version.filter(|version| version.trim().is_empty()) {
        let mistake = Mistake::new("a version says something", &version.span, "every program prints that");
        checker.mistake(mistake.help("leave it out if any version will do"));
    }
    Some(Needed { name: name.value.clone(), version: version.map(|version| version.value.clone()) })
}

/// What takes root has to say so: otherwise it fails for whoever is not, where it could be left out with a reason.
pub(super) fn check_root(checker: &mut Checker, hosts: &[At<HostTable>], requires: &Requires) {
    for table in hosts {
        if let Some(cgroups) = table.cgroups.as_ref().filter(|cgroups| cgroups.value && !requires.root) {
            let mistake =
                Mistake::new("control groups of its own take root", &cgroups.span, "nobody says so");
            checker.mistake(mistake.help("say it at the top of the file: `requires = { root = true }`"));
        }
    }
}
