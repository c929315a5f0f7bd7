//! Behaviour of many nodes: most in virtual time, over real sockets where those are the point.

mod durability;
mod hostile;
mod joining;
mod malformed;
mod serving;
mod sockets;
mod traffic;
mod values;
