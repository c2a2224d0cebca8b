//! Any frame, row or record, drawn from bytes: what the bytes are shrunk to, the frame is too.

use std::collections::BTreeMap;

use parlour_protocol::body::{Body, Sealed};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{Class, HistoryRule, Role, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::{Create, Header, Mentions, Named, Origin, Record};
use parlour_protocol::row::{self, Row};
use parlour_protocol::seq::{Head, Mark, Seq};
use serde_json::{Map, Value};

/// Draws from bytes; when they are used up, from zeros, which draw what is small.
pub(crate) struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }
    fn bool(&mut self) -> bool {
        self.byte() % 2 == 1
    }
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }
    /// Numbers of every width.
    fn u64(&mut self) -> u64 {
        let bytes = std::array::from_fn(|_| self.byte());
        u64::from_le_bytes(bytes) >> (self.byte() % 64)
    }
    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }
    fn sixteen(&mut self) -> [u8; 16] {
        std::array::from_fn(|_| self.byte())
    }
    fn option<T>(&mut self, draw: impl Fn(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| draw(self))
    }
    fn list<T>(&mut self, draw: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| draw(self)).collect()
    }
    fn map<K: Ord, V>(&mut self, draw: impl Fn(&mut Self) -> (K, V)) -> BTreeMap<K, V> {
        self.list(draw).into_iter().collect()
    }
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
    fn text(&mut self) -> String {
        let chars = [
            'a',
            'Z',
            '0',
            '"',
            '\\',
            '\n',
            '\0',
            '\u{7f}',
            'ß',
            '\u{2028}',
            '\u{1F600}',
        ];
        (0..self.below(12)).map(|_| self.pick(&chars)).collect()
    }
    fn bytes(&mut self) -> Bytes {
        let bytes: Vec<u8> = (0..self.below(40)).map(|_| self.byte()).collect();
        bytes.into()
    }
    fn user(&mut self) -> UserId {
        UserId::from_bytes(self.sixteen())
    }
    fn device(&mut self) -> DeviceId {
        DeviceId::from_bytes(self.sixteen())
    }
    fn conversation(&mut self) -> ConversationId {
        ConversationId::from_bytes(self.sixteen())
    }
    fn id(&mut self) -> MessageId {
        MessageId::from_bytes(self.sixteen())
    }
    fn seq(&mut self) -> Seq {
        Seq(self.u64())
    }
    fn head(&mut self) -> Head {
        Head {
            seq: self.seq(),
            n: self.u64(),
        }
    }
    fn mark(&mut self) -> Mark {
        Mark {
            delivered: self.head(),
            read: self.head(),
        }
    }
    fn class(&mut self) -> Class {
        use Class::{Cancel, Change, Content, Membership, Setting};
        self.pick(&[Content, Change, Membership, Setting, Cancel])
    }
    fn shape(&mut self) -> Shape {
        self.pick(&[Shape::Direct, Shape::Group, Shape::Channel])
    }
    fn history(&mut self) -> HistoryRule {
        self.pick(&[HistoryRule::All, HistoryRule::FromJoin])
    }
    fn role(&mut self) -> Role {
        self.pick(&[Role::Member, Role::Admin, Role::Owner])
    }
    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => self.bool().into(),
            2 => self.u64().into(),
            // Below zero: at and above it, an i64 and a u64 are one number.
            3 => (-1 - (self.u64() >> 1) as i64).into(),
            4 => f64::from_bits(self.u64()).into(),
            5 => self.text().into(),
            6 => self.list(|d| d.value(depth - 1)).into(),
            _ => Value::Object(self.object(depth - 1)),
        }
    }
    fn object(&mut self, depth: usize) -> Map<String, Value> {
        self.list(|d| (d.text(), d.value(depth)))
            .into_iter()
            .collect()
    }
    pub(crate) fn body(&mut self) -> Body {
        if self.bool() {
            Body::Plain(self.object(4))
        } else {
            Body::Sealed(Sealed {
                alg: self.text(),
                epoch: self.u64(),
                bytes: self.bytes(),
            })
        }
    }
    fn mentions(&mut self) -> Mentions {
        Mentions {
            users: self.list(Self::user),
            everyone: self.bool(),
        }
    }
    fn named(&mut self) -> Named {
        Named {
            user: self.user(),
            role: self.role(),
        }
    }
    fn create(&mut self) -> Create {
        Create {
            shape: self.shape(),
            history: self.history(),
        }
    }
    fn origin(&mut self) -> Origin {
        Origin {
            author: self.text(),
            id: self.text(),
            time_ms: self.u64(),
        }
    }
    fn mail(&mut self) -> BTreeMap<DeviceId, client::MailItem> {
        self.map(|d| {
            (
                d.device(),
                client::MailItem {
                    k: d.u64(),
                    bytes: d.bytes(),
                },
            )
        })
    }
    fn lists(&mut self) -> BTreeMap<UserId, Seq> {
        self.map(|d| (d.user(), d.seq()))
    }

    /// Any frame of a client.
    pub(crate) fn client(&mut self) -> Client {
        match self.below(Client::TYPES.len()) {
            0 => Client::Hello(client::Hello {
                token: client::Token(self.text()),
                device: self.option(Self::device),
                client: self.text(),
                features: self.list(Self::text),
            }),
            1 => Client::Sync(client::Sync {
                r#ref: self.u64(),
                digests: self.option(|d| d.list(Self::bytes)),
            }),
            2 => Client::Send(client::Send {
                r#ref: self.u64(),
                conversation: self.option(Self::conversation),
                to: self.option(Self::user),
                id: self.id(),
                retry: self.bool(),
                after: self.option(Self::id),
                kind: self.option(Self::text),
                class: self.option(Self::class),
                mentions: self.mentions(),
                reply_to: self.option(Self::seq),
                thread: self.option(Self::seq),
                target: self.option(Self::seq),
                key: self.option(Self::text),
                value: self.option(Self::text),
                on: self.bool(),
                base: self.option(Self::seq),
                named: self.list(Self::named),
                create: self.option(Self::create),
                origin: self.option(Self::origin),
                expires_after_s: self.option(Self::u32),
                body: self.body(),
                mail: self.mail(),
                lists: self.lists(),
            }),
            3 => Client::Edit(client::Edit {
                r#ref: self.u64(),
                conversation: self.conversation(),
                id: self.id(),
                retry: self.bool(),
                after: self.option(Self::id),
                target: self.seq(),
                body: self.body(),
                mentions: self.mentions(),
                mail: self.mail(),
                lists: self.lists(),
            }),
            4 => Client::Delete(client::Delete {
                r#ref: self.u64(),
                conversation: self.conversation(),
                id: self.id(),
                retry: self.bool(),
                after: self.option(Self::id),
                target: self.seq(),
            }),
            5 => Client::React(client::React {
                r#ref: self.u64(),
                conversation: self.conversation(),
                id: self.id(),
                retry: self.bool(),
                after: self.option(Self::id),
                target: self.seq(),
                key: self.text(),
                on: self.bool(),
            }),
            6 => Client::Cancel(client::Cancel {
                r#ref: self.u64(),
                conversation: self.option(Self::conversation),
                to: self.option(Self::user),
                id: self.id(),
                after: self.option(Self::id),
            }),
            n @ (7 | 8) => {
                let marks = client::Marks {
                    r#ref: self.u64(),
                    marks: self.map(|d| (d.conversation(), d.seq())),
                };
                if n == 7 {
                    Client::Delivered(marks)
                } else {
                    Client::Read(marks)
                }
            }
            9 => Client::MailAck(client::MailAck {
                r#ref: self.u64(),
                from: self.map(|d| (d.device(), d.u64())),
            }),
            10 => Client::Typing(client::Typing {
                r#ref: self.u64(),
                conversation: self.conversation(),
            }),
            11 => Client::Focus(client::Focus {
                r#ref: self.u64(),
                conversation: self.option(Self::conversation),
                members: self.bool(),
            }),
            12 => Client::Watch(client::Watch {
                r#ref: self.u64(),
                users: self.list(Self::user),
            }),
            13 => Client::History(client::History {
                r#ref: self.u64(),
                conversation: self.conversation(),
                before: self.option(Self::seq),
                after: self.option(Self::seq),
                changes_since: self.option(Self::seq),
                limit: self.option(Self::u32),
            }),
            _ => Client::Ping(client::Ping { r#ref: self.u64() }),
        }
    }

    /// Any event.
    pub(crate) fn event(&mut self) -> server::Event {
        server::Event {
            conversation: self.conversation(),
            seq: self.seq(),
            n: self.u64(),
            prev: self.seq(),
            time_ms: self.u64(),
            id: self.id(),
            sender: self.user(),
            device: self.device(),
            class: self.class(),
            kind: self.text(),
            target: self.option(Self::seq),
            key: self.option(Self::text),
            value: self.option(Self::text),
            on: self.bool(),
            base: self.option(Self::seq),
            named: self.list(Self::named),
            create: self.option(Self::create),
            reply_to: self.option(Self::seq),
            thread: self.option(Self::seq),
            mentions: self.mentions(),
            quiet: self.bool(),
            origin: self.option(Self::origin),
            expires_after_s: self.option(Self::u32),
            body: self.option(Self::body),
            edited: self.option(|d| server::Edited {
                seq: d.seq(),
                time_ms: d.u64(),
            }),
            deleted: self.option(|d| server::Deleted {
                seq: d.seq(),
                by: d.user(),
            }),
            reactions: self.list(|d| server::Reaction {
                seq: d.seq(),
                user: d.user(),
                key: d.text(),
            }),
            reactions_more: self.u64(),
            pinned: self.option(Self::seq),
        }
    }

    fn line(&mut self) -> Line {
        Line {
            conversation: self.conversation(),
            head: self.head(),
            own: self.mark(),
            other: self.option(Self::mark),
            standing: match self.below(3) {
                0 => Standing::Member(self.seq()),
                1 => Standing::Left(self.seq()),
                _ => Standing::Removed(self.seq()),
            },
        }
    }

    fn about(&mut self) -> server::About {
        server::About {
            conversation: self.conversation(),
            shape: self.shape(),
            history: self.history(),
            members: self.u32(),
            name: self.option(Self::text),
            topic: self.option(Self::text),
            peer: self.option(Self::user),
            role: self.role(),
            joined_n: self.u64(),
            mentions: self.u32(),
        }
    }

    fn stretch(&mut self) -> server::Stretch {
        use server::Why::{Expired, NotMember, Removed};
        server::Stretch {
            conversation: self.conversation(),
            from: self.seq(),
            to: self.seq(),
            events: self.list(Self::event),
            as_of: self.seq(),
            withheld: self.list(|d| server::Withheld {
                from: d.seq(),
                to: d.seq(),
                why: d.pick(&[NotMember, Expired, Removed]),
            }),
            more: self.bool(),
            changes: self.bool(),
        }
    }

    /// Any frame of a server that this version knows.
    pub(crate) fn server(&mut self) -> Server {
        match self.below(Server::TYPES.len()) {
            0 => Server::Welcome(server::Welcome {
                session: SessionId::from_bytes(self.sixteen()),
                user: self.user(),
                device: self.device(),
                store: StoreId::from_bytes(self.sixteen()),
                time_ms: self.u64(),
                limits: Limits {
                    body_bytes: self.u64(),
                    ..Limits::default()
                },
                features: self.list(Self::text),
            }),
            1 => Server::Sent(server::Sent {
                r#ref: self.u64(),
                id: self.id(),
                conversation: self.conversation(),
                seq: self.seq(),
                n: self.u64(),
                time_ms: self.u64(),
            }),
            2 => Server::Event(self.event()),
            3 => Server::Heads(server::Heads {
                heads: self.list(|d| server::Moved {
                    conversation: d.conversation(),
                    head: d.head(),
                }),
            }),
            4 => Server::Receipt(server::Receipt {
                conversation: self.conversation(),
                own: self.option(Self::mark),
                members: self.list(|d| server::MemberMark {
                    user: d.user(),
                    mark: d.mark(),
                }),
                counts: self.option(|d| server::Counts {
                    seq: d.seq(),
                    delivered: d.u32(),
                    read: d.u32(),
                    of: d.u32(),
                }),
            }),
            5 => Server::Mail(server::Mail {
                from_user: self.user(),
                from: self.device(),
                k: self.u64(),
                bytes: self.bytes(),
            }),
            6 => Server::Presence(server::Presence {
                users: self.list(|d| server::UserPresence {
                    user: d.user(),
                    state: d.pick(&[
                        server::State::Online,
                        server::State::Offline,
                        server::State::Unknown,
                    ]),
                    last_seen_ms: d.option(Self::u64),
                }),
            }),
            7 => Server::Typing(server::Typing {
                conversation: self.conversation(),
                users: self.list(Self::user),
            }),
            8 => Server::Page(server::Page {
                r#ref: self.u64(),
                lines: self.list(Self::line),
                about: self.list(Self::about),
                stretch: self.option(Self::stretch),
                more: self.bool(),
                ready: self.bool(),
            }),
            9 => Server::Pong(server::Pong {
                r#ref: self.u64(),
                time_ms: self.u64(),
            }),
            10 => Server::Behind(server::Behind {
                after_ms: self.u64(),
            }),
            11 => Server::GoingAway(server::GoingAway {
                after_ms: self.u64(),
            }),
            _ => Server::Error(server::Error {
                r#ref: self.u64(),
                code: Code(self.u64() as u16),
                name: self.text(),
                message: self.text(),
                id: self.option(Self::id),
                conversation: self.option(Self::conversation),
                retry_ms: self.option(Self::u64),
                // There, a null is as good as absent.
                details: self.option(|d| Value::Object(d.object(3))),
            }),
        }
    }

    /// Any header.
    pub(crate) fn header(&mut self) -> Header {
        Header {
            id: self.id(),
            conversation: self.conversation(),
            sender: self.user(),
            device: self.device(),
            class: self.class(),
            kind: self.text(),
            time_ms: self.u64(),
            verdict: self.option(|d| Code(d.u64() as u16)),
            after: self.option(Self::id),
            target: self.option(Self::seq),
            key: self.option(Self::text),
            base: self.option(Self::seq),
            named: self.list(Self::named),
            create: self.option(Self::create),
            peer: self.option(Self::user),
            reply_to: self.option(Self::seq),
            thread: self.option(Self::seq),
            mentions: self.mentions(),
            quiet: self.bool(),
            origin: self.option(Self::origin),
            expires_after_s: self.option(Self::u32),
            value: self.option(Self::text),
            off: self.bool(),
            stranger: self.option(Self::bool),
            digest: self.option(Self::u64),
        }
    }

    /// Any record.
    pub(crate) fn record(&mut self) -> Record {
        Record {
            rules: self.u64() as u16,
            header: self.header().to_bytes(),
            payload: self.body().to_payload(),
        }
    }

    fn position(&mut self) -> Position {
        Position {
            generation: Generation(self.u64()),
            partition: Partition(self.u64() as u16),
            offset: Offset(self.u64()),
        }
    }

    fn edge(&mut self) -> row::Edge {
        row::Edge {
            seq: self.seq(),
            position: self.position(),
        }
    }

    /// Any row.
    pub(crate) fn row(&mut self) -> Row {
        match self.below(crate::samples::VARIANTS) {
            0 => Row::Event(row::Event {
                conversation: self.conversation(),
                seq: self.seq(),
                position: self.position(),
                carried: row::Carried {
                    n: self.u64(),
                    prev: self.seq(),
                    members: self.u32(),
                    shape: self.shape(),
                    history: self.history(),
                    quiet: self.bool(),
                },
                header: self.bytes(),
                payload: self.bytes(),
            }),
            1 => Row::Outcome(row::OutcomeRow {
                conversation: self.conversation(),
                sender: self.user(),
                id: self.id(),
                position: self.position(),
                at: self.seq(),
                outcome: if self.bool() {
                    row::Outcome::Placed {
                        seq: self.seq(),
                        n: self.u64(),
                        time_ms: self.u64(),
                        digest: self.option(Self::u64),
                    }
                } else {
                    row::Outcome::Refused {
                        code: Code(self.u64() as u16),
                    }
                },
            }),
            2 => Row::Change(row::Change {
                conversation: self.conversation(),
                target: self.seq(),
                kind: self.text(),
                user: self.user(),
                key: self.text(),
                seq: self.seq(),
                position: self.position(),
                header: self.bytes(),
                payload: self.bytes(),
            }),
            3 => Row::Erased(row::Erased {
                conversation: self.conversation(),
                target: self.seq(),
                seq: self.seq(),
                position: self.position(),
                by: self.user(),
            }),
            4 => Row::Interval(row::Interval {
                conversation: self.conversation(),
                user: self.user(),
                from: self.edge(),
                until: self.option(Self::edge),
                role: self.role(),
                n: self.u64(),
                joined: self.seq(),
            }),
            5 => Row::Setting(row::Setting {
                conversation: self.conversation(),
                key: self.text(),
                seq: self.seq(),
                position: self.position(),
                value: self.option(Self::text),
                payload: self.bytes(),
            }),
            _ => Row::Mention(row::Mention {
                user: self.user(),
                conversation: self.conversation(),
                seq: self.seq(),
                position: self.position(),
            }),
        }
    }
}
