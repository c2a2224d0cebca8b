//! What users do: write, change, come and go.

use parlour_client_core::{Command, Request, draft};
use parlour_protocol::body::Body;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{HistoryRule, Role, Shape};
use parlour_protocol::record::Named;
use parlour_protocol::seq::Seq;

use crate::client;
use crate::world::{Event, World};

/// One user does one thing, and the next is planned.
pub fn step(world: &mut World) {
    if !world.working {
        return;
    }
    let after = world.dice.between(5, 220);
    world.at(after, Event::Work);
    let count = world.clients.len() as u64;
    let at = usize::try_from(world.dice.below(count)).unwrap_or(0);
    let running = world
        .clients
        .get(at)
        .is_some_and(|c| c.core().is_some() && !c.revoked);
    if !running {
        return;
    }
    let calm = world.now_ms >= world.calm_ms;
    if world.rooms.is_empty() || (world.rooms.len() < 4 && !calm && world.dice.percent(4)) {
        return make(world, at);
    }
    let burst = if world.dice.percent(10) {
        world.dice.between(2, 8)
    } else {
        1
    };
    let rooms = world.rooms.clone();
    let Some((room, direct)) = world.dice.pick(&rooms).copied() else {
        return;
    };
    if world.coming_and_going && !calm && !direct && world.dice.percent(25) {
        return members(world, at, room);
    }
    match world.dice.below(100) {
        0..=61 => {
            for _ in 0..burst {
                say(world, at, room);
            }
        }
        62..=69 => change(world, at, room),
        70..=77 if !direct && !calm => members(world, at, room),
        78..=86 => {
            let upto = crate::node::newest(world, room);
            if upto > Seq::ZERO {
                let read = Command::Read {
                    conversation: room,
                    upto,
                };
                client::input(world, at, parlour_client_core::Input::Command(read));
            }
        }
        87..=92 => {
            let members = world.dice.percent(50);
            let conversation = world.dice.percent(80).then_some(room);
            let focus = Command::Focus {
                conversation,
                members,
            };
            client::input(world, at, parlour_client_core::Input::Command(focus));
        }
        93..=96 => give_up(world, at),
        _ => {
            let users: Vec<UserId> = world.clients.iter().map(|c| c.user).collect();
            let watch = Command::Watch(users);
            client::input(world, at, parlour_client_core::Input::Command(watch));
        }
    }
}

fn others(world: &World, user: UserId) -> Vec<UserId> {
    let all: std::collections::BTreeSet<UserId> = world.clients.iter().map(|c| c.user).collect();
    all.into_iter().filter(|u| *u != user).collect()
}

fn make(world: &mut World, at: usize) {
    let Some(user) = world.clients.get(at).map(|c| c.user) else {
        return;
    };
    let others = others(world, user);
    if world.dice.percent(30)
        && let Some(peer) = world.dice.pick(&others).copied()
    {
        let room = ConversationId::direct(user, peer);
        if world.rooms.iter().all(|(c, _)| *c != room) {
            world.rooms.push((room, true));
        }
        let text = text(world);
        client::request(
            world,
            at,
            Request::Send(Box::new(draft::text_to(peer, text))),
        );
        return;
    }
    let channels = if world.coming_and_going { 80 } else { 30 };
    let shape = if world.dice.percent(channels) {
        Shape::Channel
    } else {
        Shape::Group
    };
    let history = if world.dice.percent(50) {
        HistoryRule::All
    } else {
        HistoryRule::FromJoin
    };
    let members = others
        .iter()
        .filter(|_| true)
        .map(|user| Named {
            user: *user,
            role: Role::Member,
        })
        .filter(|_| world.dice.percent(80))
        .collect();
    let create = Request::Create {
        shape,
        history,
        name: None,
        topic: None,
        members,
        conversation: None,
    };
    if let Some(accepted) = client::request(world, at, create) {
        world.rooms.push((accepted.conversation, false));
    }
}

fn text(world: &mut World) -> String {
    let n = world.id();
    let long = if world.dice.percent(3) {
        world.dice.between(100, 3_000)
    } else {
        0
    };
    format!(
        "word {n} {}",
        "x".repeat(usize::try_from(long).unwrap_or(0))
    )
}

fn say(world: &mut World, at: usize, room: ConversationId) {
    let text = text(world);
    client::request(world, at, Request::Send(Box::new(draft::text(room, text))));
}

fn change(world: &mut World, at: usize, room: ConversationId) {
    let newest = crate::node::newest(world, room).0;
    if newest == 0 {
        return;
    }
    let target = Seq(world.dice.between(newest.saturating_sub(15).max(1), newest));
    let request = match world.dice.below(4) {
        0 => Request::Edit {
            conversation: room,
            target,
            body: Body::text(text(world)),
            mentions: Default::default(),
        },
        1 => Request::Delete {
            conversation: room,
            target,
        },
        _ => Request::React {
            conversation: room,
            target,
            key: "+1".to_owned(),
            on: world.dice.percent(70),
        },
    };
    client::request(world, at, request);
}

fn members(world: &mut World, at: usize, room: ConversationId) {
    let Some(user) = world.clients.get(at).map(|c| c.user) else {
        return;
    };
    let others = others(world, user);
    let Some(other) = world.dice.pick(&others).copied() else {
        return;
    };
    let role = if world.dice.percent(20) {
        Role::Admin
    } else {
        Role::Member
    };
    let what = world.dice.below(5);
    // A newcomer is brought into everything at once, and thrown out so.
    let rooms: Vec<ConversationId> = if world.coming_and_going && world.dice.percent(40) {
        let rooms = world.rooms.iter().filter(|(_, direct)| !direct);
        rooms.map(|(room, _)| *room).collect()
    } else {
        vec![room]
    };
    for room in rooms {
        let named = |role| vec![Named { user: other, role }];
        let send = match what {
            0 | 1 => draft::add(room, named(Role::Member)),
            2 => draft::remove(room, &[other]),
            3 => draft::roles(room, named(role)),
            _ => draft::leave(room),
        };
        client::request(world, at, Request::Send(Box::new(send)));
    }
}

fn give_up(world: &mut World, at: usize) {
    let waiting: Vec<_> = world
        .clients
        .get(at)
        .and_then(|c| c.core())
        .map(|core| core.outbox().map(|r| r.id).collect())
        .unwrap_or_default();
    if let Some(id) = world.dice.pick(&waiting).copied() {
        client::request(world, at, Request::GiveUp(id));
    }
}
