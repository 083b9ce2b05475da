//! Encrypted overlays. Where the kernel has no ESP, that such a network is refused is tested, and what takes ESP is skipped, with the
//! reason.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use harness::capture::{Layer, Request};
use harness::topology::Topology;
use harness::{Kind, Lab, expect};
use kernel::Mac;
use overlay::CreateNetwork;
use overlay::ipam::PoolRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The port of a container that a datagram is for.
const PORT: u16 = 9999;
/// How long a datagram may take that is to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one is waited for that is not to.
const SILENCE: Duration = Duration::from_millis(500);

/// What the store answers.
async fn ask(lab: &Lab, key: &str) -> String {
    let mut stream = lab.host("consul").unwrap().connect("consul", 8500).await.unwrap();
    let request = format!("GET /v1/kv/{key} HTTP/1.1\r\nHost: consul\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

fn encrypted(name: &str) -> CreateNetwork {
    let subnet = Some("10.74.0.0/24".to_owned());
    CreateNetwork {
        name: name.to_owned(),
        pools: vec![PoolRequest { subnet, ..PoolRequest::default() }],
        options: [("encrypted".to_owned(), String::new())].into(),
        ..CreateNetwork::default()
    }
}

#[harness::test(topology = Topology::two_hosts())]
async fn a_kernel_without_esp_refuses_and_leaves_nothing_behind(lab: Lab) -> harness::Result {
    let Err(lacking) = kernel::probe::esp() else {
        eprintln!("skipped: this kernel has ESP");
        return Ok(());
    };
    // With the sessions of hosts apart, which come and go.
    let before = ask(&lab, "docker/network/?keys").await;
    let refused = lab.create_network("docker0", encrypted("encnet")).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("network encnet cannot be encrypted on this host: {lacking}"));
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.to_string().contains("ESP"), "{refused}");
    let body = |heard: String| heard.rsplit_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(ask(&lab, "docker/network/?keys").await), body(before));
    let held = lab.inspect(Some("docker0")).await?;
    assert!(held.namespaces.iter().all(|namespace| namespace.encryption.is_empty()));
    Ok(())
}

/// A frame for a container: Ethernet, IPv4 and UDP, with a text.
fn frame(to: Ipv4Addr, from: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(text.len() + more).unwrap().to_be_bytes();
    // Without a checksum (RFC 768).
    let udp = [&9_u16.to_be_bytes()[..], &PORT.to_be_bytes(), &length(8), &[0, 0], text].concat();
    let [high, low] = length(28);
    let mut ip = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend(from.octets().into_iter().chain(to.octets()));
    let mut sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [&Mac::of(to).0[..], &Mac::of(from).0, &[8, 0], &ip, &udp].concat()
}

/// Whether a datagram arrives at C0 that a host without an engine sends it in the tunnel of a VNI, in clear, from an address of the
/// network that is nobody's: a vxlan device passes over what comes from a MAC that it knows to be elsewhere.
async fn is_reached(
    lab: &Lab,
    from: &str,
    network: &str,
    vni: u8,
    patience: Duration,
) -> harness::Result<bool> {
    let (c0, host) = (lab.container("C0")?, lab.host(from)?);
    let (socket, sender, ip) = (c0.udp(PORT).await?, host.udp(0).await?, c0.ip(network)?);
    let [a, b, c, _] = ip.octets();
    let inner = frame(ip, Ipv4Addr::new(a, b, c, 66), network.as_bytes());
    // RFC 7348 §5.
    let datagram = [&[8, 0, 0, 0, 0, 1, vni, 0], &inner[..]].concat();
    sender.send_to(&datagram, (lab.host("docker0")?.ip(), 4789)).await.unwrap();
    let mut buffer = [0; 64];
    let Ok(received) = timeout(patience, socket.recv(&mut buffer)).await else { return Ok(false) };
    assert_eq!(&buffer[..received.unwrap()], network.as_bytes());
    Ok(true)
}

#[harness::test(topology = Topology::two_hosts())]
async fn what_is_injected_into_a_plain_network_arrives(lab: Lab) -> harness::Result {
    assert!(is_reached(&lab, "consul", "demonet", 0, PATIENCE).await?);
    Ok(())
}

#[harness::test(file = "scenarios/encrypted.toml", limit = "120s")]
async fn what_is_injected_in_clear_is_refused(lab: Lab) -> harness::Result {
    let c1 = lab.container("C1")?;
    expect!(c1.ping("C0@secret")).within("10s").await?;
    // VNIs are given out in the order in which networks are joined.
    assert!(is_reached(&lab, "eve", "plain", 1, PATIENCE).await?);
    assert!(!is_reached(&lab, "eve", "secret", 0, SILENCE).await?);
    assert!(is_reached(&lab, "eve", "plain", 1, PATIENCE).await?);
    let counted = kernel::nft::Nft::new(&lab.host("docker0")?.netns()?)?.counted()?;
    let refused = counted.iter().find(|rule| rule.comment == "256 came in clear").expect("the rule");
    assert_eq!(refused.packets, 1);
    // What is sent there by those who have a key goes on.
    expect!(c1.ping("C0@secret").count(3)).await?;
    Ok(())
}

