//! What a screen reads of all conversations: the list, line by line.

use std::sync::Arc;

use parlour_protocol::frame::server::Event;
use parlour_protocol::id::ConversationId;
use parlour_protocol::kind::{self, Class};

use super::Client;
use crate::room::Room;
use crate::saved::{Asked, Row, Stage};
use crate::view::Summary;

impl Client {
    /// The conversations, newest activity first.
    #[must_use]
    pub fn conversations(&self) -> Vec<Summary> {
        // One's own affairs are set in a conversation too, and are no word in it.
        let own = ConversationId::own(self.settings.user);
        let mut all: Vec<(u64, Summary)> = self
            .rooms
            .values()
            .filter(|r| r.line.is_some() || r.about.is_some())
            .map(|room| {
                let summary = self.summarise(room);
                let made = self
                    .outbox
                    .rows_of(room.id)
                    .filter(|r| room.id != own || !is_setting(&r.asked))
                    .map(|r| r.made_ms)
                    .max()
                    .unwrap_or(0);
                // A group in which nothing was said yet moved when it was made.
                let moves = |e: &&Arc<Event>| match e.class {
                    Class::Change => false,
                    Class::Setting => room.id != own,
                    _ => true,
                };
                let moved = room.events.values().rev().find(moves);
                let moved = moved.map_or(0, |e| e.time_ms);
                (moved.max(made), summary)
            })
            .collect();
        all.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.conversation.cmp(&y.conversation)));
        all.into_iter().map(|(_, summary)| summary).collect()
    }

    /// One conversation of the list.
    #[must_use]
    pub fn summary(&self, conversation: ConversationId) -> Option<Summary> {
        self.rooms
            .get(&conversation)
            .map(|room| self.summarise(room))
    }

    fn summarise(&self, room: &Room) -> Summary {
        let about = room.about.as_ref();
        let newest = room
            .events
            .values()
            .rev()
            .find(|e| e.class == Class::Content)
            .cloned();
        Summary {
            conversation: room.id,
            shape: room.shape(),
            name: about.and_then(|a| a.name.clone()),
            topic: about.and_then(|a| a.topic.clone()),
            peer: about.and_then(|a| a.peer),
            members: about.map_or(0, |a| a.members),
            role: about.map(|a| a.role).unwrap_or_default(),
            standing: room.line.map(|l| l.standing),
            head: room.head,
            unread: room.unread(),
            mentions: room.mentions(),
            newest,
            waiting: self.waiting_in(room.id),
            unanswered_since_ms: self.outbox.unanswered_in(room.id),
            slowed: self.outbox.is_slowed_in(room.id),
        }
    }

    fn waiting_in(&self, conversation: ConversationId) -> usize {
        if conversation != ConversationId::own(self.settings.user) {
            return self.outbox.waiting_in(conversation);
        }
        let rows = self.outbox.rows_of(conversation);
        let waits = |r: &&Arc<Row>| !matches!(r.stage, Stage::Failed { .. });
        rows.filter(waits).filter(|r| !is_setting(&r.asked)).count()
    }
}

fn is_setting(asked: &Asked) -> bool {
    let kind = match asked {
        Asked::Send(send) => send.kind.as_deref(),
        _ => None,
    };
    kind.and_then(kind::find)
        .is_some_and(|k| k.class == Class::Setting)
}
