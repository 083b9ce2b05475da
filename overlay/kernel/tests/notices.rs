//! Hearing of changes.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::icmp::{Echo, Pinger};
use kernel::nft::{Family, Nft, Table};
use kernel::{Batch, Mac, Netns, NewLink, Notices, Rtnl};

fn link(index: u32, name: &str) -> NewLink {
    NewLink { index, name: name.into(), ..NewLink::default() }
}

/// Two namespaces with a cable between them: 10.0.0.1 and 10.0.0.2.
fn pair() -> (Netns, Netns) {
    let (a, b) = (Netns::new("a").unwrap(), Netns::new("b").unwrap());
    let wire = Batch::new().veth(&link(5, "eth0"), &link(7, "eth0"), Some(b.as_fd()));
    Rtnl::new(&a).unwrap().apply(&wire.address(5, "10.0.0.1/24".parse().unwrap())).unwrap();
    let end = Batch::new().up(7, "eth0").address(7, "10.0.0.2/24".parse().unwrap());
    Rtnl::new(&b).unwrap().apply(&end).unwrap();
    Rtnl::new(&a).unwrap().wait_running(5, "eth0", Duration::from_secs(5)).unwrap();
    Rtnl::new(&b).unwrap().wait_running(7, "eth0", Duration::from_secs(5)).unwrap();
    (a, b)
}

/// Waits until the kernel has nothing more to tell of what is over.
fn settle(notices: &[&Notices]) {
    let mut quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(200) {
        if notices.iter().any(|notices| notices.any()) {
            quiet = Instant::now();
        }
        std::thread::yield_now();
    }
}

#[kernel::isolate]
fn who_listens_hears_of_changes_there_and_nowhere_else() {
    let (a, b) = pair();
    let (on_a, on_b) = (Notices::new(&a).unwrap(), Notices::new(&b).unwrap());
    let again = Notices::new(&a).unwrap();
    settle(&[&on_a, &on_b, &again]);

    let rtnl = Rtnl::new(&a).unwrap();
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    let ip = "10.0.0.9".parse().unwrap();
    let table = Table { family: Family::Ip, name: "t".into(), chains: vec![] };
    let changes: [(&str, &dyn Fn()); 6] = [
        ("an address", &|| rtnl.apply(&Batch::new().address(5, "10.9.0.1/24".parse().unwrap())).unwrap()),
        ("a neighbour", &|| rtnl.apply(&Batch::new().neighbour(5, ip, mac)).unwrap()),
        ("a neighbour taken away", &|| rtnl.apply(&Batch::new().remove_neighbour(5, ip)).unwrap()),
        ("rules", &|| Nft::new(&a).unwrap().replace(&table).unwrap()),
        ("a new link", &|| rtnl.apply(&Batch::new().bridge(&link(20, "br0"))).unwrap()),
        ("a link taken away", &|| rtnl.apply(&Batch::new().remove_link(20, "br0")).unwrap()),
    ];
    for (what, change) in changes {
        change();
        assert!(on_a.any() && again.any(), "{what} is heard of by all who listen there");
        assert!(!on_b.any(), "{what} is not heard of elsewhere");
        settle(&[&on_a, &on_b, &again]);
    }
}

#[kernel::isolate]
fn what_the_kernel_learns_while_packets_pass_is_no_change() {
    let (a, b) = pair();
    let (on_a, on_b) = (Notices::new(&a).unwrap(), Notices::new(&b).unwrap());
    settle(&[&on_a, &on_b]);
    let mut pinger = Pinger::new(&a, std::net::Ipv4Addr::new(10, 0, 0, 2)).unwrap();
    assert!(matches!(pinger.ping(Duration::from_secs(5)).unwrap(), Echo::Reply(_)));
    assert!(
        Rtnl::new(&a).unwrap().neighbours().unwrap().iter().any(|entry| !entry.permanent),
        "it has learned"
    );
    assert!(!on_a.any() && !on_b.any());
}
