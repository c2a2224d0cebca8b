//! Sends: judged, their mail stored first, appended, and answered when their outcome comes.

use std::collections::{BTreeMap, VecDeque};

use parlour_protocol::contents;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Ref, Server, server};
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::Answer;
use parlour_protocol::record::Record;

use super::requests::Pending;
use super::{Ask, Connection, Output, failure};
use crate::gateway::admit::{Judged, Refusal, Submission, judge};
use crate::gateway::need::{Admit, Need};

/// Refusals of its own that a connection remembers: more than can be under way at once.
const REFUSED: usize = 512;

/// Ids of which a connection remembers that it refused a second use.
const REUSED: usize = 64;

/// Requests of one id that wait: the last of them. An answer may be lost, and the same is asked
/// again; one that was asked for so often before is answered by what the last are.
const TRIES: usize = 4;

/// A send, by its conversation and id.
pub(super) type Key = (ConversationId, MessageId);

/// A request on its way to the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appending {
    /// Its send.
    pub(super) key: Key,
    /// Which of those of one send: clients may give two requests one `ref`.
    number: u64,
    /// Its reference.
    pub(super) r#ref: Ref,
}

/// Requests that wait for the outcome of their id, in the order in which they went to the log. One
/// id may have been sent more than once. Bounded with all requests that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_key: BTreeMap<Key, VecDeque<Wait>>,
    numbers: u64,
}

/// A request that waits for the outcome of its id.
#[derive(Debug, Default)]
pub(super) struct Wait {
    number: u64,
    /// Its reference; 0 for none.
    pub(super) r#ref: Ref,
    /// What it says, if that matters.
    pub(super) digest: Option<u64>,
    /// What its gateway has against it, which becomes the outcome if there is none yet.
    pub(super) verdict: Option<Refusal>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.by_key.values().map(VecDeque::len).sum()
    }

    fn add(&mut self, key: Key, mut wait: Wait) -> Appending {
        self.numbers += 1;
        wait.number = self.numbers;
        let appending = Appending {
            key,
            number: wait.number,
            r#ref: wait.r#ref,
        };
        let waiting = self.by_key.entry(key).or_default();
        if waiting.len() >= TRIES {
            waiting.pop_front();
        }
        waiting.push_back(wait);
        appending
    }

    /// Takes this one out.
    pub(super) fn remove(&mut self, appending: &Appending) {
        if let Some(waiting) = self.by_key.get_mut(&appending.key) {
            waiting.retain(|w| w.number != appending.number);
            if waiting.is_empty() {
                self.by_key.remove(&appending.key);
            }
        }
    }

    /// Takes all of an id out.
    pub(super) fn all(&mut self, key: Key) -> Vec<Wait> {
        self.by_key.remove(&key).unwrap_or_default().into()
    }
}

