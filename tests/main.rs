//! Behaviour of many nodes, interoperation, the recordings of the original.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod recordings;
mod scenarios;
mod support;
