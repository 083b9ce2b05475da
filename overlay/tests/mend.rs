//! Whatever somebody does to the kernel or the store, the engines come back to what the store says.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::net::IpAddr;
use std::time::Duration;

use kernel::nft::{Family, Nft};
use kernel::{Batch, Rtnl};
use lab::{Lab, holds, look, reaches};
use overlay::kv::{Kv, keys};
use overlay::{Config, ContainerRef};

/// demonet with C0 (192.168.0.100) on docker0 and C1 on docker1.
async fn two_hosts(lab: &mut Lab) -> (ContainerRef, ContainerRef) {
    lab.demonet().await;
    let c0 = lab.joined(0, "C0", "demonet", Some([192, 168, 0, 100])).await;
    let c1 = lab.joined(1, "C1", "demonet", None).await;
    lab.converged().await;
    assert!(reaches(&c0.netns, [192, 168, 0, 2]).await);
    (c0, c1)
}

#[kernel::isolate]
fn entries_that_somebody_deletes_come_back() {
    lab::run(
        |mut lab| async move {
            two_hosts(&mut lab).await;
            let name = lab.overlay(0);
            let overlay = Rtnl::new(lab.hosts[0].env.sandboxes.get(&name).unwrap().netns()).unwrap();
            let mac = kernel::Mac::of([192, 168, 0, 2].into());
            let (ip, vtep, wrong) = ("192.168.0.2", "10.0.0.11", "10.0.0.99");
            let (ip, vtep, wrong): (IpAddr, IpAddr, IpAddr) =
                (ip.parse().unwrap(), vtep.parse().unwrap(), wrong.parse().unwrap());
            let as_it_was = lab.look(0, &name);
            let both = Batch::new().remove_neighbour(5, ip).remove_fdb(5, mac, Some(vtep));
            let moved = Batch::new().remove_fdb(5, mac, Some(vtep)).fdb(5, mac, wrong);
            let stranger = Batch::new().neighbour(5, wrong, mac);
            for batch in [both, moved, stranger] {
                overlay.apply(&batch).unwrap();
                holds("the tables are mended", || async {
                    let have = overlay.dump().unwrap();
                    let permanent = |all: &kernel::Snapshot| {
                        let arp = all
                            .neighbours
                            .iter()
                            .filter(|entry| entry.permanent)
                            .cloned()
                            .collect::<Vec<_>>();
                        let fdb =
                            all.fdb.iter().filter(|entry| entry.vtep.is_some()).cloned().collect::<Vec<_>>();
                        (arp, fdb)
                    };
                    permanent(&have) == permanent(&as_it_was)
                })
                .await;
            }
        },
        2,
    );
}

#[kernel::isolate]
fn links_that_somebody_deletes_come_back_under_their_names() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            let name = lab.overlay(0);
            for (what, link) in [
                ("overlay", "vxlan1"),
                ("overlay", "br0"),
                ("overlay", "veth2"),
                ("container", "eth0"),
                ("container", "eth1"),
                ("host", "docker_gwbridge"),
            ] {
                let netns = match what {
                    "overlay" => lab.hosts[0].env.sandboxes.get(&name).unwrap().netns().clone(),
                    "container" => c0.netns.clone(),
                    _ => lab.hosts[0].env.netns.clone(),
                };
                let rtnl = Rtnl::new(&netns).unwrap();
                let links = rtnl.links().unwrap();
                let found = links.iter().find(|found| found.name == link);
                // Whatever number it has by now.
                let found = found.or_else(|| {
                    links.iter().find(|found| link.starts_with("veth") && found.name.starts_with("veth"))
                });
                let found = found.unwrap_or_else(|| panic!("no {link} in {links:?}"));
                rtnl.apply(&Batch::new().remove_link(found.index, link)).unwrap();
                drop(rtnl);
                holds("they reach each other again", || async {
                    reaches(&c1.netns, [192, 168, 0, 100]).await
                })
                .await;
                holds("the outside is there again", || async { reaches(&c0.netns, [10, 0, 0, 1]).await })
                    .await;
                // Packets pass a moment before it is entered as the host's.
                holds("the overlay is there again", || async {
                    lab.hosts[0].env.sandboxes.get(&name).is_some()
                })
                .await;
                assert_eq!(lab.overlay(0), name, "after {link}");
                let have = look(&c0.netns);
                assert_eq!(have.addresses_of("eth0"), ["192.168.0.100/24".parse().unwrap()], "after {link}");
                assert_eq!(have.addresses_of("eth1"), ["172.18.0.2/16".parse().unwrap()], "after {link}");
            }
        },
        2,
    );
}

