//! The node's configuration: a file, then `PARLOUR_…` variables, then flags, each over the one
//! before. An unknown key is an error that names the nearest known one.
//!
//! What a key means stands once, in the doc comment of its struct; the sample is made from there.

use std::collections::BTreeMap;
use std::path::Path;

use parlour_runtime::config as runtime;
use parlour_runtime::config::{Key, Section};
use parlour_runtime::section;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Where a stage's data lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// In this process and its data folder.
    Embedded,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Takes connections.
    Gateway,
    /// Makes rows of the log.
    Router,
    /// Decides wakes.
    Push,
}

section! {
    /// The node itself.
    pub(crate) struct Node {
        /// The data folder. Made if it is missing; one node at a time may use it.
        data: String = "./parlour-data".to_owned();
        /// What this node does: `gateway`, `router`, `push`. With embedded adapters one process
        /// does all of them.
        roles: Vec<Role> = vec![Role::Gateway, Role::Router, Role::Push];
        /// Where the log lies: `embedded`. Others come with later versions.
        log: Mode = Mode::Embedded;
        /// Where history, accounts and keys lie: `embedded`. Others come with later versions.
        history: Mode = Mode::Embedded;
        /// Where sessions and presence lie: `embedded`. Others come with later versions.
        sessions: Mode = Mode::Embedded;
    }
}

/// One section as the check and the sample see it.
struct Part {
    name: &'static str,
    about: &'static [&'static str],
    keys: Vec<Key>,
    defaults: Table,
    /// Says what is wrong with a section's values.
    try_from: fn(Table) -> Result<(), String>,
}

fn table<T: Serialize>(of: &T) -> Table {
    // Sections are flat structs of numbers, texts and lists: all of that is TOML.
    Table::try_from(of).unwrap_or_default()
}

macro_rules! config {
    ($($name:ident: $ty:ty,)*) => {
        /// Everything that can be set.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct Config {
            $(#[allow(missing_docs)] pub $name: $ty,)*
        }
        fn parts() -> Vec<Part> {
            vec![$(Part {
                name: stringify!($name),
                about: <$ty>::about(),
                keys: <$ty>::keys(),
                defaults: table(&<$ty>::default()),
                try_from: |t| t.try_into::<$ty>().map(|_| ()).map_err(|e| e.message().to_owned()),
            },)*]
        }
    };
}

config! {
    node: Node,
    http: runtime::Http,
    accounts: runtime::Accounts,
    limits: parlour_protocol::limits::Limits,
    router: runtime::Router,
    session: runtime::Session,
    push: runtime::Push,
    drain: runtime::Drain,
    telemetry: runtime::Telemetry,
}

impl Config {
    /// The runtime's part.
    pub(crate) fn runtime(&self) -> runtime::Config {
        runtime::Config {
            http: self.http.clone(),
            accounts: self.accounts.clone(),
            limits: self.limits,
            router: self.router.clone(),
            session: self.session.clone(),
            push: self.push.clone(),
            drain: self.drain.clone(),
            telemetry: self.telemetry.clone(),
        }
    }
}

/// What is wrong, each with where it was said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}
impl std::error::Error for Problems {}

/// A value given as text, with its full key and where it was given.
pub(crate) struct Given {
    /// `section.key`.
    pub key: String,
    /// The text.
    pub text: String,
    /// The flag or variable.
    pub from: String,
}

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

/// Every key by its full name, those that name a secret's file as well.
fn known(parts: &[Part]) -> Vec<String> {
    let mut names = Vec::new();
    for part in parts {
        for key in &part.keys {
            names.push(format!("{}.{}", part.name, key.name));
            if key.secret {
                names.push(format!("{}.{}_file", part.name, key.name));
            }
        }
    }
    names
}

