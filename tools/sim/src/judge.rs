//! Whether it held: everything read back, the record judged, the log materialised again.

use parlour_checker::Op;
use parlour_checker::frames::{memberships, read_back};
use parlour_client_core::Link;
use parlour_engine::gateway::fold::{Asked, stretch};
use parlour_engine::gateway::need;
use parlour_engine::log::Sequencer;
use parlour_ports::history::memory::State;
use parlour_protocol::frame::server::{Event, Stretch};
use parlour_protocol::id::{ConversationId, DeviceId};
use parlour_protocol::position::Partition;
use parlour_protocol::row::Standing;
use parlour_protocol::seq::Seq;

use crate::client;
use crate::world::{Figures, PARTITIONS, World};

/// What came of a seed.
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Figures.
    pub figures: Figures,
    /// What did not hold, each with the invariant's name.
    pub breaches: Vec<String>,
    /// The story, if it was told.
    pub trace: Vec<String>,
    /// A hash of everything that is left: the same for the same seed.
    pub hash: u64,
}

/// Judges a world that has come to rest.
#[must_use]
pub fn judge(mut world: World) -> Outcome {
    look(&mut world);
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in format!("{:?}{:?}", world.history, world.figures).bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let report = world.checker.finish();
    let mut breaches = world.breaches;
    breaches.extend(report.breaches.iter().map(ToString::to_string));
    Outcome {
        seed: world.seed,
        figures: world.figures,
        breaches,
        trace: world.trace.unwrap_or_default(),
        hash,
    }
}

/// Reads everything back, and tells the record of it.
pub(crate) fn look(world: &mut World) {
    for at in 0..world.clients.len() {
        let ops = world
            .clients
            .get(at)
            .map(client::timelines)
            .unwrap_or_default();
        ops.iter().for_each(|op| world.record(op));
        unknown(world, at);
    }
    let mut all = core::mem::take(&mut world.called);
    all.extend(world.history.conversations());
    for conversation in all {
        read(world, conversation);
    }
    replay(world);
    crate::folds::judge(world);
    revoked(world);
}

/// Invariant 28: a device that was revoked is not connected any more.
fn revoked(world: &mut World) {
    let still: Vec<_> = world
        .clients
        .iter()
        .filter(|c| c.revoked && matches!(c.link_state(), Some(Link::Live)))
        .map(|c| c.device)
        .collect();
    for device in still {
        world.breach(format!(
            "revoked at the end: device {device} is still connected"
        ));
    }
}

fn unknown(world: &mut World, at: usize) {
    let Some(client) = world.clients.get(at) else {
        return;
    };
    let device = client.device;
    let open: Vec<_> = client
        .core()
        .into_iter()
        .flat_map(|c| c.outbox().map(|r| (r.conversation, r.id)))
        // What the core made of its own accord and never sent was not called.
        .filter(|(_, id)| client.invoked.contains(id))
        .collect();
    for (conversation, id) in open {
        world.record(&Op::Unknown {
            device,
            conversation,
            id,
        });
    }
}

