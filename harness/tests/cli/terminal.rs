//! `lab exec` and `lab shell` at a terminal: size, keys and jobs are those of a command at home.

use std::io::Read;
use std::path::Path;

use kernel::pty::{Pty, Size};
use nix::sys::signal::Signal;

use crate::console::{Console, hearing, repository};
use crate::stream::Stream;

/// ^C, ^D, ^Z.
const INTERRUPT: &str = "\x03";
const END: &str = "\x04";
const STOP: &str = "\x1a";

/// A person's own shell on a terminal, where `lab` is a command.
fn at_home(console: &Console, args: &[&str]) -> Stream {
    let lab = Path::new(env!("CARGO_BIN_EXE_lab")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(lab).chain(std::env::split_paths(&path))).unwrap();
    let mut command = hearing("/bin/sh");
    command.args(args).current_dir(repository()).env("PATH", path).env("PS1", "home> ");
    command.env("LAB_STATE", console.state()).env("SHELL", "/bin/sh").env("TERM", "dumb").env_remove("ENV");
    Stream::on_terminal(command)
}

/// What is typed is seen as well, so what is waited for is what only running it shows.
#[test]
fn a_shell_has_the_terminal_and_its_size() {
    let console = Console::with_two_hosts();
    let mut shell = Stream::on_terminal(console.command(["shell", "C0"]));
    shell.key("tty > /dev/null && stty size; echo I am `hostname`\r").see("24 80").see("I am C0");
    shell.resize(31, 101).key("stty size\r").see("31 101");
    shell.key("exit 3\r");
    assert_eq!(shell.end().0, 3);
}

#[test]
fn a_change_of_size_is_told_to_the_command() {
    let console = Console::with_two_hosts();
    let script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done";
    let mut running = Stream::on_terminal(console.command(["exec", "docker1", "--", "sh", "-c", script]));
    running.see("ready").resize(50, 132).see("50 132");
    assert_eq!(running.end().0, 0);
}

#[test]
fn an_interrupt_ends_the_command_and_not_the_shell_around_it() {
    let console = Console::with_two_hosts();
    let mut running =
        Stream::on_terminal(console.command(["exec", "C0", "--", "sh", "-c", "echo ready; exec sleep 1000"]));
    running.see("ready").key(INTERRUPT);
    assert_eq!(running.end().0, 128 + 2);

    let mut shell = Stream::on_terminal(console.command(["shell", "docker0"]));
    shell.key("sh -c \"echo re''ady; exec sleep 1000\"\r").see("ready").key(INTERRUPT);
    shell.key("echo code $?.\r").see("code 130.").key("exit 0\r");
    assert_eq!(shell.end().0, 0);
}

/// An interrupt goes to all of the terminal's foreground: the command must not hear it twice.
#[test]
fn an_interrupt_is_heard_once() {
    let console = Console::with_two_hosts();
    let script = "n=0; trap 'n=$((n+1)); echo \"heard $n.\"' INT; trap 'exit $n' TERM; echo ready; \
                  while :; do sleep 0.02; done";
    let mut running = Stream::on_terminal(console.command(["exec", "C0", "--", "sh", "-c", script]));
    running.see("ready").key(INTERRUPT).see("heard 1.").key(INTERRUPT).see("heard 2.");
    running.send(Signal::SIGTERM);
    assert_eq!(running.end().0, 2);
}

#[test]
fn a_command_is_a_job_that_can_be_stopped_and_goes_on() {
    let console = Console::with_two_hosts();
    let mut home = at_home(&console, &["-i"]);
    home.see("home> ").key("lab exec C0 cat\r").see("cat\r\n").key("one\r").see("one\r\none\r\n");
    home.key(STOP).see("Stopped").see("home> ");
    // The shell at home has the terminal back.
    home.key("echo $((40+2))\r").see("42").see("home> ");
    home.key("fg\r").see("lab exec C0 cat").key("two\r").see("two\r\ntwo\r\n").key(END);
    home.see("home> ").key("echo code $?.\r").see("code 0.").see("home> ").key("exit\r");
    home.end();
}

#[test]
fn a_command_in_the_background_leaves_the_terminal_alone() {
    let console = Console::with_two_hosts();
    let mut home = at_home(&console, &["-i"]);
    home.see("home> ").key("lab exec C0 -- sh -c 'sleep 0.3; echo back''ground' &\r").see("home> ");
    home.key("echo $((40+2))\r").see("42").see("background").key("wait; echo wai''ted\r").see("waited");
    // One that wants to read waits for being brought forward.
    home.see("home> ").key("lab exec C0 cat &\r").see("home> ");
    home.key("sleep 0.3; jobs\r").see("Stopped").see("home> ");
    home.key("fg\r").see("lab exec C0 cat").key("three\r").see("three\r\nthree\r\n").key(END).see("home> ");
    home.key("exit\r");
    home.end();
}

#[test]
fn commands_of_a_pipeline_share_the_terminal() {
    let console = Console::with_two_hosts();
    let mut home = at_home(&console, &["-i"]);
    home.see("home> ").key("echo from h''ome | lab exec C0 cat | lab exec C1 -- sed s/from/to/ | cat\r");
    home.see("to home").see("home> ");
    // The second reads the terminal itself while its standard input is a pipe.
    home.key("lab exec C0 true | lab exec C1 -- sh -c 'echo re''ady; read x </dev/tty; echo \"got $x.\"'\r");
    home.see("ready").key("this\r").see("got this.").see("home> ");
    home.key("lab exec C0 -- sleep 1000 | lab exec C1 -- sh -c 'echo re''ady; cat'\r")
        .see("ready")
        .key(INTERRUPT);
    home.see("home> ").key("echo code $?.\r").see("code 130.").key("exit\r");
    home.end();
}

#[test]
fn a_script_goes_on_at_the_terminal_after_a_shell() {
    let console = Console::with_two_hosts();
    let mut script = at_home(&console, &["-c", "lab shell C0; echo code $?.; read x; echo \"got $x.\""]);
    script.key("exit 4\r").see("code 4.").key("this\r").see("got this.");
    assert_eq!(script.end().0, 0);
}

#[test]
fn a_command_ends_with_its_terminal() {
    let console = Console::with_two_hosts();
    let command = console.command(["exec", "C0", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (mut terminal, mut child) = Pty::spawn(command, Size { rows: 24, columns: 80 }).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"ready\r\n") {
        let mut byte = [0];
        terminal.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    drop(terminal);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 1));
}
