//! Tests that fail, hang and leak. Ignored: others run them and look at what is said.

use std::process::Command;
use std::time::Duration;

use harness::Lab;
use harness::topology::{Needed, Requires, Topology};

#[harness::test(topology = Topology::two_hosts())]
#[ignore = "it fails"]
async fn fails(lab: Lab) -> harness::Result {
    lab.container("C7").map(drop)
}

#[harness::test(topology = Topology::two_hosts())]
#[ignore = "it fails"]
async fn panics(_lab: Lab) {
    panic!("at the disco");
}

#[harness::test(topology = Topology::two_hosts(), limit = "1s")]
#[ignore = "it hangs"]
async fn hangs(_lab: Lab) {
    // The worst kind: it does not even let the runtime go on.
    std::thread::sleep(Duration::from_mins(10));
}

#[harness::isolate]
#[ignore = "it leaks"]
fn leaves_a_process() {
    drop(Command::new("sleep").arg("600").spawn().unwrap());
}

#[harness::isolate]
#[ignore = "it leaks"]
fn leaves_a_thread() {
    let careless = std::thread::Builder::new().name("careless".into());
    drop(careless.spawn(|| std::thread::sleep(Duration::from_mins(10))).unwrap());
}

#[harness::isolate(leaks = "allowed")]
#[ignore = "others run it"]
fn may_leave_a_thread() {
    let careless = std::thread::Builder::new().name("careless".into());
    drop(careless.spawn(|| std::thread::sleep(Duration::from_mins(10))).unwrap());
}

#[harness::isolate]
#[ignore = "it leaks"]
fn leaves_a_descriptor() {
    std::mem::forget(std::fs::File::open("/dev/null").unwrap());
}

#[harness::test(topology = Topology::two_hosts())]
#[ignore = "it leaks"]
async fn leaves_a_lab(lab: Lab) {
    std::mem::forget(lab);
}

fn demanding() -> Topology {
    let needed = Needed { name: "no-such-tool".into(), version: None };
    let requires = Requires { programs: vec![needed], ..Requires::default() };
    Topology { requires, ..Topology::two_hosts() }
}

#[harness::test(topology = demanding())]
#[ignore = "others run it"]
async fn needs_what_nobody_has(_lab: Lab) {
    panic!("it was run");
}
