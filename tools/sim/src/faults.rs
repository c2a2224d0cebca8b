//! What breaks, and when.

use crate::client;
use crate::dice::Dice;
use crate::node;
use crate::world::{Event, PARTITIONS, ToClient, World};
use parlour_protocol::position::{Generation, Partition};

/// Something that breaks, or is mended.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A node dies.
    NodeDies,
    /// A node is stopped past its lease and goes on.
    NodeStops,
    /// A node's clock jumps.
    ClockJumps,
    /// A router dies, and its partitions are given to another.
    RouterDies,
    /// A router is stopped and goes on as a zombie.
    RouterStops,
    /// A partition is given to another router while the first goes on.
    TwoOwners,
    /// The session store loses everything.
    Flush,
    /// The session store cannot be asked for a while.
    SessionsDown,
    /// It can be again.
    SessionsUp,
    /// A client's program dies.
    ClientDies,
    /// A link breaks.
    Cut,
    /// A client is switched off for long.
    ClientOff,
    /// A reader takes nothing for a while.
    SlowReader,
    /// Everyone's link breaks at once.
    Storm,
    /// A device is revoked.
    Revoke,
    /// Routers cannot reach a node for a while, which reaches everything itself.
    RelayCut,
}

/// Plans a run's faults.
pub fn plan(world: &mut World, work_ms: u64) {
    let count = world.dice.between(10, 30);
    for _ in 0..count {
        let at_ms = world.dice.between(300, work_ms);
        let mut fault = roll(&mut world.dice);
        // A new connection reads everything again, which covers up what its node had wrong.
        if world.coming_and_going && world.cluster && reconnects(fault) && world.dice.percent(80) {
            fault = Fault::RelayCut;
        }
        world.at(at_ms, Event::Fault(fault));
    }
}

/// Whether clients connect again for it.
const fn reconnects(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::NodeDies
            | Fault::NodeStops
            | Fault::Flush
            | Fault::SessionsDown
            | Fault::ClientDies
            | Fault::Cut
            | Fault::ClientOff
            | Fault::SlowReader
            | Fault::Storm
    )
}

fn roll(dice: &mut Dice) -> Fault {
    match dice.below(33) {
        0..=2 => Fault::NodeDies,
        3 => Fault::NodeStops,
        4 => Fault::ClockJumps,
        5..=7 => Fault::RouterDies,
        8..=9 => Fault::RouterStops,
        10..=12 => Fault::TwoOwners,
        13 => Fault::Flush,
        14 => Fault::SessionsDown,
        15..=18 => Fault::ClientDies,
        19..=24 => Fault::Cut,
        25 => Fault::ClientOff,
        26..=27 => Fault::SlowReader,
        28 => Fault::Storm,
        29..=31 => Fault::RelayCut,
        _ => Fault::Revoke,
    }
}

fn any(dice: &mut Dice, count: usize) -> usize {
    usize::try_from(dice.below(count as u64)).unwrap_or(0)
}

