//! Somebody is logged out by another of their devices, and comes in again.

use std::path::Path;

use parlour_sdk::{Endpoint, Http};

use super::scene::{PASSWORD, Person, Scene};

/// Another device of theirs revokes all others.
fn revokes_the_others(scene: &Scene, who: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(&scene.node.url).unwrap();
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
    let [ada, _ben] = scene.enter(["ada", "ben"]);
    ada.begins("ben");
    ada.sees("Nothing was said here yet.");
    ada.types("half a thought");
    ada.sees("> half a thought");
    // What her device keeps cannot be opened when she is put out: that is said, and the form waits
    // for nothing.
    let unblock = blocks(&ada.folder());
    revokes_the_others(&scene, "ada");
    ada.sees("This device was signed out");
    ada.sees("Ctrl+Q quits.");
    ada.types(PASSWORD);
    ada.presses(&["Enter"]);
    ada.until("no asking", |s| {
        s.contains("Ctrl+Q quits.") && !s.contains("Asking the server")
    });
    unblock();
    ada.presses(&["Enter"]);
    ada.sees("> half a thought");
    ada.sees("Parlour · ada");
    // Once more; and now Ben logs in on her folder, in the very conversation.
    revokes_the_others(&scene, "ada");
    ada.sees("Log in");
    logs_in(&ada, "ben");
    let screen = ada.sees("Parlour · ben");
    assert!(!screen.contains("half a thought"), "{screen}");
    ada.begins("ada");
    let screen = ada.sees("Nothing was said here yet.");
    assert!(!screen.contains("half a thought"), "{screen}");
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
    ada.presses(&["Escape"]);
    ada.sees("q quit");
    ada.types("L");
    ada.sees("Log out?");
    ada.types("y");
    ada.until("the way in, and no fault", |s| {
        let fault = s.contains("signed out") || s.contains("cannot be opened");
        s.contains("Password ›") && !fault
    });
    assert!(!ada.folder().join("screen.json").exists());
    ada.types(PASSWORD);
    ada.presses(&["Enter"]);
    let screen = ada.sees("Parlour · ada");
    assert!(!screen.contains("a secret"), "{screen}");
    ada.quits();
}
