//! Published ports in a lab: what Rust sees of them, and what a crash leaves of them.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use harness::fault::Fault;
use harness::lab::{Connect, Run};
use harness::topology::Topology;
use harness::{Error, Kind, Lab, Result, expect};
use overlay::model::Publish;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// `web` on `a`, with port 80 at a drawn one of the host and at 8080; `late` beside it.
fn publishing() -> Topology {
    let topology = Topology::builder().hosts(["a", "b"]).internet(["8.8.8.8"]);
    let topology = topology.network("red", "192.168.0.0/24").network("blue", "192.168.1.0/24");
    let topology = topology.container("web", "a", ["red"]).publishing(["80", "8080:80"]);
    topology.container("late", "b", ["red"]).build().unwrap()
}

/// Says hello to every caller, as long as somebody waits for it.
async fn greet(listener: TcpListener) -> std::io::Result<String> {
    loop {
        listener.accept().await?.0.write_all(b"hello").await?;
    }
}

/// What `b` hears at a port of `a`, while `web` greets at its port 80.
async fn heard(lab: &Lab, port: u16) -> Result<String> {
    let greeting = greet(lab.container("web")?.listen(80).await?);
    let mut stream = lab.host("b")?.connect("a", port).await?;
    let hear = async {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map(|_| text)
    };
    let said = tokio::select! {
        said = hear => said,
        failed = greeting => failed,
    };
    said.map_err(|why| Error::new(Kind::Machine, why))
}

#[harness::test(topology = publishing())]
async fn the_ports_of_a_container_can_be_asked_for_and_come_back_with_its_host(lab: Lab) -> Result {
    let drawn = |lab: &Lab| -> Result<u16> {
        let ports = lab.container("web")?.ports()?;
        assert_eq!(ports.len(), 2, "{ports:?}");
        assert_eq!(ports[1].to_string(), "0.0.0.0:8080->80/tcp");
        Ok(ports[0].host_port)
    };
    assert_eq!(heard(&lab, drawn(&lab)?).await?, "hello");
    assert_eq!(heard(&lab, 8080).await?, "hello");
    lab.connect(Connect {
        container: "web".into(),
        network: "blue".into(),
        aliases: vec!["www".into()],
        ..Connect::default()
    })
    .await?;

    let crash = lab.inject(Fault::Crash("a".parse()?)).await?;
    assert!(lab.container("web")?.ports().is_err(), "its host is down");
    crash.heal().await?;
    expect!(heard(&lab, 8080)).equals("hello").within("5s").await?;
    assert_eq!(heard(&lab, drawn(&lab)?).await?, "hello");
    // It comes back as it stood: with what it was connected to later, too.
    let shown = lab.inspect_container("web").await?;
    let aliases = &shown[0]["NetworkSettings"]["Networks"]["blue"]["Aliases"];
    assert!(aliases.as_array().unwrap().contains(&"www".into()), "{aliases}");
    Ok(())
}

#[harness::test(topology = publishing())]
async fn a_container_that_cannot_have_its_port_is_not_there(lab: Lab) -> Result {
    let run = |name: &str, ports: &str| Run {
        name: Some(name.into()),
        on: "a".into(),
        networks: vec!["red".into()],
        publish: Publish::parse(ports).unwrap(),
        ..Run::default()
    };
    let refused = lab.run(run("second", "127.0.0.1:8080:80")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.to_string().ends_with("failed: port is already allocated"), "{refused}");
    // A process of the host has its ports, too.
    let own = lab.host("a")?.listen(9000).await?;
    let refused = lab.run(run("second", "9000:80")).await.unwrap_err();
    assert!(
        refused.to_string().ends_with("listen tcp 0.0.0.0:9000: bind: address already in use"),
        "{refused}"
    );
    assert!(lab.container("second").is_err());
    drop(own);
    lab.run(run("second", "9000:80")).await?;
    assert_eq!(lab.container("second")?.ports()?.len(), 1);
    lab.remove_container("second").await?;
    lab.host("a")?.listen(9000).await.map(drop)
}

#[harness::test(topology = publishing())]
async fn a_port_that_somebody_led_elsewhere_is_said_and_put_right(lab: Lab) -> Result {
    use kernel::nft::Action;
    assert_eq!(lab.check(false).await?.findings, [""; 0]);
    let netns = lab.host("a")?.netns()?;
    let nft = kernel::nft::Nft::new(&netns)?;
    let published: Vec<_> =
        lab.container("web")?.ports()?.into_iter().map(|port| (port, [172, 18, 0, 2].into())).collect();
    let mut table = overlay::datapath::rules("172.18.0.0/16".parse().unwrap(), &published);
    assert!(table.lines().iter().all(|line| nft.rules().unwrap().contains(line)));
    for chain in &mut table.chains {
        for rule in
            chain.rules.iter_mut().filter(|rule| matches!(rule.action, Action::Dnat(to) if to.port() == 80))
        {
            rule.action = Action::Dnat("172.18.0.99:80".parse().unwrap());
        }
    }
    // The engine may mend it before anybody looks.
    let mut checked = lab.check(false).await?;
    for _ in 0..20 {
        nft.replace(&table)?;
        checked = lab.check(true).await?;
        if !checked.findings.is_empty() {
            break;
        }
    }
    let found = checked.findings.join("\n");
    assert!(
        found.contains("the published port 0.0.0.0:8080->80/tcp is not reached from elsewhere"),
        "{found}"
    );
    assert!(found.contains("dnat to 172.18.0.99:80`, which nothing asks for"), "{found}");
    assert_eq!((checked.repaired, &checked.remaining[..]), (true, &[][..] as &[String]));
    assert_eq!(heard(&lab, 8080).await?, "hello");
    Ok(())
}
