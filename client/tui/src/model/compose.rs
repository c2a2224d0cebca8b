//! What is written: sent, an answer, an edit; names after `@` become mentions.

use std::collections::BTreeMap;

use parlour_sdk::protocol::UserId;
use parlour_sdk::protocol::body::Body;
use parlour_sdk::protocol::line::Standing;
use parlour_sdk::protocol::record::Mentions;
use parlour_sdk::{Command as Core, Request, draft};

use super::chat::Mode;
use super::{Command, Model};

/// Users mentioned in one message; the server takes no more.
const MENTIONS_MAX: usize = 50;

impl Model {
    pub(super) fn compose(&mut self, text: &str) {
        if self.is_out() {
            return self.say("you are not a member here any more");
        }
        if self.only_reads() && !matches!(self.mode(), Some(Mode::Edit(..))) {
            return self.say("only admins and owners write here");
        }
        let Some(chat) = &mut self.chat else { return };
        if !chat.composer.edit.insert(text, true) {
            self.say("a message holds 64 KiB; the rest was left out");
        }
        self.typing();
    }

    fn mode(&self) -> Option<&Mode> {
        self.chat.as_ref().map(|c| &c.composer.mode)
    }

    /// Whether one was a member of the open conversation, and is none any more.
    pub(crate) fn is_out(&self) -> bool {
        let standing = self.open_summary().and_then(|s| s.standing);
        matches!(standing, Some(Standing::Left(_) | Standing::Removed(_)))
    }

    pub(super) fn typing(&mut self) {
        let Some(chat) = &self.chat else { return };
        let known = self.open_summary().is_some_and(|s| s.standing.is_some());
        if known && !chat.composer.edit.is_empty() {
            let command = Core::Typing(chat.conversation);
            self.commands.push(Command::Core(command));
        }
    }

    pub(super) fn send(&mut self) {
        if self.is_out() {
            return;
        }
        let mentions = self.mentions();
        let direct = !self.is_group();
        let Some(chat) = &mut self.chat else { return };
        if chat.composer.edit.text().trim().is_empty() {
            return;
        }
        let conversation = chat.conversation;
        let text = chat.composer.edit.take();
        let request = match std::mem::take(&mut chat.composer.mode) {
            Mode::Edit(target, before) => {
                chat.composer.edit.insert(&before, true);
                let same = chat
                    .event(target)
                    .and_then(|e| e.body.as_ref()?.as_text())
                    .is_some_and(|old| old == text);
                if same {
                    return;
                }
                Request::Edit {
                    conversation,
                    target,
                    body: Body::text(text.clone()),
                    mentions,
                }
            }
            mode => {
                let mut send = match chat.peer.filter(|_| direct) {
                    // It may be the first word between them.
                    Some(peer) => draft::text_to(peer, text.clone()),
                    None => draft::text(conversation, text.clone()),
                };
                send.mentions = mentions;
                if let Mode::Reply(seq) = mode {
                    send.reply_to = Some(seq);
                }
                chat.divider = None;
                Request::Send(Box::new(send))
            }
        };
        let edits = matches!(request, Request::Edit { .. });
        let kept = Some((conversation, text));
        self.commands
            .push(Command::Request(Box::new(request), kept));
        if !edits {
            self.go_to_end();
        }
    }

    /// Those who can be mentioned here, by their unique name in small letters.
    fn mentionable(&self) -> BTreeMap<String, UserId> {
        let Some(chat) = &self.chat else {
            return BTreeMap::new();
        };
        let members = chat.members.iter().flatten().map(|m| m.user);
        members
            .chain(chat.peer)
            .filter_map(|u| Some((self.people.handle(u)?.to_lowercase(), u)))
            .collect()
    }

    fn mentions(&self) -> Mentions {
        let Some(chat) = &self.chat else {
            return Mentions::default();
        };
        let here = self.mentionable();
        let mut mentions = Mentions::default();
        for word in chat.composer.edit.text().split_whitespace() {
            let Some(name) = word.strip_prefix('@') else {
                continue;
            };
            let whole = name.to_lowercase();
            // A name may end in a mark; a sentence more often does.
            let bare = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
            match here.get(&whole).or_else(|| here.get(bare)) {
                Some(user) if !mentions.users.contains(user) => {
                    if mentions.users.len() < MENTIONS_MAX {
                        mentions.users.push(*user);
                    }
                }
                Some(_) => {}
                None => mentions.everyone |= bare == "everyone" && self.is_group(),
            }
        }
        mentions
    }

    /// Completes a name after `@`, or goes to the next part.
    pub(super) fn complete(&mut self) {
        let Some(chat) = &self.chat else { return };
        let before = chat.composer.edit.before();
        let start = before.rfind(char::is_whitespace).map_or(0, |at| {
            at + before[at..].chars().next().map_or(1, char::len_utf8)
        });
        let Some(begun) = before[start..].strip_prefix('@') else {
            return self.next_pane();
        };
        let begun = begun.to_lowercase();
        let names: Vec<(String, UserId)> = self
            .mentionable()
            .into_iter()
            .filter(|(name, user)| name.starts_with(&begun) && !self.is_me(*user))
            .collect();
        match names.as_slice() {
            [] => self.say(format!("nobody here is called @{begun}…")),
            [(name, user)] => {
                let name = self.people.handle(*user).unwrap_or(name).to_owned();
                if let Some(chat) = &mut self.chat {
                    chat.composer.edit.replace_from(start, &format!("@{name} "));
                }
            }
            several => {
                let all: Vec<String> = several
                    .iter()
                    .take(8)
                    .map(|(n, _)| format!("@{n}"))
                    .collect();
                self.say(all.join("  "));
            }
        }
    }

    fn next_pane(&mut self) {
        self.go(super::Pane::Messages);
    }
}
