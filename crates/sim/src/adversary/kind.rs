//! `AdversaryKind`: adversaries as plain data, for scenarios. Knows the world, and what each kind needs of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use khashmir::{Contact, Method};
use serde::{Deserialize, Deserializer, de};

use super::{
    Claim, Colluder, Decoys, Flood, Flooder, Inventor, Liar, MAX_PREFIXES, Ring, Swallower,
    spread_over_prefixes,
};
use crate::{Chance, HostId, World};

/// The adversaries that come with the simulator.
///
/// Two steps turn hosts into them: [`place`](Self::place) before the hosts are added, then, when they are known to the
/// others as honest nodes, [`possess`](Self::possess).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AdversaryKind {
    /// A [`Colluder`]: names none but its accomplices.
    Colluder {
        /// What it says about values.
        #[serde(default)]
        claim: Claim,
    },
    /// An [`Inventor`]: makes up nodes next to what is looked for.
    Inventor {
        /// In how many /24 networks inventors are. At least 1.
        prefixes: u32,
        /// What they say about values.
        #[serde(default)]
        claim: Claim,
    },
    /// A [`Liar`]: routes honestly, and lies about values.
    Liar {
        /// What it says about values.
        #[serde(default = "forgeries")]
        claim: Claim,
    },
    /// A [`Swallower`]: is in tables, and leaves queries unanswered.
    Swallower {
        /// Which. Those of all methods but `ping` and `join`, if nothing is said.
        #[serde(default = "useful", deserialize_with = "methods")]
        methods: Vec<Method>,
    },
    /// A [`Flooder`]: sends as much as it likes to honest nodes chosen at random, and is no node any more.
    Flooder {
        /// Datagrams that each flooder sends a second; more than 0, at most a million.
        per_second: f64,
        /// What the datagrams are.
        #[serde(default)]
        flood: Flood,
        /// The share of honest nodes that are flooded; 0 to 1.
        #[serde(default = "all")]
        aim: f64,
        /// The share of datagrams that goes in the name of another address, chosen at random; 0 to 1.
        #[serde(default)]
        forged: f64,
    },
}

/// A setting of adversaries that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct AdversaryError {
    /// The setting.
    pub key: &'static str,
    /// What would do.
    pub reason: &'static str,
}

impl AdversaryKind {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Names the setting that cannot.
    pub fn validate(&self) -> Result<(), AdversaryError> {
        let (holds, key, reason) = match self {
            Self::Colluder { .. } | Self::Liar { .. } => return Ok(()),
            Self::Inventor { prefixes, .. } => {
                ((1..=MAX_PREFIXES).contains(prefixes), "prefixes", "must be 1 to 2097152")
            }
            Self::Swallower { methods } => (!methods.is_empty(), "methods", "must name at least one method"),
            Self::Flooder { aim, .. } if !(0.0..=1.0).contains(aim) => (false, "aim", "must be 0 to 1"),
            Self::Flooder { forged, .. } if !(0.0..=1.0).contains(forged) => {
                (false, "forged", "must be 0 to 1")
            }
            Self::Flooder { per_second, .. } => (
                *per_second > 0.0 && *per_second <= 1e6,
                "per_second",
                "must be more than 0, at most 1000000",
            ),
        };
        if holds { Ok(()) } else { Err(AdversaryError { key, reason }) }
    }

    /// Do they send from addresses that are not theirs?
    pub(crate) fn forges(&self) -> bool {
        matches!(self, Self::Flooder { forged, .. } if *forged > 0.0)
    }

    /// Chooses addresses for hosts that are yet to be added and are to be possessed later, given by their
    /// [numbers](HostId::index). Only inventors are particular about them.
    ///
    /// # Panics
    /// If one of them has been added already, or if [`validate`](Self::validate) would fail.
    pub fn place(&self, world: &mut World, numbers: impl IntoIterator<Item = usize>) {
        if let Self::Inventor { prefixes, .. } = self {
            for (number, addr) in numbers.into_iter().zip(spread_over_prefixes(*prefixes)) {
                world.place(number, addr);
            }
        }
    }

