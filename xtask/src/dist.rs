//! `cargo xtask dist`: the `khashmir` program, packed for others to run. The same sources give the same bytes.

mod archive;
mod build;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use sha2::{Digest, Sha256};

use self::archive::{Archive, Entry};
use self::build::Build;
use crate::workspace::Workspace;

/// How to make the distribution.
#[derive(Args)]
pub(crate) struct Options {
    /// Build a second time in another directory and compare the archives
    #[arg(long)]
    verify: bool,
    /// The platform to build for [default: this machine's]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Builds and packs; an error if a file to pack is missing or if the second build differs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let documents = read_documents(&workspace.root)?;
    let build = Build::new(workspace, options.target.as_deref())?;
    let version = &workspace.package(build::PACKAGE)?.version;
    let name = format!("khashmir-{version}-{}", build.target);
    let pack = |directory: &Path| -> Result<Vec<u8>> {
        let program =
            Entry { name: build::PROGRAM.to_owned(), bytes: build.run(directory)?, is_program: true };
        let entries = documents.iter().cloned().chain([program]).collect();
        Archive { name: &name, time: build.time, entries }.to_bytes()
    };

    let archive = pack(&workspace.target.join("dist"))?;
    let directory = workspace.root.join("dist");
    let file = directory.join(format!("{name}.tar.gz"));
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    write(&file, &archive)?;
    let sums = sums(&directory, &format!("khashmir-{version}-"))?;
    write(&directory.join("SHA256SUMS"), sums.as_bytes())?;
    println!("{}  {} bytes  sha256 {}", file.display(), archive.len(), sha256(&archive));

    if options.verify { verify(&archive, &workspace.target.join("dist-verify"), pack) } else { Ok(()) }
}

/// Packs again from a build in `directory`, from nothing.
fn verify(first: &[u8], directory: &Path, pack: impl Fn(&Path) -> Result<Vec<u8>>) -> Result<()> {
    remove(directory)?;
    let second = pack(directory)?;
    println!("verify: first build   sha256 {}", sha256(first));
    println!("verify: second build  sha256 {}", sha256(&second));
    if first != second {
        let kept = directory.join("second.tar.gz");
        write(&kept, &second)?;
        bail!("the two builds differ: compare the archive in dist/ with {}", kept.display());
    }
    println!("verify: the two builds are the same, byte for byte");
    remove(directory)
}

/// The files that go with the program, or an error that names all that are missing.
fn read_documents(root: &Path) -> Result<Vec<Entry>> {
    let missing: Vec<&str> = DOCUMENTS.into_iter().filter(|name| !root.join(name).is_file()).collect();
    if !missing.is_empty() {
        bail!("dist packs these files, and they are missing in {}: {}", root.display(), missing.join(", "));
    }
    let read = |name: &str| {
        let bytes = fs::read(root.join(name)).with_context(|| format!("cannot read {name}"))?;
        Ok(Entry { name: name.to_owned(), bytes, is_program: false })
    };
    DOCUMENTS.into_iter().map(read).collect()
}

/// The sums of the archives of this version, for whatever platforms, as `sha256sum --check` reads them.
fn sums(directory: &Path, prefix: &str) -> Result<String> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| name.starts_with(prefix) && name.ends_with(".tar.gz")).collect();
    names.sort();
    let line = |name: String| {
        let bytes = fs::read(directory.join(&name)).with_context(|| format!("cannot read {name}"))?;
        Ok(format!("{}  {name}\n", sha256(&bytes)))
    };
    names.into_iter().map(line).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

/// What goes with the program.
const DOCUMENTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A directory of its own for a test.
    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("khashmir-xtask-{name}-{}", std::process::id()));
        remove(&path).expect("removable");
        fs::create_dir_all(&path).expect("creatable");
        path
    }

    #[test]
    fn all_missing_documents_are_named() {
        let root = directory("documents");
        write(&root.join("README.md"), b"read me").expect("writable");
        let message = read_documents(&root).expect_err("three are missing").to_string();
        assert!(message.ends_with(": CHANGELOG.md, LICENSE-APACHE, LICENSE-MIT"), "{message}");
        remove(&root).expect("removable");
    }

    #[test]
    fn sums_cover_the_archives_of_this_version() {
        let root = directory("sums");
        for name in ["k-1.0-b.tar.gz", "k-1.0-a.tar.gz", "k-0.9-a.tar.gz", "SHA256SUMS"] {
            write(&root.join(name), b"abc").expect("writable");
        }
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!("{abc}  k-1.0-a.tar.gz\n{abc}  k-1.0-b.tar.gz\n");
        assert_eq!(sums(&root, "k-1.0-").expect("readable"), expected);
        remove(&root).expect("removable");
    }

    #[test]
    fn a_second_build_that_differs_is_an_error_and_is_kept() {
        let root = directory("verify");
        let pack = |directory: &Path| {
            fs::create_dir_all(directory)?;
            Ok(b"second".to_vec())
        };
        assert!(verify(b"first", &root, pack).is_err());
        assert_eq!(fs::read(root.join("second.tar.gz")).expect("kept"), b"second");
        assert!(verify(b"second", &root, pack).is_ok());
        assert!(!root.exists());
    }
}
