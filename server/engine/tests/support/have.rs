//! What a connection gets of what it asked for, and what its node gives it.

use std::sync::Arc;

use parlour_engine::gateway::need::{Admit, Entry, Have, History, Need};
use parlour_engine::gateway::{Given, Prepared};
use parlour_protocol::body::Body;
use parlour_protocol::contents::digest;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client;
use parlour_protocol::frame::server::{State, UserPresence};
use parlour_protocol::id::{ConversationId, DeviceId};
use parlour_protocol::kind::HistoryRule;
use parlour_protocol::node::{Answer, Mail};
use parlour_protocol::row::Standing;
use parlour_protocol::seq::{Head, Mark, Seq};

use super::{ME, Run};
use crate::script::user;
use crate::world::{mark, number, users, value};

impl Run {
    /// An entry of the world's conversation: `member` (at its head), or `as-of=SEQ` for an older
    /// reading; `mark=R/D`, `other=R/D`.
    pub(super) fn entry(&mut self, id: ConversationId, words: &[&str]) -> Entry {
        let end = value(words, "as-of").map_or(Seq::MAX, |n| Seq(number(n)));
        let events = self
            .world
            .events(id, Seq::ZERO, Seq(end.0.saturating_add(1)));
        let last = events.last();
        let direct = ["ann", "bob", "cat", "dan", "eve"]
            .iter()
            .map(|u| user(u))
            .find(|u| ConversationId::direct(user(ME), *u) == id)
            .map(|u| (user(ME), u));
        let member = self.world.intervals(id, user(ME), end).pop();
        let ended = member.and_then(|m| m.until);
        let removed = ended.is_some_and(|until| {
            events.iter().any(|e| {
                e.seq == until.seq
                    && parlour_protocol::record::Header::from_bytes(&e.header)
                        .is_ok_and(|h| h.kind == "remove")
            })
        });
        Entry {
            standing: Standing {
                conversation: id,
                shape: last.map_or(self.world.shape(id), |e| e.carried.shape),
                history: last.map_or(HistoryRule::All, |e| e.carried.history),
                head: last.map_or_else(Head::default, |e| Head {
                    seq: e.seq,
                    n: e.carried.n,
                }),
                members: last.map_or(0, |e| e.carried.members),
                direct,
                name: None,
                topic: None,
            },
            mark: value(words, "mark").map_or_else(Mark::default, mark),
            other: value(words, "other").map(mark),
            member: direct.is_none().then_some(member).flatten(),
            removed,
            mentions: 0,
        }
    }

    /// `nothing`; `admit [member|open] [peer] [blocked] [nobody=USERS]`; else by what was asked.
    pub(super) fn have(&mut self, need: Need, words: &[&str]) -> Have {
        let nothing = words.contains(&"nothing");
        match need {
            Need::Admit { conversation, .. } => {
                let entry = words
                    .contains(&"member")
                    .then(|| self.entry(conversation, words));
                Have::Admit(Box::new(Admit {
                    entry,
                    open: words.contains(&"open"),
                    peer_exists: words.contains(&"peer"),
                    blocked: words.contains(&"blocked"),
                    nobody: value(words, "nobody").map(users).unwrap_or_default(),
                    newer_lists: Vec::new(),
                }))
            }
            Need::Inbox { .. } => {
                let mut entries: Vec<Entry> = words
                    .iter()
                    .map(|place| {
                        let id = self.world.conversation(place);
                        self.entry(id, &[])
                    })
                    .collect();
                entries.sort_by_key(|e| e.standing.conversation);
                Have::Inbox(entries)
            }
            Need::Entry { conversation } => {
                Have::Entry((!nothing).then(|| Box::new(self.entry(conversation, words))))
            }
            Need::History {
                conversation,
                after,
                before,
                newest,
                limit,
                ..
            } => Have::History((!nothing).then(|| {
                let mut events = self.world.events(conversation, after, before);
                if newest && events.len() > limit {
                    events.drain(..events.len() - limit);
                }
                events.truncate(limit);
                let entry = self.entry(conversation, words);
                let intervals = self.world.intervals(conversation, user(ME), Seq::MAX);
                Box::new(History {
                    as_of: entry.standing.head,
                    entry,
                    intervals,
                    events,
                    changes: self.world.changes(conversation),
                    erased: self.world.erased(conversation),
                    more: false,
                })
            })),
            Need::Marks { .. } => Have::Marks(
                words
                    .iter()
                    .map(|w| w.split_once('=').expect("USER=MARK"))
                    .map(|(of, m)| (user(of), mark(m)))
                    .collect(),
            ),
            Need::StoreMarks { marks } => Have::Stored(marks),
            Need::Mail { .. } => Have::Mail(
                words
                    .iter()
                    .map(|w| w.split_once(':').expect("USER:K"))
                    .map(|(of, k)| mail(of, k))
                    .collect(),
            ),
            Need::Rights { .. } => Have::Rights(users(words.first().unwrap_or(&""))),
            Need::PutMail { .. } | Need::AckMail { .. } => Have::Done,
        }
    }

    pub(super) fn given(&mut self, words: &[&str]) -> Given {
        match words {
            ["event", place, seq] => {
                Given::Event(Arc::new(Prepared::new(self.world.event(place, seq))))
            }
            ["raised", place, seq] => {
                let seq = Seq(number(seq));
                Given::Raised {
                    conversation: self.world.conversation(place),
                    head: Head { seq, n: seq.0 },
                }
            }
            ["placed", id, "in", place, seq, rest @ ..] => {
                let conversation = self.world.conversation(place);
                let id = self.world.message(id);
                let digest = value(rest, "says").map(|says| {
                    let mut send = client::Send::empty(id);
                    send.body = Body::text(says);
                    digest(&send, user(ME), conversation)
                });
                Given::Answer {
                    conversation,
                    id,
                    answer: Answer::Placed {
                        seq: Seq(number(seq)),
                        n: number(seq),
                        time_ms: self.now_ms,
                        digest,
                    },
                }
            }
            ["refused", id, "in", place, code] => Given::Answer {
                conversation: self.world.conversation(place),
                id: self.world.message(id),
                answer: Answer::Refused {
                    code: code_of(code),
                },
            },
            ["behind", ms] => Given::Behind {
                after_ms: number(ms),
            },
            ["marked", of, place, m] => Given::Marked {
                user: user(of),
                conversation: self.world.conversation(place),
                mark: mark(m),
            },
            ["typing", of, place] => Given::Typing {
                user: user(of),
                conversation: self.world.conversation(place),
            },
            ["mail", of, k] => Given::Mail(mail(of, k)),
            ["presence", pairs @ ..] => Given::Presence(
                pairs
                    .iter()
                    .map(|pair| pair.split_once('=').expect("USER=on"))
                    .map(|(of, state)| UserPresence {
                        user: user(of),
                        state: if state == "on" {
                            State::Online
                        } else {
                            State::Offline
                        },
                        last_seen_ms: None,
                    })
                    .collect(),
            ),
            ["revoked"] => Given::Revoked,
            other => panic!("nothing is given by {other:?}"),
        }
    }
}

fn mail(of: &str, k: &str) -> Mail {
    Mail {
        from_user: user(of),
        from: DeviceId::from_bytes([user(of).as_bytes()[0] * 16 + 1; 16]),
        k: number(k),
        bytes: vec![1, 2, 3].into(),
    }
}

pub(super) fn code_of(text: &str) -> Code {
    Code(u16::try_from(number(text)).expect("a code"))
}
