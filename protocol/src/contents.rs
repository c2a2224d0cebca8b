//! What a send says, in eight bytes: to tell a send that is tried again from another one under the
//! same id (decision 4).
//!
//! Promises: the same contents give the same digest, in either codec, in whatever order a body
//! names its fields, and on every node. Never looks at what a try may change: `ref`, `retry`,
//! `after`, the keys for single devices and the lists that they were made for. Sealed sends that
//! say all they say in such keys are therefore not told apart.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::body::Body;
use crate::frame::client;
use crate::kind;

/// The digest of a send's contents: the first eight bytes of a SHA-256, big-endian. Where it goes
/// is not among them, as an id is looked up by conversation and sender.
#[must_use]
pub fn digest(send: &client::Send) -> u64 {
    let mut says = Says(Sha256::new());
    let s = send;
    says.bytes(s.kind.as_deref().unwrap_or(kind::MESSAGE).as_bytes());
    says.option(s.class.map(|c| c as u64), Says::number);
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
        says.number(named.role as u64);
    }
    says.option(s.create.as_ref(), |says, create| {
        says.number(create.shape as u64);
        says.number(create.history as u64);
    });
    says.option(s.origin.as_ref(), |says, origin| {
        says.bytes(origin.author.as_bytes());
        says.bytes(origin.id.as_bytes());
        says.number(origin.time_ms);
    });
    says.option(s.expires_after_s, |says, s| says.number(u64::from(s)));
    says.body(&s.body);
    let hash: [u8; 32] = says.0.finalize().into();
    hash.iter()
        .take(8)
        .fold(0, |all, byte| (all << 8) | u64::from(*byte))
}

/// Whether an outcome that was stored for contents of the one digest is that of contents of the
/// other. Where either is not known nothing speaks against it.
#[must_use]
pub fn fits(stored: Option<u64>, asked: Option<u64>) -> bool {
    stored.is_none() || asked.is_none() || stored == asked
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
