//! `Cursor`: strings and integers of strict bencode, read one after the other.
//!
//! Knows how scalars are written; must not know what is inside what. Copies nothing.

use crate::ScanError;

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Result<u8, ScanError> {
        self.rest.first().copied().ok_or(ScanError::Truncated)
    }

    /// Skips the byte that [`Self::peek`] has seen.
    pub(crate) fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], ScanError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(ScanError::UnexpectedByte);
        }
        let length = self.number(b':').map_err(|fault| fault.or(ScanError::Length))?;
        let length = usize::try_from(length).map_err(|_| ScanError::Truncated)?;
        let (string, rest) = self.rest.split_at_checked(length).ok_or(ScanError::Truncated)?;
        self.rest = rest;
        Ok(string)
    }

    /// Reads an integer, of which [`Self::peek`] has seen the `i`.
    pub(crate) fn integer(&mut self) -> Result<i64, ScanError> {
        self.advance();
        let negative = self.peek()? == b'-';
        if negative {
            self.advance();
        }
        let magnitude = self.number(b'e').map_err(|fault| fault.or(ScanError::Integer))?;
        match negative {
            false => i64::try_from(magnitude).map_err(|_| ScanError::Integer),
            true if magnitude == 0 => Err(ScanError::Integer),
            true => 0_i64.checked_sub_unsigned(magnitude).ok_or(ScanError::Integer),
        }
    }

    /// Reads a canonical decimal number and the byte that ends it.
    fn number(&mut self, end: u8) -> Result<u64, NumberFault> {
        let mut number = 0_u64;
        for (index, byte) in self.rest.iter().enumerate() {
            match byte {
                // A digit too many, or one behind a leading zero.
                b'0'..=b'9' if index == MAX_DIGITS || (index > 0 && number == 0) => {
                    return Err(NumberFault::Malformed);
                }
                b'0'..=b'9' => {
                    let digit = u64::from(byte.wrapping_sub(b'0'));
                    // So few digits cannot wrap.
                    number = number.wrapping_mul(10).wrapping_add(digit);
                }
                byte if *byte == end && index > 0 => {
                    self.rest = self.rest.get(index.saturating_add(1)..).unwrap_or_default();
                    return Ok(number);
                }
                _ => return Err(NumberFault::Malformed),
            }
        }
        Err(NumberFault::Truncated)
    }
}

/// Digits of the largest `i64`. A number with as many fits a `u64`, one with more fits no `i64`.
const MAX_DIGITS: usize = 19;

enum NumberFault {
    Truncated,
    Malformed,
}

impl NumberFault {
    /// This fault, where a malformed number is called `malformed`.
    fn or(self, malformed: ScanError) -> ScanError {
        match self {
            Self::Truncated => ScanError::Truncated,
            Self::Malformed => malformed,
        }
    }
}
