//! The in-memory reference of the roster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{Role, Shape};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::row::{Interval, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::Error;
use crate::roster::{Change, Entry, Roster};

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    standings: BTreeMap<ConversationId, Standing>,
    names: BTreeMap<ConversationId, (Seq, String)>,
    topics: BTreeMap<ConversationId, (Seq, String)>,
    members: BTreeMap<(UserId, ConversationId), (Interval, bool)>,
    heads: BTreeMap<(UserId, ConversationId), Head>,
    channel_heads: BTreeMap<ConversationId, Head>,
    marks: BTreeMap<(UserId, ConversationId), Mark>,
    mentions: BTreeSet<(UserId, ConversationId, Seq)>,
}

fn raise<K: Ord>(map: &mut BTreeMap<K, (Seq, String)>, key: K, seq: Seq, text: &str) {
    let there = map.entry(key).or_default();
    if there.0 <= seq {
        *there = (seq, text.to_owned());
    }
}

impl State {
    /// Applies a change; the highest seq wins in any order of arrival.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Standing(new) => {
                let there = self
                    .standings
                    .entry(new.conversation)
                    .or_insert_with(|| new.clone());
                if there.head < new.head {
                    let direct = there.direct.or(new.direct);
                    *there = Standing {
                        direct,
                        ..new.clone()
                    };
                }
            }
            Change::Name {
                conversation,
                seq,
                name,
            } => {
                raise(&mut self.names, *conversation, *seq, name);
            }
            Change::Topic {
                conversation,
                seq,
                topic,
            } => {
                raise(&mut self.topics, *conversation, *seq, topic);
            }
            Change::Member { member, removed } => {
                let key = (member.user, member.conversation);
                let wins = self.members.get(&key).is_none_or(|(there, _)| {
                    there.from.seq < member.from.seq
                        || (there.from.seq == member.from.seq && there.until.is_none())
                });
                if wins {
                    self.members.insert(key, (*member, *removed));
                }
            }
            Change::Mention(m) => {
                self.mentions.insert((m.user, m.conversation, m.seq));
            }
            Change::Raise {
                conversation,
                head,
                users,
            } if users.is_empty() => {
                let there = self.channel_heads.entry(*conversation).or_default();
                *there = (*there).max(*head);
            }
            Change::Raise {
                conversation,
                head,
                users,
            } => {
                for user in users {
                    let there = self.heads.entry((*user, *conversation)).or_default();
                    *there = (*there).max(*head);
                }
            }
        }
    }

    /// See [`Roster::standing`].
    #[must_use]
    pub fn standing(&self, conversation: ConversationId) -> Option<Standing> {
        let mut standing = self.standings.get(&conversation)?.clone();
        standing.name = self.names.get(&conversation).cloned();
        standing.topic = self.topics.get(&conversation).cloned();
        Some(standing)
    }

    /// See [`Roster::entry`]. The head is the raised one.
    #[must_use]
    pub fn entry(&self, user: UserId, conversation: ConversationId) -> Option<Entry> {
        let mut standing = self.standing(conversation)?;
        let member = self.members.get(&(user, conversation)).copied();
        let direct = standing.direct.filter(|(a, b)| *a == user || *b == user);
        if member.is_none() && direct.is_none() {
            return None;
        }
        standing.head = match standing.shape {
            Shape::Channel => self.channel_heads.get(&conversation).copied(),
            _ => self.heads.get(&(user, conversation)).copied(),
        }
        .unwrap_or_default();
        let mark = self.mark_of(user, conversation);
        let other = direct
            .filter(|(a, b)| a != b)
            .map(|(a, b)| self.mark_of(if a == user { b } else { a }, conversation));
        let joined = member.map_or(Seq::ZERO, |(m, _)| m.joined);
        let after = mark.read.seq.max(joined);
        let upto = member
            .and_then(|(m, _)| m.until)
            .map_or(standing.head.seq, |u| u.seq);
        // A message that names the user and everyone is one mention.
        let mentions: BTreeSet<Seq> = [user, UserId::NIL]
            .into_iter()
            .flat_map(|of| {
                self.mentions
                    .range((of, conversation, Seq::ZERO)..=(of, conversation, Seq::MAX))
            })
            .map(|(_, _, seq)| *seq)
            .filter(|seq| *seq > after && *seq <= upto)
            .collect();
        Some(Entry {
            standing,
            mark,
            other,
            member: member.map(|(m, _)| m),
            removed: member.is_some_and(|(_, removed)| removed),
            mentions: u32::try_from(mentions.len()).unwrap_or(u32::MAX),
        })
    }

    fn mark_of(&self, user: UserId, conversation: ConversationId) -> Mark {
        self.marks
            .get(&(user, conversation))
            .copied()
            .unwrap_or_default()
    }

    /// See [`Roster::inbox`].
    #[must_use]
    pub fn inbox(&self, user: UserId, after: Option<ConversationId>, limit: usize) -> Vec<Entry> {
        let of_members = self
            .members
            .range((user, ConversationId::NIL)..)
            .take_while(|((u, _), _)| *u == user)
            .map(|((_, c), _)| *c);
        let of_direct = self
            .standings
            .values()
            .filter(|s| s.direct.is_some_and(|(a, b)| a == user || b == user))
            .map(|s| s.conversation);
        let ids: BTreeSet<ConversationId> = of_members.chain(of_direct).collect();
        ids.into_iter()
            .filter(|c| after.is_none_or(|after| *c > after))
            .filter_map(|c| self.entry(user, c))
            .take(limit)
            .collect()
    }

    /// See [`Roster::members`].
    #[must_use]
    pub fn members(
        &self,
        conversation: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Vec<(UserId, Role, Seq)> {
        let direct = self.standings.get(&conversation).and_then(|s| s.direct);
        let of_direct = direct.into_iter().flat_map(|(a, b)| [a, b]);
        let mut members: BTreeMap<UserId, (Role, Seq)> =
            of_direct.map(|u| (u, (Role::Member, Seq::ZERO))).collect();
        for ((user, c), (member, _)) in &self.members {
            if *c == conversation && member.until.is_none() {
                members.insert(*user, (member.role, member.joined));
            }
        }
        members
            .into_iter()
            .filter(|(user, _)| after.is_none_or(|after| *user > after))
            .map(|(user, (role, joined))| (user, role, joined))
            .take(limit)
            .collect()
    }

    /// See [`Roster::mark`].
    pub fn mark(&mut self, user: UserId, conversation: ConversationId, mark: Mark) -> Mark {
        let there = self.marks.entry((user, conversation)).or_default();
        *there = if planted(Mutant::MarkGoesDown) {
            mark
        } else {
            there.join(mark)
        };
        *there
    }

    /// See [`Roster::marks`].
    #[must_use]
    pub fn marks(&self, conversation: ConversationId, users: &[UserId]) -> Vec<(UserId, Mark)> {
        users
            .iter()
            .map(|user| (*user, self.mark_of(*user, conversation)))
            .collect()
    }

    /// See [`Roster::share`].
    #[must_use]
    pub fn share(&self, a: UserId, b: UserId) -> bool {
        let open = |user: UserId, c: ConversationId| {
            self.members
                .get(&(user, c))
                .is_some_and(|(m, _)| m.until.is_none())
        };
        self.standings.contains_key(&ConversationId::direct(a, b))
            || self
                .standings
                .values()
                .filter(|s| s.shape == Shape::Group)
                .any(|s| open(a, s.conversation) && open(b, s.conversation))
    }
}

