//! Machines: namespaces that make a network namespace look like a host of its own.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kernel::{Canary, Machine, Netns, Setup};

fn setup(hostname: &str) -> Setup {
    Setup {
        hostname: hostname.into(),
        hosts: "10.0.0.5\tconsul\n".into(),
        resolv: "nameserver 10.0.0.1\n".into(),
        ..Setup::default()
    }
}

fn sh(machine: &Machine, script: &str) -> Output {
    let script = script.to_owned();
    let spawned = machine.spawn(move || {
        Command::new("/bin/sh").args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    });
    spawned.unwrap().unwrap().wait_with_output().unwrap()
}

fn say(machine: &Machine, script: &str) -> String {
    let output = sh(machine, script);
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[kernel::isolate]
fn a_process_on_a_machine_sees_a_machine() {
    let netns = Netns::new("docker0").unwrap();
    let machine = Machine::start(&netns, None, &setup("docker0")).unwrap();
    assert_eq!(say(&machine, "cat /proc/sys/kernel/hostname /etc/hostname"), "docker0\ndocker0");
    assert_eq!(say(&machine, "cat /etc/hosts"), "10.0.0.5\tconsul");
    assert_eq!(say(&machine, "cat /etc/resolv.conf"), "nameserver 10.0.0.1");
    assert_eq!(say(&machine, "cat /proc/1/comm; ls /sys/class/net"), "init\nlo");
    assert_eq!(say(&machine, "ls -A /run"), "docker\netc\nnetns");
    let inode = say(&machine, "stat -L -c %i /proc/self/ns/net");
    assert_eq!(inode.parse::<u64>().unwrap(), netns.inode().unwrap());
    assert_eq!(sh(&machine, "exit 7").status.code(), Some(7));
    // Its mounts are its own.
    assert!(!fs::exists("/run/docker").unwrap());
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(), "docker0");
}

#[kernel::isolate]
fn a_pin_is_a_name_of_a_namespace() {
    let machine = Machine::start(&Netns::new("docker0").unwrap(), None, &setup("docker0")).unwrap();
    let sandbox = Netns::new("sandbox").unwrap();
    machine.pin("1-620dd59483", &sandbox).unwrap();
    let inode = say(&machine, "stat -L -c %i /run/netns/1-620dd59483");
    assert_eq!(inode.parse::<u64>().unwrap(), sandbox.inode().unwrap());
    assert_eq!(machine.pins().into_iter().collect::<Vec<_>>(), ["1-620dd59483"]);
    machine.unpin("1-620dd59483").unwrap();
    assert_eq!(say(&machine, "ls /run/netns/"), "");
}

#[kernel::isolate]
fn what_runs_on_a_machine_dies_with_its_init() {
    let host = Machine::start(&Netns::new("docker0").unwrap(), None, &setup("docker0")).unwrap();
    let container = Machine::start(&Netns::new("C0").unwrap(), Some(&host), &setup("C0")).unwrap();
    assert_eq!(say(&container, "cat /etc/hostname"), "C0");
    let start = |machine: &Machine| {
        let stubborn =
            || Command::new("/bin/sh").args(["-c", "trap '' TERM HUP; while :; do sleep 9; done"]).spawn();
        machine.spawn(stubborn).unwrap().unwrap()
    };
    let (mut on_host, mut in_container) = (start(&host), start(&container));
    host.kill().unwrap();
    for child in [&mut on_host, &mut in_container] {
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
    }
    assert!(
        host.wait_down(Duration::from_secs(10)).unwrap()
            && container.wait_down(Duration::from_secs(10)).unwrap()
    );
    let error = container.spawn(|| Command::new("/bin/true").spawn()).unwrap_err();
    assert_eq!(error.to_string(), "cannot start a process on C0: it is down");
    let error = Machine::start(&Netns::new("C1").unwrap(), Some(&host), &setup("C1")).unwrap_err();
    assert_eq!(error.to_string(), "cannot start C1: it is down");
}

#[kernel::isolate]
fn a_canary_tells_when_the_kernel_has_freed_a_namespace() {
    let watched = Netns::new("watched").unwrap();
    let canary = Canary::new(&[&watched]).unwrap();
    let another = Canary::new(&[&watched, &watched]).unwrap();
    assert!(!canary.wait(Duration::from_millis(50)).unwrap());
    drop(watched);
    assert!(canary.wait(Duration::from_secs(10)).unwrap());
    assert!(another.wait(Duration::from_secs(10)).unwrap());
}

