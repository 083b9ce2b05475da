//! The number that tells one overlay's frames from another's.

use std::fmt;

use crate::docker;

/// A VXLAN network identifier, as Docker hands them out: from 256 up, of 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

impl Vni {
    /// The number, if it is one that an overlay can have.
    pub fn new(number: u32) -> Option<Vni> {
        (docker::VNI_FIRST..=docker::VNI_LAST).contains(&number).then_some(Vni(number))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_docker_hands_out_are_vnis() {
        assert_eq!(Vni::new(255), None);
        assert_eq!(Vni::new(256).map(Vni::get), Some(256));
        assert_eq!(Vni::new(0x00ff_ffff).map(Vni::get), Some(16_777_215));
        assert_eq!(Vni::new(0x0100_0000), None);
    }
}
