//! The value to store: from the command line, standard input or a file; checked before anything is sent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use khashmir::MAX_STORABLE;

use crate::exit::Exit;
use crate::failure::Failure;

/// The value's bytes, as they are. `-` stands for standard input.
pub(crate) fn read(argument: Option<OsString>, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let value = match (argument, file) {
        (_, Some(path)) => {
            let read = File::open(path).and_then(read_limited);
            read.map_err(|error| unreadable(&path.display().to_string(), &error))?
        }
        (Some(argument), None) if argument == "-" => {
            read_limited(io::stdin().lock()).map_err(|error| unreadable("standard input", &error))?
        }
        (argument, None) => argument.unwrap_or_default().into_encoded_bytes(),
    };
    check(value)
}

/// One byte more than a value may have is enough to know that it has too many.
fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    source.take(MAX_STORABLE as u64 + 1).read_to_end(&mut value)?;
    Ok(value)
}

fn check(value: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let (found, help) = match value.len() {
        1..=MAX_STORABLE => return Ok(value),
        0 => ("this is empty", "give one that is not: as VALUE, in a --file, or with - on standard input"),
        _ => ("this has more", "store larger content elsewhere, and its address here"),
    };
    let message = format!("a value has 1 to {MAX_STORABLE} bytes, {found}");
    Err(Failure::new(Exit::Usage, "E_VALUE", message).help(help))
}

fn unreadable(source: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, "E_FILE", format!("cannot read {source}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_named() {
        assert!(check(vec![7; MAX_STORABLE]).is_ok());
        for value in [vec![], vec![7; MAX_STORABLE + 1]] {
            let failure = check(value).unwrap_err();
            assert!(failure.message.contains(&format!("1 to {MAX_STORABLE} bytes")), "{failure}");
        }
    }

    #[test]
    fn a_file_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a\xff\n").unwrap();
        assert_eq!(read(None, Some(file.path())).unwrap(), b"a\xff\n");
    }

    #[test]
    fn a_file_too_large_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; MAX_STORABLE + 1]).unwrap();
        assert_eq!(read(None, Some(file.path())).unwrap_err().code, "E_VALUE");
    }
}
