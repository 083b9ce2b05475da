//! Names in a lab: by our own client and by the machine's, in containers and on hosts, and what is left afterwards.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;

use harness::lab::{Connect, Run};
use harness::topology::Topology;
use harness::{Container, Kind, Lab, expect};
use overlay::dns::Resolv;

/// Two hosts with a container each, and an outside with a name.
fn topology() -> Topology {
    let builder = Topology::builder().internet(["8.8.8.8", "8.8.4.4"]).dns([("example.com", "8.8.4.4")]);
    let builder = builder.plain_hosts(["consul"]).at("10.0.0.5").hosts(["docker0", "docker1"]);
    let builder = builder.network("demonet", "192.168.0.0/24").network("vault", "10.75.0.0/24").internal();
    let builder = builder.container("C0", "docker0", ["demonet"]).container("C1", "docker1", ["demonet"]);
    builder.container("V1", "docker1", ["vault"]).build().unwrap()
}

fn is_there(tool: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(tool).is_file());
    if !there {
        eprintln!("skipped: this machine has no `{tool}`");
        assert!(std::env::var_os("LAB_REQUIRE").is_none_or(|require| require != "1"), "{tool} is required");
    }
    there
}

#[harness::test(topology = topology())]
async fn names_lead_where_addresses_do(lab: Lab) -> harness::Result {
    let (c0, c1, v1) = (lab.container("C0")?, lab.container("C1")?, lab.container("V1")?);
    assert_eq!(c0.resolve("C1").await?, [c1.ip("demonet")?]);
    assert_eq!(c0.resolve("c1.demonet").await?, [c1.ip("demonet")?]);
    expect!(c0.ping("dns:C1")).await?;
    assert_eq!(c0.resolve("example.com").await?, [Ipv4Addr::new(8, 8, 4, 4)]);
    expect!(c0.ping("example.com")).await?;
    expect!(c0.connect("example.com", 7)).await?;
    assert_eq!(lab.host("docker0")?.resolve("Example.COM").await?, [Ipv4Addr::new(8, 8, 4, 4)]);

    let unknown = c0.resolve("V1").await.unwrap_err();
    assert_eq!((unknown.kind(), &*unknown.to_string()), (Kind::Refused, "C0 does not find V1: NXDOMAIN"));
    let unreachable = v1.resolve("example.com").await.unwrap_err();
    assert_eq!(unreachable.to_string(), "V1 does not find example.com: SERVFAIL");
    let lost = c0.ping("nowhere.example.com").await.unwrap_err();
    assert_eq!(lost.to_string(), "C0 does not find nowhere.example.com: NXDOMAIN");
    let wrong = c0.ping("C9").await.unwrap_err();
    assert_eq!(wrong.kind(), Kind::NoSuch, "without a dot it is a name of the lab: {wrong}");
    Ok(())
}

#[harness::test(topology = topology())]
async fn the_machines_own_programs_find_them(lab: Lab) -> harness::Result {
    let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
    let ip = c1.ip("demonet")?.to_string();
    if is_there("getent") {
        let said = c0.exec(&["getent", "ahostsv4", "C1"]).await?;
        assert!(said.stdout.starts_with(&ip), "{said}");
        let said = c0.exec(&["getent", "hosts", &ip]).await?;
        assert!(said.stdout.contains("C1.demonet"), "{said}");
        let said = c0.exec(&["getent", "ahostsv4", "example.com"]).await?;
        assert!(said.stdout.starts_with("8.8.4.4"), "{said}");
        let said = lab.host("docker1")?.exec(&["getent", "ahostsv4", "example.com"]).await?;
        assert!(said.stdout.starts_with("8.8.4.4"), "{said}");
        let said = lab.host("docker1")?.exec(&["getent", "ahostsv4", "consul"]).await?;
        assert!(said.stdout.starts_with("10.0.0.5"), "{said}");
        let said = c0.exec(&["getent", "ahostsv4", "V1"]).await?;
        assert_eq!(said.status, 2, "not found: {said}");
    }
    if is_there("python3") {
        let script = "import socket; print(sorted({a[4][0] for a in socket.getaddrinfo('C1', 80)}), \
                      socket.gethostbyaddr(socket.gethostbyname('C1'))[0])";
        let said = c0.exec(&["python3", "-c", script]).await?;
        assert_eq!(said.stdout.trim(), format!("['{ip}'] C1.demonet"), "{said}");
    }
    Ok(())
}

