//! `Claim`: what attackers say about the values of a key. Knows neither nodes nor the wire.

use bytes::Bytes;
use khashmir::Id;
use khashmir::krpc::Reply;
use serde::Deserialize;

/// What an attacker says about the values under any key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// That there are none. What was stored is acknowledged, and never seen again.
    #[default]
    Nothing,
    /// That there are a thousand more than there are; asked for them, it returns three of its own invention.
    Forgeries,
}

/// Values in a forged answer.
const FORGERIES: u8 = 3;

/// By how much a liar has more values than it has: enough to be asked before any honest holder.
const INFLATION: u64 = 1000;

impl Claim {
    /// The reply of the attacker `liar` to a question about `key`, in place of the honest `reply`.
    pub(super) fn alter(self, key: &Id, liar: &Id, reply: Reply) -> Reply {
        match (self, reply) {
            (Self::Nothing, Reply::FindValue { nodes, .. }) => {
                Reply::FindValue { nodes, num: 0, values: Vec::new() }
            }
            (Self::Nothing, Reply::GetValue { .. }) => Reply::GetValue { values: Vec::new() },
            (Self::Forgeries, Reply::FindValue { nodes, num, .. }) => {
                Reply::FindValue { nodes, num: num.saturating_add(INFLATION), values: Vec::new() }
            }
            (Self::Forgeries, Reply::GetValue { .. }) => {
                Reply::GetValue { values: (0..FORGERIES).map(|number| forgery(key, liar, number)).collect() }
            }
            (_, reply) => reply,
        }
    }
}

/// A value that nobody stored: 20 bytes that every liar and every key have for themselves.
fn forgery(key: &Id, liar: &Id, number: u8) -> Bytes {
    let seed = [key.as_bytes().as_slice(), liar.as_bytes(), &[number]].concat();
    Bytes::copy_from_slice(Id::sha1(&seed).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Id = Id::MAX;
    const LIAR: Id = Id::NULL;

    #[test]
    fn values_are_denied_or_forged() {
        let honest = || Reply::GetValue { values: vec!["a".into()] };
        assert_eq!(Claim::Nothing.alter(&KEY, &LIAR, honest()), Reply::GetValue { values: vec![] });
        let Reply::GetValue { values } = Claim::Forgeries.alter(&KEY, &LIAR, honest()) else {
            panic!("another method")
        };
        assert_eq!(values, [0, 1, 2].map(|number| forgery(&KEY, &LIAR, number)));
        assert_ne!(forgery(&KEY, &LIAR, 0), forgery(&LIAR, &KEY, 0));
    }

    #[test]
    fn counts_are_denied_or_inflated() {
        let count = |num| Reply::FindValue { nodes: vec![], num, values: vec![] };
        let honest = Reply::FindValue { nodes: vec![], num: 1, values: vec!["a".into()] };
        assert_eq!(Claim::Nothing.alter(&KEY, &LIAR, honest.clone()), count(0));
        assert_eq!(Claim::Forgeries.alter(&KEY, &LIAR, honest), count(1001));
    }

    #[test]
    fn what_has_nothing_to_do_with_values_passes() {
        assert_eq!(Claim::Forgeries.alter(&KEY, &LIAR, Reply::StoreValue), Reply::StoreValue);
    }
}
