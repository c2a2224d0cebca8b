//! Draws a [`Model`]: a pure function of it. Changes nothing, asks for nothing.
//!
//! Promises: nothing panics however small the screen; what is told by colour is told without it.

mod chat;
pub(crate) mod form;
mod list;
mod over;
pub(crate) mod page;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use parlour_sdk::{Link, Summary};

use crate::keys::Place;
use crate::layout;
use crate::model::{Model, Over};
use crate::theme::Theme;
use crate::{banner, shown, text};

/// Draws everything.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let theme = Theme {
        colour: model.colour,
    };
    if model.me.is_none() {
        form::entrance(model, theme, frame);
    } else {
        let areas = layout::areas(model);
        title(model, theme, areas.title, frame);
        if let Some(area) = areas.list {
            list::draw(model, theme, area, frame);
        }
        if let Some(area) = areas.rule {
            let lines: Vec<Line<'_>> = (0..area.height).map(|_| Line::from("│")).collect();
            put(lines, theme.dim(), area, frame);
        }
        if let Some(area) = areas.chat {
            chat::draw(model, theme, area, frame);
        }
        if let Some(area) = areas.empty {
            put_in_middle(&empty(model), theme, area, frame);
        }
        hints(model, theme, areas.hints, frame);
    }
    over::draw(model, theme, frame);
}

/// Lines from the top of an area; what does not fit is not drawn.
fn put(lines: Vec<Line<'_>>, style: Style, area: Rect, frame: &mut Frame<'_>) {
    let area = area.intersection(frame.area());
    frame.render_widget(Paragraph::new(lines).style(style), area);
}

/// A fact: what it is called, in so many cells, and what it is, in the rest of so many.
fn fact(name: &str, value: &str, (cells, all): (usize, usize), theme: Theme) -> Vec<Line<'static>> {
    let rows = text::wrap(value, all.saturating_sub(cells)).into_iter();
    let line = |(at, part)| {
        let name = if at == 0 { name } else { "" };
        Line::from(vec![
            Span::styled(text::fit(name, cells), theme.dim()),
            Span::raw(part),
        ])
    };
    rows.enumerate().map(line).collect()
}

/// A few lines in the middle of an area.
fn put_in_middle(lines: &[String], theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let wrapped: Vec<Line<'_>> = lines
        .iter()
        .flat_map(|l| text::wrap(l, usize::from(area.width).saturating_sub(2)))
        .map(|l| Line::from(l).centered())
        .collect();
    let rows = u16::try_from(wrapped.len()).unwrap_or(u16::MAX);
    let above = area.height.saturating_sub(rows) / 2;
    let middle = Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    };
    put(wrapped, theme.dim(), middle, frame);
}

fn empty(model: &Model) -> Vec<String> {
    if model.list.is_empty() {
        let lines = match model.link {
            Link::Live => ["No conversations yet: press n", "and write someone's name."],
            _ => [
                "Nothing is here yet.",
                "Conversations come once the server is reached.",
            ],
        };
        return lines.map(str::to_owned).to_vec();
    }
    ["↑ ↓ and Enter open a conversation,", "n begins a new one."]
        .map(str::to_owned)
        .to_vec()
}

/// The bar at the top: who one is, or what is the matter.
fn title(model: &Model, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let matter = banner::rows(model);
    if !matter.is_empty() {
        let lines = matter
            .iter()
            .map(|row| text::fit(&format!(" {row}"), width));
        let lines = lines.map(Line::from).collect();
        return put(lines, theme.banner(), area, frame);
    }
    let who = model.me.as_ref().map_or_else(String::new, |m| {
        let name = shown::line(&m.name);
        // Where the list is not beside the conversation, what is unread there is told here.
        match unread_elsewhere(model) {
            0 => {
                let server = m.server.split("://").last().unwrap_or_default();
                format!(" Parlour · {name} · {}", shown::line(server))
            }
            unread => format!(" Parlour · {name} · {unread} unread elsewhere"),
        }
    });
    let line = Line::from(text::fit(&who, width));
    put(vec![line], theme.bar(), area, frame);
}

/// Unread messages of other conversations, if the list is not on the screen; without those muted.
fn unread_elsewhere(model: &Model) -> u64 {
    let open = match &model.chat {
        Some(chat) if layout::areas(model).list.is_none() => chat.conversation,
        _ => return 0,
    };
    let told = |s: &&Summary| s.conversation != open && !model.is_muted(s.conversation);
    let all = model.list.iter().filter(told).map(|s| s.unread);
    all.fold(0, u64::saturating_add)
}

/// The line at the bottom: a word for a while, or what can be done here.
fn hints(model: &Model, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    if let Some((notice, _)) = &model.notice {
        let rows = banner::told(notice, width.saturating_sub(2), usize::from(area.height));
        let lines = rows.iter().map(|row| Line::from(format!(" {row}")));
        return put(lines.collect(), theme.accent(), area, frame);
    }
    let own;
    let hints: &[(&str, &str)] = match model.place() {
        Place::Page => {
            own = match &model.over {
                Some(Over::Page(page)) => page::hints(model, page),
                _ => Vec::new(),
            };
            &own
        }
        Place::Pins => &[
            ("?", "help"),
            ("Enter", "go to it"),
            ("x", "take the pin off"),
            ("Esc", "close"),
        ],
        Place::List => &[
            ("?", "help"),
            ("Enter", "open"),
            ("n", "new"),
            ("m", "its page"),
            ("/", "search"),
            ("q", "quit"),
        ],
        Place::Messages => &[
            ("?", "help"),
            ("r", "reply"),
            ("e", "edit"),
            ("d", "delete"),
            ("+", "react"),
            ("p", "pin"),
            ("i", "details"),
            ("Esc", "write"),
        ],
        Place::Search => &[
            ("F1", "help"),
            ("Enter", "older match"),
            ("↓", "newer"),
            ("Esc", "done"),
        ],
        Place::Compose if model.is_out() => &[
            ("F1", "help"),
            ("Tab", "messages"),
            ("Esc", "list"),
            ("Ctrl+G", "its page"),
            ("Ctrl+N", "new"),
        ],
        Place::Compose | Place::Anywhere => &[
            ("F1", "help"),
            ("Enter", "send"),
            ("Tab", "messages"),
            ("Esc", "list"),
            ("Ctrl+G", "its page"),
            ("Ctrl+N", "new"),
        ],
        Place::Form => &[("Enter", "go on"), ("Esc", "close")],
    };
    let mut line = Line::default();
    for (key, what) in hints {
        if line.width() + text::width(key) + text::width(what) + 3 > width {
            break;
        }
        line.push_span(Span::styled(format!(" {key}"), theme.bold()));
        line.push_span(Span::styled(format!(" {what} "), theme.dim()));
    }
    put(vec![line], theme.plain(), area, frame);
}
