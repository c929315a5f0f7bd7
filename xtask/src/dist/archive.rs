//! `Archive`: files as a `.tar.gz` whose bytes depend on nothing but their names and contents and one time.

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A `.tar.gz` with everything in one directory.
pub(super) struct Archive<'a> {
    /// The name of the directory.
    pub(super) name: &'a str,
    /// When everything in it was changed, in seconds since the Unix epoch.
    pub(super) time: u64,
    /// In any order; they are packed in the order of their names.
    pub(super) entries: Vec<Entry>,
}

/// A file to pack.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// May it be run?
    pub(super) is_program: bool,
}

/// The best compression; a fixed one, so that equal files give equal archives.
const LEVEL: u32 = 9;

impl Archive<'_> {
    /// The archive's bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let complain = || format!("cannot pack {}", self.name);
        let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
        let mut tar = Builder::new(gzip);
        let directory = format!("{}/", self.name);
        tar.append_data(&mut self.header(EntryType::Directory, 0o755), &directory, &[][..])
            .with_context(complain)?;
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let mut header = self.header(EntryType::Regular, if entry.is_program { 0o755 } else { 0o644 });
            header.set_size(entry.bytes.len() as u64);
            let path = format!("{directory}{}", entry.name);
            tar.append_data(&mut header, path, entry.bytes.as_slice()).with_context(complain)?;
        }
        tar.into_inner().and_then(flate2::write::GzEncoder::finish).with_context(complain)
    }

    fn header(&self, kind: EntryType, mode: u32) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn entry(name: &str, is_program: bool) -> Entry {
        Entry { name: name.into(), bytes: name.as_bytes().to_vec(), is_program }
    }

    fn pack(entries: Vec<Entry>) -> Vec<u8> {
        Archive { name: "a-1.0", time: 1_700_000_000, entries }.to_bytes().expect("packs")
    }

    #[test]
    fn the_order_of_the_files_does_not_matter() {
        assert_eq!(
            pack(vec![entry("b", true), entry("C", false)]),
            pack(vec![entry("C", false), entry("b", true)])
        );
    }

    #[test]
    fn nothing_of_this_machine_is_packed() {
        let bytes = pack(vec![entry("b", true), entry("C", false)]);
        assert_eq!(bytes[4..8], [0; 4], "the time in the gzip header");
        let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        let mut listing = Vec::new();
        for entry in archive.entries().expect("a tar file") {
            let mut entry = entry.expect("an entry");
            let header = entry.header().clone();
            assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
            assert_eq!(header.mtime().ok(), Some(1_700_000_000));
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("readable");
            let path = entry.path().expect("a path").display().to_string();
            listing.push(format!("{:o} {path} {text}", header.mode().expect("a mode")));
        }
        assert_eq!(listing, ["755 a-1.0/ ", "644 a-1.0/C C", "755 a-1.0/b b"]);
    }
}
