//! Rule: the core reads no clock, no socket and no ambient randomness, and does not spawn, sleep, lock or await.
//!
//! `BANS` says what is looked for, `EXCEPTIONS` which files may do what nevertheless, and why.

use std::collections::BTreeSet;

use super::is_core;
use super::source::Source;
use super::violation::Violation;

const RULE: &str = "sans-io";

/// Files that may do what the core must not. A permission that no file needs is itself a violation.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        path: "crates/khashmir/src/clock.rs",
        allows: &["Instant::now", "SystemTime::now"],
        reason: "the one place that reads the clocks and makes a Time of them",
    },
    Exception {
        path: "crates/khashmir/src/builder.rs",
        allows: &["SysRng", ".await", "tokio::spawn", "spawn_blocking"],
        reason: "the tokio shell: seeds the engine's generator, opens the storage and starts the driver",
    },
    Exception {
        path: "crates/khashmir/src/driver*.rs",
        allows: &[".await", "tokio::spawn", "spawn_blocking"],
        reason: "the tokio shell: runs the engine in a task",
    },
    Exception {
        path: "crates/khashmir/src/handle.rs",
        allows: &[".await"],
        reason: "the tokio shell: the caller's side of the command channel",
    },
    Exception {
        path: "crates/khashmir/src/get.rs",
        allows: &[".await"],
        reason: "the tokio shell: the caller's side of a get",
    },
    Exception {
        path: "crates/krpc/src/transport.rs",
        allows: &[".await"],
        reason: "the trait: what waits for a carrier",
    },
    Exception {
        path: "crates/krpc/src/udp*.rs",
        allows: &[".await", "UdpSocket"],
        reason: "a Transport: the socket itself",
    },
    Exception {
        path: "crates/krpc/src/udp/batched.rs",
        allows: &["thread_local!"],
        reason: "scratch space of a system call, of no meaning between two calls",
    },
    Exception {
        path: "crates/krpc/src/memory.rs",
        allows: &["Mutex"],
        reason: "a Transport: a network in memory that its endpoints share",
    },
    Exception {
        path: "crates/krpc/src/lossy.rs",
        allows: &[".await", "Mutex"],
        reason: "a Transport: sends through &self and draws from one generator",
    },
    Exception {
        path: "crates/sim/src/disk.rs",
        allows: &["Mutex"],
        reason: "the engine and the world hold the same disk; one thread at a time does",
    },
    Exception {
        path: "crates/sim/src/world/run.rs",
        allows: &["Mutex"],
        reason: "shards that run side by side exchange datagrams when they meet",
    },
];

/// A file, or with a `*` the files so named, that may use some of what is banned.
pub(super) struct Exception {
    path: &'static str,
    allows: &'static [&'static str],
    /// Why that is right.
    reason: &'static str,
}

/// Something the core must not do.
struct Ban {
    pattern: &'static str,
    /// What to do instead.
    advice: &'static str,
    reach: Reach,
}

#[derive(PartialEq, Eq)]
enum Reach {
    /// Tests too: what they find must not depend on it.
    AllCode,
    /// Not the tests.
    ShippedCode,
}

pub(super) fn check(sources: &[Source], exceptions: &[Exception]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut needed = BTreeSet::new();
    for source in sources.iter().filter(|source| is_core(&source.path)) {
        for ban in BANS {
            let lines = ban.lines_in(source);
            match exceptions.iter().position(|exception| exception.excuses(&source.path, ban.pattern)) {
                Some(index) if !lines.is_empty() => drop(needed.insert((index, ban.pattern))),
                Some(_) => {}
                None => violations.extend(lines.into_iter().map(|line| ban.violation(source, line))),
            }
        }
    }
    for (index, exception) in exceptions.iter().enumerate() {
        let idle = exception.allows.iter().filter(|pattern| !needed.contains(&(index, **pattern)));
        violations.extend(idle.map(|pattern| exception.idle(pattern)));
    }
    violations
}

impl Exception {
    fn excuses(&self, path: &str, pattern: &str) -> bool {
        let is_meant = match self.path.split_once('*') {
            Some((start, end)) => path.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => self.path == path,
        };
        is_meant && self.allows.contains(&pattern)
    }

    fn idle(&self, pattern: &str) -> Violation {
        let (path, reason) = (self.path, self.reason);
        let advice = format!("no code needs the exception of `{pattern}` for {path} ({reason}): remove it");
        Violation { path: "xtask/src/tidy/sans_io.rs".to_owned(), line: 1, rule: RULE, advice }
    }
}

impl Ban {
    fn lines_in(&self, source: &Source) -> Vec<usize> {
        let is_meant = |line: &usize| self.reach == Reach::AllCode || !source.is_test_line(*line);
        source.lines_with(self.pattern).into_iter().filter(is_meant).collect()
    }

    fn violation(&self, source: &Source, line: usize) -> Violation {
        let advice = format!("`{}` in the core: {}", self.pattern, self.advice);
        source.violation(line, RULE, advice)
    }
}

