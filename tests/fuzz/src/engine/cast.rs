//! Who and what there is: ids, addresses, pauses, requests and settings, each named by a byte or two.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use khashmir::{Contact, Id, Request, Role, Scope, Settings, Wanted};

use crate::script::Script;

/// The engine's own address.
pub(super) fn own_addr() -> SocketAddr {
    ([20, 0, 0, 1], 9977).into()
}

/// Some hundred addresses: most are public, in a few prefixes; some are nobody's.
pub(super) fn addr(n: u8) -> SocketAddr {
    match n {
        248 => ([127, 0, 0, 1], 6001).into(),
        249 => ([10, 0, 0, 7], 6001).into(),
        250 => ([0, 0, 0, 0], 6001).into(),
        251 => ([20, 9, 9, 9], 0).into(),
        252 => ([255, 255, 255, 255], 6001).into(),
        253 => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7), 6001).into(),
        254 => ([224, 0, 0, 251], 5353).into(),
        255 => own_addr(),
        // Four ports at one address, two addresses in one prefix.
        n => ([20, n / 8, 1, n / 4], 6000 + u16::from(n % 4)).into(),
    }
}

/// An id: null, our own, the last, near ours or anywhere.
pub(super) fn id(n: u8, own: Id) -> Id {
    match n {
        0 => Id::NULL,
        1 => own,
        2 => Id::MAX,
        n if n >= 128 => {
            let bit = usize::from(n) - 96;
            own.with_bit(bit, !own.bit(bit))
        }
        n => Id::sha1(&[n]),
    }
}

pub(super) fn key(n: u8) -> Id {
    Id::sha1(&[n % 8])
}

/// A value: one that another publisher may have too, or a long one.
pub(super) fn value(n: u8) -> Vec<u8> {
    vec![n; if n < 200 { usize::from(n % 5) } else { usize::from(n - 199) * 25 }]
}

pub(super) fn contact(script: &mut Script<'_>, own: Id) -> Contact {
    Contact::new(id(script.byte(), own), addr(script.byte()))
}

/// From nothing to the longest that a machine may sleep.
pub(super) fn pause(n: u8) -> Duration {
    match n % 12 {
        0 => Duration::ZERO,
        1 => Duration::from_micros(1),
        2 => Duration::from_millis(1),
        3 => Duration::from_millis(100),
        4 => Duration::from_secs(1),
        5 => Duration::from_secs(2),
        6 => Duration::from_secs(10),
        7 => Duration::from_secs(60),
        8 => Duration::from_secs(301),
        9 => Duration::from_secs(3601),
        10 => Duration::from_secs(8 * 3600),
        _ => Duration::from_secs(400 * 24 * 3600),
    }
}

pub(super) fn request(script: &mut Script<'_>) -> Request {
    match script.byte() % 8 {
        0 => Request::FindNode { target: key(script.byte()) },
        1 => Request::FindValue { key: key(script.byte()) },
        2 | 3 => Request::Get { key: key(script.byte()) },
        4 => Request::Store { key: key(script.byte()), value: value(script.byte()).into() },
        5 => {
            let count = script.byte() % 4;
            Request::Join { bootstrap: (0..count).map(|_| addr(script.byte())).collect() }
        }
        6 => Request::AddContact { addr: addr(script.byte()) },
        _ => Request::Ping { addr: addr(script.byte()) },
    }
}

/// The settings that the first byte of an input stands for: the usual ones, or limits that are soon met.
pub(super) fn settings(n: u8) -> Settings {
    let mut settings = Settings::default();
    settings.role = [Role::Write, Role::Write, Role::Read, Role::Client][usize::from(n % 4)];
    if n & 4 != 0 {
        settings.scope = Scope::ANY;
    }
    if n & 8 != 0 {
        settings.max_operations = 4;
        settings.max_parked = 3;
        settings.limits.max_values = 12;
        settings.limits.max_bytes = 2000;
        settings.limits.max_values_per_key = 4;
        settings.limits.max_bytes_per_key = 1500;
        settings.limits.max_bytes_per_prefix = 1500;
        settings.retrieve_values = Wanted { values: Some(3), nodes: Some(2) };
    }
    if n & 16 != 0 {
        settings.calls.max_outstanding = 4;
        settings.calls.max_queued = 4;
        settings.lookup.max_queries = 8;
    }
    if n & 32 != 0 {
        settings.table.first_buckets = [0; 4];
        settings.table.k = 2;
        settings.table.replacements = 1;
    }
    settings
}
