//! The guide's first page: what a test in a lab looks like.
#![cfg(feature = "netns")]

use harness::fault::{Fault, Partition};
use harness::{Lab, expect};

#[harness::test(file = "scenarios/two-host.toml")]
async fn containers_lose_each_other_while_their_hosts_are_cut_off(lab: Lab) -> harness::Result {
    let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
    expect!(c1.ping(&c0)).await?;

    let between = Partition::Cut("docker0".parse()?, "docker1".parse()?);
    let cut = lab.inject(Fault::Partition(between)).await?;
    expect!(c1.ping(&c0)).never("300ms").await?;
    expect!(lab.host("docker0")?.ping("consul")).await?;

    cut.heal().await?;
    expect!(c1.ping(&c0)).within("5s").await
}
