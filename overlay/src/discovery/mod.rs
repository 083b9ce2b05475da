//! Who is alive: this host's own membership, and the absence of others.

mod absences;
mod membership;

pub(crate) use absences::Absences;
pub(crate) use membership::Membership;
