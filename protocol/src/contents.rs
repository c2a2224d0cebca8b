//! What a send says, in eight bytes: to tell a send that is tried again from another one under the
//! same id (decision 4).
//!
//! Promises: the same contents give the same digest, in either codec, in whatever order a body
//! names its fields, and on every node; under another id, or from another sender, another one, so
//! that equal texts are not known by it. Never looks at what a try may change: `ref`, `retry`,
//! `after`, the keys for single devices and the lists that they were made for. Sealed sends that
//! say all they say in such keys are therefore not told apart.
//!
//! Its first byte is the number of its rules. Digests of different rules are not compared
//! ([`fits`]). A field that `Send` gains later is hashed by new rules alone, and those hold for
//! sends that have it: a node that does not know the field then finds nothing against a send that
//! one that knows it has placed.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::body::Body;
use crate::frame::client;
use crate::id::{ConversationId, UserId};
use crate::kind::{self, Class, HistoryRule, Role, Shape};

/// The rules by which [`digest`] goes.
const RULES: u8 = 1;

/// The digest of what this user's send to this conversation says: the number of the rules, and
/// seven bytes of a SHA-256.
#[must_use]
pub fn digest(send: &client::Send, sender: UserId, conversation: ConversationId) -> u64 {
    let s = send;
    let mut says = Says(Sha256::new());
    says.bytes(conversation.as_bytes());
    says.bytes(sender.as_bytes());
    says.bytes(s.id.as_bytes());
    let kind = s.kind.as_deref().unwrap_or(kind::MESSAGE);
    says.bytes(kind.as_bytes());
    // The class of a kind that is known is not the sender's to say.
    let class = s.class.filter(|_| kind::find(kind).is_none());
    says.option(class.map(of_class), Says::number);
    says.number(s.mentions.users.len() as u64);
    for user in &s.mentions.users {
        says.bytes(user.as_bytes());
    }
    says.number(u64::from(s.mentions.everyone));
    for place in [s.reply_to, s.thread, s.target, s.base] {
        says.option(place.map(|p| p.0), Says::number);
    }
    for text in [&s.key, &s.value] {
        says.option(text.as_deref(), |says, t| says.bytes(t.as_bytes()));
    }
    says.number(u64::from(s.on));
    says.number(s.named.len() as u64);
    for named in &s.named {
        says.bytes(named.user.as_bytes());
        says.number(of_role(named.role));
    }
    says.option(s.create.as_ref(), |says, create| {
        says.number(of_shape(create.shape));
        says.number(of_history(create.history));
    });
    says.option(s.origin.as_ref(), |says, origin| {
        says.bytes(origin.author.as_bytes());
        says.bytes(origin.id.as_bytes());
        says.number(origin.time_ms);
    });
    says.option(s.expires_after_s, |says, s| says.number(u64::from(s)));
    says.body(&s.body);
    let hash: [u8; 32] = says.0.finalize().into();
    let seven = hash.iter().take(7);
    seven.fold(u64::from(RULES), |all, byte| (all << 8) | u64::from(*byte))
}

/// Whether an outcome that was stored for contents of the one digest is that of contents of the
/// other. Where either is not known, or they go by different rules, nothing speaks against it.
#[must_use]
pub fn fits(stored: Option<u64>, asked: Option<u64>) -> bool {
    match (stored, asked) {
        (Some(stored), Some(asked)) => stored == asked || stored >> 56 != asked >> 56,
        _ => true,
    }
}

// Numbers of this page's own: those of the types are the compiler's, and may shift.

fn of_class(class: Class) -> u64 {
    match class {
        Class::Content => 0,
        Class::Change => 1,
        Class::Membership => 2,
        Class::Setting => 3,
        Class::Cancel => 4,
    }
}

fn of_role(role: Role) -> u64 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

fn of_shape(shape: Shape) -> u64 {
    match shape {
        Shape::Direct => 0,
        Shape::Group => 1,
        Shape::Channel => 2,
    }
}

fn of_history(rule: HistoryRule) -> u64 {
    match rule {
        HistoryRule::All => 0,
        HistoryRule::FromJoin => 1,
    }
}

/// Fields, one after the other, none of which can run into the next.
struct Says(Sha256);

impl Says {
    fn number(&mut self, n: u64) {
        self.0.update(n.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, say: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.0.update([0]),
            Some(value) => {
                self.0.update([1]);
                say(self, value);
            }
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Plain(fields) => {
                self.0.update([b'p']);
                self.fields(fields);
            }
            Body::Sealed(sealed) => {
                self.0.update([b's']);
                self.bytes(sealed.alg.as_bytes());
                self.number(sealed.epoch);
                self.bytes(&sealed.bytes);
            }
        }
    }

    fn fields(&mut self, fields: &serde_json::Map<String, Value>) {
        let mut sorted: Vec<_> = fields.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        self.number(sorted.len() as u64);
        for (name, value) in sorted {
            self.bytes(name.as_bytes());
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update([b'0']),
            Value::Bool(is) => self.0.update([b'b', u8::from(*is)]),
            Value::Number(n) => {
                self.0.update([b'n']);
                self.bytes(n.to_string().as_bytes());
            }
            Value::String(text) => {
                self.0.update([b't']);
                self.bytes(text.as_bytes());
            }
            Value::Array(values) => {
                self.0.update([b'a']);
                self.number(values.len() as u64);
                for value in values {
                    self.value(value);
                }
            }
            Value::Object(fields) => {
                self.0.update([b'o']);
                self.fields(fields);
            }
        }
    }
}
