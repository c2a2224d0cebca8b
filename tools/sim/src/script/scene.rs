//! The scene of a script: what users do, what operators do, and what there is to be seen.

use parlour_checker::frames::hash_body;
use parlour_checker::{Checker, Intent, Op};
use parlour_client_core::saved::Asked;
use parlour_client_core::{Command, Input, Request, draft};
use parlour_ports::{history, roster};
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::id::{ConversationId, MessageId, StoreId};
use parlour_protocol::kind::{HistoryRule, Role, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::{Header, Named};
use parlour_protocol::row::Outcome as Ending;
use parlour_protocol::seq::Seq;

use crate::client;
use crate::world::{Event, PARTITIONS, ToClient, World};

/// A copy of the store, to be restored later.
#[derive(Clone)]
pub struct Backup {
    history: history::memory::State,
    roster: roster::memory::State,
}

impl World {
    /// A client connects to this node from now on.
    pub fn goes_to(&mut self, client: usize, node: usize) {
        let script = self.script.get_or_insert_default();
        script.doors.insert(client, node);
    }

    /// One more device of a user logs in, at node 0 and by its clock; which client it is.
    pub fn newcomer(&mut self, user: u64, device: u64) -> usize {
        self.person(user, device);
        self.run_for(1_000);
        self.clients.len() - 1
    }

    /// A client's owner switches it off, at once.
    pub fn switch_off(&mut self, at: usize) {
        if let Some(client) = self.clients.get_mut(at) {
            client.off = true;
        }
        client::input(self, at, Input::Stop);
    }

    /// And on again.
    pub fn switch_on(&mut self, at: usize) {
        if let Some(life) = self.clients.get(at).map(|c| c.life) {
            self.at(0, Event::Client(at, life, ToClient::Resume));
        }
    }

    /// A client makes a group of itself and the users of these clients. Comes back when it is
    /// there and everyone has it.
    pub fn group(&mut self, at: usize, with: &[usize]) -> ConversationId {
        let members = with.iter().filter_map(|c| self.clients.get(*c));
        let create = Request::Create {
            shape: Shape::Group,
            history: HistoryRule::All,
            name: None,
            topic: None,
            members: members
                .map(|c| Named {
                    user: c.user,
                    role: Role::Member,
                })
                .collect(),
            conversation: None,
        };
        let room = client::request(self, at, create).map(|a| a.conversation);
        self.run_for(3_000);
        room.unwrap_or_default()
    }

    /// A client's user asks for something; its id.
    pub fn ask(&mut self, at: usize, request: Request) -> MessageId {
        match client::request(self, at, request) {
            Some(accepted) => accepted.id,
            None => {
                self.breach(format!("script: client {at} did not take a request"));
                MessageId::NIL
            }
        }
    }

    /// A client says something.
    pub fn say(&mut self, at: usize, room: ConversationId, text: &str) -> MessageId {
        self.ask(at, Request::Send(Box::new(draft::text(room, text))))
    }

    /// A client pages back: one page more before what it shows.
    pub fn page_back(&mut self, at: usize, room: ConversationId) {
        client::input(self, at, Input::Command(Command::Older(room)));
    }

    /// The outcome of a client's send, as the store has it.
    #[must_use]
    pub fn outcome(&self, at: usize, room: ConversationId, id: MessageId) -> Option<Ending> {
        let question = Question::Outcome {
            conversation: room,
            sender: self.clients.get(at)?.user,
            id,
        };
        let end = Position {
            generation: Generation(u64::MAX),
            ..Position::default()
        };
        match self.history.fact(end, &question) {
            Fact::Outcome(outcome) => outcome,
            _ => None,
        }
    }

    /// The place of a client's send, if it has one in the store.
    #[must_use]
    pub fn place(&self, at: usize, room: ConversationId, id: MessageId) -> Option<Seq> {
        match self.outcome(at, room, id)? {
            Ending::Placed { seq, .. } => Some(seq),
            Ending::Refused { .. } => None,
        }
    }

    /// How many records the log ever took of a send.
    #[must_use]
    pub fn records(&self, room: ConversationId, id: MessageId) -> usize {
        self.kept
            .all(partition_of(room))
            .filter_map(|(_, r)| Header::from_bytes(&r.header).ok())
            .filter(|h| h.id == id && h.conversation == room)
            .count()
    }

    /// Whether a client holds the event of a place.
    #[must_use]
    pub fn holds(&self, at: usize, room: ConversationId, seq: Seq) -> bool {
        let core = self.clients.get(at).and_then(|c| c.core());
        core.is_some_and(|c| c.event(room, seq).is_some())
    }

    /// Whoever runs the conversation's partition dies with everything it knew, and another router
    /// is given it.
    pub fn router_dies(&mut self, room: ConversationId) {
        let partition = partition_of(room);
        let owner = self.owners.get(&partition).copied().unwrap_or(0);
        let to = (owner + 1) % self.routers.len().max(1);
        let owned = match self.routers.get_mut(owner) {
            Some(router) => {
                let owned = router.owns();
                router.crash();
                owned
            }
            None => Vec::new(),
        };
        for partition in owned {
            self.at(10, Event::Assign(partition, to));
        }
    }

    /// Every router stops, as an operator has them do.
    pub fn stop_routers(&mut self) {
        self.routers.iter_mut().for_each(|r| r.crash());
    }

    /// Every partition is given to a router anew.
    pub fn start_routers(&mut self) {
        let routers = self.routers.len().max(1);
        for partition in 0..PARTITIONS {
            let to = usize::from(partition) % routers;
            self.at(0, Event::Assign(Partition(partition), to));
        }
    }

    /// The newest generation is sealed, and the next begins behind it.
    pub fn seal_log(&mut self) {
        let next = Generation(self.generation() + 1);
        for log in [&mut self.log, &mut self.kept] {
            log.seal();
            log.begin(next);
        }
    }

    /// A damaged log: a partition's last records are gone. They are kept for the judge.
    pub fn truncate_log(&mut self, partition: Partition, records: u64) {
        let end = self.log_end(partition);
        self.log.truncate(Position {
            generation: Generation(self.generation()),
            partition,
            offset: Offset(end.0.saturating_sub(records)),
        });
    }

    /// The log is given up as lost, and a new generation begun.
    pub fn give_log_up(&mut self) {
        let next = Generation(self.generation() + 1);
        self.log.begin(next);
        self.log.lose();
        self.kept.begin(next);
    }

    /// Where a partition of the newest generation ends.
    #[must_use]
    pub fn log_end(&self, partition: Partition) -> Offset {
        let newest = self.generation();
        let bounds = self.log.bounds(partition);
        let bound = bounds.iter().find(|b| b.generation.0 == newest);
        bound.map_or(Offset(0), |b| b.end)
    }

    /// A copy of the store as it is.
    #[must_use]
    pub fn backup(&self) -> Backup {
        Backup {
            history: self.history.clone(),
            roster: self.roster.clone(),
        }
    }

    /// The process dies, and begins again over a store restored from a copy. What was is judged by
    /// itself; what comes begins with what the copy holds and what outboxes hold.
    pub fn restore(&mut self, backup: Backup, store: StoreId, down_ms: u64) {
        crate::faults::process_dies(self, down_ms);
        self.run_for(down_ms / 2);
        crate::judge::look(self);
        let before = core::mem::replace(&mut self.checker, Checker::new(5));
        for breach in before.finish().breaches {
            self.breach(breach.to_string());
        }
        self.store = store;
        self.history = backup.history;
        self.roster = backup.roster;
        let mut calls = Vec::new();
        for conversation in self.history.conversations() {
            let all = self
                .history
                .range(conversation, Seq::ZERO, Seq::MAX, false, usize::MAX);
            let headers = all.events.iter();
            for h in headers.filter_map(|e| Header::from_bytes(&e.header).ok()) {
                calls.push(Op::Invoke {
                    device: h.device,
                    user: h.sender,
                    conversation,
                    id: h.id,
                    hash: None,
                    intent: Intent::Setup,
                });
            }
            for client in &self.clients {
                for (user, mark) in self.roster.marks(conversation, &[client.user]) {
                    calls.push(Op::MarkSet {
                        device: client.device,
                        user,
                        conversation,
                        delivered: mark.delivered().seq,
                        read: mark.read.seq,
                    });
                }
            }
        }
        for client in &self.clients {
            for row in client.core().into_iter().flat_map(|c| c.outbox()) {
                calls.push(Op::Invoke {
                    device: client.device,
                    user: client.user,
                    conversation: row.conversation,
                    id: row.id,
                    hash: match &row.asked {
                        Asked::Send(send) => Some(hash_body(&send.body)),
                        _ => None,
                    },
                    intent: Intent::Send,
                });
            }
        }
        calls.iter().for_each(|op| self.record(op));
    }
}

/// The partition of a conversation.
#[must_use]
pub fn partition_of(room: ConversationId) -> Partition {
    Partition::of(room, PARTITIONS)
}
