//! What follows from how things stand, after every event: what to ask for, what to watch, what
//! is asked of whom, where the window slides. Each is asked once, not again with every event.

use parlour_sdk::Command as Core;
use parlour_sdk::core::view::Before;
use parlour_sdk::protocol::{Seq, UserId};

use super::chat::{Chat, ItemId, MARGIN, WINDOW, event_of};
use super::{Command, Model};
use crate::scroll::{self, Place, Scroll};
use crate::{layout, timeline};

/// Groups up to this size tell who read what by themselves; larger ones when it is asked for.
const MEMBERS_TOLD_MAX: u32 = 32;
/// Members whose presence is watched.
const WATCHED_MAX: usize = 100;

impl Model {
    pub(super) fn settle(&mut self) {
        if self.me.is_none() {
            return;
        }
        self.settle_chat();
        self.settle_unread();
        self.settle_jump();
        self.settle_window();
        self.settle_focus();
        self.settle_watch();
        self.settle_names();
        self.settle_read();
    }

    /// Width and height of the messages, if they are on the screen.
    pub(super) fn messages_area(&self) -> Option<(u16, usize)> {
        let area = layout::areas(self).chat?.messages;
        (area.width > 0 && area.height > 0).then_some((area.width, usize::from(area.height)))
    }

    /// The lowest line shown.
    pub(crate) fn lowest(&self, chat: &Chat, width: u16, rows: usize) -> Option<Place> {
        let count = chat.items.len();
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let end = scroll::end(count, &mut lines)?;
        let place = match chat.scroll {
            Scroll::End => end,
            Scroll::At { id, line } => match chat.index_near(id) {
                Some(index) => (index, line.min(lines(index).saturating_sub(1))),
                None => end,
            },
        };
        Some(scroll::filled(place, rows, count, &mut lines))
    }

    /// Makes this the lowest line shown.
    pub(super) fn scroll_to(&mut self, place: Place) {
        let Some((width, _)) = self.messages_area() else {
            return;
        };
        let Some(chat) = &self.chat else { return };
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let end = scroll::end(chat.items.len(), &mut lines);
        let scroll = if end.is_none_or(|end| place >= end) && chat.at.is_none() {
            Scroll::End
        } else {
            match chat.items.get(place.0) {
                Some(item) => Scroll::At {
                    id: super::chat::id_of(item),
                    line: place.1,
                },
                None => Scroll::End,
            }
        };
        if let Some(chat) = &mut self.chat {
            chat.scroll = scroll;
        }
    }

    /// Moves by so many lines: up if negative.
    pub(super) fn scroll_by(&mut self, by: isize) {
        let Some((width, rows)) = self.messages_area() else {
            return;
        };
        let Some(chat) = &mut self.chat else { return };
        chat.skip = false;
        let Some(chat) = &self.chat else { return };
        let Some(from) = self.lowest(chat, width, rows) else {
            return;
        };
        let count = chat.items.len();
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let steps = by.unsigned_abs();
        let place = if by < 0 {
            let above = scroll::up(from, steps, &mut lines).unwrap_or((0, 0));
            scroll::filled(above, rows, count, &mut lines)
        } else {
            scroll::down(from, steps, count, &mut lines)
        };
        self.scroll_to(place);
        if let Some(chat) = &mut self.chat {
            chat.scrolled_to = (chat.scroll == Scroll::End).then_some(chat.head.seq);
        }
    }

    /// Scrolls no further than it takes to show this item.
    pub(super) fn show(&mut self, id: ItemId) {
        let Some((width, rows)) = self.messages_area() else {
            return;
        };
        let Some(chat) = &self.chat else { return };
        let (Some(index), Some(lowest)) = (chat.index(id), self.lowest(chat, width, rows)) else {
            return;
        };
        let count = chat.items.len();
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let highest = scroll::up(lowest, rows.saturating_sub(1), &mut lines).unwrap_or((0, 0));
        let last = (index, lines(index).saturating_sub(1));
        if (index, 0) < highest {
            let place = scroll::down((index, 0), rows.saturating_sub(1), count, &mut lines);
            self.scroll_to(place);
        } else if last > lowest {
            self.scroll_to(last);
        }
    }

    fn settle_chat(&mut self) {
        let reading = self.reading();
        let summary = self.open_summary().cloned();
        // Who is out is not told who is in.
        let direct = !self.is_group() || self.is_out();
        let Some(chat) = &mut self.chat else { return };
        if let Some(summary) = summary {
            chat.peer = chat.peer.or(summary.peer);
            chat.saw(summary.head.n.saturating_sub(summary.unread));
            if !reading && chat.read {
                chat.divide(&summary);
            } else if reading {
                chat.all_seen();
            }
        }
        // Who is a member may be another matter since a membership event.
        let newest = chat
            .items
            .iter()
            .rev()
            .filter_map(event_of)
            .find(|e| e.class == parlour_sdk::protocol::kind::Class::Membership)
            .map(|e| e.seq);
        if newest > chat.members_at {
            chat.members_at = newest;
            chat.members_asked = false;
        }
        if !chat.members_asked && !direct && chat.read {
            chat.members_asked = true;
            self.commands.push(Command::Members(chat.conversation));
        }
    }

