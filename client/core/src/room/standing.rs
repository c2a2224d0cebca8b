//! How the conversation stands, by what the server said and by the events that came since.
//!
//! The server's word is the truth; what is derived here only bridges the time until it comes.

use parlour_protocol::frame::server::{About, Event};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};

use super::Room;

impl Room {
    /// The server's line: each field by the greater. Says whether anything is different.
    pub(crate) fn absorb_line(&mut self, line: Line) -> bool {
        let joined = self.line.map_or(line, |l| l.join(line));
        let raised = self.raise(joined.head);
        let joined = Line {
            head: self.head.max(joined.head),
            ..joined
        };
        if self.line == Some(joined) {
            return raised;
        }
        if self.line.map(|l| l.standing) != Some(joined.standing) {
            self.denied = false;
        }
        self.line = Some(joined);
        self.line_dirty = true;
        self.forget_seen_mentions();
        true
    }

    /// The server's word on how it stands, as of a head.
    pub(crate) fn absorb_about(&mut self, about: About, as_of: Seq) -> bool {
        if as_of < self.said_at && self.about.is_some() {
            return false;
        }
        self.said_at = as_of;
        self.about_at = self.about_at.max(as_of);
        if self.about.as_ref() == Some(&about) {
            return false;
        }
        self.about = Some(about);
        self.about_dirty = true;
        true
    }

    /// What a store gave.
    pub(crate) fn restore_about(&mut self, about: About) {
        self.about_at = self.head.seq;
        self.said_at = self.head.seq;
        self.about = Some(about);
    }

    /// It is the direct conversation with this user, whether or not the server knows it yet.
    pub(crate) fn is_direct_with(&mut self, me: UserId, peer: UserId) {
        if self.about.is_none() {
            self.about = Some(bare(self.id, Shape::Direct, Some(peer)));
            if let Some(about) = self.about.as_mut().filter(|_| peer == me) {
                about.members = 1;
            }
            self.about_dirty = true;
        }
    }

    /// What an event says of how the conversation stands. Says whether anything is different.
    pub(crate) fn note(&mut self, me: UserId, event: &Event) -> bool {
        let mut moved = false;
        if self.about.is_none() && event.conversation == ConversationId::direct(me, event.sender) {
            self.is_direct_with(me, event.sender);
            moved = true;
        }
        if event.class == Class::Membership {
            moved |= self.note_membership(me, event);
        }
        if event.seq > self.said_at && (event.kind == kind::NAME || event.kind == kind::TOPIC) {
            moved |= self.note_title(event);
        }
        let named = event.mentions.everyone || event.mentions.users.contains(&me);
        if named
            && event.class == Class::Content
            && event.sender != me
            && event.seq > self.read.max(self.own_mark().read.seq)
        {
            moved |= self.mentioned.insert(event.seq);
        }
        moved
    }

    fn note_membership(&mut self, me: UserId, event: &Event) -> bool {
        let names_me = event.named.iter().any(|n| n.user == me);
        let mine = event.sender == me;
        let standing = match event.kind.as_str() {
            kind::CREATE if mine || names_me => Some(Standing::Member(event.seq)),
            kind::ADD if names_me => Some(Standing::Member(event.seq)),
            kind::JOIN if mine => Some(Standing::Member(event.seq)),
            kind::LEAVE if mine => Some(Standing::Left(event.seq)),
            kind::REMOVE if names_me => Some(Standing::Removed(event.seq)),
            _ => None,
        };
        let mut moved = false;
        if let Some(standing) = standing {
            let line = Line {
                conversation: self.id,
                head: Head {
                    seq: event.seq,
                    n: event.n,
                },
                own: Mark::default(),
                other: None,
                standing,
            };
            moved |= self.absorb_line(line);
        }
        if event.seq <= self.about_at {
            return moved;
        }
        if let (None, Some(create)) = (&self.about, &event.create) {
            self.about = Some(About {
                history: create.history,
                role: if mine { Role::Owner } else { Role::Member },
                ..bare(self.id, create.shape, None)
            });
        }
        let Some(about) = &mut self.about else {
            return moved;
        };
        let named = u32::try_from(event.named.len()).unwrap_or(u32::MAX);
        about.members = match event.kind.as_str() {
            kind::CREATE => {
                let listed = event.named.iter().any(|n| n.user == event.sender);
                named.saturating_add(u32::from(!listed))
            }
            kind::ADD => about.members.saturating_add(named),
            kind::JOIN => about.members.saturating_add(1),
            kind::LEAVE => about.members.saturating_sub(1),
            kind::REMOVE => about.members.saturating_sub(named),
            _ => about.members,
        };
        if let Some(given) = event.named.iter().find(|n| n.user == me)
            && matches!(event.kind.as_str(), kind::CREATE | kind::ADD | kind::ROLE)
            && !(mine && event.kind == kind::CREATE)
        {
            about.role = given.role;
        }
        if matches!(standing, Some(Standing::Member(_))) {
            about.joined_n = about.joined_n.max(event.n);
        }
        self.about_at = event.seq;
        self.about_dirty = true;
        true
    }

    fn note_title(&mut self, event: &Event) -> bool {
        let Some(about) = &mut self.about else {
            return false;
        };
        let value = event.value.clone().filter(|v| !v.is_empty());
        let (title, at) = if event.kind == kind::NAME {
            (&mut about.name, &mut self.titles_at.0)
        } else {
            (&mut about.topic, &mut self.titles_at.1)
        };
        if *title == value || event.seq < *at {
            return false;
        }
        *at = event.seq;
        *title = value;
        self.about_dirty = true;
        true
    }
}

/// How a conversation stands of which only the shape is known.
fn bare(conversation: ConversationId, shape: Shape, peer: Option<UserId>) -> About {
    About {
        conversation,
        shape,
        history: HistoryRule::default(),
        members: if shape == Shape::Direct { 2 } else { 0 },
        name: None,
        topic: None,
        peer,
        role: Role::Member,
        joined_n: 0,
        mentions: 0,
    }
}
