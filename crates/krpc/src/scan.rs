//! The strict check of bencode: one pass over the bytes before any decoder sees them.
//!
//! Knows the grammar and its limits; must not know messages. Does not recurse and does not allocate, so
//! no input can cost more than a walk over its bytes. Its two steps are always inlined, or the scanner lives in
//! memory, not in registers, at nearly twice the cost.

use crate::cursor::Cursor;

/// Containers that may be open at once. KRPC needs 3; 32 leaves room for extensions and bounds the
/// recursion of whatever decodes the input afterwards.
pub const MAX_DEPTH: usize = 32;

/// Values in one input, containers included, keys not. No honest message has a tenth of it; it bounds what a
/// decoder allocates to some 64 KiB. More are refused.
pub const MAX_VALUES: usize = 1024;

/// Why bytes are not strict bencode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The input ends inside a value, or a string claims more bytes than there are.
    #[error("ends inside a value")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes after the end")]
    Trailing,
    /// A byte that starts no value, or a dictionary key that is not a string.
    #[error("unexpected byte")]
    UnexpectedByte,
    /// An integer that is not canonical (blanks, `+`, leading zeros, minus zero) or does not fit an `i64`.
    #[error("bad integer")]
    Integer,
    /// A string length that is not canonical.
    #[error("bad string length")]
    Length,
    /// Dictionary keys that are not strictly ascending; duplicates are a case of this.
    #[error("keys are not strictly ascending")]
    KeyOrder,
    /// More than [`MAX_DEPTH`] containers within one another.
    #[error("nested too deeply")]
    TooDeep,
    /// More than [`MAX_VALUES`] values.
    #[error("too many values")]
    TooManyValues,
}

/// Checks that `input` is exactly one strictly canonical bencoded value within the limits of this module.
///
/// Strict means that every value has one encoding: no leading zeros, no `-0`, dictionary keys strictly
/// ascending, nothing after the end. The original's own types (`u` text, `t` date) are refused: it never
/// sends them.
///
/// # Errors
/// The first fault found, reading from the left.
pub fn scan(input: &[u8]) -> Result<(), ScanError> {
    scan_with(input, |_, _| {})
}

/// As [`scan`]. If `input` is a dictionary, tells each of its keys and where the value begins, which is good only
/// if the scan then succeeds.
pub(crate) fn scan_with<'a>(
    input: &'a [u8],
    mut on_field: impl FnMut(&'a [u8], Cursor<'a>),
) -> Result<(), ScanError> {
    let mut scanner = Scanner::new(input);
    scanner.value()?;
    while let Some(top) = scanner.depth.checked_sub(1) {
        if let Some((key, value)) = scanner.step(top)?
            && top == 0
        {
            on_field(key, value);
        }
    }
    if scanner.cursor.is_at_end() { Ok(()) } else { Err(ScanError::Trailing) }
}

/// An open container.
#[derive(Clone, Copy)]
enum Frame<'a> {
    List,
    /// The next key must be greater than `after`.
    Dict {
        after: Option<&'a [u8]>,
    },
}

struct Scanner<'a> {
    cursor: Cursor<'a>,
    frames: [Frame<'a>; MAX_DEPTH],
    depth: usize,
    /// How many more values there may be.
    room: usize,
}

