//! Behaviour of many nodes, interoperation, the recordings of the original.
