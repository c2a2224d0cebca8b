//! What is begun: a chat with one, a group, a channel; or a channel that one joins.
//!
//! Promises: one name opens the chat with them at once; a name that nobody has is named, and what
//! was written stays.

use parlour_sdk::protocol::ConversationId;
use parlour_sdk::protocol::http::Profile;
use parlour_sdk::protocol::kind::{HistoryRule, Role, Shape, setting};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::{Link, Request, draft};

use super::page::{JOIN, WHO, WHO_JOINS, WRITE, who, who_joins};
use super::{Command, Model, Over, Purpose, Question};
use crate::form::{Done, Field, Form};
use crate::keys::Action;
use crate::shown;

pub(crate) const CHAT: usize = 0;
pub(crate) const CHANNEL: usize = 1;
const GROUP_NAME: &str = "Group name";

/// Something new, with the cursor where names are written.
pub(crate) fn form() -> Form {
    Form {
        title: "New".into(),
        choices: &["Chat or group", "Channel", "Join a channel"],
        fields: fields(CHAT),
        at: 1,
        ..Form::default()
    }
}

fn fields(chosen: usize) -> Vec<Field> {
    match chosen {
        CHAT => vec![Field::new("With", "", "a name; several make a group")],
        CHANNEL => vec![
            Field::new("Name", "", "what it is called"),
            Field::new("Topic", "", "may stay empty"),
            Field::choice(WRITE, WHO, 0),
            Field::choice(JOIN, WHO_JOINS, 1),
        ],
        _ => vec![Field::new("Its id", "", "on its page: Ctrl+G")],
    }
}

/// What is said under the form.
pub(crate) fn foot(form: &Form) -> &'static str {
    match (form.chosen, form.fields.len()) {
        (CHAT, 1) => "Enter opens it. ↑ then ←→: a channel, or join one.",
        (CHAT, _) => "Without a name it is called by its members.",
        (CHANNEL, _) => "A channel takes any number of members. ←→ choose.",
        _ => "Only an open channel lets you in by its id; into others a member adds you.",
    }
}

/// Names with spaces or commas between, each once.
pub(crate) fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let given = text.split([' ', ',']).map(|n| n.trim_start_matches('@'));
    for name in given.filter(|n| !n.is_empty()) {
        if !names
            .iter()
            .any(|n| n.to_lowercase() == name.to_lowercase())
        {
            names.push(name.to_owned());
        }
    }
    names
}

impl Model {
    pub(super) fn in_new(&mut self, action: Action) {
        let Some(Over::New(form)) = &mut self.over else {
            return;
        };
        // Enter among the names asks for them, whatever fields come after.
        let names = form.chosen == CHAT && form.field().is_some_and(|f| f.label == "With");
        if names && action == Action::Submit {
            if !form.busy {
                self.look_up(false);
            }
            return;
        }
        match form.action(action) {
            Done::Closed => {
                self.awaited = None;
                self.over = None;
            }
            Done::Chosen => {
                form.fields = fields(form.chosen);
                form.error = None;
                form.ideas.clear();
                form.busy = false;
                self.awaited = None;
            }
            Done::Submitted => match form.chosen {
                CHAT => self.look_up(true),
                CHANNEL => self.make_channel(),
                _ => self.join(),
            },
            Done::Written => self.want_ideas(),
            Done::Nothing => {}
        }
    }

    /// Asks whom the names mean; `named` if the group's name was asked for already.
    fn look_up(&mut self, named: bool) {
        let Some(Over::New(form)) = &mut self.over else {
            return;
        };
        let names = names(form.text("With"));
        if names.is_empty() {
            form.error = Some("With whom? Write at least one name.".to_owned());
            form.go_to("With");
            return;
        }
        form.ideas.clear();
        let purpose = if named {
            Purpose::Group(form.text(GROUP_NAME).trim().to_owned())
        } else {
            Purpose::Chat
        };
        let number = self.wait(false);
        self.commands.push(Command::Find(number, names, purpose));
    }

    /// The form waits for an answer, which has the number given. What was handed in goes out, or
    /// is a question alone.
    pub(super) fn wait(&mut self, sent: bool) -> u64 {
        self.acts += 1;
        self.awaited = Some(self.acts);
        if let Some(Over::New(form) | Over::Set(form, ..)) = &mut self.over {
            (form.busy, form.sent, form.error) = (true, sent, None);
        }
        self.acts
    }

    /// The form that waits for this answer, which waits no more.
    pub(super) fn waits_for(&mut self, number: u64) -> Option<&mut Form> {
        if number == 0 || self.awaited != Some(number) {
            return None;
        }
        self.awaited = None;
        let (Some(Over::New(form)) | Some(Over::Set(form, ..))) = &mut self.over else {
            return None;
        };
        // Another may have been opened meanwhile, and asked for nothing yet.
        let waited = std::mem::take(&mut form.busy);
        waited.then_some(form)
    }

    /// What was asked for was not even taken for sending.
    pub(super) fn not_taken(&mut self, asked: Question, why: &str) {
        let why = shown::line(why);
        if let Some(form) = self.waits_for(asked.number) {
            form.error = Some(why);
        } else {
            self.told_no(asked.on, why);
        }
    }

