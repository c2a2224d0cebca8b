//! The page of a conversation: who is in it, what it is called, and all that can be done with it.
//!
//! Promises: what one's role does not allow is said before it is asked; what the server refuses is
//! said in words, and what was written for it stays.

use std::sync::Arc;

use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::kind::{self, Role, Shape, setting};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, UserId};
use parlour_sdk::{Command as Core, Request, draft};

use super::{Command, Model, Over, Purpose};
use crate::form::{Done, Field, Form};
use crate::keys::Action;
use crate::shown;

/// The page of the open conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The member chosen.
    pub(crate) chosen: Option<UserId>,
    /// What went wrong last.
    pub(crate) error: Option<String>,
}

/// What a form on the page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Name,
    Topic,
    Add,
    Role(UserId),
    Rules,
}

/// The pinned messages, and which is chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins {
    pub(crate) events: Option<Vec<Arc<Event>>>,
    pub(crate) at: usize,
}

/// Of more members no list is whole.
pub(crate) const MEMBERS_LISTED_MAX: u32 = 500;

/// What is read beside the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Rules,
    Pins,
}

pub(crate) const ROLES: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];
pub(crate) const WRITE: &str = "Write";
pub(crate) const ADD: &str = "Add";
pub(crate) const JOIN: &str = "Join";
/// Who may write or add members, and who may join: as they are chosen from, in this order.
pub(crate) const WHO: &[&str] = &["every member", "admins"];
pub(crate) const WHO_JOINS: &[&str] = &["who is added", "anyone with its id"];

/// The values on the wire of [`WHO`] and [`WHO_JOINS`].
pub(crate) const fn who(chosen: usize) -> &'static str {
    if chosen == 0 {
        setting::EVERYONE
    } else {
        setting::ADMINS
    }
}

pub(crate) const fn who_joins(chosen: usize) -> &'static str {
    if chosen == 0 {
        "invited"
    } else {
        setting::OPEN
    }
}

fn form(title: &'static str, field: Field) -> Form {
    Form {
        title,
        fields: vec![field],
        ..Form::default()
    }
}

impl Model {
    pub(super) fn open_page(&mut self) {
        if !self.about() {
            return self.say("open a conversation first; then this is its page");
        }
        if let Some(chat) = &mut self.chat {
            // Who came to a large channel is told to nobody: it is asked anew.
            chat.members_asked = false;
        }
        self.over = Some(Over::Page(Page::default()));
        // With the settings, which are read for the page alone.
        self.commands.push(Command::ReadWindow);
    }

    /// What is read of the conversation beside its window, for what lies over it.
    pub(crate) const fn wants(&self) -> Wants {
        match &self.over {
            Some(Over::Page(_) | Over::Set(..)) => Wants::Rules,
            Some(Over::Pins(_)) => Wants::Pins,
            _ => Wants::Nothing,
        }
    }

    /// A setting of the open conversation, as far as it is known.
    pub(crate) fn rule(&self, key: &str) -> Option<&str> {
        let rule = self.chat.as_ref()?.rules.get(key)?;
        Some(rule.1.as_str())
    }

    /// Whether one is a member who may read, and not write.
    pub(crate) fn only_reads(&self) -> bool {
        self.is_group()
            && self.my_role() < Role::Admin
            && self.rule(setting::POST) == Some(setting::ADMINS)
    }

    /// Whether a conversation is muted.
    pub(crate) fn is_muted(&self, conversation: ConversationId) -> bool {
        self.is_on(kind::MUTE, conversation.to_string())
    }

    /// Whether one has blocked a user.
    pub(crate) fn is_blocked(&self, user: UserId) -> bool {
        self.is_on(kind::BLOCK, user.to_string())
    }

    fn is_on(&self, kind: &str, key: String) -> bool {
        let set = self.affairs.get(&(kind.to_owned(), key));
        set.is_some_and(|(_, on)| *on)
    }

