//! Just enough of Rust's grammar to search code and not be fooled by comments and literals.
//!
//! Promises that what is blanked becomes spaces, so that line numbers stay. It is a scanner, not
//! a parser: it never fails, and on code that does not compile it may be wrong.

/// The text with comments and the insides of string and character literals blanked.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                let end = find(bytes, at, |b| b == b'\n');
                wipe(&mut out, at, end);
                end
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = block_comment(bytes, at);
                wipe(&mut out, at, end);
                end
            }
            b'"' => {
                let end = string(bytes, at);
                wipe(&mut out, at + 1, end.saturating_sub(1));
                end
            }
            b'r' if starts_token(bytes, at) => match raw_string(bytes, at) {
                Some((from, to, end)) => {
                    wipe(&mut out, from, to);
                    end
                }
                None => at + 1,
            },
            b'\'' => match character(text, at) {
                Some(end) => {
                    wipe(&mut out, at + 1, end - 1);
                    end
                }
                None => at + 1,
            },
            _ => at + 1,
        };
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Code without the items that are compiled for tests alone.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (from, to) in test_items(code) {
        wipe(&mut out, from, to);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The parts of code that are compiled for tests alone, everything else blanked.
pub(crate) fn only_tests(code: &str) -> String {
    let mut out = blank(code).into_bytes();
    for (from, to) in test_items(code) {
        out[from..to].copy_from_slice(&code.as_bytes()[from..to]);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The modules in files of their own (`mod x;`) that are compiled for tests alone.
pub(crate) fn test_modules(code: &str) -> Vec<&str> {
    test_items(code)
        .into_iter()
        .filter_map(|(from, to)| {
            let item = code[from..to].trim_end().strip_suffix(';')?;
            let (before, name) = item.rsplit_once(char::is_whitespace)?;
            before.trim_end().ends_with("mod").then_some(name)
        })
        .collect()
}

/// Nothing but the lines.
pub(crate) fn blank(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let end = out.len();
    wipe(&mut out, 0, end);
    String::from_utf8_lossy(&out).into_owned()
}

/// The lines, from 1, on which `pattern` stands, not as a part of a longer name.
pub(crate) fn hits(code: &str, pattern: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let found = text.match_indices(pattern).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + pattern.len()..].chars().next();
            let apart = |edge: Option<char>, other: Option<char>| {
                !(edge.is_some_and(is_name) && other.is_some_and(is_name))
            };
            apart(pattern.chars().next(), before) && apart(pattern.chars().next_back(), after)
        });
        if found {
            lines.push(line);
        }
    }
    lines
}

/// What `use` declarations name, one full path each, with its line: `use a::{b, c::{d, e}}`
/// names `a::b`, `a::c::d` and `a::c::e`.
pub(crate) fn uses(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if code[..at].chars().next_back().is_some_and(is_name) {
            continue;
        }
        let Some(length) = code[at..].find(';') else {
            continue;
        };
        let line = code[..at].lines().count().max(1) + usize::from(code[..at].ends_with('\n'));
        flatten(&code[at + 4..at + length], "", line, &mut found);
    }
    found
}

/// Each name that code declares with one of these words, such as `struct`, with its line.
pub(crate) fn declared<'a>(code: &'a str, words: &[&str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut before = "";
        for name in text
            .split(|c: char| !is_name(c) && c != '!')
            .filter(|name| !name.is_empty())
        {
            if words.contains(&before) {
                found.push((line, name));
            }
            before = name;
        }
    }
    found
}

/// The end of the block that opens at or after `from`: just behind its closing brace.
pub(crate) fn block_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn flatten(tree: &str, prefix: &str, line: usize, found: &mut Vec<(usize, String)>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        if !path.is_empty() {
            found.push((
                line,
                format!("{prefix}{path}")
                    .trim_start_matches("::")
                    .to_owned(),
            ));
        }
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from) = (0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                flatten(&group[from..at], &prefix, line, found);
                from = at + 1;
            }
            _ => {}
        }
    }
    flatten(&group[from..], &prefix, line, found);
}

/// The spans of items under `#[cfg(test)]` or `#[cfg(all(test, …))]`, attributes included.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut items: Vec<(usize, usize)> = Vec::new();
    for marker in ["#[cfg(test)]", "#[cfg(all(test,", "#[test]"] {
        for (from, _) in code.match_indices(marker) {
            items.push((from, item_end(code, from)));
        }
    }
    items
}

