//! [`Told`]: events as lines for people: when, where, who, what.
//!
//! Promises: one line an event; names are asked for once and kept in the folder; who cannot be
//! asked about is shown by a part of their id.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use parlour_sdk::protocol::UserId;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::kind::{self, Class};
use parlour_sdk::{Client, Summary};

use crate::kept::Kept;
use crate::model::{Me, Model, Msg};
use crate::timeline::said;
use crate::{shown, text, when};

/// Profiles asked for at once; the server takes no more.
const PROFILES_MAX: usize = 100;

/// What is needed to name people and conversations.
pub(super) struct Told {
    /// The words are those of the client for people.
    model: Model,
    kept: Kept,
}

impl Told {
    pub(super) fn new(folder: &Path, client: &Client) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let session = client.session();
        let mut model = Model::new(jiff::tz::TimeZone::system(), false, "", now_ms);
        let kept = Kept::read_own(folder, session.user);
        model.restore(Kept {
            open: None,
            ..kept.clone()
        });
        model.update(
            Msg::In(Me {
                user: session.user,
                name: session.name.clone(),
                server: String::new(),
            }),
            now_ms,
        );
        Self { model, kept }
    }

    /// Asks what these are called, as far as it is not known.
    pub(super) async fn learn(&mut self, client: &Client, users: impl IntoIterator<Item = UserId>) {
        let users: Vec<UserId> = users.into_iter().collect();
        loop {
            let wanted = self.model.people.unasked(users.iter().copied());
            if wanted.is_empty() {
                return;
            }
            for some in wanted.chunks(PROFILES_MAX) {
                match client.http().profiles(some).await {
                    Ok(profiles) => self.model.people.learn(&profiles),
                    Err(_) => {
                        // The next line asks again; this one does not wait for it.
                        self.model.people.ask_again();
                        return;
                    }
                }
            }
        }
    }

    /// Keeps the names for the next time.
    pub(super) fn keep(&self, folder: &Path) {
        let kept = Kept {
            names: self.model.people.kept().clone(),
            ..self.kept.clone()
        };
        if kept != self.kept {
            // They are asked for again otherwise.
            let _ = kept.write(folder);
        }
    }

    /// What a conversation is called.
    pub(super) fn title(&self, summary: &Summary) -> String {
        match (summary.peer, &summary.name) {
            (Some(peer), _) if self.model.is_me(peer) => "notes to yourself".to_owned(),
            (Some(peer), _) => self.model.people.full_name(peer),
            (None, Some(name)) => text::cut(&shown::name(name), 64),
            (None, None) => "without a name".to_owned(),
        }
    }

    /// Whether an event has a line of its own in a history, in which changes are folded.
    pub(super) fn is_seen(&self, event: &Event) -> bool {
        event.class != Class::Change
    }

    /// An event's line; with the conversation if it is told.
    pub(super) fn line(&self, event: &Event, summary: Option<&Summary>) -> String {
        let time = when::stamp(event.time_ms, &self.model.zone);
        let place = summary.map_or_else(String::new, |s| format!("[{}] ", self.title(s)));
        let who = self.who(event.sender);
        let what = match event.class {
            Class::Content => {
                let mut what = said::preview_whole(&self.model, event);
                if event.edited.is_some() {
                    what.push_str(" (edited)");
                }
                format!("{who}: {what}")
            }
            Class::Change => self.change(event, &who),
            _ => format!("* {}", said::happened(&self.model, event)),
        };
        format!("{time}  {place}{what}")
    }

    fn who(&self, user: UserId) -> String {
        match &self.model.me {
            Some(me) if me.user == user => shown::name(&me.name),
            _ => self.model.people.full_name(user),
        }
    }

    fn change(&self, event: &Event, who: &str) -> String {
        let at = event.target.unwrap_or_default();
        match event.kind.as_str() {
            kind::EDIT => {
                let text = said::preview_whole(&self.model, event);
                format!("* {who} changed message {at}: {text}")
            }
            kind::DELETE => format!("* {who} deleted message {at}"),
            kind::REACTION => {
                let key = text::cut(&shown::line(event.key.as_deref().unwrap_or_default()), 16);
                let how = if event.on { "reacted" } else { "took back" };
                format!("* {who} {how} {key} at message {at}")
            }
            kind::PIN if event.on => format!("* {who} pinned message {at}"),
            kind::PIN => format!("* {who} took the pin off message {at}"),
            other => format!("* {who}: [{}]", text::cut(&shown::line(other), 40)),
        }
    }
}
