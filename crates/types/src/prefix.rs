//! `Prefix`: the network that an address lies in, as far as one owner may have all of it. Knows nothing but addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network whose addresses cost its owner little more than one of them: an IPv4 /24 or an IPv6 /64.
///
/// Whoever invents nodes needs an address for each, but addresses come by the prefix (Urdaneta, Pierre and van Steen,
/// "A survey of DHT security techniques", ACM Computing Surveys 2011, section 4.3). /24 and /64 are what libtorrent and
/// discv5 count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 64 bits of an IPv6 address.
    V6([u8; 8]),
}

impl Prefix {
    /// The prefix of a public address; `None` for loopback and [private](is_private) ones, which have no owner who could
    /// be told from another by them: a whole LAN is one prefix, and a test network one address.
    ///
    /// An IPv4 address mapped into IPv6 is itself.
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        let ip = ip.to_canonical();
        (!ip.is_loopback() && !is_private(ip)).then(|| match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        })
    }

    /// Does `ip` lie in it?
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self, ip.to_canonical()) {
            (Self::V4(prefix), IpAddr::V4(ip)) => ip.octets().starts_with(prefix),
            (Self::V6(prefix), IpAddr::V6(ip)) => ip.octets().starts_with(prefix),
            _ => false,
        }
    }
}

/// Is this an address of a private network, which says nothing outside of it: 10/8, 172.16/12, 192.168/16, 100.64/10,
/// link-local ones, and what is like them in IPv6? Loopback addresses are not.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    let is_private_v4 = |ip: Ipv4Addr| {
        let [a, b, ..] = ip.octets();
        ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
    };
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || maps_private(ip),
    }
}

/// An IPv4-mapped address is as private as the address it maps.
fn maps_private(ip: Ipv6Addr) -> bool {
    ip.to_ipv4_mapped().is_some_and(|ip| is_private(IpAddr::V4(ip)) || ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Option<Prefix> {
        Prefix::of(ip.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_prefix() {
        assert_eq!(of("198.51.100.7"), of("198.51.100.250"));
        assert_ne!(of("198.51.100.7"), of("198.51.101.7"));
        assert_eq!(of("::ffff:198.51.100.7"), of("198.51.100.8"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn a_prefix_contains_those_whose_prefix_it_is() {
        let ips = [
            "198.51.100.7",
            "::ffff:198.51.100.9",
            "198.51.101.7",
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:1::1",
        ];
        let ips = ips.map(|ip| ip.parse::<IpAddr>().unwrap());
        for (one, other) in ips.iter().flat_map(|one| ips.map(|other| (*one, other))) {
            assert_eq!(
                Prefix::of(one).unwrap().contains(other),
                Prefix::of(one) == Prefix::of(other),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn who_is_on_a_lan_or_on_this_host_has_none() {
        for ip in
            ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1", "fe80::1", "fd00::1"]
        {
            assert_eq!(of(ip), None, "{ip}");
        }
    }
}