impl<'a> Scanner<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(input), frames: [Frame::List; MAX_DEPTH], depth: 0, room: MAX_VALUES }
    }

    /// Ends the innermost open container, which is at `top`, or reads its next element or entry. Of an entry it returns
    /// the key, and where the value begins.
    #[inline(always)]
    fn step(&mut self, top: usize) -> Result<Option<(&'a [u8], Cursor<'a>)>, ScanError> {
        if self.cursor.peek()? == b'e' {
            self.cursor.advance();
            self.depth = top;
            return Ok(None);
        }
        let mut entry = None;
        if let Some(Frame::Dict { after }) = self.frames.get_mut(top) {
            let key = self.cursor.string()?;
            if after.is_some_and(|after| after >= key) {
                return Err(ScanError::KeyOrder);
            }
            *after = Some(key);
            entry = Some((key, self.cursor));
        }
        self.value()?;
        Ok(entry)
    }

    /// Reads a string or an integer, or opens a container.
    #[inline(always)]
    fn value(&mut self) -> Result<(), ScanError> {
        self.room = self.room.checked_sub(1).ok_or(ScanError::TooManyValues)?;
        match self.cursor.peek()? {
            b'i' => self.cursor.integer().map(drop),
            b'l' => self.open(Frame::List),
            b'd' => self.open(Frame::Dict { after: None }),
            _ => self.cursor.string().map(drop),
        }
    }

    fn open(&mut self, frame: Frame<'a>) -> Result<(), ScanError> {
        *self.frames.get_mut(self.depth).ok_or(ScanError::TooDeep)? = frame;
        // No more than there are frames.
        self.depth = self.depth.saturating_add(1);
        self.cursor.advance();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition the scan is checked against: bytes are strict if reading them carelessly and writing
    /// what was read gives the same bytes.
    #[derive(Clone, Debug)]
    enum Model {
        Bytes(Vec<u8>),
        Int(i64),
        List(Vec<Model>),
        Dict(BTreeMap<Vec<u8>, Model>),
    }

    impl Model {
        fn accepts(input: &[u8]) -> bool {
            let mut rest = input;
            Self::read(&mut rest, 0).is_some_and(|value| rest.is_empty() && value.written() == input)
        }

        fn read(rest: &mut &[u8], depth: usize) -> Option<Self> {
            let first = *rest.first()?;
            if matches!(first, b'l' | b'd') && depth == MAX_DEPTH {
                return None;
            }
            match first {
                b'i' => {
                    let end = rest.iter().position(|byte| *byte == b'e')?;
                    let number = std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
                    *rest = &rest[end + 1..];
                    Some(Self::Int(number))
                }
                b'l' => {
                    *rest = &rest[1..];
                    let mut list = Vec::new();
                    while *rest.first()? != b'e' {
                        list.push(Self::read(rest, depth + 1)?);
                    }
                    *rest = &rest[1..];
                    Some(Self::List(list))
                }
                b'd' => {
                    *rest = &rest[1..];
                    let mut dict = BTreeMap::new();
                    while *rest.first()? != b'e' {
                        dict.insert(Self::read_bytes(rest)?, Self::read(rest, depth + 1)?);
                    }
                    *rest = &rest[1..];
                    Some(Self::Dict(dict))
                }
                _ => Self::read_bytes(rest).map(Self::Bytes),
            }
        }

        fn read_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
            let colon = rest.iter().position(|byte| *byte == b':')?;
            let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
            let bytes = rest.get(colon + 1..colon.checked_add(1)?.checked_add(length)?)?.to_vec();
            *rest = &rest[colon + 1 + length..];
            Some(bytes)
        }

        fn written(&self) -> Vec<u8> {
            match self {
                Self::Bytes(bytes) => [bytes.len().to_string().as_bytes(), b":", bytes].concat(),
                Self::Int(number) => format!("i{number}e").into_bytes(),
                Self::List(list) => {
                    let elements: Vec<u8> = list.iter().flat_map(Self::written).collect();
                    [b"l", &elements[..], b"e"].concat()
                }
                Self::Dict(dict) => {
                    let entries = dict.iter().flat_map(|(key, value)| {
                        [Self::Bytes(key.clone()).written(), value.written()].concat()
                    });
                    [b"d", &entries.collect::<Vec<u8>>()[..], b"e"].concat()
                }
            }
        }
    }

    fn model() -> impl Strategy<Value = Model> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Model::Int),
            proptest::collection::vec(any::<u8>(), 0..12).prop_map(Model::Bytes),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let key = proptest::collection::vec(any::<u8>(), 0..4);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Model::List),
                proptest::collection::btree_map(key, inner, 0..6).prop_map(Model::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_canonically_passes(value in model()) {
            prop_assert_eq!(scan(&value.written()), Ok(()));
        }

        #[test]
        fn agrees_with_the_definition_on_damaged_bencode(value in model(), at: prop::sample::Index, byte: u8) {
            let mut input = value.written();
            let at = at.index(input.len());
            input[at] = byte;
            prop_assert_eq!(scan(&input).is_ok(), Model::accepts(&input));
            input.truncate(at);
            prop_assert_eq!(scan(&input).is_ok(), Model::accepts(&input));
        }

        #[test]
        fn agrees_with_the_definition_on_short_inputs(input in "[dlie0-3:a-]{0,9}") {
            prop_assert_eq!(scan(input.as_bytes()).is_ok(), Model::accepts(input.as_bytes()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(input: Vec<u8>) {
            prop_assert_eq!(scan(&input).is_ok(), Model::accepts(&input));
        }
    }

    #[test]
    fn each_fault_has_its_name() {
        for (input, fault) in [
            (&b""[..], ScanError::Truncated),
            (b"i12", ScanError::Truncated),
            (b"5:abc", ScanError::Truncated),
            (b"d1:a", ScanError::Truncated),
            (b"99999999999999999999:a", ScanError::Length),
            (b"9999999999999999999:a", ScanError::Truncated),
            (b"i1ei2e", ScanError::Trailing),
            (b"u1:a", ScanError::UnexpectedByte),
            (b"t2008-03-21T05:17:32e", ScanError::UnexpectedByte),
            (b"di1ei2ee", ScanError::UnexpectedByte),
            (b"d-4:", ScanError::UnexpectedByte),
            (b"i-0e", ScanError::Integer),
            (b"i03e", ScanError::Integer),
            (b"i+5e", ScanError::Integer),
            (b"ie", ScanError::Integer),
            (b"i9223372036854775808e", ScanError::Integer),
            (b"03:abc", ScanError::Length),
            (b"1L:a", ScanError::Length),
            (b"d1:b0:1:a0:e", ScanError::KeyOrder),
            (b"d1:a0:1:a0:e", ScanError::KeyOrder),
        ] {
            assert_eq!(scan(input), Err(fault), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn the_extremes_of_an_integer_pass() {
        assert_eq!(scan(b"i9223372036854775807e"), Ok(()));
        assert_eq!(scan(b"i-9223372036854775808e"), Ok(()));
        assert_eq!(scan(b"i-9223372036854775809e"), Err(ScanError::Integer));
    }

    #[test]
    fn depth_is_limited_to_the_level() {
        let nested = |depth: usize| format!("{}{}", "l".repeat(depth), "e".repeat(depth));
        assert_eq!(scan(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(scan(nested(MAX_DEPTH + 1).as_bytes()), Err(ScanError::TooDeep));
        assert_eq!(scan(nested(5_000).as_bytes()), Err(ScanError::TooDeep));
    }

    #[test]
    fn the_number_of_values_is_limited() {
        let list = |elements: usize| format!("l{}e", "0:".repeat(elements));
        assert_eq!(scan(list(MAX_VALUES - 1).as_bytes()), Ok(()));
        assert_eq!(scan(list(MAX_VALUES).as_bytes()), Err(ScanError::TooManyValues));
    }
}
