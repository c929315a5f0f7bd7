//! What the endpoint counted: a fixed set of names, whatever peers send.

use crate::Method;
use crate::codec::DecodeError;

/// Totals since the endpoint was made. They only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received, dropped ones included.
    pub datagrams_in: u64,
    /// Bytes in them.
    pub bytes_in: u64,
    /// Datagrams handed out for sending.
    pub datagrams_out: u64,
    /// Bytes in them.
    pub bytes_out: u64,
    /// Replies kept back until the address they go to has proved itself.
    pub withheld: u64,
    /// Queries for a method that does not exist, each answered with error 203.
    pub unknown: u64,
    methods: [MethodCounters; Method::ALL.len()],
    dropped: [u64; DropReason::ALL.len()],
}

/// What was counted for one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodCounters {
    /// Our queries sent, each counted once.
    pub sent: u64,
    /// Further sendings of them.
    pub resent: u64,
    /// Our queries that were answered with a reply.
    pub answered: u64,
    /// Our queries that failed: error, timeout, wrong id and all the rest. Cancelled ones count as neither.
    pub failed: u64,
    /// Queries received, whether answered with a reply, an error or (by the engine's choice) not at all.
    pub received: u64,
    /// Errors sent in answer to them.
    pub refused: u64,
}

#[expect(clippy::indexing_slicing, reason = "there is a place for each method and each reason")]
impl Counters {
    /// What was counted for `method`.
    #[must_use]
    pub fn of(&self, method: Method) -> &MethodCounters {
        &self.methods[method as usize]
    }

    /// How many datagrams were dropped for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    pub(super) fn of_mut(&mut self, method: Method) -> &mut MethodCounters {
        &mut self.methods[method as usize]
    }

    #[expect(clippy::arithmetic_side_effects, reason = "of counters of 64 bits")]
    pub(super) fn count_drop(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }
}

/// Why a received datagram was met with silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Longer than [`MAX_INCOMING`](crate::MAX_INCOMING).
    TooLong,
    /// Not strict bencode.
    NotBencode,
    /// Bencode, but not a message.
    NotAMessage,
    /// A transaction id longer than [`TransactionId::MAX_LEN`](crate::TransactionId::MAX_LEN).
    TransactionId,
    /// A message of an unknown type that belongs to no call.
    UnknownType,
    /// A reply or an error that belongs to no call: late, doubled, forged or from another address.
    Unexpected,
    /// A query, while [`EndpointConfig::answers_queries`](crate::EndpointConfig::answers_queries) is off.
    Unserved,
    /// From a proven address that has sent its share of this second.
    TooManyQueries,
    /// From an unproven address whose prefix has sent its share of this second.
    PrefixBudget,
    /// From an unproven address, as all of them together have sent their share of this second.
    TotalBudget,
    /// Not a datagram but the answer to one, larger than the query of an address that has not proved itself.
    Unproven,
    /// Anything after [`Endpoint::stop`](crate::Endpoint::stop).
    Stopped,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::TooLong,
        Self::NotBencode,
        Self::NotAMessage,
        Self::TransactionId,
        Self::UnknownType,
        Self::Unexpected,
        Self::Unserved,
        Self::TooManyQueries,
        Self::PrefixBudget,
        Self::TotalBudget,
        Self::Unproven,
        Self::Stopped,
    ];

    /// Is it a limit that was reached, and no fault of the datagram?
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::TooManyQueries | Self::PrefixBudget | Self::TotalBudget | Self::Unproven)
    }

    /// A name for logs and statistics: lower case, words joined by underscores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotBencode => "not_bencode",
            Self::NotAMessage => "not_a_message",
            Self::TransactionId => "transaction_id",
            Self::UnknownType => "unknown_type",
            Self::Unexpected => "unexpected",
            Self::Unserved => "unserved",
            Self::TooManyQueries => "too_many_queries",
            Self::PrefixBudget => "prefix_budget",
            Self::TotalBudget => "total_budget",
            Self::Unproven => "unproven",
            Self::Stopped => "stopped",
        }
    }
}

impl From<DecodeError> for DropReason {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLong => Self::TooLong,
            DecodeError::Bencode(_) => Self::NotBencode,
            DecodeError::Envelope => Self::NotAMessage,
            DecodeError::TransactionId => Self::TransactionId,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_own_counter() {
        let mut counters = Counters::default();
        for (times, reason) in (1..).zip(DropReason::ALL) {
            (0..times).for_each(|_| counters.count_drop(reason));
            assert_eq!(counters.dropped(reason), times);
        }
        for (times, method) in (1..).zip(Method::ALL) {
            counters.of_mut(method).sent += times;
            assert_eq!(counters.of(method).sent, times);
        }
    }
}