    /// The members as they stand on the page: owners first, then by name.
    pub(crate) fn members_listed(&self) -> Option<Vec<(UserId, Role)>> {
        let chat = self.chat.as_ref()?;
        let mut users: Vec<(UserId, Role)> = match (&chat.members, chat.peer) {
            (Some(members), _) => members.iter().map(|m| (m.user, m.role)).collect(),
            (None, Some(peer)) => {
                let me = self.me.as_ref().map(|me| me.user).filter(|me| *me != peer);
                let both = me.into_iter().chain([peer]);
                both.map(|u| (u, Role::Member)).collect()
            }
            (None, None) => return None,
        };
        users.sort_by_cached_key(|(u, role)| {
            let name = self.people.name(*u).to_lowercase();
            (std::cmp::Reverse(*role), name, *u)
        });
        Some(users)
    }

    /// The member that the page points at.
    pub(crate) fn member_chosen(&self, page: &Page) -> Option<(UserId, Role)> {
        let members = self.members_listed()?;
        let chosen = members.iter().find(|(u, _)| Some(*u) == page.chosen);
        chosen.or(members.first()).copied()
    }

    /// How many members the open conversation has. Of channels nobody is told who comes and goes:
    /// what was asked for last is nearer the truth.
    pub(crate) fn member_count(&self) -> u32 {
        let told = self.open_summary().map_or(0, |s| s.members);
        let listed = self.chat.as_ref().and_then(|c| c.members.as_ref());
        let listed = listed.and_then(|m| u32::try_from(m.len()).ok());
        match listed {
            Some(listed) if self.is_channel() && listed < MEMBERS_LISTED_MAX => listed,
            _ => told,
        }
    }

    pub(crate) fn my_role(&self) -> Role {
        self.open_summary().map(|s| s.role).unwrap_or_default()
    }

    pub(crate) fn is_channel(&self) -> bool {
        self.open_summary().and_then(|s| s.shape) == Some(Shape::Channel)
    }

    /// Whether one may give a member another role, or remove them.
    pub(crate) fn is_over(&self, user: UserId, role: Role) -> bool {
        let mine = self.my_role();
        !self.is_me(user) && (mine == Role::Owner || (mine == Role::Admin && role < mine))
    }