const BANS: &[Ban] = &[
    Ban { pattern: "Instant::now", advice: TIME, reach: Reach::ShippedCode },
    Ban { pattern: "SystemTime::now", advice: TIME, reach: Reach::ShippedCode },
    Ban { pattern: "thread::sleep", advice: SLEEP, reach: Reach::AllCode },
    Ban { pattern: "time::sleep", advice: SLEEP, reach: Reach::ShippedCode },
    Ban { pattern: "rand::rng(", advice: RANDOMNESS, reach: Reach::AllCode },
    Ban { pattern: "rand::random", advice: RANDOMNESS, reach: Reach::AllCode },
    Ban { pattern: "thread_rng", advice: RANDOMNESS, reach: Reach::AllCode },
    Ban { pattern: "from_os_rng", advice: RANDOMNESS, reach: Reach::AllCode },
    Ban { pattern: "SysRng", advice: RANDOMNESS, reach: Reach::AllCode },
    Ban { pattern: "thread::spawn", advice: TASK, reach: Reach::ShippedCode },
    Ban { pattern: "tokio::spawn", advice: TASK, reach: Reach::ShippedCode },
    Ban { pattern: "spawn_blocking", advice: TASK, reach: Reach::ShippedCode },
    Ban { pattern: ".await", advice: TASK, reach: Reach::ShippedCode },
    Ban { pattern: "UdpSocket", advice: "hand datagrams out as values", reach: Reach::ShippedCode },
    Ban { pattern: "Mutex", advice: LOCK, reach: Reach::ShippedCode },
    Ban { pattern: "RwLock", advice: LOCK, reach: Reach::ShippedCode },
    Ban { pattern: "static mut", advice: GLOBAL, reach: Reach::ShippedCode },
    Ban { pattern: "lazy_static", advice: GLOBAL, reach: Reach::ShippedCode },
    Ban { pattern: "OnceLock", advice: GLOBAL, reach: Reach::ShippedCode },
    Ban { pattern: "LazyLock", advice: GLOBAL, reach: Reach::ShippedCode },
    Ban { pattern: "thread_local!", advice: GLOBAL, reach: Reach::ShippedCode },
];

const TIME: &str = "take `now: Time` as an argument";
const SLEEP: &str = "give the moment out as a deadline";
const RANDOMNESS: &str = "take `rng: &mut impl Rng` as an argument, seeded in tests";
const TASK: &str = "hand work out as a value and let the shell do it";
const LOCK: &str = "own the state and take `&mut self`";
const GLOBAL: &str = "no global state: a thousand nodes in one process do not know of each other";

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &[Exception] = &[];
    const CLOCK: &[Exception] = &[Exception {
        path: "crates/khashmir/src/cl*.rs",
        allows: &["Instant::now"],
        reason: "reads the clock",
    }];

    fn found(path: &str, text: &str, exceptions: &[Exception]) -> Vec<(String, usize)> {
        let violations = check(&[Source::new(path, text)], exceptions);
        violations.into_iter().map(|violation| (violation.path, violation.line)).collect()
    }

    #[test]
    fn every_ban_can_be_broken() {
        for ban in BANS {
            let text = format!("//! A file.\nfn a() {{ {} }}", ban.pattern);
            let path = "crates/krpc/src/a.rs";
            assert_eq!(found(path, &text, NOBODY), [(path.to_owned(), 2)], "{}", ban.pattern);
        }
    }

    #[test]
    fn only_the_core_is_bound() {
        assert_eq!(found("crates/cli/src/main.rs", "std::thread::sleep(a)", NOBODY), []);
        assert_eq!(found("crates/krpc/examples/call.rs", "std::thread::sleep(a)", NOBODY), []);
    }

    #[test]
    fn comments_and_strings_do_nothing() {
        assert_eq!(found("crates/types/src/a.rs", "// a Mutex\nlet a = \"SysRng\";", NOBODY), []);
    }

    #[test]
    fn tests_may_spawn_but_not_draw_at_random() {
        let path = "crates/krpc/tests/a.rs";
        assert_eq!(found(path, "tokio::spawn(a);\nb.await;", NOBODY), []);
        assert_eq!(found(path, "\nlet a = rand::rng();", NOBODY), [(path.to_owned(), 2)]);
    }

    #[test]
    fn an_exception_excuses_what_it_names_where_it_says() {
        assert_eq!(found("crates/khashmir/src/clock.rs", "Instant::now()", CLOCK), []);
        let own = "xtask/src/tidy/sans_io.rs".to_owned();
        for (path, text) in [
            ("crates/khashmir/src/clock.rs", "SystemTime::now()"),
            ("crates/khashmir/src/engine.rs", "Instant::now()"),
            ("crates/krpc/src/clock.rs", "Instant::now()"),
        ] {
            assert_eq!(found(path, text, CLOCK), [(path.to_owned(), 1), (own.clone(), 1)]);
        }
    }

    #[test]
    fn every_exception_allows_something_that_is_banned_and_says_why() {
        for exception in EXCEPTIONS {
            assert!(is_core(exception.path) && !exception.reason.is_empty(), "{}", exception.path);
            for allowed in exception.allows {
                assert!(BANS.iter().any(|ban| ban.pattern == *allowed), "{allowed}");
            }
        }
    }
}