#[kernel::isolate]
fn rules_that_somebody_deletes_come_back() {
    lab::run(
        |mut lab| async move {
            two_hosts(&mut lab).await;
            let nft = Nft::new(&lab.hosts[0].env.netns).unwrap();
            nft.remove(Family::Ip, "docker").unwrap();
            holds("the table is there", || async { nft.tables().unwrap() == ["docker"] }).await;
        },
        2,
    );
}

#[kernel::isolate]
fn an_engine_takes_over_what_another_left() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            let name = lab.overlay(0);
            let before = (look(&lab.hosts[0].env.netns), lab.look(0, &name), look(&c0.netns));
            lab.hosts[0].engine = None;
            assert!(reaches(&c1.netns, [192, 168, 0, 100]).await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            let quiet = |mut have: kernel::Snapshot| {
                have.neighbours.retain(|entry| entry.permanent);
                have.fdb.retain(|entry| entry.permanent);
                have
            };
            let after = (look(&lab.hosts[0].env.netns), lab.look(0, &name), look(&c0.netns));
            assert_eq!(quiet(before.0), quiet(after.0));
            assert_eq!(quiet(before.1), quiet(after.1));
            assert_eq!(quiet(before.2), quiet(after.2));

            // It goes on with the numbers, and can take away what it did not make.
            let c2 = lab.joined(0, "C2", "demonet", None).await;
            let eth0 = look(&c2.netns).link("eth0").unwrap().clone();
            assert_eq!((eth0.index, eth0.peer), (11, Some(12)));
            assert_eq!(lab.look(0, &name).by_index(12).unwrap().name, "veth3");
            for container in [&c0, &c2] {
                lab.engine(0).leave(container, "demonet").await.unwrap();
                assert_eq!(look(&container.netns).links.len(), 1);
            }
            assert!(lab.hosts[0].env.sandboxes.get(&name).is_none());
        },
        2,
    );
}

#[kernel::isolate]
fn routes_and_links_that_somebody_takes_away_or_switches_off_come_back() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            let works = || async {
                reaches(&c1.netns, [192, 168, 0, 100]).await && reaches(&c0.netns, [10, 0, 0, 1]).await
            };
            let inside = Rtnl::new(&c0.netns).unwrap();
            let eth0 = look(&c0.netns).link("eth0").unwrap().index;
            inside.apply(&Batch::new().remove_route(Some("192.168.0.0/24".parse().unwrap()), eth0)).unwrap();
            holds("the route to its own subnet is there", works).await;
            let overlay = lab.hosts[0].env.sandboxes.get(&lab.overlay(0)).unwrap().netns().clone();
            for netns in [overlay, lab.hosts[0].env.netns.clone()] {
                let rtnl = Rtnl::new(&netns).unwrap();
                for link in rtnl.links().unwrap().into_iter().skip(1).filter(|link| link.name != "eth0") {
                    rtnl.apply(&Batch::new().down(link.index, &link.name)).unwrap();
                    let up = || async {
                        rtnl.links().unwrap().iter().any(|found| found.index == link.index && found.up)
                    };
                    holds("it is on", up).await;
                    holds("it carries", works).await;
                }
            }
        },
        2,
    );
}