/// The reference behind the trait.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Roster for Memory {
    async fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        let mut state = self.state();
        changes.iter().for_each(|change| state.apply(change));
        Ok(())
    }
    async fn inbox(
        &self,
        user: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        Ok(self.state().inbox(user, after, limit))
    }
    async fn entry(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Entry>, Error> {
        Ok(self.state().entry(user, conversation))
    }
    async fn standing(&self, conversation: ConversationId) -> Result<Option<Standing>, Error> {
        Ok(self.state().standing(conversation))
    }
    async fn members(
        &self,
        conversation: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Role, Seq)>, Error> {
        Ok(self.state().members(conversation, after, limit))
    }
    async fn mark(
        &self,
        user: UserId,
        marks: Vec<(ConversationId, Mark)>,
    ) -> Result<Vec<(ConversationId, Mark)>, Error> {
        let mut state = self.state();
        Ok(marks
            .into_iter()
            .map(|(c, mark)| (c, state.mark(user, c, mark)))
            .collect())
    }
    async fn marks(
        &self,
        conversation: ConversationId,
        users: Vec<UserId>,
    ) -> Result<Vec<(UserId, Mark)>, Error> {
        Ok(self.state().marks(conversation, &users))
    }
    async fn share(&self, a: UserId, b: UserId) -> Result<bool, Error> {
        Ok(self.state().share(a, b))
    }
}
