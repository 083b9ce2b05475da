//! What the kernels of a lab tell: of all its namespaces, and those that come, as long as somebody listens.
//!
//! Nothing is asked of any kernel while nobody does.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};

use kernel::rtnl::{News, NewsStream};
use kernel::{Netns, Rtnl, Snapshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::{Inner, Lab};
use crate::diff::View;
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Events};
use crate::host::blocking;

/// Somebody listens, until all clones are dropped.
#[derive(Debug)]
pub(crate) struct Hearing {
    notices: Events,
    task: JoinHandle<()>,
}

impl Hearing {
    /// What was told so far, and will be.
    pub(crate) fn notices(&self) -> &Events {
        &self.notices
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.task.abort();
        self.notices.close();
    }
}

/// A namespace that is listened to.
struct Room {
    name: String,
    task: AbortHandle,
}

/// The namespaces that are listened to, by inode.
#[derive(Default)]
struct Rooms {
    all: BTreeMap<u64, Room>,
    tasks: JoinSet<()>,
}

impl Lab {
    /// Listens to the kernels from when this returns on, as long as what it returns is held; several listen as one.
    pub(crate) async fn hear(&self) -> Result<Arc<Hearing>> {
        if let Some(hearing) = self.heard() {
            return Ok(hearing);
        }
        let notices = Events::default();
        // Before the namespaces are looked for, so that those that come meanwhile are told of.
        let since = (self.events().next(), self.journal().next());
        let mut rooms = Rooms::default();
        rooms.look(self, &notices, true).await?;
        let task = tokio::spawn(attend(Arc::downgrade(&self.0), notices.clone(), rooms, since));
        let hearing = Arc::new(Hearing { notices, task });
        let mut slot = self.0.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have begun meanwhile.
        if let Some(hearing) = slot.upgrade() {
            return Ok(hearing);
        }
        *slot = Arc::downgrade(&hearing);
        Ok(hearing)
    }

    /// What is listened to, if somebody does.
    pub(crate) fn heard(&self) -> Option<Arc<Hearing>> {
        self.0.hearing.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

/// Follows the namespaces that come and go: when something has happened in the lab, or an engine has done something.
async fn attend(lab: Weak<Inner>, notices: Events, mut rooms: Rooms, since: (u64, u64)) {
    let (mut happened, mut done) = since;
    loop {
        let Some((events, journal)) = lab.upgrade().map(|lab| (lab.events.clone(), lab.journal.clone()))
        else {
            return;
        };
        tokio::select! {
            (news, next) = events.follow(happened) => {
                if news.is_empty() {
                    return;
                }
                happened = next;
            }
            (_, next) = journal.follow(done) => done = next,
            Some(_) = rooms.tasks.join_next() => continue,
        }
        let Some(lab) = lab.upgrade().map(Lab) else { return };
        // What cannot be looked at is coming or going; what comes is told of again.
        let _ = rooms.look(&lab, &notices, false).await;
    }
}

impl Rooms {
    /// Listens to these namespaces, and no others any more. What is there at the `first` time is no news.
    async fn look(&mut self, lab: &Lab, notices: &Events, first: bool) -> Result<()> {
        let mut wanted: BTreeMap<u64, (String, Netns)> = BTreeMap::new();
        for (name, netns) in lab.rooms(None)? {
            wanted.insert(netns.inode()?, (name, netns));
        }
        let all = std::mem::take(&mut self.all);
        for (inode, room) in all {
            if room.task.is_finished() {
                // It could not be listened to any more, and is again, if it is there still.
            } else if wanted.remove(&inode).is_some() {
                self.all.insert(inode, room);
            } else {
                room.task.abort();
                notices.push(Event::from(View::new(&room.name, Snapshot::default()).vanished()));
            }
        }
        for (inode, (name, netns)) in wanted {
            let (stream, holds) = match open(netns.clone()).await {
                Ok(opened) => opened,
                Err(why) if first => return Err(why),
                // It is coming or going.
                Err(_) => continue,
            };
            let view = View::new(&name, holds);
            if !first {
                view.appeared().into_iter().for_each(|change| notices.push(Event::from(change)));
            }
            let task = self.tasks.spawn(listen(view, stream, netns, notices.clone()));
            self.all.insert(inode, Room { name, task });
        }
        Ok(())
    }
}

/// Listens from before it is looked at: what happens between is told, and is no news then.
async fn open(netns: Netns) -> Result<(NewsStream, Snapshot)> {
    let (news, holds) = blocking(move || {
        let news = News::new(&netns)?;
        Ok((news, Rtnl::new(&netns)?.dump()?))
    })
    .await?;
    let deaf = |why| Error::new(Kind::Machine, format_args!("cannot listen to kernels: {why}"));
    Ok((news.stream().map_err(deaf)?, holds))
}

/// Says what the kernel of one namespace tells.
async fn listen(mut view: View, news: NewsStream, netns: Netns, notices: Events) {
    while let Ok((told, overflowed)) = news.next().await {
        let mut all = !overflowed;
        for notice in &told {
            all &= !view.is_part(notice);
            view.told(notice).into_iter().for_each(|change| notices.push(Event::from(change)));
        }
        if !all {
            // Some of it was lost, or is never told, so it is looked at.
            let there = netns.clone();
            let Ok(holds) = blocking(move || Rtnl::new(&there)?.dump()).await else { return };
            view.resynced(holds).into_iter().for_each(|change| notices.push(Event::from(change)));
        }
    }
}
