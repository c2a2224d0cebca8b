//! What is on a device's disk: what the core said, as far as it was confirmed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_client_core::saved::{Held, Op as StoreOp, Restored, Row};
use parlour_protocol::frame::server::{About, Event as Shown};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, StoreId};
use parlour_protocol::line::Line;
use parlour_protocol::seq::Seq;

/// What is on a device's disk.
#[derive(Default)]
pub(super) struct Disk {
    store: Option<StoreId>,
    outbox: BTreeMap<MessageId, Row>,
    lines: BTreeMap<ConversationId, Line>,
    about: BTreeMap<ConversationId, About>,
    held: BTreeMap<ConversationId, Held>,
    events: BTreeMap<(ConversationId, Seq), Shown>,
    mail: BTreeMap<DeviceId, u64>,
}

impl Disk {
    pub(super) fn apply(&mut self, op: StoreOp) {
        match op {
            StoreOp::Begin(store) => {
                let outbox = core::mem::take(&mut self.outbox);
                let mail = core::mem::take(&mut self.mail);
                *self = Self {
                    store: Some(store),
                    outbox,
                    mail,
                    ..Self::default()
                };
            }
            StoreOp::Outbox(row) => {
                self.outbox.insert(row.id, Arc::unwrap_or_clone(row));
            }
            StoreOp::OutboxGone(id) => {
                self.outbox.remove(&id);
            }
            StoreOp::Line(line) => {
                self.lines.insert(line.conversation, line);
            }
            StoreOp::About(about) => {
                self.about.insert(about.conversation, *about);
            }
            StoreOp::Held(conversation, held) => {
                self.held.insert(conversation, *held);
            }
            StoreOp::Event(event) => {
                self.events
                    .insert((event.conversation, event.seq), Arc::unwrap_or_clone(event));
            }
            StoreOp::EventsGone(c, from, to) => {
                self.events
                    .retain(|(of, seq), _| *of != c || *seq < from || *seq > to);
            }
            StoreOp::Mail(from, k) => {
                self.mail.insert(from, k);
            }
        }
    }

    pub(super) fn restored(&self) -> Restored {
        Restored {
            store: self.store,
            outbox: self.outbox.values().cloned().collect(),
            lines: self.lines.values().copied().collect(),
            about: self.about.values().cloned().collect(),
            held: self.held.iter().map(|(c, h)| (*c, h.clone())).collect(),
            events: self.events.values().cloned().collect(),
            mail: self.mail.iter().map(|(d, k)| (*d, *k)).collect(),
        }
    }
}
