//! Rule: nothing unfinished and no test that does not run.

use super::source::Source;
use super::violation::Violation;

const RULE: &str = "unfinished";

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (pattern, advice) in BANNED {
        let lines = source.lines_with(pattern);
        violations.extend(lines.into_iter().map(|line| source.violation(line, RULE, advice.to_owned())));
    }
    let fences = source.text.lines().enumerate().filter(|(_, line)| is_ignored_example(line));
    let advice = "make the example run (or mark it `no_run` if it needs the world)";
    violations.extend(fences.map(|(index, _)| source.violation(index + 1, RULE, advice.to_owned())));
    violations
}

/// A fence in a doc comment that keeps its example from even being compiled.
fn is_ignored_example(line: &str) -> bool {
    let line = line.trim_start();
    let comment = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
    comment.is_some_and(|text| text.trim_start().starts_with("```ignore"))
}

/// What to look for in code, and what to do instead.
const BANNED: [(&str, &str); 5] = [
    ("#[ignore", "make the test run or delete it: a test that does not run proves nothing"),
    (", ignore)]", "make the test run or delete it: a test that does not run proves nothing"),
    ("todo!", "write it"),
    ("unimplemented!", "write it"),
    ("dbg!", "take it out"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        check(&Source::new("crates/a/src/b.rs", text)).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn unfinished_code_is_found_in_tests_too() {
        assert_eq!(lines_found("fn a() {\n    todo!()\n}"), [2]);
        assert_eq!(lines_found("fn a() { unimplemented!(\"b\") }"), [1]);
        assert_eq!(lines_found("#[cfg(test)]\nmod tests {\n    fn a() { dbg!(b); }\n}"), [3]);
    }

    #[test]
    fn ignored_tests_and_examples_are_found() {
        assert_eq!(lines_found("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), [2]);
        assert_eq!(lines_found("#[cfg_attr(windows, ignore)]\nfn a() {}"), [1]);
        assert_eq!(lines_found("/// ```ignore\n/// a();\n/// ```\nfn a() {}"), [1]);
    }

    #[test]
    fn words_in_comments_and_strings_are_not_code() {
        assert_eq!(lines_found("// todo! dbg!\nlet a = \"#[ignore]\";\nmy_todo!();"), [0; 0]);
        assert_eq!(lines_found("/// ```no_run\n/// a();\n/// ```\nfn a() {}"), [0; 0]);
    }
}