async fn files(container: &Container) -> harness::Result<(String, String)> {
    let hosts = container.exec(&["cat", "/etc/hosts"]).await?.stdout;
    Ok((hosts, container.exec(&["cat", "/etc/resolv.conf"]).await?.stdout))
}

#[harness::test(topology = topology())]
async fn a_containers_files_are_dockers_and_follow_its_networks(lab: Lab) -> harness::Result {
    let (localhost, resolv) = (
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        "nameserver 127.0.0.11\noptions ndots:0\n".to_owned(),
    );
    let c0 = lab.container("C0")?;
    assert_eq!(files(&c0).await?, (format!("{localhost}192.168.0.2\tC0\n"), resolv.clone()));
    lab.connect(Connect { container: "C0".into(), network: "vault".into(), ..Connect::default() }).await?;
    let both = format!("{localhost}192.168.0.2\tC0\n10.75.0.3\tC0\n");
    assert_eq!(files(&c0).await?, (both, resolv));
    assert_eq!(c0.resolve("V1").await?, [Ipv4Addr::new(10, 75, 0, 2)]);
    lab.disconnect("C0", "vault").await?;
    lab.disconnect("C0", "demonet").await?;
    let (hosts, resolv) = files(&c0).await?;
    assert_eq!((&*hosts, resolv.contains("nameserver")), (localhost, false));
    let host = lab.host("docker0")?.exec(&["cat", "/etc/resolv.conf"]).await?.stdout;
    assert!(host.ends_with("\nnameserver 8.8.8.8\n"), "{host}");
    Ok(())
}

#[harness::test(topology = topology())]
async fn names_are_looked_for_in_search_domains_as_the_c_library_does(lab: Lab) -> harness::Result {
    let run = |name: &str, options: &[&str]| Run {
        name: Some(name.into()),
        on: "docker0".into(),
        networks: vec!["demonet".into()],
        dns: Resolv {
            search: vec!["com".into(), "demonet".into()],
            options: options.iter().map(ToString::to_string).collect(),
            ..Resolv::default()
        },
        ..Run::default()
    };
    lab.run(run("usual", &[])).await?;
    lab.run(run("dotted", &["ndots:1", "timeout:1"])).await?;
    let (usual, dotted) = (lab.container("usual")?, lab.container("dotted")?);
    assert_eq!(files(&usual).await?.1, "search com demonet\nnameserver 127.0.0.11\noptions ndots:0\n");
    assert_eq!(
        files(&dotted).await?.1,
        "search com demonet\nnameserver 127.0.0.11\noptions ndots:1 timeout:1\n"
    );
    let (c1, world) = (lab.container("C1")?.ip("demonet")?, Ipv4Addr::new(8, 8, 4, 4));
    for container in [&usual, &dotted] {
        for (name, address) in [("C1", c1), ("C1.demonet", c1), ("C1.", c1), ("example", world)] {
            assert_eq!(container.resolve(name).await?, [address], "{name}");
            // The machine's own library, where it is one that reads the file.
            if is_there("getent") {
                let said = container.exec(&["getent", "ahostsv4", name]).await?.stdout;
                assert!(said.starts_with(&format!("{address} ")), "{name}: {said}");
            }
        }
        let error = container.resolve("example.").await.unwrap_err().to_string();
        assert!(error.contains("does not find example.: "), "{error}");
    }
    let wrong = lab.run(run("wrong", &["ndots:many"])).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "invalid ndots option ndots:many: write `ndots:` and a number, such as `ndots:1`"
    );
    Ok(())
}

