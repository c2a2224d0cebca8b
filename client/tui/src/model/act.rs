//! What keys do.

use crossterm::event::{KeyEvent, KeyEventKind};
use parlour_sdk::core::view::State;
use parlour_sdk::protocol::Seq;
use parlour_sdk::protocol::kind::{Class, Role};
use parlour_sdk::{Command as Core, Item, Request, draft};

use super::chat::{Find, ItemId, Mode, id_of};
use super::{Command, Model, Over, Pane, forms};
use crate::edit::Stroke;
use crate::keys::{self, Action, Place};
use crate::layout;
use crate::scroll::Scroll;

impl Model {
    /// Where the keys go.
    pub(crate) fn place(&self) -> Place {
        if self.me.is_none() || self.over.is_some() {
            return Place::Form;
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
            Action::New => self.over = Some(Over::New(forms::new_chat())),
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
            Action::Members => self.members(),
            Action::LogOut => {
                let question = "Log out? What is kept on this device is deleted.".to_owned();
                self.over = Some(Over::Ask(question, Box::new(Command::LogOut)));
            }
            Action::Leave => self.leave(),
            other => match self.place() {
                Place::List => self.in_list(other),
                Place::Messages => self.in_messages(other),
                Place::Compose => self.in_compose(other),
                Place::Search => self.in_search(other),
                Place::Anywhere | Place::Form => {}
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

    fn in_messages(&mut self, action: Action) {
        match action {
            Action::Up => self.choose(-1),
            Action::Down => self.choose(1),
            Action::First => {
                let first = self.chat.as_ref().and_then(|c| c.items.first()).map(id_of);
                self.choose_this(first);
            }
            Action::Last => {
                self.to_end();
                let last = self.chat.as_ref().and_then(|c| c.items.last()).map(id_of);
                self.choose_this(last);
            }
            Action::Reply => {
                if let (Some(seq), Some(chat)) = (self.chosen_message(), &mut self.chat) {
                    chat.composer.mode = Mode::Reply(seq);
                    self.go(Pane::Compose);
                }
            }
            Action::EditThis => {
                if let Some(seq) = self.chosen_message() {
                    self.edit(seq);
                }
            }
            Action::Delete => self.delete(),
            Action::React => {
                if let Some(seq) = self.chosen_message() {
                    self.over = Some(Over::React(forms::reaction(), seq));
                }
            }
            Action::Info => {
                if let Some(id) = self.chat.as_ref().and_then(|c| c.selected) {
                    self.over = Some(Over::Info(id, 0));
                }
            }
            Action::Again => self.again(),
            Action::GiveUp => self.give_up(),
            _ => {}
        }
    }

    fn choose(&mut self, by: isize) {
        let Some(chat) = &self.chat else { return };
        let last = chat.items.len().saturating_sub(1);
        let at = chat.selected.and_then(|id| chat.index(id));
        let to = at.map_or(last, |at| at.saturating_add_signed(by).min(last));
        let id = chat.items.get(to).map(id_of);
        self.choose_this(id);
    }

    pub(super) fn choose_this(&mut self, id: Option<ItemId>) {
        if let (Some(id), Some(chat)) = (id, &mut self.chat) {
            chat.selected = Some(id);
            self.show(id);
        }
    }

    /// To the newest message, wherever one was.
    pub(super) fn to_end(&mut self) {
        let Some(chat) = &mut self.chat else { return };
        chat.scroll = Scroll::End;
        chat.jump = None;
        if chat.at.take().is_some() {
            chat.sliding = true;
            self.commands.push(Command::ReadWindow);
        }
    }

    /// The place chosen, if it is a message that can be answered; says why it is not.
    fn chosen_message(&mut self) -> Option<Seq> {
        let item = self.chat.as_ref()?.selected_item()?;
        let why = match item {
            Item::Placed { event, .. } if event.class != Class::Content => "that is no message",
            Item::Placed { event, .. } if event.deleted.is_some() => "that message was deleted",
            Item::Placed { event, .. } => return Some(event.seq),
            Item::Pending { .. } => "that message is not sent yet",
            Item::Withheld { .. } => "there is nothing to be seen there",
        };
        self.say(why);
        None
    }

    pub(super) fn edit(&mut self, seq: Seq) {
        let own = |user| self.is_me(user);
        let text = self.chat.as_ref().and_then(|c| c.event(seq)).map(|event| {
            let body = event.body.as_ref().and_then(|b| b.as_text());
            (own(event.sender), body.map(str::to_owned))
        });
        let Some(chat) = &mut self.chat else { return };
        match text {
            Some((true, Some(text))) => {
                let before = chat.composer.draft().to_owned();
                chat.composer.edit = crate::edit::Edit::new(text);
                chat.composer.mode = Mode::Edit(seq, before);
                self.go(Pane::Compose);
            }
            Some((true, None)) => self.say("that message has no text to edit"),
            Some((false, _)) => self.say("only your own messages can be edited"),
            None => {}
        }
    }

    fn delete(&mut self) {
        let Some(seq) = self.chosen_message() else {
            return;
        };
        let Some(chat) = &self.chat else { return };
        let conversation = chat.conversation;
        let own = chat.event(seq).is_some_and(|e| self.is_me(e.sender));
        let mine = self.open_summary().is_some_and(|s| s.role > Role::Member);
        if !own && !mine {
            return self.say("only its author and the group's admins can delete a message");
        }
        let request = Request::Delete {
            conversation,
            target: seq,
        };
        let question = "Delete this message for everyone?".to_owned();
        let command = Command::Request(Box::new(request), None);
        self.over = Some(Over::Ask(question, Box::new(command)));
    }

    fn again(&mut self) {
        match self.waiting() {
            Some((id, State::Failed { .. })) => self.request(Request::Again(id)),
            Some(_) => self.say("it is still being sent"),
            None => self.say("that message is sent"),
        }
    }

    fn give_up(&mut self) {
        match self.waiting() {
            Some((id, State::Failed { .. })) => {
                self.commands.push(Command::Core(Core::Dismiss(id)));
                self.commands.push(Command::ReadWindow);
            }
            Some((id, _)) => self.request(Request::GiveUp(id)),
            None => self.say("that message is sent; d deletes it"),
        }
    }

    /// What is chosen, or the change on it, that is on its way or failed.
    fn waiting(&self) -> Option<(parlour_sdk::protocol::MessageId, State)> {
        match self.chat.as_ref()?.selected_item()? {
            Item::Pending { row, state } => Some((row.id, state.clone())),
            Item::Placed { changes, .. } => {
                let failed = |s: &State| matches!(s, State::Failed { .. });
                let change = changes
                    .iter()
                    .find(|c| failed(&c.state))
                    .or(changes.last())?;
                (change.state != State::Sent).then(|| (change.id, change.state.clone()))
            }
            Item::Withheld { .. } => None,
        }
    }

    /// The conversation that an action on a conversation is about: it is opened for it.
    fn about(&mut self) -> bool {
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
            self.over = Some(Over::Add(forms::new_members()));
        } else {
            self.say("a direct chat stays between two: make a group with Ctrl+N");
        }
    }

    fn members(&mut self) {
        if self.about() {
            self.over = Some(Over::Members(0));
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
        let command = Command::Request(Box::new(request), None);
        self.over = Some(Over::Ask(question, Box::new(command)));
    }

    fn find(&mut self) {
        if !self.about() {
            return self.say("open a conversation first, then search in it");
        }
        if self.pane == Pane::List {
            self.pane = Pane::Messages;
        }
        if let Some(chat) = &mut self.chat {
            chat.find = Some(Find::default());
        }
    }

    fn in_search(&mut self, action: Action) {
        let Some(chat) = &mut self.chat else { return };
        let conversation = chat.conversation;
        let Some(find) = &mut chat.find else { return };
        match action {
            Action::Older | Action::Newer => {
                let text = find.edit.text().to_owned();
                if text.is_empty() {
                    return;
                }
                if text != find.searched {
                    self.commands.push(Command::Search(conversation, text));
                    return;
                }
                let last = find.places.len().saturating_sub(1);
                find.at = match action {
                    Action::Older => (find.at + 1).min(last),
                    _ => find.at.saturating_sub(1),
                };
                chat.jump = find.places.get(find.at).copied();
            }
            Action::Stroke(stroke) => find.edit.stroke(stroke),
            _ => {}
        }
    }

    /// A search came back.
    pub(super) fn matched(
        &mut self,
        conversation: parlour_sdk::protocol::ConversationId,
        text: &str,
        places: Vec<Seq>,
    ) {
        let open = self
            .chat
            .as_mut()
            .filter(|c| c.conversation == conversation);
        let Some(chat) = open else { return };
        let Some(find) = &mut chat.find else { return };
        find.searched = text.to_owned();
        find.at = 0;
        chat.jump = places.first().copied();
        find.places = places;
    }

    pub(super) fn in_compose(&mut self, action: Action) {
        match action {
            Action::Send => self.send(),
            Action::NewLine => self.compose("\n"),
            Action::Complete => self.complete(),
            Action::Choose => {
                self.go(Pane::Messages);
            }
            Action::Last => self.to_end(),
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

    /// The search is over; what was found stays chosen.
    pub(super) fn close_find(&mut self) {
        let found = self.chat.as_mut().and_then(|chat| {
            chat.find = None;
            chat.selected
        });
        self.pane = if found.is_some() {
            Pane::Messages
        } else {
            Pane::Compose
        };
    }
}
