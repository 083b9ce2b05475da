//! What whole labs are made of, topology by topology: what is planned, what is in the store, and what each kernel holds; and
//! all of it held against what a real Docker Engine 20.10 with a Consul was seen to make, field by field, where it was seen.
//!
//! A topology is a line below and a file. What is in `overlay/tests/fixtures/observed` was printed by `ip`, `bridge`, `sysctl`,
//! `iptables-save` and a key browser on a Docker's hosts. Where the machine has one, a real Docker is run and looked at as well: see
//! `live`.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "state/compare.rs"]
mod compare;
#[path = "state/differences.rs"]
mod differences;
#[path = "state/etcd.rs"]
mod etcd;
#[path = "state/live.rs"]
mod live;
#[path = "state/objects.rs"]
mod objects;
#[path = "state/observed.rs"]
mod observed;
#[path = "state/rules.rs"]
mod rules;
#[path = "state/shot.rs"]
mod shot;
#[path = "state/sight.rs"]
mod sight;
#[path = "state/store.rs"]
mod store;

use std::path::Path;

use harness::{Lab, topology};

macro_rules! topologies {
    ($($name:ident: $file:literal;)*) => { $(
        #[kernel::isolate]
        fn $name() {
            check($file);
        }
    )* };
}

topologies! {
    two_hosts: "../scenarios/two-host.toml";
    internal: "tests/state/topologies/internal.toml";
    several_subnets: "tests/state/topologies/several-subnets.toml";
    both_families: "tests/state/topologies/ipv6.toml";
    mtu_1300: "tests/state/topologies/mtu-1300.toml";
    vni_777: "tests/state/topologies/vni-777.toml";
    address_range: "tests/state/topologies/address-range.toml";
    two_networks_and_a_port: "tests/state/topologies/two-networks.toml";
}

/// Builds a lab, looks at all of it, and holds that against the snapshots and the observation.
fn check(file: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let topology = topology::load(&file).unwrap_or_else(|why| panic!("{why}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shot = runtime.block_on(async {
        let lab = Lab::up(topology).await.unwrap();
        shot::Shot::take(&lab).await
    });
    let filters = [(r"127\.0\.0\.11:\d+", "127.0.0.11:<drawn>")];
    insta::with_settings!({
        snapshot_path => "state/snapshots", prepend_module_to_snapshot => false, omit_expression => true, filters => filters
    }, {
        insta::assert_snapshot!(format!("{stem}-plan"), shot.plan);
        insta::assert_snapshot!(format!("{stem}-store"), shot.store());
        insta::assert_snapshot!(format!("{stem}-kernel"), shot.kernel());
    });
    sight::compare(stem, &shot);
}
