//! What the server knows: the log, outcomes and marks, and how an event folds.

use std::collections::BTreeMap;

use parlour_protocol::error::Code;
use parlour_protocol::frame::server;
use parlour_protocol::id::{MessageId, UserId};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::seq::{Head, Mark, Seq};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Placed(Seq),
    Refused(Code),
}

#[derive(Default)]
pub(crate) struct Model {
    /// Events as they came, with what they said.
    pub(crate) log: Vec<server::Event>,
    pub(crate) outcomes: BTreeMap<(UserId, MessageId), Outcome>,
    pub(crate) marks: BTreeMap<UserId, Mark>,
}

impl Model {
    pub(crate) fn head(&self) -> Head {
        self.log
            .last()
            .map_or(Head::default(), |e| Head { seq: e.seq, n: e.n })
    }

    /// An event as a page shows it, by the rules of the wire: edits say nothing at their own
    /// place, the highest seq wins, what is deleted is empty and takes no further change.
    pub(crate) fn folded(&self, seq: Seq, as_of: Seq) -> server::Event {
        let mut e = self.log[seq.0 as usize - 1].clone();
        if e.kind == kind::EDIT {
            e.body = None;
        }
        for c in self.log.iter().filter(|c| c.seq <= as_of) {
            if c.class != Class::Change || c.target != Some(seq) || e.deleted.is_some() {
                continue;
            }
            match c.kind.as_str() {
                kind::EDIT => {
                    e.body.clone_from(&c.body);
                    e.mentions = c.mentions.clone();
                    e.edited = Some(server::Edited {
                        seq: c.seq,
                        time_ms: c.time_ms,
                    });
                }
                kind::DELETE => {
                    e.body = None;
                    e.edited = None;
                    e.reactions.clear();
                    e.deleted = Some(server::Deleted {
                        seq: c.seq,
                        by: c.sender,
                    });
                }
                kind::REACTION => {
                    let key = c.key.clone().unwrap();
                    e.reactions.retain(|r| r.user != c.sender || r.key != key);
                    if c.on {
                        e.reactions.push(server::Reaction {
                            seq: c.seq,
                            user: c.sender,
                            key,
                        });
                    }
                }
                _ => unreachable!(),
            }
        }
        e
    }
}
