//! What is done with the message that is chosen.

use parlour_sdk::core::view::State;
use parlour_sdk::protocol::kind::{Class, Role};
use parlour_sdk::protocol::{MessageId, Seq};
use parlour_sdk::{Command as Core, Item, Request};

use super::chat::{ItemId, Mode, id_of};
use super::{Command, Model, Over, Pane, forms};
use crate::edit::Edit;
use crate::keys::Action;

impl Model {
    pub(super) fn in_messages(&mut self, action: Action) {
        match action {
            Action::Up => self.choose(-1),
            Action::Down => self.choose(1),
            Action::First => {
                let first = self.chat.as_ref().and_then(|c| c.items.first()).map(id_of);
                self.choose_this(first);
            }
            Action::Last => {
                self.go_to_end();
                let last = self.chat.as_ref().and_then(|c| c.items.last()).map(id_of);
                self.choose_this(last);
            }
            Action::Reply => {
                if let (Some(seq), Some(chat)) = (self.chosen_message(), &mut self.chat) {
                    chat.composer.mode = Mode::Reply(seq);
                    self.go(Pane::Compose);
                }
            }
            Action::EditThis => {
                if let Some(seq) = self.chosen_message() {
                    self.edit(seq);
                }
            }
            Action::Delete => self.delete(),
            Action::React => {
                if let Some(seq) = self.chosen_message() {
                    self.over = Some(Over::React(forms::reaction(), seq));
                }
            }
            Action::Pin => {
                if let Some(seq) = self.chosen_message() {
                    self.pin(seq);
                }
            }
            Action::Info => {
                if let Some(id) = self.chat.as_ref().and_then(|c| c.selected) {
                    self.over = Some(Over::Info(id, 0));
                }
            }
            Action::Again => self.again(),
            Action::GiveUp => self.give_up(),
            _ => {}
        }
    }

    fn choose(&mut self, by: isize) {
        let Some(chat) = &self.chat else { return };
        let last = chat.items.len().saturating_sub(1);
        let at = chat.selected.and_then(|id| chat.index(id));
        let to = at.map_or(last, |at| at.saturating_add_signed(by).min(last));
        let id = chat.items.get(to).map(id_of);
        self.choose_this(id);
    }

    pub(super) fn choose_this(&mut self, id: Option<ItemId>) {
        if let (Some(id), Some(chat)) = (id, &mut self.chat) {
            chat.selected = Some(id);
            self.show(id);
        }
    }

    /// The place chosen, if it is a message that can be answered; says why it is not.
    fn chosen_message(&mut self) -> Option<Seq> {
        let item = self.chat.as_ref()?.selected_item()?;
        let why = match item {
            Item::Placed { event, .. } if event.class != Class::Content => "that is no message",
            Item::Placed { event, .. } if event.deleted.is_some() => "that message was deleted",
            Item::Placed { event, .. } => return Some(event.seq),
            Item::Pending { .. } => "that message is not sent yet",
            Item::Withheld { .. } => "there is nothing to be seen there",
        };
        self.say(why);
        None
    }

    pub(super) fn edit(&mut self, seq: Seq) {
        let own = |user| self.is_me(user);
        let text = self.chat.as_ref().and_then(|c| c.event(seq)).map(|event| {
            let body = event.body.as_ref().and_then(|b| b.as_text());
            (own(event.sender), body.map(str::to_owned))
        });
        let Some(chat) = &mut self.chat else { return };
        match text {
            Some((true, Some(text))) => {
                let before = chat.composer.draft().to_owned();
                chat.composer.edit = Edit::new(text);
                chat.composer.mode = Mode::Edit(seq, before);
                self.go(Pane::Compose);
            }
            Some((true, None)) => self.say("that message has no text to edit"),
            Some((false, _)) => self.say("only your own messages can be edited"),
            None => {}
        }
    }

    fn delete(&mut self) {
        let Some(seq) = self.chosen_message() else {
            return;
        };
        let Some(chat) = &self.chat else { return };
        let conversation = chat.conversation;
        let own = chat.event(seq).is_some_and(|e| self.is_me(e.sender));
        let mine = self.open_summary().is_some_and(|s| s.role > Role::Member);
        if !own && !mine {
            return self.say("only its author and the group's admins can delete a message");
        }
        let request = Request::Delete {
            conversation,
            target: seq,
        };
        let question = "Delete this message for everyone?".to_owned();
        let command = Command::Request(Box::new(request), None);
        self.over = Some(Over::Ask(question, Box::new(command), None));
    }

    fn again(&mut self) {
        match self.waiting() {
            Some((id, State::Failed { .. })) => self.request(Request::Again(id)),
            Some(_) => self.say("it is still being sent"),
            None => self.say("that message is sent"),
        }
    }

    fn give_up(&mut self) {
        match self.waiting() {
            Some((id, State::Failed { .. })) => {
                self.commands.push(Command::Core(Core::Dismiss(id)));
                self.commands.push(Command::ReadWindow);
            }
            Some((id, _)) => self.request(Request::GiveUp(id)),
            None => self.say("that message is sent; d deletes it"),
        }
    }

    /// What is chosen, or the change on it, that is on its way or failed.
    fn waiting(&self) -> Option<(MessageId, State)> {
        match self.chat.as_ref()?.selected_item()? {
            Item::Pending { row, state } => Some((row.id, state.clone())),
            Item::Placed { changes, .. } => {
                let failed = |s: &State| matches!(s, State::Failed { .. });
                let change = changes
                    .iter()
                    .find(|c| failed(&c.state))
                    .or(changes.last())?;
                (change.state != State::Sent).then(|| (change.id, change.state.clone()))
            }
            Item::Withheld { .. } => None,
        }
    }
}
