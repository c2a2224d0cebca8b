//! Searching in the text that is loaded.

use parlour_sdk::protocol::{ConversationId, Seq};

use super::chat::Find;
use super::{Command, Model, Pane};
use crate::keys::Action;

impl Model {
    pub(super) fn find(&mut self) {
        if !self.about() {
            return self.say("open a conversation first, then search in it");
        }
        if self.pane == Pane::List {
            self.pane = Pane::Messages;
        }
        if let Some(chat) = &mut self.chat {
            chat.find = Some(Find::default());
        }
    }

    pub(super) fn in_search(&mut self, action: Action) {
        let Some(chat) = &mut self.chat else { return };
        let conversation = chat.conversation;
        let Some(find) = &mut chat.find else { return };
        match action {
            Action::Older | Action::Newer => {
                let text = find.edit.text().to_owned();
                if text.is_empty() {
                    return;
                }
                if text != find.searched {
                    self.commands.push(Command::Search(conversation, text));
                    return;
                }
                let last = find.places.len().saturating_sub(1);
                find.at = match action {
                    Action::Older => (find.at + 1).min(last),
                    _ => find.at.saturating_sub(1),
                };
                chat.jump = find.places.get(find.at).copied();
            }
            Action::Stroke(stroke) => find.edit.stroke(stroke),
            _ => {}
        }
    }

    /// A search came back.
    pub(super) fn matched(&mut self, conversation: ConversationId, text: &str, places: Vec<Seq>) {
        let open = self
            .chat
            .as_mut()
            .filter(|c| c.conversation == conversation);
        let Some(chat) = open else { return };
        let Some(find) = &mut chat.find else { return };
        find.searched = text.to_owned();
        find.at = 0;
        chat.jump = places.first().copied();
        find.places = places;
    }

    /// The search is over; what was found stays chosen.
    pub(super) fn close_find(&mut self) {
        let found = self.chat.as_mut().and_then(|chat| {
            chat.find = None;
            chat.selected
        });
        self.pane = if found.is_some() {
            Pane::Messages
        } else {
            Pane::Compose
        };
    }
}
