//! What a connection's machine asks of the stores is looked up, and answered.

use parlour_engine::gateway::Input as ToConnection;
use parlour_engine::gateway::connection::Ask;
use parlour_engine::gateway::need::{self, Have, Need};
use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::kind::{self, setting};

use crate::world::{Event, ToNode, World};

/// A call of a connection takes effect now.
pub fn effect(
    world: &mut World,
    at: usize,
    life: u32,
    session: SessionId,
    ask: Ask,
    need: &Need,
    answer_ms: u64,
) {
    let Some(client) = world
        .nodes
        .get(at)
        .filter(|n| n.life == life)
        .and_then(|n| n.connections.get(&session))
        .map(|held| held.client)
    else {
        return;
    };
    let Some(user) = world.clients.get(client).map(|c| c.user) else {
        return;
    };
    let have = match need {
        Need::Admit {
            conversation, peer, ..
        } => {
            let open = world.history.settings(*conversation).iter().any(|s| {
                s.key == format!("{}:{}", kind::SETTING, setting::JOIN)
                    && s.value.as_deref() == Some(setting::OPEN)
            });
            let known = |peer: UserId| world.clients.iter().any(|c| c.user == peer);
            Have::Admit(Box::new(need::Admit {
                entry: entry(world, user, *conversation),
                open,
                peer_exists: peer.is_none_or(known),
                blocked: false,
                newer_lists: Vec::new(),
                nobody: Vec::new(),
            }))
        }
        Need::Inbox { after } => {
            let page = world.roster.inbox(user, *after, 3);
            Have::Inbox(
                page.iter()
                    .filter_map(|e| entry(world, user, e.standing.conversation))
                    .collect(),
            )
        }
        Need::Entry { conversation } => {
            Have::Entry(entry(world, user, *conversation).map(Box::new))
        }
        Need::History {
            conversation,
            after,
            before,
            newest,
            limit,
            changes_since,
        } => {
            let c = *conversation;
            let Some(entry) = entry(world, user, c) else {
                return got(
                    world,
                    at,
                    life,
                    session,
                    ask,
                    Have::History(None),
                    answer_ms,
                );
            };
            let mut more = false;
            // The head row, read before the events: raised in order behind whole batches, so that
            // of a batch that is there in part nothing is taken as known.
            let as_of = entry.standing.head.min(world.history.head(c));
            let before = (*before).min(as_of.seq.next());
            let range = match changes_since {
                None => parlour_ports::history::Range {
                    as_of,
                    ..world.history.range(c, *after, before, *newest, *limit)
                },
                Some(since) => {
                    let targets = world.history.changed(c, *since, *after, before, *limit);
                    more = targets.len() >= *limit;
                    let mut all = parlour_ports::history::Range {
                        as_of,
                        ..Default::default()
                    };
                    for target in targets {
                        let one = world
                            .history
                            .range(c, target.prev(), target.next(), false, 1);
                        all.events.extend(one.events);
                        all.changes.extend(one.changes);
                        all.erased.extend(one.erased);
                    }
                    all
                }
            };
            Have::History(Some(Box::new(need::History {
                entry,
                intervals: world.history.intervals(c, user),
                as_of: range.as_of,
                events: range.events,
                changes: range.changes,
                erased: range.erased,
                more,
            })))
        }
        Need::Marks { conversation } => {
            let members = world.roster.members(*conversation, None, 1_000);
            let users: Vec<UserId> = members.into_iter().map(|(u, _, _)| u).collect();
            Have::Marks(world.roster.marks(*conversation, &users))
        }
        Need::StoreMarks { marks } => Have::Stored(
            marks
                .iter()
                .map(|(c, mark)| (*c, world.roster.mark(user, *c, *mark)))
                .collect(),
        ),
        Need::Mail { .. } => Have::Mail(Vec::new()),
        Need::PutMail { .. } | Need::AckMail { .. } => Have::Done,
        Need::Rights { users } => Have::Rights(users.clone()),
    };
    got(world, at, life, session, ask, have, answer_ms);
}

fn entry(world: &World, user: UserId, conversation: ConversationId) -> Option<need::Entry> {
    let entry = world.roster.entry(user, conversation)?;
    let mut standing = entry.standing;
    if !world.cluster {
        // One machine joins heads with their events.
        standing.head = world.history.head(conversation);
    }
    Some(need::Entry {
        standing,
        mark: entry.mark,
        other: entry.other,
        member: entry.member,
        removed: entry.removed,
        mentions: entry.mentions,
    })
}

pub(super) fn refuse(
    world: &mut World,
    at: usize,
    life: u32,
    session: SessionId,
    ask: Ask,
    after_ms: u64,
) {
    let input = ToConnection::Got {
        ask,
        have: Err(Code::UNAVAILABLE),
    };
    let to = ToNode::Connection(session, Box::new(input));
    world.at(after_ms, Event::Node(at, life, to));
}

fn got(
    world: &mut World,
    at: usize,
    life: u32,
    session: SessionId,
    ask: Ask,
    have: Have,
    answer_ms: u64,
) {
    let input = ToConnection::Got {
        ask,
        have: Ok(have),
    };
    world.at(
        answer_ms,
        Event::Node(at, life, ToNode::Connection(session, Box::new(input))),
    );
}
