//! Links that lead nowhere.

use std::collections::BTreeSet;

use super::{Breach, Rule, Tree, markdown};

pub(crate) const RULE: Rule = Rule {
    id: "links",
    why: "a page that sends its reader to nothing is worse than none: it looks kept",
    remedy: "point the link at where the thing is now, or take it out; links stay within the \
             repository, and an anchor is the heading in lower case with dashes",
    check,
};

fn check(tree: &Tree) -> Vec<Breach> {
    // A link may name a folder.
    let mut places: BTreeSet<&str> = tree.paths.iter().map(String::as_str).collect();
    for path in &tree.paths {
        places.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    let mut breaches = Vec::new();
    for (path, file) in tree.files.iter().filter(|(path, _)| path.ends_with(".md")) {
        for (line, link) in markdown::links(&file.text) {
            if let Some(what) = judge(tree, &places, path, &link) {
                breaches.push(Breach::new(format!("{path}:{line}"), what));
            }
        }
        for (line, named) in markdown::code(&file.text) {
            if is_file_of_ours(tree, &named) && !places.contains(named.as_str()) {
                let what = format!("`{named}` is named, and not there");
                breaches.push(Breach::new(format!("{path}:{line}"), what));
            }
        }
    }
    breaches
}

/// Whether something between backticks is meant as the path of a file of this repository: it
/// begins with one of its folders and ends as files do.
fn is_file_of_ours(tree: &Tree, named: &str) -> bool {
    const ENDS: [&str; 6] = [".rs", ".md", ".toml", ".json", ".sh", ".yaml"];
    let plain = named
        .chars()
        .all(|c| c.is_alphanumeric() || "_-./".contains(c));
    let Some((folder, _)) = named.split_once('/') else {
        return false;
    };
    let folder = format!("{folder}/");
    plain
        && ENDS.iter().any(|end| named.ends_with(end))
        && tree.paths.iter().any(|path| path.starts_with(&folder))
}

fn judge(tree: &Tree, places: &BTreeSet<&str>, page: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (to, anchor) = link
        .split_once('#')
        .map_or((link, None), |(to, at)| (to, Some(at)));
    let Some(target) = resolve(page, to) else {
        return Some(format!("`{link}` leads out of the repository"));
    };
    if !target.is_empty() && !places.contains(target.as_str()) {
        return Some(format!("`{link}` leads to {target}, which is not there"));
    }
    let anchor = anchor.filter(|_| target.ends_with(".md"))?;
    let found = tree.files.get(&target)?;
    (!markdown::anchors(&found.text)
        .iter()
        .any(|have| have == anchor))
    .then(|| format!("`{link}`: {target} has no heading for #{anchor}"))
}

/// The path from the root that a link on a page means; empty for the root itself.
fn resolve(page: &str, to: &str) -> Option<String> {
    if to.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = match to.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => page.split('/').collect(),
    };
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
