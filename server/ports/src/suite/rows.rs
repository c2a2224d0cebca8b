//! Rows as the sequencer makes them, for one conversation, and what a store of them must answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::error::Code;
use parlour_protocol::fact::Question;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Header;
use parlour_protocol::roster;
use parlour_protocol::row::{
    Carried, Change, Edge, Erased, Event, Interval, Mention, Outcome, OutcomeRow, Row, Setting,
};
use parlour_protocol::seq::{Head, Seq};

use crate::history::{History, Range, memory};
use crate::roster::Roster;
use crate::suite::{conversation, device, message};

/// History and roster of one store.
#[derive(Clone)]
pub struct Store {
    /// What was sequenced.
    pub history: Arc<dyn History>,
    /// How things stand.
    pub roster: Arc<dyn Roster>,
}

impl Store {
    /// Writes rows as a router does: the rows, how things stand, and then the raised head.
    pub async fn write(&self, maker: &Maker, rows: &[Row]) {
        let append = self.history.append(maker.partition, rows.to_vec());
        append.await.expect("rows are stored");
        let mut changes = roster::changes(rows);
        changes.extend(maker.raise(rows));
        let apply = self.roster.apply(changes);
        apply.await.expect("how things stand is stored");
    }
}

/// Makes the rows of one conversation, record by record.
#[derive(Clone, Debug)]
pub struct Maker {
    case: String,
    /// The conversation.
    pub conversation: ConversationId,
    /// Its partition.
    pub partition: Partition,
    /// What the next record gets.
    pub next: Position,
    /// The newest place.
    pub head: Head,
    /// What headers say is the time.
    pub time_ms: u64,
    shape: Shape,
    prev: Seq,
    open: BTreeMap<UserId, Interval>,
    direct: Vec<UserId>,
    /// Sends so far: whose, and which.
    pub sent: Vec<(UserId, MessageId)>,
}

impl Maker {
    /// A group, or channel, of these users, made by the first.
    #[must_use]
    pub fn new(case: &str, number: u64, shape: Shape, users: &[UserId]) -> (Self, Vec<Row>) {
        let mut maker = Self {
            case: case.to_owned(),
            conversation: conversation(case, number),
            partition: Partition(0),
            next: Position {
                generation: Generation(1),
                partition: Partition(0),
                offset: Offset(10),
            },
            head: Head::default(),
            time_ms: 1_700_000_000_000,
            shape,
            prev: Seq::ZERO,
            open: BTreeMap::new(),
            direct: Vec::new(),
            sent: Vec::new(),
        };
        let rows = maker.member(users[0], kind::CREATE, |maker, edge| {
            let joins = |(n, user): (usize, &UserId)| {
                let role = if n == 0 { Role::Owner } else { Role::Member };
                maker.begin(*user, edge, role, edge.seq)
            };
            users.iter().enumerate().map(joins).collect()
        });
        (maker, rows)
    }

    /// The next record belongs to another conversation of the partition.
    pub fn skip(&mut self) {
        self.next = self.next.next();
    }

    /// A new generation begins: its offsets begin at 0 again.
    pub fn new_generation(&mut self) {
        self.next.generation = Generation(self.next.generation.0 + 1);
        self.next.offset = Offset(0);
    }

    fn header(&mut self, sender: UserId, class: Class, kind: &str) -> Header {
        let id = message(&self.case, self.sent.len() as u64);
        self.sent.push((sender, id));
        self.time_ms += 1;
        let device = device(&self.case, 0);
        Header::new(
            self.conversation,
            id,
            sender,
            device,
            class,
            kind,
            self.time_ms,
        )
    }

    /// The event's row and its outcome. Other rows of the event come between.
    fn place(&mut self, header: &Header, payload: Bytes, beside: Vec<Row>) -> Vec<Row> {
        let position = self.next;
        self.next = position.next();
        self.head = Head {
            seq: self.head.seq.next(),
            n: self.head.n + u64::from(header.class == Class::Content),
        };
        let quiet = self.shape == Shape::Channel && header.class == Class::Membership;
        let direct = self.shape == Shape::Direct;
        let mut rows = vec![Row::Event(Event {
            conversation: self.conversation,
            seq: self.head.seq,
            position,
            carried: Carried {
                n: self.head.n,
                prev: self.prev,
                members: if direct { 2 } else { self.open.len() as u32 },
                shape: self.shape,
                history: HistoryRule::All,
                quiet,
            },
            header: header.to_bytes(),
            payload,
        })];
        if !quiet {
            self.prev = self.head.seq;
        }
        rows.extend(beside);
        rows.push(self.outcome(
            header,
            position,
            Outcome::Placed {
                seq: self.head.seq,
                n: self.head.n,
                time_ms: header.time_ms,
                digest: None,
            },
        ));
        rows
    }

    fn outcome(&self, header: &Header, position: Position, outcome: Outcome) -> Row {
        Row::Outcome(OutcomeRow {
            conversation: self.conversation,
            sender: header.sender,
            id: header.id,
            position,
            at: self.head.seq,
            outcome,
        })
    }

