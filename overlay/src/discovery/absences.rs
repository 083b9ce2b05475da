//! How long hosts have been away that have endpoints. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::ledger::View;

/// Hosts that have endpoints in the store and no key of their own, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Absences(BTreeMap<Ipv4Addr, Instant>);

impl Absences {
    /// Notes who is away now.
    pub(crate) fn observe(&mut self, view: &View, now: Instant) {
        let endpoints = view.endpoints.values().flat_map(BTreeMap::values);
        let owners: BTreeSet<Ipv4Addr> = endpoints.map(|endpoint| endpoint.value.host).collect();
        let away: BTreeSet<Ipv4Addr> =
            owners.into_iter().filter(|host| !view.nodes.contains_key(host)).collect();
        self.0.retain(|host, _| away.contains(host));
        for host in away {
            self.0.entry(host).or_insert(now);
        }
    }

    /// The hosts that have been away for so long that nobody waits for them any more.
    pub(crate) fn given_up(&self, grace: Duration, now: Instant) -> impl Iterator<Item = Ipv4Addr> {
        self.0.iter().filter(move |(_, since)| now >= **since + grace).map(|(host, _)| *host)
    }

    /// When the next one of those will be given up that are not yet.
    pub(crate) fn next(&self, grace: Duration, now: Instant) -> Option<Instant> {
        self.0.values().map(|since| *since + grace).filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use ipnet::Ipv4Net;

    use super::*;
    use crate::id::{EndpointId, NetworkId};
    use crate::ledger::Stored;
    use crate::model::{Endpoint, Mac};

    #[test]
    fn a_host_is_given_up_once_it_was_away_for_the_grace_in_one_piece() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (network, id) = (NetworkId::random(&mut rng), EndpointId::random(&mut rng));
        let (ip, host) = (Ipv4Addr::new(192, 168, 0, 2), Ipv4Addr::new(10, 0, 0, 11));
        let value = Endpoint {
            id,
            network,
            name: "C1".to_owned(),
            anonymous: false,
            address: Ipv4Net::new_assert(ip, 24),
            address6: None,
            mac: Mac::of(ip),
            sandbox: None,
            host,
            aliases: vec![],
            publish: vec![],
        };
        let mut view = View::default();
        view.endpoints.entry(network).or_default().insert(id, Stored { index: 1, value });

        let (start, grace) = (Instant::now(), Duration::from_secs(10));
        let after = |seconds| start + Duration::from_secs(seconds);
        let given_up = |absences: &Absences, now| absences.given_up(grace, now).collect::<Vec<_>>();
        let mut absences = Absences::default();
        absences.observe(&view, start);
        assert_eq!(
            (given_up(&absences, after(9)), absences.next(grace, after(9))),
            (vec![], Some(after(10)))
        );
        view.nodes.insert(host, "10.0.0.11:2376".parse().unwrap());
        absences.observe(&view, after(9));
        view.nodes.clear();
        absences.observe(&view, after(10));
        assert!(given_up(&absences, after(19)).is_empty());
        assert_eq!((given_up(&absences, after(20)), absences.next(grace, after(20))), (vec![host], None));
    }
}
