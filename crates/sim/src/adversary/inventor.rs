//! `Inventor`: makes up nodes next to whatever is looked for. Knows no wire and no world.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use khashmir::krpc::Reply;
use khashmir::{Contact, Id};

use super::colluder::NAMED;
use super::{Answer, Asked, Claim, Tamper};
use crate::chance::mix;

/// Answers every search with ids that it makes up next to the target, at the addresses of its accomplices, who answer
/// under them: the Sybil attack on one key that costs addresses but no search for ids (Cholez et al., "Efficient DHT
/// attack mitigation through peers' ID distribution", HotP2P 2010).
///
/// An invented id follows from target and address alone, so accomplices need not talk to one another. Queries without
/// a target, and all that were meant for an inventor itself, are answered under its own id.
#[derive(Clone, Debug)]
pub struct Inventor {
    decoys: Arc<Decoys>,
    addr: SocketAddr,
    claim: Claim,
}

impl Inventor {
    /// The inventor at `addr`, which is one of those in `decoys`, making `claim` about values.
    #[must_use]
    pub const fn new(decoys: Arc<Decoys>, addr: SocketAddr, claim: Claim) -> Self {
        Self { decoys, addr, claim }
    }
}

impl Tamper for Inventor {
    fn alter_answer(&mut self, asked: &Asked, answer: Answer) -> Option<Answer> {
        let Some(target) = asked.target() else { return Some(answer) };
        let all = self.decoys.near(&target);
        let own = all.iter().find(|decoy| decoy.addr == self.addr);
        let id = own.map_or(answer.id, |decoy| decoy.id);
        // Not all name the same: who asks several hears of all.
        let first = number(&answer.id) as usize % all.len().max(1);
        let decoys: Vec<_> = all.iter().cycle().skip(first).take(all.len().min(NAMED)).copied().collect();
        let reply = match answer.reply {
            Reply::FindNode { token, .. } => Reply::FindNode { nodes: decoys, token },
            Reply::FindValue { num, values, .. } => Reply::FindValue { nodes: decoys, num, values },
            other => other,
        };
        Some(Answer { id, reply: self.claim.alter(&target, &id, reply) })
    }
}

/// The addresses that inventors have between them, and which of them pose as neighbours of a target.
#[derive(Clone, Debug, Default)]
pub struct Decoys {
    /// The addresses of inventors whose own ids begin with 0 and with 1, those of one network together.
    sides: [Vec<Vec<SocketAddr>>; 2],
}

/// Bytes that an invented id shares with its target: more than any honest node shares with it, ever.
const SHARED: usize = 12;

impl Decoys {
    /// The addresses of these inventors, by the ids under which others know them.
    #[must_use]
    pub fn new(inventors: impl IntoIterator<Item = Contact>) -> Self {
        let mut sides: [BTreeMap<IpAddr, Vec<SocketAddr>>; 2] = Default::default();
        for Contact { id, addr } in inventors {
            sides[usize::from(id.bit(0))].entry(network(addr)).or_default().push(addr);
        }
        Self { sides: sides.map(|side| side.into_values().collect()) }
    }

    /// Those who pose as neighbours of `target`, under which ids: one in each network, at least as many as an answer names.
    ///
    /// They are taken from the other half of the id space: hardly anybody asks those under their own ids about
    /// `target`, so that an inventor that is asked knows under which id.
    #[must_use]
    pub fn near(&self, target: &Id) -> Vec<Contact> {
        let networks = &self.sides[usize::from(!target.bit(0))];
        let number = number(target) as usize;
        let (later, first) = networks.split_at(number.checked_rem(networks.len()).unwrap_or(0));
        let round = |round| {
            let has_more = move |network: &&Vec<SocketAddr>| round < network.len();
            let networks = first.iter().chain(later).filter(has_more);
            networks.map(move |network| network[(number % network.len() + round) % network.len()])
        };
        let addrs = (0..NAMED).flat_map(round).take(networks.len().max(NAMED));
        addrs.map(|addr| Contact::new(invented(target, addr), addr)).collect()
    }
}

/// The /24 that an address lies in; an IPv6 address stands for itself.
fn network(addr: SocketAddr) -> IpAddr {
    match addr.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, 0].into()
        }
        ip => ip,
    }
}

/// The id next to `target` under which the inventor at `addr` answers.
fn invented(target: &Id, addr: SocketAddr) -> Id {
    let at = match addr.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => mix(ip.to_bits() as u64) ^ (ip.to_bits() >> 64) as u64,
    };
    let mut id = *target.as_bytes();
    let word = mix(number(target) ^ mix(at << 16 | u64::from(addr.port())));
    id[SHARED..].copy_from_slice(&word.to_be_bytes());
    Id::new(id)
}

/// A number that depends on all that tells targets apart.
fn number(id: &Id) -> u64 {
    let (first, _) = id.as_bytes().split_at(8);
    mix(u64::from_be_bytes(first.try_into().expect("the first 8 of 20 bytes")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spread_over_prefixes;

    fn decoys(count: usize, prefixes: u32) -> Decoys {
        let id = |addr: &SocketAddr| Id::sha1(addr.to_string().as_bytes());
        Decoys::new(spread_over_prefixes(prefixes).take(count).map(|addr| Contact::new(id(&addr), addr)))
    }

    #[test]
    fn a_decoy_from_each_network_is_next_to_any_target() {
        let decoys = decoys(100, 16);
        for target in [&b"a"[..], b"b", b"c", b"d"].map(Id::sha1) {
            let near = decoys.near(&target);
            let networks: BTreeSet<_> = near.iter().map(|decoy| network(decoy.addr)).collect();
            assert_eq!((near.len(), near == decoys.near(&target)), (16, true));
            assert_eq!(networks.len(), 16, "{near:?}");
            assert!(near.iter().all(|decoy| decoy.id.distance(&target).shared_prefix_bits() >= 96));
            let ids: BTreeSet<_> = near.iter().map(|decoy| decoy.id).collect();
            assert_eq!(ids.len(), 16);
        }
    }

    #[test]
    fn different_targets_have_different_decoys() {
        let decoys = decoys(1000, 64);
        let addrs = |target: &[u8]| -> Vec<_> {
            decoys.near(&Id::sha1(target)).into_iter().map(|decoy| decoy.addr).collect()
        };
        assert_ne!(addrs(b"a"), addrs(b"b"));
    }

    #[test]
    fn few_networks_give_as_many_decoys_and_none_twice() {
        for prefixes in [1, 2, 3] {
            let addrs: BTreeSet<_> =
                decoys(40, prefixes).near(&Id::MAX).into_iter().map(|decoy| decoy.addr).collect();
            assert_eq!(addrs.len(), 8, "{prefixes}");
        }
    }

    #[test]
    fn few_inventors_are_few_decoys() {
        assert_eq!(Decoys::default().near(&Id::MAX), []);
        let alone = Contact::new(Id::NULL, "192.0.2.1:9".parse().unwrap());
        assert_eq!(Decoys::new([alone]).near(&Id::MAX).len(), 1);
        assert_eq!(Decoys::new([alone]).near(&Id::NULL), [], "it may be asked under its own id");
    }
}