/// The text as a value of the kind that the key has by default.
fn value(text: &str, like: Option<&Value>) -> Result<Value, String> {
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

/// What was set, and where: `section.key` to (value, origin).
type Set = BTreeMap<String, (Value, String)>;

fn read_file(path: &Path, text: &str, known: &[String], set: &mut Set, wrong: &mut Vec<String>) {
    let from = path.display().to_string();
    let file: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(e) => {
            wrong.push(format!(
                "{from}: this is not TOML: {}",
                e.to_string().trim_end()
            ));
            return;
        }
    };
    for (section, inside) in file {
        let Value::Table(inside) = inside else {
            let near = nearest(
                &section,
                known.iter().filter_map(|k| Some(k.split_once('.')?.1)),
            );
            let full = near.and_then(|n| known.iter().find(|k| k.ends_with(&format!(".{n}"))));
            wrong.push(unknown(&from, "key", &section, full.cloned()));
            continue;
        };
        for (key, value) in inside {
            let full = format!("{section}.{key}");
            if known.contains(&full) {
                set.insert(full, (value, from.clone()));
            } else {
                let near = nearest(&full, known.iter().map(String::as_str)).map(str::to_owned);
                wrong.push(unknown(&from, "key", &full, near));
            }
        }
    }
}

/// The variable of a key.
fn variable(full: &str) -> String {
    format!("PARLOUR_{}", full.replace('.', "_").to_uppercase())
}

/// Reads the environment: what it sets, and names that look meant for us but are not ours.
fn read_env(
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

/// Loads the configuration: `file`, then `env`, then `flags`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub(crate) fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: Vec<Given>,
) -> Result<Config, Problems> {
    let parts = parts();
    let known = known(&parts);
    let (mut set, mut wrong) = (Set::new(), Vec::new());
    if let Some(path) = file {
        match std::fs::read_to_string(path) {
            Ok(text) => read_file(path, &text, &known, &mut set, &mut wrong),
            Err(e) => wrong.push(format!("{}: cannot be read: {e}", path.display())),
        }
    }
    let (given, unknown_env) = read_env(env, &parts, &known);
    wrong.extend(unknown_env);
    for given in given.into_iter().chain(flags) {
        if !known.contains(&given.key) {
            let near = nearest(&given.key, known.iter().map(String::as_str)).map(str::to_owned);
            wrong.push(unknown(&given.from, "key", &given.key, near));
            continue;
        }
        let like = parts.iter().find_map(|p| {
            let key = given.key.strip_prefix(p.name)?.strip_prefix('.')?;
            p.defaults.get(key)
        });
        match value(&given.text, like) {
            Ok(value) => {
                // A plain value over a file's, and the other way round: the later word counts.
                if let Some(plain) = given.key.strip_suffix("_file") {
                    set.remove(plain);
                } else {
                    set.remove(&format!("{}_file", given.key));
                }
                set.insert(given.key, (value, given.from));
            }
            Err(why) => wrong.push(format!("{}: {}: {why}", given.from, given.key)),
        }
    }
    secrets(&parts, &mut set, &mut wrong);
    build(&parts, set, wrong)
}

/// Replaces each `…_file` by what the file holds.
fn secrets(parts: &[Part], set: &mut Set, wrong: &mut Vec<String>) {
    for part in parts {
        for key in part.keys.iter().filter(|k| k.secret) {
            let plain = format!("{}.{}", part.name, key.name);
            let Some((path, from)) = set.remove(&format!("{plain}_file")) else {
                continue;
            };
            let Some(path) = path.as_str().filter(|p| !p.is_empty()) else {
                continue;
            };
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    set.insert(plain, (Value::String(text.trim().to_owned()), from));
                }
                Err(e) => wrong.push(format!("{from}: {plain}_file: {path}: cannot be read: {e}")),
            }
        }
    }
}

