//! `Script`: an input read as what to do, byte by byte. Knows no target.

/// What is left of an input. At its end it goes on with zeros.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// The next step to take, if there is one.
    pub(crate) fn step(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.step().unwrap_or(0)
    }

    pub(crate) fn index(&mut self) -> usize {
        self.byte().into()
    }

    /// A length of two bytes.
    pub(crate) fn length(&mut self) -> usize {
        u16::from_be_bytes([self.byte(), self.byte()]).into()
    }

    /// The next `length` bytes, or as many as there are.
    pub(crate) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// One of these, or none if there are none.
    pub(crate) fn choice<'b, T>(&mut self, among: &'b [T]) -> Option<&'b T> {
        let index = self.index();
        among.get(index.checked_rem(among.len())?)
    }
}
