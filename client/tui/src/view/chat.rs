//! Draws the open conversation: its head, its messages, who types, what is written.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use parlour_sdk::core::view::Before;
use parlour_sdk::protocol::frame::server::State;

use crate::layout::{self, ChatAreas, PROMPT};
use crate::model::chat::{Chat, Mode, id_of};
use crate::model::{Model, Pane};
use crate::theme::Theme;
use crate::timeline::{self, said};
use crate::{banner, shown, text, when};

pub(super) fn draw(model: &Model, theme: Theme, areas: ChatAreas, frame: &mut Frame<'_>) {
    let Some(chat) = &model.chat else { return };
    header(model, chat, theme, areas.header, frame);
    messages(model, chat, theme, areas.messages, frame);
    status(model, chat, theme, areas, frame);
    compose(model, chat, theme, areas.compose, frame);
}

fn header(model: &Model, chat: &Chat, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let mut about = Vec::new();
    let summary = model.open_summary();
    match chat.peer.filter(|p| !model.is_me(*p)) {
        Some(peer) => match model.people.presence(peer) {
            Some(p) if p.state == State::Online => about.push("● online".to_owned()),
            Some(p) if p.state == State::Offline => about.push(match p.last_seen_ms {
                Some(ms) => format!("○ last seen {}", when::short(ms, model.now_ms, &model.zone)),
                None => "○ offline".to_owned(),
            }),
            _ => {}
        },
        None => {
            if summary.is_some() && model.is_group() {
                about.push(match model.member_count() {
                    1 => "1 member".to_owned(),
                    members => format!("{members} members"),
                });
                let here = chat.members.iter().flatten().filter(|m| {
                    let p = model.people.presence(m.user);
                    p.is_some_and(|p| p.state == State::Online)
                });
                let here = here.count();
                if here > 0 {
                    about.push(format!("● {here} online"));
                }
            }
        }
    }
    if model.is_muted(chat.conversation) {
        about.push("muted".to_owned());
    }
    if chat.peer.is_some_and(|peer| model.is_blocked(peer)) {
        about.push("blocked by you".to_owned());
    }
    if let Some(topic) = summary.and_then(|s| s.topic.as_deref()) {
        about.push(shown::line(topic));
    }
    let name = text::cut(&model.title(chat.conversation), width.saturating_sub(1));
    let room = width.saturating_sub(text::width(&name) + 4);
    let about = text::cut(&about.join(" · "), room);
    let line = Line::from(vec![
        Span::styled(format!(" {name}"), theme.bold()),
        Span::styled(format!("  {about}"), theme.dim()),
    ]);
    super::put(vec![line], theme.plain(), area, frame);
}

fn messages(model: &Model, chat: &Chat, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    if chat.items.is_empty() {
        let lines: &[&str] = if !chat.read || chat.before != Before::Nothing {
            &["loading…"]
        } else {
            &[
                "Nothing was said here yet.",
                "Write the first message below.",
            ]
        };
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        return super::put_in_middle(&lines, theme, area, frame);
    }
    if chat.seek.is_some() {
        let unread = model.open_summary().map_or(0, |s| s.unread);
        let lines = [
            format!("going to the first of {unread} unread messages…"),
            "End goes to the newest".to_owned(),
        ];
        return super::put_in_middle(&lines, theme, area, frame);
    }
    let shown = timeline::visible(model, chat, area.width, usize::from(area.height));
    let rows = u16::try_from(shown.len())
        .unwrap_or(area.height)
        .min(area.height);
    let top = area.bottom() - rows;
    let mut lines = Vec::new();
    let mut bars = Vec::new();
    for (index, line) in shown {
        let id = chat.items.get(index).map(id_of);
        bars.push(id.is_some() && id == chat.selected);
        lines.push(line);
    }
    let below = Rect {
        y: top,
        height: rows,
        ..area
    };
    super::put(lines, theme.plain(), below, frame);
    for (y, _) in (top..).zip(bars).filter(|(_, bar)| *bar) {
        if let Some(cell) = frame.buffer_mut().cell_mut(Position::new(area.x, y)) {
            cell.set_symbol("▌").set_style(theme.accent());
        }
    }
}

