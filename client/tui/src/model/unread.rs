//! Where the unread begin, and what counts as read: what was on the screen, and nothing else.
//!
//! Promises: a conversation opens at its first unread message; what comes is followed only as far
//! as the first unread stays on the screen; the read mark goes no further than what was shown
//! without a gap. Who goes to the newest by a key passes over the rest: that counts as read.

use parlour_sdk::core::view::{Before, Reach};
use parlour_sdk::protocol::Seq;
use parlour_sdk::protocol::kind::Class;
use parlour_sdk::{Command as Core, Item, Link};

use super::chat::{Chat, ItemId, MARGIN, WINDOW, Window, event_of};
use super::{Command, Model, Pane};
use crate::scroll::{self, Scroll};
use crate::timeline;

/// Unread messages that are loaded to get to the first; of more, the rest is passed over.
const SEEK_MAX: u64 = 10_000;

/// A window that has this place in its upper part.
fn window_with(seq: Seq, head: Seq) -> Option<Seq> {
    let end = Seq(seq.0.saturating_add((WINDOW - MARGIN) as u64));
    Some(end).filter(|end| *end <= head)
}

fn is_unseen(item: &Item, seen: u64) -> bool {
    event_of(item).is_some_and(|e| e.class == Class::Content && e.n > seen)
}

impl Chat {
    /// The first message in the window that was not seen; whether there is none before it that
    /// is not in the window.
    fn first_unseen(&self) -> Option<(usize, bool)> {
        let seen = self.seen_n;
        let at = self.items.iter().position(|i| is_unseen(i, seen))?;
        let n = self.items.get(at).and_then(event_of).map_or(0, |e| e.n);
        let known = self.items.iter().take(at).any(|i| event_of(i).is_some());
        let sure = known || n == seen.saturating_add(1) || self.before == Before::Nothing;
        Some((at, sure))
    }

    /// Whether the newest message is on the screen, and what comes is followed.
    pub(super) fn is_at_end(&self) -> bool {
        self.scroll == Scroll::End && self.newest && self.at.is_none()
    }

    fn is_finding(&self) -> bool {
        self.seek.is_some() || self.anchor.is_some() || self.gap || self.sliding
    }
}

impl Model {
    pub(super) fn window_came(&mut self, window: Window) {
        let link = matches!(self.link, Link::Live | Link::Syncing);
        let held = self.lowest_seq();
        let Some(chat) = &mut self.chat else { return };
        if window.timeline.conversation != chat.conversation || window.at != chat.at {
            // Of a place that is not wanted any more; the right one is on its way.
            return;
        }
        let moves = chat.skip || chat.jump.is_some() || chat.anchor.is_some();
        let kept = held.filter(|seq| chat.read && !moves && *seq < window.head.seq);
        let (first, before) = window.shown;
        let lacks = kept.is_some_and(|kept| first.is_none_or(|first| first > kept));
        if link && lacks && matches!(before, Before::More | Before::Coming) {
            // What lies between what is on the screen and what is new is not here yet.
            chat.keep(window);
            if before == Before::More && !chat.older_asked {
                self.ask_older();
            }
            return;
        }
        // It is here, and the window may be elsewhere: it slides to what is on the screen.
        let placed = window.timeline.items.iter().find_map(event_of);
        let passed = kept.filter(|kept| placed.is_some_and(|first| first.seq > *kept));
        let at = passed.map(|kept| window_with(kept, window.head.seq));
        match at {
            Some(at) if at != chat.at && !lacks && chat.scroll != Scroll::End => {
                chat.at = at;
                chat.sliding = true;
                self.commands.push(Command::ReadWindow);
            }
            _ => chat.take(window),
        }
    }

    /// The place of the lowest event on the screen.
    fn lowest_seq(&self) -> Option<Seq> {
        let chat = self.chat.as_ref()?;
        let (width, rows) = self.messages_area()?;
        let (item, _) = self.lowest(chat, width, rows)?;
        let shown = chat.items.iter().take(item + 1).rev();
        shown.filter_map(event_of).next().map(|e| e.seq)
    }

    /// Goes to the first unread message, and follows what comes as far as it stays in sight.
    pub(super) fn settle_unread(&mut self) {
        let Some((width, rows)) = self.messages_area() else {
            return;
        };
        let link = matches!(self.link, Link::Live | Link::Syncing);
        let Some(chat) = &mut self.chat else { return };
        if !chat.read || chat.sliding || chat.gap {
            return;
        }
        if chat.seek.is_some() {
            self.seek(link);
        }
        let Some(chat) = &mut self.chat else { return };
        if let Some(seq) = chat.anchor {
            self.anchor(seq, width, rows);
            return;
        }
        if chat.scrolled_to == Some(chat.head.seq) {
            return;
        }
        if chat.skip || chat.seek.is_some() || !chat.is_at_end() || chat.head.n <= chat.seen_n {
            return;
        }
        match chat.first_unseen() {
            Some((first, true)) => self.hold(first, width, rows),
            // Further up than the window: the core is asked where.
            _ if link && chat.before != Before::Nothing && chat.before != Before::NoRoom => {
                chat.seek = Some(chat.seen_n);
                chat.reach = None;
                self.commands.push(Command::ReadWindow);
            }
            _ => {}
        }
    }

