//! Judges a send, and makes its header: for sockets and for HTTP alike (invariant 16).
//!
//! A gateway judges what the sequencer may not look at: sizes, blocks, device lists, how things
//! stand. Its verdict goes into the record, and bows to an outcome that the id has already.

use parlour_protocol::check;
use parlour_protocol::contents;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client;
use parlour_protocol::http::Scope;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::limits::Limits;
use parlour_protocol::node::Mail;
use parlour_protocol::record::{Header, Record};

use crate::gateway::need::{Admit, Need};

/// Who speaks: what a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// What its token may do.
    pub scopes: Vec<Scope>,
}

impl Identity {
    fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|s| *s == scope || *s == Scope::Full)
    }

    /// Whether it may read.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.may(Scope::Read)
    }

    /// Whether it may send.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.may(Scope::Send) || self.scopes.contains(&Scope::Import)
    }

    /// The keys for single devices that a send of theirs carries, by device.
    #[must_use]
    pub fn mail(&self, send: &client::Send) -> Vec<(DeviceId, Mail)> {
        let from = |item: &client::MailItem| Mail {
            from_user: self.user,
            from: self.device,
            k: item.k,
            bytes: item.bytes.clone(),
        };
        send.mail
            .iter()
            .map(|(to, item)| (*to, from(item)))
            .collect()
    }
}

/// A refusal, with a word on what exactly is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// More, where it helps.
    pub details: Option<serde_json::Value>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self {
            code,
            details: None,
        }
    }
}

/// What became of a send at the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// It goes into the log, with its verdict if it has one.
    Append {
        /// It.
        record: Box<Record>,
        /// What the asker is told, beyond its code, if the verdict becomes the outcome.
        verdict: Option<Refusal>,
    },
    /// It is refused, finally: no retry, so nobody else can have it.
    Refuse(Refusal),
}

/// A request to have something sequenced, whichever frame it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// As `send` has it.
    pub send: client::Send,
    /// Whether it gives the id up.
    pub cancel: bool,
    /// What looking at it alone found wrong.
    pub wrong: Option<check::Refused>,
    /// What it says, by which another send under its id is told apart. None of what gives it up,
    /// and of what goes nowhere.
    pub digest: Option<u64>,
}

impl Submission {
    /// Of a `send`.
    #[must_use]
    pub fn send(send: client::Send, user: UserId, limits: &Limits) -> Self {
        let wrong = check::send(&send, user, limits).err();
        Self::new(send, false, wrong, user)
    }

    fn new(send: client::Send, cancel: bool, wrong: Option<check::Refused>, user: UserId) -> Self {
        let mut submission = Self {
            send,
            cancel,
            wrong,
            digest: None,
        };
        submission.digest = submission
            .conversation(user)
            .filter(|_| !cancel)
            .map(|conversation| contents::digest(&submission.send, user, conversation));
        submission
    }

    /// Of any frame that wants to be sequenced.
    #[must_use]
    pub fn of(
        frame: parlour_protocol::frame::Client,
        user: UserId,
        limits: &Limits,
    ) -> Option<Self> {
        use parlour_protocol::frame::Client as F;
        let wrong = check::check(&frame, user, limits).err();
        let mut cancel = false;
        let send = match frame {
            F::Send(send) => send,
            F::Edit(f) => client::Send {
                r#ref: f.r#ref,
                conversation: Some(f.conversation),
                retry: f.retry,
                after: f.after,
                target: Some(f.target),
                body: f.body,
                mentions: f.mentions,
                mail: f.mail,
                lists: f.lists,
                ..empty(f.id, kind::EDIT)
            },
            F::Delete(f) => client::Send {
                r#ref: f.r#ref,
                conversation: Some(f.conversation),
                retry: f.retry,
                after: f.after,
                target: Some(f.target),
                ..empty(f.id, kind::DELETE)
            },
            F::React(f) => client::Send {
                r#ref: f.r#ref,
                conversation: Some(f.conversation),
                retry: f.retry,
                after: f.after,
                target: Some(f.target),
                key: Some(f.key),
                on: f.on,
                ..empty(f.id, kind::REACTION)
            },
            F::Cancel(f) => {
                cancel = true;
                client::Send {
                    r#ref: f.r#ref,
                    conversation: f.conversation,
                    to: f.to,
                    after: f.after,
                    ..empty(f.id, kind::MESSAGE)
                }
            }
            _ => return None,
        };
        Some(Self::new(send, cancel, wrong, user))
    }

    /// The conversation; none only if neither it nor a user was named.
    #[must_use]
    pub fn conversation(&self, user: UserId) -> Option<ConversationId> {
        self.send
            .conversation
            .or_else(|| self.send.to.map(|to| ConversationId::direct(user, to)))
    }

    /// What it is judged by.
    #[must_use]
    pub fn need(&self, user: UserId) -> Option<Need> {
        let conversation = self.conversation(user)?;
        let peer = self
            .send
            .to
            .or_else(|| (conversation == ConversationId::own(user)).then_some(user));
        let lists = self.send.lists.iter().map(|(u, s)| (*u, *s)).collect();
        let comes = matches!(self.send.kind.as_deref(), Some(kind::CREATE | kind::ADD));
        let named = match &self.wrong {
            None if comes => self.send.named.iter().map(|n| n.user).collect(),
            _ => Vec::new(),
        };
        Some(Need::Admit {
            conversation,
            peer,
            named,
            lists,
        })
    }
}

