//! [`Msg`] and [`Command`]: what the model is told, what it wants done, and the words for both.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::frame::server::{Event, UserPresence};
use parlour_sdk::protocol::http::Profile;
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, StoreId, UserId};
use parlour_sdk::{Command as Core, Link, Request, Summary};

use super::chat::{self, Window};
use super::page;
use crate::form::Form;
use crate::unsent::Count;

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
    /// What the device keeps cannot be had for the moment, and why; who is logged in is so still.
    Shut(String),
    Link(Link),
    /// The client was begun anew: what was asked of it before has no answer.
    Anew,
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
    /// What was asked for has its outcome, in this conversation; a refusal in words.
    Acted(Question, ConversationId, MessageId, Result<(), String>),
    /// What was asked for was not even taken for sending, and why.
    NotTaken(Question, String),
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

/// What was asked for: whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// What a form waits for; 0 if none does.
    pub(crate) number: u64,
    /// The conversation on whose page it was asked, if it was; a block is not sent there.
    pub(crate) on: Option<ConversationId>,
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
    /// Go on as who is logged in, if what the device keeps can be had now.
    Open,
    /// Do not wait the pause out.
    Hurry,
    /// Read the list, or the window of the open conversation, anew.
    ReadList,
    ReadWindow,
    Core(Core),
    /// A request, and the text that it was made of.
    Request(Box<Request>, Option<(ConversationId, String)>),
    /// A request whose outcome is told.
    Act(Question, Box<Request>),
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
    /// Since when the server has not answered one that was sent.
    pub(crate) unanswered_since_ms: Option<u64>,
    /// One waits because the server takes only so many in a while.
    pub(crate) slowed: bool,
    /// What goes with this device, anywhere.
    pub(crate) unsent: Count,
}
