//! The node's configuration: a file, then `PARLOUR_…` variables, then flags, each over the one
//! before. An unknown key is an error that names the nearest known one.
//!
//! Promises: whatever is wrong is said at once, each with where it was set; `serve` and
//! `config check` judge by the same function, [`whole`]. Never: a change to anything.
//!
//! What a key means stands once, in the doc comment of its struct; the sample is made from there.

mod check;
mod read;
mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parlour_runtime::config as runtime;
use parlour_runtime::config::{Key, Section};
use parlour_runtime::section;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub(crate) use check::Outside;
use read::{read_env, read_file, value};
pub(crate) use sample::sample;

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
        write!(
            f,
            "the configuration is not right:\n  {}",
            self.0.join("\n  ")
        )
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

/// What was set, and where: `section.key` to (value, origin).
type Set = BTreeMap<String, (Value, String)>;

/// A key with where it was set: some flags and every variable say the key themselves.
fn named(from: &str, key: &str) -> String {
    let says_it = from.starts_with("--") && from != "--set" || from.starts_with("PARLOUR_");
    if says_it {
        from.to_owned()
    } else {
        format!("{from}: {key}")
    }
}

/// A configuration, with where each key was set that has not its default.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    origins: BTreeMap<String, String>,
    /// Keys whose values cannot be read: what follows from that is not said as well.
    unread: BTreeSet<String>,
}

impl Loaded {
    /// A key, with where it was set.
    fn named(&self, key: &str) -> String {
        match self.origins.get(key) {
            Some(origin) => named(origin, key),
            None => key.to_owned(),
        }
    }

    /// How many keys have not their default, by where they were set.
    pub(crate) fn set(&self) -> usize {
        self.origins.len()
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

/// Loads the configuration: `file`, then `env`, then `flags`; and looks at what it names.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub(crate) fn whole(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: Vec<Given>,
) -> Result<(Loaded, Outside), Problems> {
    let (loaded, mut wrong) = load(file, env, flags);
    match check::outside(&loaded) {
        Ok(outside) if wrong.is_empty() => Ok((loaded, outside)),
        Ok(_) => Err(Problems(wrong)),
        Err(Problems(more)) => {
            wrong.extend(more);
            Err(Problems(wrong))
        }
    }
}

/// Loads the configuration, and says what is wrong with its values; those have their defaults.
fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: Vec<Given>,
) -> (Loaded, Vec<String>) {
    let parts = parts();
    let known = known(&parts);
    let (mut set, mut wrong) = (Set::new(), Vec::new());
    if let Some(path) = file {
        match std::fs::read_to_string(path) {
            Ok(text) => read_file(path, &text, &known, &mut set, &mut wrong),
            Err(e) => wrong.push(read::unread(&path.display(), &e)),
        }
    }
    let secrets = secret_keys(&parts);
    // A secret that is empty is none, wherever it was given: a variable may be set so.
    let no_secret = |key: &str, text: &str| {
        let plain = key.strip_suffix("_file").unwrap_or(key);
        text.trim().is_empty() && secrets.iter().any(|secret| secret == plain)
    };
    set.retain(|key, (value, _)| !value.as_str().is_some_and(|text| no_secret(key, text)));
    wrong.extend(twice(&secrets, |key| Some(set.get(key)?.1.as_str())));
    let (mut given, unknown_env) = read_env(env, &parts, &known);
    wrong.extend(unknown_env);
    let mut flags = flags;
    for source in [&mut given, &mut flags] {
        source.retain(|g| !no_secret(&g.key, &g.text));
    }
    for source in [&given, &flags] {
        let from = |key: &str| Some(source.iter().find(|g| g.key == key)?.from.as_str());
        wrong.extend(twice(&secrets, from));
    }
    let mut unread = BTreeSet::new();
    for given in given.into_iter().chain(flags) {
        if !known.contains(&given.key) {
            wrong.push(read::unknown_key(&given.from, &given.key, &known));
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
                unread.remove(&given.key);
                set.insert(given.key, (value, given.from));
            }
            Err(why) => {
                wrong.push(format!("{}: {why}", named(&given.from, &given.key)));
                // It would go over what was said before, so that does not count either.
                set.remove(&given.key);
                unread.insert(given.key);
            }
        }
    }
    read_secrets(&secrets, &mut set, &mut unread, &mut wrong);
    build(&parts, set, unread, wrong)
}

/// Every secret, by its full name.
fn secret_keys(parts: &[Part]) -> Vec<String> {
    let of = |part: &Part| -> Vec<String> {
        let secret = part.keys.iter().filter(|key| key.secret);
        secret
            .map(|key| format!("{}.{}", part.name, key.name))
            .collect()
    };
    parts.iter().flat_map(of).collect()
}

/// Secrets that one source gives both as such and by a file; `from` says where it gives a key.
fn twice<'a>(secrets: &[String], from: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let both = |plain: &String| {
        let file = format!("{plain}_file");
        let at = from(plain).and(from(&file))?;
        Some(format!(
            "{}: {plain} is set beside it; keep one of the two",
            named(at, &file)
        ))
    };
    secrets.iter().filter_map(both).collect()
}

/// Replaces each `…_file` by what the file holds.
fn read_secrets(
    secrets: &[String],
    set: &mut Set,
    unread: &mut BTreeSet<String>,
    wrong: &mut Vec<String>,
) {
    for plain in secrets {
        let full = format!("{plain}_file");
        let Some((value, from)) = set.remove(&full) else {
            continue;
        };
        let read = match value.as_str() {
            None => Err(format!(
                "`{value}` is no text in quotes, which should be the path of a file"
            )),
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => Err(format!(
                    "{path}: there is nothing in it; write the secret into it"
                )),
                Ok(text) => Ok(text.trim().to_owned()),
                Err(e) => Err(read::unread(&path, &e)),
            },
        };
        match read {
            Ok(secret) => {
                set.insert(plain.clone(), (Value::String(secret), from));
            }
            Err(why) => {
                wrong.push(format!("{}: {why}", named(&from, &full)));
                unread.insert(plain.clone());
            }
        }
    }
}

fn build(
    parts: &[Part],
    set: Set,
    mut unread: BTreeSet<String>,
    mut wrong: Vec<String>,
) -> (Loaded, Vec<String>) {
    let mut whole = Table::new();
    let mut origins = BTreeMap::new();
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
                    origins.insert(full, from.clone());
                }
                Err(_) if key.secret => {
                    wrong.push(format!("{}: not a text", named(from, &full)));
                    unread.insert(full);
                }
                Err(why) => {
                    let why = check::plain(&why, value, part.defaults.get(key.name));
                    wrong.push(format!("{}: {why}", named(from, &full)));
                    unread.insert(full);
                }
            }
        }
        whole.insert(part.name.to_owned(), Value::Table(section));
    }
    // Each section can be read, or is as by default.
    let config = whole.try_into::<Config>().unwrap_or_else(|e| {
        wrong.push(e.to_string());
        Config::default()
    });
    let loaded = Loaded {
        config,
        origins,
        unread,
    };
    wrong.extend(check::together(&loaded));
    (loaded, wrong)
}

#[cfg(test)]
mod tests;
