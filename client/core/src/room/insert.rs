//! Events and pages come in.

use std::sync::Arc;

use parlour_protocol::frame::server::{self, Event, Withheld};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::seq::{Head, Seq};

use super::{Did, Room};
use crate::fold::{carries_all, fold};
use crate::saved::{Span, Stretch};

impl Room {
    /// An event that came by itself. None if its place is held already.
    pub(crate) fn live(&mut self, event: Event) -> Option<Did> {
        let (seq, prev) = (event.seq, event.prev.min(event.seq.prev()));
        if seq == Seq::ZERO || seq <= self.had || self.stretches.covers(seq) {
            return None;
        }
        let newest = self.stretches.newest().map_or(self.had, |s| s.to);
        if seq < newest {
            // Into a gap that is known: a page fills it as a whole.
            return None;
        }
        self.raise(Head { seq, n: event.n });
        let event = Arc::new(event);
        let mut did = Did {
            fruitful: true,
            ..Did::default()
        };
        self.fold_over_target(&event, &mut did);
        // Whoever knew everything up to the place before knows everything up to this one now:
        // quiet places between are no changes.
        for s in self.stretches.all_mut() {
            if s.as_of >= prev {
                s.as_of = s.as_of.max(seq);
            }
        }
        match self.stretches.newest_mut() {
            Some(s) if prev <= s.to || planted(Mutant::GapsTrusted) => s.to = seq,
            _ => self.stretches.insert(Stretch {
                from: prev.max(newest).next().min(seq),
                to: seq,
                as_of: seq,
            }),
        }
        self.stretches.merge();
        self.events.insert(seq, Arc::clone(&event));
        self.dirty = true;
        did.new.push(event);
        Some(did)
    }

    /// Lays a change that just came over its target, if that is held and its fold does not have
    /// the change yet.
    fn fold_over_target(&mut self, change: &Arc<Event>, did: &mut Did) {
        let Some(target) = change.target.filter(|_| change.class == Class::Change) else {
            return;
        };
        let fresh = self
            .stretches
            .containing(target)
            .is_some_and(|s| s.as_of < change.seq);
        if change.kind == kind::DELETE {
            self.drop_edit_bodies(target, did);
        }
        if fresh
            && let Some(event) = self.events.get_mut(&target)
            && fold(Arc::make_mut(event), change)
        {
            did.tell(event);
        }
    }

    /// What was said by edits of an erased event is erased with it.
    fn drop_edit_bodies(&mut self, target: Seq, did: &mut Did) {
        for event in self.events.range_mut(target..).map(|(_, e)| e) {
            if event.target == Some(target) && event.kind == kind::EDIT && event.body.is_some() {
                Arc::make_mut(event).body = None;
                did.rewritten.push(Arc::clone(event));
            }
        }
    }

