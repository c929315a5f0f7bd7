//! Is this answer right? By an independent model of what a node in a known state has to say, and by what the
//! recordings say beside it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use khashmir::{Contact, Id};
use khashmir_recordings::{Value, bytes};

use super::bencode::Bencode;
use super::fixture::{Fixture, own_id};
use super::{ensure, list, text};

/// Bytes in the longest answer.
const MAX_ANSWER: usize = 1472;

/// What was asked, from where, and what came of it.
pub struct Exchange<'a> {
    pub fixture: &'a Fixture,
    pub from: SocketAddr,
    pub request: &'a [u8],
    /// `None` is silence.
    pub answer: Option<&'a [u8]>,
}

impl Exchange<'_> {
    /// What came of it, in the words of the recordings: `none`, `normal` or `error` with its code. A
    /// malformed answer, or a normal one that says something wrong, is an `Err`.
    pub fn outcome(&self) -> Result<String, String> {
        let Some(answer) = self.answer else { return Ok("none".into()) };
        ensure(answer.len() <= MAX_ANSWER, || format!("an answer of {} bytes", answer.len()))?;
        let answer = Bencode::parse(answer).ok_or("an answer that is not bencode")?;
        let request = Bencode::parse(self.request).ok_or("an answer to what is not bencode")?;
        ensure(answer.at("t").is_some() && answer.at("t") == request.at("t"), || "another t".into())?;
        match answer.at("y").and_then(Bencode::bytes) {
            Some(b"e") => error_of(&answer).map(|(code, _)| format!("error {code}")),
            Some(b"r") => self.check_normal(&request, &answer).map(|()| "normal".into()),
            _ => Err("neither a reply nor an error".into()),
        }
    }

    /// Does the recorded `case` allow what came of it?
    pub fn check(&self, case: &Value) -> Result<(), String> {
        let outcome = self.outcome()?;
        let recorded = case["response"].as_str().map(|_| bytes(&case["response"]));
        let verdict = match text(&case["expect"]) {
            "exact" => self.is_recorded(case, recorded.as_deref()),
            "shape" => self.has_shape(case),
            "improve" => self.is_better(&case["better"]),
            label => Err(format!("unknown label {label:?}")),
        };
        let Err(why) = verdict else { return self.check_limits(case) };
        let also_ok = list(&case["also_ok"]).iter().map(text);
        for allowed in also_ok {
            if self.is_also(allowed, &outcome)? {
                return Ok(());
            }
        }
        Err(why)
    }

    /// Is it byte for byte what the original said, but for what must differ?
    fn is_recorded(&self, case: &Value, recorded: Option<&[u8]>) -> Result<(), String> {
        if case["values_random_subset"] == true {
            // Which values are chosen is chance; the model has checked how many, and that they are ours.
            return ensure(self.outcome()? == "normal", || "not a normal answer".into());
        }
        let any_order = case["values_order"] == "any";
        let (ours, theirs) =
            (self.answer.map(|a| masked(a, any_order)), recorded.map(|a| masked(a, any_order)));
        ensure(ours == theirs, || format!("sent {}, not {}", show(self.answer), show(recorded)))
    }

    fn has_shape(&self, case: &Value) -> Result<(), String> {
        let shape = &case["response_shape"];
        let Some(answer) = self.answer.and_then(Bencode::parse) else {
            return ensure(case["response"].is_null(), || "silence".into());
        };
        if let Some(code) = shape["code"].as_i64() {
            return ensure(self.outcome()? == format!("error {code}"), || {
                format!("sent {}", show(self.answer))
            });
        }
        let kinds = answer.at("r").map(Bencode::kinds).unwrap_or_default();
        let has = |(key, kind): &(String, &str)| shape["keys"][key] == *kind;
        let count = shape["keys"].as_object().map_or(0, serde_json::Map::len);
        ensure(kinds.len() == count && kinds.iter().all(has), || format!("sent {}", show(self.answer)))
    }

    fn is_better(&self, better: &Value) -> Result<(), String> {
        let wanted = match text(&better["reply"]) {
            "error" => format!("error {}", better["code"]),
            reply => reply.to_owned(),
        };
        let outcome = self.outcome()?;
        self.check_limits(better)?;
        ensure(outcome == wanted, || format!("{outcome}, not {wanted}: {}", show(self.answer)))
    }

    fn is_also(&self, allowed: &str, outcome: &str) -> Result<bool, String> {
        Ok(match allowed {
            // The model knows but one normal answer: the closest nodes that have answered, never a stranger.
            "normal" | "normal without the requester" | "normal with fewer nodes" => outcome == "normal",
            "normal with no values" => outcome == "normal" && self.values()?.is_empty(),
            "error 203 with a shorter text" => outcome == "error 203",
            other if other == "none" || other.starts_with("error ") => outcome == other,
            other => return Err(format!("unknown outcome {other:?}")),
        })
    }

    fn check_limits(&self, case: &Value) -> Result<(), String> {
        if let (Some(limit), Some(answer)) = (case["max_response"].as_u64(), self.answer) {
            ensure(answer.len() as u64 <= limit, || format!("{} bytes, more than {limit}", answer.len()))?;
        }
        match case["values_count"].as_u64() {
            Some(count) => ensure(self.values()?.len() as u64 == count, || format!("not {count} values")),
            None => Ok(()),
        }
    }

    /// The model: what a normal answer to `request` holds.
    fn check_normal(&self, request: &Bencode, answer: &Bencode) -> Result<(), String> {
        let results = answer.at("r").ok_or("a reply without results")?;
        let arguments = request.at("a").ok_or("a reply to no query")?;
        ensure(results.at("id").and_then(Bencode::bytes) == Some(own_id().as_ref()), || "another id".into())?;
        let method = request.at("q").and_then(Bencode::bytes).unwrap_or_default();
        let key =
            |name| arguments.at(name).and_then(Bencode::bytes).and_then(Id::from_slice).ok_or("bad key");
        let keys: &[&str] = match method {
            b"ping" | b"store_value" => &["id"],
            b"join" => {
                self.check_seen_as(results)?;
                &["id", "ip_addr", "port"]
            }
            b"find_node" => {
                self.check_nodes(&key("target")?, results)?;
                let token = results.at("token").and_then(Bencode::bytes);
                ensure(token.is_some_and(|token| token.len() == 20), || "no token of 20 bytes".into())?;
                &["id", "nodes", "token"]
            }
            b"find_value" => {
                self.check_nodes(&key("key")?, results)?;
                let stored = i64::try_from(self.fixture.values(&key("key")?).len()).unwrap();
                ensure(results.at("num").and_then(Bencode::int) == Some(stored), || "wrong num".into())?;
                &["id", "nodes", "num"]
            }
            b"get_value" => {
                let num = arguments.at("num").and_then(Bencode::int).ok_or("no num")?;
                self.check_values(&key("key")?, num)?;
                &["id", "values"]
            }
            _ => return Err("a normal reply to an unknown method".into()),
        };
        let found = results.kinds();
        ensure(found.iter().map(|(key, _)| key).eq(keys), || format!("results {found:?}"))
    }

    fn check_seen_as(&self, results: &Bencode) -> Result<(), String> {
        let ip = results.at("ip_addr").and_then(Bencode::bytes);
        let port = results.at("port").and_then(Bencode::int);
        let is_right =
            ip == Some(self.from.ip().to_string().as_bytes()) && port == Some(self.from.port().into());
        ensure(is_right, || "wrong address".into())
    }

    /// The K closest of the nodes that have answered, closest first.
    fn check_nodes(&self, target: &Id, results: &Bencode) -> Result<(), String> {
        let mut closest = self.fixture.proven.clone();
        closest.sort_by_key(|contact| contact.id.distance(target));
        closest.truncate(8);
        let expected: Vec<_> = closest.iter().filter_map(Contact::to_compact).map(|c| c.to_vec()).collect();
        let nodes: Vec<_> = strings(results.at("nodes")).ok_or("nodes are no list of strings")?;
        ensure(nodes == expected, || format!("not the {} closest nodes", expected.len()))
    }

    /// Different values of the key, as many as wanted, and none left out that would have fitted.
    fn check_values(&self, key: &Id, num: i64) -> Result<(), String> {
        let sent = self.values()?;
        let different: BTreeSet<_> = sent.iter().cloned().collect();
        ensure(different.len() == sent.len(), || "a value twice".into())?;
        let mut left = self.fixture.values(key);
        let wanted =
            if num == 0 { left.len() } else { left.len().min(usize::try_from(num).unwrap_or(left.len())) };
        ensure(sent.len() <= wanted, || format!("{} values, not {wanted}", sent.len()))?;
        ensure(sent.iter().all(|value| left.remove(value)), || "a value that is not stored".into())?;
        let room = MAX_ANSWER - self.answer.map_or(0, <[u8]>::len);
        let fits = |value: &Vec<u8>| Bencode::Bytes(value.clone()).to_bytes().len() <= room;
        // A value that nobody would report need not be sent.
        let owed = |value: &Vec<u8>| !value.is_empty() && fits(value);
        let is_full = sent.len() == wanted || !left.iter().any(owed);
        // Of a random choice, those that do not fit may have been chosen.
        ensure(is_full || wanted < sent.len() + left.len(), || "a value that fits was left out".into())
    }

    fn values(&self) -> Result<Vec<Vec<u8>>, String> {
        let answer = self.answer.and_then(Bencode::parse).ok_or("no answer")?;
        let values = answer.at("r").and_then(|results| strings(results.at("values")));
        values.ok_or_else(|| "values are no list of strings".into())
    }
}

fn error_of(answer: &Bencode) -> Result<(i64, Vec<u8>), String> {
    match answer.at("e").and_then(Bencode::list) {
        Some([Bencode::Int(code), Bencode::Bytes(text)]) => Ok((*code, text.clone())),
        _ => Err("a malformed error".into()),
    }
}

/// The answer without its token, which is ours to choose, and with its values sorted if their order is free.
fn masked(answer: &[u8], any_order: bool) -> Vec<u8> {
    let Some(mut message) = Bencode::parse(answer) else { return answer.to_vec() };
    if let Some(results) = message.at_mut("r") {
        if let Some(Bencode::Bytes(token)) = results.at_mut("token") {
            token.fill(0);
        }
        if let Some(Bencode::List(values)) = results.at_mut("values")
            && any_order
        {
            values.sort();
        }
    }
    message.to_bytes()
}

fn strings(value: Option<&Bencode>) -> Option<Vec<Vec<u8>>> {
    value?.list()?.iter().map(|item| item.bytes().map(<[u8]>::to_vec)).collect()
}

fn show(answer: Option<&[u8]>) -> String {
    answer.map_or_else(|| "nothing".into(), |answer| answer.escape_ascii().to_string())
}
