//! How wide a port may be.

use super::{Breach, Rule, Tree, rust};

pub(crate) const RULE: Rule = Rule {
    id: "ports",
    why: "every method of a port is a promise that each adapter keeps and each suite tests; a \
          port of more than nine is two ports",
    remedy: "split the port by who needs what, or give one method a batch instead of adding a \
             sister to it",
    check,
};

const METHODS_MAX: usize = 9;

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, file) in tree.rust_under("server/ports/src") {
        let code = file.shipped.as_str();
        for (at, _) in code.match_indices("pub trait ") {
            let end = rust::block_end(code, at);
            let methods = methods(&code[at..end]);
            if methods > METHODS_MAX {
                let line = code[..at].matches('\n').count() + 1;
                let what = format!("a port of {methods} methods; nine at most");
                breaches.push(Breach::new(format!("{path}:{line}"), what));
            }
        }
    }
    breaches
}

/// How many functions a trait declares, those inside of provided bodies not counted.
fn methods(code: &str) -> usize {
    let mut depth = 0_usize;
    let mut count = 0;
    let mut word = String::new();
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        count += usize::from(depth == 1 && word == "fn");
        word.clear();
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    count
}
