//! A conversation's items as lines: what each says, how far it is, what divides it.
//!
//! Promises: only items that are asked for are laid out; an item's lines hang on it, on the one
//! before it and on the width alone; nothing of others' text reaches a line unless made harmless.

pub(crate) mod said;
mod waiting;

use parlour_sdk::core::saved::Asked;
use parlour_sdk::core::view::{Before, Change, State};
use parlour_sdk::protocol::frame::server::{Event, Why};
use parlour_sdk::protocol::kind::Class;
use parlour_sdk::{Item, protocol::UserId};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::Model;
use crate::model::chat::{Chat, event_of};
use crate::scroll;
use crate::theme::Theme;
use crate::{text, when};

/// Messages of one sender this close together stand under one name, in milliseconds.
const TOGETHER_MS: u64 = 5 * 60 * 1000;
/// Cells left of a text, and right of it, where one's own have their ticks.
const LEFT: usize = 3;
const RIGHT: usize = 4;

/// Whether the unread begins with this event, if so many messages were read.
pub(crate) fn begins_unread(event: &Event, read: u64) -> bool {
    event.class == Class::Content && event.n == read.saturating_add(1)
}

/// The lines on a screen of so many rows, each with its item's index: the last ones shown.
pub(crate) fn visible(
    model: &Model,
    chat: &Chat,
    width: u16,
    rows: usize,
) -> Vec<(usize, Line<'static>)> {
    let Some((item, line)) = model.lowest(chat, width, rows) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut upto = Some(line + 1);
    for index in (0..=item).rev() {
        let mut block = lines(model, chat, index, width);
        block.truncate(upto.take().unwrap_or(usize::MAX));
        out.extend(block.into_iter().rev().map(|l| (index, l)));
        if out.len() >= rows {
            break;
        }
    }
    out.truncate(rows);
    out.reverse();
    out
}

/// The highest item shown, if any is.
pub(crate) fn is_at_end(model: &Model, chat: &Chat, width: u16, rows: usize) -> bool {
    let mut count = |i: usize| lines(model, chat, i, width).len();
    let end = scroll::end(chat.items.len(), &mut count);
    chat.newest && end == model.lowest(chat, width, rows)
}

/// The lines of one item. At least one.
pub(crate) fn lines(model: &Model, chat: &Chat, index: usize, width: u16) -> Vec<Line<'static>> {
    let page = Page {
        model,
        chat,
        theme: Theme {
            colour: model.colour,
        },
        width: usize::from(width),
    };
    let mut out = Vec::new();
    let Some(item) = chat.items.get(index) else {
        return vec![Line::default()];
    };
    if index == 0 {
        out.push(page.rule(page.beginning()));
    }
    let before = index.checked_sub(1).and_then(|i| chat.items.get(i));
    page.dividers(before, item, &mut out);
    let divided = !out.is_empty();
    match item {
        Item::Withheld { from, to, why } => {
            let count = to.0.saturating_sub(from.0).saturating_add(1);
            let why = match why {
                Why::NotMember => "you were not a member then",
                Why::Expired => "their time is over",
                Why::Removed => "the operator removed them",
            };
            out.push(page.rule(format!("{count} not shown: {why}")));
        }
        Item::Placed {
            event,
            state,
            changes,
        } => {
            if event.class == Class::Content {
                let together = !divided && before.is_some_and(|b| together(b, event));
                page.message(index, event, state.as_ref(), changes, together, &mut out);
            } else {
                out.extend(page.told(&said::happened(model, event), Some(event.time_ms)));
            }
        }
        Item::Pending { row, state } => page.pending(index, row, state, divided, before, &mut out),
    }
    if out.is_empty() {
        out.push(Line::default());
    }
    out
}

/// Whether an event stands under the name of the item before it.
fn together(before: &Item, event: &Event) -> bool {
    event_of(before).is_some_and(|b| {
        b.class == Class::Content
            && b.sender == event.sender
            && event.time_ms.saturating_sub(b.time_ms) < TOGETHER_MS
    })
}

struct Page<'a> {
    model: &'a Model,
    chat: &'a Chat,
    theme: Theme,
    width: usize,
}