/// The end of the item whose attribute begins at `from`.
fn item_end(code: &str, from: usize) -> usize {
    let bytes = code.as_bytes();
    let mut depth = 0_i32;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            b'{' if depth == 0 => return block_end(code, at),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn wipe(out: &mut [u8], from: usize, to: usize) {
    for byte in out.iter_mut().take(to).skip(from) {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn find(bytes: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    (from..bytes.len())
        .find(|&at| is(bytes[at]))
        .unwrap_or(bytes.len())
}

fn starts_token(bytes: &[u8], at: usize) -> bool {
    let part_of_name = |at: usize| bytes[at] == b'_' || bytes[at].is_ascii_alphanumeric();
    match at.checked_sub(1) {
        None => true,
        // `br"…"` and `cr"…"`
        Some(before) if matches!(bytes[before], b'b' | b'c') => before
            .checked_sub(1)
            .is_none_or(|before| !part_of_name(before)),
        Some(before) => !part_of_name(before),
    }
}

fn block_comment(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r#"…"#`: where its inside begins and ends, and where it ends itself.
fn raw_string(bytes: &[u8], from: usize) -> Option<(usize, usize, usize)> {
    let quote = find(bytes, from + 1, |b| b != b'#');
    let hashes = quote - from - 1;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let inside = quote + 1;
    let end = (inside..bytes.len()).find(|&at| {
        bytes[at] == b'"'
            && bytes.len() - at > hashes
            && bytes[at + 1..=at + hashes].iter().all(|&b| b == b'#')
    });
    let end = end.unwrap_or(bytes.len());
    Some((inside, end, (end + 1 + hashes).min(bytes.len())))
}

/// The end of the character literal that begins here; `None` for a lifetime.
fn character(text: &str, from: usize) -> Option<usize> {
    let inside = text.get(from + 1..)?;
    let mut chars = inside.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        // What follows the backslash may be the quote itself.
        chars.next()?;
        let (at, _) = chars.find(|&(_, c)| c == '\'')?;
        return Some(from + 1 + at + 1);
    }
    match chars.next() {
        Some((at, '\'')) => Some(from + 1 + at + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"tokio \\\" x\"; // tokio\n/* tokio /* tokio */ tokio */ let b = 'a';\nlet c = r#\"tokio\" \"#; let d = b'\\''; fn e<'tokio>() {}\n";
        let code = code(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(hits(&code, "tokio"), [3], "{code}");
        assert!(code.contains("fn e<'tokio>() {}"), "{code}");
        assert_eq!(code.lines().count(), 3);
    }

    #[test]
    fn a_string_over_lines_and_other_scripts_keep_their_place() {
        let text = "const A: &str = \"één\ntwee\"; const B: char = 'é';\nuse x;";
        let code = code(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(hits(&code, "x"), [3]);
        assert!(hits(&code, "twee").is_empty());
    }

    #[test]
    fn names_are_whole() {
        assert_eq!(hits("rand::x();\nbrand::x();\nrandom();", "rand"), [1]);
        assert_eq!(hits("std::env::var(x)", "std::env"), [1]);
        assert!(hits("std::environment", "std::env").is_empty());
    }

    #[test]
    fn nested_uses_are_flattened() {
        let code = "pub use a::b;\nuse std::{env, fs as files, io::{self, Read}};\n";
        let found: Vec<_> = uses(code);
        let expected = [
            (1, "a::b"),
            (2, "std::env"),
            (2, "std::fs"),
            (2, "std::io::self"),
        ];
        for (line, path) in expected {
            assert!(
                found.contains(&(line, path.to_owned())),
                "{path} in {found:?}"
            );
        }
        assert!(
            found.contains(&(2, "std::io::Read".to_owned())),
            "{found:?}"
        );
    }

    #[test]
    fn test_items_are_told_apart() {
        let code = "fn a() { x.unwrap() }\n#[cfg(test)]\nmod tests {\n fn b() { y.unwrap() }\n}\n#[cfg(test)]\nmod more;\nfn c() {}\n";
        let shipped = without_tests(code);
        assert_eq!(hits(&shipped, ".unwrap()"), [1]);
        assert!(shipped.contains("fn c() {}"));
        assert_eq!(hits(&only_tests(code), ".unwrap()"), [4]);
        assert_eq!(test_modules(code), ["more"]);
    }

    #[test]
    fn declarations_are_found() {
        let code = "pub struct Foo;\nfn bar() {}\npub(crate) enum Baz {}";
        let found = declared(code, &["struct", "fn", "enum"]);
        assert_eq!(found, [(1, "Foo"), (2, "bar"), (3, "Baz")]);
    }
}
