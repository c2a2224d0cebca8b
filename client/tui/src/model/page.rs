//! The page of a conversation: who is in it, what it is called, and all that can be done with it.
//!
//! Promises: what one's role does not allow is said before it is asked; what the server refuses is
//! said in words, and what was written for it stays.

mod pins;
mod standing;
mod wish;

use parlour_sdk::protocol::kind::{self, Role};
use parlour_sdk::protocol::{ConversationId, UserId};
use parlour_sdk::{Request, draft};

use super::{Command, Model, Over, Question};
use crate::form::Field;
use crate::keys::Action;

pub(crate) use pins::Pins;
pub(crate) use standing::MEMBERS_LISTED_MAX;
pub(crate) use wish::{JOIN, WHO, WHO_JOINS, WRITE, Wish, new_members, who, who_joins};

/// The page of the open conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The member chosen.
    pub(crate) chosen: Option<UserId>,
    /// What went wrong last.
    pub(crate) error: Option<String>,
}

impl Page {
    /// The same, and what went wrong.
    fn failed(self, why: &str) -> Over {
        Over::Page(Self {
            error: Some(why.to_owned()),
            ..self
        })
    }
}

/// What is read beside the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Rules,
    Pins,
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

    pub(super) fn in_page(&mut self, action: Action) {
        let (Some(Over::Page(page)), Some(chat)) = (&self.over, &self.chat) else {
            return;
        };
        let conversation = chat.conversation;
        let mut page = Page {
            error: None,
            ..page.clone()
        };
        let chosen = self.member_chosen(&page);
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
                // Of two the page is about the other, wherever it points.
                let peer = chat.peer.filter(|_| !self.is_group());
                self.over = None;
                if let Some(user) = peer.or(chosen.map(|(user, _)| user)) {
                    self.open_with(user);
                }
                return;
            }
            Action::Mute => {
                let on = !self.is_muted(conversation);
                self.own(kind::MUTE, conversation.to_string(), on);
                Some(Over::Page(page))
            }
            Action::Block => Some(self.block(page)),
            other => Some(match self.why_not(other) {
                Some(why) => page.failed(why),
                None => self.changed(other, chosen, page),
            }),
        };
        self.over = over;
    }

    fn block(&mut self, page: Page) -> Over {
        match self.to_block(&page) {
            Some(user) if self.is_blocked(user) => {
                self.own(kind::BLOCK, user.to_string(), false);
                Over::Page(page)
            }
            Some(user) => {
                let who = self.people.full_name(user);
                let question = format!(
                    "Block {who}? They cannot write to you alone any more; they are not told. In \
                     groups nothing changes."
                );
                let command = self.own_command(kind::BLOCK, user.to_string(), true);
                Over::Ask(question, Box::new(command), Some(page))
            }
            None => page.failed("Choose another member first: ↑ ↓."),
        }
    }

    /// Why something cannot be done here, as far as that can be told without asking.
    fn why_not(&self, action: Action) -> Option<&'static str> {
        let changes = matches!(
            action,
            Action::Name
                | Action::Topic
                | Action::Add
                | Action::Role
                | Action::Remove
                | Action::Rules
                | Action::Leave
        );
        let admins = matches!(action, Action::Name | Action::Topic | Action::Rules);
        if changes && !self.is_group() {
            Some("A chat between two has no name, roles or members to change.")
        } else if changes && self.is_out() {
            Some("You are not a member here any more.")
        } else if admins && self.my_role() < Role::Admin {
            Some("Only its admins and owners can change that.")
        } else {
            None
        }
    }

    /// The form or question of something that is to be changed.
    fn changed(&self, action: Action, chosen: Option<(UserId, Role)>, page: Page) -> Over {
        let Some(chat) = &self.chat else {
            return Over::Page(page);
        };
        let conversation = chat.conversation;
        let summary = self.open_summary();
        let act = |frame| Box::new(self.on_page(Request::Send(Box::new(frame))));
        match (action, chosen) {
            (Action::Name, _) => {
                let name = summary.and_then(|s| s.name.as_deref()).unwrap_or_default();
                let field = Field::new("Name", name, "what it is called");
                Over::Set(wish::form("Name", field), Wish::Name, page)
            }
            (Action::Topic, _) => {
                let topic = summary.and_then(|s| s.topic.as_deref()).unwrap_or_default();
                let field = Field::new("Topic", topic, "empty takes it away");
                Over::Set(wish::form("Topic", field), Wish::Topic, page)
            }
            (Action::Add, _) => Over::Set(new_members(), Wish::Add, page),
            (Action::Rules, _) => Over::Set(self.rules_form(), Wish::Rules, page),
            (Action::Role, Some((user, role))) if self.may_change(user, role) => {
                let roles = &["member", "admin", "owner"];
                let field = Field::choice("Role", roles, role as usize);
                let who = self.people.full_name(user);
                let mut form = wish::form(format!("Role of {who}"), field);
                form.error = self.is_me(user).then(|| {
                    "This is you: what you give away here, another owner must give back.".to_owned()
                });
                Over::Set(form, Wish::Role(user), page)
            }
            (Action::Remove, Some((user, role))) if self.is_over(user, role) => {
                let (who, what) = (self.people.full_name(user), self.title(conversation));
                let command = act(draft::remove(conversation, &[user]));
                Over::Ask(format!("Remove {who} from {what}?"), command, Some(page))
            }
            (Action::Remove, Some((user, _))) if self.is_me(user) => {
                page.failed("That is you: X leaves.")
            }
            (Action::Role | Action::Remove, Some(_)) => {
                page.failed("Owners may do that to everyone, admins to members below them.")
            }
            (Action::Role | Action::Remove, None) => page.failed("Choose a member first: ↑ ↓."),
            (Action::Leave, _) => {
                let question = format!("Leave {}?", self.title(conversation));
                Over::Ask(question, act(draft::leave(conversation)), None)
            }
            _ => Over::Page(page),
        }
    }

    fn may_change(&self, user: UserId, role: Role) -> bool {
        self.is_over(user, role) || (self.is_me(user) && role > Role::Member)
    }

    fn step_member(&mut self, page: &mut Page, action: Action) {
        let members = self.members_listed().unwrap_or_default();
        let at = members.iter().position(|(u, _)| Some(*u) == page.chosen);
        let Some(at) = at.or(page.chosen.is_none().then_some(0)) else {
            // Who was chosen has left: from the beginning.
            page.chosen = members.first().map(|(u, _)| *u);
            return;
        };
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

    /// A matter of one's own is set, or no more.
    fn own(&mut self, kind: &str, key: String, on: bool) {
        let command = self.own_command(kind, key, on);
        self.commands.push(command);
        self.commands.push(Command::ReadList);
    }

    fn own_command(&self, kind: &str, key: String, on: bool) -> Command {
        let me = self.me.as_ref().map(|me| me.user).unwrap_or_default();
        let frame = draft::own(me, kind, key, on);
        self.on_page(Request::Send(Box::new(frame)))
    }

    /// Asks for something on the open conversation's page: a refusal is told there.
    pub(super) fn on_page(&self, request: Request) -> Command {
        let on = self.chat.as_ref().map(|c| c.conversation);
        Command::Act(Question { number: 0, on }, Box::new(request))
    }

    /// Opens the chat with this user.
    pub(super) fn open_with(&mut self, user: UserId) {
        if let Some(me) = &self.me {
            let conversation = ConversationId::direct(me.user, user);
            self.open(conversation, Some(user));
        }
    }
}
