//! What runs beside the loop: what is asked over HTTP, and searches.
//!
//! Each task ends by itself, and says what it came to once. A client that is gone meanwhile
//! ends it without a word.

use std::path::PathBuf;

use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::http::{Profile, SignUp};
use parlour_sdk::protocol::kind::{self, Class};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, Seq, UserId};
use parlour_sdk::{
    Accepted, Client, Ended, Endpoint, Error, Http, Item, Refused, Request, Session,
};
use tokio::sync::mpsc::Sender;

use super::Reply;
use crate::model::{Command, Entry, Msg, Question};

/// What this device is called in lists of devices.
const DEVICE: &str = "parlour-chat";
/// Items looked through at once by a search: the client does nothing else meanwhile.
const SEARCHED: usize = 2_000;
/// Places that a search tells.
const FOUND_MAX: usize = 1_000;
/// Members read of one conversation.
const MEMBERS_MAX: usize = crate::model::page::MEMBERS_LISTED_MAX as usize;

/// Logs in or signs up.
pub(super) fn enter(entry: Entry, ca: Vec<PathBuf>, replies: Sender<Reply>) {
    tokio::spawn(async move {
        let reply = match session(entry, &ca).await {
            Ok(both) => Reply::Session(Box::new(both)),
            Err(error) => Reply::Msg(Msg::NotIn(error.to_string())),
        };
        // The loop may be over.
        let _ = replies.send(reply).await;
    });
}

async fn session(entry: Entry, ca: &[PathBuf]) -> Result<(Endpoint, Session), Error> {
    let endpoint = Endpoint::with_roots(&entry.server, ca)?;
    let http = Http::new(&endpoint);
    let session = if entry.new {
        let request = SignUp {
            name: entry.name,
            password: entry.password,
            display: None,
            invitation: entry.invitation,
            device_name: DEVICE.to_owned(),
        };
        http.sign_up(&request).await?
    } else {
        http.log_in(&entry.name, &entry.password.0, DEVICE).await?
    };
    Ok((endpoint, session))
}

/// Asks for whatever takes its time.
pub(super) fn ask(command: Command, client: Client, replies: Sender<Reply>) {
    tokio::spawn(async move {
        let reply = match command {
            Command::LogOut => logged_out(&client).await,
            Command::Profiles(users) => {
                let profiles = client.http().profiles(&users).await.ok();
                Reply::Msg(Msg::Profiles(profiles))
            }
            Command::Members(conversation) => {
                let members = members(&client, conversation).await.ok();
                Reply::Msg(Msg::Members(conversation, members))
            }
            Command::Act(asked, request) => match act(&client, asked, *request).await {
                Some(reply) => reply,
                None => return,
            },
            Command::Find(number, names, purpose) => {
                let found = find(&client, &names).await;
                Reply::Msg(Msg::Found(number, purpose, found))
            }
            Command::Ideas(prefix) => {
                let users = client.http().find_users(&prefix).await.unwrap_or_default();
                let me = client.user();
                let others = users.into_iter().filter(|p| p.user != me);
                let names = others.take(8).map(|p| p.name).collect();
                Reply::Msg(Msg::Ideas(prefix, names))
            }
            Command::Search(conversation, text) => {
                let places = search(&client, conversation, &text).await;
                Reply::Msg(Msg::Matches(conversation, text, places))
            }
            // Everything else is done by the loop itself.
            _ => return,
        };
        let _ = replies.send(reply).await;
    });
}

async fn logged_out(client: &Client) -> Reply {
    let told = tokio::time::timeout(super::END, client.http().log_out()).await;
    let why = match told {
        Ok(Ok(())) => None,
        // It was out already, and that was wanted.
        Ok(Err(error)) if crate::script::is_out_already(&error) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    Reply::LoggedOut(why.map(|why| {
        format!(
            "Logged out here. Remove this device from another one: the server could not be told: \
             {why}."
        )
    }))
}

/// Asks for something, and waits for its outcome, however long that takes.
async fn act(client: &Client, asked: Question, request: Request) -> Option<Reply> {
    let about = About::of(&request);
    let (accepted, done) = match client.deliver(request).await {
        Ok((accepted, Ended::Sent { .. } | Ended::GivenUp)) => (accepted, Ok(())),
        Ok((accepted, Ended::Refused { code, message })) => (accepted, Err(refused(code, message))),
        // It is being closed; what was accepted is in the outbox.
        Err(Error::Closed) => return None,
        Err(error) => return Some(Reply::Msg(Msg::NotTaken(asked, about.not_taken(&error)))),
    };
    let Accepted { conversation, id } = accepted;
    Some(Reply::Msg(Msg::Acted(asked, conversation, id, done)))
}

/// What was asked for, as far as a refusal of it is told by it.
#[derive(Clone, Copy)]
pub(super) enum About {
    Name,
    Topic,
    Making,
    Else,
}

impl About {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::Create { .. } => Self::Making,
            Request::Send(send) => match send.kind.as_deref() {
                Some(kind::NAME) => Self::Name,
                Some(kind::TOPIC) => Self::Topic,
                _ => Self::Else,
            },
            _ => Self::Else,
        }
    }

    /// Why it was not even taken for sending, in a person's words: fields of the protocol are
    /// called what they are called here.
    pub(super) fn not_taken(self, error: &Error) -> String {
        let Error::Refused(Refused::Unfit(unfit)) = error else {
            return error.to_string();
        };
        let field = unfit.what.strip_prefix('`').and_then(|w| w.split_once('`'));
        let Some((field, why)) = field else {
            return unfit.what.clone();
        };
        let called = match (self, field) {
            (Self::Name, "value") | (Self::Making, "name") => "The name",
            (Self::Topic, "value") | (Self::Making, "topic") => "The topic",
            (_, "named" | "members") => "The list of members",
            _ => return unfit.what.clone(),
        };
        format!("{called}{why}.")
    }
}

