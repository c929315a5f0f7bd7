//! Rule: the order of a hash map or set reaches no output, so that equal inputs give equal outputs.
//!
//! By text: names declared with a hash type in a file are watched in that file. Where the order cannot
//! matter, `// order-free: <why>` on the line or the one above says so.

use std::collections::BTreeSet;

use super::is_core;
use super::source::{Source, Token, is_word};
use super::violation::Violation;

const RULE: &str = "order";
const EXCUSE: &str = "// order-free:";

pub(super) fn check(source: &Source) -> Vec<Violation> {
    if !is_core(&source.path) {
        return Vec::new();
    }
    let tokens = source.tokens();
    let names = hash_names(&tokens);
    let walks = (0..tokens.len()).filter(|at| names.contains(tokens[*at].text) && is_walked(&tokens, *at));
    let walks = walks.map(|at| (tokens[at].text, source.line_of(tokens[at].offset)));
    let shipped = walks.filter(|(_, line)| !source.is_test_line(*line) && !is_excused(source, *line));
    shipped.map(|(name, line)| source.violation(line, RULE, advice(name))).collect()
}

fn advice(name: &str) -> String {
    format!("do not walk `{name}` in hash order: use a BTreeMap or sort, or say `{EXCUSE} <why>` above")
}

fn is_excused(source: &Source, line: usize) -> bool {
    let reason = |line| source.line(line).split_once(EXCUSE).map(|(_, reason)| reason.trim());
    [line, line - 1].into_iter().filter_map(reason).any(|reason| !reason.is_empty())
}

/// The fields, arguments and variables that are declared with a hash type.
fn hash_names<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let types = hash_types(tokens);
    let uses = (0..tokens.len()).filter(|at| types.contains(tokens[*at].text));
    uses.filter_map(|at| declared_field(tokens, at).or_else(|| declared_variable(tokens, at))).collect()
}

/// `HashMap`, `HashSet` and what `type X = HashMap<...>` calls them.
fn hash_types<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut types = BTreeSet::from(["HashMap", "HashSet"]);
    for at in 0..tokens.len() {
        if matches!(tokens[at].text, "HashMap" | "HashSet") {
            let start = path_start(tokens, at);
            let before = tokens[..start].iter().rev().map(|token| token.text);
            let mut before = before.take_while(|text| !matches!(*text, ";" | "{" | "}"));
            if before.next() == Some("=") {
                let words: Vec<&str> = before.collect();
                types.extend(words.windows(2).find(|pair| pair[1] == "type").map(|pair| pair[0]));
            }
        }
    }
    types
}

/// The name in `name: HashMap`, `name: &'a mut std::collections::HashMap` and the like.
fn declared_field<'a>(tokens: &[Token<'a>], hash_type: usize) -> Option<&'a str> {
    let mut before = tokens[..path_start(tokens, hash_type)].iter().rev().map(|token| token.text).peekable();
    while before.next_if_eq(&"mut").is_some() || before.peek().is_some_and(|text| *text != "mut") {
        match before.next()? {
            ":" => return before.next().filter(|name| name.starts_with(is_word)),
            "&" => {}
            _ if before.next_if_eq(&"'").is_some() => {}
            _ => return None,
        }
    }
    None
}

/// The name in `let mut name = HashMap::new()`, `let name = x.collect::<HashSet<_>>()` and the like.
fn declared_variable<'a>(tokens: &[Token<'a>], hash_type: usize) -> Option<&'a str> {
    let statement = tokens[..hash_type].iter().rposition(|token| matches!(token.text, ";" | "{" | "}"));
    let statement = &tokens[statement.map_or(0, |end| end + 1)..hash_type];
    let mut words = statement.iter().map(|token| token.text).skip_while(|text| *text != "let").skip(1);
    words.find(|text| *text != "mut")
}

