//! `Contact`: an id with the address it is reached at.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::Id;

/// A remote node as others name it: its id and its UDP address. Says nothing about whether it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// The node's id; [`Id::NULL`] while it is not known.
    pub id: Id,
    /// The node's UDP address.
    pub addr: SocketAddr,
}

impl Contact {
    /// Bytes in the compact form: id (20), IPv4 address (4), port (2, big endian).
    pub const COMPACT_LEN: usize = 26;

    /// The node `id` at `addr`.
    #[must_use]
    pub const fn new(id: Id, addr: SocketAddr) -> Self {
        Self { id, addr }
    }

    /// The 26 bytes that stand for this contact on the wire, or `None` for an IPv6 address.
    #[must_use]
    pub fn to_compact(&self) -> Option<[u8; Self::COMPACT_LEN]> {
        let SocketAddr::V4(addr) = self.addr else { return None };
        let mut compact = [0; Self::COMPACT_LEN];
        compact[..20].copy_from_slice(self.id.as_bytes());
        compact[20..24].copy_from_slice(&addr.ip().octets());
        compact[24..].copy_from_slice(&addr.port().to_be_bytes());
        Some(compact)
    }

    /// The contact that 26 bytes stand for. Any port and address pass: whether to use it is the caller's choice.
    #[must_use]
    pub fn from_compact(compact: &[u8; Self::COMPACT_LEN]) -> Self {
        let mut id = [0; Id::LEN];
        id.copy_from_slice(&compact[..20]);
        let ip = Ipv4Addr::new(compact[20], compact[21], compact[22], compact[23]);
        let port = u16::from_be_bytes([compact[24], compact[25]]);
        Self::new(Id::new(id), SocketAddrV4::new(ip, port).into())
    }
}

/// A compact contact that has not 26 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a compact contact has 26 bytes, this has {found}")]
pub struct ContactError {
    /// Bytes found.
    pub found: usize,
}

impl TryFrom<&[u8]> for Contact {
    type Error = ContactError;

    fn try_from(compact: &[u8]) -> Result<Self, ContactError> {
        let compact = compact.try_into().map_err(|_| ContactError { found: compact.len() })?;
        Ok(Self::from_compact(compact))
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.addr)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_contact_has_no_compact_form() {
        let contact = Contact::new(Id::MAX, "[2001:db8::1]:9977".parse().unwrap());
        assert_eq!(contact.to_compact(), None);
    }

    #[test]
    fn another_length_is_an_error_that_names_it() {
        assert_eq!(Contact::try_from(&[0_u8; 25][..]), Err(ContactError { found: 25 }));
        assert_eq!(Contact::try_from(&[0_u8; 27][..]), Err(ContactError { found: 27 }));
    }
}
