//! The roster, joined from what the history's own commit writes: no inbox rows.

use async_trait::async_trait;
use minicbor::{Decode, Encode};
use parlour_ports::Error;
use parlour_ports::roster::{Change, Entry, Roster};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{Role, Shape};
use parlour_protocol::row::{Interval, Mention, Row, Standing};
use parlour_protocol::seq::{Mark, Seq};

use crate::commit::Tx;
use crate::history::write;
use crate::store::Shared;
use crate::table;
use crate::view::View;

/// That a user is or was in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Member {
    /// The latest membership; none in a direct conversation.
    #[n(0)]
    pub(crate) member: Option<Interval>,
    /// Whether it ended by another's hand.
    #[n(1)]
    pub(crate) removed: bool,
}

/// What came of a conversation before it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Early {
    #[n(0)]
    name: Option<(Seq, String)>,
    #[n(1)]
    topic: Option<(Seq, String)>,
}

/// Applies one change; the highest seq wins in any order of arrival.
pub(crate) fn apply(tx: &mut Tx<'_>, change: &Change) {
    match change {
        Change::Standing(new) => {
            let key = table::standing(new.conversation);
            match tx.get::<Standing>(&key) {
                None => {
                    let early = table::early(new.conversation);
                    let Early { name, topic } = tx.get(&early).unwrap_or_default();
                    if name.is_some() || topic.is_some() {
                        tx.remove(early);
                    }
                    let standing = Standing {
                        name,
                        topic,
                        ..new.clone()
                    };
                    tx.put(key, &standing);
                    for user in new.direct.into_iter().flat_map(|(a, b)| [a, b]) {
                        let row = Member {
                            member: None,
                            removed: false,
                        };
                        tx.put(table::member(user, new.conversation), &row);
                    }
                }
                Some(there) if there.head < new.head => {
                    let standing = Standing {
                        direct: there.direct.or(new.direct),
                        name: there.name,
                        topic: there.topic,
                        ..new.clone()
                    };
                    tx.put(key, &standing);
                }
                Some(_) => {}
            }
        }
        Change::Name {
            conversation,
            seq,
            name,
        } => call(tx, *conversation, |there, _| newer(there, *seq, name)),
        Change::Topic {
            conversation,
            seq,
            topic,
        } => call(tx, *conversation, |_, there| newer(there, *seq, topic)),
        Change::Member { member, removed } => {
            let key = table::member(member.user, member.conversation);
            let wins = match tx.get::<Member>(&key).and_then(|m| m.member) {
                None => true,
                Some(there) => {
                    there.from.seq < member.from.seq
                        || (there.from.seq == member.from.seq && there.until.is_none())
                }
            };
            if wins {
                tx.put(
                    key,
                    &Member {
                        member: Some(*member),
                        removed: *removed,
                    },
                );
            }
        }
        Change::Mention(mention) => {
            write(tx, &Row::Mention(*mention));
        }
        // The head is joined from how the conversation stands, which is written with its event.
        Change::Raise { .. } => {}
    }
}

fn newer(there: &mut Option<(Seq, String)>, seq: Seq, text: &str) {
    if there.as_ref().is_none_or(|(at, _)| *at < seq) {
        *there = Some((seq, text.to_owned()));
    }
}

type Called = Option<(Seq, String)>;

/// Changes a conversation's name and topic, whether it stands yet or not.
fn call(tx: &mut Tx<'_>, conversation: ConversationId, f: impl FnOnce(&mut Called, &mut Called)) {
    let key = table::standing(conversation);
    if let Some(mut standing) = tx.get::<Standing>(&key) {
        f(&mut standing.name, &mut standing.topic);
        tx.put(key, &standing);
    } else {
        let key = table::early(conversation);
        let mut early: Early = tx.get(&key).unwrap_or_default();
        f(&mut early.name, &mut early.topic);
        tx.put(key, &early);
    }
}

impl View {
    fn own_mark(&self, user: UserId, conversation: ConversationId) -> Result<Mark, Error> {
        Ok(self
            .get(&table::mark(user, conversation))?
            .unwrap_or_default())
    }

    /// Messages in (after, upto] that mention the user, by name or with everyone.
    fn count_mentions(
        &self,
        user: UserId,
        conversation: ConversationId,
        after: Seq,
        upto: Seq,
    ) -> Result<u32, Error> {
        let mut seqs = std::collections::BTreeSet::new();
        for of in [user, UserId::NIL] {
            if after >= upto {
                break;
            }
            let prefix = || table::mentions(of, conversation);
            let keys = prefix().number(after.next().0).0..=prefix().number(upto.0).0;
            self.each(self.range(keys), |_, mention: Mention| {
                seqs.insert(mention.seq);
                true
            })?;
        }
        Ok(u32::try_from(seqs.len()).unwrap_or(u32::MAX))
    }

