//! What operations change in the kernels of a lab, and what steps say of it.
#![cfg(feature = "netns")]

use harness::diff::{Take, What, diff};
use harness::fault::{Fault, Partition};
use harness::hand::{Leg, Make};
use harness::lab::{Connect, Sources};
use harness::scenario::{Options, play};
use harness::topology::{Topology, parse};
use harness::{Lab, expect};

#[harness::test(file = "scenarios/two-host.toml")]
async fn two_states_of_a_lab_differ_in_what_was_done_between_them(lab: Lab) -> harness::Result {
    let before = lab.state().await?;
    expect!(lab.container("C1")?.ping("C0")).within("5s").await?;
    assert_eq!(diff(&before, &lab.state().await?, Take::default()).lines(), Vec::<String>::new());
    let cut = lab.inject(Fault::Partition(Partition::Cut("docker0".parse()?, "docker1".parse()?))).await?;
    let changes = diff(&before, &lab.state().await?, Take::default());
    assert!(changes.iter().all(|change| change.object.namespace == "switch" && change.what == What::Added));
    assert_eq!(changes.lines().len(), 2, "one rule a way: {changes}");
    cut.heal().await?;
    assert!(diff(&before, &lab.state().await?, Take::default()).is_empty());
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_chronicle_tells_of_lab_engines_store_and_kernels_in_the_order_of_time(
    lab: Lab,
) -> harness::Result {
    let mut chronicle = lab.chronicle(Sources::ALL).await?;
    lab.create_network("docker0", overlay::CreateNetwork { name: "late".into(), ..Default::default() })
        .await?;
    lab.connect(Connect { container: "C0".into(), network: "late".into(), ..Connect::default() }).await?;
    let is_from = |all: &[harness::Event], what: &str| all.iter().any(|event| event.what == what);
    let mut all = Vec::new();
    while !(is_from(&all, "network")
        && is_from(&all, "store")
        && is_from(&all, "netlink")
        && is_from(&all, "engine"))
    {
        all.extend(chronicle.next().await);
    }
    let came = all.iter().filter_map(|event| event.change.as_ref());
    let named: Vec<&str> = came.map(|change| change.object.namespace.as_str()).collect();
    assert!(named.contains(&"C0") || named.contains(&"docker0"), "{named:?}");
    Ok(())
}

/// The lab, and a step on it.
fn with(step: &str) -> Topology {
    let lab = "[[host]]\nname = \"docker0\"\n[[network]]\nname = \"demonet\"\nsubnet = \"192.168.0.0/24\"\n\
               [[container]]\nname = \"C0\"\nnetworks = [\"demonet\"]\n";
    parse("x.toml", &format!("{lab}{step}")).unwrap_or_else(|report| panic!("{report}"))
}

/// What was expected, and what came.
async fn failure(step: &str) -> harness::Result<(String, String)> {
    let lab = Lab::up(with(step)).await?;
    let played = play(&lab, Options::default(), |_| ()).await;
    let Some((1, failure)) = played.failure else { panic!("{played:?}") };
    Ok((failure.expected, failure.got))
}

#[harness::isolate]
async fn a_step_that_changes_something_else_says_what() -> harness::Result {
    let step = "[[step]]\ndiff = { on = [\"docker0\"], step = [{ make.setting = { at = \"docker0\", name = \"net.ipv4.ip_forward\", value = \"0\" } }] }\n";
    let (expected, got) = failure(step).await?;
    assert_eq!(expected, "nothing to change");
    assert_eq!(got, "\"docker0: ~ setting net.ipv4.ip_forward: 1 -> 0\"");
    let (expected, got) = failure(&format!("{step}expect.changes = [\"docker0: - *\"]\n")).await?;
    assert_eq!(expected, "a change \"docker0: - *\"");
    assert!(got.contains("ip_forward: 1 -> 0"), "{got}");
    Ok(())
}

#[harness::isolate]
async fn what_cannot_be_made_by_hand_is_refused_in_words_that_help() -> harness::Result {
    let refused = async |step: &str| failure(&format!("[[step]]\n{step}\n")).await.map(|(_, got)| got);
    let got = refused("make.bridge = { at = \"docker0/nowhere\", name = \"br0\" }").await?;
    assert!(got.contains("nowhere"), "{got}");
    let step =
        "make.neighbour = { at = \"C0\", dev = \"eth7\", ip = \"192.168.0.9\", mac = \"02:42:c0:a8:00:09\" }";
    let got = refused(step).await?;
    assert!(got.contains("no interface of C0 is named `eth7`; there is `lo`"), "{got}");
    let got = refused("make.bridge = { at = \"C0\", name = \"br0\", master = \"br9\" }").await?;
    assert!(got.contains("`br9`"), "{got}");
    let got = refused("unmake.namespace = { on = \"docker0\", name = \"overns\" }").await?;
    assert!(got.contains("`overns`"), "{got}");
    let got = refused("make.route = { at = \"C0\", via = \"10.99.0.1\" }").await?;
    assert!(got.contains("cannot "), "{got}");
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn what_cannot_be_made_whole_is_not_made(lab: Lab) -> harness::Result {
    let before = lab.state().await?;
    // Hosts have no IPv6, which is known only once the links are there.
    let leg = |at: &str, name: &str, address: &str| Leg {
        at: at.into(),
        name: name.into(),
        address: address.parse().ok(),
        ..Leg::default()
    };
    let bridge = Make::Bridge(leg("docker0", "br9", "fd00::1/64"));
    lab.make(&bridge).await.expect_err("an IPv6 address of a host");
    let (leg, peer) = (leg("C0", "near", "10.9.0.1/24"), leg("docker0", "far", "fd00::1/64"));
    lab.make(&Make::Veth { leg, peer }).await.expect_err("an IPv6 address of a host");
    assert_eq!(diff(&before, &lab.state().await?, Take::default()).lines(), Vec::<String>::new());
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn no_rule_that_is_made_takes_another_ones_place(lab: Lab) -> harness::Result {
    let before = lab.state().await?;
    for source in ["10.1.0.0/24", "10.2.0.0/24"] {
        let source = source.parse().expect("a subnet");
        lab.make(&Make::Masquerade { at: "docker0".into(), out: "eth0".into(), source }).await?;
    }
    let changes = diff(&before, &lab.state().await?, Take::default());
    assert_eq!(changes.lines().iter().filter(|line| line.contains("masquerade")).count(), 2, "{changes}");
    Ok(())
}
