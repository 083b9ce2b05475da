//! Nothing is left behind, whichever process of a lab is killed and whenever.
//!
//! Each test runs in a lab of its own and starts `lab` nested in it, so that every process it sees is of its making.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "kill/ground.rs"]
mod ground;
#[path = "kill/groups.rs"]
mod groups;
#[path = "kill/process.rs"]
mod process;

use std::env;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ground::Ground;
use process::{
    Process, canary, kill, processes, report, spread, wait_gone, wait_processes, wait_quiet, wait_until,
};

/// Microseconds.
const fn us(number: u64) -> Duration {
    Duration::from_micros(number)
}

/// The processes that hold a lab up, by name.
const HOLDERS: [&str; 3] = ["lab-shepherd", "lab-init", "lab"];

#[kernel::isolate]
fn whichever_process_of_a_lab_is_killed_nothing_of_it_is_left() {
    let ground = Ground::new();
    let mut worst = Duration::ZERO;
    for round in 0..4 {
        for victim in HOLDERS {
            ground.up();
            let freed = canary();
            let victim = Process::named(victim);
            kill(victim.pid);
            worst = worst.max(wait_gone(&format!("round {round}, {victim} killed")));
            ground.nothing_open();
            // Who was to tidy up is dead, or has done so.
            let left =
                if victim.name == "lab-shepherd" { vec![("two-host".into(), "gone".into())] } else { vec![] };
            assert_eq!(ground.labs(), left, "round {round}, {victim} killed");
            if !left.is_empty() {
                let said = ground.failed(&["ps"]);
                assert_eq!(
                    said,
                    "lab: lab two-host is gone: it was killed; `lab gc` removes what is left of it\n"
                );
                if round % 2 == 0 {
                    assert_eq!(ground.done(&["gc"]), "removed what was left of lab two-host\n");
                }
            }
            assert!(
                freed.wait(Duration::from_secs(10)).unwrap(),
                "round {round}, {victim} killed: not freed"
            );
        }
    }
    // A name that a killed lab had is free.
    ground.up();
    ground.down();
    report("no process left, after a kill of a lab that was up", worst);
}

#[kernel::isolate]
fn a_client_killed_during_up_leaves_a_whole_lab_or_none() {
    let ground = Ground::new();
    let begun = Instant::now();
    ground.up();
    let whole = begun.elapsed();
    ground.down();
    let (mut worst, mut up, mut none) = (Duration::ZERO, 0, 0);
    let trials = 24;
    // Beyond the end, since a busy machine takes longer at times; the steps around the end are the interesting ones.
    for trial in 1..=trials {
        wait_quiet();
        let mut client = ground.start(&["up", Ground::FILE]);
        // The moment of the kill is what is tried out.
        sleep(whole * trial * 5 / 4 / trials);
        kill(client.id().cast_signed());
        client.wait().unwrap();
        let what = format!("client killed in trial {trial}");
        match ground.wait_up_or_gone(&what) {
            None => {
                up += 1;
                assert_eq!(ground.labs(), [("two-host".into(), "up".into())], "{what}");
                ground.done(&["ps"]);
                ground.down();
            }
            Some(took) => {
                none += 1;
                worst = worst.max(took);
                ground.nothing_open();
                ground.tidy(&what);
            }
        }
    }
    assert!(none > 0, "no trial killed a client in time");
    report(
        &format!("no process left, after the client was killed ({none} of {trials}; {up} were up)"),
        worst,
    );
}

#[kernel::isolate]
fn a_holder_killed_during_up_takes_all_with_it() {
    let ground = Ground::new();
    let (mut worst, mut trials) = (Duration::ZERO, 0);
    for (generation, name) in (1..).zip(HOLDERS) {
        // Right after its birth, when its child may not have been told yet whom to follow, and later.
        let moments = (0..14).map(|n| us(60 * n)).chain((1..6).map(|n| us(9_000 * n)));
        for moment in moments {
            let what = format!("{name} killed {moment:?} after its birth");
            wait_quiet();
            let client = ground.start_heard(&["up", Ground::FILE]);
            let born = Process::descendant(client.id().cast_signed(), generation);
            // The moment of the kill is what is tried out.
            while born.age() < moment {
                std::hint::spin_loop();
            }
            kill(born.pid);
            let output = client.wait_with_output().unwrap();
            assert!(!output.status.success(), "{what}: {output:?}");
            assert!(!output.stderr.is_empty(), "{what}: nothing was said");
            worst = worst.max(wait_gone(&what));
            ground.nothing_open();
            ground.tidy(&what);
            trials += 1;
        }
    }
    ground.up();
    ground.down();
    report(&format!("no process left, after a kill during up ({trials} trials)"), worst);
}

