//! `parlour import`: everything that the logs say is in the history, once, in order, whatever
//! ended the import meanwhile; and what it says to people.

mod logs;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use logs::{Dice, Logs, NICKS, Told};
use parlour_protocol::frame::server::{Event, Stretch};
use parlour_protocol::http::{Conversation, LoggedIn, Placed, Profile};
use parlour_protocol::kind::Shape;
use parlour_protocol::{ConversationId, MessageId};
use parlour_tests::node::binary;
use parlour_tests::socket::plain;
use parlour_tests::{Http, Node};

/// Kills that must find the import at work.
const KILLS: u32 = 12;

fn import(dir: &Path, data: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .args(["import", "irc"])
        .arg(dir)
        .arg("--data")
        .arg(data)
        .args(["--conversation", "#x"]);
    command
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

/// Four days with lines of every form, one of them past midnight.
fn days(lines: u64, dice: &mut Dice) -> (tempfile::TempDir, Logs) {
    let dir = tempfile::tempdir().unwrap();
    let mut logs = Logs::new();
    for (name, days) in [
        ("2004-11-15.log", 12_737),
        ("2004-11-16.log", 12_738),
        ("2004-11-20.log", 12_742),
        ("2005-01-01.log", 12_784),
    ] {
        // The third begins half an hour before midnight.
        logs.file(name, days, if days == 12_742 { 1_410 } else { 0 });
        if days == 12_738 {
            logs.join("eve");
            logs.join("eve");
            logs.rename("eve", "mallory");
            logs.rename("mallory", "mallory");
        }
        for _ in 0..lines / 4 {
            logs.any(dice);
        }
        logs.write(dir.path());
    }
    std::fs::write(dir.path().join("README.md"), "no log").unwrap();
    (dir, logs)
}

/// The conversation that the import named on its first line.
fn conversation(said: &str) -> ConversationId {
    let line = said.lines().find(|l| l.starts_with("#x is conversation "));
    let line = line.unwrap_or_else(|| panic!("no conversation in: {said}"));
    line.split(' ').nth(3).unwrap().parse().unwrap()
}

async fn join(http: &Http, conversation: ConversationId) -> Placed {
    let mut send = plain("");
    send.kind = Some("join".to_owned());
    send.conversation = Some(conversation);
    http.post(&format!("/v1/conversations/{conversation}/messages"), &send)
        .await
        .ok()
}

/// All of a conversation, by its pages.
async fn read(http: &Http, conversation: ConversationId) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |e| e.seq.0);
        let path = format!("/v1/conversations/{conversation}/history?limit=200&after={after}");
        let page: Stretch = http.get(&path).await.ok();
        assert!(page.withheld.is_empty(), "{:?}", page.withheld);
        events.extend(page.events);
        if !page.more {
            return events;
        }
    }
}

/// The history as the logs tell it: senders by the nick that their account shows.
async fn told(http: &Http, events: &[Event]) -> Vec<Told> {
    let mut shown = BTreeMap::new();
    let ids: BTreeSet<_> = events
        .iter()
        .flat_map(|e| e.named.iter().map(|n| n.user).chain([e.sender]))
        .collect();
    for id in ids {
        let profile: Profile = http.get(&format!("/v1/users/{id}")).await.ok();
        shown.insert(id, profile.display);
    }
    let kinds = [
        "message", "add", "join", "leave", "remove", "topic", "irc.mode",
    ];
    events
        .iter()
        .map(|e| {
            let origin = e
                .origin
                .clone()
                .unwrap_or_else(|| panic!("no origin: {e:?}"));
            assert_eq!(origin.time_ms, e.time_ms, "{e:?}");
            let sender = shown[&e.sender].clone();
            Told {
                kind: kinds
                    .into_iter()
                    .find(|k| *k == e.kind)
                    .unwrap_or_else(|| panic!("{e:?}")),
                sender: (sender != "IRC import").then_some(sender),
                author: origin.author,
                named: e.named.first().map(|n| shown[&n.user].clone()),
                text: e.body.as_ref().and_then(|b| b.as_text()).map(str::to_owned),
                value: e.value.clone(),
                id: origin.id,
                time_ms: e.time_ms,
            }
        })
        .collect()
}

