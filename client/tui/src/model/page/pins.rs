//! The pinned messages of the open conversation: set, taken off, listed, gone to.
//!
//! What is listed is what is pinned among the messages that are held; the server has no list.

use std::sync::Arc;

use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::kind::Role;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Request, draft};

use super::Page;
use crate::keys::Action;
use crate::model::{Command, Model, Over, Pane};

/// The pinned messages, and which is chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins {
    pub(crate) events: Option<Vec<Arc<Event>>>,
    pub(crate) at: usize,
}

impl Model {
    /// Pins the message, or takes its pin off.
    pub(in crate::model) fn pin(&mut self, seq: Seq) {
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
            .push(self.on_page(Request::Send(Box::new(frame))));
        self.commands.push(Command::ReadWindow);
    }

    pub(in crate::model) fn pins_came(
        &mut self,
        conversation: ConversationId,
        events: Vec<Arc<Event>>,
    ) {
        let open = self.chat.as_ref().map(|c| c.conversation);
        if let Some(Over::Pins(pins)) = self.over.as_mut().filter(|_| open == Some(conversation)) {
            pins.at = pins.at.min(events.len().saturating_sub(1));
            pins.events = Some(events);
        }
    }

    pub(in crate::model) fn in_pins(&mut self, action: Action) {
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
                    self.pane = Pane::Messages;
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
