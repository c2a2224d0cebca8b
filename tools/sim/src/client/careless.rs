//! A careless program: now and then it uses the id of a send that has its place for another one, as no
//! core of ours does.
//!
//! Holds: whoever does that is never told that what they sent second was sent (decision 4), neither in
//! answer to it nor, once it was refused, by an answer to nothing that came on the same link.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::body::Body;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client as Frame, Ref, Server, client};
use parlour_protocol::id::{ConversationId, MessageId};

use crate::world::{Event, ToNode, World};

/// References from here on are of this module: no core counts so far.
const FIRST: Ref = 1 << 50;

/// What was sent under a used id.
#[derive(Debug, Default)]
pub(super) struct Reused {
    count: u64,
    /// What is not answered yet, and on which link it was asked.
    open: BTreeMap<Ref, (u64, Key)>,
    /// What was refused, and on which link.
    refused: BTreeSet<(u64, Key)>,
}

type Key = (ConversationId, MessageId);

/// Sends another text under a used id, if the client is online.
pub(super) fn reuse(world: &mut World, at: usize, conversation: ConversationId, id: MessageId) {
    let retry = world.dice.percent(50);
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    let (Some((link, node)), Some(_)) = (client.link, client.connection) else {
        return;
    };
    if !world.links.contains(&link) {
        return;
    }
    client.reused.count += 1;
    let r#ref = FIRST + client.reused.count;
    client.reused.open.insert(r#ref, (link, (conversation, id)));
    let send = client::Send {
        r#ref,
        conversation: Some(conversation),
        retry,
        body: Body::text("another text under a used id"),
        ..client::Send::empty(id)
    };
    world.tell(|| format!("client {at} uses {id} again"));
    let after = world.arrival(link, false);
    let life = world.nodes.get(node).map_or(0, |n| n.life);
    let frame = Box::new(Frame::Send(send));
    world.at(after, Event::Node(node, life, ToNode::Frame(link, frame)));
}

/// Whether a frame answers one of those, which the core knows nothing of.
pub(super) fn hears(world: &mut World, at: usize, frame: &Server) -> bool {
    let Some(client) = world.clients.get_mut(at) else {
        return false;
    };
    let Some((link, _)) = client.link else {
        return false;
    };
    let reused = &mut client.reused;
    let (wrong, is_answer) = match frame {
        Server::Sent(sent) if sent.r#ref == 0 => {
            let key = (sent.conversation, sent.id);
            (reused.refused.contains(&(link, key)), false)
        }
        Server::Sent(sent) => {
            let asked = reused.open.remove(&sent.r#ref).is_some();
            (asked, asked)
        }
        Server::Error(error) => match reused.open.remove(&error.r#ref) {
            Some(asked) => {
                if error.code == Code::ID_REUSED {
                    reused.refused.insert(asked);
                }
                (false, true)
            }
            None => (false, false),
        },
        _ => (false, false),
    };
    reused.open.retain(|_, (on, _)| *on == link);
    reused.refused.retain(|(on, _)| *on == link);
    if wrong {
        world.breach(format!(
            "answered as sent: other contents under a used id, by client {at}: {frame:?}"
        ));
    }
    is_answer
}
