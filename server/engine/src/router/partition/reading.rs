//! Records in: where to begin, what to read next, what the sequencer has to ask, and its decision.
//!
//! Never: a record passed over. Progress and the log's bounds that do not fit each other stop the
//! partition with what to do.

use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::position::{Offset, Position, Progress};
use parlour_protocol::record::Record;
use parlour_protocol::row::Row;

use super::{Batch, LOOKS, Partition, Phase, Step};
use crate::log::begin::{Begin, begin};
use crate::log::sequencer::UnknownRules;
use crate::router::Remedy;
use crate::router::step::{Call, Output};

impl Partition {
    pub(super) fn start(&mut self, out: &mut Vec<Output>) {
        let (Some(cursors), Some(bounds)) = (&self.cursors, &self.bounds) else {
            return;
        };
        match begin(self.id, cursors, bounds) {
            Ok(Begin { from, compare }) => {
                self.next = from;
                self.compare = compare;
                self.phase = Phase::Running;
            }
            // Who had the partition before may have gone on between the two readings: what a
            // person would be called for is looked at again first.
            Err(_) if self.looked < LOOKS => {
                self.looked += 1;
                self.call(out, |call| Output::ReadProgress { call });
            }
            Err(remedy) => self.stop(remedy, out),
        }
    }

    pub(super) fn judge(&mut self, out: &mut Vec<Output>) {
        while self.asking.is_none()
            && !self.queue.is_empty()
            && self.batches.len() < self.config.in_flight_max
            && self.may_store()
            && !self.released
        {
            let take = self.queue.len().min(self.config.batch_max.max(1));
            let batch: Vec<_> = self.queue.drain(..take).collect();
            // Only here: between a batch's questions and its decision nothing may be forgotten,
            // for what was known when it was asked is not asked.
            if let Some(position) = self.durable.take() {
                self.sequencer.durable(position);
            }
            let questions = self.sequencer.questions(&batch);
            match batch.first() {
                Some((as_of, _)) if !questions.is_empty() => {
                    let as_of = *as_of;
                    let asked = questions.clone();
                    let call = self.call(out, |call| Output::Ask {
                        call,
                        as_of,
                        questions: asked,
                    });
                    self.asking = Some((call, batch, questions));
                }
                _ => self.decide(batch, out),
            }
        }
    }

    pub(super) fn read(&mut self, out: &mut Vec<Output>) {
        if self.reading.is_none() && self.queue.len() < self.config.batch_max && !self.released {
            let (from, max) = (self.next, self.config.batch_max);
            self.reading = Some(self.call(out, |call| Output::Read { call, from, max }));
        }
    }

    pub(super) fn take(&mut self, records: Vec<(Position, Record)>, out: &mut Vec<Output>) {
        for (position, record) in records {
            if position.before(self.next) {
                continue;
            }
            let begins_anew =
                position.generation > self.next.generation && position.offset == Offset(0);
            if position != self.next && !begins_anew {
                let next = self.next;
                self.stop(
                    Remedy::Hole {
                        next,
                        found: position,
                    },
                    out,
                );
                return;
            }
            self.next = position.next();
            if let Some(hash) = self.compare.take() {
                if record.hash() == hash {
                    continue;
                }
                self.stop(Remedy::Recreated { done: position }, out);
                return;
            }
            self.queue.push_back((position, record));
        }
    }

    pub(super) fn decide(&mut self, batch: Vec<(Position, Record)>, out: &mut Vec<Output>) {
        let (decided, judged) = self.sequencer.decide(&batch);
        if let Some(last) = decided.last() {
            let last = Progress {
                position: last.position,
                record_hash: last.hash.clone(),
            };
            let rows: Vec<Row> = decided
                .iter()
                .flat_map(|d| d.rows.iter().cloned())
                .collect();
            if rows.is_empty() {
                // Answers alone: they wait for the batches before, not for the store.
                self.calls += 1;
                let call = Call(self.calls);
                self.batches.push_back(Batch {
                    call,
                    step: Step::Stored,
                    found: None,
                    decided,
                    last,
                });
            } else {
                if planted(Mutant::ProgressFirst) {
                    let progress = last.clone();
                    self.call(out, |call| Output::Advance { call, progress });
                }
                let call = self.call(out, |call| Output::Store { call, rows });
                let storing = if planted(Mutant::SentBeforeDurable) {
                    Step::Stored
                } else {
                    Step::Storing
                };
                self.batches.push_back(Batch {
                    call,
                    step: storing,
                    found: None,
                    decided,
                    last,
                });
            }
        }
        if let Err(UnknownRules { rules, .. }) = judged {
            self.released = true;
            self.queue.clear();
            out.push(Output::Release { rules });
        }
    }
}
