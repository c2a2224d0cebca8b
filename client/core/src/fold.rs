//! Folding: what a change says, laid over its target. The same as the server does for a page.
//!
//! The highest seq wins, for each kind of change by itself; what is erased stays erased.

use parlour_protocol::frame::server::{Deleted, Edited, Event, Reaction};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::record::Mentions;

/// Whether the change carries all that its fold needs. In a page an edit does not: its body lies
/// beside its target.
pub(crate) fn carries_all(change: &Event) -> bool {
    change.kind != kind::EDIT || change.body.is_some()
}

/// Lays a change over its target. The caller knows that the target's fold does not have it yet.
/// Says whether anything is different now.
pub(crate) fn fold(target: &mut Event, change: &Event) -> bool {
    if change.class != Class::Change || target.deleted.is_some() {
        return false;
    }
    match change.kind.as_str() {
        kind::EDIT => {
            let newer = target.edited.as_ref().is_none_or(|e| e.seq < change.seq);
            if let (true, Some(body)) = (newer, &change.body) {
                target.body = Some(body.clone());
                target.mentions = change.mentions.clone();
                target.edited = Some(Edited {
                    seq: change.seq,
                    time_ms: change.time_ms,
                });
                return true;
            }
            false
        }
        kind::DELETE => {
            target.body = None;
            target.mentions = Mentions::default();
            target.edited = None;
            target.reactions = Vec::new();
            target.pinned = None;
            target.deleted = Some(Deleted {
                seq: change.seq,
                by: change.sender,
            });
            true
        }
        kind::REACTION => {
            let Some(key) = change.key.clone() else {
                return false;
            };
            let theirs = |r: &Reaction| r.user == change.sender && r.key == key;
            if target
                .reactions
                .iter()
                .any(|r| theirs(r) && r.seq >= change.seq)
            {
                return false;
            }
            target.reactions.retain(|r| !theirs(r));
            if change.on {
                target.reactions.push(Reaction {
                    seq: change.seq,
                    user: change.sender,
                    key,
                });
            }
            true
        }
        kind::PIN => {
            if target.pinned.is_some_and(|p| p >= change.seq) {
                return false;
            }
            target.pinned = change.on.then_some(change.seq);
            true
        }
        // A change of a kind that this version does not know: nothing to show for it.
        _ => false,
    }
}
