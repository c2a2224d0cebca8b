//! Makes entries of a record from Parlour's frames, so that all recorders hash and fold alike.

use std::collections::BTreeMap;

use parlour_protocol::body::Body;
use parlour_protocol::frame::Client;
use parlour_protocol::frame::server::{self, Event, Stretch};
use parlour_protocol::kind;
use parlour_protocol::{ConversationId, DeviceId, MessageId, Seq, UserId};

use crate::op::{Intent, Op, ReadBack, Seen, Shown, Why};

/// The hash by which bodies are compared: FNV-1a, 64 bits. Finds damage, not forgery.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The hash of a body, of its stored bytes.
#[must_use]
pub fn hash_body(body: &Body) -> u64 {
    hash(&body.to_payload())
}

/// An event as a client saw it, live or folded in a page.
#[must_use]
pub fn seen(event: &Event) -> Seen {
    let body = event.body.as_ref().map(hash_body);
    Seen {
        seq: event.seq,
        n: event.n,
        prev: event.prev,
        id: event.id,
        sender: event.sender,
        class: event.class,
        quiet: event.quiet,
        shown: match (&event.deleted, &event.edited, body) {
            (Some(deleted), _, _) => Shown::Deleted(deleted.seq),
            (None, Some(edited), Some(hash)) => Shown::Edited {
                hash,
                at: edited.seq,
            },
            (None, None, Some(hash)) => Shown::Whole(hash),
            (None, _, None) => Shown::Absent,
        },
    }
}

/// The call that a frame is, of what a client's core sends of its own accord: the name and topic of a
/// group just made, the deletion of what was given up too late. It was made earlier than it is seen here,
/// so its order is not judged. Nothing else that is sent is: what nobody called is a phantom.
#[must_use]
pub fn asked(user: UserId, device: DeviceId, frame: &Client) -> Option<(MessageId, Op)> {
    let (conversation, id, hash) = match frame {
        Client::Send(f) if matches!(f.kind.as_deref(), Some(kind::NAME | kind::TOPIC)) => {
            (f.conversation?, f.id, Some(hash_body(&f.body)))
        }
        Client::Edit(f) => (f.conversation, f.id, None),
        Client::Delete(f) => (f.conversation, f.id, None),
        Client::React(f) => (f.conversation, f.id, None),
        _ => return None,
    };
    let op = Op::Invoke {
        device,
        user,
        conversation,
        id,
        hash,
        intent: Intent::Setup,
    };
    Some((id, op))
}

/// The marks that a frame states.
pub fn marks_set(user: UserId, device: DeviceId, frame: &Client) -> impl Iterator<Item = Op> {
    let (marks, read) = match frame {
        Client::Delivered(f) => (Some(&f.marks), false),
        Client::Read(f) => (Some(&f.marks), true),
        _ => (None, false),
    };
    marks
        .into_iter()
        .flatten()
        .map(move |(conversation, seq)| Op::MarkSet {
            device,
            user,
            conversation: *conversation,
            delivered: *seq,
            read: if read { *seq } else { Seq::ZERO },
        })
}

/// Why places were withheld.
#[must_use]
pub const fn why(why: server::Why) -> Why {
    match why {
        server::Why::NotMember => Why::NotMember,
        server::Why::Expired => Why::Expired,
        server::Why::Removed => Why::Removed,
    }
}

/// What a fresh device read at the end, from its pages in rising order: all of it.
#[must_use]
pub fn read_back(
    device: DeviceId,
    user: UserId,
    conversation: ConversationId,
    head: Seq,
    pages: &[Stretch],
) -> ReadBack {
    ReadBack {
        device,
        user,
        conversation,
        head,
        parts: None,
        events: pages.iter().flat_map(|p| &p.events).map(seen).collect(),
        withheld: pages
            .iter()
            .flat_map(|p| &p.withheld)
            .map(|w| (w.from, w.to, why(w.why)))
            .collect(),
    }
}

/// The history rule and the memberships of a group or channel, as all its events, in rising order,
/// say. A change of role ends no membership.
#[must_use]
pub fn memberships(conversation: ConversationId, events: &[Event]) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut open: BTreeMap<UserId, Seq> = BTreeMap::new();
    for event in events {
        if let Some(create) = &event.create {
            ops.push(Op::History {
                conversation,
                history: create.history,
            });
        }
        let named = event.named.iter().map(|n| n.user);
        let sender = core::iter::once(event.sender);
        let (begin, end): (Vec<UserId>, Vec<UserId>) = match event.kind.as_str() {
            kind::CREATE => (named.chain(sender).collect(), Vec::new()),
            kind::ADD => (named.collect(), Vec::new()),
            kind::JOIN => (sender.collect(), Vec::new()),
            kind::LEAVE => (Vec::new(), sender.collect()),
            kind::REMOVE => (Vec::new(), named.collect()),
            _ => continue,
        };
        for user in begin {
            open.entry(user).or_insert(event.seq);
        }
        for user in end {
            if let Some(from) = open.remove(&user) {
                ops.push(Op::Membership {
                    conversation,
                    user,
                    from,
                    until: Some(event.seq),
                });
            }
        }
    }
    ops.extend(open.into_iter().map(|(user, from)| Op::Membership {
        conversation,
        user,
        from,
        until: None,
    }));
    ops
}