    pub(super) fn in_page(&mut self, action: Action) {
        let (Some(Over::Page(page)), Some(chat)) = (&self.over, &self.chat) else {
            return;
        };
        let conversation = chat.conversation;
        let mut page = Page {
            error: None,
            ..page.clone()
        };
        let summary = self.open_summary();
        let (name, topic) = (
            summary.and_then(|s| s.name.clone()).unwrap_or_default(),
            summary.and_then(|s| s.topic.clone()).unwrap_or_default(),
        );
        let group = self.is_group();
        let out = self.is_out();
        let admin = self.my_role() >= Role::Admin;
        let chosen = self.member_chosen(&page);
        let refuse = |why: &str| Err(why.to_owned());
        let inside = |action: Action| match action {
            Action::Name
            | Action::Topic
            | Action::Add
            | Action::Role
            | Action::Remove
            | Action::Rules
            | Action::Leave
                if !group =>
            {
                refuse("A chat between two has no name, roles or members to change.")
            }
            _ if out => refuse("You are not a member here any more."),
            Action::Name | Action::Topic | Action::Rules if !admin => {
                refuse("Only its admins and owners can change that.")
            }
            _ => Ok(()),
        };
        let set = |form: Form, wish: Wish, page: &Page| Over::Set(form, wish, page.clone());
        let over = match action {
            Action::Back => None,
            Action::Up
            | Action::Down
            | Action::First
            | Action::Last
            | Action::PageUp
            | Action::PageDown => {
                self.step_member(&mut page, action);
                Some(Over::Page(page))
            }
            Action::Help => Some(Over::Help(0)),
            Action::Pins => {
                self.commands.push(Command::ReadWindow);
                Some(Over::Pins(Pins::default()))
            }
            Action::Open => {
                self.over = None;
                if let Some((user, _)) = chosen {
                    self.open_with(user);
                }
                return;
            }
            Action::Mute => {
                let on = !self.is_muted(conversation);
                self.own(kind::MUTE, conversation.to_string(), on);
                Some(Over::Page(page))
            }
            Action::Block => match self.to_block(&page) {
                Some(user) if self.is_blocked(user) => {
                    self.own(kind::BLOCK, user.to_string(), false);
                    Some(Over::Page(page))
                }
                Some(user) => {
                    let who = self.people.full_name(user);
                    let question = format!(
                        "Block {who}? They cannot write to you alone any more; they are not told. In groups nothing changes."
                    );
                    let command = self.own_command(kind::BLOCK, user.to_string(), true);
                    Some(ask(question, command, page))
                }
                None => {
                    page.error = Some("Choose another member first: ↑ ↓.".to_owned());
                    Some(Over::Page(page))
                }
            },
            other => match inside(other) {
                Err(why) => {
                    page.error = Some(why);
                    Some(Over::Page(page))
                }
                Ok(()) => match (other, chosen) {
                    (Action::Name, _) => {
                        let field = Field::new("Name", &name, "what it is called");
                        Some(set(form("Name", field), Wish::Name, &page))
                    }
                    (Action::Topic, _) => {
                        let field = Field::new("Topic", &topic, "empty takes it away");
                        Some(set(form("Topic", field), Wish::Topic, &page))
                    }
                    (Action::Add, _) => Some(set(new_members(), Wish::Add, &page)),
                    (Action::Rules, _) => Some(set(self.rules_form(), Wish::Rules, &page)),
                    (Action::Role, Some((user, role))) if self.may_change(user, role) => {
                        let own = self.is_me(user);
                        let mut form = form(
                            "Role",
                            Field::choice("Role", &["member", "admin", "owner"], role as usize),
                        );
                        if own {
                            form.error = Some("This is you: what you give away here, another owner must give back.".to_owned());
                        }
                        Some(set(form, Wish::Role(user), &page))
                    }
                    (Action::Remove, Some((user, role))) if self.is_over(user, role) => {
                        let who = self.people.full_name(user);
                        let frame = draft::remove(conversation, &[user]);
                        let command = Command::Act(0, Box::new(Request::Send(Box::new(frame))));
                        let question = format!("Remove {who} from {}?", self.title(conversation));
                        Some(ask(question, command, page))
                    }
                    (Action::Remove, Some((user, _))) if self.is_me(user) => {
                        page.error = Some("That is you: X leaves.".to_owned());
                        Some(Over::Page(page))
                    }
                    (Action::Role | Action::Remove, Some(_)) => {
                        page.error = Some(
                            "Owners may do that to everyone, admins to members below them."
                                .to_owned(),
                        );
                        Some(Over::Page(page))
                    }
                    (Action::Leave, _) => {
                        let question = format!("Leave {}?", self.title(conversation));
                        let frame = draft::leave(conversation);
                        let command = Command::Act(0, Box::new(Request::Send(Box::new(frame))));
                        Some(Over::Ask(question, Box::new(command), None))
                    }
                    _ => Some(Over::Page(page)),
                },
            },
        };
        self.over = over;
    }

    fn may_change(&self, user: UserId, role: Role) -> bool {
        self.is_over(user, role) || (self.is_me(user) && role > Role::Member)
    }

    fn step_member(&mut self, page: &mut Page, action: Action) {
        let members = self.members_listed().unwrap_or_default();
        let at = members
            .iter()
            .position(|(u, _)| Some(*u) == page.chosen)
            .unwrap_or(0);
        let last = members.len().saturating_sub(1);
        let to = match action {
            Action::Up => at.saturating_sub(1),
            Action::Down => at + 1,
            Action::PageUp => at.saturating_sub(8),
            Action::PageDown => at + 8,
            Action::First => 0,
            _ => last,
        };
        page.chosen = members.get(to.min(last)).map(|(u, _)| *u);
    }

    /// Whom a block on the page is about: the other of two, or the member chosen.
    pub(crate) fn to_block(&self, page: &Page) -> Option<UserId> {
        let peer = self.chat.as_ref()?.peer.filter(|_| !self.is_group());
        let user = peer.or_else(|| Some(self.member_chosen(page)?.0))?;
        (!self.is_me(user)).then_some(user)
    }

    fn rules_form(&self) -> Form {
        let channel = self.is_channel();
        let at = |key: &str, value: &str| usize::from(self.rule(key) == Some(value));
        let add = match self.rule(setting::ADD) {
            Some(value) => usize::from(value == setting::ADMINS),
            None => usize::from(channel),
        };
        Form {
            title: "Settings",
            fields: vec![
                Field::choice(WRITE, WHO, at(setting::POST, setting::ADMINS)),
                Field::choice(ADD, WHO, add),
                Field::choice(JOIN, WHO_JOINS, at(setting::JOIN, setting::OPEN)),
            ],
            ..Form::default()
        }
    }

