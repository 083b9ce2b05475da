//! What the kernel tells of one namespace.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use kernel::rtnl::{Miss, News, NewsStream, Notice, Noticed, Vxlan};
use kernel::{Batch, Mac, Netns, NewLink, NewVxlan, Rtnl};

fn link(index: u32, name: &str) -> NewLink {
    NewLink { index, name: name.into(), ..NewLink::default() }
}

fn run(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(body);
}

/// In a few words: what came or went, and its name.
fn words(Notice { gone, what, .. }: &Notice) -> String {
    let what = match what {
        Noticed::Link(link) => format!("link {} {}", link.name, if link.up { "up" } else { "down" }),
        Noticed::Address(address) => format!("address {}", address.net),
        Noticed::Route(route) => format!("route {}", route.to.unwrap()),
        Noticed::Neighbour(neighbour) => format!("neighbour {}", neighbour.ip),
        Noticed::Fdb(entry) => format!("fdb {} {:?}", entry.mac, entry.vtep),
        Noticed::Missed(miss) => format!("{miss:?}"),
    };
    format!("{}{what}", if *gone { "- " } else { "" })
}

/// What is told until that is among it.
async fn until(news: &NewsStream, last: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    while !all.iter().any(|said| said == last) {
        let (more, overflowed) = news.next().await.unwrap();
        assert!(!overflowed);
        all.extend(more.iter().map(words));
    }
    all
}

#[kernel::isolate]
fn what_is_changed_is_told_with_what_it_is_and_none_of_another_namespace() {
    run(async {
        let (here, there) = (Netns::new("here").unwrap(), Netns::new("there").unwrap());
        let (rtnl, other) = (Rtnl::new(&here).unwrap(), Rtnl::new(&there).unwrap());
        let news = News::new(&here).unwrap().stream().unwrap();
        other.apply(&Batch::new().bridge(&link(4, "br4"))).unwrap();
        let (peer, vtep): (IpAddr, IpAddr) = ("192.168.0.2".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mac = Mac::of([192, 168, 0, 2].into());
        let settings =
            Vxlan { vni: 256, port: 4789, proxy: true, l2miss: true, l3miss: true, ..Vxlan::default() };
        let vxlan = NewVxlan { link: link(6, "vxlan1"), settings };
        let made = Batch::new()
            .bridge(&link(5, "br0"))
            .vxlan(&vxlan, None)
            .address(6, "192.168.0.1/24".parse().unwrap())
            .neighbour(6, peer, mac)
            .fdb(6, mac, vtep);
        rtnl.apply(&made).unwrap();
        let told = until(&news, &format!("fdb {mac} Some({vtep})")).await;
        for one in [
            "link br0 up",
            "link vxlan1 up",
            "address 192.168.0.1/24",
            "route 192.168.0.0/24",
            "neighbour 192.168.0.2",
        ] {
            assert!(told.iter().any(|said| said == one), "{one} in {told:?}");
        }
        assert!(told.iter().all(|said| !said.contains("br4")), "{told:?}");
        // That it is no port any more does not mean that it is gone.
        rtnl.apply(&Batch::new().master(6, "vxlan1", Some(5)).master(6, "vxlan1", None)).unwrap();
        rtnl.apply(&Batch::new().remove_fdb(6, mac, Some(vtep)).remove_neighbour(6, peer)).unwrap();
        let told = until(&news, "- neighbour 192.168.0.2").await;
        assert!(told.iter().any(|said| said.starts_with(&format!("- fdb {mac}"))), "{told:?}");
        assert!(told.iter().all(|said| !said.starts_with("- link")), "{told:?}");
        rtnl.apply(&Batch::new().remove_link(5, "br0")).unwrap();
        until(&news, "- link br0 down").await;
    });
}

#[kernel::isolate]
fn what_a_vxlan_device_misses_is_told_among_it() {
    run(async {
        let here = Netns::new("here").unwrap();
        let rtnl = Rtnl::new(&here).unwrap();
        let news = News::new(&here).unwrap().stream().unwrap();
        let settings = Vxlan { vni: 256, port: 4789, l2miss: true, ..Vxlan::default() };
        let vxlan = NewVxlan { link: link(6, "vxlan1"), settings };
        let (peer, mac): (IpAddr, Mac) = ("192.168.0.2".parse().unwrap(), Mac::of([192, 168, 0, 2].into()));
        let made = Batch::new().up(1, "lo").vxlan(&vxlan, None).address(6, "192.168.0.1/24".parse().unwrap());
        rtnl.apply(&made.neighbour(6, peer, mac)).unwrap();
        let socket = here.run(|| std::net::UdpSocket::bind("192.168.0.1:0")).unwrap().unwrap();
        socket.send_to(b"hello", (peer, 7)).unwrap();
        until(&news, &format!("{:?}", Miss::Mac(6, mac))).await;
    });
}
