//! `Publisher`: on whose account a value is kept. Knows no storage.

use std::net::{IpAddr, Ipv6Addr};

/// Whose value it is, as far as quotas go.
///
/// Addresses of one network count as one: whoever has one address of a /24 or a /64 has them all, or is next door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Publisher {
    /// We ourselves, or whoever we trust like that. Has no quota, and is never asked to make room.
    Ourselves,
    /// Any address that begins with these bytes.
    V4([u8; 3]),
    /// Any address that begins with these bytes.
    V6([u8; 8]),
}

impl Publisher {
    /// The bytes of an encoded publisher.
    pub(crate) const LEN: usize = 9;

    /// The publisher at an address. An IPv4 address written as an IPv6 one is the same publisher.
    #[must_use]
    pub fn at(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => Self::V6(network(ip)),
        }
    }

    /// Nine bytes, which order as publishers do.
    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        match self {
            Self::Ourselves => [0; Self::LEN],
            Self::V4([a, b, c]) => [1, a, b, c, 0, 0, 0, 0, 0],
            Self::V6([a, b, c, d, e, f, g, h]) => [2, a, b, c, d, e, f, g, h],
        }
    }

    /// The publisher for which these bytes stand, or `None` if they stand for none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [0, 0, 0, 0, 0, 0, 0, 0, 0] => Some(Self::Ourselves),
            [1, a, b, c, 0, 0, 0, 0, 0] => Some(Self::V4([a, b, c])),
            [2, a, b, c, d, e, f, g, h] => Some(Self::V6([a, b, c, d, e, f, g, h])),
            _ => None,
        }
    }
}

fn network(ip: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = ip.octets();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str) -> Publisher {
        Publisher::at(ip.parse().unwrap())
    }

    #[test]
    fn neighbours_are_one_publisher() {
        assert_eq!(at("192.0.2.1"), at("192.0.2.254"));
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.7"));
        assert_ne!(at("192.0.2.1"), at("192.0.3.1"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }
}
