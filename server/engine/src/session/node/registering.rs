//! Sessions coming and going: registered in the session store, welcomed, closed, registered again under
//! a new lease; and what each of them looks at.
//!
//! Promises: of a session one call is under way at a time; a session is welcomed only once it can be
//! found.

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::Location;

use super::{Node, Session, remove};
use crate::gateway::given::Given;
use crate::session::step::Output;

/// Revoked devices that are remembered; beyond it the oldest are forgotten, whose tokens nobody's
/// cache holds any more.
const REVOKED: usize = 10_000;

impl Node {
    pub(super) fn joined(
        &mut self,
        session: SessionId,
        user: UserId,
        device: DeviceId,
        out: &mut Vec<Output>,
    ) {
        if self.revoked_devices.contains(&device) {
            // Revoked between its hello and now: the list has passed it already.
            return out.push(Output::Close {
                session,
                code: Code::REVOKED,
            });
        }
        // The newer connection of a device stays.
        for older in self.by_device.get(&device).cloned().unwrap_or_default() {
            out.push(Output::Close {
                session: older,
                code: Code::REPLACED,
            });
            self.left(older, out);
        }
        self.sessions.insert(
            session,
            Session {
                user,
                device,
                focus: None,
                registered: false,
                ready: false,
            },
        );
        if planted(Mutant::ReadyUnregistered) {
            self.known.insert(user);
            if let Some(s) = self.sessions.get_mut(&session) {
                s.ready = true;
                out.push(Output::Ready { session });
            }
        }
        self.by_user.entry(user).or_default().insert(session);
        self.by_device.entry(device).or_default().insert(session);
        self.register(session, out);
    }

    pub(super) fn location(&self, session: SessionId) -> Option<Location> {
        let s = self.sessions.get(&session)?;
        Some(Location {
            user: s.user,
            device: s.device,
            session,
            node: self.config.node,
            incarnation: self.incarnation,
        })
    }

    /// Registers a session, one call at a time: of two under way the older might come last. Without
    /// a lease nobody would find it, so it waits for one.
    pub(super) fn register(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if self.registering.contains_key(&session) {
            return;
        }
        if self.held_until_ms == 0 {
            self.again.push(session);
            return;
        }
        if let Some(location) = self.location(session) {
            self.registering.insert(session, location);
            out.push(Output::Register(location));
        }
    }

    pub(super) fn register_again(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if self.again.is_empty() || now_ms < self.again_at_ms || self.held_until_ms == 0 {
            return;
        }
        // A tenth of a second's worth at a time.
        let some = usize::try_from(self.config.register_per_s / 10)
            .unwrap_or(1)
            .max(1);
        self.again_at_ms = now_ms.saturating_add(100);
        for _ in 0..some {
            let Some(session) = self.again.pop() else {
                break;
            };
            self.register(session, out);
        }
    }

    pub(super) fn registered(
        &mut self,
        session: SessionId,
        ok: bool,
        now_ms: u64,
        random: u64,
        out: &mut Vec<Output>,
    ) {
        let asked = self.registering.remove(&session);
        let Some(s) = self.sessions.get(&session) else {
            // It went meanwhile; what was registered late is taken away again.
            out.extend(asked.map(Output::Unregister));
            return;
        };
        // Under a lease that was lost since, nobody finds it.
        let holds = asked.is_none_or(|location| location.incarnation == self.incarnation);
        if !ok || !holds {
            self.again.push(session);
            self.again_at_ms = if ok {
                now_ms
            } else {
                now_ms.saturating_add(200)
            };
            return;
        }
        let (user, first, again) = (s.user, !s.registered, s.ready);
        let others = self.by_user.get(&user).into_iter().flatten();
        let found = others
            .filter(|other| **other != session)
            .any(|other| self.sessions.get(other).is_some_and(|o| o.registered));
        if let Some(s) = self.sessions.get_mut(&session) {
            s.registered = true;
        }
        if again && !(first && planted(Mutant::ReadyUnregistered)) {
            // Only now is it found again: what was told meanwhile passed it by, and so did the
            // word that its user came into a channel.
            self.behind(session, random, out);
            self.read_channels(user, out);
        } else if !found {
            // Only now is its user found here: that word passed by whatever was read until now.
            self.known.remove(&user);
            self.read_channels(user, out);
        }
        self.ready(session, out);
    }

    /// A session is welcomed once whoever looks for it, or for its channels, finds it: only then
    /// does it read its inbox (decision 16).
    pub(super) fn ready(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if let Some(s) = self.sessions.get_mut(&session)
            && s.registered
            && !s.ready
            && self.known.contains(&s.user)
        {
            s.ready = true;
            out.push(Output::Ready { session });
        }
    }

    pub(super) fn focus(&mut self, session: SessionId, conversation: Option<ConversationId>) {
        let Some(s) = self.sessions.get_mut(&session) else {
            return;
        };
        let before = core::mem::replace(&mut s.focus, conversation);
        if let Some(before) = before {
            remove(&mut self.by_focus, before, session);
        }
        if let Some(now) = conversation {
            self.by_focus.entry(now).or_default().insert(session);
        }
    }

    pub(super) fn left(&mut self, session: SessionId, out: &mut Vec<Output>) {
        let location = self.location(session);
        let Some(s) = self.sessions.remove(&session) else {
            return;
        };
        self.watchers.gone(session);
        remove(&mut self.by_device, s.device, session);
        if let Some(focus) = s.focus {
            remove(&mut self.by_focus, focus, session);
        }
        if remove(&mut self.by_user, s.user, session) {
            self.known.remove(&s.user);
            for channel in self.channels.forget(s.user) {
                self.interest(channel, false, out);
            }
        }
        if !self.registering.contains_key(&session) {
            out.extend(location.map(Output::Unregister));
        }
    }

    pub(super) fn revoke(&mut self, device: DeviceId, out: &mut Vec<Output>) {
        if self.revoked_devices.len() >= REVOKED {
            self.revoked_devices.pop_front();
        }
        self.revoked_devices.push_back(device);
        for session in self.by_device.get(&device).cloned().unwrap_or_default() {
            out.push(Output::Give {
                session,
                given: Given::Revoked,
            });
            self.left(session, out);
        }
    }
}
