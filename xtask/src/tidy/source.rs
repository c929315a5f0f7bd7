//! `Source`: a Rust file as the rules see it: its text, its code without comments and literals, its tests.
//!
//! A scanner, not a parser: it knows strings, characters, comments and brackets, and no more of Rust.

use super::violation::Violation;

/// A Rust file.
pub(super) struct Source {
    /// Relative to the workspace's root, with `/` between its parts.
    pub(super) path: String,
    /// As it is on disk.
    pub(super) text: String,
    /// `text` with every comment and every string and character literal blanked out; offsets and lines are the same.
    pub(super) code: String,
    /// Where each line starts.
    lines: Vec<usize>,
    /// For each line, is it part of an item under `#[cfg(test)]`, or of a test file?
    tests: Vec<bool>,
}

/// A word or a single other character of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

impl Source {
    /// Scans `text`, the contents of the file at `path`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = blank_literals(text);
        let breaks =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        let lines: Vec<usize> =
            std::iter::once(0).chain(breaks.filter(|start| *start < text.len())).collect();
        let tests = vec![is_test_path(path); lines.len()];
        let mut source = Self { path: path.to_owned(), text: text.to_owned(), code, lines, tests };
        source.mark_tests();
        source
    }

    /// A violation at `line` of this file.
    pub(super) fn violation(&self, line: usize, rule: &'static str, advice: String) -> Violation {
        Violation { path: self.path.clone(), line, rule, advice }
    }

    /// The line, from 1, that holds the byte at `offset`.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// How many lines there are.
    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The text of a line, from 1; empty beyond the ends.
    pub(super) fn line(&self, line: usize) -> &str {
        line.checked_sub(1).and_then(|index| self.text.lines().nth(index)).unwrap_or("")
    }

    /// Is this line, from 1, compiled for tests only?
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        line.checked_sub(1).and_then(|index| self.tests.get(index)).copied().unwrap_or(false)
    }

    /// Is the whole file a test by its place?
    pub(super) fn is_test_file(&self) -> bool {
        is_test_path(&self.path)
    }

    /// The lines, from 1, of the code that hold `pattern`, as [`find_words`] finds it.
    pub(super) fn lines_with(&self, pattern: &str) -> Vec<usize> {
        find_words(&self.code, pattern).map(|at| self.line_of(at)).collect()
    }

    /// The words and other characters of the code.
    pub(super) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        let mut rest = self.code.as_str();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let length = if word == 0 { first.len_utf8() } else { word };
            if !first.is_whitespace() {
                tokens.push(Token { text: &rest[..length], offset: self.code.len() - rest.len() });
            }
            rest = &rest[length..];
        }
        tokens
    }

    /// The offset just behind the block that opens at `open`, which must be the offset of a `{`.
    pub(super) fn block_end(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (index, byte) in self.code.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.code.len()
    }

    fn mark_tests(&mut self) {
        for pattern in ["#[cfg(test)]", "#[cfg(all(test"] {
            let starts: Vec<usize> = self.code.match_indices(pattern).map(|(at, _)| at).collect();
            for start in starts {
                let (first, last) = (self.line_of(start), self.line_of(self.item_end(start)));
                self.tests[first - 1..last].fill(true);
            }
        }
    }

    /// The offset of the last character of the item whose first attribute opens at `start`.
    fn item_end(&self, start: usize) -> usize {
        let (mut depth, mut angles, mut before) = (0_usize, 0_usize, b' ');
        for (index, byte) in self.code.bytes().enumerate().skip(start) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth == 0 => return index.saturating_sub(1),
                b'}' if depth == 1 => return index,
                b')' | b']' | b'}' => depth -= 1,
                b'<' if depth == 0 => angles += 1,
                b'>' if depth == 0 && before != b'-' => angles = angles.saturating_sub(1),
                b';' if depth == 0 => return index,
                b',' if depth == 0 && angles == 0 => return index,
                _ => {}
            }
            before = byte;
        }
        self.code.len().saturating_sub(1)
    }
}

/// Where `pattern` stands in `text`, as whole words where it starts or ends in one.
pub(super) fn find_words<'a>(text: &'a str, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(pattern).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (&text[..*at], &text[at + pattern.len()..]);
        let starts_within = pattern.starts_with(is_word) && before.ends_with(is_word);
        let ends_within = pattern.ends_with(is_word) && after.starts_with(is_word);
        !starts_within && !ends_within
    })
}