    /// The client was begun anew: nothing answers what went out through the one before. What was
    /// looked up is answered all the same.
    pub(super) fn anew(&mut self) {
        let form = match &mut self.over {
            Some(Over::New(form) | Over::Set(form, ..)) if form.busy && form.sent => form,
            _ => return self.link_changed(Link::Connecting),
        };
        (form.busy, form.sent) = (false, false);
        form.error = Some(
            "The connection was begun anew before an answer came. What went out may still come \
             about: look before you ask for it again."
                .to_owned(),
        );
        self.awaited = None;
        self.link_changed(Link::Connecting);
    }

    /// A conversation was made, and is opened if it is still waited for.
    pub(super) fn made(
        &mut self,
        number: u64,
        conversation: ConversationId,
        problem: Option<String>,
    ) {
        if self.waits_for(number).is_some() {
            self.over = None;
            self.open(conversation, None);
        }
        if let Some(problem) = problem {
            self.say(problem);
        }
        self.commands.push(Command::ReadList);
    }

    /// Asks for a conversation, with these settings.
    fn make(&mut self, request: Request, settings: Vec<(&'static str, &'static str)>) {
        let number = self.wait(true);
        let make = Command::Make(number, Box::new(request), settings);
        self.commands.push(make);
    }

    /// Names were looked up.
    pub(super) fn found(
        &mut self,
        number: u64,
        purpose: Purpose,
        found: Result<Vec<Profile>, String>,
    ) {
        // It may have been closed, and opened for something else.
        let Some(form) = self.waits_for(number) else {
            return;
        };
        let profiles = match found {
            Ok(profiles) => profiles,
            Err(why) => {
                form.error = Some(shown::line(&why));
                form.go_to("With");
                form.go_to("Who");
                return;
            }
        };
        self.people.learn(&profiles);
        let others: Vec<Profile> = profiles
            .iter()
            .filter(|p| !self.is_me(p.user))
            .cloned()
            .collect();
        match (purpose, others.as_slice()) {
            (Purpose::Add(_), []) => self.refuse("You are in it already."),
            (Purpose::Add(conversation), some) => {
                let members = some.iter().map(member).collect();
                self.add_found(conversation, members);
            }
            (_, []) => {
                // Oneself alone: notes.
                if let Some(me) = self.me.as_ref().map(|me| me.user) {
                    self.over = None;
                    self.open_with(me);
                }
            }
            (_, [one]) => {
                let user = one.user;
                self.over = None;
                self.open_with(user);
            }
            (Purpose::Chat, _) => self.ask_for_name(),
            (Purpose::Group(name), several) => {
                let names: Vec<&str> = several.iter().map(|p| p.name.as_str()).collect();
                let name = if name.is_empty() {
                    crate::text::cut(&names.join(", "), 60)
                } else {
                    name
                };
                let request = Request::Create {
                    shape: Shape::Group,
                    history: HistoryRule::All,
                    name: Some(name),
                    topic: None,
                    members: several.iter().map(member).collect(),
                    conversation: None,
                };
                self.make(request, Vec::new());
            }
        }
    }

    fn refuse(&mut self, why: &str) {
        if let Some(Over::New(form) | Over::Set(form, ..)) = &mut self.over {
            form.error = Some(why.to_owned());
        }
    }

    fn ask_for_name(&mut self) {
        if let Some(Over::New(form)) = &mut self.over {
            if form.fields.len() < 2 {
                form.fields
                    .push(Field::new(GROUP_NAME, "", "may stay empty"));
            }
            form.go_to(GROUP_NAME);
        }
    }

    fn make_channel(&mut self) {
        let Some(Over::New(form)) = &mut self.over else {
            return;
        };
        let name = form.text("Name").trim().to_owned();
        let topic = form.text("Topic").trim().to_owned();
        if name.is_empty() {
            form.error = Some("What shall the channel be called?".to_owned());
            form.go_to("Name");
            return;
        }
        let mut settings = Vec::new();
        if form.option(WRITE) != 0 {
            settings.push((setting::POST, who(form.option(WRITE))));
        }
        if form.option(JOIN) != 0 {
            settings.push((setting::JOIN, who_joins(form.option(JOIN))));
        }
        let request = Request::Create {
            shape: Shape::Channel,
            history: HistoryRule::All,
            name: Some(name),
            topic: Some(topic).filter(|t| !t.is_empty()),
            members: Vec::new(),
            conversation: None,
        };
        self.make(request, settings);
    }

    fn join(&mut self) {
        let Some(Over::New(form)) = &mut self.over else {
            return;
        };
        let Ok(conversation) = form.text("Its id").trim().parse::<ConversationId>() else {
            form.error = Some(
                "That is no id: it has 32 digits and letters from a to f, in five groups."
                    .to_owned(),
            );
            return;
        };
        form.error = None;
        if self
            .summary(conversation)
            .is_some_and(|s| s.standing.is_some_and(|s| s.is_member()))
        {
            self.over = None;
            self.open(conversation, None);
            return;
        }
        let frame = draft::join(conversation);
        self.ask_all(vec![Request::Send(Box::new(frame))]);
    }
}

fn member(profile: &Profile) -> Named {
    Named {
        user: profile.user,
        role: Role::Member,
    }
}