/// What came of the logs, without what was done here.
fn imported(mut events: Vec<Event>) -> Vec<Event> {
    events.retain(|e| e.origin.is_some());
    events
}

/// A node on a data folder in which `ada` has signed up: her name is taken.
async fn with_ada() -> (Node, LoggedIn) {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    node.kill();
    (node, ada)
}

fn verified(data: &Path) {
    let (code, said) = run(Command::new(binary()).arg("verify").arg(data));
    assert_eq!(code, Some(0), "{said}");
}

/// Compares what is there with what the logs say; the place of the first difference tells more than
/// two long lists.
fn same(found: &[Told], wanted: &[Told]) {
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(found, wanted, "event {at}");
    }
    assert_eq!(found.len(), wanted.len());
}

#[tokio::test]
async fn killed_at_any_moment_and_run_again_everything_is_there_once_and_in_order() {
    let mut kills = 0;
    let mut round = 0;
    while kills < KILLS {
        round += 1;
        assert!(
            round < 20,
            "{kills} kills in {round} rounds: too fast to be caught"
        );
        let mut dice = Dice(round);
        let (dir, mut logs) = days(6_000, &mut dice);
        let (mut node, ada) = with_ada().await;
        let data = node.data();
        let mut read_to = 0;
        let said = loop {
            let mut command = import(dir.path(), &data);
            let mut child = command
                .args(["--report-every", "1"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Once so many lines were told; at times before the first.
            let target = dice.below(3).min(1) * (read_to + dice.below(1_500));
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut last = String::new();
            for line in lines.by_ref().take(target as usize) {
                last = line.unwrap();
            }
            child.kill().unwrap();
            let rest: Vec<String> = lines.map(Result::unwrap).collect();
            let status = child.wait().unwrap();
            if status.signal() == Some(9) {
                let done = rest.last().unwrap_or(&last);
                let done = done
                    .strip_suffix(" lines")
                    .and_then(|l| l.split(' ').next());
                let done = done.and_then(|n| n.parse().ok()).unwrap_or(0);
                // Only those that came in the midst of it count.
                kills += u32::from((1..logs.lines).contains(&done));
                read_to = read_to.max(done);
                if read_to < logs.lines {
                    continue;
                }
            }
            let (code, said) = run(&mut import(dir.path(), &data));
            assert_eq!(code, Some(0), "{said}");
            break said;
        };
        for wrong in &logs.wrong {
            assert!(said.contains(wrong), "{wrong} is not told");
        }
        verified(&data);
        let (code, again) = run(&mut import(dir.path(), &data));
        assert_eq!(code, Some(0), "{again}");
        assert!(again.contains("Nothing was added."), "{again}");
        let there = logs.lines - logs.wrong.len() as u64;
        assert!(
            again.contains(&format!("{there} lines there already")),
            "{again}"
        );
        assert!(
            again.contains(&format!("{} left out, 0 refused", logs.wrong.len())),
            "{again}"
        );

        node.restart();
        let conversation = conversation(&said);
        let http = node.http().with(&ada.token.0);
        let joined = join(&http, conversation).await;
        let events = read(&http, conversation).await;
        let kinds: Vec<_> = events[..3].iter().map(|e| e.kind.as_str()).collect();
        assert_eq!(kinds, ["create", "name", "setting"]);
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event.seq.0, at as u64 + 1);
        }
        assert_eq!(events.last().unwrap().seq, joined.seq);
        let found = told(&http, &events[3..events.len() - 1]).await;
        same(&found, &logs.told);
        let messages = logs.told.iter().filter(|t| t.kind == "message").count();
        assert_eq!(joined.n, messages as u64, "messages alone are counted");

        // What is new in the folder comes behind what is there, and nothing else does.
        node.kill();
        let before = logs.told.len();
        logs.file("2005-01-02.log", 12_785, 600);
        for nick in NICKS {
            logs.message(nick, "a day later");
        }
        logs.write(dir.path());
        let (code, more) = run(&mut import(dir.path(), &data));
        assert_eq!(code, Some(0), "{more}");
        assert!(more.contains("9 messages added"), "{more}");
        verified(&data);
        node.restart();
        let http = node.http().with(&ada.token.0);
        let all = read(&http, conversation).await;
        assert_eq!(all[..events.len()], events[..]);
        let found = told(&http, &all[events.len()..]).await;
        same(&found, &logs.told[before..]);
    }
    println!("{kills} kills in {round} rounds");
}

