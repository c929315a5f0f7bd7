//! `Exchange`: what a generator asks, and how it knows an answer.

use anyhow::Result;
use bytes::BytesMut;

/// A kind of question that can be asked over and over. Every question has a number, which its transaction id carries.
pub(crate) trait Exchange: Send + Sync + 'static {
    /// Writes the query of this number behind what is in `buffer`.
    fn write(&self, number: u64, buffer: &mut BytesMut);

    /// The number of the query that `datagram` answers, if it looks like an answer at all.
    fn answered(&self, datagram: &[u8]) -> Option<u64>;

    /// Looks closer at the answer to the query of this number. Was what it asked for refused?
    ///
    /// # Errors
    /// If the answer is wrong.
    fn check(&self, number: u64, answer: &[u8]) -> Result<Verdict>;
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Refused,
}

/// Writes a question's number into its transaction id, which ends `end` bytes before the datagram does.
pub(crate) fn set_number(datagram: &mut [u8], end: usize, number: u64) {
    let id = datagram.len() - end - ID_LEN;
    datagram[id..id + 8].copy_from_slice(&number.to_be_bytes());
}

/// The number in a transaction id that ends `end` bytes before the datagram does.
pub(crate) fn number(datagram: &[u8], end: usize) -> Option<u64> {
    let id = datagram.len().checked_sub(end + ID_LEN)?;
    Some(u64::from_be_bytes(datagram.get(id..id + 8)?.try_into().ok()?))
}

/// Where in `datagram` the only `part` begins.
pub(crate) fn place_of(part: &[u8], datagram: &[u8]) -> Option<usize> {
    datagram.windows(part.len()).position(|window| window == part)
}

const ID_LEN: usize = khashmir::krpc::TransactionId::LEN;

/// Bytes at the end of a reply, behind the transaction id; an error has as many.
pub(crate) const REPLY_END: usize = b"1:y1:re".len();
