//! The forms of the page: what is to have another value, and what became of that.
//!
//! Promises: what the server refuses is said in words, and what was written for it stays.

use std::borrow::Cow;

use parlour_sdk::protocol::kind::{Role, setting};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, MessageId, UserId};
use parlour_sdk::{Command as Core, Request, draft};

use crate::form::{Done, Field, Form};
use crate::keys::Action;
use crate::model::{Command, Model, Over, Purpose, Question, begin};
use crate::shown;

/// What a form on the page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Name,
    Topic,
    Add,
    Role(UserId),
    Rules,
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

pub(super) fn form(title: impl Into<Cow<'static, str>>, field: Field) -> Form {
    Form {
        title: title.into(),
        fields: vec![field],
        ..Form::default()
    }
}

impl Model {
    pub(super) fn rules_form(&self) -> Form {
        let channel = self.is_channel();
        let at = |key: &str, value: &str| usize::from(self.rule(key) == Some(value));
        let add = match self.rule(setting::ADD) {
            Some(value) => usize::from(value == setting::ADMINS),
            None => usize::from(channel),
        };
        Form {
            title: "Settings".into(),
            fields: vec![
                Field::choice(WRITE, WHO, at(setting::POST, setting::ADMINS)),
                Field::choice(ADD, WHO, add),
                Field::choice(JOIN, WHO_JOINS, at(setting::JOIN, setting::OPEN)),
            ],
            ..Form::default()
        }
    }

    /// A key in a form of the page.
    pub(in crate::model) fn in_set(&mut self, action: Action) {
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
                let names = begin::names(form.text("Who"));
                if names.is_empty() {
                    wrong = Some("Whom? Write at least one name.");
                } else {
                    let purpose = Purpose::Add(conversation);
                    let number = self.wait(false);
                    self.commands.push(Command::Find(number, names, purpose));
                    return;
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
        self.ask_all(requests);
    }

    /// Asks for all of these; the form that lies over the conversation waits for the last.
    pub(in crate::model) fn ask_all(&mut self, requests: Vec<Request>) {
        let count = requests.len();
        for (at, request) in requests.into_iter().enumerate() {
            let last = at + 1 == count;
            let asked = Question {
                number: if last { self.wait(true) } else { 0 },
                on: matches!(self.over, Some(Over::Set(..)))
                    .then_some(self.chat.as_ref())
                    .flatten()
                    .map(|c| c.conversation),
            };
            self.commands.push(Command::Act(asked, Box::new(request)));
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
    pub(in crate::model) fn acted(
        &mut self,
        asked: Question,
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
        let waited = self.waits_for(asked.number).is_some();
        // What the form still has, and what was one key, need not stay in the conversation too.
        if done.is_err() && (waited || asked.number == 0) {
            self.commands.push(Command::Core(Core::Dismiss(id)));
            self.commands.push(Command::ReadWindow);
        }
        let done = done.map_err(|why| shown::line(&why));
        match (&mut self.over, done) {
            (Some(Over::Set(_, _, page)), Ok(())) if waited => {
                self.over = Some(Over::Page(std::mem::take(page)));
            }
            (Some(Over::Set(form, ..) | Over::New(form)), Err(why)) if waited => {
                form.error = Some(why);
            }
            (Some(Over::New(_)), Ok(())) if waited => {
                self.over = None;
                self.open(conversation, None);
            }
            (_, Err(why)) => self.told_no(asked.on, why),
            (_, Ok(())) => {}
        }
    }

    /// Tells that something was refused: on the page that it was asked on, while that is open;
    /// else at the bottom, and of which conversation unless that is the open one.
    pub(in crate::model) fn told_no(&mut self, on: Option<ConversationId>, why: String) {
        let open = self.chat.as_ref().map(|c| c.conversation);
        match (&mut self.over, on) {
            (Some(Over::Page(page)), Some(_)) if on == open => page.error = Some(why),
            (_, Some(other)) if on != open => {
                let title = self.title(other);
                self.say(format!("{title}: {why}"));
            }
            _ => self.say(why),
        }
    }

    /// The members looked up for an addition are added.
    pub(in crate::model) fn add_found(
        &mut self,
        conversation: ConversationId,
        members: Vec<Named>,
    ) {
        let frame = draft::add(conversation, members);
        self.ask_all(vec![Request::Send(Box::new(frame))]);
    }
}

/// New members.
pub(crate) fn new_members() -> Form {
    form(
        "Add members",
        Field::new("Who", "", "names, with spaces between"),
    )
}
