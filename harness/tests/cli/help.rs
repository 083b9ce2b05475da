//! What `lab` says of itself.

use std::fs;

use crate::console::{Console, finish, tool};

#[test]
fn every_command_explains_itself() {
    let console = Console::new();
    let all = console.lab(["--help"]).done();
    assert!(all.contains("\nExit codes:\n"), "{all}");
    let commands =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What a command does may go on in a line of its own, further to the right.
    let commands = commands.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"exec") && commands.contains(&"doctor"), "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let help = console.lab([command, "--help"]).done();
        let mut lines = help.lines();
        assert!(lines.next().is_some_and(|first| first.len() > 5 && !first.ends_with('.')), "{help}");
        assert!(help.contains(&format!("\nUsage: lab {command}")), "{help}");
        for line in help.lines().filter(|line| line.starts_with("  ") && line.contains('<')) {
            assert!(!line.trim_end().ends_with('>'), "{command}: {line:?} is not explained");
        }
    }
}

#[test]
fn a_command_that_does_not_exist_is_answered_with_one_that_does() {
    let console = Console::new();
    let complaint = console.lab(["pss"]).failed(2);
    assert!(complaint.contains("'ps'"), "{complaint}");
}

#[test]
fn completions_are_scripts_that_their_shells_take() {
    let console = Console::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = console.lab(["completions", shell]).done();
        assert!(script.contains("exec"), "{script}");
        assert!(!script.contains("__supervise"), "what is not for people is offered");
        if tool(shell) {
            let file = console.place(&format!("completions.{shell}"));
            fs::write(&file, script).unwrap();
            let mut check = std::process::Command::new(shell);
            check.arg("-n").arg(file);
            finish(check, "").done();
        }
    }
    console.lab(["completions", "teletype"]).failed(2);
}

#[test]
fn the_manual_has_a_page_a_command() {
    let console = Console::new();
    let page = console.lab(["man"]).done();
    assert!(page.contains(".TH lab 1"), "{page}");
    let directory = console.place("man");
    console.lab(["man", "--to", directory.to_str().unwrap()]).done();
    for page in ["lab.1", "lab-exec.1", "lab-network-create.1"] {
        assert!(directory.join(page).is_file(), "{page}");
    }
    console.lab(["man", "--to", "/proc/nowhere"]).failed(2);
}
