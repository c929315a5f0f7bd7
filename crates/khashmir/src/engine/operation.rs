//! `Operation`: one request under way, as the action that runs now and what it is for.
//! Knows no wire: it asks, and is told answers.

use bytes::Bytes;
use khashmir_actions::{
    Action, Answer, Failure, FindNode, FindValue, Get, Step, StoreValue, StoreValueOutcome, Tally,
};
use khashmir_krpc::Method;
use khashmir_routing::Refresh;
use khashmir_types::{Contact, Id, IdRange, Prefix, Time};

use super::join::Joining;

/// Names an operation of one engine. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(super) u64);

/// A request under way.
#[derive(Debug)]
pub(super) struct Operation {
    /// What is wanted in the end.
    pub(super) goal: Goal,
    /// What runs now.
    pub(super) stage: Stage,
    pub(super) started: Time,
    pub(super) stage_started: Time,
    /// When it wants to be polled; kept in step with the engine's alarms.
    pub(super) wakes: Option<Time>,
}

/// What an operation is for, with what it remembers from stage to stage.
#[derive(Debug)]
pub(super) enum Goal {
    FindNode,
    FindValue {
        key: Id,
    },
    Get {
        from_local: usize,
    },
    Store {
        key: Id,
        value: Bytes,
        search: Tally,
        complete: bool,
        /// Does it rely on the search of an earlier store?
        is_hasty: bool,
        here: Here,
        stored: Option<StoreValueOutcome>,
    },
    Join(Joining),
    Refresh(Enough),
    /// A `ping` or, to be taken in as well, a `join`: both are one call.
    Contact(Method),
}

/// When a refresh may end before its lookup does.
#[derive(Debug)]
pub(super) enum Enough {
    /// When so many more nodes of a range have answered.
    Answers {
        range: IdRange,
        missing: usize,
    },
    /// When two nodes have named us that share a [`Prefix`] neither with one another nor with this one, where it begins: one liar with
    /// some ports is not enough.
    Known {
        but_by: Contact,
        named_by: Option<Contact>,
        is_known: bool,
    },
    Never,
}

impl Enough {
    /// `from` has answered, and perhaps named us.
    pub(super) fn on_answer(&mut self, from: &Contact, names_us: bool) {
        match self {
            Self::Answers { range, missing } => {
                *missing = missing.saturating_sub(usize::from(range.contains(&from.id)));
            }
            Self::Known { but_by, named_by, is_known } => {
                let counts = names_us && are_apart(from, but_by);
                *is_known |= counts && named_by.is_some_and(|first| are_apart(from, &first));
                *named_by = named_by.or(counts.then_some(*from));
            }
            Self::Never => {}
        }
    }

    pub(super) fn is_reached(&self) -> bool {
        match self {
            Self::Answers { missing, .. } => *missing == 0,
            Self::Known { is_known, .. } => *is_known,
            Self::Never => false,
        }
    }
}

/// Are they two nodes, and not of one prefix?
fn are_apart(one: &Contact, other: &Contact) -> bool {
    let [prefix, other_prefix] = [one, other].map(|contact| Prefix::of(contact.addr.ip()));
    one.id != other.id && one.addr != other.addr && (prefix.is_none() || prefix != other_prefix)
}

impl From<Refresh> for Enough {
    fn from(Refresh { range, enough }: Refresh) -> Self {
        enough.map_or(Self::Never, |missing| Self::Answers { range, missing })
    }
}

impl Goal {
    pub(super) fn store(key: Id, value: Bytes) -> Self {
        let search = Tally::default();
        Self::Store {
            key,
            value,
            search,
            complete: true,
            is_hasty: false,
            here: Here::NotWanted,
            stored: None,
        }
    }

    /// The call it is all about, for the statistics; those of stages are counted with the stage.
    pub(super) fn method(&self) -> Option<Method> {
        match self {
            Self::Join(_) => Some(Method::Join),
            Self::Contact(method) => Some(*method),
            _ => None,
        }
    }
}

/// The copy of a stored value that we keep ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    NotWanted,
    /// For the commit that makes it durable.
    Waiting,
    Durable,
    Failed,
}

/// The part of an operation that runs now.
#[derive(Debug)]
pub(super) enum Stage {
    FindNode(FindNode),
    FindValue(FindValue),
    /// Boxed: it is two actions in one, and twice as large as the others.
    Get(Box<Get>),
    StoreValue(StoreValue),
    /// Nothing to ask: it waits for a call or a commit.
    Waiting,
}

impl Operation {
    pub(super) fn new(goal: Goal, stage: Stage, now: Time) -> Self {
        Self { goal, stage, started: now, stage_started: now, wakes: None }
    }

    pub(super) fn on_answer(&mut self, from: &Contact, answer: Answer, names_us: bool, now: Time) {
        if let Goal::Refresh(enough) = &mut self.goal {
            enough.on_answer(from, names_us);
        }
        self.stage.on_answer(from, answer, now);
    }

    /// The next step, or `None` while it waits for a call or a commit.
    pub(super) fn poll(&mut self, now: Time) -> Option<Step> {
        match &self.goal {
            Goal::Refresh(enough) if enough.is_reached() => Some(Step::Done),
            _ => self.stage.poll(now),
        }
    }
}

/// The part of an action that does not depend on its outcome.
trait Steps {
    fn poll(&mut self, now: Time) -> Step;
    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time);
    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time);
}

impl<A: Action> Steps for A {
    fn poll(&mut self, now: Time) -> Step {
        Action::poll(self, now)
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        Action::on_answer(self, from, answer, now);
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        Action::on_failure(self, from, failure, now);
    }
}

impl Stage {
    fn steps(&mut self) -> Option<&mut dyn Steps> {
        match self {
            Self::FindNode(action) => Some(action),
            Self::FindValue(action) => Some(action),
            Self::Get(action) => Some(&mut **action),
            Self::StoreValue(action) => Some(action),
            Self::Waiting => None,
        }
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        if let Some(steps) = self.steps() {
            steps.on_answer(from, answer, now);
        }
    }

    pub(super) fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        if let Some(steps) = self.steps() {
            steps.on_failure(from, failure, now);
        }
    }

    fn poll(&mut self, now: Time) -> Option<Step> {
        self.steps().map(|steps| steps.poll(now))
    }

    /// The questions it asks, for the statistics.
    pub(super) fn method(&self) -> Option<Method> {
        match self {
            Self::FindNode(_) => Some(Method::FindNode),
            Self::FindValue(_) => Some(Method::FindValue),
            Self::Get(_) => Some(Method::GetValue),
            Self::StoreValue(_) => Some(Method::StoreValue),
            Self::Waiting => None,
        }
    }
}
