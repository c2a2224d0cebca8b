//! Draws what lies over the conversations: help, forms, details, questions.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use parlour_sdk::Item;
use parlour_sdk::core::view::State;
use parlour_sdk::protocol::{Seq, UserId};

use super::{form, page};
use crate::model::chat::ItemId;
use crate::model::page::Wish;
use crate::model::{Model, Over, begin};
use crate::theme::Theme;
use crate::timeline::said;
use crate::{keys, shown, text, when};

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let Some(over) = &model.over else { return };
    let (w, h) = model.size;
    let whole = Rect::new(0, 0, w, h);
    match over {
        Over::Help(top) => scrolled("Help", &help(theme, w), *top, theme, whole, frame),
        Over::New(form) | Over::Set(form, ..) | Over::React(form, _) => {
            form::draw(form, &foot(model), theme, whole, true, frame);
        }
        Over::Page(page) => page::draw(model, page, theme, frame),
        Over::Pins(pins) => page::pins(model, pins, theme, frame),
        Over::Info(id, top) => {
            let lines = info(model, *id, theme, w);
            scrolled("Message", &lines, *top, theme, whole, frame);
        }
        Over::Ask(question, ..) => {
            let width = w.min(56);
            let mut lines: Vec<Line<'_>> =
                text::wrap(&shown::line(question), usize::from(width.saturating_sub(4)))
                    .into_iter()
                    .map(Line::from)
                    .collect();
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled("y", theme.bold()),
                Span::styled(" yes   ", theme.dim()),
                Span::styled("n", theme.bold()),
                Span::styled(" no", theme.dim()),
            ]));
            form::boxed("Sure?", lines, width, theme, whole, frame);
        }
    }
}

/// Lines in a box, from one on; how far one is stands at the end.
fn scrolled(
    title: &str,
    lines: &[Line<'static>],
    top: usize,
    theme: Theme,
    whole: Rect,
    frame: &mut Frame<'_>,
) {
    let rows = usize::from(whole.height.saturating_sub(2)).max(1);
    let most = lines.len().saturating_sub(rows);
    let top = top.min(most);
    let mut shown: Vec<Line<'static>> = lines.iter().skip(top).take(rows).cloned().collect();
    if most > 0
        && let Some(last) = shown.last_mut()
    {
        let word = if top < most {
            "↓ more: PgDn, or the wheel"
        } else {
            "Esc closes"
        };
        *last = Line::styled(word, theme.accent());
    }
    form::boxed(title, shown, whole.width.min(72), theme, whole, frame);
}

fn help(theme: Theme, width: u16) -> Vec<Line<'static>> {
    let column = if width < 50 { 12 } else { 22 };
    let room = usize::from(width.min(72)).saturating_sub(column + 5).max(8);
    let mut lines = Vec::new();
    for (keys, says) in keys::help() {
        if keys.is_empty() {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::styled(says, theme.accent()));
            continue;
        }
        for (at, part) in text::wrap(says, room).into_iter().enumerate() {
            let keys = if at == 0 { keys.as_str() } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{} ", text::fit(keys, column)), theme.bold()),
                Span::raw(part),
            ]));
        }
    }
    lines.push(Line::default());
    let more = [
        "Mouse: click a conversation, a message, a member or into a text; the wheel scrolls. With \
         Shift held the terminal marks text as usual.",
        "Ticks: … sending, ✓ sent, ✓✓ delivered, ✓✓ and `read`; ✗ was refused. In a group, i on \
         your message tells member by member.",
        "Mention someone with @name; @everyone in a group.",
    ];
    for line in more {
        for part in text::wrap(line, usize::from(width.min(72)).saturating_sub(4)) {
            lines.push(Line::from(part));
        }
    }
    lines.push(Line::default());
    lines
}

