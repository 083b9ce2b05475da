//! What Docker says to a request, and what we say: each `$ docker …` line of the fixtures is asked of `lab`, in the state in which
//! it was asked of a Docker Engine 20.10, and the verdicts are compared.
//!
//! In that state there is the article's lab: `demonet` with 192.168.0.0/24, C0 on docker0 with 192.168.0.100, C1 on docker1.

use std::fs;
use std::path::Path;

use crate::console::{Console, repository};

/// Where our verdict is another than Docker's: a part of the request that no other has, the refusal that is ours, and why, as the README
/// says it. Each has to be needed.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("hole", "Pool overlaps with other one on this address space", "subnets that overlap"),
    ("gwnet", "Pool overlaps with other one on this address space", "the subnet of `docker_gwbridge`"),
    ("narrow", "invalid MTU value: 40", "an MTU that leaves nothing for the overlay"),
    ("thief", "vxlan id 256 is in use by another network", "the VNI of another network"),
    ("--scope local", "unexpected argument '--scope' found", "`--scope`"),
    ("--scope swarm", "unexpected argument '--scope' found", "`--scope`"),
    ("disconnect -f", "unexpected argument '-f' found", "`disconnect -f`"),
    (
        "--name C1",
        "Conflict. The container name \"/C1\" is already in use by container \"<id>\". You have to remove (or rename) that \
         container to be able to reuse that name.",
        "one name on all hosts",
    ),
    ("--name a ", "a container's name has at least 2 characters", "in other words"),
];

/// Requests about an encrypted network, which are answered as the kernel has ESP or not: a part of each request with what is said where it
/// has none. Where it has, they are done: Docker's hosts have keys in a Swarm alone, and cannot join it.
const ENCRYPTED: &[(&str, &str)] = &[
    ("--opt encrypted", "network encnet cannot be encrypted on this host: cannot use …"),
    ("--net encnet", "network encnet not found"),
];

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Refused(String),
}

/// A request, and what Docker said to it.
struct Case {
    request: String,
    docker: Verdict,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-20.10").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let text = lines.join("\n");
    let cases = text.split("$ docker ").skip(1).map(|case| {
        let (request, answer) = case.split_once('\n').unwrap();
        Case { request: request.to_owned(), docker: docker(answer) }
    });
    cases.collect()
}

/// What Docker's answer comes to: what it printed beside an id or a name, without who says it.
fn docker(answer: &str) -> Verdict {
    let is_result = |line: &&str| line.len() == 64 && is_hex(line) || *line == "<id>" || !line.contains(' ');
    let complaint = answer.lines().find(|line| !is_result(line) && !line.starts_with("Run '"));
    complaint.map_or(Verdict::Done, |line| {
        let line = line.strip_prefix("docker: ").unwrap_or(line);
        Verdict::Refused(line.strip_prefix("Error response from daemon: ").unwrap_or(line).to_owned())
    })
}

/// What `lab` says to it.
fn ours(console: &Console, request: &str) -> Verdict {
    let mut args: Vec<String> = words(request).into_iter().filter(|word| word != "IMAGE").collect();
    if args[0] == "run" {
        args.insert(0, "container".to_owned());
    }
    let said = console.lab(&args);
    if said.code == 0 {
        return Verdict::Done;
    }
    let line = said.err.lines().next().unwrap_or_default();
    let line = line.strip_prefix("lab: ").or_else(|| line.strip_prefix("error: ")).unwrap_or(line);
    Verdict::Refused(line.to_owned())
}

/// Whether this machine's kernel has ESP.
fn has_esp(console: &Console) -> bool {
    let shown: serde_json::Value = serde_json::from_str(&console.lab(["doctor", "--json"]).done()).unwrap();
    let features = shown["features"].as_array().unwrap();
    features.iter().find(|its| its["feature"] == "ESP").unwrap()["missing"].is_null()
}

