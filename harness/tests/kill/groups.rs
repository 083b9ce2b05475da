//! Control groups are no process's: they do not go with one.

use std::fs;

use crate::HOLDERS;
use crate::ground::Ground;
use crate::process::{Process, kill, signal, wait_gone, wait_until};

/// Where control groups can be looked at, if a lab can have any.
fn tree() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[2] == "cgroup2").then(|| words[1].to_owned())
    });
    mount.filter(|_| !kernel::entry::rootless())
}

/// How many groups of that name there are below, anywhere.
fn groups(below: &str, name: &str) -> usize {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let count = |entry: fs::DirEntry| {
        usize::from(entry.file_name() == name) + groups(&entry.path().display().to_string(), name)
    };
    directories.map(count).sum()
}

#[kernel::isolate]
fn whichever_process_is_killed_no_control_group_is_left() {
    let Some(tree) = tree() else {
        eprintln!("skipped: control groups of a lab's own take root and a kernel with cgroup v2");
        return;
    };
    let ground = Ground::new();
    // Other labs of the machine have such groups, too.
    let host = format!("h{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let path = ground.room().join("groups.toml");
    let text = format!(
        "[requires]\nroot = true\n[[host]]\nname = \"{host}\"\nengine = false\ncgroups = true\n\
         [[process]]\nname = \"engine\"\non = \"{host}\"\nready = {{ line = \"made\" }}\n\
         command = [\"sh\", \"-c\", \"mkdir -p /sys/fs/cgroup/made/in/depth && sleep 1000 & \
         echo $! > /sys/fs/cgroup/made/in/depth/cgroup.procs; echo made; sleep 1000\"]\n\
         [[step]]\nexec = {{ on = \"{host}\", command = [\"sleep\", \"1000\"] }}\n"
    );
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let count = || groups(&tree, &host);
    for victim in HOLDERS {
        ground.done(&["up", file]);
        assert_eq!(count(), 1);
        kill(Process::named(victim).pid);
        wait_gone(victim);
        // Who was to tidy up is dead, or has done so.
        if victim == "lab-shepherd" {
            ground.done(&["gc"]);
        }
        assert_eq!(count(), 0, "{victim} was killed");
    }
    ground.done(&["up", file]);
    ground.down();
    assert_eq!(count(), 0, "an orderly down");
    // A lab that ends with its client.
    for name in ["KILL", "INT"] {
        let mut client = ground.start(&["run", file]);
        wait_until("a group", || groups(&tree, "depth") > 0 && count() == 1);
        signal(name, client.id().cast_signed());
        client.wait().unwrap();
        wait_gone(name);
        assert_eq!(count(), 0, "the client was sent SIG{name}");
    }
}
