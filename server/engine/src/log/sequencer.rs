//! The sequencer: records in, rows out. A pure function of the log (decision 2).

use std::collections::BTreeSet;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::error::Code;
use parlour_protocol::fact::{Fact, Question, Target};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, Class, Shape, setting};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::Answer;
use parlour_protocol::position::Position;
use parlour_protocol::record::{Header, RULES, Record};
use parlour_protocol::row::{Change, Erased, Event, Mention, Outcome, OutcomeRow, Row, Setting};
use parlour_protocol::seq::Seq;

use crate::log::accept::{Effect, accept, setting_key};
use crate::log::memory::{Conversation, Memory};

/// What one record came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Where it lies.
    pub position: Position,
    /// SHA-256 of its bytes.
    pub hash: Bytes,
    /// Its rows; none if it has an outcome already, or none yet.
    pub rows: Vec<Row>,
    /// What its device is told; none for bytes that no gateway makes.
    pub told: Option<Told>,
    /// The event placed, with the payload that is shown to recipients.
    pub event: Option<Event>,
    /// Who is shown it.
    pub audience: Audience,
}

/// How a send ended, for its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The sending user.
    pub user: UserId,
    /// The sending device.
    pub device: DeviceId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The send.
    pub id: MessageId,
    /// How it ended.
    pub answer: Answer,
}

/// Who is shown an event: those whom the membership events before it entitle to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Nobody: there is no event.
    #[default]
    None,
    /// These users.
    Users(Vec<UserId>),
    /// Whoever watches the channel; each node judges its sessions.
    Channel,
}

/// A record of rules that this version does not know: the partition is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRules {
    /// Where it lies.
    pub position: Position,
    /// Their number.
    pub rules: u16,
}

/// The sequencer of one partition.
#[derive(Debug)]
pub struct Sequencer {
    memory: Memory,
    touched: BTreeSet<ConversationId>,
}

impl Sequencer {
    /// A sequencer with an empty memory, which keeps about `conversations` that are durable.
    #[must_use]
    pub fn new(conversations: usize) -> Self {
        Self {
            memory: Memory::new(conversations),
            touched: BTreeSet::new(),
        }
    }

    /// How many conversations it remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// What must be asked before these records, the next of their partition, can be decided: as
    /// of the first one's position.
    #[must_use]
    pub fn questions(&self, batch: &[(Position, Record)]) -> Vec<Question> {
        let mut asked = BTreeSet::new();
        for (_, record) in batch {
            if let Ok(header) = Header::from_bytes(&record.header) {
                self.ask(&header, &mut asked);
            }
        }
        asked.into_iter().collect()
    }

    fn ask(&self, h: &Header, asked: &mut BTreeSet<Question>) {
        let conversation = h.conversation;
        let known = self.memory.get(conversation);
        if known.is_none_or(|c| c.head.is_none()) && !planted(Mutant::HeadNotAsked) {
            asked.insert(Question::Head(conversation));
        }
        let mut outcome = |id: MessageId| {
            if known.is_none_or(|c| c.outcome(h.sender, id).is_none()) {
                asked.insert(Question::Outcome {
                    conversation,
                    sender: h.sender,
                    id,
                });
            }
        };
        outcome(h.id);
        if let Some(after) = h.after {
            outcome(after);
        }
        if h.peer.is_none() {
            let whole = known.is_some_and(|c| c.members_whole);
            if !whole && known.is_none_or(|c| c.shape() != Some(Shape::Channel)) {
                asked.insert(Question::Members(conversation));
            }
            if !whole {
                for user in h.named.iter().map(|n| n.user).chain([h.sender]) {
                    if known.is_none_or(|c| !c.members.contains_key(&user)) {
                        asked.insert(Question::Member { conversation, user });
                    }
                }
            }
        }
        for key in needed_settings(h) {
            if known.is_none_or(|c| !c.settings.contains_key(&key)) {
                asked.insert(Question::Setting { conversation, key });
            }
        }
        if let (Class::Change, Some(seq)) = (h.class, h.target)
            && known.is_none_or(|c| c.target(seq).is_none())
        {
            asked.insert(Question::Target { conversation, seq });
        }
    }