impl Page<'_> {
    /// A line across, with a word in it.
    fn rule(&self, word: impl AsRef<str>) -> Line<'static> {
        self.rule_in(word, self.theme.dim())
    }

    fn rule_in(&self, word: impl AsRef<str>, style: Style) -> Line<'static> {
        let word = text::cut(word.as_ref(), self.width.saturating_sub(6));
        let rest = self.width.saturating_sub(text::width(&word) + 2);
        let left = rest / 2;
        let line = format!("{} {word} {}", "─".repeat(left), "─".repeat(rest - left));
        Line::styled(line, style)
    }

    fn beginning(&self) -> &'static str {
        match self.chat.before {
            Before::Nothing => "the beginning",
            Before::Held => "…",
            Before::More => "more above",
            Before::Coming => "loading older messages…",
            Before::NoRoom => "older messages are past what is held here",
        }
    }

    fn dividers(&self, before: Option<&Item>, item: &Item, out: &mut Vec<Line<'static>>) {
        let zone = &self.model.zone;
        let time = |item: &Item| match item {
            Item::Placed { event, .. } => Some(event.time_ms),
            Item::Pending { row, .. } => Some(row.made_ms),
            Item::Withheld { .. } => None,
        };
        if let Some(now) = time(item) {
            let then = before.and_then(time);
            if then.is_none_or(|then| when::day(then, zone) != when::day(now, zone)) {
                out.push(self.rule(when::day_name(now, zone)));
            }
        }
        let unread = match (event_of(item), self.chat.divider) {
            (Some(event), Some(read)) => begins_unread(event, read),
            _ => false,
        };
        if unread {
            out.push(self.rule_in("unread", self.theme.accent()));
        }
    }

    /// Something that happened, in the middle.
    fn told(&self, what: &str, time_ms: Option<u64>) -> Vec<Line<'static>> {
        let time = time_ms.map(|t| when::clock(t, &self.model.zone));
        let what = match time {
            Some(time) => format!("{what} · {time}"),
            None => what.to_owned(),
        };
        text::wrap(&what, self.width.saturating_sub(4))
            .into_iter()
            .map(|line| Line::styled(line, self.theme.dim()).centered())
            .collect()
    }

    fn head(&self, user: UserId, time_ms: u64) -> Line<'static> {
        // Who calls themself as another is called is not taken for them.
        let name = if self.model.is_me(user) {
            self.model.called(user)
        } else {
            self.model.people.full_name(user)
        };
        let name = text::cut(&name, self.width.saturating_sub(9));
        Line::from(vec![
            Span::raw(" "),
            Span::styled(name, self.theme.name(user)),
            Span::raw("  "),
            Span::styled(when::clock(time_ms, &self.model.zone), self.theme.dim()),
        ])
    }

    fn message(
        &self,
        index: usize,
        event: &Event,
        state: Option<&State>,
        changes: &[Change],
        together: bool,
        out: &mut Vec<Line<'static>>,
    ) {
        if !together {
            out.push(self.head(event.sender, event.time_ms));
        }
        if let Some(seq) = event.reply_to {
            let quoted = match self.chat.event(seq) {
                Some(answered) => said::quote(self.model, answered),
                None => "an earlier message".to_owned(),
            };
            out.push(self.quote(&quoted));
        }
        let edit = changes.iter().rev().find_map(|c| match &c.asked {
            Asked::Edit(edit) if !matches!(c.state, State::Failed { .. }) => Some(edit),
            _ => None,
        });
        let (what, plain) = match (&event.deleted, edit) {
            (Some(deleted), _) => (said::deleted(self.model, event, deleted.by), false),
            (None, Some(edit)) => said::body(&event.kind, Some(&edit.body)),
            (None, None) => said::body(&event.kind, event.body.as_ref()),
        };
        let style = if plain {
            self.theme.plain()
        } else {
            self.theme.dim()
        };
        let mut marks = Vec::new();
        if edit.is_some() {
            marks.push("editing…");
        } else if event.edited.is_some() && event.deleted.is_none() {
            marks.push("edited");
        }
        if event.pinned.is_some() {
            marks.push("pinned");
        }
        self.body(&what, style, &marks, state, out);
        let reactions = said::reactions(self.model, event, changes);
        if !reactions.is_empty() {
            for line in text::wrap(&reactions.join("  "), self.width.saturating_sub(LEFT)) {
                out.push(Line::from(format!("{}{line}", " ".repeat(LEFT))));
            }
        }
        for change in changes {
            self.change(change, out);
        }
        if let Some(state) = state.filter(|_| self.is_last_own(index)) {
            let word = said::reached(self.model, self.chat, event.seq, state);
            self.right(&word, state, out);
        }
    }

    fn quote(&self, quoted: &str) -> Line<'static> {
        let room = self.width.saturating_sub(LEFT + 2);
        let line = format!("{}│ {}", " ".repeat(LEFT), text::cut(quoted, room));
        Line::styled(line, self.theme.dim())
    }

    /// A text, with its marks after it and, if it is one's own, its tick at the right.
    fn body(
        &self,
        what: &str,
        style: Style,
        marks: &[&str],
        state: Option<&State>,
        out: &mut Vec<Line<'static>>,
    ) {
        let room = self.width.saturating_sub(LEFT + RIGHT).max(1);
        let mut rows: Vec<Line<'static>> = Vec::new();
        for row in self.model.wrapped.rows(what, room).iter() {
            let mut spans = vec![Span::raw(" ".repeat(LEFT.min(self.width)))];
            spans.extend(self.found(row, style));
            rows.push(Line::from(spans));
        }
        if !marks.is_empty() {
            let mark = format!("({})", marks.join(", "));
            let used = rows.last().map_or(0, Line::width);
            if used + 1 + mark.len() <= LEFT + room
                && let Some(last) = rows.last_mut()
            {
                last.push_span(Span::styled(format!(" {mark}"), self.theme.dim()));
            } else {
                let line = format!("{}{mark}", " ".repeat(LEFT));
                rows.push(Line::styled(line, self.theme.dim()));
            }
        }
        if let (Some(state), Some(last)) = (state, rows.last_mut()) {
            let (tick, style) = self.tick(state);
            let gap = self
                .width
                .saturating_sub(last.width() + text::width(tick) + 1);
            last.push_span(Span::raw(" ".repeat(gap)));
            last.push_span(Span::styled(tick, style));
        }
        out.append(&mut rows);
    }

    /// A line with what is searched for set off.
    fn found(&self, row: &str, style: Style) -> Vec<Span<'static>> {
        let searched = self.chat.find.as_ref().map_or("", |f| f.searched.as_str());
        let (low, wanted) = (row.to_lowercase(), searched.to_lowercase());
        // Small letters may take other room than great ones: then nothing is set off.
        if wanted.is_empty() || low.len() != row.len() {
            return vec![Span::styled(row.to_owned(), style)];
        }
        let mut spans = Vec::new();
        let mut done = 0;
        for (at, _) in low.match_indices(&wanted) {
            let end = at + wanted.len();
            if let (Some(plain), Some(hit)) = (row.get(done..at), row.get(at..end)) {
                spans.push(Span::styled(plain.to_owned(), style));
                spans.push(Span::styled(hit.to_owned(), self.theme.found()));
                done = end;
            }
        }
        let rest = row.get(done..).unwrap_or_default();
        spans.push(Span::styled(rest.to_owned(), style));
        spans
    }

    fn tick(&self, state: &State) -> (&'static str, Style) {
        match state {
            State::Sending | State::GivingUp => ("…", self.theme.dim()),
            State::Failed { .. } => ("✗", self.theme.error()),
            State::Sent => ("✓", self.theme.dim()),
            State::Delivered => ("✓✓", self.theme.dim()),
            State::Read => ("✓✓", self.theme.accent()),
        }
    }

    /// A word at the right.
    fn right(&self, word: &str, state: &State, out: &mut Vec<Line<'static>>) {
        let word = text::cut(word, self.width.saturating_sub(LEFT + 1));
        let gap = self.width.saturating_sub(text::width(&word) + 1);
        let (_, style) = self.tick(state);
        out.push(Line::from(vec![
            Span::raw(" ".repeat(gap)),
            Span::styled(word, style),
        ]));
    }
}
