//! Who answers what vxlan devices miss, from the store, as the article's daemons do: a look-up, an entry, and nothing after that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use kernel::rtnl::{Miss, MissStream, Misses};
use kernel::{Batch, Mac, Netns, Rtnl};
use tokio::task::JoinHandle;

use super::ByHand;
use crate::error::{Error, Kind, Result};
use crate::host::blocking;
use crate::lab::{Lab, WeakLab};

/// Somebody who answers, until this is dropped.
#[derive(Debug)]
pub(super) struct Answerer(JoinHandle<()>);

impl Drop for Answerer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All who answer, by the inode of the namespace where they do: it may have several names.
pub(super) type Answerers = BTreeMap<u64, Answerer>;

impl Answerer {
    /// From when this returns on.
    pub(super) async fn start(lab: WeakLab, netns: Netns, at: &str, prefix: &str) -> Result<Answerer> {
        let (misses, rtnl) = blocking(move || Ok((Misses::new(&netns)?, Rtnl::new(&netns)?))).await?;
        let deaf = |why| Error::new(Kind::Machine, format_args!("cannot listen for misses: {why}"));
        let stream = misses.stream().map_err(deaf)?;
        let (at, prefix) = (at.to_owned(), prefix.to_owned());
        Ok(Answerer(tokio::spawn(async move { answer(lab, stream, rtnl, &at, &prefix).await })))
    }
}

async fn answer(lab: WeakLab, misses: MissStream, rtnl: Rtnl, at: &str, prefix: &str) {
    while let Ok(missed) = misses.next().await {
        for miss in missed.all {
            let Some(lab) = lab.upgrade() else { return };
            let said = match look_up(&lab, &miss, prefix).await {
                Ok(Some(batch)) => match rtnl.apply(&batch.0) {
                    Ok(()) => batch.1,
                    Err(why) => why.to_string(),
                },
                Ok(None) => format!("{} is not known to the store", shown(&miss)),
                Err(why) => format!("{}: {why}", shown(&miss)),
            };
            lab.events().say("answerer", format_args!("{at}: {said}"));
        }
    }
}

fn shown(miss: &Miss) -> String {
    match miss {
        Miss::Address(_, ip) => ip.to_string(),
        Miss::Mac(_, mac) => mac.to_string(),
    }
}

/// The entry that the store has for what was missed, and what is said of it.
async fn look_up(lab: &Lab, miss: &Miss, prefix: &str) -> Result<Option<(Batch<'static>, String)>> {
    let key = match miss {
        Miss::Address(_, ip) => format!("{prefix}arp/{ip}"),
        Miss::Mac(_, mac) => format!("{prefix}fib/{mac}"),
    };
    let Some(pair) = lab.kv()?.get(&key).await? else { return Ok(None) };
    let value = String::from_utf8_lossy(&pair.value).into_owned();
    let wrong = |why: String| Error::new(Kind::Input, format_args!("key {key}: {why}"));
    Ok(Some(match miss {
        Miss::Address(dev, ip) => {
            let mac: Mac = value.parse().map_err(|why: kernel::mac::BadMac| wrong(why.to_string()))?;
            (Batch::new().neighbour(*dev, *ip, mac), format!("{ip} is at {mac}"))
        }
        Miss::Mac(dev, mac) => {
            let vtep: IpAddr = value.parse().map_err(|_| wrong(format!("`{value}` is not an address")))?;
            (Batch::new().fdb(*dev, *mac, vtep), format!("{mac} is behind {vtep}"))
        }
    }))
}

impl Lab {
    pub(super) fn keep_answerer(&self, at: &str, inode: u64, answerer: Answerer) -> Result<()> {
        let mut all = self.answerers();
        if all.get(&inode).is_some_and(|other| !other.0.is_finished()) {
            return Err(Error::new(Kind::Refused, format_args!("somebody answers in {at} already")));
        }
        all.insert(inode, answerer);
        Ok(())
    }

    pub(super) fn end_answerer(&self, at: &str, inode: u64) -> Result<()> {
        let none = || Error::new(Kind::NoSuch, format_args!("nobody answers in {at}"));
        self.answerers().remove(&inode).map(drop).ok_or_else(none)
    }

    /// Ends those whose namespaces are gone: they would keep them.
    pub(crate) fn dismiss_answerers(&self) -> Result<()> {
        if self.answerers().is_empty() {
            return Ok(());
        }
        let rooms = self.rooms(None)?.into_iter();
        let there = rooms.map(|(_, netns)| netns.inode()).collect::<kernel::Result<BTreeSet<u64>>>()?;
        self.answerers().retain(|inode, _| there.contains(inode));
        Ok(())
    }

    fn answerers(&self) -> MutexGuard<'_, Answerers> {
        self.by_hand().answerers()
    }
}

impl ByHand {
    /// Ends those who answer in these namespaces.
    pub(crate) fn dismiss<'a>(&self, gone: impl Iterator<Item = &'a Netns>) {
        // Of one that is closed already nobody answers.
        let gone: BTreeSet<u64> = gone.filter_map(|netns| netns.inode().ok()).collect();
        self.answerers().retain(|inode, _| !gone.contains(inode));
    }

    fn answerers(&self) -> MutexGuard<'_, Answerers> {
        self.answerers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
