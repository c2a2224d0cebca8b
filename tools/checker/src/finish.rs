//! Judges what only the whole record shows.

use std::collections::BTreeMap;

use parlour_protocol::Seq;
use parlour_protocol::kind::Class;

use crate::ranges::Ranges;
use crate::report::Report;
use crate::rule::Rule;
use crate::state::{Conversation, Key, Place, Reading, Send, State, View};

pub(crate) fn judge(state: &State, report: &mut Report) {
    let mut known: BTreeMap<u32, Ranges> = BTreeMap::new();
    for (key, send) in &state.sends {
        judge_send(state, report, *key, send);
        let places = known.entry(key.0).or_default();
        for seq in send.place.into_iter().chain(send.ok.map(|(seq, _)| seq)) {
            places.add(seq.0, seq.0);
        }
    }
    program_order(state, report);
    let mut readers_min = u64::MAX;
    let devices = devices(state);
    for (number, c) in &state.conversations {
        if c.places.is_empty() && !known.contains_key(number) {
            continue;
        }
        report.counts.places += c.places.len() as u64;
        let of = Judged {
            state,
            number: *number,
            c,
        };
        of.counts(report);
        of.chain(report);
        of.folds(report);
        of.marks(report);
        of.readings(report, known.get(number));
        readers_min = readers_min.min(of.readers_min());
        if c.members.is_empty() {
            report.add(Rule::IncompleteRecord, None, || {
                format!(
                    "nobody is told to be a member of {}, so nobody could be judged",
                    of.id()
                )
            });
            continue;
        }
        of.actors(report);
        of.obligations(report, &devices);
    }
    report.counts.readers_min = if readers_min == u64::MAX {
        0
    } else {
        readers_min
    };
    for (&(device, conversation), view) in &state.views {
        if let Some(c) = state.conversations.get(&conversation)
            && !c.members.is_empty()
        {
            Judged {
                state,
                number: conversation,
                c,
            }
            .entitlement(report, device, view);
        }
    }
}

/// Devices by user, each with whether it is connected at the end.
fn devices(state: &State) -> BTreeMap<u32, Vec<(u32, bool)>> {
    let mut devices: BTreeMap<u32, Vec<(u32, bool)>> = BTreeMap::new();
    for (number, device) in &state.devices {
        if let Some(user) = device.user {
            let online = !device.open.is_empty();
            devices.entry(user).or_default().push((*number, online));
        }
    }
    devices
}

fn judge_send(state: &State, report: &mut Report, key: Key, send: &Send) {
    let (conversation, user, id) = key;
    let name = || {
        format!(
            "{id} of {} in {}",
            state.users.id(user),
            state.conversation_ids.id(conversation)
        )
    };
    let Some(c) = state.conversations.get(&conversation) else {
        return;
    };
    let place = send.place.and_then(|seq| c.places.get(&seq.0));
    if send.called && send.ok.is_none() && send.refused.is_none() {
        report.counts.unknown += 1;
    }
    if let (Some(at), false) = (send.early, send.setup) {
        report.add(Rule::Phantom, Some(at), || match send.sent {
            true => format!("{} was received before it was sent", name()),
            false => format!("{} was received, and nobody sent it", name()),
        });
    }
    if let (
        Some(Place {
            hash: Some(got), ..
        }),
        Some(sent),
    ) = (place, send.hash)
        && *got != sent
        && !state.other_hashes.contains(&(key, *got))
    {
        report.add(Rule::Phantom, None, || {
            format!(
                "{} was received with another body than it was sent with",
                name()
            )
        });
    }
    contents(state, report, key, send, place, &name);
    match (send.ok, send.refused) {
        (Some((seq, _)), Some(code)) => report.add(Rule::TwoOutcomes, None, || {
            format!(
                "{} was answered with {seq:?} and was finally refused ({code})",
                name()
            )
        }),
        (None, Some(code)) if place.is_some() => report.add(Rule::RefusedButRead, None, || {
            format!(
                "{} was finally refused ({code}), and stands at {:?}",
                name(),
                send.place.unwrap_or_default()
            )
        }),
        (Some((seq, n)), None) => match (send.place, place) {
            (Some(stands), _) if stands != seq => report.add(Rule::TwoOutcomes, None, || {
                format!(
                    "{} was answered with {seq:?}, and stands at {stands:?}",
                    name()
                )
            }),
            (Some(_), Some(place)) if place.n != n => report.add(Rule::Counts, None, || {
                format!(
                    "{} was answered with n {n}, and has n {} at {seq:?}",
                    name(),
                    place.n
                )
            }),
            _ => {}
        },
        _ => {}
    }
    let shown = send
        .place
        .filter(|_| place.is_some_and(|p| p.read))
        .is_some();
    let Some(seq) = send
        .place
        .or(send.ok.map(|(seq, _)| seq))
        .filter(|_| !shown)
    else {
        return;
    };
    if c.readings.is_empty() {
        return; // Said once, of the conversation.
    }
    if c.readings
        .iter()
        .any(|r| r.not_member.has(seq.0) || r.gone.has(seq.0))
    {
        report.add(Rule::IncompleteRecord, None, || {
            format!(
                "{} at {seq:?} was withheld from everyone who read back: let someone read who may",
                name()
            )
        });
        return;
    }
    let how = if send.ok.is_some() {
        "acknowledged"
    } else {
        "received by someone"
    };
    report.add(Rule::LostWrite, None, || {
        format!(
            "{} was {how} at {seq:?}, and no final reading has it",
            name()
        )
    });
    if let Some(other) = c.places.get(&seq.0).filter(|other| other.id != id) {
        report.add(Rule::InconsistentOffsets, None, || {
            format!("{} was given {seq:?}, where {} stands", name(), other.id)
        });
    }
}