#[tokio::test]
async fn a_line_of_several_events_that_was_cut_between_them_goes_on_behind_the_first() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    node.kill();
    let dir = tempfile::tempdir().unwrap();
    let mut logs = Logs::new();
    logs.file("2004-11-15.log", 12_737, 600);
    logs.join("eve");
    logs.write(dir.path());
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(0), "{said}");
    let conversation = conversation(&said);

    // What an import that died after the first event of the next line would have left: eve is gone,
    // and mallory has not come.
    node.restart();
    let made = node.bulk(&["eve".to_owned()], 1).await;
    let token = made.devices[0].token.clone().unwrap();
    let eve = node.http().with(&token.0);
    let mut send = plain("eve is now known as mallory");
    send.kind = Some("leave".to_owned());
    send.conversation = Some(conversation);
    send.id = MessageId::derived(
        "parlour.irc.step",
        &[b"2004-11-15.log", &2u64.to_be_bytes(), b"leave"],
    );
    let path = format!("/v1/conversations/{conversation}/messages");
    let left: Placed = eve.post(&path, &send).await.ok();
    node.kill();

    logs.rename("eve", "mallory");
    logs.message("mallory", "still me");
    logs.write(dir.path());
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\n2 rows added"), "{said}");
    verified(&node.data());
    node.restart();
    let http = node.http().with(&ada.token.0);
    join(&http, conversation).await;
    let events = read(&http, conversation).await;
    let found = told(&http, &events[left.seq.0 as usize..events.len() - 1]).await;
    same(&found, &logs.told[logs.told.len() - 2..]);
}

#[tokio::test]
async fn names_are_told_apart_and_nobody_logs_in_as_someone_of_the_logs() {
    let (mut node, ada) = with_ada().await;
    let (dir, _) = days(200, &mut Dice(7));
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(0), "{said}");
    node.restart();
    let http = node.http().with(&ada.token.0);
    let conversation = conversation(&said);
    join(&http, conversation).await;
    let stands: Conversation = http
        .get(&format!("/v1/conversations/{conversation}"))
        .await
        .ok();
    assert_eq!(stands.name.as_deref(), Some("#x"));
    assert_eq!(stands.shape, Shape::Channel);
    let senders: BTreeSet<_> = read(&http, conversation)
        .await
        .iter()
        .map(|e| e.sender)
        .collect();
    let mut names = BTreeMap::new();
    for sender in senders {
        let profile: Profile = http.get(&format!("/v1/users/{sender}")).await.ok();
        names.insert(profile.display.clone(), profile.name.clone());
        if sender != ada.user {
            let log_in = serde_json::json!({"name": profile.name, "password": "password of ada"});
            let refused = node.http().post("/v1/login", &log_in).await;
            assert_eq!(refused.status, 401, "{}: {}", profile.name, refused.body);
        }
    }
    let lower: BTreeSet<_> = names.values().map(|n| n.to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "{names:?}");
    assert_eq!(names["eve"], "eve");
    assert!(names["a:b"].starts_with("a-b~"), "{names:?}");
    let marked = [&names["Bob"], &names["bob"]];
    assert_eq!(
        marked.iter().filter(|n| n.contains('~')).count(),
        1,
        "{names:?}"
    );
}