/// How often the next test kills: more often by `ci/kills`.
const KILLS: &str = "LAB_KILLS";

#[kernel::isolate]
fn whoever_is_killed_at_a_random_moment_nothing_is_left() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (kills, seed) = (number(KILLS, 20), number("LAB_SEED", 7));
    let mut rng = fastrand::Rng::with_seed(seed);
    let ground = Ground::new();
    let begun = Instant::now();
    ground.up();
    let whole = begun.elapsed();
    ground.down();
    let (mut gone, mut freed) = (Vec::new(), Vec::new());
    for round in 0..kills {
        wait_quiet();
        let mut client = ground.start(&["up", Ground::FILE]);
        // The moment of the kill is what is tried out: while the lab is built, and as long again.
        sleep(whole.mul_f64(rng.f64() * 2.0));
        let Some(victim) = rng.choice(processes()) else { continue };
        let what = format!("seed {seed}, kill {round}, of {victim}");
        let mut killed = Instant::now();
        kill(victim.pid);
        client.wait().unwrap();
        // Without a host, a client may give up only when the store has not answered for a while.
        if !HOLDERS.contains(&victim.name.as_str()) {
            killed = Instant::now();
        }
        // A lab lives on without a client that has let go of it, a host, or a command.
        if ground.wait_up_or_gone(&what).is_none() {
            ground.done(&["ps"]);
            killed = Instant::now();
            kill(Process::named(HOLDERS[rng.usize(..HOLDERS.len())]).pid);
            wait_gone(&what);
        }
        gone.push((killed.elapsed(), what.clone()));
        ground.nothing_open();
        ground.tidy(&what);
        // Namespaces are freed in turn, and so are links with them: this one is the last.
        wait_quiet();
        freed.push((killed.elapsed(), what));
    }
    spread("no process left, after a kill at random", gone);
    spread("no link left, after a kill at random", freed);
}

#[kernel::isolate]
fn a_foreground_lab_ends_with_its_client_however_that_ends() {
    let ground = Ground::new();
    let mut worst = Duration::ZERO;
    for signal in ["KILL", "TERM", "INT", "KILL"] {
        let mut client = ground.start(&["up", "--foreground", Ground::FILE]);
        ground.wait_state("up");
        let freed = canary();
        process::signal(signal, client.id().cast_signed());
        let status = client.wait().unwrap();
        assert_eq!(status.success(), signal != "KILL", "{signal}: {status}");
        let took = wait_gone(signal);
        worst = worst.max(took);
        ground.nothing_open();
        ground.tidy(signal);
        assert!(freed.wait(Duration::from_secs(10)).unwrap(), "{signal}: not freed");
    }
    // And whoever else of it is killed, the client ends too.
    for victim in HOLDERS {
        let mut client = ground.start(&["up", "--foreground", Ground::FILE]);
        ground.wait_state("up");
        let victim = match victim {
            "lab" => Process::descendant(client.id().cast_signed(), 3),
            victim => Process::named(victim),
        };
        kill(victim.pid);
        client.wait().unwrap();
        worst = worst.max(wait_gone(&format!("{victim} killed")));
        ground.tidy("foreground");
    }
    report("no process left, after the end of a foreground lab's client", worst);
}

#[kernel::isolate]
fn many_labs_killed_at_once_leave_nothing() {
    let ground = Ground::new();
    let clients: Vec<_> =
        (0..6).map(|n| ground.start(&["up", "--name", &format!("lab{n}"), Ground::FILE])).collect();
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
    let freed = canary();
    for process in processes().iter().filter(|process| process.name == "lab-init") {
        kill(process.pid);
    }
    let took = wait_gone("six labs");
    assert!(ground.labs().is_empty());
    assert!(freed.wait(Duration::from_secs(20)).unwrap(), "not freed");
    report("no process left, after six labs were killed at once", took);
}

#[kernel::isolate]
fn a_name_can_be_used_again_while_its_last_lab_is_dying() {
    let ground = Ground::new();
    ground.up();
    for round in 0..10 {
        kill(Process::named("lab").pid);
        // No wait: the shepherd of the dead lab may be about to remove what the new one has just made.
        let begun = Instant::now();
        let succeeds = |arguments: &[&str]| ground.start(arguments).wait().unwrap().success();
        // As long as the dead one is seen, there is "nothing to do".
        while !(succeeds(&["up", Ground::FILE]) && succeeds(&["ps"])) {
            assert!(begun.elapsed() < Duration::from_secs(5), "round {round}");
        }
        wait_processes("one shepherd", |all| {
            all.iter().filter(|process| process.name == "lab-shepherd").count() == 1
        });
        assert_eq!(ground.labs(), [("two-host".into(), "up".into())], "round {round}");
        ground.done(&["ps"]);
    }
    ground.down();
}

