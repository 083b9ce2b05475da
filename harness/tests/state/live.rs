//! A real Docker Engine 20.10, played on hosts of a lab and looked at there: nothing of it was written down before.

use std::collections::BTreeMap;
use std::path::Path;

use harness::lab::Held;
use harness::report::{Human, Paint};
use harness::scenario::{Options, Verdict, play};
use harness::{Lab, topology};
use kernel::Snapshot;

use super::compare::explain;
use super::differences::{KNOWN, RENAMED};
use super::etcd;
use super::observed;
use super::rules::{CONTAINER, HOST};
use super::shot::Shot;
use super::sight::{Seen, TABLES, of_rooms, of_rules, of_settings, of_store};

/// What this is called in the list of known differences.
const NAME: &str = "real-docker";

/// Docker leaves it alone in overlays.
const FORWARDING: &str = "net.ipv4.ip_forward";

/// Its networks and containers, and where they are.
const NETWORKS: [(&str, &str); 5] = [
    ("docker0", "demonet"),
    ("docker0", "vault"),
    ("docker0", "other"),
    ("docker1", "demonet"),
    ("docker1", "vault"),
];
const CONTAINERS: [(&str, &str); 5] =
    [("docker0", "C0"), ("docker0", "C2"), ("docker0", "V0"), ("docker1", "C1"), ("docker1", "V1")];

/// What a real Docker has made in one namespace.
struct Made {
    seen: Seen,
    settings: BTreeMap<String, String>,
    /// As `iptables-save` prints them.
    rules: String,
}

/// Has Docker make what the scenario says, has the same made here, and compares both.
#[harness::test(file = "scenarios/real-docker.toml", limit = "4m")]
async fn a_real_docker_makes_the_same(lab: Lab) -> harness::Result {
    let mut human = Human::new("scenarios/real-docker.toml", Paint::Plain);
    let mut shown = String::new();
    let played = play(&lab, Options { require: false }, |event| shown += &human.show(&event)).await;
    assert_eq!(played.verdict(), Verdict::Held, "{shown}");
    let docker = made(&lab).await?;
    let store = etcd::tree(&lab.host("docker0")?, "etcd").await;

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/topologies/real-docker.toml");
    let shot = Shot::take(&Lab::up(topology::load(&file).unwrap()).await?).await;
    let mut found = Vec::new();
    for Made { seen, settings, rules } in &docker {
        found.extend(of_settings(&shot, &seen.room, settings));
        let rules = observed::rules(rules);
        match seen.room.as_str() {
            "docker0" | "docker1" => of_rules(&shot, &seen.room, &rules, &[HOST]),
            overlay if overlay.contains('/') => assert!(rules.is_empty(), "{overlay}: {rules:?}"),
            container => of_rules(&shot, container, &rules, &[CONTAINER]),
        }
    }
    let seen: Vec<Seen> = docker.into_iter().map(|made| made.seen).collect();
    found.extend(of_rooms(&shot, &seen));
    found.extend(of_store(&shot, &store));
    explain(NAME, &found, KNOWN);
    Ok(())
}

/// Looks at every namespace of the hosts that Docker runs on. There are those that are named above, and no others.
async fn made(lab: &Lab) -> harness::Result<Vec<Made>> {
    let mut names: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for host in ["docker0", "docker1"] {
        names.insert(host.to_owned(), (host, host.to_owned()));
    }
    for (host, network) in NETWORKS {
        let id = docker(lab, host, &["network", "inspect", "--format={{.Id}}", network]).await?;
        names.insert(format!("{host}/1-{}", &id[..10]), (host, format!("{host}/1-<{network}>")));
    }
    for (host, container) in CONTAINERS {
        let id =
            docker(lab, host, &["inspect", "--format={{.NetworkSettings.SandboxID}}", container]).await?;
        names.insert(format!("{host}/{}", &id[..12]), (host, container.to_owned()));
    }
    // What nobody has set is as in any new namespace.
    let fresh = kernel::Netns::new("fresh")?.sysctl("ipv4/ip_forward")?;
    let mut all = Vec::new();
    for Held { name, mut holds, mut settings, .. } in lab.inspect(None).await?.namespaces {
        if !name.starts_with("docker") {
            continue;
        }
        let (host, room) = names.remove(&name).unwrap_or_else(|| panic!("whose namespace is {name}?"));
        if room.contains('/') {
            rename(&room, &mut holds);
            if let Some(is) = settings.get_mut(FORWARDING).filter(|is| **is == fresh) {
                "the machine's".clone_into(is);
            }
        }
        let inside = name.split_once('/').map(|(_, name)| format!("--net=/run/docker/netns/{name}"));
        let command = match &inside {
            Some(netns) => vec!["nsenter", netns.as_str(), "iptables-save"],
            None => vec!["iptables-save"],
        };
        let rules = said(lab, host, &command).await?;
        let seen = Seen { room, host: host.to_owned(), holds, kinds: TABLES, without: &[] };
        all.push(Made { seen, settings, rules });
    }
    assert!(names.is_empty(), "these are not there: {names:?}");
    Ok(all)
}

/// Calls links what they are called here. A difference that is not there any more fails here, too.
fn rename(room: &str, holds: &mut Snapshot) {
    for (theirs, ours) in RENAMED {
        let link = holds.links.iter_mut().find(|link| link.name == *theirs);
        let link = link.unwrap_or_else(|| panic!("nothing is called {theirs} in {room}"));
        (*ours).clone_into(&mut link.name);
    }
}

/// What Docker's client says, without its end.
async fn docker(lab: &Lab, host: &str, arguments: &[&str]) -> harness::Result<String> {
    Ok(said(lab, host, &[&["/usr/bin/docker"], arguments].concat()).await?.trim_end().to_owned())
}

/// What a command on a host prints, which has to succeed.
async fn said(lab: &Lab, host: &str, command: &[&str]) -> harness::Result<String> {
    let place = lab.host(host)?;
    let output = place.exec(command).await?;
    assert_eq!(output.status, 0, "{}: {output:?}", command.join(" "));
    Ok(output.stdout)
}
