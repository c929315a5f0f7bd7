//! `Key`: how the user names a key. Explicit, so that a typing error never becomes another key.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use khashmir::{Id, ParseIdError};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::human;

/// The largest file whose content can be a key: it is read into memory as a whole. Larger ones are refused;
/// `sha1sum` gives their 40 digits.
const MAX_FILE: u64 = 1 << 30;

/// A key as written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// 40 hex digits.
    Id(Id),
    /// `text:…`, the SHA-1 of the text.
    Text(String),
    /// `file:…`, the SHA-1 of the content: how apt-p2p names packages.
    File(PathBuf),
}

impl Key {
    /// The id that the key stands for. Reads the file, if it is one.
    pub(crate) fn resolve(&self) -> Result<Id, Failure> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Text(text) => Ok(Id::sha1(text.as_bytes())),
            Self::File(path) => {
                let content = read(path).map_err(|reason| {
                    Failure::new(Exit::Usage, "E_FILE", format!("cannot read {}: {reason}", path.display()))
                })?;
                Ok(Id::sha1(&content))
            }
        }
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    if fs::metadata(path).map_err(|error| error.to_string())?.is_dir() {
        return Err("it is a directory; a key is made from the content of one file".to_owned());
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let length: io::Result<usize> = file.take(MAX_FILE + 1).read_to_end(&mut content);
    match length {
        Err(error) => Err(error.to_string()),
        Ok(length) if length as u64 > MAX_FILE => {
            Err(format!("it has more than {}; give its SHA-1 as 40 hex digits", human::bytes(MAX_FILE)))
        }
        Ok(_) => Ok(content),
    }
}

impl FromStr for Key {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if let Some(text) = text.strip_prefix("text:") {
            return Ok(Self::Text(text.to_owned()));
        }
        match text.strip_prefix("file:") {
            Some("") => return Err(Failure::usage("a key file: names no file").help("write file:PATH")),
            Some(path) => return Ok(Self::File(path.into())),
            None => {}
        }
        text.parse().map(Self::Id).map_err(|error| not_a_key(text, error))
    }
}

fn not_a_key(text: &str, error: ParseIdError) -> Failure {
    let failure = Failure::new(Exit::Usage, "E_KEY", format!("{text:?} is not a key: {error}"));
    if fs::metadata(text).is_ok_and(|file| file.is_file()) {
        return failure.help(format!("for the content of that file write file:{text}"));
    }
    let is_nearly_hex = text.len() >= 20 && text.chars().all(|character| character.is_ascii_hexdigit());
    if is_nearly_hex {
        return failure.help("check the digits; for a text write text:…");
    }
    failure.help(format!("for a text write {}", shell_word(&format!("text:{text}"))))
}

/// `text` as a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@%+=".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let failure = text.parse::<Key>().expect_err(text);
        (failure.message, failure.help.unwrap())
    }

    #[test]
    fn hex_text_and_file_are_keys() {
        let hello = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
        let id = |key: &str| key.parse::<Key>().unwrap().resolve().unwrap().to_string();
        assert_eq!(id(hello), hello);
        assert_eq!(id(&hello.to_uppercase()), hello);
        assert_eq!(id("text:hello"), hello);
        assert_eq!(id("text:"), Id::sha1(b"").to_string());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "hello").unwrap();
        assert_eq!(id(&format!("file:{}", file.path().display())), hello);
    }

    #[test]
    fn anything_else_is_refused_with_a_suggestion() {
        assert_eq!(refused("hello").1, "for a text write text:hello");
        assert_eq!(refused("it's me").1, r"for a text write 'text:it'\''s me'");
        assert_eq!(refused("").1, "for a text write text:");
        assert_eq!(refused("file:").1, "write file:PATH");
    }

    #[test]
    fn a_wrong_digit_is_named_by_its_position() {
        let (message, _) = refused("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434g");
        assert!(message.contains("'g' at position 40"), "{message}");
        let (message, help) = refused("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434");
        assert!(message.contains("40 hex digits, this has 39"), "{message}");
        assert!(help.starts_with("check the digits"), "{help}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = Key::File(directory.path().join("missing")).resolve().unwrap_err();
        assert!(missing.message.contains("missing: "), "{missing}");
        let is_directory = Key::File(directory.path().to_owned()).resolve().unwrap_err();
        assert!(is_directory.message.contains("it is a directory"), "{is_directory}");
    }

    #[test]
    fn a_file_named_without_its_prefix_is_recognised() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        assert_eq!(refused(&path).1, format!("for the content of that file write file:{path}"));
    }
}
