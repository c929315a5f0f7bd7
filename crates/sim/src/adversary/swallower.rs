//! `Swallower`: lives in tables and answers nothing of use. Knows no wire and no world.

use khashmir::Method;

use super::{Asked, Tamper};

/// An honest node that leaves the queries of some methods unanswered. As it answers pings, it stays in tables; whoever
/// asks it waits in vain.
#[derive(Clone, Debug)]
pub struct Swallower {
    methods: Vec<Method>,
}

impl Swallower {
    /// What is of use to others.
    pub const USEFUL: [Method; 4] =
        [Method::FindNode, Method::FindValue, Method::GetValue, Method::StoreValue];

    /// A node that answers everything but `methods`.
    #[must_use]
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self { methods: methods.into_iter().collect() }
    }
}

impl Tamper for Swallower {
    fn admits(&mut self, asked: &Asked) -> bool {
        !self.methods.contains(&asked.query.method())
    }
}
