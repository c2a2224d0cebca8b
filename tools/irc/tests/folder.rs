//! The real logs, where they are at hand: the folder that `PARLOUR_IRC_DIR` names, or
//! `../shared/data/irc` beside the repository.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use parlour_irc::{Event, Names, Reader, message_id, user_key};

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PARLOUR_IRC_DIR").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/irc");
    named.or_else(|| beside.is_dir().then_some(beside))
}

#[test]
fn all_of_it_is_read() {
    let Some(folder) = folder() else {
        eprintln!(
            "the real logs are not here: set PARLOUR_IRC_DIR to a folder of YYYY-MM-DD.log files to read them"
        );
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".log"))
        .collect();
    files.sort();

    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut nicks, mut ids, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    let (mut names, mut lines, mut midnights) = (Names::new(), 0u64, 0u64);
    let mut errors = Vec::new();
    for file in &files {
        let bytes = std::fs::read(folder.join(file)).expect("readable");
        let mut reader = Reader::new(file).expect("a date");
        let (mut last_ms, mut first_day) = (0, None);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            lines += 1;
            let item = match reader.feed(line) {
                Ok(item) => item,
                Err(error) => {
                    errors.push(error.to_string());
                    continue;
                }
            };
            assert!(item.time_ms >= last_ms, "{file}:{} goes back", item.line);
            last_ms = item.time_ms;
            first_day.get_or_insert(item.time_ms / 86_400_000);
            assert!(ids.insert(message_id(file, item.line)));
            let kind = match item.event {
                Event::Message { nick, .. } => {
                    keys.insert(user_key(&nick));
                    names.name(&nick);
                    nicks.insert(nick);
                    "message"
                }
                Event::Action { .. } => "action",
                Event::Notice { .. } => "notice",
                Event::Join { .. } => "join",
                Event::Part { .. } => "part",
                Event::Quit { .. } => "quit",
                Event::Rename { .. } => "rename",
                Event::Kick { .. } => "kick",
                Event::Mode { .. } => "mode",
                Event::Topic { .. } => "topic",
            };
            *counts.entry(kind).or_default() += 1;
        }
        midnights += last_ms / 86_400_000 - first_day.unwrap_or_default();
    }
    println!(
        "{} files, {lines} lines: {counts:?}, {} nicks",
        files.len(),
        nicks.len()
    );
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(keys.len(), nicks.len());
    assert_eq!(names.len(), nicks.len());
    // Of the folder beside the repository the figures are known; another may hold anything.
    if std::env::var_os("PARLOUR_IRC_DIR").is_none() {
        assert_eq!((files.len(), lines, midnights), (45, 65_500, 8));
        assert_eq!(counts.get("message"), Some(&53_413));
        assert_eq!(nicks.len(), 4_190);
    }
}
