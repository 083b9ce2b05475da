//! `lab capture`: files that others read, and lines.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::console::Console;
use crate::stream::Stream;

/// What tshark finds in a file: fields of each packet. `None`: this machine has no tshark.
fn tshark(file: &str, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(["-r", file, "-T", "fields", "-E", "separator=|"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let Ok(output) = command.output() else {
        eprintln!("skipped: this machine has no `tshark` (Debian: tshark) to read the file with");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect())
}

#[test]
fn wireshark_finds_every_interface_and_what_is_in_the_tunnel() {
    let console = Console::with_two_hosts();
    let file = console.place("ping.pcapng");
    let file = file.to_str().unwrap();
    let args = ["capture", "--path", "C1", "C0", "--filter", "icmp", "-w", file];
    let mut capture = Stream::start(console.command(args));
    capture.see("capturing; ^C ends it\n");
    console.lab(["ping", "C1", "C0", "-c", "1"]).done();
    capture.send(Signal::SIGINT);
    let (code, said) = capture.end();
    assert_eq!((code, said.as_str()), (0, "20 packets at 10 interfaces, none lost\n"));
    let fields = [
        "frame.time_epoch",
        "frame.interface_name",
        "vxlan.vni",
        "icmp.type",
        "frame.packet_flags_direction",
    ];
    let Some(packets) = tshark(file, &fields) else { return };
    assert_eq!(packets.len(), 20);
    assert!(packets.is_sorted_by(|one, other| one[0] <= other[0]), "{packets:?}");
    assert!(
        packets.iter().all(|packet| packet[0].split_once('.').is_some_and(|(_, nanos)| nanos.len() >= 9))
    );
    let names: BTreeSet<String> = packets.iter().map(|packet| packet[1].clone()).collect();
    let overlays: Vec<&String> = names.iter().filter(|name| name.matches('/').count() == 2).collect();
    assert_eq!(overlays.len(), 4, "{names:?}");
    assert!(overlays.iter().all(|name| name.ends_with("/veth2") || name.ends_with("/vxlan1")));
    for (number, packet) in packets.iter().enumerate() {
        let between = packet[1].ends_with("/eth0") && packet[1].starts_with("docker")
            || packet[1].starts_with("switch/");
        assert_eq!(packet[2], if between { "256" } else { "" }, "{packet:?}");
        assert_eq!(packet[3], if number < 10 { "8" } else { "0" }, "there, and back");
    }
}

#[test]
fn a_capture_is_read_by_others_as_it_goes_on() {
    let console = Console::with_two_hosts();
    let lab = env!("CARGO_BIN_EXE_lab");
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: this machine has no `tshark` (Debian: tshark) to read with");
        return;
    }
    let mut shell = Command::new("sh");
    let text = format!(
        "{lab} capture C0:eth0 -f icmp --count 4 -w - 2>/dev/null | tshark -l -i - -T fields -e frame.interface_name -e icmp.type"
    );
    shell.args(["-c", &text]).env("LAB_STATE", console.state());
    let mut read = Stream::start(shell);
    // When it listens is not said; a ping that comes too early is only not seen.
    let begun = std::time::Instant::now();
    while read.silent() || !read.has("C0/eth0\t") {
        assert!(begun.elapsed() < crate::console::LIMIT);
        console.lab(["ping", "C1", "C0", "-c", "1"]).done();
    }
    // The rest of the four, for a capture that has begun.
    console.lab(["ping", "C1", "C0", "-c", "2", "-i", "10ms"]).done();
    let (code, said) = read.end();
    assert!(code == 0 && said.contains("C0/eth0\t8\n") && said.contains("C0/eth0\t0\n"), "{code}: {said}");
}

#[test]
fn without_a_file_a_packet_is_a_line() {
    let console = Console::with_two_hosts();
    let mut capture = Stream::start(console.command([
        "capture",
        "C0:eth0",
        "docker0/demonet:vxlan1",
        "-f",
        "icmp",
        "--count",
        "4",
    ]));
    capture.see("capturing; ^C ends it\n");
    console.lab(["ping", "C1", "C0", "-c", "1"]).done();
    let (code, said) = capture.end();
    assert_eq!(code, 0, "{said}");
    // What it says in the end may be heard before the packets.
    let (lines, notes): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with(' '));
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].contains("/vxlan1  in   192.168.0.2 > 192.168.0.100 ICMP echo request, id "), "{said}");
    assert!(
        lines[1]
            .contains("  C0/eth0                      in   192.168.0.2 > 192.168.0.100 ICMP echo request"),
        "{said}"
    );
    assert!(
        lines[2].contains("  C0/eth0                      out  192.168.0.100 > 192.168.0.2 ICMP echo reply"),
        "{said}"
    );
    assert_eq!(notes, ["4 packets at 2 interfaces, none lost"]);
    assert!(!said.contains('\x1b'), "no terminal, no colours");
}

#[test]
fn a_capture_can_be_json_lines_and_ends_when_it_was_told_to() {
    let console = Console::with_two_hosts();
    let said = console.lab(["capture", "consul:eth0", "-f", "tcp port 8500", "--for", "200ms", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    for line in said.out.lines() {
        let packet: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&packet["version"], &packet["interface"]), (&1.into(), &"consul/eth0".into()));
        assert_eq!(packet["layers"][0]["layer"], "ethernet");
    }
}

#[test]
fn a_mistake_in_a_filter_is_shown_with_a_caret() {
    let console = Console::new();
    let said = console.lab(["capture", "--filter", "udp prot 4789"]);
    let expected = "error: `prot` does not belong here\n --> filter:1:5\n  |\n1 | udp prot 4789\n  |     ^^^^ a word too many\n  |\n  = help: between two conditions stands `and` or `or`\n";
    assert_eq!(said.failed(2), expected);
    assert!(fs::read_dir(console.place("")).is_ok());
}

#[test]
fn a_capture_ends_with_its_lab() {
    let console = Console::with_two_hosts();
    let mut capture = Stream::start(console.command(["capture", "--all", "-w", "/dev/null"]));
    capture.see("capturing");
    console.lab(["down", "--wait"]).done();
    let (code, said) = capture.end();
    assert!(code == 0 && said.contains("packets at"), "{code} {said}");
}
