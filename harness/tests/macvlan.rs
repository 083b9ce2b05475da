//! An overlay without bridge and veth, as whoever looks at a lab sees it.
#![cfg(feature = "netns")]

use harness::Lab;
use harness::capture::Request;
use harness::graph::Join;

#[harness::test(file = "scenarios/macvlan.toml")]
async fn a_packet_passes_the_tunnels_and_no_bridge_but_the_switch(lab: Lab) -> harness::Result {
    lab.container("C1")?.ping("C0").await?;
    let requests = "icmp and dst host 192.168.0.100";
    let capture = lab.capture(Request::path("C1", "C0").filter(requests)?).await?;
    lab.container("C1")?.ping("C0").await?;
    let captured = capture.end().await?;
    let short = |name: &str| {
        let mut parts: Vec<&str> = name.split('/').collect();
        if parts.len() == 3 {
            parts[1] = "overlay";
        }
        parts.join("/")
    };
    let way: Vec<String> =
        captured.packets.iter().map(|packet| short(captured.interface_of(packet))).collect();
    let all = [
        "C1/eth0",
        "docker1/overlay/vxlan1",
        "docker1/eth0",
        "switch/port1",
        "switch/port0",
        "docker0/eth0",
        "docker0/overlay/vxlan1",
        "C0/eth0",
    ];
    assert_eq!(way, all);
    Ok(())
}

#[harness::test(file = "scenarios/macvlan.toml")]
async fn the_picture_joins_containers_to_the_tunnel(lab: Lab) -> harness::Result {
    let graph = lab.graph().await?;
    let ends: Vec<&str> =
        graph.edges.iter().filter(|edge| edge.join == Join::Macvlan).map(|edge| edge.to.as_str()).collect();
    for container in ["C0/eth0", "C1/eth0", "C2/eth0"] {
        assert!(ends.contains(&container), "{ends:?}");
    }
    assert_eq!(ends.len(), 5, "and what has the gateway's address, on each host: {ends:?}");
    assert_eq!(graph.segments[0].subnets, ["192.168.0.0/24"]);
    Ok(())
}