    /// Turns the nodes at `hosts` into such adversaries, who know one another. They keep their ids, their tables and their
    /// places in the tables of others.
    ///
    /// # Panics
    /// If no engine runs at one of them, or if [`validate`](Self::validate) would fail.
    pub fn possess(&self, world: &mut World, hosts: &[HostId]) {
        match self {
            Self::Colluder { claim } => {
                let ring = Arc::new(Ring::new(contacts(world, hosts)));
                for host in hosts {
                    world.tamper(*host, Colluder::new(ring.clone(), *claim));
                }
            }
            Self::Inventor { claim, .. } => {
                let decoys = Arc::new(Decoys::new(contacts(world, hosts)));
                for host in hosts {
                    let addr = world.addr(*host);
                    world.tamper(*host, Inventor::new(decoys.clone(), addr, *claim));
                }
            }
            Self::Liar { claim } => hosts.iter().for_each(|host| world.tamper(*host, Liar::new(*claim))),
            Self::Swallower { methods } => {
                hosts.iter().for_each(|host| world.tamper(*host, Swallower::new(methods.iter().copied())));
            }
            Self::Flooder { per_second, flood, aim, forged } => {
                let interval = Duration::from_secs_f64(1.0 / per_second).max(Duration::from_micros(1));
                flood_from(world, hosts, *aim, |targets, chance| {
                    Flooder::new(targets, *flood, interval, chance).forging(*forged)
                });
            }
        }
    }
}

fn contacts(world: &World, hosts: &[HostId]) -> Vec<Contact> {
    hosts.iter().map(|host| world.contact(*host).expect("an engine runs there")).collect()
}

fn flood_from(
    world: &mut World,
    hosts: &[HostId],
    aim: f64,
    flooder: impl Fn(Arc<[SocketAddr]>, Chance) -> Flooder,
) {
    const PURPOSE: u64 = 0xf100d;
    const AIM: u64 = 0xa13;
    let flooders: BTreeSet<_> = hosts.iter().copied().collect();
    let is_aimed_at = |host: &HostId| Chance::of(world.seed(), &[AIM, host.index() as u64]).hits(aim);
    let is_target =
        |host: &HostId| world.engine(*host).is_some() && !flooders.contains(host) && is_aimed_at(host);
    let targets: Arc<[SocketAddr]> = world.hosts().filter(is_target).map(|host| world.addr(host)).collect();
    for host in hosts {
        let chance = Chance::of(world.seed(), &[PURPOSE, host.index() as u64]);
        world.possess(*host, |_| Box::new(flooder(targets.clone(), chance)));
    }
}

fn all() -> f64 {
    1.0
}

fn forgeries() -> Claim {
    Claim::Forgeries
}

fn useful() -> Vec<Method> {
    Swallower::USEFUL.to_vec()
}

fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Method>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let unknown = |name: &String| de::Error::custom(format!("there is no method {name:?}"));
    names.iter().map(|name| Method::from_name(name.as_bytes()).ok_or_else(|| unknown(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AdversaryKind, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn kinds_are_read_by_name_with_what_they_need() {
        use AdversaryKind::{Colluder, Flooder, Inventor, Liar, Swallower};
        for (text, kind) in [
            ("kind = 'colluder'", Colluder { claim: Claim::Nothing }),
            ("kind = 'colluder'\nclaim = 'forgeries'", Colluder { claim: Claim::Forgeries }),
            ("kind = 'inventor'\nprefixes = 16", Inventor { prefixes: 16, claim: Claim::Nothing }),
            ("kind = 'liar'", Liar { claim: Claim::Forgeries }),
            ("kind = 'swallower'", Swallower { methods: useful() }),
            ("kind = 'swallower'\nmethods = ['find_node']", Swallower { methods: vec![Method::FindNode] }),
            (
                "kind = 'flooder'\nper_second = 5",
                Flooder { per_second: 5.0, flood: Flood::Queries, aim: 1.0, forged: 0.0 },
            ),
        ] {
            assert_eq!(read(text), Ok(kind), "{text}");
        }
    }

    #[test]
    fn what_a_kind_does_not_know_is_refused() {
        for text in [
            "kind = 'saint'",
            "kind = 'inventor'",
            "kind = 'liar'\nprefixes = 16",
            "kind = 'swallower'\nmethods = ['get_peers']",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let error = |text| read(text).map(|kind| kind.validate().unwrap_err().to_string());
        assert_eq!(error("kind = 'inventor'\nprefixes = 0"), Ok("prefixes must be 1 to 2097152".to_owned()));
        assert!(error("kind = 'flooder'\nper_second = nan").is_ok());
        assert!(error("kind = 'swallower'\nmethods = []").is_ok());
        assert!(error("kind = 'flooder'\nper_second = 1\nforged = 2").is_ok());
    }
}
