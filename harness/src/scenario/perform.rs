//! A verb done on a lab, and what came out of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kernel::Netns;

use overlay::dns::{Data, Rcode, Record};

use super::expect::Outcome;
use super::look::look;
use super::step::{
    ContainerVerb, DNS, Destination, Exec, FaultVerb, HealVerb, INTERNET, IPV6, KvVerb, Listen, NemesisVerb,
    NetworkVerb, Ping, Resolve, Target, Tcp, Udp, Verb, Wait,
};
use super::throughput::throughput;
use crate::error::{Error, Kind, Result};
use crate::lab::{Echoed, Lab, Place, request};
use crate::probe::{self, Answer, Echo};

/// What a try brought.
#[derive(Debug)]
pub(super) struct Tried {
    /// What came out; an error if it could not even be tried.
    pub(super) outcome: Result<Outcome>,
    /// What else there is to say, should it not be what was expected.
    pub(super) notes: Vec<String>,
}

impl From<Result<Outcome>> for Tried {
    fn from(outcome: Result<Outcome>) -> Tried {
        Tried { outcome, notes: Vec::new() }
    }
}

/// Does what a verb says, once. Dropping the future stops it.
pub(super) async fn perform(lab: &Lab, verb: &Verb) -> Tried {
    match verb {
        Verb::Ping(verb) => ping(lab, verb).await,
        Verb::Exec(verb) => exec(lab, verb).await.into(),
        Verb::Tcp(verb) => tcp(lab, verb).await.map(Outcome::Answer).into(),
        Verb::Udp(verb) => udp(lab, verb).await.map(Outcome::Answer).into(),
        Verb::Throughput(verb) => throughput(lab, verb).await,
        Verb::Resolve(verb) => resolve(lab, verb).await.into(),
        Verb::Kv(verb) => kv(lab, verb).await.into(),
        Verb::Network(verb) => requested(network(lab, verb).await),
        Verb::Container(verb) => requested(container(lab, verb).await),
        Verb::Check(check) | Verb::Wait(Wait::Until(check)) => {
            look(lab, check).await.map(Outcome::Fact).into()
        }
        Verb::Fault(verb) => requested(fault(lab, verb).await),
        Verb::Heal(verb) => requested(heal(lab, verb).await),
        Verb::Make(make) => requested(lab.make(make).await.map(|()| String::new())),
        Verb::Unmake(unmake) => requested(lab.unmake(unmake).await.map(|()| String::new())),
        Verb::Nemesis(verb) => nemesis(lab, verb).await,
        // Whoever plays steps plays those within a step.
        Verb::Repeat(_) | Verb::Parallel(_) | Verb::Capture(_) | Verb::Diff(_) | Verb::Events(_) => {
            Ok(Outcome::Fact(Ok(()))).into()
        }
        Verb::Wait(Wait::Time(time)) => {
            // The time that the file asks to wait, for what cannot be observed.
            tokio::time::sleep(*time).await;
            Ok(Outcome::Fact(Ok(()))).into()
        }
    }
}

/// A request is done, or refused with a reason; both are outcomes.
fn requested(done: Result<String>) -> Tried {
    Ok(Outcome::Request(done.map_err(|why| why.to_string()))).into()
}

/// A target as the lab's verbs take it.
pub(super) fn named(target: &Target) -> String {
    match target {
        Target::Host(name) => format!("host:{name}"),
        Target::Container(name) => format!("container:{name}"),
        Target::Internet => INTERNET.to_owned(),
    }
}

/// A destination as the lab's verbs take it.
pub(super) fn addressed(to: &Destination) -> String {
    match to {
        Destination::Address(ip) => ip.to_string(),
        Destination::Host(name) => format!("host:{name}"),
        Destination::Name(name) => format!("{DNS}{name}"),
        Destination::Ipv6(to) => format!("{IPV6}{}", addressed(to)),
        Destination::Container { name, network: None } => format!("container:{name}"),
        Destination::Container { name, network: Some(network) } => format!("container:{name}@{network}"),
    }
}