/// Where the path that ends at `end` starts: at `std` in `std::collections::HashMap`.
fn path_start(tokens: &[Token<'_>], end: usize) -> usize {
    let mut start = end;
    while start >= 3 && tokens[start - 1].text == ":" && tokens[start - 2].text == ":" {
        start -= 3;
    }
    start
}

/// Does the code go through the collection named at `at`: `name.iter()`, or `for x in &self.name {`?
fn is_walked(tokens: &[Token<'_>], at: usize) -> bool {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text);
    if text(at + 1) == "." && text(at + 3) == "(" && WALKS.contains(&text(at + 2)) {
        return true;
    }
    let is_expression = |text: &str| matches!(text, "." | "&" | "*" | "mut") || text.starts_with(is_word);
    let mut before = tokens[..at].iter().rev().map(|token| token.text);
    text(at + 1) == "{" && before.find(|text| *text == "in" || !is_expression(text)) == Some("in")
}

/// What gives out the elements one after the other.
const WALKS: [&str; 13] = [
    "iter",
    "iter_mut",
    "keys",
    "values",
    "values_mut",
    "into_iter",
    "into_keys",
    "into_values",
    "drain",
    "difference",
    "symmetric_difference",
    "intersection",
    "union",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        check(&Source::new("crates/routing/src/a.rs", text)).iter().map(|violation| violation.line).collect()
    }

    fn is_found(declaration: &str, walk: &str) -> bool {
        lines_found(&format!("{declaration}\n{walk}")) == [2]
    }

    #[test]
    fn every_way_to_declare_is_seen() {
        for declaration in [
            "struct A { calls: HashMap<u8, u8>, }",
            "struct A<'a> { calls: &'a mut std::collections::HashMap<u8, u8> }",
            "fn a(calls: &HashMap<u8, u8>) {",
            "fn a(calls: &mut HashSet<u8>) {",
            "let mut calls = HashMap::new();",
            "let calls: HashSet<u8> = b.collect();",
            "let calls = b.collect::<HashSet<_>>();",
            "type Calls = HashMap<u8, u8>; struct A { calls: Calls }",
        ] {
            assert!(is_found(declaration, "self.calls.iter()"), "{declaration}");
        }
    }

    #[test]
    fn every_way_to_walk_is_seen() {
        for walk in [
            "calls.keys()",
            "self.calls.values().sum()",
            "calls.drain().collect()",
            "self.calls\n    .into_iter()",
            "for call in calls {",
            "for (id, call) in &mut self.calls {",
        ] {
            assert!(is_found("let calls: HashMap<u8, u8> = HashMap::new();", walk), "{walk}");
        }
    }

    #[test]
    fn looking_up_is_no_walk() {
        let text = "struct A { calls: HashMap<u8, u8> }\nself.calls.get(&1);\nif a == self.calls {\nfor a in b {\ncalls";
        assert_eq!(lines_found(text), [0; 0]);
    }

    #[test]
    fn other_collections_keep_their_order() {
        assert_eq!(
            lines_found("struct A { calls: BTreeMap<u8, u8>, b: HashMap<u8, u8> }\nself.calls.iter()"),
            [0; 0]
        );
        assert_eq!(lines_found("use std::collections::HashMap;\nlet a = Vec::new();\na.iter()"), [0; 0]);
    }

    #[test]
    fn an_excuse_needs_a_reason() {
        let text = |excuse: &str| format!("let a = HashMap::new();\n{excuse}\na.values().sum()");
        assert_eq!(lines_found(&text("// order-free: a sum")), [0; 0]);
        assert_eq!(lines_found(&text("// order-free:")), [3]);
        assert_eq!(lines_found(&text("// a sum")), [3]);
    }

    #[test]
    fn tests_and_the_shell_may_walk() {
        assert_eq!(lines_found("#[cfg(test)]\nmod tests {\nlet a = HashMap::new();\na.iter()\n}"), [0; 0]);
        let shell = Source::new("crates/cli/src/main.rs", "let a = HashMap::new();\na.iter()");
        assert_eq!(check(&shell), []);
    }
}
