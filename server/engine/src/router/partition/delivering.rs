//! Decisions out: store, locate, tell, raise, locate again; in the log's order, and progress last.
//!
//! Never: something told that is not durable.

use std::collections::BTreeSet;

use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::NodeId;
use parlour_protocol::roster::{self, Change};
use parlour_protocol::row::Row;

use super::{Batch, Partition, Raising, Step};
use crate::log::sequencer::Decided;
use crate::router::step::{Call, Output, Placed};
use crate::router::tell::{Found, concerned, signals};

impl Partition {
    pub(super) fn batch(&mut self, call: Call) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|b| b.call == call)
    }

    pub(super) fn stored(&mut self, call: Call, _out: &mut Vec<Output>) {
        if let Some(batch) = self.batch(call) {
            batch.step = Step::Stored;
        }
    }

    pub(super) fn applied(&mut self, call: Call, out: &mut Vec<Output>) {
        if let Some(batch) = self.batch(call) {
            batch.step = Step::Locating;
            let (users, channels) = concerned(&batch.decided);
            let locate = self.call(out, |call| Output::Locate {
                call,
                users,
                channels,
            });
            if let Some(batch) = self.batch(call) {
                batch.call = locate;
            }
        } else if let Some(raising) = &self.raising
            && raising.step == call
        {
            let (users, channels) = raising.round.concerned();
            let locate = self.call(out, |call| Output::Locate {
                call,
                users,
                channels,
            });
            if let Some(raising) = &mut self.raising {
                raising.step = locate;
            }
        }
    }

    pub(super) fn located(
        &mut self,
        call: Call,
        found: Found,
        _now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        if let Some(batch) = self.batch(call) {
            batch.found = Some(found);
        } else if self.raising.as_ref().is_some_and(|r| r.step == call) {
            let found = match core::mem::take(&mut self.located) {
                _ if planted(Mutant::NoRaise) => Found::default(),
                before if planted(Mutant::LocatedOnce) => before,
                _ => found,
            };
            let signals = self
                .raising
                .as_ref()
                .map(|r| r.round.signals(&found, self.config.heads_max))
                .unwrap_or_default();
            let mut telling = BTreeSet::new();
            for (node, signals) in signals {
                if planted(Mutant::RaiseUnacknowledged) {
                    out.push(Output::Tell { node, signals });
                    continue;
                }
                telling.insert(self.call(out, |call| Output::Raise {
                    call,
                    node,
                    signals,
                }));
            }
            if let Some(raising) = &mut self.raising {
                raising.telling = telling;
                raising.told = true;
            }
        }
    }

    pub(super) fn node_gone(&mut self, node: NodeId) {
        let gone: Vec<Call> = self
            .open
            .iter()
            .filter(|(_, (o, _))| matches!(o, Output::Raise { node: n, .. } if *n == node))
            .map(|(call, _)| *call)
            .collect();
        for call in gone {
            self.close(call);
            if let Some(raising) = &mut self.raising {
                raising.telling.remove(&call);
            }
        }
    }

    /// Whether another batch may be on its way to the store. A log that dies with its process never
    /// gives a record again: there a batch must not be durable while one before it is not.
    pub(super) fn may_store(&self) -> bool {
        !self.config.joined
            || planted(Mutant::JoinedPipelines)
            || self.batches.iter().all(|b| b.step != Step::Storing)
    }

    /// Batches are told in their order: nothing before its rows and all earlier ones are durable.
    pub(super) fn deliver(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let mut durable = None;
        let mut next_steps = Vec::new();
        for (at, batch) in self.batches.iter().enumerate() {
            if batch.step == Step::Storing && planted(Mutant::BatchesPass) {
                continue;
            }
            if batch.step == Step::Storing {
                break;
            }
            durable = Some(batch.last.position);
            if batch.step == Step::Stored {
                next_steps.push(at);
            }
        }
        if durable.is_some() {
            self.durable = durable;
        }
        for at in next_steps {
            let Some(batch) = self.batches.get(at) else {
                continue;
            };
            // Who is a member is known to gateways before anyone is told: a group that answers
            // `sent` to its maker takes that maker's next send.
            let changes: Vec<Change> = if self.config.joined {
                Vec::new()
            } else if batch.decided.iter().any(alters_standing) {
                batch
                    .decided
                    .iter()
                    .flat_map(|d| roster::changes(&d.rows))
                    .collect()
            } else {
                Vec::new()
            };
            let (call, step) = if changes.is_empty() {
                let (users, channels) = concerned(&batch.decided);
                let locate = self.call(out, |call| Output::Locate {
                    call,
                    users,
                    channels,
                });
                (locate, Step::Locating)
            } else {
                (
                    self.call(out, |call| Output::Apply { call, changes }),
                    Step::Applying,
                )
            };
            if let Some(batch) = self.batches.get_mut(at) {
                batch.call = call;
                batch.step = step;
            }
        }
        while let Some(at) = self.batches.iter().position(|b| b.found.is_some()) {
            if at > 0 && !planted(Mutant::BatchesPass) {
                break;
            }
            let Some(batch) = self.batches.remove(at) else {
                break;
            };
            let found = batch.found.unwrap_or_default();
            if planted(Mutant::LocatedOnce) {
                self.located.locations.extend(found.locations.clone());
                self.located.watchers.extend(found.watchers.clone());
            }
            for (node, signals) in signals(&batch.decided, &found) {
                out.push(Output::Tell { node, signals });
            }
            let up_to = batch.last.position;
            let events: Vec<Placed> = batch.decided.iter().filter_map(placed).collect();
            out.push(Output::Placed { events, up_to });
            if self.config.joined || planted(Mutant::LetGoEarly) {
                out.push(Output::Done { up_to });
            }
            if self.config.joined {
                self.heads.add(&[], batch.last, now_ms);
            } else {
                self.heads.add(&batch.decided, batch.last, now_ms);
            }
        }
        // What was freed may be filled at once.
        self.judge(out);
    }

    pub(super) fn raise(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if let Some(raising) = self.raising.take_if(|r| r.told && r.telling.is_empty()) {
            let progress = raising.round.done;
            self.advancing = Some(self.call(out, |call| Output::Advance { call, progress }));
        }
        let due = self
            .heads
            .since_ms()
            .is_some_and(|since| now_ms >= since.saturating_add(self.config.raise_after_ms));
        if !due || self.raising.is_some() || self.advancing.is_some() {
            return;
        }
        let Some(round) = self.heads.take() else {
            return;
        };
        if round.changes.is_empty() {
            // Nothing to raise: answers alone, or heads that were durable with their events.
            let progress = round.done;
            self.advancing = Some(self.call(out, |call| Output::Advance { call, progress }));
            return;
        }
        let changes = round.changes.clone();
        let step = self.call(out, |call| Output::Apply { call, changes });
        self.raising = Some(Raising {
            round,
            step,
            telling: BTreeSet::new(),
            told: false,
        });
    }
}

/// Whether a decision changes who is a member, or how a conversation stands beyond its head.
fn alters_standing(d: &Decided) -> bool {
    d.rows.iter().any(|row| match row {
        Row::Interval(_) | Row::Setting(_) => true,
        Row::Event(event) => event.seq.0 == 1,
        _ => false,
    })
}

fn placed(d: &Decided) -> Option<Placed> {
    let event = d.event.clone()?;
    Some(Placed {
        position: d.position,
        event,
        audience: d.audience.clone(),
    })
}