/// All about one message.
fn info(model: &Model, id: ItemId, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let room = usize::from(width.min(72)).saturating_sub(4);
    let Some(chat) = &model.chat else {
        return lines;
    };
    let Some(item) = chat.index(id).and_then(|i| chat.items.get(i)) else {
        return vec![Line::from("It is not loaded any more.")];
    };
    match item {
        Item::Placed { event, state, .. } => {
            let preview = said::quote(model, event);
            lines.extend(
                text::wrap(&preview, room)
                    .into_iter()
                    .take(4)
                    .map(Line::from),
            );
            lines.push(Line::default());
            let mut fact = |name: &str, value: String| {
                lines.extend(super::fact(name, &value, (11, room), theme));
            };
            fact("from", model.people.full_name(event.sender));
            fact("time", when::whole(event.time_ms, &model.zone));
            if let Some(edited) = &event.edited {
                fact("edited", when::whole(edited.time_ms, &model.zone));
            }
            if let Some(origin) = &event.origin {
                fact("came from", shown::line(&origin.author));
            }
            fact("place", event.seq.to_string());
            for r in &event.reactions {
                let key = text::cut(&shown::line(&r.key), 16);
                fact("reaction", format!("{key} {}", model.called(r.user)));
            }
            if state.is_some() {
                lines.push(Line::default());
                receipts(model, event.seq, theme, &mut lines);
            }
        }
        Item::Pending { state, row } => {
            lines.push(Line::from(said::waiting(state)));
            lines.push(Line::styled(
                format!("written {}", when::whole(row.made_ms, &model.zone)),
                theme.dim(),
            ));
            if let State::Failed { code, message } = state {
                for line in text::wrap(&format!("{} ({code})", shown::line(message)), room) {
                    lines.push(Line::styled(line, theme.error()));
                }
            }
        }
        Item::Withheld { .. } => lines.push(Line::from("It is not for you to see.")),
    }
    lines.push(Line::default());
    lines
}

/// Who has a message and who read it, member by member.
fn receipts(model: &Model, seq: Seq, theme: Theme, lines: &mut Vec<Line<'static>>) {
    let Some(chat) = &model.chat else { return };
    let mut users: Vec<UserId> = match chat.peer {
        Some(peer) => vec![peer],
        None => chat.members.iter().flatten().map(|m| m.user).collect(),
    };
    users.retain(|u| !model.is_me(*u));
    users.sort_by_key(|u| model.people.name(*u).to_lowercase());
    if users.is_empty() {
        lines.push(Line::styled("asking who the members are…", theme.dim()));
    }
    for user in users {
        let mark = chat
            .receipts
            .iter()
            .find(|(u, _)| *u == user)
            .map(|(_, m)| m);
        let (tick, word, style) = match mark {
            Some(m) if m.read.seq >= seq => ("✓✓", "read", theme.accent()),
            Some(m) if m.delivered().seq >= seq => ("✓✓", "delivered", theme.plain()),
            _ => ("✓ ", "sent", theme.dim()),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{tick} {} ", text::fit(word, 9)), style),
            Span::raw(model.people.full_name(user)),
        ]));
    }
}

/// What is said under the form that lies over the conversations.
pub(super) fn foot(model: &Model) -> Vec<String> {
    let line = match &model.over {
        Some(Over::New(form) | Over::Set(form, ..)) if form.busy && form.sent => {
            "Asking the server… It goes out: Esc closes this, and does not take it back.".to_owned()
        }
        Some(Over::New(form) | Over::Set(form, ..)) if form.busy => return Vec::new(),
        Some(Over::New(form)) => begin::foot(form).to_owned(),
        Some(Over::React(..)) => "1 to 8 or ←→ and Enter. Once more takes it back.".to_owned(),
        Some(Over::Set(_, wish, _)) => match *wish {
            Wish::Role(user) => {
                let who = model.people.full_name(user);
                format!("{who}: ←→ choose. Admins manage members, name and settings.")
            }
            Wish::Rules => "↑↓ go, ←→ choose; Enter on the last does it.".to_owned(),
            Wish::Add | Wish::Name | Wish::Topic => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![line]
}
