//! What keys do.

use crossterm::event::{KeyEvent, KeyEventKind};
use parlour_sdk::{Request, draft};

use super::chat::{Mode, id_of};
use super::{Command, Model, Over, Pane, begin, page};
use crate::edit::Stroke;
use crate::keys::{self, Action, Place};
use crate::layout;

impl Model {
    /// Where the keys go.
    pub(crate) fn place(&self) -> Place {
        match &self.over {
            Some(Over::Page(_)) => return Place::Page,
            Some(Over::Pins(_)) => return Place::Pins,
            None if self.me.is_some() => {}
            _ => return Place::Form,
        }
        match self.pane {
            _ if self.chat.as_ref().is_some_and(|c| c.find.is_some()) => Place::Search,
            Pane::List => Place::List,
            Pane::Messages => Place::Messages,
            Pane::Compose => Place::Compose,
        }
    }

    pub(super) fn key(&mut self, key: &KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        match (keys::action(self.place(), key), keys::written(key)) {
            (Some(action), _) => self.act(action),
            (None, Some(c)) => self.write(c.encode_utf8(&mut [0; 4])),
            (None, None) => {}
        }
    }

    /// Text is typed or pasted.
    pub(super) fn write(&mut self, text: &str) {
        if self.over.is_some() {
            return self.over_written(text);
        }
        if self.me.is_none() {
            self.entrance.write(text);
            return;
        }
        match self.place() {
            Place::Search => {
                if let Some(find) = self.chat.as_mut().and_then(|c| c.find.as_mut()) {
                    find.edit.insert(text, false);
                }
            }
            Place::Compose => self.compose(text),
            _ => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Quit => return self.commands.push(Command::Quit),
            Action::Help if !matches!(self.over, Some(Over::Help(_))) => {
                self.over = Some(Over::Help(0));
                return;
            }
            _ => {}
        }
        if self.over.is_some() {
            return self.over_action(action);
        }
        if self.me.is_none() {
            return self.entrance_action(action);
        }
        match action {
            Action::New => self.over = Some(Over::New(begin::form())),
            Action::Find => self.find(),
            Action::NextPane => self.turn(1),
            Action::PreviousPane => self.turn(2),
            Action::PageUp => self.scroll_by(-self.page()),
            Action::PageDown => self.scroll_by(self.page()),
            Action::NextChat => self.step_chat(1),
            Action::PreviousChat => self.step_chat(-1),
            Action::Hurry => self.commands.push(Command::Hurry),
            Action::Back => self.back(),
            Action::Add => self.add(),
            Action::Page => self.open_page(),
            Action::LogOut => {
                let with = self.affairs.unsent.not_sent();
                let with = with.map_or_else(String::new, |unsent| format!(", with {unsent}"));
                let question = format!("Log out? What is kept on this device is deleted{with}.");
                self.over = Some(Over::Ask(question, Box::new(Command::LogOut), None));
            }
            Action::Leave => self.leave(),
            other => match self.place() {
                Place::List => self.in_list(other),
                Place::Messages => self.in_messages(other),
                Place::Compose => self.in_compose(other),
                Place::Search => self.in_search(other),
                Place::Anywhere | Place::Form | Place::Page | Place::Pins => {}
            },
        }
    }

    fn page(&self) -> isize {
        let rows = self.messages_area().map_or(1, |(_, rows)| rows);
        isize::try_from(rows.saturating_sub(2).max(1)).unwrap_or(1)
    }

    fn turn(&mut self, by: usize) {
        let panes = [Pane::Compose, Pane::Messages, Pane::List];
        if self.chat.is_none() {
            self.pane = Pane::List;
            return;
        }
        let at = panes.iter().position(|p| *p == self.pane).unwrap_or(0);
        if let Some(pane) = panes.get((at + by) % panes.len()) {
            self.go(*pane);
        }
    }

    pub(super) fn go(&mut self, pane: Pane) {
        self.pane = pane;
        let Some(chat) = &mut self.chat else { return };
        match pane {
            Pane::Messages if chat.selected.is_none() => {
                chat.selected = chat.items.last().map(id_of);
                if let Some(id) = chat.selected {
                    self.show(id);
                }
            }
            Pane::Messages => {}
            Pane::List | Pane::Compose => chat.selected = None,
        }
    }

