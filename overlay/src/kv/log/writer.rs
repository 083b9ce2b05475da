//! Who writes: one thread a store, which syncs in one go whatever has come together meanwhile.

use super::folder::{Error, Folder, line};
use crate::kv::store::{Delta, Store};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};
use tokio::sync::watch;

/// A store's log. Dropped, it writes what it still has, and lets go of its directory.
#[derive(Debug)]
pub(in crate::kv) struct Log {
    to: Option<Sender<Message>>,
    sent: u64,
    progress: watch::Receiver<Progress>,
    /// The writer would have a snapshot.
    is_long: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Delta(Delta),
    /// What all deltas before have led to.
    Whole(Delta),
}

/// How many deltas are on disk, and why there will be no more.
#[derive(Clone, Debug, Default)]
struct Progress {
    synced: u64,
    failed: Option<Arc<Error>>,
}

impl Log {
    /// A log in a directory that was opened.
    pub(in crate::kv) fn new(folder: Folder) -> io::Result<Log> {
        let (to, messages) = mpsc::channel();
        let (told, progress) = watch::channel(Progress::default());
        let is_long = Arc::new(AtomicBool::new(folder.is_long()));
        let long = Arc::clone(&is_long);
        let thread = Builder::new().name("kv-log".to_owned()).spawn(move || {
            if let Err(error) = write(folder, &messages, &told, &long) {
                tracing::error!(%error, "the store has lost its log");
                told.send_modify(|progress| progress.failed = Some(Arc::new(error)));
            }
        })?;
        Ok(Log { to: Some(to), sent: 0, progress, is_long, thread: Some(thread) })
    }

    /// Takes down what became of the store, which it is given as it is just then.
    pub(in crate::kv) fn take(&mut self, delta: Delta, store: &Store) {
        let Some(to) = &self.to else { return };
        if !delta.is_empty() {
            self.sent += 1;
            // Of a writer that is gone, `synced` tells.
            let _ = to.send(Message::Delta(delta));
        }
        if self.is_long.swap(false, Ordering::Relaxed) {
            let _ = to.send(Message::Whole(store.whole()));
        }
    }

    /// Waits until all that was taken down before is on disk.
    pub(in crate::kv) fn synced(&self) -> impl Future<Output = Result<(), Arc<Error>>> + use<> {
        let (sent, mut progress) = (self.sent, self.progress.clone());
        async move {
            let there = |progress: &Progress| progress.synced >= sent || progress.failed.is_some();
            let failed = match progress.wait_for(there).await {
                Ok(progress) => progress.failed.clone(),
                Err(_) => Some(Arc::new(Error::Closed)),
            };
            failed.map_or(Ok(()), Err)
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.to.take());
        if let Some(thread) = self.thread.take() {
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

/// Writes what comes until nothing comes any more.
fn write(
    mut folder: Folder,
    messages: &Receiver<Message>,
    told: &watch::Sender<Progress>,
    is_long: &AtomicBool,
) -> Result<(), Error> {
    // Asked for once: until it comes, the log is as long as it was.
    let mut is_asked = folder.is_long();
    while let Ok(message) = messages.recv() {
        let (mut lines, mut count, mut whole) = (Vec::new(), 0, None);
        for message in std::iter::once(message).chain(messages.try_iter()) {
            match message {
                Message::Delta(delta) => {
                    lines.extend(line(&delta));
                    count += 1;
                }
                Message::Whole(state) => {
                    whole = Some(state);
                    break;
                }
            }
        }
        if !lines.is_empty() {
            folder.append(&lines)?;
        }
        if let Some(whole) = whole {
            folder.compact(&whole)?;
            is_asked = false;
        }
        if folder.is_long() && !is_asked {
            is_asked = true;
            is_long.store(true, Ordering::Relaxed);
        }
        told.send_modify(|progress| progress.synced += count);
    }
    Ok(())
}
