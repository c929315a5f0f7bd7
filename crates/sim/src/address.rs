//! Where hosts are: an address for each host, and the host at an address. Knows no datagrams.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Names a host of a world. Hosts are numbered in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// Its number, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The addresses of all hosts. Most follow from the host's number, so that a million cost nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    special: BTreeMap<HostId, SocketAddr>,
    hosts: BTreeMap<SocketAddr, HostId>,
    /// Special addresses by IP alone, for hosts behind a NAT: its ports are the NAT's to choose.
    by_ip: BTreeMap<IpAddr, HostId>,
}

/// The port of every host that has no address of its own choice: the original's default.
pub(crate) const PORT: u16 = 9977;

/// The first of 2^30 public addresses: 32.0.0.0 to 95.255.255.255.
const FIRST: u32 = 32 << 24;
const MASK: u32 = (1 << 30) - 1;

/// An odd factor permutes the addresses, so that hosts are spread over all prefixes; and its inverse.
const SPREAD: u32 = 0x2c1b_3c6d;
const GATHER: u32 = inverse(SPREAD);

impl Addresses {
    /// Gives a host an address that does not follow from its number. The host that had it before loses it.
    pub(crate) fn set(&mut self, host: HostId, addr: SocketAddr) {
        self.special.insert(host, addr);
        self.hosts.insert(addr, host);
        self.by_ip.insert(addr.ip(), host);
    }

    pub(crate) fn of(&self, host: HostId) -> SocketAddr {
        if let Some(addr) = self.special.get(&host) {
            return *addr;
        }
        SocketAddr::new(Ipv4Addr::from_bits(FIRST + (host.0.wrapping_mul(SPREAD) & MASK)).into(), PORT)
    }

    /// The host that datagrams to `addr` reach, whatever it says to the port.
    pub(crate) fn host_at(&self, addr: SocketAddr, hosts: usize) -> Option<HostId> {
        if !self.hosts.is_empty()
            && let Some(host) = self.hosts.get(&addr).or_else(|| self.by_ip.get(&addr.ip()))
        {
            return (host.index() < hosts).then_some(*host);
        }
        let IpAddr::V4(ip) = addr.ip() else { return None };
        let offset = ip.to_bits().checked_sub(FIRST).filter(|offset| *offset <= MASK)?;
        let host = HostId(offset.wrapping_mul(GATHER) & MASK);
        (host.index() < hosts && !self.special.contains_key(&host)).then_some(host)
    }
}

/// The inverse of an odd number modulo 2^32, by Newton's iteration: each step doubles the bits that are right.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_found_at_its_address() {
        let mut addresses = Addresses::default();
        addresses.set(HostId(5), "[2001:db8::1]:7".parse().unwrap());
        for host in [0, 1, 5, 77, 999_999].map(HostId) {
            assert_eq!(addresses.host_at(addresses.of(host), 1_000_000), Some(host));
        }
        assert_eq!(addresses.host_at(addresses.of(HostId(9)), 9), None, "not added yet");
        assert_eq!(addresses.host_at("203.0.113.1:9977".parse().unwrap(), 1_000_000), None);
    }

    #[test]
    fn addresses_are_spread_over_prefixes() {
        let addresses = Addresses::default();
        let prefix = |host| match addresses.of(HostId(host)).ip() {
            IpAddr::V4(ip) => ip.to_bits() >> 8,
            IpAddr::V6(_) => 0,
        };
        let prefixes: std::collections::BTreeSet<_> = (0..1000).map(prefix).collect();
        assert!(prefixes.len() > 990, "{}", prefixes.len());
    }
}
