//! Coming in and going out, with a folder that cannot always be opened and a server that is not
//! there.

use std::path::Path;

use parlour_sdk::protocol::DeviceId;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::{Endpoint, Session, draft};
use tokio::sync::mpsc;

use super::*;
use crate::model::Model;

/// Ada is logged in here, with a server that is not there.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("parlour-{name}-{}", std::process::id()));
    let mut data = Data::open(&folder).unwrap();
    let session = Session {
        user: UserId::derived("test", &[b"ada"]),
        name: "ada".to_owned(),
        device: DeviceId::from_bytes([7; 16]),
        token: Token("a token".to_owned()),
    };
    let endpoint = Endpoint::new("http://127.0.0.1:1").unwrap();
    data.keep(&endpoint, &session).unwrap();
    folder
}

async fn run(folder: &Path) -> (Run, Receiver<Reply>) {
    let (replies, replied) = mpsc::channel(8);
    let mut run = Run {
        folder: folder.to_owned(),
        ca: Vec::new(),
        model: Model::new(jiff::tz::TimeZone::UTC, false, "", 0),
        data: Some(Data::open(folder).unwrap()),
        client: None,
        updates: None,
        replies,
        list_stale: false,
        window_stale: false,
        saved: Kept::default(),
        unkept: None,
        leaving: false,
        forget: false,
        quit: false,
    };
    run.connect().await.unwrap();
    (run, replied)
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

#[tokio::test]
async fn a_folder_that_opens_again_is_gone_on_with() {
    let folder = folder("again");
    let (mut run, _replied) = run(&folder).await;
    let client = run.client.clone().unwrap();
    let ben = UserId::derived("test", &[b"ben"]);
    let hello = parlour_sdk::Request::Send(Box::new(draft::text_to(ben, "hello")));
    client.request(hello).await.unwrap();
    client.stored().await.unwrap();
    let unblock = blocks(&folder);
    let msg = run.again(client).await;
    assert!(matches!(msg, Some(Msg::Shut(_))), "{msg:?}");
    run.take(msg.unwrap()).await;
    assert!(matches!(run.reopen().await, Msg::NotIn(_)));
    unblock();
    let msg = run.reopen().await;
    assert!(matches!(&msg, Msg::In(me) if me.name == "ada"), "{msg:?}");
    // With what was accepted before.
    let client = run.client.clone().unwrap();
    let waiting = client.with(|core| core.outbox().count()).await.unwrap();
    assert_eq!(waiting, 1);
    client.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn what_was_accepted_is_a_draft_once_the_device_is_out() {
    let folder = folder("taken-back");
    let (mut run, _replied) = run(&folder).await;
    let client = run.client.clone().unwrap();
    let ben = UserId::derived("test", &[b"ben"]);
    for text in ["one", "two"] {
        let text = parlour_sdk::Request::Send(Box::new(draft::text_to(ben, text)));
        client.request(text).await.unwrap();
    }
    let told = run.take_back().await;
    let words = "2 messages were not sent, as far as is known: they are in the drafts.";
    assert_eq!(told.as_deref(), Some(words));
    let kept = Kept::read(&folder, client.user());
    let with_ben = parlour_sdk::protocol::ConversationId::direct(client.user(), ben);
    assert_eq!(kept.drafts[&with_ben], "one\ntwo");
    assert_eq!(kept.peers[&with_ben], ben);
    client.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What is held here alone is not let go of for a connection that is begun anew.
#[tokio::test]
async fn what_cannot_be_kept_is_not_closed() {
    let folder = folder("not-closed");
    let (mut run, replied) = run(&folder).await;
    let client = run.client.clone().unwrap();
    // Nothing can be moved to where a folder is.
    let kept = folder.join("screen.json");
    std::fs::create_dir_all(kept.join("in the way")).unwrap();
    let msg = run.again(client.clone()).await;
    let Some(Msg::Refused(why, None)) = msg else {
        panic!("{msg:?}");
    };
    assert!(why.contains("cannot be kept"), "{why}");
    assert!(run.client.is_some() && run.updates.is_some());
    let held = client.with(|core| core.outbox().count()).await;
    assert_eq!(held.unwrap(), 0, "it is there still");
    // There is room again.
    std::fs::remove_dir_all(&kept).unwrap();
    let msg = run.again(client).await;
    assert!(matches!(msg, Some(Msg::Anew)), "{msg:?}");
    assert!(kept.exists());
    // And whoever quits is told.
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir_all(kept.join("in the way")).unwrap();
    run.saved = Kept::default();
    let why = run.end(replied).await.unwrap_err().to_string();
    assert!(why.contains("is not kept"), "{why}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What could not be written when she was put out is there still, whoever tries to log in.
#[tokio::test]
async fn a_log_in_wipes_nothing_that_is_kept_nowhere_else() {
    let folder = folder("disk-full");
    let (mut run, _replied) = run(&folder).await;
    let client = run.client.clone().unwrap();
    let ben = UserId::derived("test", &[b"ben"]);
    let text = parlour_sdk::Request::Send(Box::new(draft::text_to(ben, "one")));
    client.request(text).await.unwrap();
    let before = client.session().clone();
    let with_ben = parlour_sdk::protocol::ConversationId::direct(before.user, ben);
    // Nothing can be moved to where a folder is.
    let kept = folder.join("screen.json");
    std::fs::create_dir_all(kept.join("in the way")).unwrap();
    let told = run.take_back().await.unwrap();
    assert!(told.contains("cannot be kept"), "{told}");
    run.out(Some(told)).await;
    let endpoint = Endpoint::new("http://127.0.0.1:1").unwrap();
    let session = |user, name: &str| Session {
        user,
        name: name.to_owned(),
        device: DeviceId::from_bytes([8; 16]),
        token: Token("another".to_owned()),
    };
    let reply = |session| Reply::Session(Box::new((endpoint.clone(), session)));
    let tries = [
        (session(ben, "ben"), "1 message of ada waits here"),
        (session(before.user, "ada"), "cannot be kept"),
    ];
    for (session, why) in tries {
        run.reply(reply(session)).await.unwrap();
        assert!(run.model.me.is_none());
        let told = run.model.entrance.error.clone().unwrap();
        assert!(told.contains(why), "{told}");
        assert_eq!(run.folder().unwrap().outbox().unwrap().len(), 1);
    }
    // There is room again.
    std::fs::remove_dir_all(&kept).unwrap();
    run.reply(reply(session(before.user, "ada"))).await.unwrap();
    assert!(run.model.me.is_some());
    assert_eq!(Kept::read(&folder, before.user).drafts[&with_ben], "one");
    run.client.take().unwrap().close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Whatever is in the way when somebody logs out: nothing stays once it is out of the way.
#[tokio::test]
async fn who_logs_out_leaves_nothing() {
    let folder = folder("left");
    let there = |folder: &Path| {
        let data = Data::open(folder).unwrap();
        data.session().unwrap().is_some()
    };
    // The folder cannot be opened when it is to be emptied, and can when she quits.
    let (mut run, replied) = run(&folder).await;
    run.save().unwrap();
    assert!(folder.join("screen.json").exists());
    let unblock = blocks(&folder);
    run.reply(Reply::LoggedOut(None)).await.unwrap();
    assert!(!folder.join("screen.json").exists());
    unblock();
    run.end(replied).await.unwrap();
    assert!(!there(&folder));
    // She quits before the server has answered.
    let folder = self::folder("left");
    let (mut run, replied) = self::run(&folder).await;
    run.leaving = true;
    run.replies.send(Reply::LoggedOut(None)).await.ok().unwrap();
    run.end(replied).await.unwrap();
    assert!(!there(&folder));
    // It cannot be emptied at all: that is said.
    let folder = self::folder("left");
    let (mut run, replied) = self::run(&folder).await;
    let unblock = blocks(&folder);
    run.reply(Reply::LoggedOut(None)).await.unwrap();
    let why = run.end(replied).await.unwrap_err().to_string();
    assert!(why.contains("is not deleted"), "{why}");
    unblock();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Of two log-ins that were both answered one stays.
#[tokio::test]
async fn a_second_log_in_takes_nothing_over() {
    let folder = folder("twice");
    let (mut run, _replied) = run(&folder).await;
    let device = run.client.as_ref().unwrap().device();
    let session = Session {
        device: DeviceId::from_bytes([8; 16]),
        ..run.client.as_ref().unwrap().session().clone()
    };
    let endpoint = Endpoint::new("http://127.0.0.1:1").unwrap();
    let second = Reply::Session(Box::new((endpoint, session)));
    run.reply(second).await.unwrap();
    assert_eq!(run.client.as_ref().unwrap().device(), device);
    assert!(run.model.me.is_some(), "she is in still");
    run.client.take().unwrap().close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
