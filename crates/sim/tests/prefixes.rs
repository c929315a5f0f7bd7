//! Networks whose nodes share an address prefix.
#![allow(clippy::unwrap_used, missing_docs)]

use khashmir::{Id, Scope, Settings};
use khashmir_sim::{HostId, World};

/// A network of forty nodes, all of which have addresses that begin so.
fn network(prefix: [u8; 3]) -> (World, Vec<HostId>) {
    let mut settings = Settings::default();
    settings.scope = Scope::ANY;
    let mut world = World::new(7).with_settings(settings);
    let [a, b, c] = prefix;
    (0..40_u8).for_each(|number| world.place(number.into(), ([a, b, c, number + 1], 9977).into()));
    let hosts = world.grow(40);
    (world, hosts)
}

fn found(world: &mut World, hosts: &[HostId]) -> usize {
    let keys = (0..20_u8).map(|n| Id::sha1(&[n]));
    let found = keys.zip(hosts.chunks(2)).filter(|(key, pair)| {
        world.store(pair[0], *key, "a value");
        !world.get(pair[1], *key).0.is_empty()
    });
    found.count()
}

#[test]
fn a_lan_is_one_prefix_and_works_as_any_network() {
    let (mut world, hosts) = network([192, 168, 1]);
    let key = Id::sha1(b"key");
    let stored = world.store(hosts[0], key, "a value").stored;
    let mut closest: Vec<_> = hosts[1..].iter().map(|host| world.contact(*host).unwrap()).collect();
    closest.sort_by_key(|contact| contact.id.distance(&key));
    assert_eq!(stored, closest[..6]);
    assert_eq!(found(&mut world, &hosts), 20);
}

#[test]
fn a_public_network_in_one_prefix_works_too() {
    let (mut world, hosts) = network([198, 51, 100]);
    let tables = hosts.iter().map(|host| world.engine(*host).unwrap().table().len());
    assert!(tables.max() <= Some(10), "with tables of no more than the limit");
    assert!(found(&mut world, &hosts) >= 18);
}