    fn seek(&mut self, link: bool) {
        let Some(chat) = &mut self.chat else { return };
        let Some(reach) = chat.reach else { return };
        // Without what lies below a gap, which is not shown.
        let first = chat.shown_first.unwrap_or(chat.head.seq.next());
        let loaded = chat.head.seq.next().0.saturating_sub(first.0);
        let found = match reach {
            Reach::Here(seq) => Some(seq),
            Reach::Further if link && loaded < SEEK_MAX => {
                if !chat.older_asked {
                    self.ask_older();
                }
                return;
            }
            // What is loaded has to do.
            Reach::Further => chat.shown_first,
            Reach::Lost(first) => first,
            Reach::Nowhere => None,
        };
        chat.divider = chat.seek.take();
        chat.anchor = found;
        chat.passed = !matches!(reach, Reach::Here(_));
    }

    /// The first unread comes to the top of the screen, once it is in the window.
    fn anchor(&mut self, seq: Seq, width: u16, rows: usize) {
        let Some(chat) = &mut self.chat else { return };
        let at = chat
            .items
            .iter()
            .position(|i| event_of(i).is_some_and(|e| e.seq >= seq && e.class == Class::Content));
        let here = chat
            .items
            .iter()
            .any(|i| event_of(i).is_some_and(|e| e.seq <= seq));
        match at {
            Some(at) if here || chat.before == Before::Nothing || chat.passed => {
                chat.anchor = None;
                let n = chat.items.get(at).and_then(event_of).map_or(0, |e| e.n);
                let before = n.saturating_sub(1);
                let over = before.saturating_sub(chat.seen_n);
                chat.seen_n = chat.seen_n.max(before);
                if chat.passed && over > 0 {
                    self.say(format!("{over} unread before these are passed over"));
                }
                self.hold(at, width, rows);
            }
            _ => {
                let at = window_with(seq, chat.head.seq);
                if chat.at == at {
                    chat.anchor = None;
                    return;
                }
                chat.at = at;
                chat.sliding = true;
                chat.scroll = Scroll::At {
                    id: ItemId::Placed(seq),
                    line: 0,
                };
                self.commands.push(Command::ReadWindow);
            }
        }
    }

    /// Puts an item to the top of the screen, if there is more below it than the screen holds.
    fn hold(&mut self, first: usize, width: u16, rows: usize) {
        let Some(chat) = &mut self.chat else { return };
        if chat.divider.is_none() {
            chat.divider = Some(chat.seen_n);
        }
        let Some(chat) = &self.chat else { return };
        let count = chat.items.len();
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let Some(end) = scroll::end(count, &mut lines) else {
            return;
        };
        let lowest = scroll::down((first, 0), rows.saturating_sub(1), count, &mut lines);
        if lowest < end || !chat.newest || chat.at.is_some() {
            let seen = chat.seen_n;
            self.scroll_to(lowest);
            if let Some(chat) = &mut self.chat {
                chat.divider = Some(seen);
            }
        }
    }

    /// To the newest message, wherever one was. What is passed over counts as read.
    pub(super) fn go_to_end(&mut self) {
        let Some(chat) = &mut self.chat else { return };
        chat.scroll = Scroll::End;
        chat.jump = None;
        (chat.seek, chat.anchor) = (None, None);
        chat.skip = true;
        if chat.at.take().is_some() || chat.gap {
            chat.gap = false;
            chat.sliding = true;
            self.commands.push(Command::ReadWindow);
        }
    }

    /// Whether the messages are looked at.
    fn looking(&self) -> bool {
        self.looked
            && self.over.is_none()
            && self.pane != Pane::List
            && self
                .chat
                .as_ref()
                .is_some_and(|c| c.read && !c.is_finding())
            && self.messages_area().is_some()
    }

    /// Whether the end of the open conversation is looked at.
    pub(super) fn reading(&self) -> bool {
        self.looking() && self.chat.as_ref().is_some_and(Chat::is_at_end)
    }

    pub(super) fn settle_read(&mut self) {
        if !self.looking() {
            return;
        }
        let Some((upto, n)) = self.shown_upto() else {
            return;
        };
        let Some(chat) = &mut self.chat else { return };
        chat.skip = false;
        chat.seen_n = chat.seen_n.max(n);
        if upto > chat.read_upto {
            chat.read_upto = upto;
            self.commands.push(Command::Core(Core::Read {
                conversation: chat.conversation,
                upto,
            }));
        }
    }

    /// Up to where everything was shown, and how many messages that are.
    fn shown_upto(&self) -> Option<(Seq, u64)> {
        let (width, rows) = self.messages_area()?;
        let chat = self.chat.as_ref()?;
        let head = (chat.head.seq, chat.head.n);
        let at_end = chat.is_at_end();
        let Some(lowest) = self.lowest(chat, width, rows) else {
            // What there is has nothing to show.
            return (at_end && chat.before == Before::Nothing).then_some(head);
        };
        if at_end && chat.skip {
            return Some(head);
        }
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let highest = scroll::up(lowest, rows.saturating_sub(1), &mut lines).unwrap_or((0, 0));
        let shown = match chat.first_unseen() {
            Some((first, sure)) => sure && highest.0 <= first,
            None => chat.head.n <= chat.seen_n,
        };
        if !shown {
            return None;
        }
        if at_end {
            return Some(head);
        }
        // The last that is on the screen with its last line.
        let whole = lowest.1 + 1 >= lines(lowest.0);
        let last = if whole {
            Some(lowest.0)
        } else {
            lowest.0.checked_sub(1)
        };
        let items = chat.items.iter().take(last? + 1).rev();
        items.filter_map(event_of).next().map(|e| (e.seq, e.n))
    }
}
