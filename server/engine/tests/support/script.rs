//! The words of the scripts: users, conversations and ids by name, and records by a line.
//!
//! A line is `USER VERB ID in CONVERSATION key=value …`. A conversation is a name (`G`), or `@bob`
//! for the direct one with bob. `USER/2` is the user's second device.

use parlour_protocol::body::Body;
use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::node::Answer;
use parlour_protocol::record::{Create, Header, Mentions, Named, Record};
use parlour_protocol::row::Row;
use parlour_protocol::seq::Seq;

const USERS: &[&str] = &["ann", "bob", "cat", "dan", "eve"];

pub fn user(name: &str) -> UserId {
    let at = USERS
        .iter()
        .position(|u| *u == name)
        .unwrap_or_else(|| panic!("no user {name}"));
    UserId::from_bytes([at as u8 + 1; 16])
}

pub fn user_name(id: UserId) -> String {
    USERS
        .iter()
        .find(|u| user(u) == id)
        .map_or_else(|| id.to_string(), |u| (*u).to_owned())
}

pub fn conversation(sender: &str, name: &str) -> ConversationId {
    match name.strip_prefix('@') {
        Some(peer) => ConversationId::direct(user(sender), user(peer)),
        None => ConversationId::derived("test", &[name.as_bytes()]),
    }
}

pub fn id(name: &str) -> MessageId {
    MessageId::derived("test", &[name.as_bytes()])
}

/// The record of a line.
pub fn record(line: &str) -> Record {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("cut line: {line}"));
    let (who, verb, name) = (word(), word(), word());
    assert_eq!(word(), "in", "{line}");
    let place = word();
    let (sender, device) = who.split_once('/').unwrap_or((who, "1"));
    let device_no: u8 = device.parse().expect("a device number");
    let class = match verb {
        "say" => Class::Content,
        "edit" | "delete" | "reaction" | "pin" | "poke" => Class::Change,
        "create" | "add" | "join" | "leave" | "remove" | "role" => Class::Membership,
        "name" | "topic" | "setting" | "contact" => Class::Setting,
        "cancel" => Class::Cancel,
        other => panic!("no verb {other}"),
    };
    let kind = if verb == "say" { kind::MESSAGE } else { verb };
    let mut h = Header::new(
        conversation(sender, place),
        id(name),
        user(sender),
        DeviceId::from_bytes([user(sender).as_bytes()[0] * 16 + device_no; 16]),
        class,
        kind,
        1_000,
    );
    h.peer = place.strip_prefix('@').map(user);
    let mut rules = 1;
    for pair in words {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let named = |role| {
            value.split(',').map(move |u| Named {
                user: user(u),
                role,
            })
        };
        match key {
            "group" | "channel" => {
                let shape = if key == "group" {
                    Shape::Group
                } else {
                    Shape::Channel
                };
                h.create = Some(Create {
                    shape,
                    history: HistoryRule::FromJoin,
                });
            }
            "all" => {
                if let Some(create) = &mut h.create {
                    create.history = HistoryRule::All;
                }
            }
            "with" | "members" => h.named.extend(named(Role::Member)),
            "admins" => h.named.extend(named(Role::Admin)),
            "owners" => h.named.extend(named(Role::Owner)),
            "after" => h.after = Some(id(value)),
            "target" => h.target = Some(Seq(value.parse().expect("a seq"))),
            "base" => h.base = Some(Seq(value.parse().expect("a seq"))),
            "key" => h.key = Some(value.to_owned()),
            "value" => h.value = Some(value.to_owned()),
            "peer" => h.peer = Some(user(value)),
            "verdict" => h.verdict = Some(Code(value.parse().expect("a code"))),
            "rules" => rules = value.parse().expect("a number"),
            "mentions" => {
                h.mentions = Mentions {
                    users: value
                        .split(',')
                        .filter(|u| *u != "everyone")
                        .map(user)
                        .collect(),
                    everyone: value.split(',').any(|u| u == "everyone"),
                }
            }
            other => panic!("no key {other}"),
        }
    }
    let mut record = Record::new(&h, Body::text(name).to_payload());
    record.rules = rules;
    record
}

pub fn answer(a: Answer) -> String {
    match a {
        Answer::Placed { seq, n, .. } => format!("placed {seq:?} n={n}"),
        Answer::Refused { code } => format!("refused {code}"),
    }
}

/// A row in a few words.
pub fn row(r: &Row) -> String {
    match r {
        Row::Event(e) => format!(
            "event {:?} n={} prev={:?} members={}{}{}",
            e.seq,
            e.carried.n,
            e.carried.prev,
            e.carried.members,
            if e.carried.quiet { " quiet" } else { "" },
            if e.payload.is_empty() { " no-body" } else { "" },
        ),
        Row::Outcome(o) => match o.outcome {
            parlour_protocol::row::Outcome::Placed { seq, .. } => format!("outcome {seq:?}"),
            parlour_protocol::row::Outcome::Refused { code } => {
                format!("outcome refused {code} at {:?}", o.at)
            }
        },
        Row::Change(c) => format!(
            "change {:?} {} {} {}",
            c.target,
            c.kind,
            user_name(c.user),
            c.key
        )
        .replace("00000000-0000-0000-0000-000000000000", "-")
        .trim_end()
        .to_owned(),
        Row::Erased(e) => format!("erased {:?} by {}", e.target, user_name(e.by)),
        Row::Interval(i) => format!(
            "interval {} {:?}..{} {:?} joined {:?} n={}",
            user_name(i.user),
            i.from.seq,
            i.until.map(|u| format!("{:?}", u.seq)).unwrap_or_default(),
            i.role,
            i.joined,
            i.n
        ),
        Row::Setting(s) => format!("setting {} = {}", s.key, s.value.as_deref().unwrap_or("-")),
        Row::Mention(m) => format!("mention {}", user_name(m.user))
            .replace("00000000-0000-0000-0000-000000000000", "everyone"),
    }
}

/// Runs every transcript of a folder: lines that begin with `> ` are input, `#` is a remark, the
/// rest is what is expected. With `UPDATE_EXPECT=1` the expected text is written anew.
pub fn transcripts(folder: &str, run: impl Fn(&[&str]) -> Vec<String>) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut count = 0;
    let mut wrong = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(&dir)
        .expect("the folder")
        .map(|e| e.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
    {
        count += 1;
        let text = std::fs::read_to_string(path).expect("the transcript");
        let inputs: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("> ")).collect();
        let mut outputs = run(&inputs).into_iter();
        let mut found = String::new();
        for line in text
            .lines()
            .filter(|l| l.starts_with("> ") || l.starts_with('#'))
        {
            found.push_str(line);
            found.push('\n');
            if line.starts_with("> ") {
                found.push_str(&outputs.next().expect("an output for each input"));
            }
        }
        if found != text {
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(path, &found).expect("to write the transcript");
            } else {
                wrong.push(format!(
                    "{}\n--- expected\n{text}\n--- found\n{found}",
                    path.display()
                ));
            }
        }
    }
    assert!(count > 0, "no transcripts in {}", dir.display());
    assert!(
        wrong.is_empty(),
        "{}\n(UPDATE_EXPECT=1 writes what was found)",
        wrong.join("\n")
    );
}