#[kernel::isolate]
fn a_crowd_of_machines_is_born_while_threads_allocate() {
    // The fork of a machine must not depend on locks that other threads hold at that moment.
    let busy: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for i in 0..20_000 {
                    std::hint::black_box(vec![i; 64 + i % 512]);
                }
            })
        })
        .collect();
    for number in 0..20 {
        let name = format!("h{number}");
        let machine = Machine::start(&Netns::new(&name).unwrap(), None, &setup(&name)).unwrap();
        assert_eq!(say(&machine, "cat /etc/hostname"), name);
    }
    for thread in busy {
        thread.join().unwrap();
    }
}

#[kernel::isolate]
fn a_volatile_directory_is_empty_and_its_machines_own() {
    let volatile = vec!["/var/lib".to_owned()];
    let start = |volatile: &Vec<String>| {
        let setup = Setup { volatile: volatile.clone(), ..setup("docker0") };
        Machine::start(&Netns::new("docker0").unwrap(), None, &setup)
    };
    let (machine, other) = (start(&volatile).unwrap(), start(&volatile).unwrap());
    assert_eq!(
        say(&machine, "ls -A /var/lib; mkdir /var/lib/only-on-docker0; ls /var/lib"),
        "only-on-docker0"
    );
    assert_eq!(say(&other, "ls -A /var/lib"), "");
    assert!(!fs::exists("/var/lib/only-on-docker0").unwrap());
    let why = start(&vec!["/var/lib/nowhere".to_owned()]).unwrap_err();
    assert!(why.to_string().contains("the machine docker0: mounting /var/lib/nowhere"), "{why}");
}

/// Where control groups of the second version can be seen here, if they can be had at all.
fn control_groups() -> Option<String> {
    if kernel::entry::rootless() {
        eprintln!("skipped: control groups of a machine's own take root");
        return None;
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[2] == "cgroup2").then(|| words[1].to_owned())
    });
    if mount.is_none() {
        eprintln!("skipped: control groups of version 2 are mounted nowhere");
    }
    mount
}

/// The directories of that name anywhere below.
fn find(below: &std::path::Path, name: &str) -> usize {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| usize::from(entry.file_name() == name) + find(&entry.path(), name)).sum()
}

#[kernel::isolate]
fn a_machine_can_have_control_groups_of_its_own() {
    let Some(mount) = control_groups() else { return };
    let of = |name: &str| {
        let setup = Setup { cgroups: true, ..setup(name) };
        Machine::start(&Netns::new(name).unwrap(), None, &setup).unwrap()
    };
    let (machine, other) = (of("docker0"), of("docker1"));
    // A shell that is let in, makes a group as an engine does, and puts a process there that stays.
    let script = "cat /proc/self/cgroup | grep ^0: && mkdir -p /sys/fs/cgroup/engine/made-by-docker0 && \
                  { sleep 1000 >/dev/null & echo $! > /sys/fs/cgroup/engine/made-by-docker0/cgroup.procs; } && \
                  cat /sys/fs/cgroup/engine/made-by-docker0/cgroup.procs | wc -l && cat /proc/1/cgroup | grep ^0:";
    let admission = machine.admission();
    let spawned = machine.spawn(move || {
        let mut command = Command::new("/bin/sh");
        admission.admit(&mut command);
        command.args(["-c", script]).stdout(Stdio::piped()).spawn()
    });
    let output = spawned.unwrap().unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0::/init\n1\n0::/init\n");
    assert_eq!(say(&other, "ls -d /sys/fs/cgroup/*/"), "/sys/fs/cgroup/init/");
    let mount = std::path::Path::new(&mount);
    assert_eq!(find(mount, "made-by-docker0"), 1, "seen from outside");
    kernel::cgroup::gc().unwrap();
    assert_eq!(find(mount, "made-by-docker0"), 1, "its lab lives");
    drop(machine);
    assert_eq!(find(mount, "made-by-docker0"), 0, "gone with their machine");
    assert_eq!(say(&other, "ls -d /sys/fs/cgroup/*/"), "/sys/fs/cgroup/init/");
}

#[kernel::isolate]
fn what_programs_of_a_machine_name_is_found() {
    let machine = Machine::start(&Netns::new("docker0").unwrap(), None, &setup("docker0")).unwrap();
    machine.pin("1-ours", &Netns::new("sandbox").unwrap()).unwrap();
    assert!(machine.named().unwrap().is_empty());
    // As `ip netns add` does it. A plain file of that kind is what an engine leaves behind.
    say(&machine, "cd /run/docker/netns && touch theirs left && mount --bind /proc/self/ns/net theirs");
    let named = machine.named().unwrap();
    assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(named[0].1.inode().unwrap().to_string(), say(&machine, "stat -L -c %i /proc/self/ns/net"));
}
