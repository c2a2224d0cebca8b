//! What the mouse does: a click goes where it points, the wheel scrolls what is under it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Model, Over, Pane};
use crate::keys::Action;
use crate::layout;

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
        match &self.over {
            Some(Over::Help(_) | Over::Info(..)) => {
                self.over = None;
                return;
            }
            Some(_) => return,
            None if self.me.is_none() => return,
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
        } else if chat.messages.contains(at) {
            let id = layout::item_at(self, chat.messages, at.y);
            if id.is_some() {
                self.pane = Pane::Messages;
                self.choose_this(id);
            }
        }
    }
}
