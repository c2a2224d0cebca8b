//! [`Chat`]: the open conversation: a window of its items, where one is in it, what is written.
//!
//! Only a window of the conversation is here, however long it is; it slides as one scrolls.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_sdk::core::view::{Before, Reach};
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::seq::{Head, Mark};
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, UserId, kind};
use parlour_sdk::{Item, Summary, Timeline};

use crate::edit::Edit;
use crate::scroll::Scroll;

/// Items of a window.
pub(crate) const WINDOW: usize = 400;
/// Items that stay beyond the screen when the window slides.
pub(crate) const MARGIN: usize = 120;

/// A conversation's settings: where each was set last, and to what.
pub(crate) type Rules = BTreeMap<String, (Seq, String)>;

/// Names an item over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemId {
    /// By its place.
    Placed(Seq),
    /// By its id.
    Pending(MessageId),
}

/// The id of an item.
pub(crate) fn id_of(item: &Item) -> ItemId {
    match item {
        Item::Placed { event, .. } => ItemId::Placed(event.seq),
        Item::Withheld { from, .. } => ItemId::Placed(*from),
        Item::Pending { row, .. } => ItemId::Pending(row.id),
    }
}

/// The event of an item, if it has a place.
pub(crate) fn event_of(item: &Item) -> Option<&Event> {
    match item {
        Item::Placed { event, .. } => Some(event),
        _ => None,
    }
}

/// A window as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) timeline: Timeline,
    /// Before which place it was asked for.
    pub(crate) at: Option<Seq>,
    /// The newest place.
    pub(crate) head: Head,
    /// How far the others are.
    pub(crate) receipts: Vec<(UserId, Mark)>,
    /// The first place that can be shown, in this window or one before it, and what is before it.
    pub(crate) shown: (Option<Seq>, Before),
    /// Where the first message is that comes after those that were asked for.
    pub(crate) reach: Option<Reach>,
    /// Its settings, and its pinned messages, if they are wanted.
    pub(crate) rules: Option<Rules>,
    pub(crate) pins: Option<Vec<Arc<Event>>>,
}

/// What the text written becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    New,
    /// An answer to this.
    Reply(Seq),
    /// A new text for this; what was written before comes back afterwards.
    Edit(Seq, String),
}

/// What is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Composer {
    pub(crate) edit: Edit,
    pub(crate) mode: Mode,
}

impl Composer {
    /// What is worth keeping of it.
    pub(crate) fn draft(&self) -> &str {
        match &self.mode {
            Mode::Edit(_, before) => before,
            _ => self.edit.text(),
        }
    }
}

/// A search in the text loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Find {
    pub(crate) edit: Edit,
    /// What was searched for last.
    pub(crate) searched: String,
    /// Where it is, newest first.
    pub(crate) places: Vec<Seq>,
    pub(crate) at: usize,
}

/// The open conversation.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) conversation: ConversationId,
    /// The other of a direct one.
    pub(crate) peer: Option<UserId>,
    pub(crate) items: Vec<Item>,
    pub(crate) before: Before,
    /// Whether the window reaches the newest place.
    pub(crate) newest: bool,
    /// Whether a window was read at all.
    pub(crate) read: bool,
    pub(crate) head: Head,
    pub(crate) counts: Option<parlour_sdk::protocol::frame::server::Counts>,
    pub(crate) receipts: Vec<(UserId, Mark)>,
    pub(crate) members: Option<Vec<Named>>,
    pub(crate) members_asked: bool,
    /// The newest membership event that the members are as of.
    pub(crate) members_at: Option<Seq>,
    pub(crate) typing: Vec<UserId>,
    pub(crate) scroll: Scroll,
    pub(crate) selected: Option<ItemId>,
    pub(crate) composer: Composer,
    pub(crate) find: Option<Find>,
    /// The unread begin after so many messages.
    pub(crate) divider: Option<u64>,
    /// So many were unread when that was looked at last.
    unread: u64,
    /// The window is wanted before this place.
    pub(crate) at: Option<Seq>,
    /// The window read is not yet the one wanted.
    pub(crate) sliding: bool,
    pub(crate) older_asked: bool,
    /// The first place that can be shown.
    pub(super) shown_first: Option<Seq>,
    /// The read mark that was asked for.
    pub(super) read_upto: Seq,
    /// So many messages were seen, by the server's word or on this screen.
    pub(super) seen_n: u64,
    /// The first message after so many is looked for, and where it is as far as is known.
    pub(crate) seek: Option<u64>,
    pub(super) reach: Option<Reach>,
    /// This place is to come to the top of the screen.
    pub(super) anchor: Option<Seq>,
    /// What lies before that place cannot be had.
    pub(super) passed: bool,
    /// One goes to the newest; what is passed over counts as read.
    pub(super) skip: bool,
    /// One scrolled to the end when it was here: nothing above it need come into sight again.
    pub(super) scrolled_to: Option<Seq>,
    /// Between what is on the screen and what is new something is missing yet.
    pub(crate) gap: bool,
    /// Its settings by key, as far as they are known.
    pub(crate) rules: Rules,
    /// Go here once it is in the window.
    pub(crate) jump: Option<Seq>,
}