    fn here(&self) -> Edge {
        Edge {
            seq: self.head.seq.next(),
            position: self.next,
        }
    }

    /// A message that mentions these users; the nil user is everyone.
    pub fn say(&mut self, sender: UserId, mentions: &[UserId]) -> Vec<Row> {
        let mut header = self.header(sender, Class::Content, kind::MESSAGE);
        header.mentions.everyone = mentions.contains(&UserId::NIL);
        header.mentions.users = mentions.to_vec();
        header.mentions.users.retain(|u| *u != UserId::NIL);
        let Edge { seq, position } = self.here();
        let mention = |user: &UserId| {
            Row::Mention(Mention {
                user: *user,
                conversation: self.conversation,
                seq,
                position,
            })
        };
        let beside = mentions.iter().map(mention).collect();
        let text = format!("{} says {seq} in {}", sender, self.conversation);
        self.place(&header, Bytes::from(text.into_bytes()), beside)
    }

    /// A message in a direct conversation.
    pub fn say_to(case: &str, from: UserId, to: UserId) -> (Self, Vec<Row>) {
        let (mut maker, _) = Self::new(case, 0, Shape::Direct, &[from]);
        maker.conversation = ConversationId::direct(from, to);
        maker.head = Head::default();
        maker.prev = Seq::ZERO;
        maker.open.clear();
        maker.sent.clear();
        maker.direct = vec![from, to];
        let mut header = maker.header(from, Class::Content, kind::MESSAGE);
        header.peer = Some(to);
        let rows = maker.place(&header, Bytes::from(b"hello".as_slice()), Vec::new());
        (maker, rows)
    }

    /// An edit, deletion, reaction or pin of a target.
    pub fn alter(&mut self, sender: UserId, kind: &str, key: &str, target: Seq) -> Vec<Row> {
        let mut header = self.header(sender, Class::Change, kind);
        header.target = Some(target);
        header.key = (!key.is_empty()).then(|| key.to_owned());
        let Edge { seq, position } = self.here();
        let of_each = kind == kind::REACTION;
        let payload = Bytes::from(format!("{kind} at {seq}").into_bytes());
        let mut beside = vec![Row::Change(Change {
            conversation: self.conversation,
            target,
            kind: kind.to_owned(),
            user: if of_each { sender } else { UserId::NIL },
            key: key.to_owned(),
            seq,
            position,
            header: header.to_bytes(),
            payload,
        })];
        if kind == kind::DELETE {
            beside.push(Row::Erased(Erased {
                conversation: self.conversation,
                target,
                seq,
                position,
                by: sender,
            }));
        }
        self.place(&header, Bytes::default(), beside)
    }

    /// A setting: `name`, `topic`, or another key.
    pub fn set(&mut self, sender: UserId, key: &str, value: &str) -> Vec<Row> {
        let header = self.header(sender, Class::Setting, key);
        let Edge { seq, position } = self.here();
        let beside = vec![Row::Setting(Setting {
            conversation: self.conversation,
            key: key.to_owned(),
            seq,
            position,
            value: Some(value.to_owned()),
            payload: Bytes::from(value.as_bytes()),
        })];
        self.place(&header, Bytes::default(), beside)
    }

    /// A refusal for ever: no place, an outcome alone.
    pub fn refuse(&mut self, sender: UserId) -> Vec<Row> {
        let header = self.header(sender, Class::Content, kind::MESSAGE);
        let position = self.next;
        self.next = position.next();
        let code = Code::FORBIDDEN;
        vec![self.outcome(&header, position, Outcome::Refused { code })]
    }

    /// A user comes in.
    pub fn add(&mut self, by: UserId, user: UserId) -> Vec<Row> {
        self.member(by, kind::ADD, |maker, edge| {
            vec![maker.begin(user, edge, Role::Member, edge.seq)]
        })
    }

    /// A user goes out: by another's hand, or their own.
    pub fn remove(&mut self, by: UserId, user: UserId) -> Vec<Row> {
        let kind = if by == user {
            kind::LEAVE
        } else {
            kind::REMOVE
        };
        self.member(by, kind, |maker, edge| maker.end(user, edge))
    }

    /// A member gets another role: one membership ends where the next begins.
    pub fn role(&mut self, by: UserId, user: UserId, role: Role) -> Vec<Row> {
        self.member(by, kind::ROLE, |maker, edge| {
            let mut rows = maker.end(user, edge);
            let joined = rows.first().map_or(edge.seq, |i| i.joined);
            rows.push(maker.begin(user, edge, role, joined));
            rows
        })
    }

    fn member(
        &mut self,
        by: UserId,
        kind: &str,
        make: impl FnOnce(&mut Self, Edge) -> Vec<Interval>,
    ) -> Vec<Row> {
        let header = self.header(by, Class::Membership, kind);
        let edge = self.here();
        let beside = make(self, edge).into_iter().map(Row::Interval).collect();
        self.place(&header, Bytes::default(), beside)
    }