fn empty(id: MessageId, kind: &str) -> client::Send {
    client::Send {
        kind: Some(kind.to_owned()),
        ..client::Send::empty(id)
    }
}

/// Judges a send as things stand.
#[must_use]
pub fn judge(
    submission: &Submission,
    identity: &Identity,
    conversation: ConversationId,
    admit: &Admit,
    now_ms: u64,
    rules: u16,
) -> Judged {
    let send = &submission.send;
    let user = identity.user;
    let name = send.kind.as_deref().unwrap_or(kind::MESSAGE);
    let class = if submission.cancel {
        Class::Cancel
    } else {
        kind::find(name)
            .map(|k| k.class)
            .or(send.class)
            .unwrap_or(Class::Content)
    };
    let peer = send
        .to
        .or_else(|| (conversation == ConversationId::own(user)).then_some(user))
        .or_else(|| admit.entry.as_ref().and_then(|e| e.peer(user)));
    let verdict = refusal(submission, identity, peer, class, admit);
    let verdict = match verdict {
        Some(refusal) if !send.retry => return Judged::Refuse(refusal),
        verdict => verdict,
    };
    let time_ms = send.origin.as_ref().map_or(now_ms, |o| o.time_ms);
    let mut h = Header::new(
        conversation,
        send.id,
        user,
        identity.device,
        class,
        name,
        time_ms,
    );
    h.verdict = verdict.as_ref().map(|r| r.code);
    h.digest = submission.digest;
    h.after = send.after;
    h.peer = peer;
    let stranger = peer.is_none() && admit.entry.is_none() && send.create.is_none();
    h.stranger = (stranger && h.verdict.is_none()).then_some(true);
    // What is refused for its form alone carries none of it along.
    if submission.wrong.is_none() {
        h.target = send.target;
        h.key = send.key.clone();
        h.base = send.base;
        h.named = send.named.clone();
        h.create = send.create.clone();
        h.reply_to = send.reply_to;
        h.thread = send.thread;
        h.mentions = send.mentions.clone();
        h.origin = send.origin.clone();
        h.expires_after_s = send.expires_after_s;
        h.value = send.value.clone();
        h.off = !send.on;
    }
    let empty = class == Class::Cancel || h.verdict.is_some() || name == kind::DELETE;
    let payload = if empty {
        Default::default()
    } else {
        send.body.to_payload()
    };
    let mut record = Record::new(&h, payload);
    record.rules = rules;
    Judged::Append {
        record: Box::new(record),
        verdict,
    }
}

fn refusal(
    submission: &Submission,
    identity: &Identity,
    peer: Option<UserId>,
    class: Class,
    admit: &Admit,
) -> Option<Refusal> {
    let send = &submission.send;
    if !identity.sends() || (send.origin.is_some() && !identity.scopes.contains(&Scope::Import)) {
        return Some(Code::SCOPE.into());
    }
    if let Some(wrong) = &submission.wrong {
        let details = Some(serde_json::Value::String(wrong.what.clone()));
        return Some(Refusal {
            code: wrong.code,
            details,
        });
    }
    if class == Class::Cancel {
        return None;
    }
    let is_own = peer == Some(identity.user);
    match (peer, &admit.entry) {
        (Some(_), _) if is_own => {}
        (Some(_), _) => {
            if !admit.peer_exists {
                return Some(Code::NOT_FOUND.into());
            }
            if admit.blocked && class != Class::Setting {
                return Some(Code::BLOCKED.into());
            }
        }
        (None, Some(entry)) if entry.is_member() => {}
        (None, _) if send.create.is_some() => {}
        (None, _) if send.kind.as_deref() == Some(kind::JOIN) && admit.open => {}
        // What it waits for may be what brings its sender in: the log knows, and is told of one
        // who never was in it (`Header::stranger`).
        (None, _) if send.after.is_some() => {}
        (None, Some(_)) => return Some(Code::NOT_MEMBER.into()),
        (None, None) => return Some(Code::NOT_FOUND.into()),
    }
    if !admit.nobody.is_empty() {
        let ids: Vec<String> = admit.nobody.iter().map(ToString::to_string).collect();
        let what = format!("`named` has users that do not exist: {}", ids.join(", "));
        return Some(Refusal {
            code: Code::BAD_REQUEST,
            details: Some(what.into()),
        });
    }
    // A list of devices is what is being set; it need not be sealed for itself (decision 9).
    if !admit.newer_lists.is_empty() && send.kind.as_deref() != Some(kind::DEVICE_LIST) {
        let lists: Vec<serde_json::Value> = admit
            .newer_lists
            .iter()
            .map(|(user, version, list)| {
                serde_json::json!({"user": user, "version": version, "list": list})
            })
            .collect();
        return Some(Refusal {
            code: Code::STALE_LISTS,
            details: Some(lists.into()),
        });
    }
    None
}
