//! Addresses for attackers who have only a few networks to attack from. Knows no hosts.

use std::net::{Ipv4Addr, SocketAddr};

use crate::address::PORT;

/// Networks that [`spread_over_prefixes`] can tell apart: all /24 of 128.0.0.0/3.
pub const MAX_PREFIXES: u32 = 1 << 21;

/// Hosts of a /24: without its first and last address.
const HOSTS: u32 = 254;

/// An odd factor permutes the networks, so that few of them share a shorter prefix.
const SPREAD: u32 = 0x2c1b_3c6d;

/// Public addresses in `prefixes` networks of 254 (/24), one of each network in turn; when all are taken, the same again
/// with other ports. None of them is an address that a [`World`](crate::World) gives to hosts by itself.
///
/// # Panics
/// If there are no prefixes, or more than [`MAX_PREFIXES`].
pub fn spread_over_prefixes(prefixes: u32) -> impl Iterator<Item = SocketAddr> {
    assert!((1..=MAX_PREFIXES).contains(&prefixes), "1 to {MAX_PREFIXES} prefixes");
    let hosts = (PORT..=u16::MAX).flat_map(|port| (1..=HOSTS).map(move |host| (host, port)));
    hosts.flat_map(move |(host, port)| {
        (0..prefixes).map(move |prefix| {
            let network = prefix.wrapping_mul(SPREAD) & (MAX_PREFIXES - 1);
            SocketAddr::new(Ipv4Addr::from_bits(128 << 24 | network << 8 | host).into(), port)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use khashmir::Scope;

    use super::*;

    #[test]
    fn addresses_are_public_and_different_and_in_so_many_prefixes() {
        let addrs: Vec<_> = spread_over_prefixes(16).take(10_000).collect();
        assert!(addrs.iter().all(|addr| Scope::PUBLIC.admits(*addr)));
        assert_eq!(addrs.iter().collect::<BTreeSet<_>>().len(), 10_000);
        let prefix = |addr: &SocketAddr| match addr.ip() {
            IpAddr::V4(ip) => ip.to_bits() >> 8,
            IpAddr::V6(_) => 0,
        };
        assert_eq!(addrs.iter().map(prefix).collect::<BTreeSet<_>>().len(), 16);
        assert_eq!(addrs[..16].iter().map(prefix).collect::<BTreeSet<_>>().len(), 16, "in turn");
    }
}