    fn back(&mut self) {
        if self.chat.as_ref().is_some_and(|c| c.find.is_some()) {
            return self.close_find();
        }
        match self.pane {
            Pane::Messages => self.go(Pane::Compose),
            Pane::List if self.chat.is_some() => self.go(Pane::Compose),
            Pane::List => {}
            Pane::Compose => {
                let Some(chat) = &mut self.chat else { return };
                match std::mem::take(&mut chat.composer.mode) {
                    Mode::New => self.go(Pane::List),
                    Mode::Reply(_) => {}
                    Mode::Edit(_, before) => chat.composer.edit = crate::edit::Edit::new(before),
                }
            }
        }
    }

    /// Opens the conversation so many below in the list.
    fn step_chat(&mut self, by: isize) {
        self.step_cursor(by);
        if let Some(conversation) = self.cursor {
            self.open(conversation, None);
        }
    }

    pub(super) fn step_cursor(&mut self, by: isize) {
        let at = self
            .cursor
            .and_then(|c| self.list.iter().position(|s| s.conversation == c));
        let to = match at {
            Some(at) => at
                .saturating_add_signed(by)
                .min(self.list.len().saturating_sub(1)),
            None => 0,
        };
        self.cursor = self.list.get(to).map(|s| s.conversation);
        let rows = layout::list_rows(self).max(1);
        if to < self.list_top {
            self.list_top = to;
        } else if to >= self.list_top + rows {
            self.list_top = to + 1 - rows;
        }
    }

    fn in_list(&mut self, action: Action) {
        let all = isize::try_from(self.list.len()).unwrap_or(isize::MAX);
        match action {
            Action::Up => self.step_cursor(-1),
            Action::Down => self.step_cursor(1),
            Action::First => self.step_cursor(-all),
            Action::Last => self.step_cursor(all),
            Action::Open => {
                if let Some(conversation) = self.cursor {
                    self.open(conversation, None);
                }
            }
            _ => {}
        }
    }

    /// The conversation that an action on a conversation is about: it is opened for it.
    pub(super) fn about(&mut self) -> bool {
        if self.pane == Pane::List
            && let Some(conversation) = self.cursor
        {
            let pane = self.pane;
            self.open(conversation, None);
            self.pane = pane;
        }
        self.chat.is_some()
    }

    fn add(&mut self) {
        if !self.about() {
            return;
        }
        if self.is_group() {
            let page = page::Page::default();
            self.over = Some(Over::Set(page::new_members(), page::Wish::Add, page));
        } else {
            self.say("a direct chat stays between two: make a group with Ctrl+N");
        }
    }

    fn leave(&mut self) {
        if !self.about() {
            return;
        }
        let Some(chat) = &self.chat else { return };
        let conversation = chat.conversation;
        if !self.is_group() {
            return self.say("a direct chat cannot be left");
        }
        let question = format!("Leave {}?", self.title(conversation));
        let request = Request::Send(Box::new(draft::leave(conversation)));
        let command = self.on_page(request);
        self.over = Some(Over::Ask(question, Box::new(command), None));
    }

    pub(super) fn in_compose(&mut self, action: Action) {
        match action {
            Action::Send => self.send(),
            Action::NewLine => self.compose("\n"),
            Action::Complete => self.complete(),
            Action::Choose => {
                self.go(Pane::Messages);
            }
            Action::Last => self.go_to_end(),
            Action::EditLast | Action::Down => {
                let me = self.me.as_ref().map(|me| me.user);
                let Some(chat) = &mut self.chat else { return };
                if !chat.composer.edit.is_empty() {
                    chat.composer.edit.step_line(action == Action::Down);
                } else if action == Action::EditLast && chat.composer.mode == Mode::New {
                    let last = me.and_then(|me| chat.last_own(me)).map(|e| e.seq);
                    match last {
                        Some(seq) => self.edit(seq),
                        None => self.say("there is no message of yours to edit here"),
                    }
                }
            }
            Action::Stroke(Stroke::End) if self.is_at_texts_end() => self.go_to_end(),
            Action::Stroke(stroke) => {
                if let Some(chat) = &mut self.chat {
                    chat.composer.edit.stroke(stroke);
                    if matches!(stroke, Stroke::Backspace | Stroke::Delete) {
                        self.typing();
                    }
                }
            }
            _ => {}
        }
    }

    fn is_at_texts_end(&self) -> bool {
        let chat = self.chat.as_ref();
        chat.is_some_and(|c| c.composer.edit.before() == c.composer.edit.text())
    }
}
