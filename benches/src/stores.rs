//! `Stores`: values to be stored, no two alike, by a sender that has a token.

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use khashmir::Id;
use khashmir::krpc::{Level, Message, Method, Query, Reply, Token, TransactionId, decode, encode_query_with};

use crate::corpus;
use crate::exchange::{Exchange, REPLY_END, Verdict, number, place_of, set_number};

/// Values under a key, about: one of several publishers.
const VALUES_PER_KEY: u64 = 4;

/// One sender's values.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    query: Vec<u8>,
    key: usize,
    value: usize,
    /// Bytes behind the transaction id.
    end: usize,
    acknowledgement: Vec<u8>,
}

impl Stores {
    /// What `sender` stores with `token`.
    pub(crate) fn new(sender: &Id, token: Token) -> Result<Self> {
        let (key, value, id) = ([0xfc; Id::LEN], [0xfd; corpus::VALUE_LEN], [0xfe; TransactionId::LEN]);
        let query = Query::StoreValue { key: Id::new(key), value: Bytes::copy_from_slice(&value), token };
        let query = encode_query_with(&TransactionId::from(id), sender, &query, Level::OURS).to_vec();
        let place = |part: &[u8]| place_of(part, &query).context("a query holds what it was made of");
        let (key, value, id) = (place(&key)?, place(&value)?, place(&id)?);
        let end = query.len() - id - TransactionId::LEN;
        let acknowledgement = [b"d1:rd2:id20:", &corpus::node().as_bytes()[..]].concat();
        Ok(Self { query, key, value, end, acknowledgement })
    }

    /// The key and the value of this number.
    pub(crate) fn pair(number: u64) -> (Id, [u8; corpus::VALUE_LEN]) {
        let mut key = [0x5a; Id::LEN];
        key[..8].copy_from_slice(&mixed(number / VALUES_PER_KEY).to_be_bytes());
        (Id::new(key), corpus::value(number, 0))
    }
}

impl Exchange for Stores {
    fn write(&self, number: u64, buffer: &mut BytesMut) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.query);
        let (key, value) = Self::pair(number);
        buffer[start + self.key..][..Id::LEN].copy_from_slice(key.as_bytes());
        buffer[start + self.value..][..corpus::VALUE_LEN].copy_from_slice(&value);
        set_number(buffer, self.end, number);
    }

    fn answered(&self, datagram: &[u8]) -> Option<u64> {
        let is_answer = datagram.starts_with(&self.acknowledgement) || datagram.starts_with(b"d1:el");
        is_answer.then(|| number(datagram, REPLY_END)).flatten()
    }

    fn check(&self, _number: u64, answer: &[u8]) -> Result<Verdict> {
        Ok(if answer.starts_with(b"d1:el") { Verdict::Refused } else { Verdict::Done })
    }
}

/// Is the value of `number` among those that a `get_value` for its key brought?
pub(crate) fn is_stored(number: u64, answer: &[u8]) -> Result<()> {
    let Message::Reply { body, .. } = decode(answer)? else { anyhow::bail!("an error in place of values") };
    let (_, Reply::GetValue { values }) = body.read(Method::GetValue)? else {
        anyhow::bail!("a reply of another kind")
    };
    let (key, value) = Stores::pair(number);
    ensure!(values.iter().any(|found| *found == value[..]), "a value acknowledged under {key} is not there");
    Ok(())
}

/// The token in the answer to a `find_node`.
pub(crate) fn token(answer: &[u8]) -> Result<Token> {
    let Message::Reply { body, .. } = decode(answer)? else { anyhow::bail!("an error in place of a token") };
    match body.read(Method::FindNode)? {
        (_, Reply::FindNode { token: Some(token), .. }) => Ok(token),
        _ => anyhow::bail!("no token in the reply to find_node"),
    }
}

/// A number spread over all numbers, each of them once: the finisher of splitmix64.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stores_the_value_of_its_number() {
        let stores = Stores::new(&Id::MAX, Token::new(&b"token of twenty byte"[..])).unwrap();
        let mut query = BytesMut::from(&b"before it"[..]);
        stores.write(0x0102_0304_0506_0708, &mut query);
        let query = query.split_off(9);
        let Message::Query { transaction, sender, query, .. } = decode(&query).unwrap() else {
            panic!("no query")
        };
        let Query::StoreValue { key, value, .. } = query else { panic!("no store") };
        assert_eq!((sender, transaction.as_bytes()[..8].to_vec()), (Id::MAX, (1..=8).collect()));
        assert_eq!(
            (key, &value[..]),
            (Stores::pair(0x0102_0304_0506_0708).0, &Stores::pair(0x0102_0304_0506_0708).1[..])
        );
    }
}
