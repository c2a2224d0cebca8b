//! What becomes of a row: placed, refused, given up, or tried again.

use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::seq::Seq;

use super::{Flight, Outbox, Outcome, SETTLED};
use crate::entropy::Entropy;
use crate::output::Ended;
use crate::saved::{Asked, Op, Stage, Ticket};
use crate::settings::Settings;

impl Outbox {
    /// The next row whose giving up holds by now.
    pub(crate) fn dropped(&mut self, persisted: Ticket) -> Option<Outcome> {
        let (ticket, id) = *self.dropping.front()?;
        if ticket > persisted {
            return None;
        }
        self.dropping.pop_front();
        let row = self.take(id)?.row;
        Some(Outcome {
            row,
            how: Ended::GivenUp,
            delete: false,
        })
    }

    /// The id has this place: `sent` said so, or its event came.
    pub(crate) fn placed(
        &mut self,
        conversation: ConversationId,
        id: MessageId,
        (seq, n, time_ms): (Seq, u64, u64),
        shown: bool,
    ) -> Option<Outcome> {
        let row = self.row(id)?;
        // A row that failed has its outcome; another conversation's id is another's.
        if row.conversation != conversation || matches!(row.stage, Stage::Failed { .. }) {
            return None;
        }
        let entry = self.take(id)?;
        self.window = self.window.saturating_add(1);
        let delete = matches!(
            (&entry.row.stage, &entry.row.asked),
            (Stage::GivingUp { delete: true, .. }, Asked::Send(_))
        );
        if !shown {
            self.settled.push_back((Arc::clone(&entry.row), seq));
            if self.settled.len() > SETTLED {
                self.settled.pop_front();
            }
        }
        Some(Outcome {
            row: entry.row,
            how: Ended::Sent { seq, n, time_ms },
            delete,
        })
    }

    /// The id was refused, finally. Gives the outcome and what to store.
    pub(crate) fn refused(
        &mut self,
        settings: &Settings,
        id: MessageId,
        code: Code,
        message: &str,
        ticket: Ticket,
    ) -> Option<(Outcome, Vec<Op>)> {
        let row = Arc::clone(self.row(id)?);
        let (wanted_gone, problem) = match &row.stage {
            Stage::Failed { .. } => return None,
            Stage::Waiting => (false, None),
            Stage::GivingUp { problem, .. } => (problem.is_none(), problem.clone()),
        };
        let delete = false;
        let given_up = code == Code::CANCELLED && problem.is_none();
        let (code, message) = problem.unwrap_or_else(|| (code, message.to_owned()));
        if given_up || wanted_gone {
            self.take(id);
            let how = if given_up {
                Ended::GivenUp
            } else {
                Ended::Refused { code, message }
            };
            return Some((Outcome { row, how, delete }, vec![Op::OutboxGone(id)]));
        }
        let how = Ended::Refused {
            code,
            message: message.clone(),
        };
        let ops = self.fail(settings, id, Stage::Failed { code, message }, ticket);
        Some((Outcome { row, how, delete }, ops))
    }

    /// Keeps a row that failed, for a person to see; of too many the oldest goes.
    fn fail(
        &mut self,
        settings: &Settings,
        id: MessageId,
        failed: Stage,
        ticket: Ticket,
    ) -> Vec<Op> {
        self.reopen(id);
        let Some(entry) = self.entry_mut(id) else {
            return Vec::new();
        };
        let mut ops = vec![entry.stage(failed, ticket)];
        let (order, conversation, bytes) = (entry.row.order, entry.row.conversation, entry.bytes);
        self.not_waiting(order, conversation, bytes);
        self.failed.push_back(order);
        while self.failed.len() > settings.failed_max {
            let oldest = self.failed.front().and_then(|o| self.entries.get(o));
            match oldest.map(|e| e.row.id) {
                Some(id) => {
                    self.take(id);
                    ops.push(Op::OutboxGone(id));
                }
                None => {
                    self.failed.pop_front();
                }
            }
        }
        ops
    }

    /// The try came to nothing; another follows after `after_ms`, or after a pause of its own.
    /// Says how many tries in a row have failed inside the node by this one.
    pub(crate) fn later(
        &mut self,
        settings: &Settings,
        entropy: &mut Entropy,
        id: MessageId,
        now_ms: u64,
        code: Code,
        after_ms: Option<u64>,
    ) -> u32 {
        let Some(entry) = self.entry_mut(id) else {
            return 0;
        };
        if !matches!(entry.flight, Flight::Open { .. }) {
            return 0;
        }
        let failed = entry.failing.with(code);
        let wait = match after_ms {
            // Jittered upward: never before the time given.
            Some(ms) => ms.saturating_add(entropy.upto(ms / 4)),
            None => {
                let min = if code == Code::AFTER_UNKNOWN { 50 } else { 250 };
                entropy.pause(entry.tries, min, settings.backoff_ms_max)
            }
        };
        let at = now_ms.saturating_add(wait);
        entry.flight = Flight::Later(at);
        entry.asked_ms = None;
        entry.slowed = code == Code::RATE_LIMITED;
        self.open = self.open.saturating_sub(1);
        if code == Code::RATE_LIMITED || code == Code::OVERLOADED || code == Code::STORAGE_FULL {
            self.paused_until = self.paused_until.max(at);
            self.window = (self.window.min(settings.sends_open_max) / 2).max(1);
        }
        failed
    }

    /// The server could not read the request, and so cannot have taken it as it was: give it up,
    /// which can be read, and so find its outcome.
    pub(crate) fn unreadable(
        &mut self,
        id: MessageId,
        code: Code,
        message: &str,
        ticket: Ticket,
    ) -> Option<Op> {
        let entry = self.entry_mut(id)?;
        if entry.row.stage != Stage::Waiting {
            return None;
        }
        let stage = Stage::GivingUp {
            delete: false,
            problem: Some((code, message.to_owned())),
        };
        let op = entry.stage(stage, ticket);
        self.reopen(id);
        Some(op)
    }
}
