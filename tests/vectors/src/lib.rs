//! Reads the recordings of the original in `tests/vectors/` for the workspace's tests.
//!
//! Knows their file names and how they write bytes; must not know any layer of ours.

use std::path::PathBuf;

use serde::Deserialize;
pub use serde_json::Value;

/// The recording `name` (a path below `tests/vectors/`, such as `"golden/ping.json"`).
///
/// # Panics
/// If the file is missing or is not JSON: a test cannot go on without it.
#[must_use]
pub fn load(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // Some recordings are nested deeper than serde_json's own limit: they test ours.
    let mut reader = serde_json::Deserializer::from_str(&text);
    reader.disable_recursion_limit();
    Value::deserialize(&mut reader).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The bytes that a recording writes as lower-case hex.
///
/// # Panics
/// If `value` is not a string of hex digits.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap_or_else(|| panic!("not a hex string: {value}")))
}

/// The bytes of a string of hex digits.
///
/// # Panics
/// If `text` is not an even number of hex digits.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of hex digits: {text}");
    let digit = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap_or_else(|_| panic!("not hex: {text}"));
    (0..text.len()).step_by(2).map(digit).collect()
}