/// Is `c` part of a name?
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Files in a `tests` directory, and modules called `tests`, hold nothing but tests.
fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// `text` with comments and literals replaced by blanks, byte for byte.
fn blank_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("literals start and end at whole characters")
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && bytes.get(at - 1).is_some_and(|byte| is_word(char::from(*byte)));
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + comment_length(rest),
        [b'"', ..] => at + quoted_length(rest, b'"'),
        [b'\'', b'\\', ..] => at + quoted_length(rest, b'\''),
        [b'\'', ..] => at + character_length(rest),
        [b'r', ..] | [b'b' | b'c', b'r', ..] if !in_word => at + raw_length(rest),
        _ => at,
    }
}

/// Block comments nest.
fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'` is a character of up to four bytes; `'x` without a closing quote is a lifetime.
fn character_length(rest: &[u8]) -> usize {
    let width = match rest.get(1) {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        Some(0xC0..) => 2,
        _ => 1,
    };
    if rest.get(width + 1) == Some(&b'\'') { width + 2 } else { 0 }
}

/// `r"..."`, `br#"..."#` and the like; zero for `r#name`.
fn raw_length(rest: &[u8]) -> usize {
    let prefix = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if prefix > 2 || rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let body = prefix + hashes + 1;
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let end = rest[body..].windows(closing.len()).position(|window| window == closing);
    end.map_or(rest.len(), |end| body + end + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("a.rs", text).code
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code(r#"a("x\"y", 'z', '\'', '\u{1F}', b'q')"#).replace(' ', ""), "a(,,,,b)");
        assert_eq!(code("x = \"ä{\n\" + 'ä'"), "x =     \n  +     ");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code(r###"f(r#"a"b{"#, br"\", r##"x"#"##)"###).replace(' ', ""), "f(,,)");
        assert_eq!(code("let r#type = bar;"), "let r#type = bar;");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn an_unclosed_literal_runs_to_the_end() {
        assert_eq!(code("a \"b"), "a   ");
        assert_eq!(code("a \"b\\"), "a    ");
        assert_eq!(code("a /* b"), "a     ");
        assert_eq!(code("a r#\"b\""), "a      ");
    }

    fn test_lines(text: &str) -> Vec<usize> {
        let source = Source::new("a.rs", text);
        (1..=source.line_count()).filter(|line| source.is_test_line(*line)).collect()
    }

    #[test]
    fn an_item_under_cfg_test_is_a_test_to_its_end() {
        assert_eq!(
            test_lines("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n"),
            [2, 3, 4, 5]
        );
        assert_eq!(test_lines("#[cfg(test)]\nmod tests;\nfn c() {}"), [1, 2]);
        assert_eq!(
            test_lines("#[cfg(test)]\nfn f<A, B>(a: [A; 2]) -> B\nwhere\nB: C {\n}\nfn c() {}"),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(test_lines("struct A {\n#[cfg(test)]\nb: C<D, E>,\nf: G\n}"), [2, 3]);
        assert_eq!(test_lines("// #[cfg(test)]\nfn c() {}"), [0; 0]);
    }

    #[test]
    fn files_in_a_tests_directory_are_tests() {
        assert!(Source::new("crates/a/tests/b.rs", "fn a() {}").is_test_line(1));
        assert!(Source::new("crates/a/src/b/tests.rs", "fn a() {}").is_test_line(1));
        assert!(!Source::new("crates/a/src/contests.rs", "fn a() {}").is_test_line(1));
    }

    #[test]
    fn patterns_match_whole_words_of_the_code() {
        let source =
            Source::new("a.rs", "use std::sync::Mutex;\n// Mutex\nstruct MyMutex;\nMutexes\nx.await\n");
        assert_eq!(source.lines_with("Mutex"), [1]);
        assert_eq!(source.lines_with(".await"), [5]);
    }

    #[test]
    fn tokens_are_words_and_single_characters() {
        let source = Source::new("a.rs", "a::b_1 (\"x\")");
        let texts: Vec<_> = source.tokens().iter().map(|token| token.text).collect();
        assert_eq!(texts, ["a", ":", ":", "b_1", "(", ")"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let source = Source::new("a.rs", "a\nb\nc\n");
        assert_eq!(
            (source.line_count(), source.line_of(0), source.line_of(2), source.line_of(5)),
            (3, 1, 2, 3)
        );
        assert_eq!((source.line(0), source.line(2), source.line(9)), ("", "b", ""));
    }
}
