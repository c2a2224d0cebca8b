//! What of a client is recorded for the judge: what its core says of its own accord, and what it
//! tells and shows.

use parlour_checker::frames::{asked, marks_set, seen, why};
use parlour_checker::{Op, Via};
use parlour_client_core::{Ended, Update, view};
use parlour_protocol::error::Action;
use parlour_protocol::frame::Client as Frame;
use parlour_protocol::id::{ConversationId, DeviceId};

use super::Client;
use crate::world::{Event, ToClient, World};

/// What the core sends of its own accord, such as the deletion of what was given up too late, is
/// called too.
pub(super) fn own_accord(world: &mut World, at: usize, frame: &Frame) {
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    if let Some((id, op)) = asked(client.user, client.device, frame)
        && client.invoked.insert(id)
    {
        world.record(&op);
    }
}

pub(super) fn marks(world: &mut World, at: usize, frame: &Frame) {
    let Some((device, user)) = world.clients.get(at).map(|c| (c.device, c.user)) else {
        return;
    };
    for op in marks_set(user, device, frame) {
        world.record(&op);
    }
}

pub(super) fn note(world: &mut World, at: usize, update: Update) {
    let Some(client) = world.clients.get(at) else {
        return;
    };
    let (device, user, connection) = (client.device, client.user, client.connection);
    // Marks of others are not kept over a restart: each life of the program sees them anew.
    let mut eyes = *device.as_bytes();
    eyes[1] = client.life.to_le_bytes()[0];
    eyes[2] = client.life.to_le_bytes()[1];
    let observer = DeviceId::from_bytes(eyes);
    match update {
        Update::Event { event, via } => {
            let Some(connection) = connection else { return };
            let via = match via {
                parlour_client_core::Via::Live => Via::Live,
                parlour_client_core::Via::Page => Via::Page,
            };
            let conversation = event.conversation;
            let event = seen(&event);
            world.record(&Op::Receive {
                device,
                user,
                connection,
                conversation,
                event,
                via,
            });
        }
        Update::Withheld {
            conversation,
            places,
        } => world.record(&Op::Jump {
            device,
            user,
            conversation,
            from: places.from,
            to: places.to,
            why: why(places.why),
        }),
        Update::Ended {
            conversation,
            id,
            how,
        } => {
            // The worst moment to die: a person saw how it ended.
            let life = client.life;
            if let Some(client) = world.clients.get_mut(at) {
                client.ended.insert(id, how.clone());
            }
            if world.breaking && world.dice.percent(2) {
                world.at(0, Event::Client(at, life, ToClient::Die));
            }
            if matches!(how, Ended::Sent { .. }) && world.breaking && world.dice.percent(4) {
                let after = world.dice.between(0, 5_000);
                let again = ToClient::Reuse(conversation, id);
                world.at(after, Event::Client(at, life, again));
            }
            match how {
                Ended::Sent { seq, n, .. } => {
                    world.record(&Op::Ok {
                        device,
                        conversation,
                        id,
                        seq,
                        n,
                    });
                }
                Ended::Refused { code, .. } => {
                    let finally = code.action() == Action::GiveUp;
                    world.record(&Op::Refused {
                        device,
                        conversation,
                        id,
                        code,
                        finally,
                    });
                }
                Ended::GivenUp => {}
            }
        }
        Update::Receipts {
            conversation,
            members,
        } => {
            for (of, mark) in members {
                world.record(&Op::MarkSeen {
                    observer,
                    of,
                    conversation,
                    delivered: mark.delivered().seq,
                    read: mark.read.seq,
                });
            }
        }
        Update::Marks { conversation, own } => world.record(&Op::MarkSeen {
            observer,
            of: user,
            conversation,
            delivered: own.delivered().seq,
            read: own.read.seq,
        }),
        _ => {}
    }
}

/// What its screen shows of every conversation.
#[must_use]
pub fn timelines(client: &Client) -> Vec<Op> {
    let Some(core) = &client.core else {
        return Vec::new();
    };
    let conversations: Vec<ConversationId> = core.lines().map(|l| l.conversation).collect();
    conversations
        .into_iter()
        .map(|conversation| {
            let timeline = core.timeline(conversation, None, usize::MAX);
            let events = timeline
                .items
                .iter()
                .filter_map(|item| match item {
                    view::Item::Placed { event, .. } => Some((event.seq, event.id)),
                    _ => None,
                })
                .collect();
            Op::Timeline {
                device: client.device,
                conversation,
                events,
            }
        })
        .collect()
}