    /// Takes in the answers to [`Sequencer::questions`].
    pub fn learn(&mut self, questions: &[Question], facts: Vec<Fact>) {
        self.memory.learn(questions, facts);
    }

    /// Decides records in their order. Their questions must have been answered.
    ///
    /// # Errors
    /// [`UnknownRules`]: records before that one were decided and are given; it and those behind
    /// it were not looked at.
    pub fn decide(
        &mut self,
        batch: &[(Position, Record)],
    ) -> (Vec<Decided>, Result<(), UnknownRules>) {
        let mut decided = Vec::with_capacity(batch.len());
        for (position, record) in batch {
            if record.rules == 0 || record.rules > RULES {
                let rules = record.rules;
                return (
                    decided,
                    Err(UnknownRules {
                        position: *position,
                        rules,
                    }),
                );
            }
            decided.push(self.decide_one(*position, record));
        }
        (decided, Ok(()))
    }

    fn decide_one(&mut self, position: Position, record: &Record) -> Decided {
        let mut out = Decided {
            position,
            hash: record.hash(),
            rows: Vec::new(),
            told: None,
            event: None,
            audience: Audience::None,
        };
        // Bytes that no gateway makes take no place and stop nobody (invariant 14).
        let Ok(h) = Header::from_bytes(&record.header) else {
            return out;
        };
        self.touched.insert(h.conversation);
        let c = self.memory.change(h.conversation, position);
        let told = |answer| {
            Some(Told {
                user: h.sender,
                device: h.device,
                conversation: h.conversation,
                id: h.id,
                answer,
            })
        };
        if let Some(outcome) = c.outcome(h.sender, h.id)
            && !planted(Mutant::NoDedup)
            && !(planted(Mutant::RefusalForgotten) && matches!(outcome, Outcome::Refused { .. }))
        {
            out.told = told(answer(outcome));
            return out;
        }
        // A cancel waits in line too: what follows it goes by its outcome, and would pass what it
        // waited for.
        if h.after
            .is_some_and(|after| after != h.id && c.outcome(h.sender, after).is_none())
            && !planted(Mutant::AfterIgnored)
            && !(planted(Mutant::CancelPasses) && h.class == Class::Cancel)
        {
            out.told = told(Answer::Refused {
                code: Code::AFTER_UNKNOWN,
            });
            return out;
        }
        let judged = match h.verdict {
            Some(code) if !planted(Mutant::VerdictIgnored) => Err(code),
            _ => accept(&h, position, c),
        };
        let outcome = match judged {
            Err(code) => Outcome::Refused { code },
            Ok(effect) => {
                out.audience = audience(&h, c, &effect);
                let event = place(c, &h, record, position, &effect, &mut out.rows);
                out.event = Some(event);
                Outcome::Placed {
                    seq: effect.seq,
                    n: effect.carried.n,
                    time_ms: h.time_ms,
                    digest: h.digest,
                }
            }
        };
        c.set_outcome(h.sender, h.id, outcome);
        out.rows.push(Row::Outcome(OutcomeRow {
            conversation: h.conversation,
            sender: h.sender,
            id: h.id,
            position,
            at: c.head.map_or(Seq::ZERO, |(seq, _)| seq),
            outcome,
        }));
        out.told = told(answer(outcome));
        out
    }

    /// Everything up to here is durable: the memory may forget it.
    pub fn durable(&mut self, up_to: Position) {
        let up_to = if planted(Mutant::ForgetsUndurable) {
            Position {
                offset: parlour_protocol::position::Offset(u64::MAX),
                ..up_to
            }
        } else {
            up_to
        };
        self.memory.durable(up_to);
        for id in core::mem::take(&mut self.touched) {
            self.memory.trim(id);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.memory.clear();
        self.touched.clear();
    }
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Placed {
            seq,
            n,
            time_ms,
            digest,
        } => Answer::Placed {
            seq,
            n,
            time_ms,
            digest,
        },
        Outcome::Refused { code } => Answer::Refused { code },
    }
}

