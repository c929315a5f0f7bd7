//! The commands, one file each.

pub(crate) mod demo;
pub(crate) mod get;
pub(crate) mod lookup;
pub(crate) mod node;
pub(crate) mod ping;
pub(crate) mod put;
pub(crate) mod sim;
mod tally;
