//! What a file, the environment and flags say, each key with where it stands.

use std::io::ErrorKind;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Given, Part, Set};

fn nearest<'a>(to: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    among
        .map(|name| (strsim::damerau_levenshtein(to, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 2 + name.len() / 3)
        .map(|(_, name)| name)
}

fn unknown(from: &str, what: &str, name: &str, near: Option<String>) -> String {
    match near {
        Some(near) => format!("{from}: there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!(
            "{from}: there is no {what} `{name}`; `parlour config sample` shows those that exist"
        ),
    }
}

/// What is said of a key that does not exist.
pub(super) fn unknown_key(from: &str, name: &str, known: &[String]) -> String {
    let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    unknown(from, "key", name, near)
}

/// The text as a value of the kind that the key has by default.
pub(super) fn value(text: &str, like: Option<&Value>) -> Result<Value, String> {
    match like {
        Some(Value::Integer(_)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("`{text}` is no whole number")),
        Some(Value::Boolean(_)) => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .map_err(|_| format!("`{text}` is neither true nor false")),
        Some(Value::Array(_)) => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(|t| Value::String(t.to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// What is said of a file that cannot be read.
pub(super) fn unread(path: &dyn std::fmt::Display, why: &std::io::Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => format!("{path}: there is no such file"),
        ErrorKind::PermissionDenied => format!("{path}: this user may not read it"),
        ErrorKind::IsADirectory => format!("{path}: it is a folder, and a file is wanted"),
        ErrorKind::InvalidData => format!("{path}: it is no text in UTF-8"),
        _ => format!("{path}: it cannot be read: {why}"),
    }
}

/// The line of a place in a text, from 1.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// Reads a file: what it sets, each with file and line.
pub(super) fn read_file(
    path: &Path,
    text: &str,
    known: &[String],
    set: &mut Set,
    wrong: &mut Vec<String>,
) {
    let path = path.display();
    let read = DeTable::parse(text).and_then(|lines| Ok((lines, toml::from_str::<Table>(text)?)));
    let (lines, mut values) = match read {
        Ok(read) => read,
        Err(e) => {
            let at = e.span().map_or(1, |span| line(text, span.start));
            wrong.push(format!("{path}:{at}: this is not TOML: {}", e.message()));
            return;
        }
    };
    for (section, inside) in lines.get_ref() {
        let from = format!("{path}:{}", line(text, section.span().start));
        let section = section.get_ref().as_ref();
        let (DeValue::Table(inside), Some(Value::Table(values))) =
            (inside.get_ref(), values.get_mut(section))
        else {
            let near = nearest(
                section,
                known.iter().filter_map(|k| Some(k.split_once('.')?.1)),
            );
            let full = near.and_then(|n| known.iter().find(|k| k.ends_with(&format!(".{n}"))));
            wrong.push(unknown(&from, "key", section, full.cloned()));
            continue;
        };
        for key in inside.keys() {
            let from = format!("{path}:{}", line(text, key.span().start));
            let full = format!("{section}.{}", key.get_ref());
            match values.remove(key.get_ref().as_ref()) {
                Some(value) if known.contains(&full) => {
                    set.insert(full, (value, from));
                }
                _ => wrong.push(unknown_key(&from, &full, known)),
            }
        }
    }
}

/// The variable of a key.
fn variable(full: &str) -> String {
    format!("PARLOUR_{}", full.replace('.', "_").to_uppercase())
}

/// Reads the environment: what it sets, and names that look meant for us but are not ours.
pub(super) fn read_env(
    env: impl Iterator<Item = (String, String)>,
    parts: &[Part],
    known: &[String],
) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut wrong) = (Vec::new(), Vec::new());
    for (name, text) in env {
        if !name.starts_with("PARLOUR_") {
            continue;
        }
        if let Some(full) = known.iter().find(|k| variable(k) == name) {
            given.push(Given {
                key: full.clone(),
                text,
                from: name,
            });
        } else if parts
            .iter()
            .any(|p| name.starts_with(&format!("PARLOUR_{}_", p.name.to_uppercase())))
        {
            let names: Vec<_> = known.iter().map(|k| variable(k)).collect();
            let near = nearest(&name, names.iter().map(String::as_str)).map(str::to_owned);
            wrong.push(unknown("environment", "variable", &name, near));
        }
    }
    (given, wrong)
}
