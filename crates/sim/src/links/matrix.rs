//! `Matrix`: measured delays between places, read from text. Knows no hosts.

use std::fmt;
use std::time::Duration;

/// One-way delays between places, from measured round trips, such as the King data set (Gummadi, Saroiu and Gribble, IMW 2002).
#[derive(Clone, PartialEq, Eq)]
pub struct Matrix {
    places: usize,
    /// Microseconds, row by row.
    one_way: Vec<u32>,
    shortest: Duration,
}

/// Most places of a matrix: four times those of the King data set, and 256 MiB. More are an error.
const MAX_PLACES: usize = 8192;

/// The longest round trip in milliseconds: whatever takes longer was not measured, but waited for.
const LONGEST: f64 = 60_000.0;

/// The shortest one-way delay in microseconds, also within one place: hosts run ahead of one another by as much.
const SHORTEST: f64 = 1000.0;

/// Why a text is no matrix. Lines, and columns in characters, count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// It has no row.
    #[error("there is no row of delays")]
    Empty,
    /// There is something other than a round trip time.
    #[error(
        "line {line}, column {column}: `{text}` is neither a number of milliseconds from 0 to {LONGEST} nor `-`"
    )]
    Number {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// The first characters of what is there.
        text: String,
    },
    /// A row is longer or shorter than the first one.
    #[error("line {line}, column {column}: the row has {found} numbers, the first row {expected}")]
    Row {
        /// Where.
        line: usize,
        /// Where the row ends, or its first number too many stands.
        column: usize,
        /// Numbers in this row.
        found: usize,
        /// Numbers in the first row.
        expected: usize,
    },
    /// There are more or fewer rows than columns.
    #[error("line {line}: the last of {rows} rows, each of {columns} numbers, but a matrix is square")]
    NotSquare {
        /// Where the last row is.
        line: usize,
        /// Rows.
        rows: usize,
        /// Numbers in each of them.
        columns: usize,
    },
    /// Nothing in a row is known, so there is no mean for what is not.
    #[error("line {line}: a row in which nothing is known")]
    Unknown {
        /// Where.
        line: usize,
    },
    /// It has too many columns.
    #[error("line {line}: {found} places are too many, there may be {MAX_PLACES}")]
    TooLarge {
        /// Where.
        line: usize,
        /// Numbers in that row.
        found: usize,
    },
}

impl Matrix {
    /// Reads a square of round trip times in milliseconds, one row a line.
    ///
    /// The times are separated by blanks or commas; `#` begins a comment, and lines without times mean nothing. `-` and
    /// `-1` stand for what is not known: it is taken to be the mean of its row or, from a place to itself, zero. A
    /// datagram takes half a round trip, but at least a millisecond.
    ///
    /// # Errors
    /// The first place at which the text is no such square.
    pub fn parse(text: &str) -> Result<Self, MatrixError> {
        let (mut places, mut rows, mut last) = (0, 0, 0);
        let mut one_way = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let row = Row::parse(line, text)?;
            if row.trips.is_empty() {
                continue;
            }
            if rows == 0 {
                places = row.trips.len();
            }
            row.check(places)?;
            if rows == places {
                return Err(MatrixError::NotSquare { line, rows: rows + 1, columns: places });
            }
            row.fill(rows, &mut one_way)?;
            (rows, last) = (rows + 1, line);
        }
        if rows == 0 {
            return Err(MatrixError::Empty);
        }
        if rows < places {
            return Err(MatrixError::NotSquare { line: last, rows, columns: places });
        }
        let shortest = one_way.iter().min().copied().expect("there is a row, and it is not empty");
        Ok(Self { places, one_way, shortest: Duration::from_micros(shortest.into()) })
    }

    /// Places between which delays are known.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// One way from one place to another, each below [`places`](Self::places).
    pub(crate) fn between(&self, from: usize, to: usize) -> Duration {
        Duration::from_micros(self.one_way[from * self.places + to].into())
    }

    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }
}

impl fmt::Debug for Matrix {
    /// Its size: millions of numbers tell nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix({} places)", self.places)
    }
}

/// The round trips of a line, in milliseconds; `None` for what is not known.
struct Row<'a> {
    line: usize,
    text: &'a str,
    trips: Vec<Option<f64>>,
    /// The first character of each round trip, from 1.
    columns: Vec<usize>,
}