#[tokio::test]
async fn a_name_that_is_taken_is_left_to_its_holder() {
    let (mut node, ada) = with_ada().await;
    let dir = tempfile::tempdir().unwrap();
    let mut logs = Logs::new();
    logs.file("2004-11-15.log", 12_737, 600);
    logs.message("ada", "of the logs");
    logs.write(dir.path());
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(0), "{said}");
    node.restart();
    let http = node.http().with(&ada.token.0);
    let conversation = conversation(&said);
    join(&http, conversation).await;
    let events = read(&http, conversation).await;
    let message = events.iter().find(|e| e.kind == "message").unwrap();
    assert_ne!(message.sender, ada.user);
    let profile: Profile = http
        .get(&format!("/v1/users/{}", message.sender))
        .await
        .ok();
    assert_eq!(profile.display, "ada");
    assert!(profile.name.starts_with("ada~"), "{}", profile.name);
}

#[tokio::test]
async fn a_channel_that_was_closed_since_takes_nothing_new_and_refuses_nothing_for_ever() {
    let mut node = Node::start();
    node.kill();
    let dir = tempfile::tempdir().unwrap();
    let mut logs = Logs::new();
    logs.file("2004-11-15.log", 12_737, 600);
    logs.join("eve");
    logs.message("eve", "before");
    logs.write(dir.path());
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(0), "{said}");
    let conversation = conversation(&said);
    let path = format!("/v1/conversations/{conversation}/messages");
    node.restart();
    let made = node.bulk(&["irc-import".to_owned()], 1).await;
    let token = made.devices[0].token.clone().unwrap();
    for (key, closed, open) in [("join", "invited", "open"), ("post", "admins", "everyone")] {
        let set = async |node: &Node, value: &str| {
            let mut set = plain("");
            set.kind = Some("setting".to_owned());
            set.conversation = Some(conversation);
            set.key = Some(key.to_owned());
            set.value = Some(value.to_owned());
            let owner = node.http().with(&token.0);
            let _: Placed = owner.post(&path, &set).await.ok();
        };
        set(&node, closed).await;
        node.kill();
        let (code, said) = run(&mut import(dir.path(), &node.data()));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("Nothing was added."), "{said}");

        logs.join("mallory");
        logs.message("mallory", "after");
        logs.write(dir.path());
        let (code, said) = run(&mut import(dir.path(), &node.data()));
        assert_eq!(code, Some(1), "{said}");
        let new = format!("2004-11-15.log:{} is new", logs.lines - 1);
        for word in [&new, &format!("`{key}`"), "nothing was added"] {
            assert!(said.contains(word), "{word} is missing in: {said}");
        }

        node.restart();
        set(&node, open).await;
        node.kill();
        let (code, said) = run(&mut import(dir.path(), &node.data()));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("1 join, 1 message added"), "{said}");
        node.restart();
    }
    node.kill();
    verified(&node.data());
    node.restart();
    let owner = node.http().with(&token.0);
    let found = told(&owner, &imported(read(&owner, conversation).await)).await;
    same(&found, &logs.told);
}

