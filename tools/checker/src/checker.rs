//! Takes a record, entry by entry, and judges at once what can be judged at once.
//!
//! Everything that depends on what comes later waits for [`Checker::finish`].

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use parlour_protocol::error::Code;
use parlour_protocol::kind::Class;
use parlour_protocol::{ConversationId, DeviceId, MessageId, Seq, SessionId, UserId};

use crate::finish;
use crate::op::{Intent, Op, ReadBack, Seen, Shown, Via, Why};
use crate::ranges::Ranges;
use crate::report::Report;
use crate::rule::Rule;
use crate::state::{Key, Place, Reading, Send, State};

/// Breaches kept per rule unless told otherwise; all are counted.
pub(crate) const KEPT_MAX: usize = 20;

/// Judges one record.
#[derive(Clone, Debug)]
pub struct Checker {
    state: State,
    report: Report,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new(KEPT_MAX)
    }
}

impl Checker {
    /// A checker that keeps so many breaches of each rule, and counts the rest.
    #[must_use]
    pub fn new(kept_max: usize) -> Self {
        Self {
            state: State::default(),
            report: Report::new(kept_max),
        }
    }

    /// The record's next entry. Returns its number, from 1: the one that a breach names.
    pub fn feed(&mut self, op: &Op) -> u64 {
        self.report.counts.ops += 1;
        let at = self.report.counts.ops;
        match *op {
            Op::History {
                conversation,
                history,
            } => {
                let known = &mut self.state.conversation(conversation).1.history;
                if known.is_some_and(|known| known != history) {
                    self.report.add(Rule::Membership, Some(at), || {
                        format!("the history rule of {conversation} changed to {history:?}")
                    });
                }
                *known = Some(history);
            }
            Op::Membership {
                conversation,
                user,
                from,
                until,
            } => {
                let user = self.state.users.number(user);
                let (_, conversation) = self.state.conversation(conversation);
                let intervals = conversation.members.entry(user).or_default();
                let until = until.map(|u| u.0);
                match intervals.iter_mut().find(|i| i.0 == from.0) {
                    Some(known) => known.1 = known.1.or(until),
                    None => intervals.push((from.0, until)),
                }
            }
            Op::Invoke {
                device,
                user,
                conversation,
                id,
                hash,
                intent,
            } => {
                self.invoke(at, (device, user, conversation, id), hash, intent);
            }
            Op::Ok {
                device,
                conversation,
                id,
                seq,
                n,
            } => {
                self.report.counts.acks += 1;
                self.ok(at, device, conversation, id, (seq, n));
            }
            Op::Refused {
                device,
                conversation,
                id,
                code,
                finally,
            } => {
                if finally {
                    self.refused(at, device, conversation, id, code);
                }
            }
            Op::Unknown {
                device,
                conversation,
                id,
            } => {
                self.called(at, device, conversation, id);
            }
            Op::Connect {
                device,
                user,
                connection,
            } => {
                let device = self.state.device(device, Some(user));
                self.state
                    .devices
                    .entry(device)
                    .or_default()
                    .open
                    .insert(connection);
            }
            Op::Disconnect { device, connection } => self.disconnect(device, connection),
            Op::Receive {
                device,
                user,
                connection,
                conversation,
                event,
                via,
            } => {
                self.report.counts.deliveries += 1;
                self.receive(at, (device, user, connection), conversation, &event, via);
            }
            Op::Jump {
                device,
                user,
                conversation,
                from,
                to,
                why,
            } => {
                let device = self.state.device(device, Some(user));
                let conversation = self.state.conversation(conversation).0;
                let view = self.state.views.entry((device, conversation)).or_default();
                let ranges = match why {
                    Why::NotMember => &mut view.not_member,
                    Why::Expired | Why::Removed => &mut view.gone,
                    Why::Notice => &mut view.noticed,
                    Why::Unfetched => &mut view.unfetched,
                };
                ranges.add(from.0, to.0);
            }
            Op::Whole {
                device,
                user,
                conversation,
                from,
                to,
            } => {
                self.report.counts.claims += 1;
                let device = self.state.device(device, Some(user));
                let conversation = self.state.conversation(conversation).0;
                let view = self.state.views.entry((device, conversation)).or_default();
                view.whole.add(from.0, to.0);
            }
            Op::Timeline {
                device,
                conversation,
                ref events,
            } => {
                self.timeline(at, device, conversation, events);
            }
            Op::MarkSet {
                device,
                user,
                conversation,
                delivered,
                read,
            } => {
                let device = self.state.device(device, None);
                let user = self.state.users.number(user);
                // Whoever states the marks of others is to be in vain: that moves nothing here.
                if self.state.user_of(device) == Some(user) {
                    let marks = self
                        .state
                        .conversation(conversation)
                        .1
                        .marks
                        .entry(user)
                        .or_default();
                    marks.set = (marks.set.0.max(delivered), marks.set.1.max(read));
                }
            }
            Op::MarkSeen {
                observer,
                of,
                conversation,
                delivered,
                read,
            } => {
                self.mark_seen(at, Some(observer), of, conversation, (delivered, read));
            }
            Op::MarkFinal {
                of,
                conversation,
                delivered,
                read,
            } => {
                self.mark_seen(at, None, of, conversation, (delivered, read));
            }
            Op::ReadBack(ref reading) => self.read_back(at, reading),
        }
        at
    }

