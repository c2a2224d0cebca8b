//! Catch-up by lines and digests (decision 22): what a device states against what stands.
//!
//! A line that is missing or lower in an answer means nothing; so this never says "gone".

use parlour_protocol::bytes::Bytes;
use parlour_protocol::frame::server;
use parlour_protocol::id::UserId;
use parlour_protocol::line::{self, Line, Standing};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::seq::{Head, Seq};

use crate::gateway::need::Entry;

/// The line of a conversation for a user.
#[must_use]
pub fn line(entry: &Entry) -> Line {
    let standing = &entry.standing;
    let (place, head) = match (&entry.member, standing.direct) {
        (_, Some(_)) => (Standing::Member(Seq::ZERO), standing.head),
        (Some(member), None) => match member.until {
            None => (Standing::Member(member.joined), standing.head),
            Some(until) => {
                // Of one who is out, the newest that they may read: their end, which is there though
                // the head may lag behind it, and nobody will tell them later. Its n is not known,
                // and none is counted as unread.
                let head = Head {
                    seq: until.seq,
                    n: entry.mark.read.n.max(member.n),
                };
                if entry.removed {
                    (Standing::Removed(until.seq), head)
                } else {
                    (Standing::Left(until.seq), head)
                }
            }
        },
        (None, None) => (Standing::Left(Seq::ZERO), Head::default()),
    };
    Line {
        conversation: standing.conversation,
        head,
        own: entry.mark,
        other: entry.other,
        standing: place,
    }
}

/// What a client needs to draw a line.
#[must_use]
pub fn about(entry: &Entry, user: UserId) -> server::About {
    let standing = &entry.standing;
    server::About {
        conversation: standing.conversation,
        shape: standing.shape,
        history: standing.history,
        members: standing.members,
        name: standing
            .name
            .as_ref()
            .map(|(_, name)| name.clone())
            .filter(|n| !n.is_empty()),
        topic: standing
            .topic
            .as_ref()
            .map(|(_, topic)| topic.clone())
            .filter(|t| !t.is_empty()),
        peer: entry.peer(user),
        role: entry.role(),
        joined_n: entry.member.map_or(0, |m| m.n),
        mentions: entry.mentions,
    }
}

/// Of these entries, those whose bucket's digest differs from the one stated. Who states none
/// gets all.
#[must_use]
pub fn differing(entries: Vec<Entry>, stated: Option<&[Bytes]>) -> Vec<Entry> {
    let Some(stated) = stated else { return entries };
    if planted(Mutant::LinesTrusted) {
        return Vec::new();
    }
    let lines: Vec<Line> = entries.iter().map(line).collect();
    let ours = line::digests(&lines);
    entries
        .into_iter()
        .zip(lines)
        .filter(|(_, line)| {
            let bucket = line.bucket();
            ours.get(bucket) != stated.get(bucket)
        })
        .map(|(entry, _)| entry)
        .collect()
}
