//! What the mouse does: a click goes where it points, the wheel scrolls what is under it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::page::Page;
use super::{Model, Over, Pane};
use crate::keys::Action;
use crate::layout;
use crate::view::form::{self, Hit};
use crate::view::page;

const WHEEL: isize = 3;

impl Model {
    pub(super) fn mouse(&mut self, mouse: &MouseEvent) {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(at, -WHEEL),
            MouseEventKind::ScrollDown => self.wheel(at, WHEEL),
            MouseEventKind::Down(MouseButton::Left) => self.click(at),
            _ => {}
        }
    }

    fn wheel(&mut self, at: Position, by: isize) {
        if let Some(over) = &mut self.over {
            match over {
                Over::Help(top) | Over::Info(_, top) => *top = top.saturating_add_signed(by),
                Over::Page(_) if by < 0 => self.in_page(Action::Up),
                Over::Page(_) => self.in_page(Action::Down),
                Over::Pins(_) if by < 0 => self.in_pins(Action::Up),
                Over::Pins(_) => self.in_pins(Action::Down),
                _ => {}
            }
            return;
        }
        let areas = layout::areas(self);
        if areas.list.is_some_and(|list| list.contains(at)) {
            let rows = layout::list_rows(self);
            let most = self.list.len().saturating_sub(rows);
            self.list_top = self.list_top.saturating_add_signed(by / WHEEL).min(most);
        } else if areas.chat.is_some() {
            self.scroll_by(by);
        }
    }

    fn click(&mut self, at: Position) {
        let hit = form::hit(self, at);
        match &mut self.over {
            Some(Over::Help(_) | Over::Info(..)) => {
                self.over = None;
                return;
            }
            Some(Over::New(_) | Over::Set(..) | Over::React(..)) => {
                if let Some(hit) = hit {
                    self.hit(hit);
                }
                return;
            }
            Some(Over::Page(page)) => {
                let page = page.clone();
                match page::member_at(self, &page, at) {
                    None => self.over = None,
                    Some(user) => {
                        let chosen = user.or(page.chosen);
                        self.over = Some(Over::Page(Page { chosen, ..page }));
                    }
                }
                return;
            }
            Some(Over::Pins(_) | Over::Ask(..)) => return,
            None if self.me.is_none() => {
                if let Some(hit) = hit {
                    self.hit(hit);
                }
                return;
            }
            None => {}
        }
        let areas = layout::areas(self);
        if let Some(list) = areas.list.filter(|list| list.contains(at)) {
            let row = usize::from(at.y.saturating_sub(list.y));
            let index = self.list_top + row / usize::from(layout::list_row_height(self));
            if let Some(conversation) = self.list.get(index).map(|s| s.conversation) {
                self.open(conversation, None);
            } else {
                self.go(Pane::List);
            }
            return;
        }
        let Some(chat) = areas.chat else { return };
        if chat.compose.contains(at) || chat.status.contains(at) {
            self.go(Pane::Compose);
            self.click_text(chat.compose, at);
        } else if chat.messages.contains(at) {
            let id = layout::item_at(self, chat.messages, at.y);
            if id.is_some() {
                self.pane = Pane::Messages;
                self.choose_this(id);
            }
        }
    }

    /// Puts the cursor into what is written.
    fn click_text(&mut self, area: Rect, at: Position) {
        let Some(chat) = &mut self.chat else { return };
        if !area.contains(at) || chat.find.is_some() {
            return;
        }
        let cells = layout::compose_cells(area.width);
        let (_, (row, _)) = chat.composer.edit.rows(cells, false);
        let top = layout::compose_top(row, area.height);
        let prompt = u16::try_from(layout::PROMPT.len()).unwrap_or(0);
        let column = at.x.saturating_sub(area.x.saturating_add(prompt));
        let row = top + usize::from(at.y - area.y);
        chat.composer
            .edit
            .click(cells, false, row, usize::from(column));
    }

    fn hit(&mut self, hit: Hit) {
        let form = match &mut self.over {
            Some(Over::New(form) | Over::Set(form, ..) | Over::React(form, _)) => form,
            _ => &mut self.entrance,
        };
        match hit {
            Hit::Choice(to) => {
                form.at = 0;
                // As if it was gone to with the arrow keys: what hangs on it follows.
                let count = form.choices.len();
                let steps = (to + count - form.chosen.min(count)) % count.max(1);
                for _ in 0..steps {
                    if self.over.is_some() {
                        self.over_action(Action::Right);
                    } else {
                        self.entrance_action(Action::Right);
                    }
                }
            }
            Hit::Field(field, cells, column) => form.click(field, cells, column),
        }
    }
}
