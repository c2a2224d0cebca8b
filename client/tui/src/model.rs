//! [`Model`]: everything that the screen shows, and what each event makes of it.
//!
//! Promises: the same events give the same screen and the same [`Command`]s. It reads no clock and
//! no terminal, waits for nothing, and decides nothing that the client core decides: unread
//! counts, ticks and order are read, never made.

mod act;
pub(crate) mod begin;
pub(crate) mod chat;
mod compose;
mod forms;
mod messages;
mod mouse;
mod msg;
mod open;
pub(crate) mod page;
mod search;
mod settle;
mod unread;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use parlour_sdk::protocol::{ConversationId, UserId};
use parlour_sdk::{Command as Core, Link, Request, Summary};

use crate::form::Form;
use crate::kept::Kept;
use crate::people::People;
use crate::shown;
use crate::text::Wrapped;
pub(crate) use msg::{Command, Entry, Me, Msg, Over, OwnAffairs, Pane, Purpose, Question};

use chat::Chat;

/// How long a word at the bottom of the screen stays.
const NOTICE_MS: u64 = 8_000;

/// An answer that takes longer than this is told to be late.
const SLOW_MS: u64 = 4_000;

/// After how long a question that failed is asked again.
const RETRY_MS: u64 = 5_000;

/// Everything that the screen shows.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) zone: TimeZone,
    pub(crate) colour: bool,
    pub(crate) size: (u16, u16),
    pub(crate) now_ms: u64,
    pub(crate) me: Option<Me>,
    /// Shown while nobody is logged in.
    pub(crate) entrance: Form,
    pub(crate) link: Link,
    pub(crate) store_problem: Option<String>,
    pub(crate) list: Vec<Summary>,
    pub(crate) cursor: Option<ConversationId>,
    pub(crate) list_top: usize,
    pub(crate) chat: Option<Chat>,
    pub(crate) pane: Pane,
    pub(crate) over: Option<Over>,
    pub(crate) people: People,
    pub(crate) drafts: BTreeMap<ConversationId, String>,
    /// The others of chats that may not be begun yet.
    peers: BTreeMap<ConversationId, UserId>,
    /// Somebody is logged in, and what the device keeps cannot be had for the moment: the way in,
    /// for when nobody is after all.
    shut: Option<Form>,
    pub(crate) notice: Option<(String, u64)>,
    pub(crate) wrapped: Wrapped,
    pub(crate) affairs: OwnAffairs,
    /// Since when the connection is caught up.
    live_ms: Option<u64>,
    looked: bool,
    reopen: Option<ConversationId>,
    /// When what could not be asked is asked again.
    retry_ms: Option<u64>,
    /// How many answers with a number were asked for, and which a form waits for.
    acts: u64,
    awaited: Option<u64>,
    asked_focus: (Option<ConversationId>, bool),
    asked_watch: Vec<UserId>,
    commands: Vec<Command>,
}