#[harness::test(topology = topology())]
async fn a_name_that_was_drawn_is_not_found_and_dns_is_ones_own_choice(lab: Lab) -> harness::Result {
    let run = Run { on: "docker0".into(), networks: vec!["demonet".into()], ..Run::default() };
    let id = lab.run(run.clone()).await?;
    let drawn = lab.topology().containers.len();
    let c1 = lab.container("C1")?;
    assert_eq!(c1.resolve(&id[..12]).await?, [Ipv4Addr::new(192, 168, 0, 4)]);
    let report = lab.report().await?;
    let name = &report.containers[drawn].name;
    assert!(c1.resolve(name).await.is_err(), "{name} is found");

    // Of two that are asked, the first refuses: nobody listens on the host's port.
    let refuses = lab.host("docker1")?.ip();
    let dns = Resolv { servers: vec![refuses, Ipv4Addr::new(8, 8, 8, 8)], ..Resolv::default() };
    lab.run(Run { name: Some("own".into()), dns, ..run.clone() }).await?;
    assert_eq!(lab.container("own")?.resolve("example.com").await?, [Ipv4Addr::new(8, 8, 4, 4)]);
    lab.run(Run {
        name: Some("wrong".into()),
        dns: Resolv { servers: vec![refuses], ..Resolv::default() },
        ..run
    })
    .await?;
    let error = lab.container("wrong")?.resolve("example.com").await.unwrap_err();
    assert_eq!(error.to_string(), "wrong does not find example.com: SERVFAIL");
    Ok(())
}

#[harness::test(topology = topology())]
async fn a_container_goes_on_under_another_name(lab: Lab) -> harness::Result {
    let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
    let ip = c1.ip("demonet")?;
    let hosts = files(&c1).await?.0;
    lab.rename_container("C1", "web").await?;
    let web = lab.container("web")?;
    assert_eq!(c1.ip("demonet").unwrap_err().kind(), Kind::NoSuch);
    assert_eq!((web.ip("demonet")?, c0.resolve("web").await?), (ip, vec![ip]));
    assert!(c0.resolve("C1").await.is_err());
    expect!(c0.ping("web")).await?;
    assert_eq!(web.exec(&["hostname"]).await?.stdout, "C1\n", "its hostname stays");
    lab.connect(Connect { container: "web".into(), network: "vault".into(), ..Connect::default() }).await?;
    assert_eq!(lab.container("V1")?.resolve("web").await?, [web.ip("vault")?]);
    lab.disconnect("web", "vault").await?;
    assert_eq!(files(&web).await?.0, hosts);

    let taken = lab.rename_container("web", "C0").await.unwrap_err();
    assert!(
        taken.to_string().starts_with("Conflict. The container name \"/C0\" is already in use"),
        "{taken}"
    );
    let nobody = lab.rename_container("C1", "other").await.unwrap_err();
    assert_eq!(nobody.kind(), Kind::NoSuch);
    let same = lab.rename_container("web", "web").await.unwrap_err().to_string();
    assert_eq!(same, "Renaming a container with the same name as its current name");

    // It comes back by its new name.
    lab.crash("docker1")?;
    lab.restart("docker1").await?;
    assert_eq!(c0.resolve("web").await?, [ip]);
    assert_eq!(lab.check(false).await?.findings, [""; 0]);
    Ok(())
}

#[harness::test(topology = topology())]
async fn a_host_that_comes_back_has_its_names_again(lab: Lab) -> harness::Result {
    let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
    lab.crash("docker1")?;
    assert_eq!(c1.resolve("C0").await.unwrap_err().kind(), Kind::Down);
    lab.restart("docker1").await?;
    assert_eq!(c1.resolve("C0").await?, [c0.ip("demonet")?]);
    assert_eq!(c0.resolve("C1").await?, [c1.ip("demonet")?]);
    expect!(c1.ping("dns:C0")).within("5s").await
}

#[harness::test(topology = Topology::two_hosts())]
async fn without_names_outside_there_are_those_of_containers(lab: Lab) -> harness::Result {
    let c1 = lab.container("C1")?;
    assert_eq!(c1.resolve("C0").await?, [Ipv4Addr::new(192, 168, 0, 100)]);
    let unknown = c1.resolve("example.com").await.unwrap_err();
    assert_eq!(unknown.to_string(), "C1 does not find example.com: NXDOMAIN");
    let none = lab.host("docker0")?.resolve("C0").await.unwrap_err();
    assert_eq!(none.to_string(), "host docker0 has no name server");
    Ok(())
}