    fn joined(
        &self,
        user: UserId,
        conversation: ConversationId,
        member: Member,
    ) -> Result<Option<Entry>, Error> {
        let Some(standing) = self.get::<Standing>(&table::standing(conversation))? else {
            return Ok(None);
        };
        let mark = self.own_mark(user, conversation)?;
        let other = match standing.direct {
            Some((a, b)) if a != b => {
                Some(self.own_mark(if a == user { b } else { a }, conversation)?)
            }
            _ => None,
        };
        let joined = member.member.map_or(Seq::ZERO, |m| m.joined);
        let after = mark.read.seq.max(joined);
        let upto = member
            .member
            .and_then(|m| m.until)
            .map_or(standing.head.seq, |until| until.seq);
        let mentions = self.count_mentions(user, conversation, after, upto)?;
        Ok(Some(Entry {
            standing,
            mark,
            other,
            member: member.member,
            removed: member.removed,
            mentions,
        }))
    }
}

#[async_trait]
impl Roster for Shared {
    async fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                for change in &changes {
                    // A batch of history brings its memberships with it; here they come alone.
                    if let Change::Member { member, .. } = change {
                        write(tx, &Row::Interval(*member));
                    }
                    apply(tx, change);
                }
            })
            .await
    }

    async fn inbox(
        &self,
        user: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let (view, mut rows) = (self.view(), Vec::new());
        let from = match after {
            // Behind a key is that key and one more byte.
            Some(after) => {
                let mut key = table::member(user, after);
                key.push(0);
                key
            }
            None => table::members_of(user).0,
        };
        let mut to = table::members_of(user).0;
        to.extend_from_slice(&[0xff; 17]);
        view.each(view.range(from..to), |key, member: Member| {
            if let Some(id) = key.last_chunk::<16>() {
                rows.push((ConversationId::from_bytes(*id), member));
            }
            rows.len() < limit
        })?;
        let mut entries = Vec::with_capacity(rows.len());
        for (conversation, member) in rows {
            entries.extend(view.joined(user, conversation, member)?);
        }
        Ok(entries)
    }

    async fn entry(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Entry>, Error> {
        let view = self.view();
        match view.get::<Member>(&table::member(user, conversation))? {
            None => Ok(None),
            Some(member) => view.joined(user, conversation, member),
        }
    }

    async fn standing(&self, conversation: ConversationId) -> Result<Option<Standing>, Error> {
        self.get(&table::standing(conversation))
    }

    async fn members(
        &self,
        conversation: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Role, Seq)>, Error> {
        let view = self.view();
        if let Some(standing) = view.get::<Standing>(&table::standing(conversation))?
            && let Some((a, b)) = standing.direct
        {
            let mut users = vec![a, b];
            users.dedup();
            users.retain(|u| after.is_none_or(|after| *u > after));
            return Ok(users
                .into_iter()
                .take(limit)
                .map(|u| (u, Role::Member, Seq::ZERO))
                .collect());
        }
        let from = match after {
            Some(after) => {
                let mut key = table::intervals_of(conversation, after).0;
                key.extend_from_slice(&[0xff; 9]);
                key
            }
            None => table::intervals(conversation).0,
        };
        let mut to = table::intervals(conversation).0;
        to.extend_from_slice(&[0xff; 25]);
        let mut out: Vec<(UserId, Role, Seq)> = Vec::new();
        view.each(view.range(from..to), |_, interval: Interval| {
            if interval.until.is_none() {
                out.push((interval.user, interval.role, interval.joined));
            }
            out.len() < limit
        })?;
        Ok(out)
    }

    async fn mark(
        &self,
        user: UserId,
        marks: Vec<(ConversationId, Mark)>,
    ) -> Result<Vec<(ConversationId, Mark)>, Error> {
        self.committer
            .run(move |tx| {
                marks
                    .into_iter()
                    .map(|(conversation, mark)| {
                        let key = table::mark(user, conversation);
                        let there = tx.get::<Mark>(&key).unwrap_or_default();
                        let joined = there.join(mark);
                        if joined != there {
                            tx.put(key, &joined);
                        }
                        (conversation, joined)
                    })
                    .collect()
            })
            .await
    }

    async fn marks(
        &self,
        conversation: ConversationId,
        users: Vec<UserId>,
    ) -> Result<Vec<(UserId, Mark)>, Error> {
        let view = self.view();
        users
            .into_iter()
            .map(|user| Ok((user, view.own_mark(user, conversation)?)))
            .collect()
    }

    async fn share(&self, a: UserId, b: UserId) -> Result<bool, Error> {
        let view = self.view();
        let direct = table::member(a, ConversationId::direct(a, b));
        if view.get::<Member>(&direct)?.is_some() {
            return Ok(true);
        }
        let mut theirs = Vec::new();
        view.each(
            view.prefix(table::members_of(a).0),
            |key, member: Member| {
                if member.member.is_some_and(|m| m.until.is_none())
                    && let Some(id) = key.last_chunk::<16>()
                {
                    theirs.push(ConversationId::from_bytes(*id));
                }
                true
            },
        )?;
        for conversation in theirs {
            let open = self
                .get::<Member>(&table::member(b, conversation))?
                .and_then(|m| m.member)
                .is_some_and(|m| m.until.is_none());
            if open
                && self
                    .get::<Standing>(&table::standing(conversation))?
                    .is_some_and(|s| s.shape == Shape::Group)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