impl Model {
    pub(crate) fn new(zone: TimeZone, colour: bool, server: &str, now_ms: u64) -> Self {
        Self {
            zone,
            colour,
            size: (80, 24),
            now_ms,
            me: None,
            entrance: forms::entrance(server, ""),
            link: Link::Stopped(None),
            store_problem: None,
            list: Vec::new(),
            cursor: None,
            list_top: 0,
            chat: None,
            pane: Pane::List,
            over: None,
            people: People::default(),
            drafts: BTreeMap::new(),
            peers: BTreeMap::new(),
            shut: None,
            notice: None,
            wrapped: Wrapped::default(),
            affairs: OwnAffairs::default(),
            live_ms: None,
            looked: true,
            reopen: None,
            retry_ms: None,
            acts: 0,
            awaited: None,
            asked_focus: (None, false),
            asked_watch: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Takes what was kept from the last time.
    pub(crate) fn restore(&mut self, kept: Kept) {
        self.people = People::restored(kept.names);
        self.drafts = kept.drafts;
        self.peers = kept.peers;
        self.reopen = kept.open;
        let affairs = kept.affairs.into_iter();
        self.affairs = OwnAffairs {
            store: kept.store,
            set: affairs
                .map(|(k, key, seq, on)| ((k, key), (seq, on)))
                .collect(),
            ..OwnAffairs::default()
        };
    }

    /// What is worth keeping for the next time.
    pub(crate) fn kept(&self) -> Kept {
        let mut drafts = self.drafts.clone();
        let mut peers = self.peers.clone();
        let open = self.chat.as_ref().map(|c| c.conversation);
        if let Some(chat) = &self.chat {
            peers.extend(chat.peer.map(|peer| (chat.conversation, peer)));
            drafts.remove(&chat.conversation);
            let draft = chat.composer.draft();
            if !draft.is_empty() {
                drafts.insert(chat.conversation, draft.to_owned());
            }
        }
        peers.retain(|c, _| open == Some(*c) || drafts.contains_key(c));
        Kept {
            user: self.me.as_ref().map(|me| me.user),
            store: self.affairs.store,
            names: self.people.kept().clone(),
            drafts,
            peers,
            open,
            affairs: self
                .affairs
                .set
                .iter()
                .map(|((kind, key), (seq, on))| (kind.clone(), key.clone(), *seq, *on))
                .collect(),
        }
    }

    /// Something happened. Gives what is to be done about it, in order.
    pub(crate) fn update(&mut self, msg: Msg, now_ms: u64) -> Vec<Command> {
        self.now_ms = now_ms;
        match msg {
            Msg::Key(key) => self.key(&key),
            Msg::Mouse(mouse) => self.mouse(&mouse),
            Msg::Paste(text) => self.write(&text),
            Msg::Resize(w, h) => self.size = (w, h),
            Msg::Looked(looked) => self.looked = looked,
            Msg::Tick => self.tick(),
            Msg::In(me) => self.came_in(me),
            Msg::NotIn(why) => {
                self.entrance.busy = false;
                self.entrance.error = Some(why);
            }
            Msg::Out(why) => self.went_out(why),
            Msg::Shut(why) => self.was_shut(why),
            Msg::Link(link) => self.link_changed(link),
            Msg::Anew => self.anew(),
            Msg::Store(problem) => self.store_problem = problem,
            Msg::List(list) => self.listed(list),
            Msg::Affairs(affairs) => self.affairs_came(affairs),
            Msg::Window(window) => self.window_came(*window),
            Msg::Typing(conversation, users) => {
                if let Some(chat) = self
                    .chat
                    .as_mut()
                    .filter(|c| c.conversation == conversation)
                {
                    chat.typing = users;
                }
            }
            Msg::Presence(users) => self.people.present(users),
            Msg::Profiles(Some(profiles)) => self.people.learn(&profiles),
            Msg::Profiles(None) | Msg::Members(_, None) => {
                self.retry_ms = Some(now_ms.saturating_add(RETRY_MS));
            }
            Msg::Members(conversation, Some(members)) => {
                if let Some(chat) = self
                    .chat
                    .as_mut()
                    .filter(|c| c.conversation == conversation)
                {
                    chat.members = Some(members);
                }
            }
            Msg::Acted(asked, conversation, id, done) => {
                self.acted(asked, conversation, id, done);
            }
            Msg::NotTaken(asked, why) => self.not_taken(asked, &why),
            Msg::Found(number, purpose, found) => self.found(number, purpose, found),
            Msg::Ideas(prefix, names) => self.ideas(&prefix, names),
            Msg::Made(number, conversation, problem) => self.made(number, conversation, problem),
            Msg::Refused(why, text) => self.refused(why, text),
            Msg::Pins(conversation, events) => self.pins_came(conversation, events),
            Msg::Matches(conversation, text, places) => self.matched(conversation, &text, places),
        }
        self.settle();
        std::mem::take(&mut self.commands)
    }

    fn tick(&mut self) {
        if self.list.iter().any(|s| s.waiting > 0) || self.waits_for_server() {
            // When something is handed over, and how long it waits for an answer, is told by
            // nothing else.
            self.commands.push(Command::ReadList);
        }
        if self
            .notice
            .as_ref()
            .is_some_and(|(_, until)| *until <= self.now_ms)
        {
            self.notice = None;
        }
        if self.link == Link::Live && self.retry_ms.is_some_and(|at| at <= self.now_ms) {
            self.retry_ms = None;
            self.ask_again();
        }
    }

    fn came_in(&mut self, me: Me) {
        self.entrance = forms::entrance(&me.server, &me.name);
        self.shut = None;
        self.people.is_called(me.user, &me.name);
        self.me = Some(me);
        self.link = Link::Connecting;
        self.pane = Pane::List;
        self.over = None;
        self.asked_focus = (None, false);
        self.asked_watch.clear();
        self.commands.push(Command::ReadList);
        if let Some(conversation) = self.reopen.take() {
            self.open(conversation, None);
        }
    }

    fn went_out(&mut self, why: Option<String>) {
        let (server, name) = self
            .me
            .take()
            .map_or_else(Default::default, |me| (me.server, me.name));
        if let Some(form) = self.shut.take() {
            self.entrance = form;
        }
        if !server.is_empty() {
            self.entrance = forms::entrance(&server, &name);
            self.entrance.chosen = 0;
        }
        self.entrance.error = why;
        self.link = Link::Stopped(None);
        self.store_problem = None;
        self.list.clear();
        self.cursor = None;
        self.chat = None;
        self.over = None;
        self.people = People::default();
        self.drafts.clear();
        self.peers.clear();
        self.affairs = OwnAffairs::default();
    }

    /// What the device keeps cannot be had for the moment; who is logged in is so still.
    fn was_shut(&mut self, why: String) {
        self.went_out(None);
        let shut = Form {
            title: "Parlour".into(),
            error: Some(why),
            ..Form::default()
        };
        self.shut = Some(std::mem::replace(&mut self.entrance, shut));
    }

    /// Whether what the device keeps is waited for.
    pub(crate) const fn is_shut(&self) -> bool {
        self.shut.is_some()
    }

    /// What is held is newer than what was kept, if both are of the same store. What is on its way
    /// stands beside it: it may be refused.
    fn affairs_came(&mut self, told: OwnAffairs) {
        if self.affairs.store != told.store {
            self.affairs.set.clear();
            self.affairs.store = told.store;
        }
        self.affairs.underway = told.underway;
        self.affairs.unanswered_since_ms = told.unanswered_since_ms;
        self.affairs.slowed = told.slowed;
        self.affairs.unsent = told.unsent;
        for (key, now) in told.set {
            let known = self.affairs.set.entry(key).or_insert(now);
            if known.0 <= now.0 {
                *known = now;
            }
        }
    }

    fn link_changed(&mut self, link: Link) {
        if link != Link::Live {
            self.live_ms = None;
        } else if self.link != Link::Live {
            self.live_ms = Some(self.now_ms);
            self.ask_again();
            if let Some(me) = &self.me {
                // On a new device more of one's own affairs may be further up.
                let own = ConversationId::own(me.user);
                self.commands.push(Command::Core(Core::Older(own)));
            }
        }
        if matches!(link, Link::Waiting { .. } | Link::Stopped(_)) {
            self.people.absent();
            if let Some(chat) = &mut self.chat {
                chat.typing.clear();
            }
        }
        self.link = link;
        self.commands.push(Command::ReadList);
        self.commands.push(Command::ReadWindow);
    }

    /// For how long the server has not answered what was sent, if that is longer than usual.
    pub(crate) fn unanswered_ms(&self) -> Option<u64> {
        let since = self
            .list
            .iter()
            .filter_map(|s| s.unanswered_since_ms)
            .chain(self.affairs.unanswered_since_ms)
            .min()?;
        let ms = self.now_ms.saturating_sub(since.max(self.live_ms?));
        (ms >= SLOW_MS).then_some(ms)
    }

    /// Whether something waits for the server that no conversation in the list counts: a matter of
    /// one's own.
    fn waits_for_server(&self) -> bool {
        !self.affairs.underway.is_empty()
            || self.affairs.unanswered_since_ms.is_some()
            || self.affairs.slowed
    }

    /// Whether something waits because the server takes only so much in a while.
    pub(crate) fn is_slowed(&self) -> bool {
        self.affairs.slowed || self.list.iter().any(|s| s.slowed)
    }

    /// What was asked and not answered may be asked again.
    fn ask_again(&mut self) {
        self.people.ask_again();
        if let Some(chat) = &mut self.chat {
            chat.members_asked = false;
            chat.older_asked = false;
        }
    }

    fn listed(&mut self, mut list: Vec<Summary>) {
        // The conversation with oneself is there for one's own affairs before anything is noted.
        let open = self.chat.as_ref().map(|c| c.conversation);
        list.retain(|s| {
            let noted = s.head.n > 0 || s.waiting > 0 || s.peer.is_none_or(|p| !self.is_me(p));
            noted || open == Some(s.conversation) || self.drafts.contains_key(&s.conversation)
        });
        self.list = list;
        let there = |c: &ConversationId| self.list.iter().any(|s| s.conversation == *c);
        if !self.cursor.as_ref().is_some_and(there) {
            self.cursor = self.list.first().map(|s| s.conversation);
        }
    }

    fn refused(&mut self, why: String, text: Option<(ConversationId, String)>) {
        self.say(why);
        let Some((conversation, text)) = text else {
            return;
        };
        match self
            .chat
            .as_mut()
            .filter(|c| c.conversation == conversation)
        {
            Some(chat) if chat.composer.edit.is_empty() => {
                chat.composer.edit.insert(&text, true);
            }
            Some(_) => {}
            None => {
                self.drafts.entry(conversation).or_insert(text);
            }
        }
    }

    /// Says something at the bottom of the screen for a while.
    pub(crate) fn say(&mut self, what: impl Into<String>) {
        let what = shown::line(&what.into());
        self.notice = Some((what, self.now_ms.saturating_add(NOTICE_MS)));
    }

    fn request(&mut self, request: Request) {
        self.commands
            .push(Command::Request(Box::new(request), None));
    }
}
