//! Rule: files and functions stay short enough to be read whole. Test code inside a file is not counted.

use super::source::{Source, Token, is_word};
use super::violation::Violation;

const RULE: &str = "length";

/// Lines of a file that are not compiled for tests only.
const MOST_FILE_LINES: usize = 400;
/// Lines of a file that holds nothing but tests.
const MOST_TEST_FILE_LINES: usize = 600;
/// Lines of a function from `fn` to its closing brace.
const MOST_FUNCTION_LINES: usize = 70;

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut violations = long_functions(source);
    violations.extend(long_file(source));
    violations
}

fn long_file(source: &Source) -> Option<Violation> {
    let (counted, most): (Vec<usize>, _) = if source.is_test_file() {
        ((1..=source.line_count()).collect(), MOST_TEST_FILE_LINES)
    } else {
        ((1..=source.line_count()).filter(|line| !source.is_test_line(*line)).collect(), MOST_FILE_LINES)
    };
    let first_too_many = *counted.get(most)?;
    let advice =
        format!("split the file by meaning: {} lines (unit tests apart), at most {most}", counted.len());
    Some(source.violation(first_too_many, RULE, advice))
}

fn long_functions(source: &Source) -> Vec<Violation> {
    let tokens = source.tokens();
    let named =
        tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_name(pair[1].text));
    named.filter_map(|(index, pair)| long_function(source, &tokens[index..], pair[1].text)).collect()
}

/// `tokens` start at the `fn` of the function called `name`.
fn long_function(source: &Source, tokens: &[Token<'_>], name: &str) -> Option<Violation> {
    let first = source.line_of(tokens.first()?.offset);
    if source.is_test_line(first) {
        return None;
    }
    let last = source.line_of(source.block_end(body(tokens)?) - 1);
    let length = last - first + 1;
    let advice = format!("split `{name}`: {length} lines, at most {MOST_FUNCTION_LINES}");
    (length > MOST_FUNCTION_LINES).then(|| source.violation(first, RULE, advice))
}

/// The offset of the `{` that opens the function's body; none if it has no body.
fn body(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for token in tokens {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "{" if depth == 0 => return Some(token.offset),
            ";" if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| is_word(c) && !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).iter().map(|violation| violation.line).collect()
    }

    fn function(lines: usize) -> String {
        format!("fn f(a: [u8; 2]) {{\n{}}}\n", "g('{', \"{\"); // {\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_may_have_seventy_lines() {
        assert_eq!(lines_found("a.rs", &function(70)), [0; 0]);
        assert_eq!(lines_found("a.rs", &function(71)), [1]);
        assert_eq!(lines_found("a.rs", &format!("x;\n{}{}", function(70), function(71))), [72]);
    }

    #[test]
    fn nested_blocks_count_for_their_function() {
        let text = format!("fn f() {{\nif a {{\n}} else {{\n{}}}\n}}\n", "b;\n".repeat(70));
        assert_eq!(lines_found("a.rs", &text), [1]);
    }

    #[test]
    fn functions_without_a_body_and_function_types_have_no_length() {
        let text =
            format!("trait A {{\nfn a(&self);\n{}}}\nstruct B(fn(u8) -> u8);\n", "const C: u8;\n".repeat(80));
        assert_eq!(lines_found("a.rs", &text), [0; 0]);
    }

    #[test]
    fn test_code_may_have_long_functions() {
        assert_eq!(lines_found("a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}", function(90))), [0; 0]);
        assert_eq!(lines_found("crates/a/tests/b.rs", &function(90)), [0; 0]);
    }

    #[test]
    fn a_file_may_have_four_hundred_lines_and_its_tests() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 0;\n".repeat(300));
        assert_eq!(lines_found("a.rs", &("x;\n".repeat(400) + &tests)), [0; 0]);
        assert_eq!(lines_found("a.rs", &("x;\n".repeat(401) + &tests)), [401]);
    }

    #[test]
    fn code_after_the_tests_counts() {
        let text = format!("#[cfg(test)]\nuse a;\n{}", "x;\n".repeat(401));
        assert_eq!(lines_found("a.rs", &text), [403]);
    }

    #[test]
    fn a_test_file_may_have_six_hundred_lines() {
        assert_eq!(lines_found("crates/a/tests/b.rs", &"x;\n".repeat(600)), [0; 0]);
        assert_eq!(lines_found("crates/a/tests/b.rs", &"x;\n".repeat(601)), [601]);
    }
}
