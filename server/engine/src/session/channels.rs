//! Channels on one node (decision 19): who of its sessions may be given what.
//!
//! The node keeps the memberships of its own users in channels that it has an interest in, and
//! judges by them in order of seq. Past a place that it missed it gives nothing until it has read
//! them again.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, HistoryRule};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::record::Header;
use parlour_protocol::row::{Edge, Event, Interval, may_read};
use parlour_protocol::seq::{Head, Seq};

use crate::session::step::InChannel;

/// One channel as this node knows it.
#[derive(Debug, Default)]
struct Channel {
    history: HistoryRule,
    members: BTreeMap<UserId, Vec<Interval>>,
    /// The newest place seen, or known of when the first membership was read.
    seen: Seq,
    /// Users whose memberships must be read again before anything more is given.
    unsure: BTreeSet<UserId>,
}

/// What a node does with an event of a channel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Local users who may be given it.
    pub users: Vec<UserId>,
    /// Whether it is quiet: given only to those it names.
    pub quiet: bool,
    /// Local users whose memberships must be read again.
    pub unsure: Vec<UserId>,
    /// Whether events before this one were not seen: what is being read may not know of them.
    pub missed: bool,
}

/// What came of a reading of memberships.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The channel is of new interest.
    pub new: bool,
    /// The user is out, and what came before their end may have come while nobody could say so:
    /// no later head is theirs to be told, so they look for themselves.
    pub behind: bool,
}

/// The channels that a node has an interest in.
#[derive(Debug, Default)]
pub struct Channels {
    channels: BTreeMap<ConversationId, Channel>,
}

impl Channels {
    /// Memberships of a local user were read.
    pub fn learn(&mut self, user: UserId, read: InChannel) -> Learned {
        let new = !self.channels.contains_key(&read.channel);
        let c = self.channels.entry(read.channel).or_default();
        if new {
            // What comes next but one behind this was missed, and may have been a membership.
            c.seen = read.as_of;
        }
        c.history = read.history;
        let unsure = c.unsure.remove(&user);
        let out = read.intervals.last().is_some_and(|i| i.until.is_some());
        c.members.insert(user, read.intervals);
        Learned {
            new,
            behind: unsure && out,
        }
    }

    /// A user has no session here any more. Answers channels that are of no interest now.
    pub fn forget(&mut self, user: UserId) -> Vec<ConversationId> {
        let mut gone = Vec::new();
        self.channels.retain(|id, c| {
            c.members.remove(&user);
            c.unsure.remove(&user);
            if c.members.is_empty() {
                gone.push(*id);
            }
            !c.members.is_empty()
        });
        gone
    }

    /// The channels of a local user, each with the place of their latest coming in or going out.
    #[must_use]
    pub fn of(&self, user: UserId) -> BTreeMap<ConversationId, Seq> {
        self.channels
            .iter()
            .filter_map(|(id, c)| {
                let last = c.members.get(&user)?.last()?;
                Some((*id, last.until.map_or(last.from.seq, |until| until.seq)))
            })
            .collect()
    }

    /// Every channel of interest.
    #[must_use]
    pub fn all(&self) -> Vec<ConversationId> {
        self.channels.keys().copied().collect()
    }

    /// Local users who may read a head of the channel, once memberships are sure.
    #[must_use]
    pub fn readers(&self, channel: ConversationId, seq: Seq) -> Vec<UserId> {
        self.channels
            .get(&channel)
            .map_or_else(Vec::new, |c| c.readers(seq))
    }

    /// The channel has moved to this place. If its event was not seen here, a membership may have
    /// changed meanwhile: local users whose memberships must be read again.
    pub fn moved(&mut self, channel: ConversationId, seq: Seq) -> Vec<UserId> {
        let Some(c) = self.channels.get_mut(&channel) else {
            return Vec::new();
        };
        if seq > c.seen && !planted(Mutant::MissTrusted) {
            c.seen = seq;
            c.unsure.extend(c.members.keys().copied());
        }
        c.unsure.iter().copied().collect()
    }

    /// Whether memberships of local users are to be read again.
    #[must_use]
    pub fn is_unsure(&self, channel: ConversationId) -> bool {
        self.channels
            .get(&channel)
            .is_some_and(|c| !c.unsure.is_empty())
    }

