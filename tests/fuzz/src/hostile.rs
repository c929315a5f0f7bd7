//! Hostile datagrams, made by rule: every field of every message, replaced by each of many bad values, left out,
//! doubled or cut off. Knows how messages look, not what becomes of them.

use khashmir::Id;
use khashmir::krpc::{Method, TransactionId};

/// A dictionary as it is to be written: its keys, and the bytes that stand for their values.
#[derive(Clone)]
struct Entries(Vec<(Vec<u8>, Vec<u8>)>);

impl Entries {
    fn new(entries: &[(&str, Vec<u8>)]) -> Self {
        Self(entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())).collect())
    }

    fn with(&self, name: &[u8], value: Vec<u8>) -> Self {
        let mut entries = self.without(name);
        let at = entries.0.partition_point(|(key, _)| key.as_slice() < name);
        entries.0.insert(at, (name.to_vec(), value));
        entries
    }

    fn without(&self, name: &[u8]) -> Self {
        Self(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }

    fn written(&self) -> Vec<u8> {
        let entries = self.0.iter().flat_map(|(key, value)| [string(key), value.clone()].concat());
        [&b"d"[..], &entries.collect::<Vec<_>>(), b"e"].concat()
    }

    /// These entries with each one replaced by each bad value or left out, with more of them, and out of order.
    fn spoilt(&self, own: Id) -> Vec<Vec<u8>> {
        let names = self.0.iter().map(|(key, _)| key.clone());
        let strangers = [&b""[..], b"id", b"self", b"zz", b"\xff\xfe"].map(<[u8]>::to_vec);
        let mut spoilt = Vec::new();
        for name in names.chain(strangers) {
            spoilt.extend(values(own).into_iter().map(|value| self.with(&name, value).written()));
            spoilt.push(self.without(&name).written());
        }
        let mut doubled = self.clone();
        doubled.0.extend(self.0.last().cloned());
        let mut reversed = self.clone();
        reversed.0.reverse();
        let written = self.written();
        let open = written[..written.len() - 1].to_vec();
        spoilt.extend([doubled.written(), reversed.written(), open, [&written[..], b"e"].concat()]);
        spoilt
    }
}

/// Queries of every method as the node `sender` could send them with a token that holds, and what is left of them
/// after something was done to them. The asked node is `own`.
#[must_use]
pub fn hostile_queries(sender: Id, own: Id, token: &[u8]) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    for method in Method::ALL {
        let arguments = arguments(method, sender, token);
        let query = query(method.name().as_bytes(), arguments.written());
        datagrams.extend(arguments.spoilt(own).into_iter().map(|a| query.with(b"a", a).written()));
        datagrams.extend(query.spoilt(own));
        datagrams.extend(cut(&query.written()));
    }
    let ping = arguments(Method::Ping, sender, token).written();
    let long = [63, 64, 65, 200, 1400, 8000].map(|length| query(&vec![b'm'; length], ping.clone()).written());
    datagrams.extend(long);
    datagrams.extend(bombs());
    datagrams
}

/// Answers to a query of `method` with this transaction id, as the node `sender` could give them, and what is left of
/// them after something was done to them. The answered node is `own`.
#[must_use]
pub fn hostile_answers(method: Method, transaction: &TransactionId, sender: Id, own: Id) -> Vec<Vec<u8>> {
    let results = results(method, sender);
    let transaction = string(transaction.as_bytes());
    let reply = Entries::new(&[("r", results.written()), ("t", transaction.clone()), ("y", string(b"r"))]);
    let error = |e| Entries::new(&[("e", e), ("t", transaction.clone()), ("y", string(b"e"))]).written();
    let mut datagrams: Vec<_> =
        results.spoilt(own).into_iter().map(|r| reply.with(b"r", r).written()).collect();
    datagrams.extend(reply.spoilt(own));
    datagrams.extend(cut(&reply.written()));
    datagrams.extend(values(own).into_iter().map(error));
    datagrams.extend(values(own).into_iter().map(|code| error([b"l", &code[..], b"0:e"].concat())));
    datagrams
}

fn query(name: &[u8], arguments: Vec<u8>) -> Entries {
    Entries::new(&[
        ("a", arguments),
        ("q", string(name)),
        ("t", string(&[b'T'; TransactionId::LEN])),
        ("v", string(b"KM\0\x01")),
        ("y", string(b"q")),
    ])
}

fn arguments(method: Method, sender: Id, token: &[u8]) -> Entries {
    let (id, key) = (string(sender.as_bytes()), string(&[b'k'; Id::LEN]));
    match method {
        Method::Ping | Method::Join => Entries::new(&[("id", id)]),
        Method::FindNode => Entries::new(&[("id", id), ("target", key)]),
        Method::FindValue => Entries::new(&[("id", id), ("key", key)]),
        Method::GetValue => Entries::new(&[("id", id), ("key", key), ("num", b"i0e".to_vec())]),
        Method::StoreValue => {
            Entries::new(&[("id", id), ("key", key), ("token", string(token)), ("value", string(b"value"))])
        }
    }
}