    /// Whether a rule is broken already.
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.report.passed()
    }

    /// Judges what only the whole record shows. Feed everything first, the final readings, the
    /// memberships and the marks included.
    #[must_use]
    pub fn finish(mut self) -> Report {
        finish::judge(&self.state, &mut self.report);
        self.report
    }

    fn invoke(
        &mut self,
        at: u64,
        (device, user, conversation, id): (DeviceId, UserId, ConversationId, MessageId),
        hash: Option<u64>,
        intent: Intent,
    ) {
        self.report.counts.calls += 1;
        let device = self.state.device(device, Some(user));
        let user = self.state.users.number(user);
        let key = (self.state.conversation(conversation).0, user, id);
        let send = self.state.sends.entry(key).or_default();
        if send.called {
            send.moved |= send.device != device;
        } else {
            (send.called, send.device, send.order) = (true, device, at);
            self.report.counts.messages += 1;
        }
        if intent == Intent::Cancel {
            return;
        }
        send.sent |= intent == Intent::Send;
        send.setup |= intent == Intent::Setup;
        match (send.hash, hash) {
            (None, Some(_)) => send.hash = hash,
            (Some(known), Some(other)) if known != other => {
                self.state.other_hashes.insert((key, other));
                self.state.called_with.insert((key, device), other);
                let reuses = self.state.reuses.entry((key.0, device)).or_default();
                reuses.push(at);
            }
            // The first body again, by a device that had called with another.
            _ => {
                self.state.called_with.remove(&(key, device));
            }
        }
    }

    /// The other contents that a device called an id with last, if it is one of two.
    fn other_body(
        &mut self,
        device: DeviceId,
        conversation: ConversationId,
        id: MessageId,
    ) -> Option<(Key, u64)> {
        let device = self.state.device(device, None);
        let user = self.state.user_of(device)?;
        let key = (self.state.conversation(conversation).0, user, id);
        let hash = self.state.called_with.get(&(key, device))?;
        Some((key, *hash))
    }

    fn refused(
        &mut self,
        at: u64,
        device: DeviceId,
        conversation: ConversationId,
        id: MessageId,
        code: Code,
    ) {
        if code != Code::ID_REUSED {
            self.report.counts.refusals += 1;
            *self.report.refused.entry(code).or_default() += 1;
        }
        let other = self.other_body(device, conversation, id);
        let Some(send) = self.called(at, device, conversation, id) else {
            return;
        };
        match other {
            Some(other) => {
                self.state.refused_with.insert(other, code);
            }
            // Of contents that differ in more than the body.
            None if code == Code::ID_REUSED => {}
            None => send.refused = Some(code),
        }
    }

    /// The send that an answer is about. An answer to nothing is a flaw of the record.
    fn called(
        &mut self,
        at: u64,
        device: DeviceId,
        conversation: ConversationId,
        id: MessageId,
    ) -> Option<&mut Send> {
        let number = self.state.device(device, None);
        let user = self.state.user_of(number);
        let key = user.map(|user| (self.state.conversation(conversation).0, user, id));
        let send = key
            .and_then(|key| self.state.sends.get_mut(&key))
            .filter(|send| send.called);
        if send.is_none() {
            self.report.add(Rule::IncompleteRecord, Some(at), || {
                format!("device {device} got an answer for {id} in {conversation}, which it never called")
            });
        }
        send
    }

    fn ok(
        &mut self,
        at: u64,
        device: DeviceId,
        conversation: ConversationId,
        id: MessageId,
        place: (Seq, u64),
    ) {
        let other = self.other_body(device, conversation, id);
        let Some(send) = self.called(at, device, conversation, id) else {
            return;
        };
        let known = *send.ok.get_or_insert(place);
        match other {
            None => send.ok_first = true,
            Some(other) => {
                self.state.ok_with.insert(other);
            }
        }
        if known.0 != place.0 {
            self.report.add(Rule::TwoOutcomes, Some(at), || {
                format!(
                    "{id} in {conversation} was answered with {:?}, and now with {:?}",
                    known.0, place.0
                )
            });
        } else if known.1 != place.1 {
            self.report.add(Rule::Counts, Some(at), || {
                format!(
                    "{id} in {conversation} was answered with n {}, and now with n {}",
                    known.1, place.1
                )
            });
        }
    }

    fn disconnect(&mut self, device: DeviceId, connection: SessionId) {
        let device = self.state.device(device, None);
        self.state
            .devices
            .entry(device)
            .or_default()
            .open
            .remove(&connection);
        let highs = &mut self.state.highs;
        while let Some((&key, _)) = highs.range((connection, 0)..=(connection, u32::MAX)).next() {
            highs.remove(&key);
        }
    }

    fn receive(
        &mut self,
        at: u64,
        (device_id, user, connection): (DeviceId, UserId, SessionId),
        conversation_id: ConversationId,
        event: &Seen,
        via: Via,
    ) {
        let conversation = self.observe(at, conversation_id, event, false);
        let device = self.state.device(device_id, Some(user));
        let view = self.state.views.entry((device, conversation)).or_default();
        let Seq(seq) = event.seq;
        if via == Via::Page {
            view.paged.add(seq, seq);
            return;
        }
        if event.quiet {
            view.named.add(seq, seq);
        } else {
            // Places between `prev` and this one are quiet, as the end checks: bridged, so that a
            // device's ranges stay few.
            let Seq(prev) = event.prev;
            let joins = prev < seq && (prev == 0 || view.live.has(prev) || view.paged.has(prev));
            view.live.add(if joins { prev + 1 } else { seq }, seq);
            view.live_max = view.live_max.max(seq);
        }
        let high = self
            .state
            .highs
            .entry((connection, conversation))
            .or_default();
        if event.seq <= *high {
            let high = *high;
            self.report.add(Rule::NonMonotonic, Some(at), || {
                format!(
                    "device {device_id} received {:?} of {conversation_id} ({}) after {high:?} on connection {connection}",
                    event.seq, event.id
                )
            });
        } else {
            *high = event.seq;
        }
    }

    /// Compares an event with what others saw at its place. Returns the conversation's number.
    fn observe(&mut self, at: u64, id: ConversationId, event: &Seen, read: bool) -> u32 {
        let sender = self.state.users.number(event.sender);
        let (number, conversation) = self.state.conversation(id);
        let seq = event.seq;
        let hash = match event.shown {
            Shown::Whole(hash) => Some(hash),
            Shown::Edited { hash, at } => {
                conversation.folds.insert((seq, at, Some(hash)));
                None
            }
            Shown::Deleted(at) => {
                conversation.folds.insert((seq, at, None));
                None
            }
            Shown::Absent => {
                if event.class == Class::Content {
                    self.report.add(Rule::LostWrite, Some(at), || {
                        format!(
                            "{} at {seq:?} of {id} came without its body, and nothing erased it",
                            event.id
                        )
                    });
                }
                None
            }
        };
        let place = match conversation.places.entry(seq.0) {
            Entry::Vacant(vacant) => {
                vacant.insert(Place {
                    id: event.id,
                    sender,
                    class: event.class,
                    quiet: event.quiet,
                    read,
                    n: event.n,
                    prev: event.prev,
                    hash,
                });
                let send = self
                    .state
                    .sends
                    .entry((number, sender, event.id))
                    .or_default();
                if !send.sent && !send.setup {
                    send.early.get_or_insert(at);
                }
                let first = *send.place.get_or_insert(seq);
                if first != seq {
                    self.report.add(Rule::Duplicate, Some(at), || {
                        format!(
                            "{} of {} stands at {first:?} and at {seq:?} of {id}",
                            event.id, event.sender
                        )
                    });
                }
                return number;
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let (known_id, known_sender) = (place.id, place.sender);
        if (known_id, known_sender) != (event.id, sender) {
            let known_sender = self.state.users.id(known_sender);
            self.report.add(Rule::InconsistentOffsets, Some(at), || {
                format!(
                    "{seq:?} of {id} is {known_id} of {known_sender}, and here {} of {}",
                    event.id, event.sender
                )
            });
            return number;
        }
        place.read |= read;
        if place.hash.is_none() {
            place.hash = hash;
        }
        if (place.prev, place.class, place.quiet) != (event.prev, event.class, event.quiet)
            || (hash.is_some() && place.hash != hash)
        {
            self.report.add(Rule::InconsistentOffsets, Some(at), || {
                format!(
                    "{} at {seq:?} of {id} shows another content, class or prev than before",
                    event.id
                )
            });
        }
        if place.n != event.n {
            let known = place.n;
            self.report.add(Rule::Counts, Some(at), || {
                format!(
                    "{} at {seq:?} of {id} has n {known}, and here n {}",
                    event.id, event.n
                )
            });
        }
        number
    }

    fn timeline(
        &mut self,
        at: u64,
        device: DeviceId,
        conversation_id: ConversationId,
        events: &[(Seq, MessageId)],
    ) {
        let (_, conversation) = self.state.conversation(conversation_id);
        let (mut last, mut ids) = (Seq::ZERO, BTreeSet::new());
        for &(seq, id) in events {
            let where_ = || {
                format!("{id} at {seq:?} in the timeline of {conversation_id} on device {device}")
            };
            if !ids.insert(id) {
                self.report.add(Rule::Duplicate, Some(at), || {
                    format!("{} stands there twice", where_())
                });
                continue;
            }
            if seq <= last {
                self.report.add(Rule::NonMonotonic, Some(at), || {
                    format!("{} stands after {last:?}", where_())
                });
            }
            last = last.max(seq);
            match conversation.places.get(&seq.0) {
                Some(place) if place.id == id => {}
                Some(place) => {
                    let known = place.id;
                    self.report.add(Rule::InconsistentOffsets, Some(at), || {
                        format!("{} is {known} to others", where_())
                    });
                }
                None => self.report.add(Rule::Phantom, Some(at), || {
                    format!("{} was received by nobody", where_())
                }),
            }
        }
    }

    fn mark_seen(
        &mut self,
        at: u64,
        observer: Option<DeviceId>,
        of: UserId,
        conversation_id: ConversationId,
        (delivered, read): (Seq, Seq),
    ) {
        let observing = observer.map(|o| self.state.device(o, None));
        let user = self.state.users.number(of);
        let marks = self
            .state
            .conversation(conversation_id)
            .1
            .marks
            .entry(user)
            .or_default();
        let before = match observing {
            Some(device) => marks
                .by_device
                .insert(device, (delivered, read))
                .unwrap_or_default(),
            None => marks.seen,
        };
        let mut flaw = |what: &str| {
            self.report.add(Rule::Marks, Some(at), || {
                let by = observer.map_or_else(|| "the final reading".to_owned(), |o| format!("device {o}"));
                format!("{by} sees the marks of {of} in {conversation_id} at delivered {delivered:?}, read {read:?}: {what}")
            });
        };
        if delivered < before.0 || read < before.1 {
            flaw(&format!(
                "they went down from delivered {:?}, read {:?}",
                before.0, before.1
            ));
        } else if read > delivered {
            flaw("read is beyond delivered");
        } else if delivered > marks.set.0.max(marks.set.1) || read > marks.set.1 {
            flaw("no device of theirs had stated so much");
        }
        marks.seen = (marks.seen.0.max(delivered), marks.seen.1.max(read));
    }

    fn read_back(&mut self, at: u64, reading: &ReadBack) {
        let (device, id) = (reading.device, reading.conversation);
        let number = self.state.device(device, Some(reading.user));
        let user = self.state.users.number(reading.user);
        let (mut last, mut places) = (Seq::ZERO, Ranges::default());
        for event in &reading.events {
            self.observe(at, id, event, true);
            if event.seq <= last {
                self.report.add(Rule::NonMonotonic, Some(at), || {
                    format!(
                        "device {device} read {:?} of {id} ({}) after {last:?}",
                        event.seq, event.id
                    )
                });
            }
            last = last.max(event.seq);
            places.add(event.seq.0, event.seq.0);
        }
        let counts = &mut self.report.counts;
        counts.read_events += reading.events.len() as u64;
        let mut asked = Ranges::default();
        match &reading.parts {
            Some(parts) => {
                counts.readings_in_part += 1;
                parts.iter().for_each(|(from, to)| asked.add(from.0, to.0));
            }
            None => {
                counts.readings_whole += 1;
                asked.add(1, reading.head.0);
            }
        }
        let mut done = Reading {
            device: number,
            user,
            head: reading.head.max(last).0,
            asked,
            events: places,
            not_member: Ranges::default(),
            gone: Ranges::default(),
        };
        for &(from, to, why) in &reading.withheld {
            match why {
                Why::NotMember => done.not_member.add(from.0, to.0),
                Why::Expired | Why::Removed => done.gone.add(from.0, to.0),
                // A final reading that leaves something out is none: it counts as a hole.
                Why::Notice | Why::Unfetched => {}
            }
        }
        self.state.conversation(id).1.readings.push(done);
    }
}
