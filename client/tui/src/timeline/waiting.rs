//! What has no place yet, or was refused: why, and what to do.

use parlour_sdk::Item;
use parlour_sdk::core::saved::{Asked, Row};
use parlour_sdk::core::view::{Change, State};
use parlour_sdk::protocol::kind::Class;
use ratatui::text::Line;

use super::{LEFT, Page, TOGETHER_MS, said};
use crate::{shown, text};

impl Page<'_> {
    /// Why something failed, and what to do.
    pub(super) fn failed(&self, what: &str, state: &State, out: &mut Vec<Line<'static>>) {
        if let State::Failed { code, message } = state {
            let line = format!("✗ {what}: {} ({code})", shown::line(message));
            let room = self.width.saturating_sub(LEFT + 1);
            let lines = text::wrap(&line, room).into_iter();
            let remedy = text::wrap("Shift+↑ chooses it; then y tries again, x gives up", room);
            for line in lines {
                let line = format!("{}{line}", " ".repeat(LEFT));
                out.push(Line::styled(line, self.theme.error()));
            }
            for line in remedy {
                let line = format!("{}{line}", " ".repeat(LEFT));
                out.push(Line::styled(line, self.theme.dim()));
            }
        }
    }

    pub(super) fn change(&self, change: &Change, out: &mut Vec<Line<'static>>) {
        let what = match &change.asked {
            Asked::Edit(_) => "the edit was not taken",
            Asked::Delete(_) => "it was not deleted",
            Asked::React(_) | Asked::Send(_) => "the change was not taken",
        };
        self.failed(what, &change.state, out);
        if matches!(change.asked, Asked::Delete(_)) && !matches!(change.state, State::Failed { .. })
        {
            let line = format!("{}deleting…", " ".repeat(LEFT));
            out.push(Line::styled(line, self.theme.dim()));
        }
    }

    pub(super) fn pending(
        &self,
        index: usize,
        row: &Row,
        state: &State,
        divided: bool,
        before: Option<&Item>,
        out: &mut Vec<Line<'static>>,
    ) {
        let Asked::Send(send) = &row.asked else {
            return out.extend(self.told("a change is on its way", None));
        };
        if !said::is_content(send) {
            let what = said::asked(self.model, send);
            out.extend(self.told(&format!("{what}…"), None));
            return self.failed("it was not taken", state, out);
        }
        let me = self.model.me.as_ref().map(|me| me.user).unwrap_or_default();
        let under = before.is_some_and(|b| match b {
            Item::Pending { row, .. } => {
                matches!(&row.asked, Asked::Send(s) if said::is_content(s))
            }
            Item::Placed { event, .. } => {
                event.class == Class::Content
                    && event.sender == me
                    && row.made_ms.saturating_sub(event.time_ms) < TOGETHER_MS
            }
            Item::Withheld { .. } => false,
        });
        if divided || !under {
            out.push(self.head(me, row.made_ms));
        }
        if let Some(answered) = send.reply_to.and_then(|seq| self.chat.event(seq)) {
            out.push(self.quote(&said::quote(self.model, answered)));
        }
        let kind = send.kind.as_deref().unwrap_or_default();
        let (what, _) = said::body(kind, Some(&send.body));
        self.body(&what, self.theme.plain(), &[], Some(state), out);
        self.failed("not sent", state, out);
        if self.is_last_own(index) && !matches!(state, State::Failed { .. }) {
            let word = said::waiting(state);
            self.right(word, state, out);
        }
    }

    /// Whether no later item is one's own message.
    pub(super) fn is_last_own(&self, index: usize) -> bool {
        let own = |item: &Item| match item {
            Item::Placed { event, .. } => {
                event.class == Class::Content && self.model.is_me(event.sender)
            }
            Item::Pending { row, .. } => {
                matches!(&row.asked, Asked::Send(send) if said::is_content(send))
            }
            Item::Withheld { .. } => false,
        };
        !self.chat.items.iter().skip(index + 1).any(own)
    }
}