/// The words of a line; in quotes they may have spaces.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// Whether a refusal is that one: `…` stands for anything, and which id it is does not matter.
fn is(said: &str, wanted: &str) -> bool {
    let plain = |text: &str| {
        let words = text.trim_end().split_inclusive(|c: char| !c.is_ascii_hexdigit());
        let hide = |word: &str| match word.get(..64) {
            Some(id) if is_hex(id) => format!("<id>{}", &word[64..]),
            _ => word.to_owned(),
        };
        words.map(hide).collect::<String>()
    };
    let (said, wanted) = (plain(said), plain(wanted));
    let parts: Vec<&str> = wanted.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return said == wanted };
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn alike(ours: &Verdict, docker: &Verdict) -> bool {
    match (ours, docker) {
        (Verdict::Done, Verdict::Done) => true,
        (Verdict::Refused(ours), Verdict::Refused(docker)) => is(ours, docker),
        _ => false,
    }
}

/// Asks for all of a file in turn; what is not as it should be.
fn play(file: &str) -> Vec<String> {
    let console = Console::with_two_hosts();
    let mut wrong = Vec::new();
    let has_esp = has_esp(&console);
    for Case { request, docker } in cases(file) {
        let ours = ours(&console, &request);
        if let Some((part, refused)) = ENCRYPTED.iter().find(|(part, _)| request.contains(part)) {
            let due = if has_esp { Verdict::Done } else { Verdict::Refused((*refused).to_owned()) };
            if !alike(&ours, &due) {
                wrong.push(format!("{part}: we say {ours:?}"));
            }
            continue;
        }
        let exception = EXCEPTIONS.iter().find(|(part, ..)| request.contains(part));
        match exception {
            None if alike(&ours, &docker) => {}
            None => wrong.push(format!("{request}\n  docker: {docker:?}\n  ours:   {ours:?}")),
            Some((part, ..)) if alike(&ours, &docker) => {
                wrong.push(format!("{part}: no exception is needed"));
            }
            Some((part, text, _)) => match &ours {
                Verdict::Refused(said) if is(said, text) => {}
                ours => wrong.push(format!("{part}: we say {ours:?}")),
            },
        }
    }
    wrong
}

#[test]
fn what_was_observed_of_creating_networks_holds() {
    assert_eq!(play("create-cases.txt"), [""; 0]);
}

#[test]
fn what_was_observed_of_running_containers_holds() {
    assert_eq!(play("run-cases.txt"), [""; 0]);
}

#[test]
fn what_a_study_has_of_creating_and_joining_holds() {
    assert_eq!(play("study-cases.txt"), [""; 0]);
}

#[test]
fn every_exception_is_one_request_s_and_in_the_readme() {
    let all = ["create-cases.txt", "run-cases.txt", "study-cases.txt"].map(cases);
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for (part, _, reason) in EXCEPTIONS {
        let its = all.iter().flatten().filter(|case| case.request.contains(part)).count();
        assert_eq!(its, 1, "{part}");
        assert!(readme.contains(reason), "{reason}");
    }
    for (part, _) in ENCRYPTED {
        assert!(all.iter().flatten().any(|case| case.request.contains(part)), "{part}");
    }
    assert!(readme.contains("`--opt encrypted` can be joined where the kernel has ESP"));
    // And the observed files are read whole.
    assert_eq!(all.each_ref().map(Vec::len)[..2], [10, 5]);
}

#[test]
fn verdicts_are_compared_by_what_they_say() {
    let id = "a".repeat(64);
    assert_eq!(
        docker(&format!(
            "{id}\ndocker: Error response from daemon: Address already in use\n\nRun 'docker run --help' for more information\n"
        )),
        Verdict::Refused("Address already in use".into())
    );
    assert_eq!(docker(&format!("{id}\n")), Verdict::Done);
    assert!(is(&format!("x \"{id}\". y"), "x \"<id>\". y"));
    assert!(is("failed to parse x: invalid syntax", "failed to parse x: …"));
    assert!(!is("failed to parse y: invalid syntax", "failed to parse x: …"));
    assert!(is("a of b: c", "…of…c") && !is("a of b", "…of…c"));
    assert_eq!(
        words(r#"create --subnet 10.0.0.0/8 "a net" """#),
        ["create", "--subnet", "10.0.0.0/8", "a net", ""]
    );
}