/// It breaks now.
pub fn happen(world: &mut World, fault: Fault) {
    if !world.breaking && !matches!(fault, Fault::SessionsUp) {
        return;
    }
    let calm = world.now_ms >= world.calm_ms;
    if calm && (reconnects(fault) || matches!(fault, Fault::RelayCut)) {
        return;
    }
    // On one machine there is nothing to flush, to reach or to cut.
    let nothing = matches!(
        fault,
        Fault::Flush | Fault::SessionsDown | Fault::SessionsUp | Fault::RelayCut
    );
    if nothing && !world.cluster {
        return;
    }
    world.figures.faults += 1;
    world.tell(|| format!("FAULT {fault:?}"));
    let down_ms = world.dice.between(50, 4_000);
    match fault {
        Fault::NodeDies | Fault::RouterDies | Fault::RouterStops | Fault::TwoOwners
            if !world.cluster =>
        {
            process_dies(world, down_ms);
        }
        Fault::NodeDies => {
            let at = any(&mut world.dice, world.nodes.len());
            node::crash(world, at, down_ms);
        }
        Fault::NodeStops => {
            let at = any(&mut world.dice, world.nodes.len());
            let until = world.now_ms + world.dice.between(1_000, 6_000);
            if let Some(node) = world.nodes.get_mut(at) {
                node.paused_until_ms = until;
            }
        }
        Fault::ClockJumps => {
            let at = any(&mut world.dice, world.nodes.len());
            let by = i64::try_from(world.dice.below(172_800_000)).unwrap_or(0) - 86_400_000;
            if let Some(node) = world.nodes.get_mut(at) {
                node.clock_ms = by;
            }
        }
        Fault::RouterDies => {
            let at = any(&mut world.dice, world.routers.len());
            router_dies(world, at);
        }
        Fault::RouterStops => {
            let at = any(&mut world.dice, world.routers.len());
            let until = world.now_ms + world.dice.between(500, 8_000);
            let owned = world.routers.get(at).map(|r| r.owns()).unwrap_or_default();
            if let Some(router) = world.routers.get_mut(at) {
                router.paused_until_ms = until;
            }
            for partition in owned {
                let to = (at + 1) % world.routers.len().max(1);
                let after = world.dice.between(100, 2_000);
                world.at(after, Event::Assign(partition, to));
            }
        }
        Fault::TwoOwners => {
            let partition =
                Partition(u16::try_from(world.dice.below(u64::from(PARTITIONS))).unwrap_or(0));
            let to = any(&mut world.dice, world.routers.len());
            world.at(0, Event::Assign(partition, to));
        }
        Fault::RelayCut => {
            let at = any(&mut world.dice, world.nodes.len());
            world.relay_cut.insert(at, world.now_ms + down_ms);
        }
        Fault::Flush => {
            if world.cluster {
                world.sessions.flush();
            }
        }
        Fault::SessionsDown => {
            if world.cluster {
                world.sessions_up = false;
                world.at(down_ms, Event::Fault(Fault::SessionsUp));
            }
        }
        Fault::SessionsUp => world.sessions_up = true,
        Fault::ClientDies => {
            let at = any(&mut world.dice, world.clients.len());
            client::crash(world, at);
        }
        Fault::Cut => {
            let at = any(&mut world.dice, world.clients.len());
            client::cut(world, at);
        }
        Fault::ClientOff => {
            let at = any(&mut world.dice, world.clients.len());
            let off_ms = world.dice.between(2_000, 12_000);
            if let Some(c) = world.clients.get_mut(at)
                && !c.off
            {
                c.off = true;
                let life = c.life;
                client::input(world, at, parlour_client_core::Input::Stop);
                world.at(off_ms, Event::Client(at, life, ToClient::Resume));
            }
        }
        Fault::SlowReader => {
            let at = any(&mut world.dice, world.nodes.len());
            let for_ms = world.dice.between(500, 6_000);
            node::stick(world, at, for_ms);
        }
        Fault::Storm => {
            for at in 0..world.clients.len() {
                client::cut(world, at);
            }
        }
        Fault::Revoke => {
            let at = any(&mut world.dice, world.clients.len());
            // Of a user with two devices, the second.
            let second = world
                .clients
                .get(at)
                .is_some_and(|c| c.device.as_bytes()[15] == 2 && !c.revoked);
            if second && world.dice.percent(50) {
                revoke(world, at);
            }
        }
    }
}

/// A client's device is signed out, for ever.
pub fn revoke(world: &mut World, at: usize) {
    if let Some(client) = world.clients.get_mut(at) {
        client.revoked = world.accounts.revoke(client.user, client.device);
    }
}

/// A router dies, and its partitions find another owner, perhaps the same, after a while.
pub fn router_dies(world: &mut World, at: usize) {
    let owned = world.routers.get(at).map(|r| r.owns()).unwrap_or_default();
    if let Some(router) = world.routers.get_mut(at) {
        router.crash();
    }
    for partition in owned {
        let to = any(&mut world.dice, world.routers.len());
        let after = world.dice.between(100, 3_000);
        world.at(after, Event::Assign(partition, to));
    }
}

/// One machine dies: gateway, router, log and sessions at once. The store stays; a new generation
/// begins.
pub fn process_dies(world: &mut World, down_ms: u64) {
    node::crash(world, 0, down_ms);
    if let Some(router) = world.routers.get_mut(0) {
        router.crash();
    }
    let next = Generation(world.generation() + 1);
    world.log.begin(next);
    world.log.lose();
    world.sessions = Default::default();
    for partition in 0..PARTITIONS {
        world.at(down_ms, Event::Assign(Partition(partition), 0));
    }
    world.tell(|| format!("the process dies; generation {} begins", next.0));
}

/// Nothing breaks any more, and what is broken is mended.
pub fn mend(world: &mut World) {
    world.tell(|| "MENDED".to_owned());
    world.sessions_up = true;
    world.relay_cut.clear();
    for node in &mut world.nodes {
        node.paused_until_ms = node.paused_until_ms.min(world.now_ms);
    }
    for router in &mut world.routers {
        router.paused_until_ms = router.paused_until_ms.min(world.now_ms);
    }
    // Every partition has an owner, whoever was lost.
    for partition in 0..PARTITIONS {
        let partition = Partition(partition);
        let owned = world.routers.iter().any(|r| r.owns().contains(&partition));
        if !owned {
            let down_ms = world
                .nodes
                .first()
                .map_or(0, |n| n.down_until_ms.saturating_sub(world.now_ms));
            world.at(down_ms.max(4_000), Event::Assign(partition, 0));
        }
    }
}