/// Why something was refused, in words that fit what can be asked for here.
fn refused(code: Code, message: String) -> String {
    match code {
        Code::FORBIDDEN => {
            "An admin or owner can do that, or give you the role: yours does not allow it."
                .to_owned()
        }
        Code::NOT_FOUND => {
            "Ask a member to add you: there is no such conversation, or it is not open to you."
                .to_owned()
        }
        Code::NOT_MEMBER => "Ask a member to add you: you are not a member here.".to_owned(),
        Code::EXISTS => "That is so already.".to_owned(),
        Code::CONFLICT => "Look again: that has changed meanwhile.".to_owned(),
        _ => message,
    }
}

async fn find(client: &Client, names: &[String]) -> Result<Vec<Profile>, String> {
    let mut found: Vec<Profile> = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match client.find_user(name).await {
            Ok(profile) if found.iter().any(|p| p.user == profile.user) => {}
            Ok(profile) => found.push(profile),
            Err(Error::NoUser(name)) => unknown.push(format!("`{name}`")),
            Err(error) => return Err(error.to_string()),
        }
    }
    match unknown.split_last() {
        None => Ok(found),
        Some((one, [])) => Err(format!("There is no user named {one}.")),
        Some((last, others)) => Err(format!(
            "There are no users named {} and {last}.",
            others.join(", ")
        )),
    }
}

async fn members(client: &Client, conversation: ConversationId) -> Result<Vec<Named>, Error> {
    let mut members: Vec<Named> = Vec::new();
    let mut after: Option<UserId> = None;
    loop {
        let page = client.http().members(conversation, after).await?;
        members.extend(page.members);
        after = page.next;
        if after.is_none() || members.len() >= MEMBERS_MAX {
            return Ok(members);
        }
    }
}

/// Where a text is in what is held, newest first, without regard to case.
async fn search(client: &Client, conversation: ConversationId, text: &str) -> Vec<Seq> {
    let wanted = text.to_lowercase();
    let mut places = Vec::new();
    let mut before = None;
    loop {
        let text = wanted.clone();
        let looked = client.with(move |core| {
            let timeline = core.timeline(conversation, before, SEARCHED);
            let events = || {
                timeline.items.iter().rev().filter_map(|item| match item {
                    Item::Placed { event, .. } => Some(event),
                    _ => None,
                })
            };
            let hit = |body: &str| body.to_lowercase().contains(&text);
            let hits: Vec<Seq> = events()
                .filter(|e| e.class == Class::Content)
                .filter(|e| e.body.as_ref().and_then(|b| b.as_text()).is_some_and(hit))
                .map(|e| e.seq)
                .collect();
            (
                hits,
                events().next_back().map(|e| e.seq),
                timeline.items.len(),
            )
        });
        let Ok((hits, first, count)) = looked.await else {
            return places;
        };
        places.extend(hits);
        match first {
            Some(first) if count >= SEARCHED && places.len() < FOUND_MAX => before = Some(first),
            _ => break,
        }
    }
    places.truncate(FOUND_MAX);
    places
}

#[cfg(test)]
mod tests {
    use parlour_sdk::draft;
    use parlour_sdk::protocol::check;
    use parlour_sdk::protocol::limits::Limits;

    use super::*;

    #[test]
    fn what_is_not_taken_is_told_in_a_person_s_words() {
        let (me, conversation) = (UserId::default(), ConversationId::default());
        let told = |frame: parlour_sdk::protocol::frame::client::Send| {
            let unfit = check::send(&frame, me, &Limits::default()).unwrap_err();
            let about = About::of(&Request::Send(Box::new(frame)));
            about.not_taken(&Error::Refused(Refused::Unfit(unfit)))
        };
        let long = "x".repeat(300);
        assert_eq!(
            told(draft::name(conversation, long.clone())),
            "The name has 300 bytes, at most 256 are allowed."
        );
        assert_eq!(
            told(draft::topic(conversation, long)),
            "The topic has 300 bytes, at most 256 are allowed."
        );
        let full = Error::Refused(Refused::OutboxFull { waiting: 3 });
        assert!(About::Name.not_taken(&full).starts_with("3 messages wait"));
    }
}