#[kernel::isolate]
fn what_was_crossed_out_while_no_engine_was_there_goes_when_the_next_one_comes() {
    lab::run(
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            let c2 = lab.joined(0, "C2", "demonet", None).await;
            let network = lab.engine(0).networks().await.unwrap()[0].id;
            let id = lab.engine(0).endpoints(c2.sandbox).await.unwrap()[0].endpoint;
            lab.hosts[0].engine.take().unwrap().abort();
            Kv::Memory(lab.store.clone()).delete(&keys::endpoint(network, id)).await.unwrap();
            lab.start(0).await;
            lab.converged().await;
            assert_eq!(look(&c2.netns).links.len(), 1, "only lo");
            let overlay = lab.look(0, &lab.overlay(0));
            let names: Vec<&str> = overlay.links.iter().map(|link| link.name.as_str()).collect();
            assert_eq!(names, ["lo", "br0", "vxlan1", "veth2"]);
            assert!(reaches(&c0.netns, [192, 168, 0, 2]).await && reaches(&c0.netns, [10, 0, 0, 1]).await);
        },
        2,
    );
}

#[kernel::isolate]
fn an_address_that_comes_from_another_host_is_reached_here_at_once() {
    lab::run(
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            let there = lab.joined(1, "there", "demonet", Some([192, 168, 0, 9])).await;
            lab.converged().await;
            assert!(reaches(&c0.netns, [192, 168, 0, 9]).await, "before");
            lab.engine(1).leave(&there, "demonet").await.unwrap();
            lab.converged().await;
            let _here = lab.joined(0, "here", "demonet", Some([192, 168, 0, 9])).await;
            assert!(reaches(&c0.netns, [192, 168, 0, 9]).await, "after");
        },
        2,
    );
}

#[kernel::isolate]
fn a_container_joins_although_somebody_has_broken_the_host() {
    lab::run_set(
        |number| Config { mend: Duration::from_hours(1), ..lab::config(u64::from(number)) },
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            let overlay = lab.hosts[0].env.sandboxes.get(&lab.overlay(0)).unwrap().netns().clone();
            for (netns, link) in
                [(lab.hosts[0].env.netns.clone(), "docker_gwbridge"), (overlay.clone(), "br0")]
            {
                let index = look(&netns).link(link).unwrap().index;
                Rtnl::new(&netns).unwrap().apply(&Batch::new().remove_link(index, link)).unwrap();
                let name = format!("beside {link}");
                let late = lab.joined(0, &name, "demonet", None).await;
                for container in [&c0, &late] {
                    assert!(reaches(&container.netns, [10, 0, 0, 1]).await, "{} {name}", container.name);
                    assert!(reaches(&container.netns, [192, 168, 0, 2]).await, "{} {name}", container.name);
                }
                lab.engine(0).leave(&late, "demonet").await.unwrap();
            }
        },
        2,
    );
}

#[kernel::isolate]
fn a_bridge_whose_device_went_while_no_engine_was_there_is_not_made_twice() {
    lab::run(
        |mut lab| async move {
            let wide = lab::network_of("wide", &["10.70.0.0/24", "10.71.0.0/24"]);
            lab.engine(0).create_network(wide).await.unwrap();
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(0, "high", "wide", Some([10, 71, 0, 9])).await;
            let name = lab.overlay(0);
            let before = lab.look(0, &name).links.len();
            lab.hosts[0].engine.take().unwrap().abort();
            let overlay = Rtnl::new(lab.hosts[0].env.sandboxes.get(&name).unwrap().netns()).unwrap();
            let device = lab.look(0, &name).link("vxlan4").unwrap().index;
            overlay.apply(&Batch::new().remove_link(device, "vxlan4")).unwrap();
            lab.start(0).await;
            holds("it is mended", || reaches(&low.netns, [10, 71, 0, 9])).await;
            let (overlay, high) = (lab.look(0, &name), look(&high.netns));
            assert_eq!(overlay.links.len(), before, "{:#?}", overlay.links);
            assert_eq!(high.addresses_of("eth0").len() + high.addresses_of("eth1").len(), 2, "{high:#?}");
        },
        1,
    );
}
