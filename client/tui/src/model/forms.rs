//! Forms, and what comes of them.

use parlour_sdk::Request;
use parlour_sdk::protocol::Seq;
use parlour_sdk::protocol::frame::client::Token;

use super::{Command, Entry, Model, Over};
use crate::edit::Edit;
use crate::form::{Done, Field, Form};
use crate::keys::Action;

pub(crate) const LOG_IN: usize = 0;
const SIGN_UP: usize = 1;
const INVITED: usize = 2;

/// Reactions to choose from. Each is two cells wide in every terminal.
pub(crate) const REACTIONS: &[&str] = &["👍", "🎉", "😂", "😮", "😢", "🙏", "👀", "✅"];

/// The way in.
pub(crate) fn entrance(server: &str, name: &str) -> Form {
    let mut form = Form {
        title: "Parlour".into(),
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
        Field::new("Server", server, "http://HOST:PORT"),
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

/// A reaction.
pub(crate) fn reaction() -> Form {
    Form {
        title: "React".into(),
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
            Done::Submitted if self.is_shut() => self.commands.push(Command::Open),
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
            Over::New(form) | Over::Set(form, ..) => {
                form.write(text);
                self.want_ideas();
            }
            // Letters are keys there.
            Over::Page(_) | Over::Pins(_) => {}
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
                "n" | "N" => self.over_action(Action::Back),
                _ => {}
            },
            Over::Help(_) | Over::Info(..) => {
                if matches!(text, "q" | "?" | " ") {
                    self.over = None;
                }
            }
        }
    }

    pub(super) fn over_action(&mut self, action: Action) {
        let Some(over) = &mut self.over else { return };
        match over {
            Over::Help(top) | Over::Info(_, top) => match action {
                Action::Previous => *top = top.saturating_sub(1),
                Action::Next => *top = top.saturating_add(1),
                Action::PageUp => *top = top.saturating_sub(10),
                Action::PageDown => *top = top.saturating_add(10),
                Action::Back | Action::Submit | Action::Help => self.over = None,
                _ => {}
            },
            Over::Ask(_, command, page) => {
                let (command, back) = ((**command).clone(), page.clone().map(Over::Page));
                match action {
                    Action::Submit => {
                        self.over = back;
                        self.commands.push(command);
                        self.commands.push(Command::ReadWindow);
                    }
                    Action::Back => self.over = back,
                    _ => {}
                }
            }
            Over::Page(_) => self.in_page(action),
            Over::Pins(_) => self.in_pins(action),
            Over::New(_) => self.in_new(action),
            Over::Set(..) => self.in_set(action),
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
        }
    }

    /// Asks which names begin as the one being written.
    pub(super) fn want_ideas(&mut self) {
        let Some(form) = names_form(&mut self.over) else {
            return;
        };
        form.ideas.clear();
        if let Some(begun) = begun(form).filter(|b| !b.is_empty()) {
            let begun = begun.to_owned();
            self.commands.push(Command::Ideas(begun));
        }
    }

    pub(super) fn ideas(&mut self, prefix: &str, names: Vec<String>) {
        if let Some(form) = names_form(&mut self.over)
            && begun(form) == Some(prefix)
        {
            form.ideas = names;
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

/// The form in which names are written, if one is there.
fn names_form(over: &mut Option<Over>) -> Option<&mut Form> {
    match over {
        Some(Over::New(form)) if form.chosen == super::begin::CHAT => Some(form),
        Some(Over::Set(form, super::page::Wish::Add, _)) => Some(form),
        _ => None,
    }
}

/// The name being written.
fn begun(form: &Form) -> Option<&str> {
    form.field()
        .filter(|f| matches!(f.label, "With" | "Who"))
        .and_then(|f| f.edit.before().split([' ', ',']).next_back())
}