/// Where an id was used for two contents: what was answered with its place stands there, and what
/// was refused does not.
fn contents(
    state: &State,
    report: &mut Report,
    key: Key,
    send: &Send,
    place: Option<&Place>,
    name: &dyn Fn() -> String,
) {
    let Some(got) = place.and_then(|p| p.hash) else {
        return;
    };
    let others = state.ok_with.range((key, 0)..=(key, u64::MAX));
    let answered = others.map(|(_, hash)| *hash);
    // Contents that nobody sent are a phantom instead.
    let sent = state.other_hashes.contains(&(key, got));
    let first = send.hash.filter(|_| send.ok_first && sent);
    for _ in answered.chain(first).filter(|hash| *hash != got) {
        report.add(Rule::LostWrite, None, || {
            format!(
                "{} was answered with its place, and other contents sent under its id stand there",
                name()
            )
        });
    }
    if let Some(code) = state.refused_with.get(&(key, got)) {
        report.add(Rule::RefusedButRead, None, || {
            format!(
                "{} with these contents was finally refused ({code}), and they stand at {:?}",
                name(),
                send.place.unwrap_or_default()
            )
        });
    }
}

fn program_order(state: &State, report: &mut Report) {
    /// When it was made, where it stands, what it is.
    type Made<'a> = (u64, Seq, &'a Key);
    let mut made: BTreeMap<(u32, u32), Vec<Made<'_>>> = BTreeMap::new();
    for (key, send) in &state.sends {
        if let Some(seq) = send.place.or(send.ok.map(|(seq, _)| seq))
            && send.sent
            && !send.setup
            && !send.moved
        {
            made.entry((key.0, send.device))
                .or_default()
                .push((send.order, seq, key));
        }
    }
    for ((conversation, device), mut sends) in made {
        sends.sort_unstable();
        let reuses = state.reuses.get(&(conversation, device));
        let mut reuses = reuses.into_iter().flatten().peekable();
        let mut last: Option<(Seq, &Key)> = None;
        for (order, seq, key) in sends {
            while reuses.next_if(|reuse| **reuse < order).is_some() {
                last = None;
            }
            if let Some((before, earlier)) = last
                && seq < before
            {
                report.add(Rule::ProgramOrder, None, || {
                    format!(
                        "device {} made {} before {} in {}, and they stand at {before:?} and {seq:?}",
                        state.device_ids.id(device), earlier.2, key.2, state.conversation_ids.id(conversation)
                    )
                });
                continue;
            }
            last = Some((seq, key));
        }
    }
}

/// One conversation under judgement.
struct Judged<'a> {
    state: &'a State,
    number: u32,
    c: &'a Conversation,
}