#[harness::test(file = "scenarios/encrypted.toml", limit = "120s")]
async fn rotation_under_load_loses_nothing(lab: Lab) -> harness::Result {
    let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
    expect!(c1.ping("C0@secret")).within("10s").await?;
    let secret = lab.network("secret").await?;
    let mut spis = std::collections::BTreeSet::new();
    for key in 2..4 {
        let capture = lab.capture(Request::of(["docker0:eth0"]).filter("esp")?.snapshot(64)).await?;
        let pings = c1.ping("C0@secret").count(400).interval(Duration::from_millis(10));
        // As fast as answers come, from the other side.
        let trips = c0.round_trips("C1@secret").lasting(Duration::from_secs(4));
        let (pinged, trips, rotated) = tokio::join!(pings, trips, secret.rotate_keys());
        assert_eq!(rotated?, key);
        let pinged = pinged?;
        assert_eq!((pinged.sent, pinged.answered()), (400, 400));
        assert_eq!(trips?.unanswered, 0);
        let captured = capture.end().await?;
        let spi = |layer: &Layer| if let Layer::Esp { spi, .. } = layer { Some(*spi) } else { None };
        let found = captured.packets.iter().filter_map(|packet| packet.layers().iter().find_map(spi));
        spis.extend(found);
    }
    // Three keys, each with a number of its own in either direction.
    assert_eq!(spis.len(), 6, "{spis:x?}");
    let key = format!("docker/network/v1.0/overlay/keys/{}/?raw", secret.id());
    let ring = ask(&lab, &key).await;
    assert!(
        ring.ends_with("}]}") && ring.contains(r#"{"Primary":3,"Keys":[{"Tag":3,"#),
        "only the newest is left"
    );
    Ok(())
}

#[harness::test(file = "scenarios/encrypted.toml", limit = "120s")]
async fn what_somebody_takes_out_of_the_kernel_comes_back(lab: Lab) -> harness::Result {
    let (c0, docker0) = (lab.container("C0")?, lab.host("docker0")?);
    expect!(c0.ping("C1@secret")).within("10s").await?;
    let xfrm = kernel::Xfrm::new(&docker0.netns()?)?;
    let (states, policies) = (xfrm.states()?, xfrm.policies()?);
    assert_eq!((states.len(), policies.len()), (2, 1));
    // The rule keeps back what the policy would have encrypted.
    xfrm.remove_policy(&policies[0])?;
    let capture = lab.capture(Request::of(["docker0:eth0"]).filter("vni 256")?).await?;
    expect!(c0.ping("C1@secret")).within("10s").await?;
    assert_eq!(capture.end().await?.packets.len(), 0);
    assert_eq!(xfrm.policies()?, policies);
    for state in &states {
        xfrm.remove(&state.association)?;
    }
    kernel::nft::Nft::new(&docker0.netns()?)?.remove(kernel::nft::Family::Ip, "docker_encrypted")?;
    expect!(c0.ping("C1@secret")).within("10s").await?;
    assert_eq!(xfrm.states()?.len(), 2);
    let held = lab.inspect(Some("docker0")).await?;
    assert!(
        held.namespaces[0].rules.iter().any(|rule| rule.contains("meta ipsec missing counter drop")),
        "{held:?}"
    );
    assert!(held.namespaces[0].encryption.iter().any(|line| line.contains("udp dport 4789")), "{held:?}");
    Ok(())
}

/// What tshark finds in a file, a packet a line: its protocols, and what it says of an echo. `None`: this machine has no tshark.
fn tshark(bytes: &[u8]) -> Option<Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file.path());
    command.args([
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-e",
        "frame.protocols",
        "-e",
        "esp.spi",
        "-e",
        "icmp.type",
    ]);
    let Ok(output) = command.output() else {
        assert!(!std::env::var("LAB_REQUIRE").is_ok_and(|value| value == "1"), "no tshark");
        eprintln!("skipped: this machine has no `tshark` (Debian: tshark) to read the capture with");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// What passes a host's wire while a container pings another one on that network.
async fn on_the_wire(lab: &Lab, network: &str) -> harness::Result<Vec<u8>> {
    let (c1, to) = (lab.container("C1")?, format!("C0@{network}"));
    expect!(c1.ping(to.as_str())).within("10s").await?;
    let capture = lab.capture(Request::of(["docker0:eth0"]).filter("host 10.0.0.11 and not tcp")?).await?;
    let pinged = c1.ping(to.as_str()).count(3).await?;
    assert_eq!(pinged.answered(), 3);
    Ok(capture.end().await?.pcapng())
}

#[harness::test(file = "scenarios/encrypted.toml", limit = "120s")]
async fn wireshark_sees_esp_and_of_a_plain_network_the_ping(lab: Lab) -> harness::Result {
    let (secret, plain) = (on_the_wire(&lab, "secret").await?, on_the_wire(&lab, "plain").await?);
    let (Some(secret), Some(plain)) = (tshark(&secret), tshark(&plain)) else { return Ok(()) };
    let of = |lines: &[String], start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(of(&secret, "eth:ethertype:ip:esp|0x"), 6, "{secret:?}");
    assert!(secret.iter().all(|line| !line.contains("icmp") && !line.contains("vxlan")), "{secret:?}");
    let pings = of(&plain, "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:data||");
    assert_eq!(pings, 6, "{plain:?}");
    Ok(())
}

/// What Wireshark sees of the same ping where nothing is encrypted, on every kernel.
#[harness::test(topology = Topology::two_hosts())]
async fn wireshark_sees_the_ping_where_nothing_is_encrypted(lab: Lab) -> harness::Result {
    let plain = on_the_wire(&lab, "demonet").await?;
    let Some(plain) = tshark(&plain) else { return Ok(()) };
    let pings = plain
        .iter()
        .filter(|line| line.starts_with("eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp"))
        .count();
    assert_eq!(pings, 6, "{plain:?}");
    Ok(())
}