    /// Goes where one wanted to go, or lets the window slide there.
    fn settle_jump(&mut self) {
        let Some(chat) = &mut self.chat else { return };
        let Some(seq) = chat.jump else { return };
        let id = ItemId::Placed(seq);
        if chat.index(id).is_some() {
            chat.jump = None;
            chat.selected = Some(id);
            self.show(id);
            return;
        }
        if chat.sliding {
            return;
        }
        let near = Some(Seq(seq.0.saturating_add(MARGIN as u64))).filter(|s| *s <= chat.head.seq);
        if chat.at == near {
            chat.jump = None;
            self.say("that message is not loaded here");
        } else {
            chat.at = near;
            chat.sliding = true;
            chat.scroll = Scroll::At { id, line: 0 };
            self.commands.push(Command::ReadWindow);
        }
    }

    fn settle_window(&mut self) {
        let Some((width, rows)) = self.messages_area() else {
            return;
        };
        let Some(chat) = &self.chat else { return };
        if chat.sliding || !chat.read || chat.gap || chat.seek.is_some() {
            return;
        }
        let Some(lowest) = self.lowest(chat, width, rows) else {
            // Nothing is shown: what there is may all be changes.
            if chat.before == Before::More && !chat.older_asked {
                self.ask_older();
            }
            return;
        };
        let mut lines = |i: usize| timeline::lines(self, chat, i, width).len();
        let highest = scroll::up(lowest, rows.saturating_sub(1), &mut lines).unwrap_or((0, 0));
        let near_top = highest.0 < MARGIN / 2;
        let near_end = lowest.0 + MARGIN / 2 >= chat.items.len();
        let at = if near_top && chat.before == Before::Held {
            let beyond = (lowest.0 + MARGIN).min(chat.items.len().saturating_sub(1));
            let placed = chat.items.iter().skip(beyond).find_map(event_of);
            placed.map(|e| e.seq.next())
        } else if near_end && !near_top {
            let further = |at: Seq| Seq(at.0.saturating_add(WINDOW as u64 / 3));
            chat.at.map(further).filter(|at| *at <= chat.head.seq)
        } else {
            chat.at
        };
        let older = near_top && chat.before == Before::More && !chat.older_asked;
        if let Some(chat) = self.chat.as_mut().filter(|c| c.at != at) {
            chat.at = at;
            chat.sliding = true;
            self.commands.push(Command::ReadWindow);
        }
        if older {
            self.ask_older();
        }
    }

    pub(super) fn ask_older(&mut self) {
        if let Some(chat) = &mut self.chat {
            chat.older_asked = true;
            let command = Core::Older(chat.conversation);
            self.commands.push(Command::Core(command));
        }
    }

    fn settle_focus(&mut self) {
        // The server refuses what it does not know yet: the first word between two makes it.
        let known = self.open_summary().filter(|s| s.standing.is_some());
        let conversation = known.map(|s| s.conversation);
        let size = self.open_summary().map_or(0, |s| s.members);
        let asked_for = matches!(self.over, Some(super::Over::Info(..)));
        let members = conversation.is_some() && (size <= MEMBERS_TOLD_MAX || asked_for);
        if self.asked_focus != (conversation, members) {
            self.asked_focus = (conversation, members);
            self.commands.push(Command::Core(Core::Focus {
                conversation,
                members,
            }));
        }
    }

    fn settle_watch(&mut self) {
        let rows = layout::list_rows(self);
        let listed = self.list.iter().skip(self.list_top).take(rows);
        // Who has nothing in common with one is not told of, whenever that is asked.
        let shared = listed.filter(|s| s.standing.is_some());
        let mut users: Vec<UserId> = shared.filter_map(|s| s.peer).collect();
        if let Some(chat) = &self.chat {
            let open = self.open_summary().filter(|s| s.standing.is_some());
            users.extend(open.and_then(|s| s.peer));
            let members = chat.members.iter().flatten();
            users.extend(members.take(WATCHED_MAX).map(|m| m.user));
        }
        users.retain(|u| !self.is_me(*u));
        users.sort_unstable();
        users.dedup();
        if users != self.asked_watch {
            self.asked_watch.clone_from(&users);
            self.commands.push(Command::Core(Core::Watch(users)));
        }
    }

    /// Asks what those are called who are to be seen.
    fn settle_names(&mut self) {
        let mut users: Vec<UserId> = self.list.iter().filter_map(|s| s.peer).collect();
        users.extend(
            self.list
                .iter()
                .filter_map(|s| Some(s.newest.as_ref()?.sender)),
        );
        if let Some(chat) = &self.chat {
            users.extend(chat.peer);
            users.extend(chat.members.iter().flatten().map(|m| m.user));
            users.extend(chat.typing.iter().copied());
            for event in chat.items.iter().filter_map(event_of) {
                users.push(event.sender);
                users.extend(event.named.iter().map(|n| n.user));
                users.extend(event.reactions.iter().map(|r| r.user));
            }
        }
        let wanted = self.people.unasked(users);
        if !wanted.is_empty() {
            self.commands.push(Command::Profiles(wanted));
        }
    }
}
