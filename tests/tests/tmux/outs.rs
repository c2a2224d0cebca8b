//! Somebody is logged out by another of their devices, and comes in again.

use std::path::Path;

use parlour_sdk::{Data, Endpoint, Http};

use super::scene::{PASSWORD, Person, Scene};
use super::scripts::Folders;

/// Another device of theirs revokes all others.
pub(crate) fn revokes_the_others(node: &parlour_tests::Node, who: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(&node.url).unwrap();
        let http = Http::new(&endpoint);
        let session = http.log_in(who, PASSWORD, "another").await.unwrap();
        let http = Http::with_token(&endpoint, &session.token);
        for device in http.devices().await.unwrap() {
            if device.device != session.device {
                http.revoke(device.device).await.unwrap();
            }
        }
    });
}

/// Puts something in the store's place that is none, and back.
fn blocks(folder: &Path) -> impl Fn() + use<> {
    let (store, beside) = (folder.join("client.sqlite"), folder.join("beside"));
    std::fs::rename(&store, &beside).unwrap();
    std::fs::create_dir(&store).unwrap();
    move || {
        std::fs::remove_dir(&store).unwrap();
        std::fs::rename(&beside, &store).unwrap();
    }
}

fn logs_in(person: &Person, name: &str) {
    person.presses(&["BTab", "C-u"]);
    person.types(name);
    person.presses(&["Enter"]);
    person.types(PASSWORD);
    person.presses(&["Enter"]);
}

#[test]
fn a_token_that_is_revoked_costs_no_draft() {
    let scene = Scene::new();
    let [ada, ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.types("half a thought");
    ada.sees("> half a thought");
    // What her device keeps cannot be opened when she is put out: that is said, and the form waits
    // for nothing.
    let unblock = blocks(&ada.folder());
    revokes_the_others(&scene.node, "ada");
    ada.sees("This device was signed out");
    ada.sees("Ctrl+Q quits.");
    ada.types(PASSWORD);
    ada.presses(&["Enter"]);
    // What is said now is of this try: why she was put out was said before.
    ada.until("the folder alone, and no asking", |s| {
        let now = s.contains("Ctrl+Q quits.") && !s.contains("signed out");
        now && !s.contains("Asking the server")
    });
    unblock();
    ada.presses(&["Enter"]);
    ada.sees("> half a thought");
    ada.sees("Parlour · ada");
    // The chat is not begun yet, and is with Ben all the same.
    ada.presses(&["Enter"]);
    ben.sees("half a thought");
    ada.types("and another");
    ada.sees("> and another");
    // Once more; and now Ben logs in on her folder, in the very conversation.
    revokes_the_others(&scene.node, "ada");
    ada.sees("Log in");
    logs_in(&ada, "ben");
    let screen = ada.sees("Parlour · ben");
    assert!(!screen.contains("and another"), "{screen}");
    ada.begins("ada");
    let screen = ada.sees("half a thought");
    assert!(!screen.contains("and another"), "{screen}");
    ada.quits();
}

/// What was accepted for sending, and waits because the server takes only so many, is among the
/// drafts when the device is signed out.
#[test]
fn a_token_that_is_revoked_costs_no_message() {
    let slow = ["limits.sends_burst=1", "limits.sends_per_min=1"];
    let scene = Scene::with(&["--set", slow[0], "--set", slow[1]]);
    let [ada, ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.says("one");
    ben.sees("one");
    ada.says("two");
    ada.says("three");
    ada.sees("Sending more slowly");
    revokes_the_others(&scene.node, "ada");
    ada.sees("not sent, as far as is known: they are in the drafts.");
    // Quit in between, and come back: they are there once.
    ada.quits();
    let ada = scene.opens("ada", &[]);
    ada.sees("not sent, as far as is known: they are in the drafts.");
    ada.types(PASSWORD);
    ada.presses(&["Enter"]);
    ada.sees("Parlour · ada");
    ada.sees("> two");
    ada.presses(&["Enter"]);
    // Both at once, and each once.
    let screen = ben.sees("two⏎three");
    assert_eq!(super::scene::lines(&screen, "three"), 1, "{screen}");
    ada.quits();
}

/// Who logs out is put out by the server at the same time, and is told nothing of that.
#[test]
fn who_logs_out_is_out_and_nothing_is_kept() {
    let scene = Scene::new();
    let [ada] = scene.enter(["ada"]);
    ada.begins("ada");
    ada.sees("Notes to yourself");
    ada.types("a secret");
    ada.sees("> a secret");
    // A tail's record beside.
    let folder = ada.folder();
    std::fs::write(folder.join("printed"), "").unwrap();
    ada.presses(&["Escape"]);
    ada.sees("q quit");
    ada.types("L");
    ada.sees("Log out?");
    ada.types("y");
    // At no time.
    ada.until("the way in", |s| {
        let fault = s.contains("signed out") || s.contains("cannot be opened");
        assert!(!fault, "{s}");
        s.contains("Password ›")
    });
    assert!(!folder.join("screen.json").exists());
    assert!(!folder.join("printed").exists());
    let screen = ada.screen();
    assert!(!screen.contains("signed out"), "{screen}");
    ada.types(PASSWORD);
    ada.presses(&["Enter"]);
    let screen = ada.sees("Parlour · ada");
    assert!(!screen.contains("a secret"), "{screen}");
    // Once more, with a tail's record beside, and she quits on the way out: the server answers
    // nothing.
    std::fs::write(folder.join("printed"), "").unwrap();
    ada.presses(&["Escape"]);
    ada.types("L");
    ada.sees("Log out?");
    scene.node.signal("STOP");
    ada.types("y");
    ada.presses(&["C-q"]);
    ada.ends();
    scene.node.signal("CONT");
    assert_eq!(left(&folder), Vec::<&str>::new());
}

/// What a folder has of somebody.
fn left(folder: &Path) -> Vec<&'static str> {
    let there = |name: &&&str| folder.join(name).exists();
    let mut left: Vec<&str> = ["screen.json", "printed"]
        .iter()
        .filter(there)
        .copied()
        .collect();
    let data = Data::open(folder).unwrap();
    if data.session().unwrap().is_some() {
        left.push("session");
    }
    if data.store().unwrap().is_some() {
        left.push("events");
    }
    left
}

/// Makes what the client and a tail keep beside the store.
fn keeps(folder: &Path) {
    for name in ["screen.json", "printed"] {
        std::fs::write(folder.join(name), "{}").unwrap();
    }
}

/// A device that was signed out already is logged out as any other.
#[test]
fn a_script_logs_out_a_device_that_is_out() {
    let node = parlour_tests::Node::start();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    let (well, _, why) = folders.run("ada", &["send", "ada", "a note"], "");
    assert!(well, "{why}");
    keeps(&folders.of("ada"));
    let all = ["screen.json", "printed", "session", "events"];
    assert_eq!(left(&folders.of("ada")), all);
    revokes_the_others(&node, "ada");
    let (well, said, why) = folders.run("ada", &["logout"], "");
    assert!(well && said == "logged out\n", "{said}{why}");
    assert_eq!(left(&folders.of("ada")), Vec::<&str>::new());
    // With no server there is nobody to log out from, and what is kept stays.
    folders.enter("ada", "login", "ada", &node);
    keeps(&folders.of("ada"));
    drop(node);
    let (well, _, why) = folders.run("ada", &["logout"], "");
    assert!(!well && why.contains("nothing was deleted"), "{why}");
    let all = ["screen.json", "printed", "session"];
    assert_eq!(left(&folders.of("ada")), all);
}