/// The settings on which a record's acceptance depends.
fn needed_settings(h: &Header) -> Vec<String> {
    let of = |key| vec![setting_key(kind::SETTING, Some(key))];
    match (h.class, h.peer) {
        (Class::Content, None) => of(setting::POST),
        (Class::Membership, None) if h.kind == kind::ADD => of(setting::ADD),
        (Class::Membership, None) if h.kind == kind::JOIN => of(setting::JOIN),
        (Class::Setting, _) if h.base.is_some() => vec![setting_key(&h.kind, h.key.as_deref())],
        _ => Vec::new(),
    }
}

/// Who may read the event's place by the memberships before and at it: of groups everyone who is
/// in, comes in or goes out there.
fn audience(h: &Header, c: &Conversation, effect: &Effect) -> Audience {
    match effect.carried.shape {
        Shape::Direct => {
            let mut users = vec![h.sender];
            users.extend(h.peer.filter(|p| *p != h.sender));
            Audience::Users(users)
        }
        Shape::Channel => Audience::Channel,
        Shape::Group => {
            let mut users: BTreeSet<UserId> = c
                .members
                .iter()
                .filter(|(_, interval)| interval.is_some_and(|i| i.reads(effect.seq)))
                .map(|(user, _)| *user)
                .collect();
            users.extend(effect.intervals.iter().map(|i| i.user));
            Audience::Users(users.into_iter().collect())
        }
    }
}

/// Writes the event's rows, and what the memory makes of them.
fn place(
    c: &mut Conversation,
    h: &Header,
    record: &Record,
    position: Position,
    effect: &Effect,
    rows: &mut Vec<Row>,
) -> Event {
    let conversation = h.conversation;
    let seq = effect.seq;
    let event = Event {
        conversation,
        seq,
        position,
        carried: effect.carried,
        header: record.header.clone(),
        payload: record.payload.clone(),
    };
    // What a change says lies once, beside its target.
    rows.push(Row::Event(match h.class {
        Class::Change => Event {
            payload: Bytes::default(),
            ..event.clone()
        },
        _ => event.clone(),
    }));
    match (h.class, h.target) {
        (Class::Change, Some(target)) => {
            let of_one = matches!(h.kind.as_str(), kind::EDIT | kind::DELETE | kind::PIN);
            rows.push(Row::Change(Change {
                conversation,
                target,
                kind: h.kind.clone(),
                user: if of_one { UserId::NIL } else { h.sender },
                key: if of_one {
                    String::new()
                } else {
                    h.key.clone().unwrap_or_default()
                },
                seq,
                position,
                header: record.header.clone(),
                payload: record.payload.clone(),
            }));
            if h.kind == kind::DELETE {
                rows.push(Row::Erased(Erased {
                    conversation,
                    target,
                    seq,
                    position,
                    by: h.sender,
                }));
                if let Some(erased) = c.target(target) {
                    c.set_target(
                        target,
                        Target {
                            erased: true,
                            ..erased
                        },
                    );
                }
            }
        }
        (Class::Setting, _) => {
            let key = setting_key(&h.kind, h.key.as_deref());
            c.settings.insert(key.clone(), Some((seq, h.value.clone())));
            rows.push(Row::Setting(Setting {
                conversation,
                key,
                seq,
                position,
                value: h.value.clone(),
                payload: record.payload.clone(),
            }));
        }
        (Class::Content, _) => {
            c.set_target(
                seq,
                Target {
                    sender: h.sender,
                    class: h.class,
                    erased: false,
                },
            );
            let users: BTreeSet<UserId> = h.mentions.users.iter().copied().collect();
            let everyone = h.mentions.everyone.then_some(UserId::NIL);
            rows.extend(users.into_iter().chain(everyone).map(|user| {
                Row::Mention(Mention {
                    user,
                    conversation,
                    seq,
                    position,
                })
            }));
        }
        _ => {}
    }
    for interval in &effect.intervals {
        let open = interval.until.is_none().then_some(*interval);
        c.members.insert(interval.user, open);
        rows.push(Row::Interval(*interval));
    }
    if h.class == Class::Membership && h.kind == kind::CREATE {
        c.members_whole = effect.carried.shape == Shape::Group;
    }
    c.head = Some((seq, effect.carried));
    event
}
