//! `Value`, `Fields`, `Elements`: bencode that has passed the scan, read where it lies.
//!
//! Copies nothing and builds no tree: a container is the bytes behind its first one, read by iterating. What every
//! field goes through is always inlined, or cursors and values travel through memory at twice the cost.

use khashmir_types::Id;

use crate::cursor::Cursor;

/// A value. Asked for what it is not, it is `None`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Integer(i64),
    String(&'a [u8]),
    List(Elements<'a>),
    Dict(Fields<'a>),
}

impl<'a> Value<'a> {
    pub(super) const fn string(self) -> Option<&'a [u8]> {
        match self {
            Self::String(string) => Some(string),
            _ => None,
        }
    }

    pub(super) fn id(self) -> Option<Id> {
        Id::from_slice(self.string()?)
    }

    pub(super) const fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub(super) fn count(self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    pub(super) const fn list(self) -> Option<Elements<'a>> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    pub(super) const fn dict(self) -> Option<Fields<'a>> {
        match self {
            Self::Dict(fields) => Some(fields),
            _ => None,
        }
    }

    /// The value that begins at `cursor`, or `None` if none does.
    pub(super) fn at(mut cursor: Cursor<'a>) -> Option<Self> {
        Self::read(&mut cursor)
    }

    /// As [`Self::at`]; moves the cursor behind a string or an integer, or into a container.
    #[inline(always)]
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        match cursor.peek().ok()? {
            b'i' => Some(Self::Integer(cursor.integer().ok()?)),
            b'l' => {
                cursor.advance();
                Some(Self::List(Elements(*cursor)))
            }
            b'd' => {
                cursor.advance();
                Some(Self::Dict(Fields(*cursor)))
            }
            _ => Some(Self::String(cursor.string().ok()?)),
        }
    }

    /// The value at `cursor`, which moves behind it.
    #[inline(always)]
    fn next(cursor: &mut Cursor<'a>) -> Option<Self> {
        let value = Self::read(cursor)?;
        if matches!(value, Self::List(_) | Self::Dict(_)) {
            leave(cursor)?;
        }
        Some(value)
    }
}

/// The elements of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(Cursor<'a>);

impl<'a> Elements<'a> {
    /// Those that are strings; the others are passed over.
    pub(super) fn strings(self) -> impl Iterator<Item = &'a [u8]> {
        self.filter_map(Value::string)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        // At the end of the list begins no value.
        Value::next(&mut self.0)
    }
}

/// The entries of a dictionary, in the order of their keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(Cursor<'a>);

impl<'a> Fields<'a> {
    /// The values of exactly these keys, which must be given in ascending order; `None` if one is missing or
    /// there are others.
    pub(super) fn exactly<const N: usize>(mut self, keys: [&str; N]) -> Option<[Value<'a>; N]> {
        let mut values = [Value::Integer(0); N];
        for (expected, value) in keys.iter().zip(&mut values) {
            let (key, found) = self.next()?;
            if key != expected.as_bytes() {
                return None;
            }
            *value = found;
        }
        self.next().is_none().then_some(values)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        // At the end of the dictionary begins no key.
        Some((self.0.string().ok()?, Value::next(&mut self.0)?))
    }
}

/// Moves the cursor behind the end of the container it is in.
fn leave(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match cursor.peek().ok()? {
            b'i' => drop(cursor.integer().ok()?),
            b'0'..=b'9' => drop(cursor.string().ok()?),
            end_or_beginning => {
                let deeper =
                    if end_or_beginning == b'e' { depth.checked_sub(1) } else { depth.checked_add(1) };
                depth = deeper?;
                cursor.advance();
            }
        }
    }
    Some(())
}