/// What cannot be sent is lost: a host that is down pings nobody.
async fn ping(lab: &Lab, ping: &Ping) -> Tried {
    let lost = |why: String| Tried {
        outcome: Ok(Outcome::Echoes { sent: ping.count, round_trips: Vec::new() }),
        notes: vec![why],
    };
    let ends = async {
        let to = lab.find(&named(&ping.from), &addressed(&ping.to)).await?;
        Ok::<_, Error>((lab.at(&ping.from)?, to))
    };
    let (from, to) = match ends.await {
        Ok(ends) => ends,
        // A host that is down pings nobody, and what has no name here is not found.
        Err(why) if matches!(why.kind(), Kind::Down | Kind::Refused) => return lost(why.to_string()),
        Err(why) => return Err(why).into(),
    };
    let mut echoes = match lab.echoes(&from, to, ping.count, ping.interval) {
        Ok(echoes) => echoes,
        Err(why) if why.kind() == Kind::Down => return lost(why.to_string()),
        Err(why) => return Err(why).into(),
    };
    let (mut round_trips, mut notes) = (Vec::new(), Vec::new());
    while let Some(echo) = echoes.recv().await {
        let note = match echo {
            Ok(Echoed::Answered(nanos)) => {
                round_trips.push(std::time::Duration::from_nanos(nanos));
                continue;
            }
            Ok(Echoed::Silent) => continue,
            Ok(Echoed::Unreachable) => format!("there is no way from {} to {to}", ping.from),
            Err(why) => why.to_string(),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    Tried { outcome: Ok(Outcome::Echoes { sent: ping.count, round_trips }), notes }
}

async fn exec(lab: &Lab, exec: &Exec) -> Result<Outcome> {
    let at = lab.at(&exec.on)?;
    let exited = probe::exec(&at, &exec.command, exec.stdin.as_deref()).await?;
    Ok(Outcome::Exit { status: exited.status, stdout: exited.stdout, stderr: exited.stderr })
}

async fn tcp(lab: &Lab, tcp: &Tcp) -> Result<Answer> {
    let (from, to) = match ends(lab, &tcp.from, &tcp.to, tcp.port).await {
        Err(why) if why.kind() == Kind::Refused => return Ok(Err(why.to_string())),
        ends => ends?,
    };
    let listen = tcp.listen.as_ref().map(|listen| place_to_listen(lab, listen, &tcp.to, to)).transpose()?;
    let echo = listen.map(|(netns, at)| Echo::tcp(&netns, at)).transpose()?;
    let answer = probe::tcp(&from.netns()?, to, tcp.send.as_deref()).await;
    if let Some(echo) = echo {
        echo.close().await;
    }
    answer
}

async fn udp(lab: &Lab, udp: &Udp) -> Result<Answer> {
    let (from, to) = match ends(lab, &udp.from, &udp.to, udp.port).await {
        Err(why) if why.kind() == Kind::Refused => return Ok(Err(why.to_string())),
        ends => ends?,
    };
    let listen = udp.listen.as_ref().map(|listen| place_to_listen(lab, listen, &udp.to, to)).transpose()?;
    let echo = listen.map(|(netns, at)| Echo::udp(&netns, at)).transpose()?;
    let answer = probe::udp(&from.netns()?, to, &udp.send).await;
    if let Some(echo) = echo {
        echo.close().await;
    }
    answer
}

/// Both ends. That a name is not found is a refusal.
async fn ends(lab: &Lab, from: &Target, to: &Destination, port: u16) -> Result<(Place, SocketAddr)> {
    let ip = lab.find(&named(from), &addressed(to)).await?;
    Ok((lab.at(from)?, SocketAddr::new(ip, port)))
}

/// Where the lab listens for what is sent to an address.
fn place_to_listen(
    lab: &Lab,
    listen: &Listen,
    far: &Destination,
    to: SocketAddr,
) -> Result<(Netns, SocketAddr)> {
    match listen {
        Listen::There => Ok((far_end(lab, far)?.netns()?, to)),
        Listen::At { on, port } => {
            let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port);
            Ok((lab.at(on)?.netns()?, any))
        }
    }
}

/// Where the lab can listen.
pub(super) fn far_end(lab: &Lab, to: &Destination) -> Result<Place> {
    match to {
        Destination::Host(name) => lab.at(&Target::Host(name.clone())),
        Destination::Container { name, .. } => lab.at(&Target::Container(name.clone())),
        Destination::Ipv6(to) => far_end(lab, to),
        Destination::Address(_) | Destination::Name(_) => Err(Error::new(
            Kind::Input,
            format_args!("the lab cannot listen at {to}: it is nobody's by name"),
        )),
    }
}

async fn resolve(lab: &Lab, resolve: &Resolve) -> Result<Outcome> {
    let response = match lab.ask(&lab.at(&resolve.from)?, &resolve.question).await {
        Ok(response) => response,
        Err(why) => return Ok(Outcome::Found(Err(why.to_string()))),
    };
    let shown = |record: Record| match record.data {
        Data::A(ip) => ip.to_string(),
        Data::Aaaa(ip) => ip.to_string(),
        Data::Ptr(name) => name,
    };
    Ok(Outcome::Found(match response.code {
        Rcode::NOERROR => Ok(response.answers.into_iter().map(shown).collect()),
        code => Err(code.to_string()),
    }))
}

async fn kv(lab: &Lab, verb: &KvVerb) -> Result<Outcome> {
    let kv = || lab.kv();
    let done = |done: Result<(), overlay::kv::Error>| {
        Outcome::Request(done.map(|()| String::new()).map_err(|why| why.to_string()))
    };
    Ok(match verb {
        KvVerb::Get { key } => {
            let pair = kv()?.get(key).await?;
            Outcome::Value(pair.map(|pair| String::from_utf8_lossy(&pair.value).into_owned()))
        }
        KvVerb::Ls { prefix } => {
            let pairs = kv()?.list(prefix).await?.pairs;
            Outcome::Keys(pairs.into_iter().map(|pair| pair.key).collect())
        }
        KvVerb::Put { key, value } => done(kv()?.put(key, value.as_bytes()).await),
        KvVerb::Rm { key, recurse: false } => done(kv()?.delete(key).await),
        KvVerb::Rm { key, recurse: true } => done(kv()?.delete_tree(key).await),
        KvVerb::Trace { sought, since } => {
            let (asked, forgotten) = lab.asked_since(since.as_deref())?;
            let found = asked.iter().filter(|traced| sought.fits(traced)).map(ToString::to_string).collect();
            Outcome::Requests { found, forgotten }
        }
    })
}

async fn network(lab: &Lab, verb: &NetworkVerb) -> Result<String> {
    match verb {
        NetworkVerb::Create(network) => lab.create_network(network.on.as_str(), request(network)).await,
        NetworkVerb::Rm { on, name } => lab.remove_network(on.as_str(), name.as_str()).await,
        NetworkVerb::Rotate { on, name } => {
            lab.rotate_keys(on.as_str(), name.as_str()).await.map(|key| format!("key {key}"))
        }
        NetworkVerb::Connect(connect) => lab.connect(connect.clone()).await.map(|()| String::new()),
        NetworkVerb::Disconnect { container, name } => {
            lab.disconnect(container.as_str(), name.as_str()).await.map(|()| String::new())
        }
        NetworkVerb::Inspect { on, name, verbose: false } => {
            json(&lab.inspect_network(on.as_str(), name.as_str()).await?)
        }
        NetworkVerb::Inspect { on, name, verbose: true } => {
            json(&lab.inspect_network_verbosely(on.as_str(), name.as_str()).await?)
        }
        NetworkVerb::Ls { on } => json(&lab.networks(on.as_str()).await?),
    }
}

async fn container(lab: &Lab, verb: &ContainerVerb) -> Result<String> {
    match verb {
        ContainerVerb::Run(container) => {
            let ran = lab.run_container(container).await?;
            lab.settle().await?;
            Ok(format!("{:#}", ran.this.id))
        }
        ContainerVerb::Rm { name } => {
            lab.remove_container(name.as_str()).await?;
            Ok(String::new())
        }
    }
}

/// It stays until it is healed, or the lab ends.
async fn fault(lab: &Lab, verb: &FaultVerb) -> Result<String> {
    let fault = verb.fault.clone().seeded(|| lab.seed_of(&format!("fault {}", lab.faults().len())));
    let guard = match &verb.name {
        Some(name) => lab.inject_as(name, fault).await?,
        None => lab.inject(fault).await?,
    };
    Ok(guard.forget().to_string())
}

async fn heal(lab: &Lab, verb: &HealVerb) -> Result<String> {
    match verb {
        HealVerb::All => lab.heal_all().await.map(|healed| healed.to_string()),
        HealVerb::Named(name) => lab.heal_named(name).await.map(|()| String::new()),
    }
}

/// Should it fail, what it did is told.
async fn nemesis(lab: &Lab, verb: &NemesisVerb) -> Tried {
    let seed = verb.seed.unwrap_or_else(|| lab.seed_of("nemesis"));
    let schedule = match verb.nemesis.schedule(seed, lab.topology()) {
        Ok(schedule) => schedule,
        Err(why) => return Err(why).into(),
    };
    let ended = lab.endure(&schedule).await;
    Tried {
        outcome: Ok(Outcome::Fact(ended.map_err(|why| why.to_string()))),
        notes: schedule.to_string().lines().map(str::to_owned).collect(),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::new(Kind::Machine, e))
}
