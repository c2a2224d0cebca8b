//! Where things are on the screen: for drawing, and for what is clicked. Pure.
//!
//! Promises: every area lies within the screen, however small that is.

use ratatui::layout::Rect;

use crate::model::chat::{ItemId, id_of};
use crate::model::{Model, Pane};
use crate::{banner, text, timeline};

/// Below this, list and conversation are not shown beside each other.
const NARROW: u16 = 60;
/// Rows that a message being written takes at most.
const COMPOSE_ROWS_MAX: u16 = 6;
/// What stands before the text being written.
pub(crate) const PROMPT: &str = "> ";

/// The areas of the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Areas {
    pub(crate) title: Rect,
    pub(crate) list: Option<Rect>,
    /// The line between list and conversation.
    pub(crate) rule: Option<Rect>,
    pub(crate) chat: Option<ChatAreas>,
    /// Where the conversation would be, if none is open.
    pub(crate) empty: Option<Rect>,
    pub(crate) hints: Rect,
}

/// The areas of the open conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChatAreas {
    pub(crate) header: Rect,
    pub(crate) messages: Rect,
    pub(crate) status: Rect,
    pub(crate) compose: Rect,
}

/// Where things are now.
pub(crate) fn areas(model: &Model) -> Areas {
    let (w, h) = model.size;
    let banner = u16::try_from(banner::rows(model).len()).unwrap_or(1);
    let title_rows = h.min(banner.max(1));
    let hint_rows = hint_rows(model);
    let body = Rect::new(0, title_rows, w, h - title_rows - hint_rows);
    let title = Rect::new(0, 0, w, title_rows);
    let hints = Rect::new(0, h - hint_rows, w, hint_rows);
    let none = Areas {
        title,
        list: None,
        rule: None,
        chat: None,
        empty: None,
        hints,
    };
    if w < NARROW {
        return if model.pane == Pane::List || model.chat.is_none() {
            Areas {
                list: Some(body),
                ..none
            }
        } else {
            Areas {
                chat: Some(chat_areas(model, body)),
                ..none
            }
        };
    }
    let list_width = (w / 3).clamp(20, 34);
    let rest = Rect::new(list_width + 1, body.y, w - list_width - 1, body.height);
    let open = model.chat.is_some();
    Areas {
        list: Some(Rect::new(0, body.y, list_width, body.height)),
        rule: Some(Rect::new(list_width, body.y, 1, body.height)),
        chat: open.then(|| chat_areas(model, rest)),
        empty: (!open).then_some(rest),
        ..none
    }
}

/// Rows at the bottom: a word for a while may take more than one.
fn hint_rows(model: &Model) -> u16 {
    let (w, h) = model.size;
    let Some((notice, _)) = &model.notice else {
        return u16::from(h >= 6);
    };
    let rows = text::wrap(notice, usize::from(w).saturating_sub(2)).len();
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    rows.min(h / 3).max(u16::from(h >= 6))
}

fn chat_areas(model: &Model, body: Rect) -> ChatAreas {
    let row = |y: u16, rows: u16| Rect::new(body.x, body.y + y, body.width, rows);
    let header_rows = u16::from(body.height >= 4);
    let status_rows = u16::from(body.height >= 3);
    let wanted = model.chat.as_ref().map_or(1, |chat| {
        let (rows, _) = chat.composer.edit.rows(compose_cells(body.width), false);
        u16::try_from(rows.len()).unwrap_or(u16::MAX)
    });
    let most = (body.height / 3).clamp(1, COMPOSE_ROWS_MAX);
    let compose_rows = wanted.clamp(1, most).min(body.height);
    let rest = body.height - header_rows - status_rows.min(body.height) - compose_rows;
    ChatAreas {
        header: row(0, header_rows),
        messages: row(header_rows, rest),
        status: row(header_rows + rest, status_rows),
        compose: row(header_rows + rest + status_rows, compose_rows),
    }
}

/// Cells of a row of what is written.
pub(crate) fn compose_cells(width: u16) -> usize {
    usize::from(width).saturating_sub(PROMPT.len())
}

/// The first row shown of what is written, if the cursor is in this one.
pub(crate) fn compose_top(row: usize, height: u16) -> usize {
    (row + 1).saturating_sub(usize::from(height).max(1))
}

/// Rows of one conversation in the list.
pub(crate) fn list_row_height(model: &Model) -> u16 {
    if model.size.1 < 10 { 1 } else { 2 }
}

/// How many conversations the list shows.
pub(crate) fn list_rows(model: &Model) -> usize {
    let height = areas(model).list.map_or(0, |list| list.height);
    usize::from(height / list_row_height(model))
}

/// The item in this row of the screen.
pub(crate) fn item_at(model: &Model, messages: Rect, y: u16) -> Option<ItemId> {
    let chat = model.chat.as_ref()?;
    let shown = timeline::visible(model, chat, messages.width, usize::from(messages.height));
    let from_end = usize::from(messages.bottom().checked_sub(y + 1)?);
    let (index, _) = shown.iter().rev().nth(from_end)?;
    chat.items.get(*index).map(id_of)
}
