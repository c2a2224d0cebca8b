//! History folded (decision 11): events with what lies beside them, and what is withheld and why.
//!
//! Promises: a page covers consecutive places and never skips one in silence; every change up to
//! its `as_of` is in the fold; what was erased shows no body, whatever else lies there.

use std::collections::BTreeMap;

use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{client, server};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, HistoryRule};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::record::Header;
use parlour_protocol::row::{Event, Interval, may_read};
use parlour_protocol::seq::Seq;

use crate::gateway::need::History;

/// Of an event's reactions so many bytes are shown, in their JSON encoding.
const REACTIONS_BYTES: usize = 65_536;

/// An event as its frame, alone: as it is relayed live.
#[must_use]
pub fn event(row: &Event) -> server::Event {
    // A header that cannot be read is an event of a later format: its place is shown, no more.
    let unknown = || {
        Header::new(
            row.conversation,
            parlour_protocol::MessageId::NIL,
            UserId::NIL,
            parlour_protocol::DeviceId::NIL,
            kind::Class::Content,
            "unknown",
            0,
        )
    };
    let h = Header::from_bytes(&row.header).unwrap_or_else(|_| unknown());
    let body = if row.payload.is_empty() {
        None
    } else {
        Body::from_payload(&row.payload).ok()
    };
    server::Event {
        conversation: row.conversation,
        seq: row.seq,
        n: row.carried.n,
        prev: row.carried.prev,
        time_ms: h.time_ms,
        id: h.id,
        sender: h.sender,
        device: h.device,
        class: h.class,
        kind: h.kind,
        target: h.target,
        key: h.key,
        value: h.value,
        on: !h.off,
        base: h.base,
        named: h.named,
        create: h.create,
        reply_to: h.reply_to,
        thread: h.thread,
        mentions: h.mentions,
        quiet: row.carried.quiet,
        origin: h.origin,
        expires_after_s: h.expires_after_s,
        body,
        edited: None,
        deleted: None,
        reactions: Vec::new(),
        reactions_more: 0,
        pinned: None,
    }
}

/// Events with what lies beside them folded in, as far as its own place is up to `end`; rising.
#[must_use]
pub fn folded(history: &History, end: Seq) -> Vec<server::Event> {
    let mut by_target: BTreeMap<Seq, Vec<&parlour_protocol::row::Change>> = BTreeMap::new();
    for change in history.changes.iter().filter(|c| c.seq <= end) {
        by_target.entry(change.target).or_default().push(change);
    }
    let erased: BTreeMap<Seq, (Seq, UserId)> = history
        .erased
        .iter()
        .map(|e| (e.target, (e.seq, e.by)))
        .collect();
    let mut out = Vec::with_capacity(history.events.len());
    for row in &history.events {
        let mut shown = event(row);
        if let Some((seq, by)) = erased.get(&row.seq) {
            shown.body = None;
            shown.mentions = parlour_protocol::record::Mentions::default();
            shown.deleted = Some(server::Deleted { seq: *seq, by: *by });
            out.push(shown);
            continue;
        }
        if planted(Mutant::ChangesUnfolded) {
            by_target.clear();
        }
        for change in by_target.get(&row.seq).into_iter().flatten() {
            let Ok(h) = Header::from_bytes(&change.header) else {
                continue;
            };
            match change.kind.as_str() {
                kind::EDIT => {
                    shown.body = Body::from_payload(&change.payload).ok();
                    shown.mentions = h.mentions;
                    shown.edited = Some(server::Edited {
                        seq: change.seq,
                        time_ms: h.time_ms,
                    });
                }
                kind::REACTION if !h.off => shown.reactions.push(server::Reaction {
                    seq: change.seq,
                    user: change.user,
                    key: change.key.clone(),
                }),
                kind::PIN if !h.off => shown.pinned = Some(change.seq),
                _ => {}
            }
        }
        shown.reactions.sort_by_key(|r| r.seq);
        shown.reactions_more = bound(&mut shown.reactions);
        out.push(shown);
    }
    out
}

/// Keeps the oldest reactions that a frame has room for beside the largest event. Answers how many
/// are left out: else whoever reacts often enough could make an event that no client can be sent.
fn bound(reactions: &mut Vec<server::Reaction>) -> u64 {
    let mut left = REACTIONS_BYTES;
    let fits = |reaction: &&server::Reaction| {
        // JSON takes more than MessagePack.
        let size = Codec::Json.size(reaction) + 1;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    let kept = reactions.iter().take_while(fits).count();
    let more = reactions.len() - kept;
    reactions.truncate(kept);
    more as u64
}

/// Who reads, and what they may.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Their memberships; none in a direct conversation, where everything is theirs.
    pub intervals: Option<&'a [Interval]>,
    /// The conversation's rule.
    pub rule: HistoryRule,
}

