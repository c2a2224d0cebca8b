//! Whom a signal is for: the sessions of a device or of users, those who have a conversation in focus,
//! those who read a channel.
//!
//! Never: an event of a channel to one who is not known to be in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::node::Signal;
use parlour_protocol::row::Event;
use parlour_protocol::seq::Head;

use super::Node;
use crate::gateway::given::{Given, Prepared};
use crate::session::step::Output;

impl Node {
    pub(super) fn signal(
        &mut self,
        signal: Signal,
        now_ms: u64,
        random: u64,
        out: &mut Vec<Output>,
    ) {
        match signal {
            Signal::Event { event, to } if to.is_empty() => self.channel_event(event, now_ms, out),
            Signal::Event { event, to } => self.event(event, &to, out),
            Signal::Answer {
                device,
                conversation,
                id,
                answer,
            } => {
                let given = Given::Answer {
                    conversation,
                    id,
                    answer,
                };
                self.give(self.by_device.get(&device), &given, out);
            }
            Signal::Raised {
                conversation,
                head,
                to,
                named,
            } => {
                let to = if named {
                    // They read their channels, and then sync: an event may have passed between.
                    for user in &to {
                        self.read_channels(*user, out);
                    }
                    Vec::new()
                } else if to.is_empty() {
                    let unsure = self.channels.moved(conversation, head.seq);
                    if !unsure.is_empty() {
                        self.reading.values_mut().for_each(|again| *again = true);
                        self.heads.add(conversation, head, now_ms);
                    }
                    for user in unsure {
                        self.read_channels(user, out);
                    }
                    self.channels.readers(conversation, head.seq)
                } else {
                    to
                };
                let given = Given::Raised { conversation, head };
                for user in to {
                    self.give(self.by_user.get(&user), &given, out);
                }
            }
            Signal::Behind => self.all_behind(random, out),
            Signal::Marked {
                user,
                conversation,
                mark,
                to,
            } => {
                let given = Given::Marked {
                    user,
                    conversation,
                    mark,
                };
                self.to_users_or_focus(conversation, user, &to, &given, out);
            }
            Signal::Typing {
                user,
                conversation,
                to,
            } => {
                let given = Given::Typing { user, conversation };
                self.to_users_or_focus(conversation, user, &to, &given, out);
            }
            Signal::Mail { device, mail } => {
                self.give(self.by_device.get(&device), &Given::Mail(mail), out);
            }
            Signal::Revoked { devices } => {
                for device in devices {
                    self.revoke(device, out);
                }
            }
        }
    }

    pub(super) fn give(
        &self,
        sessions: Option<&BTreeSet<SessionId>>,
        given: &Given,
        out: &mut Vec<Output>,
    ) {
        for session in sessions.into_iter().flatten() {
            out.push(Output::Give {
                session: *session,
                given: given.clone(),
            });
        }
    }

    pub(super) fn to_users_or_focus(
        &self,
        conversation: ConversationId,
        from: UserId,
        to: &[UserId],
        given: &Given,
        out: &mut Vec<Output>,
    ) {
        if to.is_empty() {
            for session in self.by_focus.get(&conversation).into_iter().flatten() {
                // One's own sessions are told by name.
                if self.sessions.get(session).is_some_and(|s| s.user != from) {
                    out.push(Output::Give {
                        session: *session,
                        given: given.clone(),
                    });
                }
            }
        }
        for user in to {
            self.give(self.by_user.get(user), given, out);
        }
    }

    pub(super) fn event(&mut self, event: Event, to: &[UserId], out: &mut Vec<Output>) {
        let prepared = Arc::new(Prepared::new(event));
        for user in to {
            self.give(self.by_user.get(user), &Given::Event(prepared.clone()), out);
            // A user who was named by a channel's membership event has an interest in it now.
            if prepared.event.carried.shape == parlour_protocol::kind::Shape::Channel
                && self.by_user.contains_key(user)
            {
                self.read_channels(*user, out);
            }
        }
    }

    pub(super) fn channel_event(&mut self, event: Event, now_ms: u64, out: &mut Vec<Output>) {
        let by_user = &self.by_user;
        let verdict = self
            .channels
            .event(&event, |user| by_user.contains_key(&user));
        let named = crate::router::tell::named(&event);
        for (user, again) in &mut self.reading {
            // What is being read may be from before this, or from before what was missed.
            *again |= verdict.missed || named.contains(user);
        }
        let channel = event.conversation;
        let head = Head {
            seq: event.seq,
            n: event.carried.n,
        };
        for user in &verdict.unsure {
            self.read_channels(*user, out);
        }
        if !verdict.unsure.is_empty() {
            // Whoever could not be judged learns by the head that it moved.
            self.heads.add(channel, head, now_ms);
        }
        let prepared = Arc::new(Prepared::new(event));
        let mut waits = false;
        for user in verdict.users {
            for session in self.by_user.get(&user).into_iter().flatten() {
                let focused = self
                    .sessions
                    .get(session)
                    .is_some_and(|s| s.focus == Some(channel));
                if focused || verdict.quiet {
                    let given = Given::Event(prepared.clone());
                    out.push(Output::Give {
                        session: *session,
                        given,
                    });
                } else {
                    waits = true;
                }
            }
        }
        if waits {
            self.heads.add(channel, head, now_ms);
        }
    }

    pub(super) fn tell_heads(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        for (channel, head) in self.heads.take() {
            if self.channels.is_unsure(channel) {
                // Those who cannot be judged yet are told once they can be.
                self.heads.add(channel, head, now_ms);
            }
            let given = Given::Raised {
                conversation: channel,
                head,
            };
            for user in self.channels.readers(channel, head.seq) {
                self.give(self.by_user.get(&user), &given, out);
            }
        }
    }

    pub(super) fn behind(&mut self, session: SessionId, random: u64, out: &mut Vec<Output>) {
        self.counts.behind += 1;
        let spread = random.wrapping_add(u64::from(session.low32()).wrapping_mul(2_654_435_761));
        let after_ms = spread % self.config.behind_ms.max(1);
        let given = Given::Behind { after_ms };
        out.push(Output::Give { session, given });
    }

    pub(super) fn all_behind(&mut self, random: u64, out: &mut Vec<Output>) {
        let ready = self
            .sessions
            .iter()
            .filter(|(_, s)| s.ready)
            .map(|(id, _)| *id);
        for session in ready.collect::<Vec<_>>() {
            self.behind(session, random, out);
        }
    }
}
