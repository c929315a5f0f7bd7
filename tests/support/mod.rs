//! What the tests of many nodes share.

pub(crate) mod attacker;
pub(crate) mod engine;
pub(crate) mod world;
