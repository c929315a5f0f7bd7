//! What a node keeps of itself: its own id and the contacts to start from. Knows no backend.
//!
//! A contact is its id (20 bytes), 4 or 6 for the kind of address, the address (4 or 16 bytes) and the port
//! (2 bytes, big endian).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use khashmir_types::{Contact, Id};

use crate::StorageError;
use crate::row::Meta;
use crate::slots::{Rows, Slots};

/// How many contacts a storage keeps; those after are not saved. A routing table holds a few hundred, and a
/// start needs a handful.
pub const MAX_CONTACTS: usize = 4096;

impl<R: Rows> Slots<R> {
    pub(crate) fn own_id(&self) -> Result<Option<Id>, StorageError> {
        let Some(bytes) = self.meta(Meta::OwnId)? else { return Ok(None) };
        Id::from_slice(&bytes).map(Some).ok_or_else(|| self.corrupt("an own id of a wrong length"))
    }

    pub(crate) fn set_own_id(&mut self, id: Id) {
        self.set_centre(id);
        self.set_meta(Meta::OwnId, Bytes::copy_from_slice(id.as_bytes()));
    }

    pub(crate) fn contacts(&self) -> Result<Vec<Contact>, StorageError> {
        let Some(bytes) = self.meta(Meta::Contacts)? else { return Ok(Vec::new()) };
        decode_contacts(&bytes).ok_or_else(|| self.corrupt("saved contacts that cannot be read"))
    }

    pub(crate) fn set_contacts(&mut self, contacts: &[Contact]) {
        self.set_meta(Meta::Contacts, encode_contacts(contacts));
    }
}

/// The bytes for the first [`MAX_CONTACTS`] contacts. The scope and flow label of an IPv6 address are not kept:
/// they mean nothing after a restart.
fn encode_contacts(contacts: &[Contact]) -> Bytes {
    let kept = contacts.iter().take(MAX_CONTACTS);
    let len = kept.map(|contact| Id::LEN + if contact.addr.is_ipv4() { 7 } else { 19 }).sum();
    let mut bytes = BytesMut::with_capacity(len);
    for contact in contacts.iter().take(MAX_CONTACTS) {
        bytes.put_slice(contact.id.as_bytes());
        match contact.addr.ip() {
            IpAddr::V4(ip) => {
                bytes.put_u8(4);
                bytes.put_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.put_u8(6);
                bytes.put_slice(&ip.octets());
            }
        }
        bytes.put_u16(contact.addr.port());
    }
    bytes.freeze()
}

/// The contacts for which these bytes stand, or `None` if they stand for none.
fn decode_contacts(mut bytes: &[u8]) -> Option<Vec<Contact>> {
    let mut contacts = Vec::new();
    while !bytes.is_empty() {
        let id = Id::new(take(&mut bytes)?);
        let [kind] = take(&mut bytes)?;
        let ip = match kind {
            4 => IpAddr::V4(Ipv4Addr::from(take::<4>(&mut bytes)?)),
            6 => IpAddr::V6(Ipv6Addr::from(take::<16>(&mut bytes)?)),
            _ => return None,
        };
        let port = u16::from_be_bytes(take(&mut bytes)?);
        contacts.push(Contact::new(id, SocketAddr::new(ip, port)));
    }
    Some(contacts)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contacts_go_both_ways(given in proptest::collection::vec((any::<[u8; 20]>(), any::<IpAddr>(), any::<u16>()), 0..20)) {
            let contacts: Vec<_> = given.into_iter()
                .map(|(id, ip, port)| Contact::new(Id::new(id), SocketAddr::new(ip, port)))
                .collect();
            prop_assert_eq!(decode_contacts(&encode_contacts(&contacts)), Some(contacts));
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            let _ = decode_contacts(&bytes);
        }
    }

    #[test]
    fn a_cut_contact_is_none() {
        let bytes = encode_contacts(&[Contact::new(Id::MAX, "[2001:db8::1]:9977".parse().unwrap())]);
        assert_eq!(bytes.len(), 39);
        assert_eq!(decode_contacts(&bytes[..38]), None);
    }
}