#[kernel::isolate]
fn nothing_is_inherited_that_should_not_be() {
    let ground = Ground::new();
    // A lock that the caller's shell holds is not held by the lab.
    let locked = ground.room().join("of-the-shell");
    let script = format!("exec 9>{}; exec \"$0\" up {}", locked.display(), Ground::FILE);
    let lab = env!("CARGO_BIN_EXE_lab");
    let mut shell = ground.command("/bin/sh");
    assert!(shell.args(["-c", &script, lab]).stdout(Stdio::null()).status().unwrap().success());
    for process in processes() {
        for (number, what) in process.descriptors() {
            assert!(!what.contains("of-the-shell"), "{process} holds {what} as {number}");
        }
    }
    // Inits hold nothing of the lab, whatever it is: what they hold lives as long as they.
    for process in processes().iter().filter(|process| process.name == "init") {
        assert_eq!(process.descriptors(), [], "{process}");
    }
    for process in processes().iter().filter(|process| process.name == "lab-init") {
        let numbers: Vec<u32> = process.descriptors().iter().map(|(number, _)| *number).collect();
        assert_eq!(
            numbers.len(),
            5,
            "life line, two outputs, signals, the shepherd: {:?}",
            process.descriptors()
        );
    }
    for process in processes().iter().filter(|process| process.name == "lab-shepherd") {
        let beyond: Vec<_> = process.descriptors().into_iter().filter(|(number, _)| *number > 2).collect();
        assert!(beyond.iter().all(|(_, what)| what.contains("pidfd")), "{process}: {beyond:?}");
    }
    // A container's command has its three, and so has one that is run by `lab exec`.
    let numbers: Vec<u32> = Process::named("sleep").descriptors().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let listed = ground.done(&["exec", "C0", "--", "/bin/sh", "-c", "ls /proc/$$/fd"]);
    assert_eq!(listed, "0\n1\n2\n");
    ground.down();
}

#[kernel::isolate]
fn a_host_whose_init_is_killed_is_down_and_says_so() {
    let ground = Ground::new();
    ground.up();
    ground.done(&["exec", "docker1", "true"]);
    ground.done(&["exec", "C1", "true"]);
    let shown = ground.json(&["ps", "--json"]);
    let pid = shown["hosts"][2]["pid"].as_i64().unwrap();
    kill(Process::inside("lab-init", pid).pid);
    wait_until("down", || ground.json(&["ps", "--json"])["hosts"][2]["state"] == "down");

    let shown = ground.json(&["ps", "--json"]);
    assert_eq!((&shown["hosts"][1]["state"], &shown["hosts"][2]["pid"]), (&"up".into(), &().into()));
    let states = shown["containers"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["running", "lost"]);
    for target in ["docker1", "C1"] {
        let output = ground.start_heard(&["exec", target, "true"]).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "lab: host docker1 is down\n");
    }
    assert!(ground.done(&["events"]).contains("host docker1 is down"));
    assert_eq!(ground.done(&["exec", "C0", "echo", "here"]), "here\n");
    ground.done(&["ping", "docker0", "consul", "--count", "1"]);
    ground.down();
}

#[kernel::isolate]
fn whoever_runs_a_command_on_a_host_that_dies_is_told() {
    let ground = Ground::new();
    ground.up();
    let mut client =
        ground.start(&["exec", "C0", "--", "/bin/sh", "-c", "trap '' TERM HUP; while :; do sleep 9; done"]);
    wait_processes("the command", |all| all.iter().filter(|process| process.name == "sleep").count() == 2);
    let shown = ground.json(&["ps", "--json"]);
    kill(Process::inside("lab-init", shown["hosts"][1]["pid"].as_i64().unwrap()).pid);
    // As a shell says it of a process that was killed.
    assert_eq!(client.wait().unwrap().code(), Some(137));
    // The same when the lab goes as a whole.
    wait_until("down", || ground.json(&["ps", "--json"])["hosts"][1]["state"] == "down");
    let mut client = ground.start(&["exec", "docker1", "sleep", "3600"]);
    wait_processes("the command", |all| all.iter().any(|process| process.name == "sleep"));
    kill(Process::named("lab-init").pid);
    assert_eq!(client.wait().unwrap().code(), Some(137));
    wait_gone("a lab in which a command ran");
}
