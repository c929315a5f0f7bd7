//! `Scope`: which addresses a contact may have. Knows nothing but addresses.

use std::net::{IpAddr, SocketAddr};

use khashmir_types::is_private;

/// Which addresses, beside public ones, a node's contacts may have.
///
/// A contact that names an address nobody can be at (port 0, unspecified, multicast, broadcast, reserved)
/// is refused in every scope, and one out of scope is neither asked, nor remembered, nor handed on.
/// The default is the public internet: nothing but public addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Accept contacts at private addresses: 10/8, 172.16/12, 192.168/16, 100.64/10, link-local.
    pub private: bool,
    /// Accept contacts at loopback addresses: 127/8.
    pub loopback: bool,
}

impl Scope {
    /// Only public addresses.
    pub const PUBLIC: Self = Self { private: false, loopback: false };
    /// Every address that can be sent to: for test networks and for those who know what they do.
    pub const ANY: Self = Self { private: true, loopback: true };

    /// The scope that being at `addr` implies: a loopback address has loopback neighbours, a private
    /// one private neighbours; any other, the unspecified one included, has public neighbours only.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        Self { private: is_private(addr), loopback: addr.is_loopback() }
    }

    /// The addresses that either scope accepts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { private: self.private || other.private, loopback: self.loopback || other.loopback }
    }

    /// May a contact be at `addr`?
    #[must_use]
    pub fn admits(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        addr.port() != 0
            && !is_nobody(ip)
            && (self.loopback || !ip.is_loopback())
            && (self.private || !is_private(ip))
    }
}

/// Can nobody be at this address?
fn is_nobody(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.octets()[0] >= 224,
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(scope: Scope, addr: &str) -> bool {
        scope.admits(addr.parse().unwrap())
    }

    #[test]
    fn nobody_is_at_a_reserved_address() {
        for addr in
            ["192.0.2.1:0", "0.0.0.0:9", "0.1.2.3:9", "224.0.0.1:9", "240.0.0.1:9", "255.255.255.255:9"]
        {
            assert!(!admits(Scope::ANY, addr), "{addr}");
        }
    }

    #[test]
    fn a_public_node_refuses_private_and_loopback_contacts() {
        for addr in
            ["10.0.0.1:9", "172.16.0.1:9", "192.168.1.1:9", "169.254.1.1:9", "100.64.0.1:9", "127.0.0.1:9"]
        {
            assert!(!admits(Scope::PUBLIC, addr), "{addr}");
            assert!(admits(Scope::ANY, addr), "{addr}");
        }
        assert!(admits(Scope::PUBLIC, "198.51.100.7:9"));
        assert!(admits(Scope::PUBLIC, "172.32.0.1:9"));
    }

    #[test]
    fn the_bound_address_implies_the_scope() {
        let of = |ip: &str| Scope::of(ip.parse().unwrap());
        assert!(admits(of("127.0.0.1"), "127.9.9.9:9"));
        assert!(!admits(of("127.0.0.1"), "192.168.1.1:9"));
        assert!(admits(of("192.168.1.2"), "10.0.0.1:9"));
        assert!(!admits(of("192.168.1.2"), "127.0.0.1:9"));
        assert_eq!(of("0.0.0.0"), Scope::PUBLIC);
        assert_eq!(of("198.51.100.7"), Scope::PUBLIC);
    }
}
