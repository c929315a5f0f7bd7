//! `KNode`: a node as the table remembers it. Knows nothing of buckets or of other nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use khashmir_types::{Contact, Id, Prefix, Time};

use crate::moment::Moment;
use crate::rtt::Rtt;

/// What we know about the node behind a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It has answered us from its address.
    Proven,
    /// It was only heard of, from storage or from others.
    Unproven,
}

/// A node in the table: its contact, and how it has behaved.
///
/// Takes 56 bytes, as there may be hundreds of millions of these. Of an IPv6 address it keeps neither flow label nor
/// scope: they are 0 in [`contact`](Self::contact).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KNode {
    /// Counts only if the node is proven.
    last_seen: Time,
    ping_at: Moment,
    rtt: Rtt,
    id: Id,
    /// An IPv4 address takes the first four.
    ip: [u8; 16],
    port: u16,
    fails: u8,
    /// Those of the constants below that hold.
    flags: u8,
}

impl KNode {
    pub(crate) fn new(contact: Contact, standing: Standing, now: Time) -> Self {
        let standing = if standing == Standing::Proven { IS_PROVEN } else { 0 };
        let family = if contact.addr.is_ipv6() { IS_IPV6 } else { 0 };
        Self {
            last_seen: now,
            ping_at: Moment::NEVER,
            rtt: Rtt::default(),
            id: contact.id,
            ip: octets(contact.addr.ip()),
            port: contact.addr.port(),
            fails: 0,
            flags: standing | family,
        }
    }

    /// It answered: all doubts are gone. A ping planned for later stays planned.
    pub(crate) fn on_seen(&mut self, now: Time) {
        if self.has(IS_AWAITED) || self.fails > 0 || self.ping_at() <= now {
            self.ping_at = Moment::NEVER;
        }
        self.fails = 0;
        self.flags = (self.flags | IS_PROVEN) & !(IS_CHALLENGED | IS_AWAITED);
        self.last_seen = now;
    }

    /// It did not answer. Returns how many times in a row it has not.
    pub(crate) fn on_failed(&mut self) -> u8 {
        self.flags &= !IS_AWAITED;
        self.fails = self.fails.saturating_add(1);
        self.fails
    }

    /// Its answer took `rtt`.
    pub(crate) fn on_rtt(&mut self, rtt: Duration) {
        self.rtt.add(rtt);
    }

    /// Takes over the round trip to `former`, if that was the same node.
    pub(crate) fn inherit_rtt(&mut self, former: &Self) {
        if former.is(&self.contact()) {
            self.rtt = former.rtt;
        }
    }

    /// Plans a ping for `at`, or earlier if one is planned earlier or open.
    pub(crate) fn plan_ping(&mut self, at: Time) {
        if !self.has(IS_AWAITED) {
            self.ping_at = self.ping_at().min(at).into();
        }
    }

    /// Plans a ping for `now`; if that or any other request fails, another node takes this one's place.
    pub(crate) fn challenge(&mut self, now: Time) {
        self.flags |= IS_CHALLENGED;
        self.plan_ping(now);
    }

    /// Its ping is being sent: no other is planned until the result is known.
    pub(crate) fn on_pinged(&mut self) {
        self.flags |= IS_AWAITED;
        self.ping_at = Moment::NEVER;
    }

    /// This node without a place in a bucket: no pings are planned, and it is not favoured.
    pub(crate) fn at_rest(self) -> Self {
        let flags = self.flags & !(IS_CHALLENGED | IS_AWAITED | IS_FAVOURED);
        Self { ping_at: Moment::NEVER, flags, ..self }
    }

    /// This node in a place that it gets because it is near.
    pub(crate) fn favoured(self) -> Self {
        Self { flags: self.flags | IS_FAVOURED, ..self }
    }

    /// The node's id and address.
    #[must_use]
    pub const fn contact(&self) -> Contact {
        let [a, b, c, d, ..] = self.ip;
        let ip = if self.has(IS_IPV6) {
            IpAddr::V6(Ipv6Addr::from_octets(self.ip))
        } else {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        };
        Contact::new(self.id, SocketAddr::new(ip, self.port))
    }