impl Connection {
    pub(super) fn submit(&mut self, frame: Client, out: &mut Vec<Output>) {
        let user = self.user();
        let Some(mut submission) = Submission::of(frame, user, &self.config.limits) else {
            return;
        };
        let (r#ref, id) = (submission.send.r#ref, submission.send.id);
        let Some(need) = submission.need(user) else {
            // Without an address there is nowhere to look its outcome up, or to store one.
            let code = submission
                .wrong
                .as_ref()
                .map_or(Code::BAD_REQUEST, |w| w.code);
            let mut error = server::Error::new(r#ref, code);
            error.id = Some(id);
            if let Some(wrong) = &submission.wrong {
                error = error.why(wrong.what.clone());
            }
            return self.send(&Server::Error(error), out);
        };
        if self.draining {
            let mut error = server::Error::new(r#ref, Code::DRAINING);
            if let Some(conversation) = submission.conversation(user) {
                error = error.of(conversation, id);
            }
            return self.send(&Server::Error(error), out);
        }
        if let Some(conversation) = submission.conversation(user) {
            // What this connection refused by itself it refuses again: the client may have sent
            // a second try before it read the answer to the first.
            let refused = self
                .refused
                .iter()
                .find(|(c, i, _)| *c == conversation && *i == id)
                .cloned();
            if let Some((_, _, refusal)) = refused {
                let mut error = server::Error::new(r#ref, refusal.code).of(conversation, id);
                error.details = refusal.details;
                return self.send(&Server::Error(error), out);
            }
            // Of two tries under way neither is the only one: the log has the word.
            let mut doubled = self.waiting.by_key.contains_key(&(conversation, id));
            for pending in self.pending.values_mut() {
                if let Pending::Admit(other) = pending
                    && other.send.id == id
                    && other.conversation(user) == Some(conversation)
                {
                    other.send.retry = true;
                    doubled = true;
                }
            }
            submission.send.retry |= doubled;
        }
        self.ask(Pending::Admit(Box::new(submission)), need, out);
    }

    pub(super) fn admitted(
        &mut self,
        submission: &Submission,
        admit: &Admit,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(identity) = self.identity.clone() else {
            return;
        };
        let Some(conversation) = submission.conversation(identity.user) else {
            return;
        };
        let (r#ref, id) = (submission.send.r#ref, submission.send.id);
        match judge(
            submission,
            &identity,
            conversation,
            admit,
            now_ms,
            self.config.rules,
        ) {
            Judged::Refuse(refusal) => {
                if self.refused.len() >= REFUSED {
                    self.refused.pop_front();
                }
                self.refused.push_back((conversation, id, refusal.clone()));
                let mut error = server::Error::new(r#ref, refusal.code).of(conversation, id);
                error.details = refusal.details;
                self.send(&Server::Error(error), out);
            }
            Judged::Append { record, verdict } => {
                // A first try that had nothing against it has put its keys already.
                let keyless = submission.send.mail.is_empty() || verdict.is_some();
                let wait = Wait {
                    number: 0,
                    r#ref,
                    digest: submission.digest,
                    verdict,
                };
                let appending = self.waiting.add((conversation, id), wait);
                if keyless {
                    return self.append(appending, record, out);
                }
                // Keys first: a body that nobody can open is worse than a key to nothing.
                let mail = identity.mail(&submission.send);
                let pending = Pending::Mailed(appending, record);
                self.ask(pending, Need::PutMail { mail }, out);
            }
        }
    }

    /// How a request ended whose send has this outcome.
    pub(super) fn ended(&mut self, key: Key, wait: Wait, answer: Answer) -> Server {
        let (conversation, id) = key;
        let refused = |code| server::Error::new(wait.r#ref, code).of(conversation, id);
        match answer {
            // Of other contents, under the same id.
            Answer::Placed { digest, .. }
                if !contents::fits(digest, wait.digest) && !planted(Mutant::ReuseAnswered) =>
            {
                if self.reused.len() >= REUSED {
                    self.reused.pop_front();
                }
                self.reused.push_back(key);
                Server::Error(refused(Code::ID_REUSED))
            }
            Answer::Placed {
                seq, n, time_ms, ..
            } => Server::Sent(server::Sent {
                r#ref: wait.r#ref,
                id,
                conversation,
                seq,
                n,
                time_ms,
            }),
            Answer::Refused { code } => {
                let mut error = refused(code);
                error.details = wait
                    .verdict
                    .filter(|verdict| verdict.code == code)
                    .and_then(|verdict| verdict.details);
                Server::Error(error)
            }
        }
    }

    /// Whether an answer that no request of this connection waits for is told all the same: of what
    /// was asked on another connection of its device, or before this one. Not if its client could
    /// take it for the answer to other contents that it gave the id.
    pub(super) fn tells_unasked(&self, key: Key, answer: &Answer) -> bool {
        let Answer::Placed { digest, .. } = *answer else {
            return true;
        };
        let user = self.user();
        let judged = self.pending.values().any(|pending| match pending {
            Pending::Admit(other) => {
                other.send.id == key.1
                    && other.conversation(user) == Some(key.0)
                    && !contents::fits(digest, other.digest)
            }
            _ => false,
        });
        !judged && !self.reused.contains(&key)
    }

    pub(super) fn append(
        &mut self,
        appending: Appending,
        record: Box<Record>,
        out: &mut Vec<Output>,
    ) {
        self.asks += 1;
        let ask = Ask(self.asks);
        self.pending.insert(ask, Pending::Appending(appending));
        out.push(Output::Append {
            ask,
            conversation: appending.key.0,
            record,
        });
    }

    pub(super) fn appended(
        &mut self,
        ask: Ask,
        done: Result<(), Option<Code>>,
        out: &mut Vec<Output>,
    ) {
        let Some(Pending::Appending(appending)) = self.pending.remove(&ask) else {
            return;
        };
        match done {
            // Its outcome comes by itself.
            Ok(()) => {}
            // Nobody knows: no answer, and the client tries again (invariant 9).
            Err(None) => self.waiting.remove(&appending),
            Err(Some(code)) => {
                self.waiting.remove(&appending);
                let Appending { key, r#ref, .. } = appending;
                let error = failure(r#ref, code).of(key.0, key.1);
                self.send(&Server::Error(error), out);
            }
        }
    }
}
