//! What each wire is to do, from the faults that are there.

use std::collections::BTreeMap;

use super::{Active, Fault, FaultId, Way};
use crate::topology::{Host, HostName, Wire};

/// The wires that are not bare: what they are like when nothing is wrong, and then, of the faults of a direction, the latest.
pub(crate) fn wires<'a>(
    hosts: impl IntoIterator<Item = &'a Host>,
    faults: impl IntoIterator<Item = &'a Fault>,
) -> BTreeMap<HostName, Wire> {
    let mut wires: BTreeMap<HostName, Wire> =
        hosts.into_iter().map(|host| (host.name.clone(), host.wire.clone())).collect();
    for fault in faults {
        let Fault::Wire { host, way, impairment } = fault else { continue };
        let wire = wires.entry(host.clone()).or_default();
        if matches!(way, Way::Up | Way::Both) {
            wire.up = Some((**impairment).clone());
        }
        if matches!(way, Way::Down | Way::Both) {
            wire.down = Some((**impairment).clone());
        }
    }
    for wire in wires.values_mut() {
        wire.up.take_if(|impairment| impairment.is_none());
        wire.down.take_if(|impairment| impairment.is_none());
    }
    wires.retain(|_, wire| *wire != Wire::default());
    wires
}

/// Whose doing it is what a wire does in a direction: of the faults that impair it the latest; nobody's, if that is how it is when
/// nothing is wrong.
pub(crate) fn blamed(faults: &[Active], host: &HostName, way: Way) -> Option<FaultId> {
    let is_meant = |active: &&Active| match &active.fault {
        Fault::Wire { host: its, way: its_way, .. } => {
            its == host && (*its_way == way || *its_way == Way::Both)
        }
        _ => false,
    };
    faults.iter().rev().find(is_meant).map(|active| active.id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::Impairment;

    fn delayed(host: &str, way: Way, millis: u64) -> Fault {
        let impairment = Impairment { delay: Duration::from_millis(millis), ..Impairment::default() };
        Fault::Wire { host: host.parse().expect("a name"), way, impairment: Box::new(impairment) }
    }

    fn delays(faults: &[Fault]) -> Vec<(String, Option<u128>, Option<u128>)> {
        let millis = |impairment: &Option<Impairment>| impairment.as_ref().map(|i| i.delay.as_millis());
        wires(&[], faults)
            .iter()
            .map(|(h, wire)| (h.to_string(), millis(&wire.up), millis(&wire.down)))
            .collect()
    }

    #[test]
    fn the_later_fault_of_a_direction_counts() {
        let both = [delayed("a", Way::Both, 5), delayed("a", Way::Down, 7), delayed("b", Way::Up, 1)];
        assert_eq!(delays(&both), [("a".into(), Some(5), Some(7)), ("b".into(), Some(1), None)]);
        assert_eq!(delays(&both[..1]), [("a".into(), Some(5), Some(5))]);
    }

    #[test]
    fn an_impairment_that_does_nothing_makes_a_bare_wire() {
        assert_eq!(delays(&[delayed("a", Way::Both, 5), delayed("a", Way::Both, 0)]), []);
    }
}