    /// An event came. `local` says who has a session here.
    pub fn event(&mut self, event: &Event, local: impl Fn(UserId) -> bool) -> Verdict {
        let Some(c) = self.channels.get_mut(&event.conversation) else {
            return Verdict::default();
        };
        let named: BTreeSet<UserId> = crate::router::tell::named(event).into_iter().collect();
        if event.seq <= c.seen {
            // Told again by a successor or a zombie, or behind a raise: judged as before, by the
            // memberships that hold.
            let mut users = c.members_at(event.seq);
            if event.carried.quiet {
                users.retain(|user| named.contains(user));
            }
            return Verdict {
                users,
                quiet: event.carried.quiet,
                ..Verdict::default()
            };
        }
        let missed = event.seq != c.seen.next() && !planted(Mutant::MissTrusted);
        c.seen = event.seq;
        if missed {
            // A membership may have changed in what was missed.
            c.unsure.extend(c.members.keys().copied());
        }
        let header = Header::from_bytes(&event.header).ok();
        if let Some(h) = header
            .as_ref()
            .filter(|h| h.class == kind::Class::Membership)
        {
            c.membership(h, event, &local);
        }
        let mut users = c.members_at(event.seq);
        if event.carried.quiet {
            users.retain(|user| named.contains(user));
        }
        let unsure = c.unsure.iter().copied().collect();
        Verdict {
            users,
            quiet: event.carried.quiet,
            unsure,
            missed,
        }
    }
}

impl Channel {
    fn readers(&self, seq: Seq) -> Vec<UserId> {
        self.members
            .iter()
            .filter(|(user, intervals)| {
                !self.unsure.contains(user) && may_read(intervals, self.history, seq)
            })
            .map(|(user, _)| *user)
            .collect()
    }

    /// Local users who are in it at this place: who is given an event live. Whoever came later may
    /// read it where the rule lets them, and asks for it.
    fn members_at(&self, seq: Seq) -> Vec<UserId> {
        self.members
            .iter()
            .filter(|(user, intervals)| {
                !self.unsure.contains(user) && intervals.iter().any(|i| i.reads(seq))
            })
            .map(|(user, _)| *user)
            .collect()
    }

    fn membership(&mut self, h: &Header, event: &Event, local: &impl Fn(UserId) -> bool) {
        let edge = Edge {
            seq: event.seq,
            position: event.position,
        };
        let begin = |user, role| Interval {
            conversation: event.conversation,
            user,
            from: edge,
            until: None,
            role,
            n: event.carried.n,
            joined: event.seq,
        };
        let mut start = |user, role| {
            if local(user) {
                let intervals = self.members.entry(user).or_default();
                if intervals.iter().all(|i| i.until.is_some()) {
                    intervals.push(begin(user, role));
                }
            }
        };
        match h.kind.as_str() {
            kind::ADD | kind::CREATE => {
                for named in &h.named {
                    start(named.user, named.role);
                }
            }
            kind::JOIN => start(h.sender, kind::Role::Member),
            kind::LEAVE => self.end(h.sender, edge),
            kind::REMOVE => {
                for named in &h.named {
                    self.end(named.user, edge);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, user: UserId, edge: Edge) {
        for interval in self.members.get_mut(&user).into_iter().flatten() {
            interval.until = interval.until.or(Some(edge));
        }
    }
}

/// Heads that wait to be told to those who do not have a channel in focus.
#[derive(Debug, Default)]
pub struct Waiting {
    heads: BTreeMap<ConversationId, Head>,
    since_ms: Option<u64>,
}

impl Waiting {
    /// Adds one; the newest counts.
    pub fn add(&mut self, channel: ConversationId, head: Head, now_ms: u64) {
        let waiting = self.heads.entry(channel).or_default();
        *waiting = (*waiting).max(head);
        self.since_ms.get_or_insert(now_ms);
    }

    /// When they are due.
    #[must_use]
    pub fn due_ms(&self, batch_ms: u64) -> Option<u64> {
        self.since_ms.map(|since| since.saturating_add(batch_ms))
    }

    /// Takes them all.
    pub fn take(&mut self) -> BTreeMap<ConversationId, Head> {
        self.since_ms = None;
        core::mem::take(&mut self.heads)
    }
}
