//! Signals from a gateway to other nodes: to where their users are, or to all.

use std::collections::BTreeMap;

use parlour_protocol::id::UserId;
use parlour_protocol::node::{NodeId, Signal};

use crate::world::World;

/// Tells users' sessions, wherever they are, or every node.
pub(super) fn tell(world: &mut World, signal: Signal) {
    let now_ms = world.now_ms;
    let to = match &signal {
        Signal::Marked { to, .. } | Signal::Typing { to, .. } => to.clone(),
        _ => Vec::new(),
    };
    if to.is_empty() {
        for node in 0..world.nodes.len() {
            world.relay(node, vec![signal.clone()]);
        }
        return;
    }
    let mut by_node: BTreeMap<NodeId, Vec<UserId>> = BTreeMap::new();
    for location in world.sessions.locate(&to, now_ms) {
        let users = by_node.entry(location.node).or_default();
        if !users.contains(&location.user) {
            users.push(location.user);
        }
    }
    for (node, users) in by_node {
        let mut signal = signal.clone();
        if let Signal::Marked { to, .. } | Signal::Typing { to, .. } = &mut signal {
            *to = users;
        }
        world.relay(usize::try_from(node.0).unwrap_or(usize::MAX), vec![signal]);
    }
}
