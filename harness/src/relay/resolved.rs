//! An impairment in numbers.

use std::collections::BTreeMap;

use super::select::Select;
use crate::error::Result;
use crate::fault::Impairment;
use crate::topology::NetworkName;

/// An impairment whose filter needs to ask nobody any more: the network it names has become VNIs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resolved {
    impairment: Impairment,
    only: Option<Select>,
    /// Whose doing it is: `fault 2`.
    by: String,
}

impl Resolved {
    /// The impairment, the VNIs of its network looked up. That nobody knows that network is an error.
    pub(crate) fn new(impairment: Impairment, vnis: &BTreeMap<NetworkName, Vec<u32>>) -> Result<Resolved> {
        let only = impairment.only.as_ref().map(|filter| Select::new(filter, vnis)).transpose()?;
        Ok(Resolved { impairment, only, by: String::new() })
    }

    /// The same, of which is known whose doing it is.
    #[must_use]
    pub(crate) fn by(self, whose: String) -> Resolved {
        Resolved { by: whose, ..self }
    }

    /// Whose doing it is.
    pub(super) fn whose(&self) -> &str {
        &self.by
    }

    /// As it was asked for.
    pub(crate) fn impairment(&self) -> &Impairment {
        &self.impairment
    }

    /// Whether a frame is impaired at all.
    pub(super) fn matches(&self, frame: &[u8]) -> bool {
        self.only.as_ref().is_none_or(|select| select.matches(frame))
    }
}
