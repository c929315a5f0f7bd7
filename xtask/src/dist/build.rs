//! `Build`: a release build of the program that comes out the same in every directory.
//!
//! Paths of this machine are mapped away, the C library is linked in, and the settings of whoever
//! builds (`RUSTFLAGS`, `CARGO_PROFILE_*` and the like) are left out.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, cargo, output};

/// The package that holds the program.
pub(super) const PACKAGE: &str = "khashmir-cli";
/// The program.
pub(super) const PROGRAM: &str = "khashmir";

/// What the builds of one distribution have in common.
pub(super) struct Build {
    /// The platform built for.
    pub(super) target: String,
    /// The time of the sources, in seconds since the Unix epoch.
    pub(super) time: u64,
    root: PathBuf,
    cargo_home: PathBuf,
    compiler: Compiler,
}

/// What `rustc` says of itself.
struct Compiler {
    host: String,
    commit: String,
    sysroot: PathBuf,
}

impl Build {
    /// Asks git and the compiler for what the builds depend on.
    pub(super) fn new(workspace: &Workspace, target: Option<&str>) -> Result<Self> {
        let compiler = Compiler::ask()?;
        Ok(Self {
            target: target.unwrap_or(&compiler.host).to_owned(),
            time: source_time(&workspace.root)?,
            root: workspace.root.clone(),
            cargo_home: cargo_home()?,
            compiler,
        })
    }

    /// Builds in `directory` and reads the program.
    pub(super) fn run(&self, directory: &Path) -> Result<Vec<u8>> {
        let mut command = cargo();
        command.args(["build", "--locked", "--release", "--package", PACKAGE, "--bin", PROGRAM]);
        command.args(["--target", &self.target, "--target-dir"]).arg(directory).current_dir(&self.root);
        forget_settings(&mut command);
        command.env("CARGO_ENCODED_RUSTFLAGS", self.flags(directory)?.join("\x1f"));
        command.env("SOURCE_DATE_EPOCH", self.time.to_string());
        let status = command.status().context("cannot start cargo")?;
        if !status.success() {
            bail!("the release build failed ({status})");
        }
        let program = directory.join(&self.target).join("release").join(PROGRAM);
        fs::read(&program).with_context(|| format!("cannot read {}", program.display()))
    }

    /// Where two mappings fit a path the compiler takes the later one.
    fn flags(&self, directory: &Path) -> Result<Vec<String>> {
        let library = self.compiler.sysroot.join("lib/rustlib/src/rust");
        let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
        for (path, name) in [
            (self.cargo_home.as_path(), "/cargo".to_owned()),
            (library.as_path(), format!("/rustc/{}", self.compiler.commit)),
            (self.root.as_path(), "/khashmir".to_owned()),
            (directory, "/target".to_owned()),
        ] {
            let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            flags.push(format!("--remap-path-prefix={path}={name}"));
        }
        Ok(flags)
    }
}

impl Compiler {
    fn ask() -> Result<Self> {
        let rustc = || Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let version = output(rustc().arg("-vV"))?;
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(str::to_owned).with_context(|| format!("`rustc -vV` does not tell its {name}"))
        };
        let sysroot = output(rustc().args(["--print", "sysroot"]))?;
        Ok(Self { host: field("host")?, commit: field("commit-hash")?, sysroot: sysroot.trim_end().into() })
    }
}

/// The time of the sources: `SOURCE_DATE_EPOCH` if it is set, else of the last commit, else 0.
fn source_time(root: &Path) -> Result<u64> {
    if let Some(time) = env::var_os("SOURCE_DATE_EPOCH") {
        let time = time.to_str().and_then(|time| time.parse().ok());
        return time.context("SOURCE_DATE_EPOCH is not a number of seconds");
    }
    match commit_time(root) {
        Ok(time) => Ok(time),
        Err(error) => {
            eprintln!("warning: no time of a last commit, so everything is dated 1970: {error:#}");
            Ok(0)
        }
    }
}

fn commit_time(root: &Path) -> Result<u64> {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root).args(arguments));
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?.trim_end());
    if fs::canonicalize(&top)? != fs::canonicalize(root)? {
        bail!("this is not a checkout of its own but part of {}", top.display());
    }
    let time = git(&["log", "-1", "--format=%ct"])?.trim_end().parse()?;
    if !git(&["status", "--porcelain"])?.is_empty() {
        eprintln!("warning: there are uncommitted changes; nobody else can build this archive");
    }
    Ok(time)
}

fn cargo_home() -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    home.context("there is neither CARGO_HOME nor a home directory")
}

/// Takes from the environment what could change the program.
fn forget_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
}

fn is_setting(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_"];
    const NAMES: [&str; 4] = ["CARGO_INCREMENTAL", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> Build {
        let compiler = Compiler { host: "a-b-c".into(), commit: "f00".into(), sysroot: "/sys".into() };
        Build { target: "a-b-c".into(), time: 0, root: "/src".into(), cargo_home: "/ch".into(), compiler }
    }

    #[test]
    fn every_directory_of_this_machine_is_mapped_away() {
        let flags = build().flags(Path::new("/src/target/dist")).expect("UTF-8").join(" ");
        for mapping in ["/src=/khashmir", "/ch=/cargo", "/sys/lib/rustlib/src/rust=/rustc/f00"] {
            assert!(flags.contains(&format!("--remap-path-prefix={mapping}")), "{flags}");
        }
        assert!(
            flags.ends_with("--remap-path-prefix=/src/target/dist=/target"),
            "inside the root, so last: {flags}"
        );
    }

    #[test]
    fn settings_that_change_the_program_are_left_out() {
        for name in ["RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "CARGO_BUILD_RUSTFLAGS", "CARGO_INCREMENTAL"] {
            assert!(is_setting(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_TOOLCHAIN"] {
            assert!(!is_setting(name), "{name}");
        }
    }

    #[test]
    fn the_compiler_tells_what_the_build_needs() {
        let compiler = Compiler::ask().expect("rustc is there");
        assert!(compiler.host.contains('-') && compiler.sysroot.is_dir());
    }
}
