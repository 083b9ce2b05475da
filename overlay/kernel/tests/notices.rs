//! What is heard of changes in a namespace.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use kernel::nft::{Family, Nft, Table};
use kernel::{Audience, Batch, Mac, Netns, NewLink, Notices, Rtnl};
use tokio::time::timeout;

#[kernel::isolate]
fn every_kind_of_change_is_heard_once_and_none_of_another_namespace() {
    let (here, there) = (Netns::new("here").unwrap(), Netns::new("there").unwrap());
    let (rtnl, nft) = (Rtnl::new(&here).unwrap(), Nft::new(&here).unwrap());
    let heard = Notices::with_neighbours(&here).unwrap();
    assert!(!heard.any());
    let link = NewLink { index: 5, name: "br0".into(), ..NewLink::default() };
    let table = Table { family: Family::Ip, name: "t".into(), chains: Vec::new() };
    let changes: [(&str, &dyn Fn()); 6] = [
        ("a link", &|| rtnl.apply(&Batch::new().bridge(&link)).unwrap()),
        ("an address", &|| rtnl.apply(&Batch::new().address(5, "10.0.0.1/24".parse().unwrap())).unwrap()),
        ("a neighbour", &|| {
            let mac = Mac::of([10, 0, 0, 2].into());
            rtnl.apply(&Batch::new().neighbour(5, "10.0.0.2".parse().unwrap(), mac)).unwrap();
        }),
        ("forwarding", &|| here.set_sysctl("ipv4/ip_forward", "1").unwrap()),
        ("a table", &|| nft.replace(&table).unwrap()),
        ("a link's end", &|| rtnl.apply(&Batch::new().remove_link(5, "br0")).unwrap()),
    ];
    for (what, change) in changes {
        change();
        assert!(heard.any(), "{what} was changed");
        assert!(!heard.any(), "{what} was heard of");
    }
    Rtnl::new(&there).unwrap().apply(&Batch::new().bridge(&link)).unwrap();
    assert!(!heard.any());
}

#[kernel::isolate]
fn what_a_bridge_learns_is_no_change_and_what_it_is_told_is() {
    let here = Netns::new("here").unwrap();
    let rtnl = Rtnl::new(&here).unwrap();
    let link = |index, name: &str, master| NewLink { index, name: name.into(), master, ..NewLink::default() };
    rtnl.apply(&Batch::new().bridge(&link(5, "br0", None)).up(5, "br0")).unwrap();
    rtnl.apply(&Batch::new().veth(&link(6, "port", Some(5)), &link(7, "eth0", None), None)).unwrap();
    rtnl.apply(&Batch::new().up(6, "port").up(7, "eth0")).unwrap();
    rtnl.wait_running(6, "port", Duration::from_secs(10)).unwrap();

    let (all, but_neighbours) = (Notices::with_neighbours(&here).unwrap(), Notices::new(&here).unwrap());
    let audience = Audience::new().unwrap();
    audience.add(&all).unwrap();
    // A port that has just begun to forward is told of once more.
    all.any();
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    rtnl.apply(&Batch::new().learn(6, mac)).unwrap();
    assert!(audience.is_told() && !all.any() && !audience.is_told());

    let entry = || Batch::new().neighbour(5, "10.0.0.2".parse().unwrap(), mac);
    rtnl.apply(&entry()).unwrap();
    assert!(audience.is_told() && all.any() && !audience.is_told());
    assert!(!but_neighbours.any());
}

#[kernel::isolate]
fn a_bell_rings_at_the_first_change_after_all_others_were_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let here = Netns::new("here").unwrap();
        let (rtnl, audience) = (Rtnl::new(&here).unwrap(), Audience::new().unwrap());
        let bell = audience.bell().unwrap();
        let heard = Notices::new(&here).unwrap();
        // Also of who is added after it was hung up.
        audience.add(&heard).unwrap();
        for index in 5..55 {
            let bridge = NewLink { index, name: format!("br{index}"), ..NewLink::default() };
            rtnl.apply(&Batch::new().bridge(&bridge)).unwrap();
            let rung = timeout(Duration::from_secs(10), bell.rung()).await;
            assert!(rung.is_ok() && audience.is_told(), "{index}");
            while audience.is_told() {
                heard.any();
            }
        }
    });
}
