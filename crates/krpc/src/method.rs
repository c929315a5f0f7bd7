//! `Method`: the six questions of the Khashmir protocol.

use std::fmt;

/// What a query asks for (protocol of the original, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Are you there?
    Ping,
    /// Are you there, and from which address do you see me?
    Join,
    /// Which nodes do you know closest to an id?
    FindNode,
    /// Which nodes do you know closest to a key, and how many values have you under it?
    FindValue,
    /// Which values have you under a key?
    GetValue,
    /// Keep a value under a key.
    StoreValue,
}

impl Method {
    /// Every method, in the order in which counters list them.
    pub const ALL: [Self; 6] =
        [Self::Ping, Self::Join, Self::FindNode, Self::FindValue, Self::GetValue, Self::StoreValue];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Join => "join",
            Self::FindNode => "find_node",
            Self::FindValue => "find_value",
            Self::GetValue => "get_value",
            Self::StoreValue => "store_value",
        }
    }

    /// Does a node of every role serve it? Routing depends on these.
    #[must_use]
    pub const fn is_for_all(self) -> bool {
        matches!(self, Self::Ping | Self::Join | Self::FindNode)
    }

    /// The method with this name on the wire, if there is one.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().as_bytes() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