fn build(parts: &[Part], set: Set, mut wrong: Vec<String>) -> Result<Config, Problems> {
    let mut whole = Table::new();
    for part in parts {
        let mut section = part.defaults.clone();
        for key in &part.keys {
            let full = format!("{}.{}", part.name, key.name);
            let Some((value, from)) = set.get(&full) else {
                continue;
            };
            // One key at a time, so that what is wrong can be named with where it was said.
            let mut alone = part.defaults.clone();
            alone.insert(key.name.to_owned(), value.clone());
            match (part.try_from)(alone) {
                Ok(()) => {
                    section.insert(key.name.to_owned(), value.clone());
                }
                Err(_) if key.secret => wrong.push(format!("{from}: {full}: not a text")),
                Err(why) => wrong.push(format!("{from}: {full}: {}", why.trim_end())),
            }
        }
        whole.insert(part.name.to_owned(), Value::Table(section));
    }
    match whole.try_into::<Config>() {
        Ok(config) if wrong.is_empty() => {
            wrong.extend(together(&config));
            if wrong.is_empty() {
                Ok(config)
            } else {
                Err(Problems(wrong))
            }
        }
        Ok(_) => Err(Problems(wrong)),
        Err(e) => {
            wrong.push(e.to_string());
            Err(Problems(wrong))
        }
    }
}

/// What is wrong between keys.
fn together(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    for role in [Role::Gateway, Role::Router, Role::Push] {
        if !config.node.roles.contains(&role) {
            wrong.push(format!(
                "node.roles: with embedded adapters one process does everything; add `{}`",
                format!("{role:?}").to_lowercase()
            ));
        }
    }
    if config.session.renew_ms.saturating_mul(2) > config.session.lease_ms {
        wrong.push(
            "session.renew_ms: renew at least twice within session.lease_ms, or one late \
             renewal loses the lease"
                .to_owned(),
        );
    }
    for (key, value, most) in [
        (
            "session.revocations_ms",
            config.session.revocations_ms,
            2_000,
        ),
        (
            "accounts.token_cache_ms",
            config.accounts.token_cache_ms,
            2_000,
        ),
    ] {
        if value > most {
            wrong.push(format!(
                "{key}: at most {most}, so that a revoked device is out within 5 s"
            ));
        }
    }
    for (key, value) in [
        (
            "limits.client_frame_bytes",
            config.limits.client_frame_bytes,
        ),
        ("limits.outbound_frames", config.limits.outbound_frames),
        ("session.mailbox_frames", config.session.mailbox_frames),
        ("router.batch_records", config.router.batch_records),
    ] {
        if value == 0 {
            wrong.push(format!("{key}: must be above 0"));
        }
    }
    wrong
}

/// How many keys a file sets.
pub(crate) fn count(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .ok()
        .and_then(|t| toml::from_str::<Table>(&t).ok())
        .map_or(0, |t| {
            t.values().filter_map(Value::as_table).map(Table::len).sum()
        })
}

/// A sample with every key, its meaning and its default.
pub(crate) fn sample() -> String {
    let mut out = String::from(
        "# Parlour's configuration. Every key stands here with its default, after a `#`:\n\
         # take the `#` away to change it. A variable goes over this file, and a flag over both:\n\
         # the key `listen` of `[http]` is `PARLOUR_HTTP_LISTEN`, or `--set http.listen=…`.\n",
    );
    for part in parts() {
        out.push('\n');
        for line in part.about {
            out.push_str(&format!("#{line}\n"));
        }
        out.push_str(&format!("[{}]\n", part.name));
        for key in &part.keys {
            out.push('\n');
            for line in key.about {
                out.push_str(&format!("#{line}\n"));
            }
            if key.secret {
                out.push_str(&format!(
                    "# A secret: `{}_file` names a file that holds it.\n",
                    key.name
                ));
            }
            let default = part
                .defaults
                .get(key.name)
                .map_or_else(|| "\"\"".to_owned(), Value::to_string);
            out.push_str(&format!("#{} = {default}\n", key.name));
        }
    }
    out
}

#[cfg(test)]
mod tests;
