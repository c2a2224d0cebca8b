//! When the faults are over: everything comes to rest, and is as it should be.

use parlour_client_core::saved::Stage;
use parlour_client_core::{Ended, Fetch};
use parlour_protocol::frame::{Server, server};
use parlour_protocol::kind::Class;
use parlour_protocol::seq::Seq;

use crate::model::Outcome;
use crate::world::{CLIENTS, World, room};

impl World {
    /// The faults are over: everything comes to rest within a bound.
    pub(crate) fn settle(&mut self) {
        self.faults = false;
        // Whoever missed an event and its head hears of it by the heads of later.
        for i in 0..CLIENTS {
            if self.devices[i].up {
                let heads = vec![server::Moved {
                    conversation: room(),
                    head: self.model.head(),
                }];
                self.reply(i, Server::Heads(server::Heads { heads }));
            }
        }
        for _ in 0..200_000 {
            self.step();
            let busy = self.devices.iter().any(|d| {
                !d.client.quiet()
                    || !d.down.is_empty()
                    || !d.upward.is_empty()
                    || !d.unwritten.is_empty()
            });
            if !busy {
                return;
            }
        }
        for d in &self.devices {
            eprintln!(
                "{:?} held {:?} head {:?} outbox {:?}",
                d.client.link(),
                d.client.held(room()),
                self.model.head(),
                d.client.outbox().collect::<Vec<_>>()
            );
        }
        panic!("no rest");
    }

    pub(crate) fn check(&self, fetch: Fetch) {
        let head = self.model.head().seq;
        for d in &self.devices {
            let user = d.settings.user;
            // Every request ended as the server says.
            for id in &d.requests {
                let outcome = self.model.outcomes.get(&(user, *id));
                let how = d.ended.get(id);
                match (outcome, how) {
                    (Some(Outcome::Placed(seq)), Some(Ended::Sent { seq: told, .. })) => {
                        assert_eq!(seq, told);
                    }
                    (Some(Outcome::Refused(code)), Some(Ended::Refused { code: told, .. })) => {
                        assert_eq!(code, told);
                    }
                    (Some(Outcome::Refused(_)) | None, Some(Ended::GivenUp)) => {}
                    other => panic!("{id}: {other:?}"),
                }
            }
            for row in d.client.outbox() {
                assert!(matches!(row.stage, Stage::Failed { .. }), "{row:?}");
            }
            // In the order in which they were asked for.
            let places: Vec<Seq> = d
                .requests
                .iter()
                .filter_map(|id| match self.model.outcomes.get(&(user, *id)) {
                    Some(Outcome::Placed(seq)) => Some(*seq),
                    _ => None,
                })
                .collect();
            assert!(places.windows(2).all(|w| w[0] < w[1]), "{places:?}");
            // What is held is what the server has.
            let held = d.client.held(room());
            if head > Seq::ZERO {
                let newest = held.last().unwrap();
                assert_eq!(newest.to, head);
            }
            if fetch == Fetch::Everything && head > Seq::ZERO {
                // One unbroken stretch; what is not in it was told and let go.
                assert_eq!(held.len(), 1, "{held:?}");
                assert!(held[0].from == Seq(1) || d.settings.held_max < 10_000);
                for seq in 1..=head.0 {
                    assert!(d.told.contains(&Seq(seq)), "#{seq} was never told");
                }
            }
            for s in held {
                if s.as_of < head {
                    continue;
                }
                for seq in s.from.0..=s.to.0 {
                    let mut is = d.client.event(room(), Seq(seq)).unwrap().as_ref().clone();
                    let mut should = self.model.folded(Seq(seq), head);
                    is.reactions.sort_by_key(|r| r.seq);
                    should.reactions.sort_by_key(|r| r.seq);
                    if is.class == Class::Change {
                        // Who heard an edit by itself knows what it said.
                        is.body = None;
                    }
                    assert_eq!(is, should, "held {held:?}");
                }
            }
            let t = d.client.timeline(room(), None, 100_000);
            let mut seen = std::collections::BTreeSet::new();
            for item in &t.items {
                if let parlour_client_core::view::Item::Placed { event, .. } = item {
                    assert!(seen.insert(event.seq), "shown twice");
                }
            }
        }
        assert!(self.frames < 40_000, "{} frames are too many", self.frames);
    }
}
