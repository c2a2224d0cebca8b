//! Requests: what the user does that ends with an outcome.

use std::sync::Arc;

use parlour_protocol::frame::client;
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::kind;
use parlour_protocol::record::Create;

use super::Client;
use crate::draft;
use crate::input::{Accepted, Refused, Request};
use crate::outbox::check;
use crate::output::Output;
use crate::saved::{Asked, Op, Row, Stage};

impl Client {
    /// Takes a request into the outbox. Its outcome comes as [`crate::Update::Ended`].
    ///
    /// # Errors
    /// [`Refused`]: nothing of it happened.
    pub fn request(
        &mut self,
        now_ms: u64,
        request: Request,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refused> {
        self.now_ms = self.now_ms.max(now_ms);
        let done = match request {
            Request::GiveUp(id) => self.give_up(id),
            Request::Again(id) => self.again(id),
            other => self.take_request(other, false).ok_or(Refused::NoAddress)?,
        };
        self.pump(out);
        self.flush(out);
        done
    }

    /// Puts a request into the outbox; `always` even if that is full. None if it is none that
    /// goes there.
    pub(super) fn take_request(
        &mut self,
        request: Request,
        always: bool,
    ) -> Option<Result<Accepted, Refused>> {
        let id = self.new_id();
        let (conversation, asked) = match request {
            Request::Send(mut send) => {
                let me = self.settings.user;
                let conversation = match (send.conversation, send.to) {
                    (Some(conversation), _) => conversation,
                    (None, Some(to)) => ConversationId::direct(me, to),
                    (None, None) => return None,
                };
                if send.id == MessageId::NIL {
                    send.id = id;
                }
                (conversation, Asked::Send(send))
            }
            Request::Edit {
                conversation,
                target,
                body,
                mentions,
            } => {
                let edit = client::Edit {
                    r#ref: 0,
                    conversation,
                    id,
                    retry: true,
                    after: None,
                    target,
                    body,
                    mentions,
                    mail: Default::default(),
                    lists: Default::default(),
                };
                (conversation, Asked::Edit(Box::new(edit)))
            }
            Request::Delete {
                conversation,
                target,
            } => {
                let delete = client::Delete {
                    r#ref: 0,
                    conversation,
                    id,
                    retry: true,
                    after: None,
                    target,
                };
                (conversation, Asked::Delete(delete))
            }
            Request::React {
                conversation,
                target,
                key,
                on,
            } => {
                let react = client::React {
                    r#ref: 0,
                    conversation,
                    id,
                    retry: true,
                    after: None,
                    target,
                    key,
                    on,
                };
                (conversation, Asked::React(react))
            }
            Request::Create {
                shape,
                history,
                name,
                topic,
                members,
                conversation,
            } => {
                let conversation = conversation
                    .unwrap_or_else(|| ConversationId::v7(self.now_ms, self.entropy.ten()));
                let create = client::Send {
                    create: Some(Create { shape, history }),
                    named: members,
                    ..draft::event(conversation, kind::CREATE)
                };
                return Some(self.create(conversation, create, name, topic));
            }
            Request::GiveUp(_) | Request::Again(_) => return None,
        };
        Some(self.put(conversation, asked, always))
    }

    fn new_id(&mut self) -> MessageId {
        MessageId::v7(self.now_ms, self.entropy.ten())
    }

    fn put(
        &mut self,
        conversation: ConversationId,
        asked: Asked,
        always: bool,
    ) -> Result<Accepted, Refused> {
        check(&asked, self.settings.user, &self.limits)?;
        let id = match &asked {
            Asked::Send(s) => s.id,
            Asked::Edit(e) => e.id,
            Asked::Delete(d) => d.id,
            Asked::React(r) => r.id,
        };
        if matches!(asked, Asked::Send(_) | Asked::Edit(_)) {
            self.presence.said(conversation);
        }
        let ticket = self.next_ticket();
        let (mut settings, now) = (&self.settings, self.now_ms);
        let boundless;
        if always {
            boundless = crate::settings::Settings {
                outbox_max: usize::MAX,
                outbox_bytes_max: usize::MAX,
                ..self.settings.clone()
            };
            settings = &boundless;
        }
        let op = self
            .outbox
            .add(settings, conversation, id, asked, now, ticket)?;
        if let Op::Outbox(row) = &op {
            self.known_direct(&Arc::clone(row));
        }
        self.ops.push(op);
        self.redrawn.insert(conversation);
        self.touched.insert(conversation);
        Ok(Accepted { conversation, id })
    }

    /// Makes a conversation, then gives it its name and topic: three requests, or none.
    fn create(
        &mut self,
        conversation: ConversationId,
        create: client::Send,
        name: Option<String>,
        topic: Option<String>,
    ) -> Result<Accepted, Refused> {
        self.outbox.room_for(&self.settings, 3, 0)?;
        let mut sends = vec![create];
        sends.extend(name.map(|n| draft::name(conversation, n)));
        sends.extend(topic.map(|t| draft::topic(conversation, t)));
        for send in &sends {
            check(
                &Asked::Send(Box::new(send.clone())),
                self.settings.user,
                &self.limits,
            )?;
        }
        let mut first = None;
        for mut send in sends {
            send.id = self.new_id();
            let accepted = self.put(conversation, Asked::Send(Box::new(send)), false)?;
            first.get_or_insert(accepted);
        }
        first.ok_or(Refused::NoAddress)
    }

    fn give_up(&mut self, id: MessageId) -> Result<Accepted, Refused> {
        let ticket = self.next_ticket();
        let (row, op) = self.outbox.give_up(id, ticket)?;
        self.ops.push(op);
        self.redrawn.insert(row.conversation);
        Ok(Accepted {
            conversation: row.conversation,
            id,
        })
    }

    fn again(&mut self, id: MessageId) -> Result<Accepted, Refused> {
        let row = self.outbox.row(id).cloned().ok_or(Refused::Unknown)?;
        if !matches!(row.stage, Stage::Failed { .. }) {
            return Err(Refused::Unknown);
        }
        let new = self.new_id();
        let mut asked = row.asked.clone();
        match &mut asked {
            Asked::Send(s) => s.id = new,
            Asked::Edit(e) => e.id = new,
            Asked::Delete(d) => d.id = new,
            Asked::React(r) => r.id = new,
        }
        let accepted = self.put(row.conversation, asked, false)?;
        self.outbox.dismiss(id);
        self.ops.push(Op::OutboxGone(id));
        Ok(accepted)
    }

    /// A send to a user says who the other of a direct conversation is.
    pub(super) fn known_direct(&mut self, row: &Row) {
        if let Asked::Send(send) = &row.asked
            && let (None, Some(peer)) = (send.conversation, send.to)
        {
            let me = self.settings.user;
            self.room(row.conversation).is_direct_with(me, peer);
            self.unsaved.insert(row.conversation);
        }
    }
}
