//! Draws the list of conversations.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use parlour_sdk::Summary;
use parlour_sdk::protocol::frame::server::State;
use parlour_sdk::protocol::kind::Shape;
use parlour_sdk::protocol::line::Standing;

use crate::layout;
use crate::model::{Model, Pane};
use crate::theme::Theme;
use crate::timeline::said;
use crate::{shown, text, when};

pub(super) fn draw(model: &Model, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    if model.list.is_empty() {
        // Beside the empty conversation this is said there.
        if layout::areas(model).empty.is_none() {
            super::put_in_middle(&super::empty(model), theme, area, frame);
        }
        return;
    }
    let width = usize::from(area.width);
    let tall = layout::list_row_height(model) > 1;
    let rows = layout::list_rows(model);
    let mut lines = Vec::new();
    for summary in model.list.iter().skip(model.list_top).take(rows) {
        let open = model.chat.as_ref().map(|c| c.conversation) == Some(summary.conversation);
        let pointed = model.cursor == Some(summary.conversation) && model.pane == Pane::List;
        let muted = model.is_muted(summary.conversation);
        let counted = if muted { theme.dim() } else { theme.accent() };
        let style = if pointed {
            theme.chosen()
        } else if open || (summary.unread > 0 && !muted) {
            theme.bold()
        } else {
            theme.plain()
        };
        let counts = counts(summary);
        let time = summary.newest.as_ref().map_or_else(String::new, |e| {
            when::short(e.time_ms, model.now_ms, &model.zone)
        });
        let right = if tall { &time } else { &counts };
        let bar = if open { "▌" } else { " " };
        let room = width.saturating_sub(4 + text::width(right));
        let name = text::fit(&model.title(summary.conversation), room);
        let mut first = Line::from(vec![
            Span::styled(bar, theme.accent()),
            dot(model, summary, theme),
            Span::styled(format!("{name} "), style),
            Span::styled(right.clone(), if tall { theme.dim() } else { counted }),
        ]);
        first = first.style(style);
        lines.push(first);
        if tall {
            let room = width.saturating_sub(4 + text::width(&counts));
            lines.push(Line::from(vec![
                Span::styled(bar, theme.accent()),
                Span::styled(
                    format!("  {} ", text::fit(&newest(model, summary), room)),
                    theme.dim(),
                ),
                Span::styled(counts, counted),
            ]));
        }
    }
    super::put(lines, theme.plain(), area, frame);
}

/// Unread messages, and mentions among them.
fn counts(summary: &Summary) -> String {
    let mut out = String::new();
    if summary.unread > 0 {
        out = if summary.unread > 9_999 {
            "9999+".to_owned()
        } else {
            summary.unread.to_string()
        };
    }
    if summary.mentions > 0 {
        out.push_str(&format!(" @{}", summary.mentions));
    }
    out
}

/// Who is here.
fn dot(model: &Model, summary: &Summary, theme: Theme) -> Span<'static> {
    let Some(peer) = summary.peer.filter(|p| !model.is_me(*p)) else {
        let mark = match summary.shape {
            Some(Shape::Direct) => "  ",
            _ => "# ",
        };
        return Span::styled(mark, theme.dim());
    };
    match model.people.presence(peer).map(|p| p.state) {
        Some(State::Online) => Span::styled("● ", theme.good()),
        Some(State::Offline) => Span::styled("○ ", theme.dim()),
        Some(State::Unknown) | None => Span::styled("· ", theme.dim()),
    }
}

/// What was said last, or that one is out.
fn newest(model: &Model, summary: &Summary) -> String {
    match summary.standing {
        Some(Standing::Left(_)) => return "you left".to_owned(),
        Some(Standing::Removed(_)) => return "you were removed".to_owned(),
        _ => {}
    }
    if let Some(draft) = model.drafts.get(&summary.conversation)
        && model.chat.as_ref().map(|c| c.conversation) != Some(summary.conversation)
    {
        let begun: String = draft.chars().take(100).collect();
        return format!("draft: {}", shown::line(&begun));
    }
    if summary.waiting > 0 {
        return "sending…".to_owned();
    }
    match &summary.newest {
        Some(event) if summary.shape == Some(Shape::Direct) && !model.is_me(event.sender) => {
            said::preview(model, event)
        }
        Some(event) => said::quote(model, event),
        None => "nothing said yet".to_owned(),
    }
}
