//! The state in which the recordings of requests begin, brought about the way life would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use khashmir::storage::Publisher;
use khashmir::{Contact, Id, MemoryStorage, Request, Settings, Storage};
use khashmir_recordings::{Value, bytes, load};

use super::bencode::{self, Bencode};
use super::wire::{address, id, query, reply, transaction_of};
use super::{list, text};
use crate::support::engine::{Rig, START, original_settings};

/// `golden/fixtures.json`.
static FIXTURES: LazyLock<Value> = LazyLock::new(|| load("golden/fixtures.json"));

/// Shorter than the shortest time between two rotations of the token secrets.
const ROTATION_STEP: Duration = Duration::from_secs(30);

/// An engine in one of the recorded states.
pub struct Fixture {
    pub rig: Rig,
    /// The contacts that have answered, which alone are named to others.
    pub proven: Vec<Contact>,
    /// Tokens of the recording and ours in their place: of the same age, for the same address.
    tokens: Vec<([u8; 20], [u8; 20])>,
}

/// The address of the recorded node's usual client.
pub fn client() -> SocketAddr {
    address(&FIXTURES["clients"]["client"]["address"])
}

pub fn own_id() -> Id {
    id(&FIXTURES["own_id"])
}

/// The key that the fixtures know by `name`.
pub fn key(name: &str) -> Id {
    id(&FIXTURES["keys"][name])
}

impl Fixture {
    pub fn new(name: &str) -> Self {
        Self::with_settings(name, original_settings())
    }

    pub fn with_settings(name: &str, settings: Settings) -> Self {
        let fixture = &FIXTURES["fixtures"][name];
        assert!(fixture.is_object(), "no fixture {name}");
        let contacts: Vec<_> = list(&fixture["contacts"]).iter().map(contact).collect();
        let of = |wanted| contacts.iter().filter(move |c| c.1 == wanted).map(|c| c.0).collect::<Vec<_>>();
        let (proven, unproven) = (of(true), of(false));
        let rig = Rig::new(storage(fixture, &unproven), settings);
        let mut this = Self { rig, proven: Vec::new(), tokens: Vec::new() };
        this.collect_tokens();
        for contact in proven {
            this.meet(contact);
        }
        let known: BTreeSet<_> = this.rig.engine.table().contacts().collect();
        assert_eq!(known, contacts.iter().map(|c| c.0).collect(), "fixture {name}");
        this.rig.take_sent();
        this.rig.take_events();
        this
    }

    /// Lets the engine ask `contact`, which answers.
    pub fn meet(&mut self, contact: Contact) {
        self.rig.take_sent();
        let operation = self.rig.start(Request::AddContact { addr: contact.addr });
        let sent = self.rig.take_sent();
        let query = sent.iter().find(|sent| sent.to == contact.addr).expect("it is asked");
        self.rig.deliver(contact.addr, &reply(&transaction_of(&query.payload).unwrap(), contact.id, &[]));
        assert!(self.rig.is_finished(operation));
        self.proven.push(contact);
    }

    /// The token that the engine hands out now to whoever asks from `from`.
    pub fn token_for(&mut self, from: SocketAddr) -> [u8; 20] {
        // The engine's own id as the sender's: such a sender is answered and otherwise ignored.
        let own = bencode::bytes(own_id());
        let probe = query("find_node", &[7; 20], &[("id", own.clone()), ("target", own)]);
        self.rig.deliver(from, &probe);
        let answers = self.rig.take_sent().into_iter().filter(|sent| sent.to == from);
        let tokens = answers.filter_map(|sent| token_in(&sent.payload)).collect::<Vec<_>>();
        let [token] = tokens[..] else { panic!("one query is answered once") };
        token
    }

    /// Lets time pass until the token secrets have rotated once.
    pub fn rotate(&mut self) {
        let before = self.token_for(client());
        for _ in 0..20 {
            self.rig.run_for(ROTATION_STEP);
            if self.token_for(client()) != before {
                return;
            }
        }
        panic!("the token secrets do not rotate");
    }

    /// The recorded datagram with our tokens in place of the recorded ones.
    pub fn translate(&self, recorded: &[u8]) -> Vec<u8> {
        let mut datagram = recorded.to_vec();
        for at in 0..datagram.len().saturating_sub(19) {
            if let Some((_, ours)) = self.tokens.iter().find(|(token, _)| datagram[at..at + 20] == *token) {
                datagram[at..at + 20].copy_from_slice(ours);
            }
        }
        datagram
    }

    /// From now on our `token` stands for the `recorded` one.
    pub fn learn_token(&mut self, recorded: [u8; 20], token: [u8; 20]) {
        self.tokens.retain(|(known, _)| *known != recorded);
        self.tokens.push((recorded, token));
    }

    /// What is stored under `key`.
    pub fn values(&self, key: &Id) -> BTreeSet<Vec<u8>> {
        let mut rng = <rand::rngs::ChaCha12Rng as rand::SeedableRng>::seed_from_u64(1);
        let values = self.rig.engine.storage().sample(key, usize::MAX >> 8, &mut rng).unwrap();
        values.into_iter().map(|value| value.to_vec()).collect()
    }

    /// Who is in the routing table.
    pub fn contacts(&self) -> BTreeSet<Contact> {
        self.rig.engine.table().contacts().collect()
    }

    /// Collects our tokens in the order in which they age: the one that has expired first.
    fn collect_tokens(&mut self) {
        let secrets = list(&FIXTURES["token_secrets_newest_first"]);
        let oldest_first = [&FIXTURES["expired_secret"]].into_iter().chain(secrets.iter().rev());
        let clients: BTreeMap<_, _> = FIXTURES["clients"].as_object().unwrap().iter().collect();
        for (index, secret) in oldest_first.map(bytes).enumerate() {
            if index > 0 {
                self.rotate();
            }
            for client in clients.values() {
                let from = address(&client["address"]);
                let recorded = Id::sha1(&[&secret[..], from.ip().to_string().as_bytes()].concat());
                let ours = self.token_for(from);
                self.tokens.push((*recorded.as_bytes(), ours));
            }
        }
    }
}

fn token_in(answer: &[u8]) -> Option<[u8; 20]> {
    Bencode::parse(answer)?.at("r")?.at("token")?.bytes()?.try_into().ok()
}

/// The empty state with `values` and with `unproven` contacts of a former life.
fn storage(fixture: &Value, unproven: &[Contact]) -> MemoryStorage {
    let mut storage = MemoryStorage::new();
    storage.set_own_id(own_id()).unwrap();
    storage.set_contacts(unproven).unwrap();
    for (key, values) in fixture["values"].as_object().unwrap() {
        for value in list(values) {
            storage.put(&key.parse().unwrap(), &bytes(value), Publisher::Ourselves, START).unwrap();
        }
    }
    while let Some(commit) = storage.begin_commit() {
        storage.on_committed(commit.run()).unwrap();
    }
    storage
}

fn contact(recorded: &Value) -> (Contact, bool) {
    let host = text(&recorded["host"]).parse().unwrap();
    let port = recorded["port"].as_u64().unwrap().try_into().unwrap();
    (Contact::new(id(&recorded["id"]), SocketAddr::new(host, port)), recorded["contacted"] == true)
}
