//! What a test may not do: sit out, or wait for luck.

use super::tree::File;
use super::{Breach, Rule, Tree, rust};

pub(crate) const IGNORED: Rule = Rule {
    id: "ignored",
    why: "a test that is ignored rots, and reads as if something were tested",
    remedy: "repair it, or delete it; what needs a tool that may be missing obtains it or fails \
             with the sentence that says how",
    check: ignored,
};

pub(crate) const SLEEPS: Rule = Rule {
    id: "sleeps",
    why: "a sleep that waits for something is too short on a busy machine and too long on any \
          other",
    remedy: "wait for the thing itself (a line, an answer, a notification) with a deadline; where \
             time is the subject, say so: `// tidy: sleep, because …` at the end of the line or \
             above it",
    check: sleeps,
};

fn ignored(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, file) in tree.rust() {
        for (line, text) in (1..).zip(file.code.lines()) {
            let text = text.trim_start();
            if text.starts_with("#[ignore") || text.contains(", ignore") && text.starts_with("#[") {
                breaches.push(Breach::new(format!("{path}:{line}"), "an ignored test"));
            }
        }
    }
    breaches
}

fn sleeps(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, file) in tree.rust() {
        for line in rust::hits(&test_code(file), "sleep(") {
            if !has_reason(file, line) {
                breaches.push(Breach::new(format!("{path}:{line}"), "a sleep in a test"));
            }
        }
    }
    breaches
}

/// The code of a file that is compiled for tests alone, in its place.
fn test_code(file: &File) -> String {
    if file.shipped.trim().is_empty() {
        file.code.clone()
    } else {
        rust::only_tests(&file.code)
    }
}

/// Whether the line, or the comment right above it, gives the reason.
fn has_reason(file: &File, line: usize) -> bool {
    let lines: Vec<_> = file.text.lines().collect();
    let gives = |text: &str| {
        text.split_once("// tidy: sleep, because ")
            .is_some_and(|(_, why)| why.trim().len() > 2)
    };
    let above = lines[..line - 1]
        .iter()
        .rev()
        .take_while(|text| text.trim().starts_with("//"));
    lines.get(line - 1).is_some_and(|text| gives(text)) || above.into_iter().any(|t| gives(t))
}
