//! The quick start: hosts with tables as a settled network would have them, without the settling.
