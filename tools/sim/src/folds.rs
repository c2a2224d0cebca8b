//! What every event comes to with all that changed it, told from the events alone: neither the
//! rows beside them nor the gateway's fold are asked. Devices at rest must show just that.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::frame::server;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind;
use parlour_protocol::record::Header;
use parlour_protocol::seq::Seq;

use crate::client::Client;
use crate::world::World;

/// What changed one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fold {
    edited: Option<Seq>,
    deleted: Option<Seq>,
    reactions: BTreeSet<(UserId, String)>,
}

impl Fold {
    fn of(event: &server::Event) -> Self {
        Self {
            // A deletion hides what was edited before it.
            edited: match &event.deleted {
                Some(_) => None,
                None => event.edited.as_ref().map(|e| e.seq),
            },
            deleted: event.deleted.as_ref().map(|d| d.seq),
            reactions: match &event.deleted {
                Some(_) => BTreeSet::new(),
                None => event
                    .reactions
                    .iter()
                    .map(|r| (r.user, r.key.clone()))
                    .collect(),
            },
        }
    }
}

/// Every device that is at rest shows the events that it holds as they are.
pub fn judge(world: &mut World) {
    let mut wrong = Vec::new();
    let mut known: BTreeMap<(ConversationId, Seq), BTreeMap<Seq, Fold>> = BTreeMap::new();
    for client in &world.clients {
        let Some(core) = client.core().filter(|_| client.is_at_rest()) else {
            continue;
        };
        for line in core.lines() {
            let conversation = line.conversation;
            let end = end(world, client, conversation);
            let folds = known
                .entry((conversation, end))
                .or_insert_with(|| folds(world, conversation, end));
            // Changes that this device has on their way are laid over its timeline alone.
            for seq in 1..=end.0 {
                let Some(event) = core.event(conversation, Seq(seq)) else {
                    continue;
                };
                let there = folds.get(&event.seq).cloned().unwrap_or_default();
                // What was erased after its user went out may be told to a device that asks; one
                // that has it already is told of nothing there.
                let later = event.deleted.as_ref().is_some_and(|d| d.seq > end);
                if !later && Fold::of(event) != there {
                    wrong.push(format!(
                        "stale at the end: device {} shows {:?} of {conversation} with {:?}, and \
                         it has {there:?}",
                        client.device,
                        event.seq,
                        Fold::of(event)
                    ));
                }
            }
        }
    }
    wrong.into_iter().for_each(|text| world.breach(text));
}

/// How far a device's user may know of changes: who is out, as far as they were in.
fn end(world: &World, client: &Client, conversation: ConversationId) -> Seq {
    let head = world.history.head(conversation).seq;
    let intervals = world.history.intervals(conversation, client.user);
    match intervals.last() {
        Some(last) => last.until.map_or(head, |until| until.seq),
        None => head,
    }
}

fn folds(world: &World, conversation: ConversationId, end: Seq) -> BTreeMap<Seq, Fold> {
    let all = world
        .history
        .range(conversation, Seq::ZERO, Seq::MAX, false, usize::MAX);
    let mut out: BTreeMap<Seq, Fold> = BTreeMap::new();
    for row in all.events.iter().filter(|e| e.seq <= end) {
        let Ok(h) = Header::from_bytes(&row.header) else {
            continue;
        };
        let Some(target) = h.target.filter(|_| h.class == kind::Class::Change) else {
            continue;
        };
        let fold = out.entry(target).or_default();
        if fold.deleted.is_some() {
            continue;
        }
        match h.kind.as_str() {
            kind::DELETE => {
                *fold = Fold {
                    deleted: Some(row.seq),
                    ..Fold::default()
                };
            }
            kind::EDIT => fold.edited = Some(row.seq),
            kind::REACTION => {
                let key = (h.sender, h.key.clone().unwrap_or_default());
                if h.off {
                    fold.reactions.remove(&key);
                } else {
                    fold.reactions.insert(key);
                }
            }
            _ => {}
        }
    }
    out
}
