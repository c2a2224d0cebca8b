//! [`Presence`]: who is watched, who is here, who types. All of it soft: restated after a
//! reconnect, never stored.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::frame::Client as Frame;
use parlour_protocol::frame::client;
use parlour_protocol::frame::server::UserPresence;
use parlour_protocol::id::{ConversationId, UserId};

/// One's own typing is told at most so often.
const TYPING_MS: u64 = 3_000;
/// Users who type, over all conversations; more are not shown.
const TYPING_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Presence {
    watched: BTreeSet<UserId>,
    users: BTreeMap<UserId, UserPresence>,
    typing: BTreeMap<(ConversationId, UserId), u64>,
    typed: Option<(ConversationId, u64)>,
}

impl Presence {
    /// These users are visible now. Says whether they are others than before.
    pub(crate) fn watch(&mut self, users: Vec<UserId>) -> bool {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        if users == self.watched {
            return false;
        }
        self.users.retain(|u, _| users.contains(u));
        self.watched = users;
        true
    }

    pub(crate) fn watches(&self) -> bool {
        !self.watched.is_empty()
    }

    pub(crate) fn frame(&self) -> Frame {
        Frame::Watch(client::Watch {
            r#ref: 0,
            users: self.watched.iter().copied().collect(),
        })
    }

    /// What the server tells; of others than those watched nothing is kept.
    pub(crate) fn told(&mut self, users: &[UserPresence]) -> Vec<UserPresence> {
        let mut news = Vec::new();
        for p in users.iter().filter(|p| self.watched.contains(&p.user)) {
            if self.users.get(&p.user) != Some(p) {
                self.users.insert(p.user, p.clone());
                news.push(p.clone());
            }
        }
        news
    }

    pub(crate) fn of(&self, user: UserId) -> Option<&UserPresence> {
        self.users.get(&user)
    }

    /// Nothing is known any more: the connection is gone. Gives the conversations whose typing
    /// ended with it.
    pub(crate) fn disconnected(&mut self) -> BTreeSet<ConversationId> {
        self.users.clear();
        self.typed = None;
        let typing = core::mem::take(&mut self.typing);
        typing.into_keys().map(|(c, _)| c).collect()
    }

    /// The user types. Gives the frame if it is time for one.
    pub(crate) fn type_here(&mut self, conversation: ConversationId, now: u64) -> Option<Frame> {
        let lately = self
            .typed
            .is_some_and(|(c, at)| c == conversation && now < at.saturating_add(TYPING_MS));
        if lately {
            return None;
        }
        self.typed = Some((conversation, now));
        Some(Frame::Typing(client::Typing {
            r#ref: 0,
            conversation,
        }))
    }

    /// The user said something: whoever reads it takes the typing to have ended with it, and is
    /// told of the next at once.
    pub(crate) fn said(&mut self, conversation: ConversationId) {
        if self.typed.is_some_and(|(c, _)| c == conversation) {
            self.typed = None;
        }
    }

    /// Others type. Says whether it is new that they do.
    pub(crate) fn typed(
        &mut self,
        conversation: ConversationId,
        users: &[UserId],
        until: u64,
    ) -> bool {
        let mut news = false;
        for user in users {
            if self.typing.len() < TYPING_MAX || self.typing.contains_key(&(conversation, *user)) {
                news |= self.typing.insert((conversation, *user), until).is_none();
            }
        }
        news
    }

    /// Who sent something has stopped typing it.
    pub(crate) fn sent(&mut self, conversation: ConversationId, user: UserId) -> bool {
        self.typing.remove(&(conversation, user)).is_some()
    }

    /// Conversations in which someone has stopped typing by now.
    pub(crate) fn faded(&mut self, now: u64) -> BTreeSet<ConversationId> {
        let mut faded = BTreeSet::new();
        self.typing.retain(|(c, _), until| {
            let stays = *until > now;
            if !stays {
                faded.insert(*c);
            }
            stays
        });
        faded
    }

    pub(crate) fn typing(&self, conversation: ConversationId) -> Vec<UserId> {
        self.typing
            .range((conversation, UserId::NIL)..)
            .map(|((c, u), _)| (*c, *u))
            .take_while(|(c, _)| *c == conversation)
            .map(|(_, u)| u)
            .collect()
    }

    pub(crate) fn wake_at(&self) -> Option<u64> {
        self.typing.values().min().copied()
    }
}
