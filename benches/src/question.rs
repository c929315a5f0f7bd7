//! `Question`: what is asked, over and over, and how right answers look. Knows bytes, not sockets.
//!
//! Checking must cost less than answering: of every answer the length, the beginning and the transaction id are compared;
//! one in 64 is decoded and compared with the truth.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use khashmir::Id;
use khashmir::krpc::{Level, Message, Method, Query, Reply, TransactionId, decode, encode_query_with};

use crate::corpus;
use crate::exchange::{Exchange, REPLY_END, Verdict, number, place_of, set_number};

/// One answer in so many is decoded and compared.
const DECODED: u64 = 64;

/// The same kind of query in many versions, and the answers to them.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    queries: Vec<Bytes>,
    /// Bytes behind the transaction id of a query.
    query_end: usize,
    answer: Answer,
}

/// How right answers look.
#[derive(Clone, Debug)]
struct Answer {
    len: usize,
    start: Vec<u8>,
    /// Bytes behind the transaction id.
    end: usize,
    /// None from an echo.
    truth: Option<Truth>,
}

/// What right answers say.
#[derive(Clone, Debug)]
pub(crate) enum Truth {
    /// These, one for each query. Tokens and the order of values may differ.
    Replies(Vec<Reply>),
    /// So many different values of this key of the corpus, which has as many as said.
    Sample { key: u64, of: u64, values: usize },
}

impl Question {
    /// `queries`, each from another node.
    pub(crate) fn new(queries: &[(Id, Query)], truth: Truth) -> Self {
        let marked = TransactionId::from([0xfe; TransactionId::LEN]);
        let encode = |(from, query): &(Id, Query)| encode_query_with(&marked, from, query, Level::OURS);
        let queries: Vec<Bytes> = queries.iter().map(encode).collect();
        let end = |query: &Bytes| {
            place_of(marked.as_bytes(), query).map(|place| query.len() - place - TransactionId::LEN)
        };
        let query_end = queries.first().and_then(end).unwrap_or_default();
        let start = [b"d1:rd2:id20:", &corpus::node().as_bytes()[..]].concat();
        Self { queries, query_end, answer: Answer { len: 0, start, end: REPLY_END, truth: Some(truth) } }
    }

    /// The same question put to an echo that answers in the same length.
    pub(crate) fn echoed(&self) -> Self {
        let answer = Answer { start: Vec::new(), end: self.query_end, truth: None, ..self.answer };
        Self { answer, ..self.clone() }
    }

    /// Takes the length of `answer`, the first one, as that of all.
    pub(crate) fn learn(&mut self, answer: &[u8]) -> Result<usize> {
        self.answer.len = answer.len();
        self.compare(0, answer).context("the first answer is wrong")?;
        Ok(answer.len())
    }

    fn compare(&self, number: u64, answer: &[u8]) -> Result<()> {
        let Some(truth) = &self.answer.truth else { return Ok(()) };
        let Message::Reply { body, .. } = decode(answer)? else {
            bail!("an error in place of a reply: {}", answer.escape_ascii());
        };
        match truth {
            Truth::Replies(replies) => {
                let truth = &replies[self.version(number)];
                let (from, reply) = body.read(truth.method())?;
                ensure!(from == corpus::node(), "the answer is from {from}");
                ensure!(comparable(reply.clone()) == *truth, "{truth:?} was expected, and not {reply:?}");
            }
            Truth::Sample { key, of, values: wanted } => {
                let (_, Reply::GetValue { mut values }) = body.read(Method::GetValue)? else {
                    bail!("a reply of another kind");
                };
                values.sort();
                values.dedup();
                ensure!(values.len() == *wanted, "{} different values, and not {wanted}", values.len());
                let is_there = |value: &Bytes| corpus::number(*key, value).is_some_and(|number| number < *of);
                ensure!(values.iter().all(is_there), "values that were never stored");
            }
        }
        Ok(())
    }

    fn version(&self, number: u64) -> usize {
        (number % self.queries.len() as u64) as usize
    }
}

impl Exchange for Question {
    fn write(&self, number: u64, buffer: &mut BytesMut) {
        buffer.extend_from_slice(&self.queries[self.version(number)]);
        set_number(buffer, self.query_end, number);
    }

    fn answered(&self, datagram: &[u8]) -> Option<u64> {
        let Answer { len, start, end, .. } = &self.answer;
        let is_answer = datagram.len() == *len && datagram.starts_with(start);
        is_answer.then(|| number(datagram, *end)).flatten()
    }

    fn check(&self, number: u64, answer: &[u8]) -> Result<Verdict> {
        if self.answer.truth.is_some() && number.is_multiple_of(DECODED) {
            self.compare(number, answer)?;
        }
        Ok(Verdict::Done)
    }
}

/// The reply without what may differ: the token, and the order of the values.
fn comparable(mut reply: Reply) -> Reply {
    match &mut reply {
        Reply::FindNode { token, .. } => *token = None,
        Reply::GetValue { values } => values.sort(),
        _ => {}
    }
    reply
}