    /// A matter of one's own is set, or no more.
    fn own(&mut self, kind: &str, key: String, on: bool) {
        let command = self.own_command(kind, key, on);
        self.commands.push(command);
        self.commands.push(Command::ReadList);
    }

    fn own_command(&self, kind: &str, key: String, on: bool) -> Command {
        let me = self.me.as_ref().map(|me| me.user).unwrap_or_default();
        let frame = draft::own(me, kind, key, on);
        Command::Act(0, Box::new(Request::Send(Box::new(frame))))
    }

    /// Opens the chat with this user.
    pub(super) fn open_with(&mut self, user: UserId) {
        if let Some(me) = &self.me {
            let conversation = ConversationId::direct(me.user, user);
            self.open(conversation, Some(user));
        }
    }

    /// A key in a form of the page.
    pub(super) fn in_set(&mut self, action: Action) {
        let Some(Over::Set(form, _, page)) = &mut self.over else {
            return;
        };
        match form.action(action) {
            Done::Closed => {
                // What was asked for may still come; it is told then.
                self.awaited = None;
                self.over = Some(Over::Page(std::mem::take(page)));
            }
            Done::Submitted => self.hand_in_set(),
            Done::Written => self.want_ideas(),
            Done::Nothing | Done::Chosen => {}
        }
    }

    fn hand_in_set(&mut self) {
        let (Some(Over::Set(form, wish, page)), Some(chat)) = (&self.over, &self.chat) else {
            return;
        };
        let conversation = chat.conversation;
        let back = Over::Page(page.clone());
        let send = |frame| Request::Send(Box::new(frame));
        let mut wrong = None;
        let mut requests = Vec::new();
        match *wish {
            Wish::Name => {
                let name = form.text("Name").trim().to_owned();
                if name.is_empty() {
                    wrong = Some("What shall it be called?");
                }
                requests.push(send(draft::name(conversation, name)));
            }
            Wish::Topic => {
                let topic = form.text("Topic").trim().to_owned();
                requests.push(send(draft::topic(conversation, topic)));
            }
            Wish::Add => {
                let names = super::begin::names(form.text("Who"));
                if names.is_empty() {
                    wrong = Some("Whom? Write at least one name.");
                } else {
                    let purpose = Purpose::Add(conversation);
                    self.commands.push(Command::Find(names, purpose));
                }
            }
            Wish::Role(user) => {
                let role = ROLES.get(form.option("Role")).copied().unwrap_or_default();
                let now = self.members_listed().unwrap_or_default();
                if now.contains(&(user, role)) {
                    self.over = Some(back);
                    return;
                }
                let named = vec![Named { user, role }];
                requests.push(send(draft::roles(conversation, named)));
            }
            Wish::Rules => {
                let was = self.rules_form();
                for (label, key) in [
                    (WRITE, setting::POST),
                    (ADD, setting::ADD),
                    (JOIN, setting::JOIN),
                ] {
                    let now = form.option(label);
                    if was.option(label) != now {
                        let value = if key == setting::JOIN {
                            who_joins(now)
                        } else {
                            who(now)
                        };
                        requests.push(send(draft::setting(conversation, key, value)));
                    }
                }
                if requests.is_empty() {
                    self.over = Some(back);
                    return;
                }
            }
        }
        let Some(Over::Set(form, ..)) = &mut self.over else {
            return;
        };
        form.error = wrong.map(str::to_owned);
        if form.error.is_some() {
            return;
        }
        form.busy = true;
        self.ask_all(requests);
    }

    /// Asks for all of these; the form that lies over the conversation waits for the last.
    pub(super) fn ask_all(&mut self, requests: Vec<Request>) {
        let count = requests.len();
        for (at, request) in requests.into_iter().enumerate() {
            let mut number = 0;
            if at + 1 == count {
                self.acts += 1;
                number = self.acts;
                self.awaited = Some(number);
            }
            self.commands.push(Command::Act(number, Box::new(request)));
        }
        self.commands.push(Command::ReadList);
        self.commands.push(Command::ReadWindow);
    }

