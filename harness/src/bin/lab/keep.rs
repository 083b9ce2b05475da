//! A lab that is kept when a step fails: its name is claimed before it is built, and given back in the end.

use std::path::Path;

use harness::Error;
use harness::Kind;
use harness::stage::{Keep, Order};
use harness::state::{Claim, Root, State};

/// The name of a lab that may be kept, and the way to ask it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) keep: Keep,
    claim: Option<Claim>,
    state: State,
}

impl Kept {
    /// That somebody has the name already is an error.
    pub(crate) fn claim(file: &Path, order: &Order) -> Result<Kept, Error> {
        let topology = order.topology()?;
        let home = Root::open()?.lab(&topology.name)?;
        let mut claim = home.claim()?.map_err(|_| {
            let taken = format_args!(
                "a lab {0} is up already; `lab down {0}`, so that this one can be kept",
                topology.name
            );
            Error::new(Kind::Refused, taken)
        })?;
        let state = State::new(&topology.name, file, &topology.digest);
        claim.write(&state)?;
        let keep = Keep { listener: home.listen()?, remains: home.remains() };
        Ok(Kept { keep, claim: Some(claim), state })
    }

    /// Its shepherd is known now.
    pub(crate) fn belongs_to(&mut self, pid: u32) -> Result<(), Error> {
        self.state.pid = pid;
        self.write()
    }

    /// It is kept now, and can be asked.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        self.state.ready = true;
        self.write()
    }

    fn write(&mut self) -> Result<(), Error> {
        self.claim.as_mut().map_or(Ok(()), |claim| claim.write(&self.state))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            // What cannot be removed is found by `lab gc`.
            let _ = claim.remove();
        }
    }
}