impl Chat {
    pub(crate) fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            peer: None,
            items: Vec::new(),
            before: Before::Nothing,
            newest: false,
            read: false,
            head: Head::default(),
            counts: None,
            receipts: Vec::new(),
            members: None,
            members_asked: false,
            members_at: None,
            typing: Vec::new(),
            scroll: Scroll::End,
            selected: None,
            composer: Composer::default(),
            find: None,
            divider: None,
            unread: 0,
            at: None,
            sliding: false,
            older_asked: false,
            shown_first: None,
            read_upto: Seq::ZERO,
            seen_n: 0,
            seek: None,
            reach: None,
            anchor: None,
            passed: false,
            skip: false,
            scrolled_to: None,
            gap: false,
            rules: Rules::new(),
            jump: None,
        }
    }

    /// Marks where the unread begins: anew whenever everything was read before.
    pub(crate) fn divide(&mut self, summary: &Summary) {
        if self.unread == 0 && summary.unread > 0 {
            self.divider = Some(summary.head.n.saturating_sub(summary.unread));
        }
        self.unread = summary.unread;
        self.saw(summary.head.n.saturating_sub(summary.unread));
    }

    /// Everything was seen: what comes unseen after this is divided off anew.
    pub(crate) fn all_seen(&mut self) {
        self.unread = 0;
    }

    /// Takes a window. What is on the screen stays where it is.
    pub(crate) fn take(&mut self, window: Window) {
        self.newest = window.at.is_none() && window.timeline.complete;
        self.before = window.timeline.before;
        self.items = window.timeline.items;
        self.counts = window.timeline.counts;
        self.receipts = window.receipts;
        self.read = true;
        self.sliding = false;
        self.gap = false;
        self.heard(window.reach, window.rules);
        self.answered(window.shown, window.head);
        self.follow();
    }

    /// Whether what was asked for came, by what can be shown now: an answer may be here before it
    /// was seen to be on its way. What lies below a gap tells nothing of how far that is filled.
    fn answered(&mut self, (first, before): (Option<Seq>, Before), head: Head) {
        if before != Before::More || (self.shown_first, self.head) != (first, head) {
            self.older_asked = false;
        }
        self.shown_first = first;
        self.head = head;
    }

    /// Takes of a window what is on its way, and leaves on the screen what is there.
    pub(super) fn keep(&mut self, window: Window) {
        let is_pending = |item: &Item| matches!(item, Item::Pending { .. });
        self.items.retain(|item| !is_pending(item));
        let pending = window.timeline.items.into_iter().filter(is_pending);
        self.items.extend(pending);
        self.counts = window.timeline.counts;
        self.receipts = window.receipts;
        self.newest = false;
        self.gap = true;
        self.sliding = false;
        self.answered(window.shown, window.head);
        self.heard(window.reach, window.rules);
        self.follow();
    }

    fn heard(&mut self, reach: Option<Reach>, rules: Option<Rules>) {
        self.reach = reach;
        let settings = self.items.iter().filter_map(event_of);
        let seen = settings.filter(|e| e.kind == kind::SETTING).map(|e| {
            let value = e.value.clone().unwrap_or_default();
            (e.key.clone().unwrap_or_default(), (e.seq, value))
        });
        for (key, now) in rules.into_iter().flatten().chain(seen) {
            let known = self.rules.entry(key).or_default();
            if known.0 <= now.0 {
                *known = now;
            }
        }
    }

    /// So many messages were seen.
    pub(super) fn saw(&mut self, n: u64) {
        self.seen_n = self.seen_n.max(n);
    }

    /// What waited has its place now: its names change with it.
    fn follow(&mut self) {
        let placed = |id: ItemId| match id {
            ItemId::Pending(message) => self
                .items
                .iter()
                .filter_map(event_of)
                .find(|e| e.id == message)
                .map_or(id, |e| ItemId::Placed(e.seq)),
            ItemId::Placed(_) => id,
        };
        let selected = self.selected.map(placed);
        let scroll = match self.scroll {
            Scroll::At { id, line } => Scroll::At {
                id: placed(id),
                line,
            },
            Scroll::End => Scroll::End,
        };
        self.scroll = scroll;
        self.selected = selected.filter(|id| self.index(*id).is_some());
    }

    /// Where an item is in the window.
    pub(crate) fn index(&self, id: ItemId) -> Option<usize> {
        self.items.iter().position(|item| id_of(item) == id)
    }

    /// Where an item is, or the one after whose place it would come.
    pub(crate) fn index_near(&self, id: ItemId) -> Option<usize> {
        self.index(id).or_else(|| match id {
            ItemId::Placed(seq) => self
                .items
                .iter()
                .rposition(|item| event_of(item).is_some_and(|e| e.seq <= seq))
                .or((!self.items.is_empty()).then_some(0)),
            ItemId::Pending(_) => None,
        })
    }

    pub(crate) fn selected_item(&self) -> Option<&Item> {
        self.items.get(self.index(self.selected?)?)
    }

    /// An event in the window.
    pub(crate) fn event(&self, seq: Seq) -> Option<&Event> {
        self.items
            .iter()
            .filter_map(event_of)
            .find(|e| e.seq == seq)
    }

    /// One's own message that was sent last and can be edited.
    pub(crate) fn last_own(&self, me: UserId) -> Option<&Event> {
        self.items
            .iter()
            .rev()
            .filter_map(event_of)
            .find(|e| e.sender == me && e.body.as_ref().is_some_and(|b| b.as_text().is_some()))
    }
}