    fn begin(&mut self, user: UserId, from: Edge, role: Role, joined: Seq) -> Interval {
        let interval = Interval {
            conversation: self.conversation,
            user,
            from,
            until: None,
            role,
            n: self.head.n,
            joined,
        };
        self.open.insert(user, interval);
        interval
    }

    fn end(&mut self, user: UserId, edge: Edge) -> Vec<Interval> {
        let ended = self.open.remove(&user).map(|mut interval| {
            interval.until = Some(edge);
            interval
        });
        ended.into_iter().collect()
    }

    /// The head of these rows, raised for whoever is a member now.
    #[must_use]
    pub fn raise(&self, rows: &[Row]) -> Option<crate::roster::Change> {
        let heads = rows.iter().filter_map(|row| match row {
            Row::Event(event) => Some(Head {
                seq: event.seq,
                n: event.carried.n,
            }),
            _ => None,
        });
        let named = rows.iter().filter_map(|row| match row {
            Row::Interval(interval) => Some(interval.user),
            _ => None,
        });
        let mut users: Vec<UserId> = self.open.keys().copied().chain(named).collect();
        users.sort();
        users.dedup();
        Some(crate::roster::Change::Raise {
            conversation: self.conversation,
            head: heads.max()?,
            users: match self.shape {
                Shape::Channel => Vec::new(),
                Shape::Group => users,
                Shape::Direct => self.direct.clone(),
            },
        })
    }

    /// Every question that could be asked of the conversation.
    #[must_use]
    pub fn questions(&self, users: &[UserId], keys: &[&str]) -> Vec<Question> {
        let conversation = self.conversation;
        let mut out = vec![
            Question::Head(conversation),
            Question::Members(conversation),
        ];
        out.extend(self.sent.iter().map(|(sender, id)| Question::Outcome {
            conversation,
            sender: *sender,
            id: *id,
        }));
        out.extend(users.iter().map(|user| Question::Member {
            conversation,
            user: *user,
        }));
        out.extend(keys.iter().map(|key| Question::Setting {
            conversation,
            key: (*key).to_owned(),
        }));
        out.extend((0..=self.head.seq.0 + 1).map(|seq| Question::Target {
            conversation,
            seq: Seq(seq),
        }));
        out
    }
}

/// Sorted as one may read it: the order of what lies beside events is nobody's promise.
fn sorted(mut range: Range) -> Range {
    range
        .changes
        .sort_by_key(|c| (c.target, c.kind.clone(), c.user, c.key.clone()));
    range.erased.sort_by_key(|e| e.target);
    range
}

/// The store answers as the reference does that got the same rows: every question as of every
/// place of the log, every page, every list.
pub async fn agree(
    store: &Store,
    model: &memory::State,
    maker: &Maker,
    users: &[UserId],
    keys: &[&str],
) {
    let (c, history) = (maker.conversation, &store.history);
    let questions = maker.questions(users, keys);
    let mut as_of = Vec::new();
    for generation in 1..=maker.next.generation.0 {
        let upto = if generation == maker.next.generation.0 {
            maker.next.offset.0 + 2
        } else {
            // Beyond whatever a case writes into one generation.
            100
        };
        as_of.extend((0..upto).map(|offset| Position {
            generation: Generation(generation),
            partition: maker.partition,
            offset: Offset(offset),
        }));
    }
    for as_of in as_of {
        let facts = history.facts(as_of, questions.clone()).await;
        let facts = facts.expect("facts are answered");
        assert_eq!(facts.len(), questions.len(), "one answer for each question");
        for (question, fact) in questions.iter().zip(facts) {
            let wanted = model.fact(as_of, question);
            assert_eq!(fact, wanted, "{question:?} as of {as_of}");
        }
    }
    let last = maker.head.seq.0;
    for (after, before) in [(0, u64::MAX), (0, 3), (2, last), (last, u64::MAX), (3, 4)] {
        let (after, before) = (Seq(after), Seq(before));
        for newest in [false, true] {
            for limit in [1, 4, 10_000] {
                let found = history.range(c, after, before, newest, limit).await;
                let found = sorted(found.expect("a range is answered"));
                let wanted = sorted(model.range(c, after, before, newest, limit));
                let what = format!("({after}, {before}) newest {newest} limit {limit}");
                assert_eq!(found, wanted, "{what}");
            }
        }
        for since in [0, last / 2, last] {
            for limit in [1, 10_000] {
                let found = history.changed(c, Seq(since), after, before, limit).await;
                let wanted = model.changed(c, Seq(since), after, before, limit);
                let found = found.expect("changes are answered");
                assert_eq!(found, wanted, "changed since {since} ({after}, {before})");
            }
        }
    }
    for user in users {
        let found = history.intervals(c, *user).await;
        let found = found.expect("intervals are answered");
        assert_eq!(found, model.intervals(c, *user));
    }
    let mut found = history.settings(c).await.expect("settings are answered");
    found.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(found, model.settings(c));
}