    /// The number of what was asked for last.
    #[cfg(test)]
    pub(crate) const fn acts_asked(&self) -> u64 {
        self.acts
    }

    /// What was asked for has its outcome.
    pub(super) fn acted(
        &mut self,
        number: u64,
        conversation: ConversationId,
        id: MessageId,
        done: Result<(), String>,
    ) {
        if let Some(chat) = self
            .chat
            .as_mut()
            .filter(|c| c.conversation == conversation)
        {
            chat.members_asked = false;
        }
        let waited = number != 0 && self.awaited == Some(number);
        if waited {
            self.awaited = None;
        }
        // What the form still has, and what was one key, need not stay in the conversation too.
        if done.is_err() && (waited || number == 0) {
            self.commands.push(Command::Core(Core::Dismiss(id)));
            self.commands.push(Command::ReadWindow);
        }
        let done = done.map_err(|why| shown::line(&why));
        match (&mut self.over, done) {
            (Some(Over::Set(_, _, page)), Ok(())) if waited => {
                self.over = Some(Over::Page(std::mem::take(page)));
            }
            (Some(Over::Set(form, ..) | Over::New(form)), Err(why)) if waited => {
                form.busy = false;
                form.error = Some(why);
            }
            (Some(Over::New(_)), Ok(())) if waited => {
                self.over = None;
                self.open(conversation, None);
            }
            (Some(Over::Page(page)), Err(why)) => page.error = Some(why),
            (_, Err(why)) => self.say(why),
            (_, Ok(())) => {}
        }
    }

    /// The members looked up for an addition are added.
    pub(super) fn add_found(&mut self, conversation: ConversationId, members: Vec<Named>) {
        let frame = draft::add(conversation, members);
        self.ask_all(vec![Request::Send(Box::new(frame))]);
    }

    /// Pins the message, or takes its pin off.
    pub(super) fn pin(&mut self, seq: Seq) {
        let Some(chat) = &self.chat else { return };
        let conversation = chat.conversation;
        if self.is_channel() && self.my_role() < Role::Admin {
            return self.say("in a channel only admins and owners pin messages");
        }
        let listed = match &self.over {
            Some(Over::Pins(pins)) => pins.events.iter().flatten().find(|e| e.seq == seq),
            _ => None,
        };
        let event = chat.event(seq).or(listed.map(Arc::as_ref));
        let on = event.is_none_or(|e| e.pinned.is_none());
        let frame = draft::pin(conversation, seq, on);
        self.commands
            .push(Command::Act(0, Box::new(Request::Send(Box::new(frame)))));
        self.commands.push(Command::ReadWindow);
    }

    pub(super) fn pins_came(&mut self, conversation: ConversationId, events: Vec<Arc<Event>>) {
        let open = self.chat.as_ref().map(|c| c.conversation);
        if let Some(Over::Pins(pins)) = self.over.as_mut().filter(|_| open == Some(conversation)) {
            pins.at = pins.at.min(events.len().saturating_sub(1));
            pins.events = Some(events);
        }
    }

    pub(super) fn in_pins(&mut self, action: Action) {
        let Some(Over::Pins(pins)) = &mut self.over else {
            return;
        };
        let count = pins.events.as_ref().map_or(0, Vec::len);
        let chosen = pins.events.iter().flatten().nth(pins.at).map(|e| e.seq);
        match action {
            Action::Up | Action::PageUp => pins.at = pins.at.saturating_sub(1),
            Action::Down | Action::PageDown => pins.at = (pins.at + 1).min(count.saturating_sub(1)),
            Action::Back => self.over = Some(Over::Page(Page::default())),
            Action::Help => self.over = Some(Over::Help(0)),
            Action::Open => {
                if let (Some(seq), Some(chat)) = (chosen, &mut self.chat) {
                    chat.jump = Some(seq);
                    self.over = None;
                    self.pane = super::Pane::Messages;
                }
            }
            Action::Pin => {
                if let Some(seq) = chosen {
                    self.pin(seq);
                }
            }
            _ => {}
        }
    }
}

fn ask(question: String, command: Command, page: Page) -> Over {
    Over::Ask(question, Box::new(command), Some(page))
}

/// New members.
pub(crate) fn new_members() -> Form {
    form(
        "Add members",
        Field::new("Who", "", "names, with spaces between"),
    )
}
