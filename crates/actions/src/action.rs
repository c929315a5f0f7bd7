//! The contract of an action: what it asks, what it is told, when it is done. Knows no wire and no table.

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};

/// A search or an errand among remote nodes, as a state machine.
///
/// The rule of use: hand in one input (`on_answer`, `on_failure`, or the passing of time), then call
/// [`poll`](Self::poll) until it says [`Step::Wait`] or [`Step::Done`]. Every [`Step::Ask`] is to be
/// reported back once, by `on_answer` or `on_failure`; one that never is delays the end until the
/// deadline at most.
///
/// Reports that fit no open question are ignored, whatever they hold: of a node that was not asked, from
/// another address, a second one, one after the end. An answer of the wrong kind is a failure of its node.
pub trait Action {
    /// What comes of it.
    type Outcome;

    /// The next step. Polling again without an input is harmless; after [`Step::Done`] nothing changes any more.
    #[must_use]
    fn poll(&mut self, now: Time) -> Step;

    /// `from`, just as the question named it, has answered.
    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time);

    /// `from`, just as the question named it, will not answer.
    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time);

    /// What has come of it: final once `poll` has said [`Step::Done`], as far as known before.
    #[must_use]
    fn outcome(&self) -> Self::Outcome;
}

/// What an action wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put this question to this node, then poll again.
    Ask(Ask),
    /// Nothing to do before an answer, a failure, or this moment: poll again no later than then.
    Wait(Time),
    /// The end. Questions still open do not matter.
    Done,
}

/// A question and whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The node. An answer counts only from this id at this address.
    pub contact: Contact,
    /// The question.
    pub question: Question,
}

/// What a node can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which nodes do you know near `target`? Wants [`Answer::Nodes`].
    FindNode {
        /// Any id.
        target: Id,
    },
    /// Which nodes do you know near `key`, and how many values have you under it? Wants [`Answer::Count`].
    FindValue {
        /// The key.
        key: Id,
    },
    /// Which values have you under `key`? Wants [`Answer::Values`].
    GetValue {
        /// The key.
        key: Id,
        /// How many to send, chosen at random; 0 means all.
        num: u64,
    },
    /// Will you keep `value` under `key`? Wants [`Answer::Stored`].
    StoreValue {
        /// The key.
        key: Id,
        /// The value.
        value: Bytes,
        /// The token that this node gave us.
        token: Bytes,
    },
}

/// What a node says to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::FindNode`].
    Nodes {
        /// The nodes it names. Nothing needs to be true of them.
        nodes: Vec<Contact>,
        /// The token to store with; `None` if it gave none.
        token: Option<Bytes>,
    },
    /// To [`Question::FindValue`].
    Count {
        /// The nodes it names. Nothing needs to be true of them.
        nodes: Vec<Contact>,
        /// How many values it claims to have.
        num: u64,
        /// All of them, if it sent them along; else none.
        values: Vec<Bytes>,
    },
    /// To [`Question::GetValue`].
    Values(Vec<Bytes>),
    /// To [`Question::StoreValue`]: it has.
    Stored,
}

/// Why a node did not answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nothing came in time. Its address is not asked again by this action, whatever id is named there.
    TimedOut,
    /// It answered with an error.
    Refused,
    /// It answered under another id, or with what is no answer.
    Invalid,
    /// The question could not be sent.
    Unsent,
}
