//! The ways between the parts: links to clients, which keep order, and the relay between nodes,
//! which loses, doubles and delays.

use parlour_engine::session;
use parlour_protocol::node::Signal;

use super::{Event, ToNode, World};
use crate::calls::Fate;
use crate::script::Call;

impl World {
    /// When a message on a link arrives: in order, after some while.
    pub fn arrival(&mut self, link: u64, to_client: bool) -> u64 {
        let slow = self.breaking && self.dice.percent(3);
        let after = if slow {
            self.dice.between(50, 1_500)
        } else {
            self.dice.between(0, 6)
        };
        let last = self.arrivals.entry((link, to_client)).or_default();
        *last = (*last).max(self.now_ms + after);
        *last - self.now_ms
    }

    /// Whether no router reaches a node now.
    #[must_use]
    pub fn is_cut(&self, node: usize) -> bool {
        self.relay_cut
            .get(&node)
            .is_some_and(|until_ms| self.cluster && self.now_ms < *until_ms)
    }

    /// Signals on their way to a node. Some are lost, doubled or late, between nodes alone.
    pub fn relay(&mut self, node: usize, signals: Vec<Signal>) {
        let Some(life) = self.nodes.get(node).map(|n| n.life) else {
            return;
        };
        if self.trace.is_some() {
            for signal in &signals {
                self.tell(|| format!("to node {node}: {signal:?}"));
            }
        }
        let turn = self.turn(&Call::Relay {
            node,
            signals: &signals,
        });
        if let Some((fate, hold)) = turn {
            let input = ToNode::Session(Box::new(session::Input::Signals(signals)));
            match fate {
                Fate::Fine { effect_ms, .. } | Fate::Lost { effect_ms, .. } => {
                    self.effect(hold, effect_ms, Event::Node(node, life, input));
                }
                Fate::Refused { .. } | Fate::Vanished { .. } => {}
            }
            return;
        }
        let faulty = self.cluster && self.breaking;
        if faulty && (self.is_cut(node) || self.dice.percent(4)) {
            self.tell(|| format!("relay to node {node} loses {} signals", signals.len()));
            return;
        }
        let late = faulty && self.dice.percent(4);
        let after = if late {
            self.dice.between(10, 2_000)
        } else {
            self.dice.between(0, 2)
        };
        let after = if self.cluster { after } else { 0 };
        if faulty && self.dice.percent(2) {
            let again = self.dice.between(0, 3_000);
            let input = session::Input::Signals(signals.clone());
            self.at(
                again,
                Event::Node(node, life, ToNode::Session(Box::new(input))),
            );
        }
        let input = session::Input::Signals(signals);
        self.at(
            after,
            Event::Node(node, life, ToNode::Session(Box::new(input))),
        );
    }
}
