//! Names that say nothing.

use super::{Breach, Rule, Tree, rust};

pub(crate) const RULE: Rule = Rule {
    id: "names",
    why: "Manager, Helper, Util and Common fit everything and so tell nothing; `router::Error` \
          is said once, `router::RouterError` twice",
    remedy: "name the thing by what it does or keeps, in the words of ARCHITECTURE.md; drop the \
             module's name from the type's",
    check,
};

const BANNED: &[&str] = &[
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "utility",
    "utilities",
    "common",
];

const DECLARING: &[&str] = &[
    "struct",
    "enum",
    "trait",
    "union",
    "type",
    "fn",
    "mod",
    "const",
    "static",
    "macro_rules!",
];

fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for path in &tree.paths {
        for part in path.split('/') {
            if let Some(word) = words(part)
                .into_iter()
                .find(|word| BANNED.contains(&word.as_str()))
            {
                breaches.push(Breach::new(path, format!("`{part}` has `{word}` in it")));
            }
        }
    }
    for (path, file) in tree.rust() {
        for (line, name) in rust::declared(&file.code, DECLARING) {
            if let Some(word) = words(name)
                .into_iter()
                .find(|word| BANNED.contains(&word.as_str()))
            {
                let what = format!("`{name}` has `{word}` in it");
                breaches.push(Breach::new(format!("{path}:{line}"), what));
            }
        }
        let stem = path
            .rsplit('/')
            .next()
            .unwrap_or(path)
            .trim_end_matches(".rs");
        for (line, name) in rust::declared(&file.code, &["struct", "enum", "type"]) {
            let mut of_name = words(name);
            if of_name.pop().as_deref() == Some("error")
                && !of_name.is_empty()
                && of_name == words(stem)
            {
                let what = format!("`{name}` repeats its module: call it `{stem}::Error`");
                breaches.push(Breach::new(format!("{path}:{line}"), what));
            }
        }
    }
    breaches
}

/// The words of a name in any of the usual spellings, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let starts = c.is_uppercase() && before.is_lowercase();
        if (starts || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
