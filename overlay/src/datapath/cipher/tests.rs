//! What is planned, and in which order.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const VTEP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

fn network(number: u64) -> NetworkId {
    NetworkId::random(&mut fastrand::Rng::with_seed(number))
}

fn tunnel(number: u32, keyring: Keyring, peers: &[u8]) -> Tunnel {
    let peers = peers.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect();
    Tunnel { network: network(u64::from(number)), vni: Vni::new(256 + number).unwrap(), keyring, peers }
}

#[test]
fn both_ends_have_the_same_states_and_each_its_own_policy() {
    let here = Ciphers::of(VTEP, [&tunnel(0, Keyring::new([1; 16]), &[11])]);
    let there = Ciphers::of(Ipv4Addr::new(10, 0, 0, 11), [&tunnel(0, Keyring::new([1; 16]), &[10])]);
    assert_eq!(here.states, there.states);
    assert_eq!(here.states.len(), 2);
    let (ours, theirs) = (here.policies.first().unwrap(), there.policies.first().unwrap());
    assert_eq!((ours.by.source, theirs.by.source), (VTEP, Ipv4Addr::new(10, 0, 0, 11)));
    assert_eq!(ours.mark, 0xd000_0100);
    assert!(here.states.contains_key(&ours.by) && here.states.contains_key(&theirs.by));
}

#[test]
fn no_two_states_of_a_key_have_the_same_salt() {
    let peers: Vec<u8> = (11..111).collect();
    let (_, ring) = Keyring::new([1; 16]).begun([2; 16]).unwrap();
    let all = Ciphers::of(VTEP, &[tunnel(0, ring.clone(), &peers), tunnel(1, ring, &peers)]);
    assert_eq!(all.states.len(), 100 * 2 * 2 * 2);
    let salts: BTreeSet<[u8; 4]> = all.states.values().map(|secret| secret.salt).collect();
    assert_eq!(salts.len(), all.states.len());
    assert!(all.states.keys().all(|state| state.spi >= 256));
}

#[test]
fn rules_mark_keep_back_and_refuse() {
    let vnis = BTreeSet::from([Vni::new(256).unwrap(), Vni::new(0x00ab_cdef).unwrap()]);
    insta::assert_snapshot!(cipher_rules(&vnis).lines().join("\n"));
}

#[test]
fn whoever_changes_something_is_told_what_it_breaks() {
    let want = Ciphers::of(VTEP, [&tunnel(0, Keyring::new([1; 16]), &[11])]);
    let vnis = BTreeSet::from([Vni::new(256).unwrap()]);
    let have = Present { states: want.states.keys().copied().collect(), policies: want.policies.clone() };
    let lines = cipher_rules(&vnis).lines();
    assert_eq!(cipher_faults(&have, &lines, &want, &vnis), [""; 0]);
    let other = Present { states: BTreeSet::new(), policies: want.policies.clone() };
    let told = cipher_faults(&other, &lines[1..], &want, &vnis);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("is missing: what it encrypts is lost"), "{told:?}");
    let told = cipher_faults(&have, &lines, &Ciphers::default(), &BTreeSet::new());
    assert_eq!(told.len(), 4, "{told:?}");
}

/// What the kernel does with them.
fn apply(present: &mut Present, op: CipherOp) {
    let about = |policy: &Policy| (policy.by.source, policy.by.destination, policy.mark);
    match op {
        CipherOp::AddState(state) => assert!(present.states.insert(state), "it is there"),
        CipherOp::SetPolicy(policy) => {
            present.policies.retain(|other| about(other) != about(&policy));
            present.policies.insert(policy);
        }
        CipherOp::RemovePolicy(policy) => assert!(present.policies.remove(&policy), "it is not there"),
        CipherOp::RemoveState(state) => assert!(present.states.remove(&state), "it is not there"),
    }
}

prop_compose! {
    /// Some networks, their keys at any stage of a rotation.
    fn tunnels()(
        numbers in prop::collection::btree_map(0_u32..3, (0_u8..7, prop::collection::vec(11_u8..15, 0..4)), 0..3)
    ) -> Vec<Tunnel> {
        let ring = |steps: u8| (0..steps).fold(Keyring::new([1; 16]), |ring, step| match ring.advanced() {
            Some(next) => next,
            None => ring.begun([step + 2; 16]).unwrap().1,
        });
        numbers.into_iter().map(|(number, (steps, peers))| tunnel(number, ring(steps), &peers)).collect()
    }
}

proptest! {
    /// From whatever there is to whatever is wanted; no policy is ever without its state, and one that stays is always there.
    #[test]
    fn a_plan_makes_what_is_wanted_and_leaves_no_hole(have in tunnels(), want in tunnels()) {
        let (have, want) = (Ciphers::of(VTEP, &have), Ciphers::of(VTEP, &want));
        let mut present = Present { states: have.states.keys().copied().collect(), policies: have.policies };
        let about = |policies: &BTreeSet<Policy>| -> BTreeSet<(Ipv4Addr, u32)> {
            policies.iter().map(|policy| (policy.by.destination, policy.mark)).collect()
        };
        let stays: BTreeSet<_> = about(&present.policies).intersection(&about(&want.policies)).copied().collect();
        for op in cipher_plan(&present, &want) {
            apply(&mut present, op);
            prop_assert!(present.policies.iter().all(|policy| present.states.contains(&policy.by)), "{:?}", op);
            prop_assert!(about(&present.policies).is_superset(&stays), "{:?}", op);
        }
        prop_assert_eq!(&present.states, &want.states.keys().copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(&present.policies, &want.policies);
        prop_assert_eq!(cipher_plan(&present, &want), vec![]);
    }
}