/// All results that some reply may have, whatever the method: those of other methods do no harm.
fn results(method: Method, sender: Id) -> Entries {
    let (id, node) =
        (string(sender.as_bytes()), string(&[[b'n'; 20].as_slice(), &[8, 8, 4, 4, 0x17, 0x70]].concat()));
    let nodes = [b"l", &node[..], b"e"].concat();
    let values = b"l5:valuee".to_vec();
    match method {
        Method::Ping | Method::StoreValue => Entries::new(&[("id", id)]),
        Method::Join => {
            Entries::new(&[("id", id), ("ip_addr", string(b"192.0.2.1")), ("port", b"i9977e".to_vec())])
        }
        Method::FindNode => Entries::new(&[("id", id), ("nodes", nodes), ("token", string(&[7; 20]))]),
        Method::FindValue => {
            Entries::new(&[("id", id), ("nodes", nodes), ("num", b"i1e".to_vec()), ("values", values)])
        }
        Method::GetValue => Entries::new(&[("id", id), ("values", values)]),
    }
}

/// Every beginning of `datagram`.
fn cut(datagram: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..datagram.len()).map(|length| datagram[..length].to_vec())
}

/// What is no message at all, and costs a careless reader dearly.
fn bombs() -> Vec<Vec<u8>> {
    let nested = |begin: &[u8], depth: usize| [begin.repeat(depth), b"e".repeat(depth)].concat();
    let mut bombs: Vec<_> = [31, 32, 33, 128, 4096].map(|depth| nested(b"l", depth)).to_vec();
    bombs.extend([nested(b"d1:a", 1600), b"l".repeat(8192), b"d1:a".repeat(2048), b"d".repeat(8192)]);
    bombs.extend([
        b"l".repeat(8193),
        b"0:".repeat(4096),
        [b"l".to_vec(), b"0:".repeat(4000), b"e".to_vec()].concat(),
    ]);
    bombs.extend([b"i".to_vec(), [b"i", "9".repeat(8000).as_bytes(), b"e"].concat(), b"9".repeat(8192)]);
    bombs.extend([Vec::new(), vec![0; 8192], vec![0xff; 65_507]]);
    bombs
}

/// What may stand where something else should.
fn values(own: Id) -> Vec<Vec<u8>> {
    let lists = |depth: usize| [b"l".repeat(depth), b"e".repeat(depth)].concat();
    let strings = [0, 1, 19, 21, 26, 63, 64, 65, 1391, 1392, 8000].map(|length| string(&vec![b's'; length]));
    let odd = [&b"\xff\xfe\x80"[..], b"\0", b"\r\n\x1b[31m", b"0.0.0.0", b"1.2.3.4.5", b"::1", b"ping", b"q"];
    let contact = string(&[[b'n'; 20].as_slice(), &[255, 255, 255, 255, 0, 0]].concat());
    let ids = [Id::NULL, own, Id::MAX].map(|id| string(id.as_bytes()));
    let raw = [
        "i0e",
        "i1e",
        "i-1e",
        "i65535e",
        "i65536e",
        "i9223372036854775807e",
        "i-9223372036854775808e",
        "i9223372036854775808e",
        "i18446744073709551616e",
        "i-0e",
        "i00e",
        "i01e",
        "i+1e",
        "i 1e",
        "i1.5e",
        "ie",
        "i-e",
        "i1",
        "18446744073709551615:",
        "18446744073709551616:",
        "9223372036854775807:s",
        "4294967296:s",
        "99999999999999999999999999:s",
        "-1:",
        "01:s",
        "+1:s",
        "1 :s",
        ":",
        "2:s",
        "le",
        "li1ee",
        "l0:e",
        "lle1:se",
        "lli1eei2e1:se",
        "l1:s",
        "de",
        "d1:si1ee",
        "d1:s0:1:s0:e",
        "d1:t0:1:s0:e",
        "di1e0:e",
        "d1:se",
        "d0:0:e",
        "u1:s",
        "t1:s",
        "n",
        "",
        "e",
        "ee",
        "\0",
    ];
    let mut values: Vec<_> = strings.to_vec();
    values.extend(odd.map(string));
    values.extend(ids);
    values.extend(raw.map(|value| value.as_bytes().to_vec()));
    values.push(["i", &"9".repeat(5000), "e"].concat().into_bytes());
    values.push([b"l".to_vec(), contact.repeat(280), b"e".to_vec()].concat());
    values.push([b"l".to_vec(), b"0:".repeat(1500), b"e".to_vec()].concat());
    values.push([b"l".to_vec(), b"1:s".repeat(900), b"e".to_vec()].concat());
    values.extend([28, 29, 30, 31, 32, 2000].map(lists));
    values
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}
