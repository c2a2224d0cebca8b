//! Forms, and what comes of them.

use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::http::Profile;
use parlour_sdk::protocol::kind::{HistoryRule, Role, Shape};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Request, draft};

use super::{Command, Entry, Model, Over, Purpose};
use crate::edit::Edit;
use crate::form::{Done, Field, Form};
use crate::keys::Action;
use crate::shown;

pub(crate) const LOG_IN: usize = 0;
const SIGN_UP: usize = 1;
const INVITED: usize = 2;

/// Reactions to choose from. Each is two cells wide in every terminal.
pub(crate) const REACTIONS: &[&str] = &["👍", "🎉", "😂", "😮", "😢", "🙏", "👀", "✅"];

/// The way in.
pub(crate) fn entrance(server: &str, name: &str) -> Form {
    let mut form = Form {
        title: "Parlour",
        choices: &["Log in", "Sign up", "Sign up with an invitation"],
        fields: entrance_fields(LOG_IN, server, name),
        ..Form::default()
    };
    if !name.is_empty() {
        form.go_to_first_empty();
    }
    form
}

fn entrance_fields(chosen: usize, server: &str, name: &str) -> Vec<Field> {
    let mut fields = vec![
        Field::new("Server", server, "http://HOST:PORT or https://HOST"),
        Field::new("Name", name, "no spaces, no @, no :"),
        Field::masked("Password", "8 characters or more"),
    ];
    if chosen != LOG_IN {
        fields.push(Field::masked("Again", "the same once more"));
    }
    if chosen == INVITED {
        fields.push(Field::masked("Invitation", "as you were given it"));
    }
    fields
}

/// A new chat.
pub(crate) fn new_chat() -> Form {
    Form {
        title: "New chat",
        fields: vec![
            Field::new("With", "", "a name; several make a group"),
            Field::new("Group name", "", "empty for a chat between two"),
        ],
        ..Form::default()
    }
}

/// New members.
pub(crate) fn new_members() -> Form {
    Form {
        title: "Add members",
        fields: vec![Field::new("Who", "", "names, with spaces between")],
        ..Form::default()
    }
}

/// A reaction.
pub(crate) fn reaction() -> Form {
    Form {
        title: "React",
        choices: REACTIONS,
        fields: vec![Field::new("Other", "", "any short text")],
        ..Form::default()
    }
}

impl Model {
    pub(super) fn entrance_action(&mut self, action: Action) {
        match self.entrance.action(action) {
            Done::Chosen => {
                let mut fields = entrance_fields(self.entrance.chosen, "", "");
                for field in &mut fields {
                    // What was written stays, wherever there is a place for it.
                    field.edit = Edit::new(self.entrance.text(field.label));
                }
                self.entrance.fields = fields;
                self.entrance.error = None;
            }
            Done::Submitted => self.enter(),
            // A second thought: what was asked of the server may still be answered, and is taken.
            Done::Closed => self.entrance.busy = false,
            Done::Nothing | Done::Written => {}
        }
    }

    fn enter(&mut self) {
        let form = &mut self.entrance;
        let text = |label: &str| form.text(label).trim().to_owned();
        let (server, name) = (text("Server"), text("Name"));
        let invited = text("Invitation");
        let password = form.text("Password").to_owned();
        let new = form.chosen != LOG_IN;
        let error = if server.is_empty() {
            Some("Which server? Its address begins with http:// or https://.")
        } else if name.is_empty() {
            Some("What is your name?")
        } else if password.is_empty() {
            Some("The password is missing.")
        } else if new && password != form.text("Again") {
            Some("The two passwords differ.")
        } else if form.chosen == INVITED && invited.is_empty() {
            Some("The invitation is missing.")
        } else {
            None
        };
        if let Some(error) = error {
            form.error = Some(error.to_owned());
            if server.is_empty() || name.is_empty() || password.is_empty() {
                form.go_to_first_empty();
            }
            return;
        }
        form.error = None;
        form.busy = true;
        let invitation = Some(invited).filter(|_| form.chosen == INVITED);
        let entry = Entry {
            server,
            name,
            password: Token(password),
            invitation: invitation.map(Token),
            new: form.chosen == SIGN_UP || form.chosen == INVITED,
        };
        self.commands.push(Command::Enter(Box::new(entry)));
    }

    pub(super) fn over_written(&mut self, text: &str) {
        let Some(over) = &mut self.over else { return };
        match over {
            Over::New(form) | Over::Add(form) => {
                form.write(text);
                self.want_ideas();
            }
            Over::React(form, seq) => {
                let digit = text.parse::<usize>().ok();
                let key = digit.and_then(|d| REACTIONS.get(d.checked_sub(1)?));
                match key.filter(|_| form.at == 0) {
                    Some(key) => {
                        let seq = *seq;
                        self.react(seq, (*key).to_owned());
                    }
                    None => {
                        form.write(text);
                    }
                }
            }
            Over::Ask(..) => match text {
                "y" | "Y" => self.over_action(Action::Submit),
                "n" | "N" => self.over = None,
                _ => {}
            },
            Over::Help(_) | Over::Info(..) | Over::Members(_) => {
                if matches!(text, "q" | "?" | " ") {
                    self.over = None;
                }
            }
        }
    }

