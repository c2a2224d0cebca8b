//! What a connection remembers of conversations: what it was given, what it was told.
//!
//! Promises: the place of the last event given in a conversation is never forgotten while the
//! connection lives, so that no event is given twice and none behind a later one. So of more than
//! [`GIVEN`] conversations the others are told by heads alone, until the device comes again. What
//! else is remembered is forgotten past [`TOLD`] conversations, the longest unused first, which
//! costs a head told twice or a place read again, and no more.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::seq::{Head, Seq};

/// Conversations that events are given of.
const GIVEN: usize = 4_096;
/// Conversations of which no event was given that are remembered.
const TOLD: usize = 4_096;

/// What is known of a conversation on this connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The newest event given.
    given: Head,
    /// The newest place told, by event, line or head.
    told: Head,
    /// Where one's own membership last ended, as far as that was seen here.
    pub(super) out: Seq,
    /// How it is shaped, and who the other user is, once that was read.
    pub(super) about: Option<(Shape, Option<UserId>)>,
    used: u64,
}

impl Place {
    /// The newest event given.
    pub(super) const fn given(&self) -> Head {
        self.given
    }

    /// The newest place told.
    pub(super) const fn told(&self) -> Head {
        self.told
    }
}

#[derive(Debug, Default)]
pub(super) struct Places {
    all: BTreeMap<ConversationId, Place>,
    /// Those of which no event was given, by when they were last used.
    idle: BTreeSet<(u64, ConversationId)>,
    uses: u64,
}

impl Places {
    /// What is known of a conversation.
    pub(super) fn get(&self, conversation: ConversationId) -> Place {
        self.all.get(&conversation).copied().unwrap_or_default()
    }

    /// The same, to be written to.
    pub(super) fn at(&mut self, conversation: ConversationId) -> &mut Place {
        self.uses += 1;
        let uses = self.uses;
        let place = self.all.entry(conversation).or_default();
        if place.given.seq == Seq::ZERO {
            self.idle.remove(&(place.used, conversation));
            self.idle.insert((uses, conversation));
        }
        place.used = uses;
        if self.idle.len() > TOLD
            && let Some((_, oldest)) = self.idle.pop_first()
        {
            self.all.remove(&oldest);
        }
        self.all.entry(conversation).or_default()
    }

    /// Whether an event of this conversation may be given: it is to be remembered for good.
    pub(super) fn has_room(&self, conversation: ConversationId) -> bool {
        self.get(conversation).given.seq > Seq::ZERO || self.all.len() - self.idle.len() < GIVEN
    }

    /// An event is given.
    pub(super) fn give(&mut self, conversation: ConversationId, head: Head) {
        let place = self.at(conversation);
        place.given = head;
        place.told = place.told.max(head);
        let used = place.used;
        self.idle.remove(&(used, conversation));
    }

    /// A place is told. False: it was told already.
    pub(super) fn tell(&mut self, conversation: ConversationId, head: Head) -> bool {
        let place = self.at(conversation);
        let new = head > place.told;
        place.told = place.told.max(head);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ConversationId {
        ConversationId::derived("places", &[&n.to_be_bytes()])
    }

    fn head(n: u64) -> Head {
        Head { seq: Seq(n), n }
    }

    #[test]
    fn what_was_given_is_never_forgotten() {
        let mut places = Places::default();
        for n in 0..GIVEN {
            assert!(places.has_room(id(n)));
            places.give(id(n), head(5));
        }
        assert!(!places.has_room(id(GIVEN)), "there is room for no more");
        assert!(places.has_room(id(0)), "but for those that have it");
        for n in GIVEN..GIVEN + 2 * TOLD {
            assert!(places.tell(id(n), head(1)));
        }
        for n in 0..GIVEN {
            assert_eq!(places.get(id(n)).given(), head(5));
        }
        assert_eq!(places.all.len(), GIVEN + TOLD);
        assert!(
            !places.tell(id(GIVEN + 2 * TOLD - 1), head(1)),
            "the last are remembered"
        );
        assert!(places.tell(id(GIVEN), head(1)), "the first are told again");
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut places = Places::default();
        for n in 0..TOLD {
            places.tell(id(n), head(3));
        }
        places.at(id(0));
        places.tell(id(TOLD), head(3));
        assert_eq!(places.get(id(0)).told(), head(3));
        assert_eq!(places.get(id(1)).told(), Head::default());
    }
}