    /// A page of consecutive places.
    pub(crate) fn page(&mut self, page: server::Stretch) -> Did {
        let mut did = Did::default();
        self.raise(Head {
            seq: page.to,
            n: page
                .events
                .last()
                .filter(|e| e.seq == page.to)
                .map_or(self.head.n, |e| e.n),
        });
        if page.from > page.to || page.from == Seq::ZERO {
            return did;
        }
        // Where what is held knows more of changes than the page does, it stays; elsewhere the
        // page takes its place.
        let better: Vec<(Seq, Seq)> = self
            .stretches
            .all()
            .iter()
            .filter(|s| s.as_of > page.as_of && s.to >= page.from && s.from <= page.to)
            .map(|s| (s.from, s.to))
            .collect();
        let before = self.stretches.holes(page.from, page.to);
        did.fruitful = !before.is_empty()
            || self
                .stretches
                .all()
                .iter()
                .any(|s| s.as_of < page.as_of && s.to >= page.from && s.from <= page.to);
        let mut keep = crate::stretches::Stretches::default();
        for (from, to) in better {
            keep.insert(Stretch {
                from: from.max(page.from),
                to: to.min(page.to),
                as_of: Seq::ZERO,
            });
        }
        let pieces = keep.holes(page.from, page.to);
        for &(from, to) in &pieces {
            self.stretches.subtract(from, to);
        }
        for &(from, to) in &pieces {
            self.stretches.insert(Stretch {
                from,
                to,
                as_of: page.as_of,
            });
        }
        for event in page.events {
            let inside = pieces
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&event.seq));
            if inside && event.conversation == self.id {
                self.take(event, &mut did);
            }
        }
        for w in page.withheld {
            if w.from <= w.to {
                self.withhold(&w, &mut did);
            }
        }
        for &(from, to) in &pieces {
            self.refold(from, to, page.as_of, &mut did);
        }
        self.lift(&mut did);
        self.stretches.merge();
        self.dirty = true;
        did
    }

    /// Events that changed since the `as_of` of what is held in `[from, to]`; the last of the
    /// answer, if `done`.
    pub(crate) fn changes(
        &mut self,
        page: server::Stretch,
        asked: (Seq, Seq),
        as_of: Seq,
        done: bool,
    ) -> Did {
        let mut did = Did {
            fruitful: true,
            ..Did::default()
        };
        for event in page.events {
            let stale = self
                .stretches
                .containing(event.seq)
                .is_some_and(|s| s.as_of < page.as_of);
            if stale && event.conversation == self.id && self.events.contains_key(&event.seq) {
                let at = event.seq;
                self.take(event, &mut did);
                self.refold(at, at, page.as_of, &mut did);
            }
        }
        if done {
            // The server's own head may lag: then the same question is for later.
            did.fruitful = false;
            for s in self.stretches.all_mut() {
                if s.from >= asked.0 && s.from <= asked.1 && s.as_of < as_of {
                    s.as_of = as_of;
                    did.fruitful = true;
                }
            }
            self.lift(&mut did);
            self.stretches.merge();
            self.dirty = true;
        }
        did
    }

    fn take(&mut self, mut event: Event, did: &mut Did) {
        let seq = event.seq;
        if event.deleted.is_some() {
            self.drop_edit_bodies(seq, did);
        }
        let Some(old) = self.events.get(&seq) else {
            let event = Arc::new(event);
            self.events.insert(seq, Arc::clone(&event));
            did.new.push(event);
            return;
        };
        // A change that came by itself said what a page leaves out.
        if event.body.is_none() && event.class == Class::Change {
            event.body.clone_from(&old.body);
        }
        if **old != event {
            let event = Arc::new(event);
            self.events.insert(seq, Arc::clone(&event));
            did.tell(&event);
        }
    }

    fn withhold(&mut self, w: &Withheld, did: &mut Did) {
        let known = self
            .withheld
            .iter()
            .any(|k| k.from <= w.from && k.to >= w.to && k.why == w.why);
        if known {
            return;
        }
        did.withheld.push(w.clone());
        let mut new = Span::from(w);
        // Neighbours and overlaps with the same reason become one.
        self.withheld.retain(|k| {
            let touches = k.why == new.why && k.from <= new.to.next() && k.to.next() >= new.from;
            if touches {
                new.from = new.from.min(k.from);
                new.to = new.to.max(k.to);
            }
            !touches
        });
        let at = self.withheld.partition_point(|k| k.from < new.from);
        self.withheld.insert(at, new);
    }

    /// Lays changes that are held and newer than a page over the page's events.
    fn refold(&mut self, from: Seq, to: Seq, as_of: Seq, did: &mut Did) {
        let changes: Vec<Arc<Event>> = self
            .events
            .range(as_of.next()..)
            .map(|(_, e)| e)
            .filter(|e| e.class == Class::Change)
            .filter(|e| e.target.is_some_and(|t| t >= from && t <= to))
            .cloned()
            .collect();
        for change in changes {
            let Some(target) = change.target.and_then(|t| self.events.get_mut(&t)) else {
                continue;
            };
            if fold(Arc::make_mut(target), &change) {
                did.tell(target);
            }
        }
    }

    /// Raises each `as_of` over places that are held and whose changes are in the fold. A place
    /// that is withheld may hold a change of what may be read: there it must be asked.
    fn lift(&mut self, did: &mut Did) {
        let all = self.stretches.all().to_vec();
        for (i, s) in all.iter().enumerate() {
            let mut as_of = s.as_of;
            while let Some(next) = all.iter().find(|n| n.from <= as_of.next() && n.to > as_of) {
                let lacking = self
                    .events
                    .range(as_of.next()..=next.to)
                    .map(|(_, e)| e)
                    .find(|e| {
                        e.class == Class::Change
                            && e.target.is_some_and(|t| t >= s.from && t <= s.to)
                            && !(carries_all(e) || self.erased(e.target))
                    });
                let hidden = self
                    .withheld
                    .iter()
                    .find(|w| w.to > as_of && w.from <= next.to)
                    .map(|w| w.from);
                let stop = match (lacking.map(|e| e.seq), hidden) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                match stop {
                    None => as_of = next.to,
                    Some(seq) => {
                        as_of = as_of.max(seq.prev());
                        break;
                    }
                }
            }
            if as_of > s.as_of {
                self.fold_between(*s, as_of, did);
                if let Some(s) = self.stretches.all_mut().get_mut(i) {
                    s.as_of = as_of;
                }
            }
        }
    }

    fn erased(&self, seq: Option<Seq>) -> bool {
        seq.and_then(|s| self.events.get(&s))
            .is_some_and(|e| e.deleted.is_some())
    }

    /// Folds held changes of places in `(s.as_of, upto]` over the events of a stretch. What came
    /// by itself was folded then; what came in a page was not.
    fn fold_between(&mut self, s: Stretch, upto: Seq, did: &mut Did) {
        let changes: Vec<Arc<Event>> = self
            .events
            .range(s.as_of.next()..=upto)
            .map(|(_, e)| e)
            .filter(|e| e.class == Class::Change)
            .filter(|e| e.target.is_some_and(|t| t >= s.from && t <= s.to))
            .cloned()
            .collect();
        for change in changes {
            if let Some(target) = change.target.and_then(|t| self.events.get_mut(&t))
                && fold(Arc::make_mut(target), &change)
            {
                did.tell(target);
            }
        }
    }
}
