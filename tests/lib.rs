//! Empty: the tests live in `main.rs`.