/// The line over what is written: an answer, an edit, who types, what waits below.
fn status(model: &Model, chat: &Chat, theme: Theme, areas: ChatAreas, frame: &mut Frame<'_>) {
    let area = areas.status;
    let width = usize::from(area.width);
    let typing = typing(model, chat);
    let (left, style) = match &chat.composer.mode {
        // In words that fit, further down.
        Mode::Edit(..) => (String::new(), theme.accent()),
        Mode::Reply(seq) => {
            let quoted = chat.event(*seq).map(|e| said::quote(model, e));
            let quoted = quoted.unwrap_or_else(|| "an earlier message".to_owned());
            (format!("answering {quoted}"), theme.accent())
        }
        Mode::New => (typing, theme.dim()),
    };
    let messages = areas.messages;
    let at_end = timeline::is_at_end(
        model,
        chat,
        messages.width,
        usize::from(messages.height).max(1),
    );
    let unread = model.open_summary().map_or(0, |s| s.unread);
    let right = match (at_end || chat.items.is_empty(), unread) {
        _ if chat.gap => "catching up… ".to_owned(),
        (true, _) => String::new(),
        (false, 0) => "↓ more below ".to_owned(),
        (false, n) if width < 50 => format!("↓ {n} unread below "),
        (false, n) => format!("↓ {n} unread below · End "),
    };
    let rest = width.saturating_sub(text::width(&right) + 1);
    let editing = [
        "editing · Esc leaves it as it was",
        "editing · Esc",
        "editing",
    ];
    let left = match &chat.composer.mode {
        Mode::Edit(..) => banner::fitting(&editing, rest).to_owned(),
        Mode::New if text::width(&left) > rest && chat.typing.len() > 1 => {
            format!("{} are typing…", chat.typing.len())
        }
        _ => left,
    };
    let line = Line::from(vec![
        Span::styled(format!(" {}", text::fit(&left, rest)), style),
        Span::styled(right, theme.accent()),
    ]);
    super::put(vec![line], theme.plain(), area, frame);
}

fn typing(model: &Model, chat: &Chat) -> String {
    let names: Vec<String> = chat
        .typing
        .iter()
        .take(3)
        .map(|u| model.called(*u))
        .collect();
    match (names.as_slice(), chat.typing.len()) {
        ([], _) => String::new(),
        ([one], _) => format!("{one} is typing…"),
        ([one, two], _) => format!("{one} and {two} are typing…"),
        (_, n) => format!("{n} people are typing…"),
    }
}

fn compose(model: &Model, chat: &Chat, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let over = model.over.is_some();
    if let Some(find) = &chat.find {
        let prompt = "search: ";
        let width = usize::from(area.width).saturating_sub(prompt.len());
        let none = ["  nothing loaded has it", "  none loaded"];
        let found = match (find.searched.as_str(), find.places.len()) {
            ("", _) => "  Enter searches".to_owned(),
            // What is searched for has room too.
            (_, 0) => banner::fitting(&none, width.saturating_sub(24)).to_owned(),
            (_, n) => format!("  {} of {n}", find.at + 1),
        };
        let cells = width.saturating_sub(text::width(&found) + 1);
        let (rows, (row, column)) = find.edit.rows(cells.max(2), false);
        let text = rows.get(row).cloned().unwrap_or_default();
        let line = Line::from(vec![
            Span::styled(prompt, theme.accent()),
            Span::raw(text),
            Span::styled(found, theme.dim()),
        ]);
        super::put(vec![line], theme.plain(), area, frame);
        if !over {
            cursor(area, 0, prompt.len() + column, frame);
        }
        return;
    }
    if model.is_out() {
        let out = [
            "You are not a member here any more; what was said can be read.",
            "You are not a member here any more.",
            "You are no member.",
        ];
        let line = banner::fitting(&out, usize::from(area.width));
        return super::put(vec![Line::from(line)], theme.dim(), area, frame);
    }
    if model.only_reads() && chat.composer.edit.is_empty() {
        let only = ["Only admins and owners write here.", "Only admins write."];
        let line = banner::fitting(&only, usize::from(area.width));
        return super::put(vec![Line::from(line)], theme.dim(), area, frame);
    }
    let here = model.pane == Pane::Compose;
    let (rows, (row, column)) = chat
        .composer
        .edit
        .rows(layout::compose_cells(area.width), false);
    let height = usize::from(area.height).max(1);
    let top = layout::compose_top(row, area.height);
    let mut lines = Vec::new();
    for (at, text) in rows.into_iter().enumerate().skip(top).take(height) {
        let prompt = if at == 0 { PROMPT } else { "  " };
        let style = if here { theme.accent() } else { theme.dim() };
        let mut spans = vec![Span::styled(prompt, style)];
        if chat.composer.edit.is_empty() {
            spans.push(Span::styled("write a message", theme.dim()));
        } else {
            spans.push(Span::raw(text));
        }
        lines.push(Line::from(spans));
    }
    super::put(lines, theme.plain(), area, frame);
    if here && !over {
        cursor(area, row - top, PROMPT.len() + column, frame);
    }
}

/// Puts the cursor into an area, if it is within it.
pub(super) fn cursor(area: Rect, row: usize, column: usize, frame: &mut Frame<'_>) {
    let y = u16::try_from(row).ok().and_then(|r| area.y.checked_add(r));
    let x = u16::try_from(column)
        .ok()
        .and_then(|c| area.x.checked_add(c));
    if let (Some(x), Some(y)) = (x, y) {
        let at = Position::new(x, y);
        if area.intersection(frame.area()).contains(at) {
            frame.set_cursor_position(at);
        }
    }
}