    pub(super) fn over_action(&mut self, action: Action) {
        let Some(over) = &mut self.over else { return };
        match over {
            Over::Help(top) | Over::Info(_, top) | Over::Members(top) => match action {
                Action::Previous => *top = top.saturating_sub(1),
                Action::Next => *top = top.saturating_add(1),
                Action::PageUp => *top = top.saturating_sub(10),
                Action::PageDown => *top = top.saturating_add(10),
                Action::Back | Action::Submit | Action::Help => self.over = None,
                _ => {}
            },
            Over::Ask(_, command) => match action {
                Action::Submit => {
                    let command = (**command).clone();
                    self.over = None;
                    self.commands.push(command);
                }
                Action::Back => self.over = None,
                _ => {}
            },
            Over::React(form, seq) => {
                let seq = *seq;
                if action == Action::Submit {
                    let other = form.text("Other").trim().to_owned();
                    let chosen = REACTIONS.get(form.chosen).map(|k| (*k).to_owned());
                    let key = Some(other).filter(|o| !o.is_empty()).or(chosen);
                    self.react(seq, key.unwrap_or_default());
                } else if form.action(action) == Done::Closed {
                    self.over = None;
                }
            }
            Over::New(form) | Over::Add(form) => match form.action(action) {
                Done::Closed => self.over = None,
                Done::Submitted => self.hand_in(),
                Done::Written => self.want_ideas(),
                Done::Nothing | Done::Chosen => {}
            },
        }
    }

    /// Asks which names begin as the one being written.
    fn want_ideas(&mut self) {
        let (Some(Over::New(form)) | Some(Over::Add(form))) = &mut self.over else {
            return;
        };
        form.ideas.clear();
        let begun = form
            .field()
            .filter(|f| f.label != "Group name")
            .and_then(|f| f.edit.before().split([' ', ',']).next_back());
        if let Some(begun) = begun.filter(|b| !b.is_empty()) {
            self.commands.push(Command::Ideas(begun.to_owned()));
        }
    }

    pub(super) fn ideas(&mut self, prefix: &str, names: Vec<String>) {
        let (Some(Over::New(form)) | Some(Over::Add(form))) = &mut self.over else {
            return;
        };
        let begun = form
            .field()
            .and_then(|f| f.edit.before().split([' ', ',']).next_back());
        if begun == Some(prefix) {
            form.ideas = names;
        }
    }

    fn hand_in(&mut self) {
        let open = self.chat.as_ref().map(|c| c.conversation);
        let (form, names, purpose) = match &mut self.over {
            Some(Over::New(form)) => {
                let names = form.text("With").to_owned();
                let name = form.text("Group name").trim().to_owned();
                (form, names, Purpose::Chat(name))
            }
            Some(Over::Add(form)) => {
                let Some(open) = open else { return };
                let names = form.text("Who").to_owned();
                (form, names, Purpose::Add(open))
            }
            _ => return,
        };
        let mut names: Vec<String> = names
            .split([' ', ','])
            .map(|n| n.trim_start_matches('@').to_owned())
            .filter(|n| !n.is_empty())
            .collect();
        names.dedup();
        if names.is_empty() {
            form.error = Some("Whom? Write at least one name.".to_owned());
            form.at = 0;
            return;
        }
        form.busy = true;
        form.error = None;
        self.commands.push(Command::Find(names, purpose));
    }

    /// Names were looked up.
    pub(super) fn found(&mut self, purpose: Purpose, found: Result<Vec<Profile>, String>) {
        let (Some(Over::New(form)) | Some(Over::Add(form))) = &mut self.over else {
            return;
        };
        form.busy = false;
        let profiles = match found {
            Ok(profiles) => profiles,
            Err(why) => {
                form.error = Some(shown::line(&why));
                form.at = 0;
                return;
            }
        };
        self.people.learn(&profiles);
        self.over = None;
        let named = |profiles: &[Profile]| -> Vec<Named> {
            let member = |p: &Profile| Named {
                user: p.user,
                role: Role::Member,
            };
            profiles.iter().map(member).collect()
        };
        match (purpose, profiles.as_slice()) {
            (Purpose::Chat(name), [one]) if name.is_empty() => {
                if let Some(me) = &self.me {
                    let conversation = ConversationId::direct(me.user, one.user);
                    self.open(conversation, Some(one.user));
                }
            }
            (Purpose::Chat(name), several) => {
                let others = several.iter().filter(|p| !self.is_me(p.user));
                let others: Vec<Profile> = others.cloned().collect();
                let name = if name.is_empty() {
                    let names: Vec<&str> = others.iter().map(|p| p.name.as_str()).collect();
                    crate::text::cut(&names.join(", "), 60)
                } else {
                    name
                };
                let request = Request::Create {
                    shape: Shape::Group,
                    history: HistoryRule::All,
                    name: Some(name),
                    topic: None,
                    members: named(&others),
                    conversation: None,
                };
                self.commands.push(Command::Make(Box::new(request)));
            }
            (Purpose::Add(conversation), several) => {
                let frame = draft::add(conversation, named(several));
                self.request(Request::Send(Box::new(frame)));
            }
        }
    }

    /// Sets a reaction, or takes it back.
    fn react(&mut self, seq: Seq, key: String) {
        self.over = None;
        let Some(chat) = &self.chat else { return };
        if key.is_empty() {
            return;
        }
        let set = chat.event(seq).is_some_and(|e| {
            let mine = |user| self.is_me(user);
            e.reactions.iter().any(|r| mine(r.user) && r.key == key)
        });
        let request = Request::React {
            conversation: chat.conversation,
            target: seq,
            key,
            on: !set,
        };
        self.request(request);
    }
}
