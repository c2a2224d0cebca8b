//! Sends: judged, their mail stored first, appended, and answered when their outcome comes.

use std::collections::{BTreeMap, VecDeque};

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Ref, Server, server};
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::node::Mail;
use parlour_protocol::record::Record;

use super::requests::Pending;
use super::{Ask, Connection, Output};
use crate::gateway::admit::{Judged, Refusal, Submission, judge};
use crate::gateway::need::{Admit, Need};

/// Refusals of its own that a connection remembers: more than can be under way at once.
const REFUSED: usize = 512;

/// Requests of one id that wait: the last of them. An answer may be lost, and the same is asked
/// again; one that was asked for so often before is answered by what the last are.
const TRIES: usize = 4;

/// Requests that wait for the outcome of their id, in the order in which they went to the log. One
/// id may have been sent more than once. Bounded with all requests that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<(ConversationId, MessageId), VecDeque<Wait>>);

/// A request that waits for the outcome of its id.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// Its reference; 0 for none.
    pub(super) r#ref: Ref,
    /// What it says, if that matters.
    pub(super) digest: Option<u64>,
    /// What its gateway has against it, which becomes the outcome if there is none yet.
    pub(super) verdict: Option<Refusal>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }

    fn add(&mut self, key: (ConversationId, MessageId), wait: Wait) {
        let waiting = self.0.entry(key).or_default();
        if waiting.len() >= TRIES {
            waiting.pop_front();
        }
        waiting.push_back(wait);
    }

    /// Takes this one out.
    pub(super) fn remove(&mut self, key: (ConversationId, MessageId), r#ref: Ref) {
        if let Some(waiting) = self.0.get_mut(&key) {
            if let Some(at) = waiting.iter().position(|w| w.r#ref == r#ref) {
                waiting.remove(at);
            }
            if waiting.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// Takes all of an id out.
    pub(super) fn all(&mut self, key: (ConversationId, MessageId)) -> Vec<Wait> {
        self.0.remove(&key).unwrap_or_default().into()
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
            let mut doubled = self.waiting.0.contains_key(&(conversation, id));
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
                    r#ref,
                    digest: submission.digest(),
                    verdict,
                };
                self.waiting.add((conversation, id), wait);
                if keyless {
                    return self.append((conversation, id), r#ref, record, out);
                }
                // Keys first: a body that nobody can open is worse than a key to nothing.
                let mail = submission
                    .send
                    .mail
                    .iter()
                    .map(|(to, item)| {
                        let mail = Mail {
                            from_user: identity.user,
                            from: identity.device,
                            k: item.k,
                            bytes: item.bytes.clone(),
                        };
                        (*to, mail)
                    })
                    .collect();
                let pending = Pending::Mailed((conversation, id), r#ref, record);
                self.ask(pending, Need::PutMail { mail }, out);
            }
        }
    }

    pub(super) fn append(
        &mut self,
        key: (ConversationId, MessageId),
        r#ref: Ref,
        record: Box<Record>,
        out: &mut Vec<Output>,
    ) {
        self.asks += 1;
        let ask = Ask(self.asks);
        self.pending.insert(ask, Pending::Appending(key, r#ref));
        out.push(Output::Append {
            ask,
            conversation: key.0,
            record,
        });
    }

    pub(super) fn appended(
        &mut self,
        ask: Ask,
        done: Result<(), Option<Code>>,
        out: &mut Vec<Output>,
    ) {
        let Some(Pending::Appending(key, r#ref)) = self.pending.remove(&ask) else {
            return;
        };
        match done {
            // Its outcome comes by itself.
            Ok(()) => {}
            // Nobody knows: no answer, and the client tries again (invariant 9).
            Err(None) => self.waiting.remove(key, r#ref),
            Err(Some(code)) => {
                self.waiting.remove(key, r#ref);
                let mut error = server::Error::new(r#ref, code).of(key.0, key.1);
                error.retry_ms = Some(500);
                self.send(&Server::Error(error), out);
            }
        }
    }
}