impl Judged<'_> {
    fn id(&self) -> parlour_protocol::ConversationId {
        self.state.conversation_ids.id(self.number)
    }

    fn head(&self) -> u64 {
        let read = self.c.readings.iter().map(|r| r.head).max().unwrap_or(0);
        let seen = self.c.places.last_key_value().map_or(0, |(seq, _)| *seq);
        read.max(seen)
    }

    fn counts(&self, report: &mut Report) {
        let mut before = (0, 0);
        for (&seq, place) in &self.c.places {
            let step = u64::from(place.class == Class::Content);
            // Behind a hole, which is a breach of its own, n starts anew.
            if before.0 + 1 == seq && before.1 + step != place.n {
                report.add(Rule::Counts, None, || {
                    format!(
                        "{} at #{seq} of {} has n {}, after n {}",
                        place.id,
                        self.id(),
                        place.n,
                        before.1
                    )
                });
            }
            before = (seq, place.n);
        }
    }

    /// `prev` names the last place that was not quiet.
    fn chain(&self, report: &mut Report) {
        let (mut before, mut loud) = (0, Some(0));
        for (&seq, place) in &self.c.places {
            if before + 1 != seq {
                loud = None;
            }
            if let Some(loud) = loud
                && place.prev.0 != loud
            {
                report.add(Rule::SkippedWithoutNotice, None, || {
                    format!(
                        "{} at #{seq} of {} names {:?} as the last place before it that was not quiet, which is #{loud}",
                        place.id, self.id(), place.prev
                    )
                });
            }
            before = seq;
            if !place.quiet {
                loud = Some(seq);
            }
        }
    }

    fn folds(&self, report: &mut Report) {
        for &(target, at, hash) in &self.c.folds {
            let change = self
                .c
                .places
                .get(&at.0)
                .filter(|p| at > target && p.class == Class::Change);
            let Some(change) = change else {
                report.add(Rule::Phantom, None, || {
                    format!("{target:?} of {} is shown as changed by {at:?}, which is no change behind it", self.id())
                });
                continue;
            };
            let sent = self
                .state
                .sends
                .get(&(self.number, change.sender, change.id))
                .and_then(|s| s.hash);
            if let (Some(shown), Some(sent)) = (hash, sent)
                && shown != sent
            {
                report.add(Rule::Phantom, None, || {
                    format!("{target:?} of {} shows another body than its edit {} at {at:?} was sent with", self.id(), change.id)
                });
            }
        }
    }

    fn marks(&self, report: &mut Report) {
        let head = self.head();
        for (user, marks) in &self.c.marks {
            let highest = marks.seen.0.max(marks.seen.1);
            if highest.0 > head {
                report.add(Rule::Marks, None, || {
                    format!(
                        "the marks of {} in {} stood at {highest:?}, beyond the head #{head}",
                        self.state.users.id(*user),
                        self.id()
                    )
                });
            }
        }
    }

    /// Every reading is whole, and together they have every place.
    fn readings(&self, report: &mut Report, known: Option<&Ranges>) {
        if self.c.readings.is_empty() {
            report.add(Rule::IncompleteRecord, None, || {
                format!("{} was not read back", self.id())
            });
            return;
        }
        // What is known to have stood there is a lost write instead.
        let mut accounted = known.cloned().unwrap_or_default();
        for reading in &self.c.readings {
            for ranges in [&reading.events, &reading.not_member, &reading.gone] {
                accounted.add_all(ranges);
            }
        }
        let mut all = Ranges::default();
        all.add(1, self.head());
        for (from, to) in all.without(&accounted) {
            report.add(Rule::Dense, None, || {
                format!(
                    "#{from} to #{to} of {} hold nothing, below its head #{}",
                    self.id(),
                    self.head()
                )
            });
        }
        if self.c.places.contains_key(&0) {
            report.add(Rule::Dense, None, || {
                format!("{} has an event at #0; places begin at #1", self.id())
            });
        }
        for reading in &self.c.readings {
            self.reading(report, reading);
        }
    }

    fn reading(&self, report: &mut Report, reading: &Reading) {
        let device = self.state.device_ids.id(reading.device);
        let mut given = reading.events.clone();
        given.add_all(&reading.not_member);
        given.add_all(&reading.gone);
        // Holes that all readings share are judged above; here, what others read and this did not.
        for (seq, place) in self.places_in(&reading.asked.without(&given)) {
            if place.read {
                report.add(Rule::Unseen, None, || {
                    format!(
                        "device {device} read {} back without {} at #{seq}, which others read",
                        self.id(),
                        place.id
                    )
                });
            }
        }
        if self.c.members.is_empty() {
            return;
        }
        self.may_read(
            report,
            reading.device,
            reading.user,
            &reading.events,
            "read back",
        );
        self.withheld(
            report,
            reading.device,
            reading.user,
            &reading.not_member,
            &reading.gone,
        );
    }

    fn places_in<'a>(&'a self, ranges: &'a [(u64, u64)]) -> impl Iterator<Item = (u64, &'a Place)> {
        ranges.iter().flat_map(|&(from, to)| {
            self.c
                .places
                .range(from..=to)
                .map(|(seq, place)| (*seq, place))
        })
    }

    fn actors(&self, report: &mut Report) {
        for (&seq, place) in &self.c.places {
            if !self.c.may_act(place.sender, seq, place.class) {
                report.add(Rule::Membership, None, || {
                    format!(
                        "{} of {} stands at #{seq} of {}, where they may not act",
                        place.id,
                        self.state.users.id(place.sender),
                        self.id()
                    )
                });
            }
        }
    }

    fn may_read(&self, report: &mut Report, device: u32, user: u32, got: &Ranges, how: &str) {
        for (seq, place) in self.places_in(&got.without(&self.c.readable(user))) {
            self.unentitled(report, device, user, (seq, place), how);
        }
    }

    fn unentitled(
        &self,
        report: &mut Report,
        device: u32,
        user: u32,
        (seq, place): (u64, &Place),
        how: &str,
    ) {
        report.add(Rule::Membership, None, || {
            format!(
                "device {} of {} {how} {} at #{seq} of {}, where they may not read",
                self.state.device_ids.id(device),
                self.state.users.id(user),
                place.id,
                self.id()
            )
        });
    }

    /// Of one's own memberships nothing is withheld as another's; what is gone is gone for all.
    fn withheld(
        &self,
        report: &mut Report,
        device: u32,
        user: u32,
        not_member: &Ranges,
        gone: &Ranges,
    ) {
        let rightly = not_member.less(&self.c.memberships(user));
        let wrongly = not_member.without(&rightly);
        let gone: Vec<_> = gone.without(&Ranges::default());
        let still_there = self
            .places_in(&gone)
            .filter(|(_, p)| p.read && p.hash.is_some());
        for (seq, place) in self.places_in(&wrongly).chain(still_there) {
            report.add(Rule::Membership, None, || {
                format!(
                    "device {} of {} was withheld {} at #{seq} of {}, which they may read",
                    self.state.device_ids.id(device),
                    self.state.users.id(user),
                    place.id,
                    self.id()
                )
            });
        }
    }

    /// What a device was given, it was entitled to. Live, that is: as a member at that place.
    fn entitlement(&self, report: &mut Report, device: u32, view: &View) {
        let Some(user) = self.state.user_of(device) else {
            return;
        };
        self.may_read(report, device, user, &view.paged, "was given in a page");
        let members = self.c.memberships(user);
        let live = view.live.without(&members);
        let named = view.named.without(&members);
        // Ranges of live places bridge quiet ones, which are in `named` if they were given.
        let loud = self.places_in(&live).filter(|(_, p)| !p.quiet);
        for place in loud.chain(self.places_in(&named)) {
            self.unentitled(report, device, user, place, "was given live");
        }
        self.withheld(report, device, user, &view.not_member, &view.gone);
    }

    /// Of the place that fewest readings have: how many have it.
    fn readers_min(&self) -> u64 {
        let mut steps: BTreeMap<u64, i64> = BTreeMap::new();
        steps.insert(1, 0);
        for reading in &self.c.readings {
            for (from, to) in reading.events.iter() {
                *steps.entry(from).or_default() += 1;
                *steps.entry(to.saturating_add(1)).or_default() -= 1;
            }
        }
        let (mut readers, mut least) = (0, i64::MAX);
        for (_, step) in steps.range(..=self.head()) {
            readers += step;
            least = least.min(readers);
        }
        u64::try_from(least).unwrap_or(0)
    }

    /// Devices online at the end have what happened in their memberships, and each device has what
    /// it says that it has whole.
    fn obligations(&self, report: &mut Report, devices: &BTreeMap<u32, Vec<(u32, bool)>>) {
        let none = View::default();
        for user in self.c.members.keys() {
            for &(device, online) in devices.get(user).into_iter().flatten() {
                let view = self.state.views.get(&(device, self.number));
                let view = view.unwrap_or(&none);
                let due = self.due(*user, online, view);
                let mut has = view.live.clone();
                for ranges in [&view.named, &view.paged, &view.not_member, &view.gone] {
                    has.add_all(ranges);
                }
                for (seq, place) in self.places_in(&due.without(&has)).filter(|(_, p)| !p.quiet) {
                    let skipped = seq < view.live_max && !view.noticed.has(seq);
                    let rule = if skipped {
                        Rule::SkippedWithoutNotice
                    } else {
                        Rule::Unseen
                    };
                    let how = match (online, view.whole.has(seq)) {
                        (_, true) => "says that it has these places whole, and",
                        _ => "is online and",
                    };
                    report.add(rule, None, || {
                        format!(
                            "device {} of {} {how} lacks {} at #{seq} of {}",
                            self.state.device_ids.id(device),
                            self.state.users.id(*user),
                            place.id,
                            self.id()
                        )
                    });
                }
            }
        }
    }

    /// What a device must have.
    fn due(&self, user: u32, online: bool, view: &View) -> Ranges {
        let head = self.head();
        let mut due = Ranges::default();
        if online {
            for &(from, until) in self.c.members.get(&user).into_iter().flatten() {
                due.add(from.max(1), until.unwrap_or(head).min(head));
            }
            due = due.less(&view.unfetched);
        }
        // What it says holds even where it was chosen to be left: it should not have been said.
        due.add_all(&view.whole.less(&view.whole.less(&self.c.readable(user))));
        due
    }
}
