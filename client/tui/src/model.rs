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
mod open;
pub(crate) mod page;
mod search;
mod settle;
mod unread;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::tz::TimeZone;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::frame::server::{Event, UserPresence};
use parlour_sdk::protocol::http::Profile;
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, StoreId, UserId};
use parlour_sdk::{Command as Core, Link, Request, Summary};

use crate::form::Form;
use crate::kept::Kept;
use crate::people::People;
use crate::shown;
use crate::text::Wrapped;
use chat::{Chat, Window};

/// How long a word at the bottom of the screen stays.
const NOTICE_MS: u64 = 8_000;

/// An answer that takes longer than this is told to be late.
const SLOW_MS: u64 = 4_000;

/// After how long a question that failed is asked again.
const RETRY_MS: u64 = 5_000;

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Me {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) server: String,
}

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    List,
    Messages,
    Compose,
}

/// What lies over the conversations.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    /// The keys; the first line shown.
    Help(usize),
    /// A new chat, group or channel, or one to join.
    New(Form),
    /// The page of the open conversation.
    Page(page::Page),
    /// Something on that page to be given another value.
    Set(Form, page::Wish, page::Page),
    /// Its pinned messages.
    Pins(page::Pins),
    /// A reaction to this event.
    React(Form, Seq),
    /// All about one message; the first line shown.
    Info(chat::ItemId, usize),
    /// Something that is not taken back easily; and the page that it was asked from.
    Ask(String, Box<Command>, Option<page::Page>),
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Msg {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    /// Whether the terminal is the one looked at.
    Looked(bool),
    /// Time has passed.
    Tick,
    /// The client runs.
    In(Me),
    /// It could not be logged in.
    NotIn(String),
    /// Nobody is logged in any more, and why if they did not ask for it.
    Out(Option<String>),
    Link(Link),
    /// The local store cannot write, or can again.
    Store(Option<String>),
    List(Vec<Summary>),
    /// One's own affairs, as far as they are held.
    Affairs(OwnAffairs),
    Window(Box<Window>),
    Typing(ConversationId, Vec<UserId>),
    Presence(Vec<UserPresence>),
    /// What users are called; none if it could not be asked.
    Profiles(Option<Vec<Profile>>),
    /// Who is a member; none if it could not be asked.
    Members(ConversationId, Option<Vec<Named>>),
    /// What was asked for under this number has its outcome; a refusal in words.
    Acted(u64, ConversationId, MessageId, Result<(), String>),
    /// What was asked for under this number was not even taken for sending, and why.
    NotTaken(u64, String),
    /// Whom the names mean that were looked up under this number, or which are nobody's.
    Found(u64, Purpose, Result<Vec<Profile>, String>),
    /// Names that begin so.
    Ideas(String, Vec<String>),
    /// The conversation was made that was asked for under this number; what went wrong with it all
    /// the same.
    Made(u64, ConversationId, Option<String>),
    /// A request was not taken. The text goes back to where it was written.
    Refused(String, Option<(ConversationId, String)>),
    /// What is pinned, among what is held.
    Pins(ConversationId, Vec<Arc<Event>>),
    /// Where a text is, newest first.
    Matches(ConversationId, String, Vec<Seq>),
}

/// What names were looked up for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new chat; a group, if they are several.
    Chat,
    /// A new group of this name.
    Group(String),
    /// New members.
    Add(ConversationId),
}

/// Who wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) password: Token,
    pub(crate) invitation: Option<Token>,
    /// Makes the account.
    pub(crate) new: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Quit,
    Enter(Box<Entry>),
    LogOut,
    /// Do not wait the pause out.
    Hurry,
    /// Read the list, or the window of the open conversation, anew.
    ReadList,
    ReadWindow,
    Core(Core),
    /// A request, and the text that it was made of.
    Request(Box<Request>, Option<(ConversationId, String)>),
    /// A request whose outcome is told, under this number.
    Act(u64, Box<Request>),
    /// A request that makes a conversation, with these settings, under this number; it is then
    /// opened.
    Make(u64, Box<Request>, Vec<(&'static str, &'static str)>),
    Profiles(Vec<UserId>),
    Members(ConversationId),
    /// Whom these names mean; the answer has this number.
    Find(u64, Vec<String>, Purpose),
    Ideas(String),
    /// Find a text in what is held of a conversation.
    Search(ConversationId, String),
}

/// One's own affairs, by kind and key: where each was set last, and whether it is on.
pub(crate) type Affairs = BTreeMap<(String, String), (Seq, bool)>;

/// One's own affairs, as the client has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnAffairs {
    /// The server's store that they are of.
    pub(crate) store: Option<StoreId>,
    /// Those that have their place.
    pub(crate) set: Affairs,
    /// Those on their way: whether each is to be on.
    pub(crate) underway: BTreeMap<(String, String), bool>,
}

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
        if let Some(chat) = &self.chat {
            drafts.remove(&chat.conversation);
            let draft = chat.composer.draft();
            if !draft.is_empty() {
                drafts.insert(chat.conversation, draft.to_owned());
            }
        }
        Kept {
            user: self.me.as_ref().map(|me| me.user),
            store: self.affairs.store,
            names: self.people.kept().clone(),
            drafts,
            open: self.chat.as_ref().map(|c| c.conversation),
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
            Msg::Link(link) => self.link_changed(link),
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
            Msg::Acted(number, conversation, id, done) => {
                self.acted(number, conversation, id, done);
            }
            Msg::NotTaken(number, why) => self.not_taken(number, &why),
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
        if self.list.iter().any(|s| s.waiting > 0) {
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
        self.affairs = OwnAffairs::default();
    }

    /// What is held is newer than what was kept, if both are of the same store. What is on its way
    /// stands beside it: it may be refused.
    fn affairs_came(&mut self, told: OwnAffairs) {
        if self.affairs.store != told.store {
            self.affairs.set.clear();
            self.affairs.store = told.store;
        }
        self.affairs.underway = told.underway;
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
            .min()?;
        let ms = self.now_ms.saturating_sub(since.max(self.live_ms?));
        (ms >= SLOW_MS).then_some(ms)
    }

    /// Whether something waits because the server takes only so much in a while.
    pub(crate) fn is_slowed(&self) -> bool {
        self.list.iter().any(|s| s.slowed)
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
