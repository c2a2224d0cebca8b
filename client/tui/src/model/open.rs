//! Which conversation is open, and what conversations and users are called here.

use parlour_sdk::Summary;
use parlour_sdk::protocol::kind::Shape;
use parlour_sdk::protocol::{ConversationId, UserId};

use super::chat::Chat;
use super::{Command, Model, Pane};
use crate::{shown, text};

impl Model {
    /// Opens a conversation. The peer is told where the list does not know it yet.
    pub(crate) fn open(&mut self, conversation: ConversationId, peer: Option<UserId>) {
        self.cursor = Some(conversation);
        self.pane = Pane::Compose;
        if let Some(chat) = &mut self.chat
            && chat.conversation == conversation
        {
            chat.peer = chat.peer.or(peer);
            return;
        }
        self.close_chat();
        let mut chat = Chat::new(conversation);
        chat.peer = peer.or(self.peers.get(&conversation).copied());
        if let Some(draft) = self.drafts.get(&conversation) {
            chat.composer.edit.insert(draft, true);
        }
        if let Some(s) = self.summary(conversation) {
            chat.peer = chat.peer.or(s.peer);
            chat.divide(s);
        }
        self.chat = Some(chat);
        self.commands.push(Command::ReadWindow);
    }

    /// Closes the open conversation; what is written there is kept.
    pub(crate) fn close_chat(&mut self) {
        let Some(chat) = self.chat.take() else {
            return;
        };
        let draft = chat.composer.draft();
        if draft.is_empty() {
            self.drafts.remove(&chat.conversation);
        } else {
            self.drafts.insert(chat.conversation, draft.to_owned());
            let peer = chat.peer.map(|peer| (chat.conversation, peer));
            self.peers.extend(peer);
        }
    }

    pub(crate) fn summary(&self, conversation: ConversationId) -> Option<&Summary> {
        self.list.iter().find(|s| s.conversation == conversation)
    }

    /// The list's line of the open conversation.
    pub(crate) fn open_summary(&self) -> Option<&Summary> {
        self.summary(self.chat.as_ref()?.conversation)
    }

    pub(crate) fn is_me(&self, user: UserId) -> bool {
        self.me.as_ref().is_some_and(|me| me.user == user)
    }

    /// What a user is called here; oneself is `you`.
    pub(crate) fn called(&self, user: UserId) -> String {
        if self.is_me(user) {
            "you".to_owned()
        } else {
            self.people.name(user)
        }
    }

    /// What a conversation is called here.
    pub(crate) fn title(&self, conversation: ConversationId) -> String {
        let summary = self.summary(conversation);
        let peer = summary.and_then(|s| s.peer).or_else(|| {
            let chat = self.chat.as_ref()?;
            chat.peer.filter(|_| chat.conversation == conversation)
        });
        if let Some(peer) = peer {
            return if self.is_me(peer) {
                "Notes to yourself".to_owned()
            } else {
                self.people.full_name(peer)
            };
        }
        let named = summary.and_then(|s| s.name.as_deref());
        match named {
            Some(name) => text::cut(&shown::line(name), 64),
            None if summary.is_some_and(|s| s.shape == Some(Shape::Channel)) => {
                "a channel without a name".to_owned()
            }
            None => "a group without a name".to_owned(),
        }
    }

    /// Whether the open conversation is a group or channel.
    pub(crate) fn is_group(&self) -> bool {
        let shape = self.open_summary().and_then(|s| s.shape);
        match shape {
            Some(shape) => shape != Shape::Direct,
            None => self.chat.as_ref().is_some_and(|c| c.peer.is_none()),
        }
    }
}
