//! The supervisor's side: every connection a task, every request an answer.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use super::{LONGEST, Reply, Request};
use crate::capture::Sink;
use crate::consul::Sought;
use crate::error::{Error, Kind, Result};
use crate::lab::{Lab, Sources};

/// Serves a lab until somebody asks for its end.
pub async fn serve(lab: Lab, listener: StdListener) -> Result<()> {
    let broken = |e| Error::new(Kind::Machine, format_args!("cannot serve the lab: {e}"));
    listener.set_nonblocking(true).map_err(broken)?;
    let listener = UnixListener::from_std(listener).map_err(broken)?;
    let end = Arc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(converse(lab.clone(), stream, Arc::clone(&end)));
                }
            }
            () = end.notified() => return Ok(()),
        }
    }
}

/// The way back to a client.
struct Way<'a>(&'a UnixStream);

impl Way<'_> {
    async fn send(&self, reply: &Reply, fds: &[OwnedFd]) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(reply).map_err(std::io::Error::other)?;
        line.push(b'\n');
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut left = line.as_slice();
        let mut first = borrowed.as_slice();
        while !left.is_empty() {
            self.0.writable().await?;
            let sent = self.0.try_io(tokio::io::Interest::WRITABLE, || {
                kernel::pass::send_some(self.0.as_fd(), left, first)
            });
            match sent {
                Ok(sent) => (left, first) = (&left[sent..], &[]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Returns when nobody is at the other end any more.
    async fn hung_up(&self) {
        match self.0.ready(tokio::io::Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => std::future::pending().await,
            _ => {}
        }
    }

    /// One of several. That nobody listens any more ends the answer.
    async fn item(&self, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).map_err(|e| Error::new(Kind::Machine, e))?;
        self.send(&Reply::Item(value), &[]).await.map_err(|e| Error::new(Kind::Machine, e))
    }
}

/// What comes at the end of an answer.
#[derive(Default)]
struct End {
    value: Value,
    fds: Vec<OwnedFd>,
    /// The lab is to end once this has been said.
    last: bool,
}

impl End {
    fn of(value: impl Serialize) -> Result<End> {
        let value = serde_json::to_value(value).map_err(|e| Error::new(Kind::Machine, e))?;
        Ok(End { value, ..End::default() })
    }
}

async fn converse(lab: Lab, mut stream: UnixStream, end: Arc<Notify>) {
    loop {
        let mut line = String::new();
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        match BufReader::new((&mut stream).take(limit)).read_line(&mut line).await {
            Ok(1..) => {}
            _ => return,
        }
        let way = Way(&stream);
        let answer = match serde_json::from_str(&line) {
            Ok(request) => answer(&lab, request, &way).await,
            Err(e) => Err(Error::new(Kind::Input, format_args!("the lab does not understand: {e}"))),
        };
        let (reply, fds, last) = match answer {
            Ok(end) => (Reply::Done(end.value), end.fds, end.last),
            Err(error) => (Reply::Failed(error), Vec::new(), false),
        };
        let sent = way.send(&reply, &fds).await;
        if last {
            end.notify_one();
        }
        if sent.is_err() {
            return;
        }
    }
}

async fn answer(lab: &Lab, request: Request, way: &Way<'_>) -> Result<End> {
    match request {
        Request::Report => End::of(lab.report().await?),
        Request::Enter { target } => {
            let place = lab.place(&target)?;
            let machine = place.machine().await?;
            // Where the client is, the tree of control groups may be mounted nowhere.
            let mut fds = vec![crate::host::duplicate(&machine.init())?];
            if let Some(door) = machine.admission().door() {
                fds.push(crate::host::duplicate(&door)?);
            }
            let value = json!({ "hostname": place.name(), "rootless": kernel::entry::rootless() });
            Ok(End { value, fds, last: false })
        }
        Request::Ping { from, to, count, interval } => {
            let to = lab.find(&from, &to).await?;
            let from = lab.place(&from)?;
            let mut echoes = lab.echoes(&from, to, count, Duration::from_millis(interval))?;
            while let Some(echo) = echoes.recv().await {
                way.item(echo?).await?;
            }
            End::of(to)
        }
        Request::Inspect { target } => End::of(lab.inspect(target.as_deref()).await?),
        Request::Graph => End::of(lab.graph().await?),
        Request::Passed { target } => End::of(lab.passed(target.as_deref()).await?),
        Request::Check { repair } => End::of(lab.check(repair).await?),
        Request::CreateNetwork { on, request } => End::of(lab.create_network(&on, request).await?),
        Request::Networks { on } => End::of(lab.networks(&on).await?),
        Request::InspectNetwork { on, name, verbose: false } => {
            End::of(lab.inspect_network(&on, &name).await?)
        }
        Request::InspectNetwork { on, name, verbose: true } => {
            End::of(lab.inspect_network_verbosely(&on, &name).await?)
        }
        Request::RemoveNetwork { on, name } => End::of(lab.remove_network(&on, &name).await?),
        Request::RotateKeys { on, name } => End::of(lab.rotate_keys(&on, &name).await?),
        Request::Connect(connect) => End::of(lab.connect(connect).await?),
        Request::Disconnect { container, network } => End::of(lab.disconnect(&container, &network).await?),
        Request::RunContainer(run) => End::of(lab.run(run).await?),
        Request::InspectContainer { name } => End::of(lab.inspect_container(&name).await?),
        Request::RenameContainer { name, to } => End::of(lab.rename_container(&name, &to).await?),
        Request::RemoveContainer { name } => End::of(lab.remove_container(&name).await?),
        Request::Inject { name, fault } => {
            let guard = match name {
                Some(name) => lab.inject_as(&name, fault).await?,
                None => lab.inject(fault).await?,
            };
            End::of(guard.forget())
        }
        Request::Heal { fault } => match fault.parse() {
            Ok(id) => End::of(lab.heal(id).await?),
            Err(_) => End::of(lab.heal_named(&fault).await?),
        },
        Request::HealAll => End::of(lab.heal_all().await?),
        Request::Schedule { nemesis, seed } => {
            End::of(nemesis.schedule(seed.unwrap_or_else(|| lab.seed_of("nemesis")), lab.topology())?)
        }
        Request::Endure { schedule } => tokio::select! {
            ended = lab.endure(&schedule) => End::of(ended?),
            () = way.hung_up() => Err(Error::new(Kind::Machine, "the client has gone")),
        },
        Request::Restart { host } => End::of(lab.restart(&host).await?),
        Request::Faults => {
            End::of(json!({ "faults": lab.faults(), "taken": lab.losses().await?, "wires": lab.wires() }))
        }
        Request::Get { key } => {
            let pair = lab.kv()?.get(&key).await?;
            End::of(pair.map(|pair| String::from_utf8_lossy(&pair.value).into_owned()))
        }
        Request::Keys { prefix } => {
            let pairs = lab.kv()?.list(&prefix).await?.pairs;
            End::of(pairs.into_iter().map(|pair| pair.key).collect::<Vec<_>>())
        }
        Request::Put { key, value } => End::of(lab.kv()?.put(&key, value.as_bytes()).await?),
        Request::Remove { key, recurse: false } => End::of(lab.kv()?.delete(&key).await?),
        Request::Remove { key, recurse: true } => End::of(lab.kv()?.delete_tree(&key).await?),
        Request::Watch { prefix } => watch(lab, &prefix, way).await,
        Request::DialStore => {
            let stream = lab.dial_store().await?.into_std();
            let stream = stream
                .map_err(|e| Error::new(Kind::Machine, format_args!("cannot pass a connection on: {e}")))?;
            Ok(End { fds: vec![stream.into()], ..End::default() })
        }
        Request::Probe { from, to, probe } => End::of(lab.follow(&from, &to, &probe).await?),
        Request::Capture { request } => {
            let broken = |e| Error::new(Kind::Machine, format_args!("cannot capture packets: {e}"));
            let (near, far) = StdStream::pair().map_err(broken)?;
            lab.record(&request, Sink::stream(near)).await?;
            Ok(End { fds: vec![far.into()], ..End::default() })
        }
        Request::Logs { target, follow } => logs(lab, target.as_deref(), follow, way).await,
        Request::Trace { sought, follow } => trace(lab, &sought, follow, way).await,
        Request::Events { follow, sources } => events(lab, follow, sources, way).await,
        Request::Down { wait } => {
            let mut fds = Vec::new();
            if wait {
                let all = lab.namespaces();
                let canary = kernel::Canary::new(&all.iter().collect::<Vec<_>>())?;
                fds.push(canary.into());
            }
            Ok(End { value: Value::Null, fds, last: true })
        }
    }
}

/// Says every change below `prefix`.
async fn watch(lab: &Lab, prefix: &str, way: &Way<'_>) -> Result<End> {
    let kv = lab.kv()?;
    let mut seen = kv.list(prefix).await?;
    loop {
        let now = kv.watch(prefix, seen.index, Duration::from_mins(5)).await?;
        for pair in &now.pairs {
            let before = seen.pairs.iter().find(|old| old.key == pair.key);
            if before.is_none_or(|old| old.modify_index != pair.modify_index) {
                let value = String::from_utf8_lossy(&pair.value);
                way.item(json!({ "key": pair.key, "index": pair.modify_index, "value": value })).await?;
            }
        }
        for old in seen.pairs.iter().filter(|old| now.pairs.iter().all(|pair| pair.key != old.key)) {
            way.item(json!({ "key": old.key, "index": now.index, "value": null })).await?;
        }
        seen = now;
    }
}

/// Says what the store was asked; following, as it is.
async fn trace(lab: &Lab, sought: &Sought, follow: bool, way: &Way<'_>) -> Result<End> {
    let mut from = 0;
    loop {
        let (asked, next) = if follow { lab.trace().follow(from).await } else { lab.trace().since(from) };
        for traced in asked.iter().filter(|traced| sought.fits(traced)) {
            way.item(traced).await?;
        }
        if !follow || asked.is_empty() {
            return Ok(End::default());
        }
        from = next;
    }
}

/// Says what happened, and what else those say who are to be heard; following, as it comes.
async fn events(lab: &Lab, follow: bool, sources: Sources, way: &Way<'_>) -> Result<End> {
    if !follow {
        for event in &lab.said(sources)? {
            way.item(event).await?;
        }
        return Ok(End::default());
    }
    let mut chronicle = lab.chronicle(sources).await?;
    loop {
        let all = tokio::select! {
            all = chronicle.next() => all,
            // Nobody is listened to for a client that has gone.
            () = way.hung_up() => return Ok(End::default()),
        };
        if all.is_empty() {
            return Ok(End::default());
        }
        for event in &all {
            way.item(event).await?;
        }
    }
}

/// Says what was printed, container by container, process by process; following, as it comes.
async fn logs(lab: &Lab, target: Option<&str>, follow: bool, way: &Way<'_>) -> Result<End> {
    let logs = match target {
        Some(name) => lab.logs_of(name).await?,
        None => lab.logs().await,
    };
    let (said, mut hear) = tokio::sync::mpsc::channel(64);
    for (name, log) in logs {
        let said = said.clone();
        tokio::spawn(async move {
            let mut from = 0;
            loop {
                let (lines, next) = if follow { log.follow(from).await } else { log.since(from) };
                let done = !follow || lines.is_empty();
                for line in lines {
                    let item = json!({ "container": name, "stream": line.stream, "text": line.text });
                    if said.send(item).await.is_err() {
                        return;
                    }
                }
                if done {
                    return;
                }
                from = next;
            }
        });
    }
    drop(said);
    while let Some(item) = hear.recv().await {
        way.item(item).await?;
    }
    Ok(End::default())
}