#[test]
fn a_line_that_cannot_be_taken_is_told_and_left_out_or_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    std::fs::write(
        dir.path().join("2004-11-15.log"),
        "[10:00] <eve> one\n[10:61] <eve> two\n[10:02] <eve> three",
    )
    .unwrap();
    std::fs::write(dir.path().join("notes.log"), "[10:00] <eve> when?\n").unwrap();
    let long = format!(
        "[10:00] <{}> too long a nick\n[10:01] <eve> four\n",
        "n".repeat(300)
    );
    std::fs::write(dir.path().join("2004-11-16.log"), long).unwrap();

    let (code, said) = run(import(dir.path(), &data).args(["--on-error", "stop"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2004-11-15.log:2: the time is not"), "{said}");
    assert!(said.contains("Nothing was imported"), "{said}");
    assert!(!data.exists(), "a store was made");

    let (code, said) = run(&mut import(dir.path(), &data));
    assert_eq!(code, Some(0), "{said}");
    for word in [
        "2004-11-15.log:2: the time is not",
        "notes.log: the name is not YYYY-MM-DD.log",
        "2004-11-16.log:1: `origin.author` has 300 bytes",
        "3 messages added",
        "3 left out",
    ] {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }

    std::fs::remove_file(dir.path().join("notes.log")).unwrap();
    std::fs::remove_file(dir.path().join("2004-11-16.log")).unwrap();
    std::fs::write(dir.path().join("2004-11-15.log"), "[10:00] <eve> one\n").unwrap();
    let (code, said) = run(import(dir.path(), &data).args(["--on-error", "stop"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Nothing was added."), "{said}");
}

#[test]
fn what_was_asked_wrongly_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let nowhere = dir.path().join("nowhere");
    let (code, said) = run(&mut import(&nowhere, &data));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("nowhere is not there: name the folder"),
        "{said}"
    );
    std::fs::write(dir.path().join("README.md"), "no log").unwrap();
    let (code, said) = run(&mut import(dir.path(), &data));
    assert_eq!(code, Some(1));
    assert!(said.contains("there are no logs in it"), "{said}");
    assert!(said.contains("YYYY-MM-DD.log"), "{said}");
    std::fs::write(dir.path().join("2004-11-15.log"), "[10:00] <eve> one\n").unwrap();
    let (code, said) = run(import(dir.path(), &data).args(["--conversation", " "]));
    assert_ne!(code, Some(0), "{said}");
    let (code, said) = run(Command::new(binary())
        .args(["import", "irc"])
        .arg(dir.path())
        .arg("--data")
        .arg(&data)
        .args(["--conversation", &"x".repeat(300)]));
    assert_eq!(code, Some(1));
    assert!(said.contains("300 bytes"), "{said}");
    assert!(!data.exists(), "a store was made");
    let (code, said) = run(Command::new(binary()).args(["import", "irc"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("--conversation"), "{said}");

    let node = Node::start();
    let (code, said) = run(&mut import(dir.path(), &node.data()));
    assert_eq!(code, Some(1));
    assert!(said.contains(&node.pid().to_string()), "{said}");
}

#[test]
fn on_a_full_disk_it_ends_and_goes_on_once_there_is_room() {
    let (dir, logs) = days(20_000, &mut Dice(3));
    let data = tempfile::tempdir().unwrap();
    // A small file system of its own, which is gone with the shell: all of it in one script.
    let script = "mount -t tmpfs -o size=56m tmpfs \"$DATA\" && { \"$@\" --report-every 1000; \
                  echo \"ended with $?\"; mount -o remount,size=400m \"$DATA\" && \"$@\" && \
                  \"$1\" verify \"$DATA/data\"; }";
    let import = import(dir.path(), &data.path().join("data"));
    let (code, said) = run(Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(import.get_program())
        .args(import.get_args())
        .env("DATA", data.path()));
    assert_eq!(code, Some(0), "{said}");
    for word in [
        "ended with 1",
        "has no room left",
        "1000 of 20004 lines",
        " 0 breaches",
    ] {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
    // The channel's own three, and what the logs tell.
    let events = format!(" {} events,", logs.told.len() + 3);
    assert!(said.contains(&events), "{events} are missing in: {said}");
}

#[test]
fn an_empty_file_is_a_day_on_which_nothing_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::write(dir.path().join("2004-11-15.log"), "").unwrap();
    let (code, said) = run(&mut import(dir.path(), &data));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 lines of 1 file:"), "{said}");
    verified(&data);
}