impl<'a> Row<'a> {
    fn parse(line: usize, text: &'a str) -> Result<Self, MatrixError> {
        let text = text.split('#').next().unwrap_or_default().trim_end();
        let mut row = Self { line, text, trips: Vec::new(), columns: Vec::new() };
        let mut column = 1;
        for word in text.split(|character: char| character.is_whitespace() || character == ',') {
            if !word.is_empty() {
                let wrong = || MatrixError::Number { line, column, text: word.chars().take(20).collect() };
                row.trips.push(trip(word).ok_or_else(wrong)?);
                row.columns.push(column);
            }
            column += word.chars().count() + 1;
        }
        Ok(row)
    }

    fn check(&self, expected: usize) -> Result<(), MatrixError> {
        let (line, found) = (self.line, self.trips.len());
        if found != expected {
            let end = self.text.chars().count() + 1;
            let column = self.columns.get(expected).copied().unwrap_or(end);
            return Err(MatrixError::Row { line, column, found, expected });
        }
        if found > MAX_PLACES {
            return Err(MatrixError::TooLarge { line, found });
        }
        Ok(())
    }

    /// Appends the one-way delays from place `own`.
    fn fill(&self, own: usize, one_way: &mut Vec<u32>) -> Result<(), MatrixError> {
        let others = self.trips.iter().enumerate().filter(|(place, _)| *place != own);
        let known: Vec<f64> = others.filter_map(|(_, trip)| *trip).collect();
        if known.is_empty() && self.trips.len() > 1 {
            return Err(MatrixError::Unknown { line: self.line });
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        one_way.extend(self.trips.iter().enumerate().map(|(place, trip)| {
            let trip = trip.unwrap_or(if place == own { 0.0 } else { mean });
            (trip * 500.0).max(SHORTEST) as u32
        }));
        Ok(())
    }
}

/// A round trip in milliseconds, `Some(None)` if it is said not to be known; `None` if the word is neither.
fn trip(word: &str) -> Option<Option<f64>> {
    if word == "-" {
        return Some(None);
    }
    match word.parse() {
        Ok(-1.0) => Some(None),
        Ok(trip) if (0.0..=LONGEST).contains(&trip) => Some(Some(trip)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(text: &str) -> Vec<u32> {
        Matrix::parse(text).unwrap().one_way
    }

    #[test]
    fn numbers_are_round_trips_separated_by_blanks_or_commas() {
        let text = "# King, in part\n\n0 10.5,\t20 # first\r\n10 0 30\n  20,  31, 0,\n";
        let matrix = Matrix::parse(text).unwrap();
        assert_eq!((matrix.places(), matrix.shortest()), (3, Duration::from_millis(1)));
        assert_eq!(matrix.between(0, 1), Duration::from_micros(5250));
        assert_eq!(matrix.between(1, 2), Duration::from_millis(15));
        assert_eq!(matrix.between(2, 1), Duration::from_micros(15_500), "the way back may differ");
    }

    #[test]
    fn what_is_not_known_is_the_mean_of_its_row_and_nothing_within_a_place() {
        assert_eq!(
            delays("- 10 -\n-1 0 40\n4 6 0"),
            [1000, 5000, 5000, 20_000, 1000, 20_000, 2000, 3000, 1000]
        );
        assert_eq!(delays("-"), [1000]);
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &str| Matrix::parse(text).unwrap_err();
        let number = |line, column, text: &str| MatrixError::Number { line, column, text: text.into() };
        assert_eq!(error("0 1\n2, x3"), number(2, 4, "x3"));
        for wrong in ["-2", "nan", "inf", "60001", "1e9", "--"] {
            assert_eq!(error(wrong), number(1, 1, wrong));
        }
        assert_eq!(error("# nothing\n"), MatrixError::Empty);
        assert_eq!(error("0 1\n2"), MatrixError::Row { line: 2, column: 2, found: 1, expected: 2 });
        assert_eq!(error("0 1\n2 0  3"), MatrixError::Row { line: 2, column: 6, found: 3, expected: 2 });
        assert_eq!(error("0 1\n"), MatrixError::NotSquare { line: 1, rows: 1, columns: 2 });
        assert_eq!(error("0\n0"), MatrixError::NotSquare { line: 2, rows: 2, columns: 1 });
        assert_eq!(error("0 1\n- 0"), MatrixError::Unknown { line: 2 });
        let message = "line 1, column 3: `?` is neither a number of milliseconds from 0 to 60000 nor `-`";
        assert_eq!(error("0 ?").to_string(), message);
    }
}
