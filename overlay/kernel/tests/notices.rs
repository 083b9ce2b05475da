//! What is heard of changes in a namespace.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use kernel::nft::{Family, Nft, Table};
use kernel::{Batch, Mac, Netns, NewLink, Notices, Rtnl};

#[kernel::isolate]
fn every_kind_of_change_is_heard_once_and_none_of_another_namespace() {
    let (here, there) = (Netns::new("here").unwrap(), Netns::new("there").unwrap());
    let (rtnl, nft) = (Rtnl::new(&here).unwrap(), Nft::new(&here).unwrap());
    let heard = Notices::new(&here).unwrap();
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