/// Reads a conversation from end to end as its first member would who was always there.
fn read(world: &mut World, conversation: ConversationId) {
    let head = world.history.head(conversation);
    let mut pages: Vec<Stretch> = Vec::new();
    let mut after = Seq::ZERO;
    let auditor = parlour_protocol::UserId::from_bytes([0xaa; 16]);
    let op = Op::Membership {
        conversation,
        user: auditor,
        from: Seq::ZERO,
        until: None,
    };
    if head.seq == Seq::ZERO {
        // Never begun: nothing is there to be read, and nothing may have been told of it.
        world.record(&op);
        let back = read_back(DeviceId::NIL, auditor, conversation, head.seq, &[]);
        return world.record(&Op::ReadBack(back));
    }
    let Some(standing) = world.roster.standing(conversation) else {
        return world.breach(format!("lost: {conversation} has events and no standing"));
    };
    // Seen by nobody in particular: everything.
    let all = Standing {
        direct: Some(Default::default()),
        ..standing.clone()
    };
    while after < head.seq {
        let range = world
            .history
            .range(conversation, after, Seq::MAX, false, 100);
        let history = need::History {
            entry: need::Entry {
                standing: all.clone(),
                mark: Default::default(),
                other: None,
                member: None,
                removed: false,
                mentions: 0,
            },
            intervals: Vec::new(),
            as_of: range.as_of,
            events: range.events,
            changes: range.changes,
            erased: range.erased,
            more: false,
        };
        let asked = Asked {
            after,
            before: Seq::MAX,
            newest: false,
            changes: false,
        };
        let page = stretch(
            conversation,
            asked,
            &history,
            parlour_protocol::codec::Codec::Json,
            1 << 20,
        );
        if page.to <= after {
            return world.breach(format!("dense: {conversation} has a hole behind {after}"));
        }
        after = page.to;
        pages.push(page);
    }
    let events: Vec<Event> = pages.iter().flat_map(|p| p.events.clone()).collect();
    let first = world.clients.first().map(|c| c.user).unwrap_or_default();
    let back = read_back(DeviceId::NIL, first, conversation, head.seq, &pages);
    // Who was in it first, so that reading is judged by it.
    match standing.direct {
        Some((a, b)) => {
            world.record(&Op::History {
                conversation,
                history: parlour_protocol::kind::HistoryRule::All,
            });
            for user in [a, b] {
                let op = Op::Membership {
                    conversation,
                    user,
                    from: Seq::ZERO,
                    until: None,
                };
                world.record(&op);
            }
        }
        None => {
            for op in memberships(conversation, &events) {
                world.record(&op);
            }
        }
    }
    // Read by someone who was always there, so that what is judged is the store alone.
    world.record(&op);
    world.record(&Op::ReadBack(parlour_checker::ReadBack {
        user: auditor,
        ..back
    }));
}

/// Invariants 11 and 12: the log materialised again gives the same rows, from its start and, over
/// the rows that are there, from anywhere.
fn replay(world: &mut World) {
    if !world.cluster {
        return;
    }
    let mut again = State::default();
    for partition in (0..PARTITIONS).map(Partition) {
        let records: Vec<_> = world
            .kept
            .all(partition)
            .map(|(position, record)| (position, record.clone()))
            .collect();
        let mut sequencer = Sequencer::new(4);
        for chunk in records.chunks(7) {
            materialise(&mut sequencer, &mut again, chunk);
        }
        // A late starter over the finished rows writes nothing new.
        let from = usize::try_from(world.dice.below(records.len() as u64 + 1)).unwrap_or(0);
        let mut over = world.history.clone();
        let mut late = Sequencer::new(1);
        for chunk in records.get(from..).unwrap_or_default().chunks(3) {
            materialise(&mut late, &mut over, chunk);
        }
        if over.without_progress() != world.history.without_progress() {
            world.breach(format!(
                "replay: partition {} from {from} gives other rows",
                partition.0
            ));
        }
    }
    if again.without_progress() != world.history.without_progress() {
        world.breach("replay: the log gives other rows than are there".to_owned());
    }
}

fn materialise(
    sequencer: &mut Sequencer,
    state: &mut State,
    batch: &[(
        parlour_protocol::position::Position,
        parlour_protocol::record::Record,
    )],
) {
    let Some((first, _)) = batch.first() else {
        return;
    };
    let questions = sequencer.questions(batch);
    let facts = questions.iter().map(|q| state.fact(*first, q)).collect();
    sequencer.learn(&questions, facts);
    let (decided, _) = sequencer.decide(batch);
    for d in &decided {
        d.rows.iter().for_each(|row| state.write(row));
    }
    if let Some((last, _)) = batch.last() {
        sequencer.durable(*last);
    }
}
