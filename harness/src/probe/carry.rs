//! Traffic between places of a lab.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::error::{Error, Kind, Result};
use crate::lab::Place;
use crate::traffic::Stop;

/// How often it is looked whether both ends are still there.
const LOOK: Duration = Duration::from_millis(50);

/// Stops a run when nobody waits for it any more.
struct Waited(Stop);

impl Drop for Waited {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs traffic beside the runtime. It is stopped when nobody waits any more, and when an end goes down, whose sockets would
/// otherwise outlive it: that is the error then.
pub(crate) async fn carry<R: Send + 'static>(
    ends: [&Place; 2],
    run: impl FnOnce(&Stop) -> Result<R> + Send + 'static,
) -> Result<R> {
    let stop = Stop::default();
    let waited = Waited(stop.clone());
    let mut running = spawn_blocking(move || run(&stop));
    loop {
        tokio::select! {
            ran = &mut running => return ran.map_err(|gone| Error::new(Kind::Machine, gone))?,
            () = sleep(LOOK) => {}
        }
        if let Some(down) = ends.iter().find_map(|end| end.netns().err()) {
            waited.0.stop();
            // Its sockets are closed when it has ended.
            let _ = running.await;
            return Err(down);
        }
    }
}
