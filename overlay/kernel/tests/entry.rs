//! The re-execution cannot lie.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use kernel::{Netns, Rtnl};

#[kernel::isolate]
fn the_body_runs_as_pid_2_in_fresh_namespaces() {
    assert_eq!(std::process::id(), 2);
    assert!(kernel::entry::inside());
    let links = Rtnl::here().unwrap().links().unwrap();
    assert_eq!(links.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["lo"]);
    assert!(links[0].up);
    // Port 80 is free here, whatever the machine runs.
    std::net::TcpListener::bind("127.0.0.1:80").unwrap();
}

#[kernel::isolate]
#[should_panic(expected = "on purpose")]
fn a_panic_comes_through_with_its_message() {
    panic!("this is done on purpose");
}

#[kernel::isolate]
fn a_body_may_return_a_result() -> kernel::Result<()> {
    Netns::new("one")?.run(|| ())
}

#[kernel::isolate]
#[should_panic(expected = "no such thing")]
fn an_error_that_is_returned_is_a_failure() -> Result<(), String> {
    Err("no such thing".into())
}

#[test]
#[should_panic(expected = "never ran inside the lab")]
fn a_name_that_does_not_exist_is_no_success() {
    kernel::entry::trial("entry", "no_such_test", || ());
}

#[test]
fn a_name_that_does_not_exist_is_no_panic_either() {
    kernel::entry::panicking_trial("entry", "no_such_test", || ());
}