impl Reader<'_> {
    /// Whether they may read a place.
    #[must_use]
    pub fn may(&self, seq: Seq) -> bool {
        self.intervals
            .is_none_or(|intervals| may_read(intervals, self.rule, seq))
    }

    /// The newest place that they may read, of those up to `head`.
    #[must_use]
    pub fn newest(&self, head: Seq) -> Seq {
        let Some(intervals) = self.intervals else {
            return head;
        };
        intervals
            .iter()
            .map(|i| i.until.map_or(head, |u| u.seq.min(head)))
            .max()
            .unwrap_or(Seq::ZERO)
    }

    /// The first place that they may read.
    #[must_use]
    pub fn first(&self) -> Seq {
        match (self.intervals, self.rule) {
            (None, _) | (_, HistoryRule::All) => Seq(1),
            (Some(intervals), HistoryRule::FromJoin) => intervals
                .iter()
                .map(|i| i.from.seq)
                .min()
                .unwrap_or(Seq::MAX),
        }
    }
}

impl History {
    /// Who reads.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            intervals: self
                .entry
                .standing
                .direct
                .is_none()
                .then_some(&self.intervals),
            rule: self.entry.standing.history,
        }
    }
}

/// What was asked, as [`crate::gateway::need::Need::History`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// From behind there.
    pub after: Seq,
    /// Up to before there.
    pub before: Seq,
    /// The newest of them.
    pub newest: bool,
    /// Changes alone.
    pub changes: bool,
}

/// The range that a request asks for.
#[must_use]
pub fn asked(h: &client::History) -> Asked {
    let changes = h.changes_since.is_some();
    Asked {
        after: h.after.unwrap_or(Seq::ZERO),
        before: h.before.unwrap_or(Seq::MAX),
        newest: !changes && h.after.is_none(),
        changes,
    }
}

/// A page of events that come to at most `bytes` in this codec, from what was got; of one event, if
/// that alone has more.
#[must_use]
pub fn stretch(
    conversation: ConversationId,
    asked: Asked,
    history: &History,
    codec: Codec,
    bytes: usize,
) -> server::Stretch {
    let reader = history.reader();
    // Who is no member now sees no further than their last place, and no change made behind it. A
    // body erased since is gone for them too.
    let end = reader.newest(history.as_of.seq);
    let mut events = folded(history, end);
    events.retain(|e| e.seq <= end);
    let cut = cut(&mut events, codec, asked.newest && !asked.changes, bytes);
    if asked.changes {
        let to = events.last().map_or(asked.after, |e| e.seq);
        events.retain(|e| reader.may(e.seq));
        return server::Stretch {
            conversation,
            from: asked.after.next(),
            to,
            events,
            as_of: end,
            withheld: Vec::new(),
            more: history.more || cut,
            changes: true,
        };
    }
    let (mut from, to) = if asked.newest {
        let to = events.last().map_or(Seq::ZERO, |e| e.seq);
        (events.first().map_or(Seq(1), |e| e.seq), to)
    } else {
        let from = asked.after.next();
        (from, events.last().map_or(from.prev(), |e| e.seq))
    };
    let mut withheld: Vec<server::Withheld> = Vec::new();
    let mut hide = |from: Seq, to: Seq| match withheld.last_mut() {
        Some(last) if last.to.next() == from => last.to = to,
        _ => withheld.push(server::Withheld {
            from,
            to,
            why: server::Why::NotMember,
        }),
    };
    let first = reader.first();
    if asked.newest && from < first && from > Seq(1) {
        // Below there is nothing to be read: all of it is named at once.
        hide(Seq(1), from.prev());
        from = Seq(1);
    }
    for e in &events {
        if !reader.may(e.seq) {
            hide(e.seq, e.seq);
        }
    }
    if planted(Mutant::WithheldSilent) {
        withheld.clear();
    }
    events.retain(|e| reader.may(e.seq));
    let more = if asked.newest {
        from > Seq(1) && to > Seq::ZERO
    } else {
        to < end.min(asked.before.prev())
    };
    server::Stretch {
        conversation,
        from,
        to,
        events,
        as_of: end,
        withheld,
        more,
        changes: false,
    }
}

/// Cuts events to `bytes` as the codec writes them, at the low end or at the high one. One always
/// stays.
fn cut(events: &mut Vec<server::Event>, codec: Codec, low: bool, bytes: usize) -> bool {
    let whole = events.len();
    let mut left = bytes;
    let mut fits = |event: &server::Event| {
        // And what stands between it and the next.
        let size = codec.size(event) + 1;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    let kept = if low {
        events.iter().rev().take_while(|e| fits(e)).count()
    } else {
        events.iter().take_while(|e| fits(e)).count()
    };
    let kept = kept.max(1).min(whole);
    if low {
        events.drain(..whole - kept);
    } else {
        events.truncate(kept);
    }
    kept < whole
}