    /// The node's id.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.id
    }

    /// Is its address in this network? As [`Prefix::of`] says, but asked of all nodes of a table for each that would enter.
    pub(crate) fn is_in(&self, prefix: &Prefix) -> bool {
        match (prefix, self.has(IS_IPV6)) {
            (Prefix::V4(prefix), false) => self.ip[..3] == *prefix,
            (Prefix::V4(prefix), true) => self.ip[..12] == IPV4_MAPPED && self.ip[12..15] == *prefix,
            (Prefix::V6(prefix), is_ipv6) => is_ipv6 && self.ip[..8] == *prefix,
        }
    }

    /// Requests in a row that it has not answered.
    #[must_use]
    pub const fn fails(&self) -> u8 {
        self.fails
    }

    /// When it last answered us, or `None` if it never has.
    #[must_use]
    pub fn last_seen(&self) -> Option<Time> {
        self.is_proven().then_some(self.last_seen)
    }

    /// Its smoothed round trip in whole milliseconds, at most 65,535, or `None` if none was
    /// [reported](crate::KTable::on_rtt).
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt.known()
    }

    /// Whether it has ever answered us from its address.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.has(IS_PROVEN)
    }

    pub(crate) const fn is_challenged(&self) -> bool {
        self.has(IS_CHALLENGED)
    }

    pub(crate) const fn is_favoured(&self) -> bool {
        self.has(IS_FAVOURED)
    }

    /// When the next ping is planned, or [`Time::FAR_FUTURE`]. Up to 64 µs before the time it was planned for.
    pub(crate) fn ping_at(&self) -> Time {
        self.ping_at.time()
    }

    /// Is it the node of this contact?
    pub(crate) fn is(&self, contact: &Contact) -> bool {
        self.id == contact.id && self.is_at(&contact.addr)
    }

    /// Is it at this address, whatever the flow label and scope?
    pub(crate) fn is_at(&self, addr: &SocketAddr) -> bool {
        self.port == addr.port()
            && match addr.ip() {
                IpAddr::V4(ip) => !self.has(IS_IPV6) && self.ip.first_chunk() == Some(&ip.octets()),
                IpAddr::V6(ip) => self.has(IS_IPV6) && self.ip == ip.octets(),
            }
    }

    /// Do the two contacts claim one id for two addresses, or one address for two ids?
    pub(crate) fn contradicts(&self, contact: &Contact) -> bool {
        (self.id == contact.id) != self.is_at(&contact.addr)
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl fmt::Debug for KNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KNode")
            .field("contact", &self.contact())
            .field("last_seen", &self.last_seen())
            .field("fails", &self.fails)
            .field("rtt", &self.rtt())
            .field("ping_at", &self.ping_at)
            .field("is_challenged", &self.is_challenged())
            .field("is_awaited", &self.has(IS_AWAITED))
            .field("is_favoured", &self.is_favoured())
            .finish()
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&ip.octets());
            octets
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

const IS_PROVEN: u8 = 1;
const IS_IPV6: u8 = 1 << 1;
/// If a request to it fails, another node takes its place.
const IS_CHALLENGED: u8 = 1 << 2;
/// A ping to it is open.
const IS_AWAITED: u8 = 1 << 3;
/// It holds its place because it is near, not because it was there first.
const IS_FAVOURED: u8 = 1 << 4;

/// How an IPv4 address begins that is written as an IPv6 one (RFC 4291, section 2.5.5.2).
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(addr: SocketAddr) -> KNode {
        KNode::new(Contact::new(Id::sha1(b"a node"), addr), Standing::Proven, Time::EPOCH)
    }

    proptest! {
        #[test]
        fn an_address_is_kept_and_told_from_others(ip: IpAddr, other: IpAddr, port: u16) {
            let (addr, other) = (SocketAddr::new(ip, port), SocketAddr::new(other, port));
            prop_assert_eq!(node(addr).contact().addr, addr);
            prop_assert!(node(addr).is_at(&addr));
            prop_assert_eq!(node(addr).is_at(&other), addr == other);
        }
    }

    #[test]
    fn a_node_takes_56_bytes() {
        assert_eq!(size_of::<KNode>(), 56);
    }

    #[test]
    fn an_ipv4_address_is_not_the_ipv6_address_with_the_same_octets() {
        let node = node(([10, 0, 0, 1], 9977).into());
        for same in ["[a00:1::]:9977", "[::ffff:10.0.0.1]:9977"] {
            assert!(!node.is_at(&same.parse().unwrap()), "{same}");
        }
    }

    #[test]
    fn flow_label_and_scope_of_an_address_are_ignored() {
        let addr = "[fe80::1%7]:9977".parse().unwrap();
        assert!(node(addr).is_at(&addr));
        assert_eq!(node(addr).contact().addr, "[fe80::1]:9977".parse().unwrap());
    }

    #[test]
    fn a_node_is_in_the_prefix_of_its_address_and_in_no_other() {
        let addrs = [
            "198.51.100.7:1",
            "198.51.101.7:1",
            "[2001:db8::1]:1",
            "[2001:db8:0:1::1]:1",
            "[::ffff:198.51.100.9]:1",
        ];
        let addrs = addrs.map(|addr| addr.parse::<SocketAddr>().unwrap());
        for addr in addrs {
            let node = KNode::new(Contact::new(Id::MAX, addr), Standing::Proven, Time::EPOCH);
            for other in addrs {
                let prefix = Prefix::of(other.ip()).unwrap();
                assert_eq!(node.is_in(&prefix), Prefix::of(addr.ip()) == Some(prefix), "{addr} and {other}");
            }
        }
    }
}
