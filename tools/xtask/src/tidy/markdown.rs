//! Links and headings of a Markdown page, as GitHub shows them.
//!
//! Promises to leave out what stands in code. It knows inline links, images, definitions and
//! the addresses in plain HTML; it never fetches anything.

use std::collections::BTreeMap;

/// Every address that a page links to, with its line from 1.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        // `[text](address "title")` and `![text](address)`
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let address = match rest.strip_prefix('<') {
                Some(rest) => rest.split('>').next(),
                None => rest.split([')', ' ']).next(),
            };
            found.extend(address.map(|address| (number, address.to_owned())));
        }
        // `[name]: address`
        if let Some((name, address)) = line.trim_start().split_once("]: ")
            && name.starts_with('[')
            && !name.starts_with("[^")
        {
            let address = address.split_whitespace().next().unwrap_or_default();
            found.push((number, address.trim_matches(['<', '>']).to_owned()));
        }
        for attribute in ["href=\"", "src=\""] {
            for (at, _) in line.match_indices(attribute) {
                let address = line[at + attribute.len()..].split('"').next();
                found.extend(address.map(|address| (number, address.to_owned())));
            }
        }
    }
    found
}

/// What stands between backticks, with its line from 1.
pub(crate) fn code(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let parts: Vec<_> = line.split('`').collect();
        // Without a closing backtick the last part is prose.
        let inside = parts.iter().skip(1).step_by(2).take((parts.len() - 1) / 2);
        found.extend(inside.map(|part| (number, (*part).to_owned())));
    }
    found
}

/// Every place within a page that a link can name after `#`.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (_, line) in prose(text) {
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            let slug = slug(line[level..].trim().trim_end_matches('#').trim_end());
            let times = seen.entry(slug.clone()).or_default();
            found.push(if *times == 0 {
                slug
            } else {
                format!("{slug}-{times}")
            });
            *times += 1;
        }
        for attribute in ["id=\"", "name=\""] {
            for (at, _) in line.match_indices(attribute) {
                found.extend(
                    line[at + attribute.len()..]
                        .split('"')
                        .next()
                        .map(str::to_owned),
                );
            }
        }
    }
    found
}

/// A heading as GitHub turns it into an anchor.
fn slug(heading: &str) -> String {
    // Of a link the text counts, not the address.
    let mut text = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        text += before;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text += rest;
    text.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect()
}

/// The lines outside of code blocks and comments.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fence: Option<&str> = None;
    let mut comment = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        match fence {
            Some(mark) => {
                if start.starts_with(mark) {
                    fence = None;
                }
                continue;
            }
            None => {
                fence = ["```", "~~~"]
                    .into_iter()
                    .find(|mark| start.starts_with(mark))
            }
        }
        if fence.is_some() {
            continue;
        }
        comment |= start.starts_with("<!--");
        if comment {
            comment = !line.contains("-->");
            continue;
        }
        lines.push((number, line));
    }
    lines
}

/// A line with what stands between backticks blanked.
fn without_code(line: &str) -> String {
    let mut inside = false;
    // An odd backtick at the end begins nothing.
    let mut left = line.matches('`').count();
    line.chars()
        .map(|c| {
            if c == '`' {
                inside = !inside && left > 1;
                left -= 1;
                return ' ';
            }
            if inside { ' ' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_where_they_are_links() {
        let text = "See [a](b.md) and ![c](d.svg \"e\"), not `[f](g.md)`.\n```\n[h](i.md)\n```\n[j]: k.md\n<a href=\"l.md#m\">n</a>\n<!-- [o](p.md) -->\n";
        let found: Vec<_> = links(text);
        let expected = [(1, "b.md"), (1, "d.svg"), (5, "k.md"), (6, "l.md#m")];
        assert_eq!(found, expected.map(|(line, link)| (line, link.to_owned())));
    }

    #[test]
    fn code_is_what_stands_between_backticks() {
        let found = code("a `b` c `d`\n```\n`e`\n```\n`f` g ` h\n");
        assert_eq!(
            found,
            [(1, "b"), (1, "d"), (5, "f")].map(|(n, s)| (n, s.to_owned()))
        );
    }

    #[test]
    fn anchors_are_githubs() {
        let text = "# A `log` first, then!\n## Same\n## Same\n```\n# not this\n```\n<a id=\"own\"></a>\n## 2. [Link](x.md) here\n";
        assert_eq!(
            anchors(text),
            ["a-log-first-then", "same", "same-1", "own", "2-link-here"]
        );
    }
}
