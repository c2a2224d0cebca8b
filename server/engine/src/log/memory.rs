//! What the sequencer remembers of conversations: a cache of rows, and never more than that.
//!
//! A hit may be trusted, a miss never: what is not here is asked of the store. What was decided
//! but is not durable yet stays here until it is.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::fact::{Fact, Question, Target};
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::position::Position;
use parlour_protocol::row::{Carried, Interval, Outcome};
use parlour_protocol::seq::Seq;

/// Outcomes or targets that a conversation keeps once all of it is durable.
const KEPT: usize = 1_024;

/// Something known, and the record that made it so. From the store: none.
#[derive(Clone, Copy, Debug)]
struct Known<T> {
    value: T,
    by: Option<Position>,
}

/// One conversation as of the last record decided.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// The newest event, and what it carries forward. None before the first.
    pub head: Option<(Seq, Carried)>,
    /// Open memberships that are known; none where it is known that there is none.
    pub members: BTreeMap<UserId, Option<Interval>>,
    /// Whether `members` holds every open membership (groups).
    pub members_whole: bool,
    /// Settings that are known; none where it is known that there is none.
    pub settings: BTreeMap<String, Option<(Seq, Option<String>)>>,
    targets: BTreeMap<Seq, Known<Target>>,
    outcomes: BTreeMap<(UserId, MessageId), Known<Outcome>>,
    last: Option<Position>,
    used: u64,
}

impl Conversation {
    /// Its shape, once it has an event.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        self.head.map(|(_, carried)| carried.shape)
    }

    /// The open membership of a user.
    #[must_use]
    pub fn member(&self, user: UserId) -> Option<&Interval> {
        self.members.get(&user).and_then(Option::as_ref)
    }

    /// The outcome of a send, if it is known.
    #[must_use]
    pub fn outcome(&self, sender: UserId, id: MessageId) -> Option<Outcome> {
        self.outcomes.get(&(sender, id)).map(|k| k.value)
    }

    /// Remembers the outcome that the record at hand has.
    pub fn set_outcome(&mut self, sender: UserId, id: MessageId, value: Outcome) {
        self.outcomes.insert(
            (sender, id),
            Known {
                value,
                by: self.last,
            },
        );
    }

    /// An event that a change names, if it is known.
    #[must_use]
    pub fn target(&self, seq: Seq) -> Option<Target> {
        self.targets.get(&seq).map(|k| k.value)
    }

    /// Remembers an event that the record at hand placed or changed.
    pub fn set_target(&mut self, seq: Seq, value: Target) {
        self.targets.insert(
            seq,
            Known {
                value,
                by: self.last,
            },
        );
    }

    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key)?.as_ref()?.1.as_deref()
    }

    /// The place of a setting, or zero.
    #[must_use]
    pub fn setting_seq(&self, key: &str) -> Seq {
        self.settings
            .get(key)
            .and_then(Option::as_ref)
            .map_or(Seq::ZERO, |(seq, _)| *seq)
    }
}

/// Conversations by id, with a bound on how many are kept once durable.
#[derive(Debug)]
pub struct Memory {
    conversations: BTreeMap<ConversationId, Conversation>,
    by_use: BTreeSet<(u64, ConversationId)>,
    clock: u64,
    durable: Option<Position>,
    bound: usize,
}

impl Memory {
    /// An empty memory that keeps at most `bound` durable conversations.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            conversations: BTreeMap::new(),
            by_use: BTreeSet::new(),
            clock: 0,
            durable: None,
            bound: bound.max(1),
        }
    }

    /// How many conversations are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    /// A conversation, if it is known.
    #[must_use]
    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.conversations.get(&id)
    }

    /// A conversation, to be changed by the record at `position`.
    pub fn change(&mut self, id: ConversationId, position: Position) -> &mut Conversation {
        self.clock += 1;
        let clock = self.clock;
        let conversation = self.conversations.entry(id).or_default();
        self.by_use.remove(&(conversation.used, id));
        conversation.used = clock;
        conversation.last = Some(position);
        self.by_use.insert((clock, id));
        conversation
    }

    /// Takes in answers, which held as of a position behind which nothing was decided yet.
    /// What is known already is newer, and stays.
    pub fn learn(&mut self, questions: &[Question], facts: Vec<Fact>) {
        for (question, fact) in questions.iter().zip(facts) {
            let id = question.conversation();
            self.clock += 1;
            let clock = self.clock;
            let known = self.conversations.contains_key(&id);
            let c = self.conversations.entry(id).or_default();
            if !known {
                c.used = clock;
                self.by_use.insert((clock, id));
            }
            match (question, fact) {
                (Question::Head(_), Fact::Head(head)) => c.head = c.head.or(head),
                (Question::Outcome { sender, id, .. }, Fact::Outcome(Some(outcome))) => {
                    let known = Known {
                        value: outcome,
                        by: None,
                    };
                    c.outcomes.entry((*sender, *id)).or_insert(known);
                }
                (Question::Member { user, .. }, Fact::Member(intervals)) => {
                    let open = intervals.into_iter().rfind(|i| i.until.is_none());
                    c.members.entry(*user).or_insert(open);
                }
                (Question::Members(_), Fact::Members(open))
                    if c.shape() == Some(Shape::Group) || c.head.is_none() =>
                {
                    for interval in open {
                        c.members.entry(interval.user).or_insert(Some(interval));
                    }
                    c.members_whole = true;
                }
                (Question::Setting { key, .. }, Fact::Setting(value)) => {
                    c.settings.entry(key.clone()).or_insert(value);
                }
                (Question::Target { seq, .. }, Fact::Target(Some(target))) => {
                    c.targets.entry(*seq).or_insert(Known {
                        value: target,
                        by: None,
                    });
                }
                // No outcome and no target are not remembered: a miss is asked again.
                _ => {}
            }
        }
    }

    /// Everything up to here is durable, so it may be forgotten.
    pub fn durable(&mut self, up_to: Position) {
        self.durable = Some(up_to);
        let is_durable = |c: &Conversation| c.last.is_none_or(|last| !up_to.before(last));
        let mut kept = Vec::new();
        while self.conversations.len() > self.bound {
            let Some(&(used, id)) = self.by_use.first() else {
                break;
            };
            self.by_use.remove(&(used, id));
            if self.conversations.get(&id).is_some_and(is_durable) {
                self.conversations.remove(&id);
            } else {
                kept.push((used, id));
                if kept.len() > 64 {
                    break;
                }
            }
        }
        self.by_use.extend(kept);
    }

    /// Drops what one conversation remembers beyond its bound, as far as it is durable.
    pub fn trim(&mut self, id: ConversationId) {
        let Some(durable) = self.durable else { return };
        let open = |by: Option<Position>| by.is_some_and(|by| durable.before(by));
        if let Some(c) = self.conversations.get_mut(&id) {
            if c.outcomes.len() > KEPT {
                c.outcomes.retain(|_, known| open(known.by));
            }
            if c.targets.len() > KEPT {
                c.targets.retain(|_, known| open(known.by));
            }
            if c.members.len() > KEPT && c.shape() == Some(Shape::Channel) && !open(c.last) {
                c.members.clear();
            }
        }
    }

    /// Forgets everything: the router begins again behind its progress.
    pub fn clear(&mut self) {
        self.conversations.clear();
        self.by_use.clear();
        self.durable = None;
    }
}
