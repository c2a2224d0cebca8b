//! What was decided, as signals for the nodes that hold the sessions concerned.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Class;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::{Location, NodeId, Signal};
use parlour_protocol::record::Header;
use parlour_protocol::row::Event;
use parlour_protocol::seq::Head;

use crate::log::sequencer::{Audience, Decided};

/// Where sessions were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Sessions of the users asked for.
    pub locations: Vec<Location>,
    /// Nodes that watch the channels asked for.
    pub watchers: Vec<(ConversationId, Vec<NodeId>)>,
    /// The session store could not be asked: every known node is told.
    pub everywhere: Option<Vec<NodeId>>,
}

/// Whom a batch concerns: users whose sessions are to be located, and channels.
#[must_use]
pub fn concerned(decided: &[Decided]) -> (Vec<UserId>, Vec<ConversationId>) {
    let (mut users, mut channels) = (BTreeSet::new(), BTreeSet::new());
    for d in decided {
        users.extend(d.told.map(|t| t.user));
        match (&d.audience, &d.event) {
            (Audience::Users(of), _) => users.extend(of.iter().copied()),
            (Audience::Channel, Some(event)) => {
                channels.insert(event.conversation);
                users.extend(named(event));
            }
            _ => {}
        }
    }
    (users.into_iter().collect(), channels.into_iter().collect())
}

/// The users whom a membership event concerns by name.
#[must_use]
pub fn named(event: &Event) -> Vec<UserId> {
    match Header::from_bytes(&event.header) {
        Ok(h) if h.class == Class::Membership => {
            let named: BTreeSet<UserId> =
                h.named.iter().map(|n| n.user).chain([h.sender]).collect();
            named.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Where to find users and channels, by node.
#[derive(Debug)]
pub struct Directory<'a> {
    found: &'a Found,
    nodes_of: BTreeMap<UserId, BTreeSet<NodeId>>,
}

impl<'a> Directory<'a> {
    /// A directory over what was found.
    #[must_use]
    pub fn new(found: &'a Found) -> Self {
        let mut nodes_of: BTreeMap<UserId, BTreeSet<NodeId>> = BTreeMap::new();
        for location in &found.locations {
            nodes_of
                .entry(location.user)
                .or_default()
                .insert(location.node);
        }
        Self { found, nodes_of }
    }

    /// These users by the nodes that hold a session of theirs.
    #[must_use]
    pub fn users(&self, users: &[UserId]) -> BTreeMap<NodeId, Vec<UserId>> {
        let mut by_node: BTreeMap<NodeId, Vec<UserId>> = BTreeMap::new();
        if let Some(nodes) = &self.found.everywhere {
            for node in nodes {
                by_node.insert(*node, users.to_vec());
            }
            return by_node;
        }
        for user in users {
            for node in self.nodes_of.get(user).into_iter().flatten() {
                by_node.entry(*node).or_default().push(*user);
            }
        }
        by_node
    }

    /// The nodes that watch a channel.
    #[must_use]
    pub fn watchers(&self, channel: ConversationId) -> Vec<NodeId> {
        match &self.found.everywhere {
            Some(nodes) => nodes.clone(),
            None => self
                .found
                .watchers
                .iter()
                .filter(|(c, _)| *c == channel)
                .flat_map(|(_, nodes)| nodes.iter().copied())
                .collect(),
        }
    }
}

/// Signals of a batch, by node, in the order of the batch. The sender is answered before anyone is
/// shown the event.
#[must_use]
pub fn signals(decided: &[Decided], found: &Found) -> BTreeMap<NodeId, Vec<Signal>> {
    let directory = Directory::new(found);
    let mut out: BTreeMap<NodeId, Vec<Signal>> = BTreeMap::new();
    for d in decided {
        if let Some(told) = d.told {
            for node in directory.users(&[told.user]).into_keys() {
                out.entry(node).or_default().push(Signal::Answer {
                    device: told.device,
                    conversation: told.conversation,
                    id: told.id,
                    answer: told.answer,
                });
            }
        }
        let Some(event) = &d.event else { continue };
        match &d.audience {
            Audience::None => {}
            Audience::Users(users) => {
                for (node, to) in directory.users(users) {
                    let event = event.clone();
                    out.entry(node)
                        .or_default()
                        .push(Signal::Event { event, to });
                }
            }
            Audience::Channel => {
                for node in directory.watchers(event.conversation) {
                    let event = event.clone();
                    out.entry(node).or_default().push(Signal::Event {
                        event,
                        to: Vec::new(),
                    });
                }
                // Whoever comes in or goes out may be on a node that does not watch it yet: where
                // no round of raising follows, this is all that they are told.
                let named = if planted(Mutant::NamedNotTold) {
                    Vec::new()
                } else {
                    named(event)
                };
                for (node, to) in directory.users(&named) {
                    out.entry(node).or_default().push(Signal::Raised {
                        conversation: event.conversation,
                        head: Head {
                            seq: event.seq,
                            n: event.carried.n,
                        },
                        to,
                        named: true,
                    });
                }
            }
        }
    }
    out
}
